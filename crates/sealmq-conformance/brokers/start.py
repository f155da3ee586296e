"""Each broker on loopback, on free ports, with its files in a folder of its own; ends by its pid."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import install

HOST = "127.0.0.1"
SECONDS = 60

AEDES = """import { createServer } from 'node:net';
import { Aedes } from 'aedes';
const broker = await Aedes.createBroker();
createServer(broker.handle).listen(PORT, 'HOST');
"""


def free_ports(count):
    """Ports that nobody uses now."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Broker:
    """A broker's processes, each the leader of a group of its own."""

    def __init__(self, title, folder):
        self.title = title
        self.folder = folder
        self.processes = []
        self.port = None
        # Of clients.
        self.options = []

    def spawn(self, arguments, **environment):
        log = open(self.folder / "log", "ab")
        process = subprocess.Popen(
            arguments, cwd=self.folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True)
        log.close()
        self.processes.append(process)
        return process

    def wait(self, *ports):
        """Until these ports are open."""
        until = time.monotonic() + SECONDS
        for port in ports:
            while True:
                ended = [process for process in self.processes if process.poll() is not None]
                if ended or time.monotonic() > until:
                    raise install.NotInstalled(f"it does not start: {self.last_words()}")
                try:
                    socket.create_connection((HOST, port), 1).close()
                    break
                except OSError:
                    time.sleep(0.05)
        self.port = ports[0]

    def wait_for(self, words):
        """Until it has said that."""
        until = time.monotonic() + SECONDS
        while words not in (self.folder / "log").read_text(errors="replace"):
            if time.monotonic() > until:
                raise install.NotInstalled(f"it does not say '{words}': {self.last_words()}")
            time.sleep(0.1)

    def last_words(self):
        said = (self.folder / "log").read_text(errors="replace").strip().splitlines()
        return said[-1] if said else "it says nothing"

    def stop(self):
        for process in reversed(self.processes):
            for how in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, how)
                    process.wait(10)
                except ProcessLookupError:
                    process.wait()
                except subprocess.TimeoutExpired:
                    continue
        self.processes = []


def bundled(cache, folder, sealmq):
    done = install.command([str(sealmq), "--version"]).split()[-1]
    broker = Broker(f"bundled {done}", folder)
    [port] = free_ports(1)
    broker.spawn([str(sealmq), "broker", "--listen", f"{HOST}:{port}"])
    broker.wait(port)
    return broker


def mosquitto(cache, folder, sealmq):
    program, environment = install.program("mosquitto"), {}
    if program:
        said = subprocess.run([program, "-h"], capture_output=True, text=True).stdout
        version = re.search(r"version (\S+)", said)[1]
    else:
        version = install.debian("mosquitto", cache / "mosquitto")
        root = cache / "mosquitto/root"
        program = str(root / "usr/sbin/mosquitto")
        environment = {"LD_LIBRARY_PATH": str(root / "usr/lib/x86_64-linux-gnu")}
    broker = Broker(f"Mosquitto {upstream(version)}", folder)
    [port] = free_ports(1)
    # As root it would become another user, who could not read the folder.
    user = "user root\n" if os.geteuid() == 0 else ""
    (folder / "mosquitto.conf").write_text(f"listener {port} {HOST}\nallow_anonymous true\n{user}")
    broker.spawn([program, "-c", "mosquitto.conf"], **environment)
    broker.wait(port)
    return broker


def upstream(version):
    """Without Debian's part."""
    return re.split(r"[-+]", version)[0]


def erlang(broker, root):
    """A name service for Erlang's nodes that is this broker's own; the environment to use it."""
    [port] = free_ports(1)
    environment = {
        "HOME": str(broker.folder),
        "ERL_EPMD_PORT": str(port),
        "ERL_EPMD_ADDRESS": HOST,
        "PATH": f"{root}/usr/lib/erlang/bin:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": f"{root}/usr/lib/x86_64-linux-gnu",
    }
    [epmd] = (root / "usr/lib/erlang").glob("erts-*/bin/epmd")
    broker.spawn([str(epmd), "-address", HOST, "-port", str(port)])
    broker.wait(port)
    return environment


def rabbitmq(cache, folder, sealmq):
    version = install.debian("rabbitmq-server", cache / "rabbitmq")
    root = cache / "rabbitmq/root"
    broker = Broker(f"RabbitMQ {upstream(version)}", folder)
    port, amqp, distribution = free_ports(3)
    environment = erlang(broker, root)
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.default = {HOST}:{amqp}\n"
        f"mqtt.listeners.tcp.default = {HOST}:{port}\n"
        "mqtt.allow_anonymous = true\nmqtt.default_user = guest\nmqtt.default_pass = guest\n"
        "log.console = true\nlog.console.level = info\n")
    (folder / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
    [home] = (root / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*")
    broker.spawn(
        [str(home / "sbin/rabbitmq-server")], **environment,
        RABBITMQ_HOME=str(home), RABBITMQ_NODENAME=f"conformance{port}@localhost",
        RABBITMQ_CONFIG_FILE=str(folder / "rabbitmq"), RABBITMQ_CONF_ENV_FILE="/dev/null",
        RABBITMQ_ENABLED_PLUGINS_FILE=str(folder / "enabled_plugins"),
        RABBITMQ_MNESIA_BASE=str(folder / "mnesia"), RABBITMQ_LOG_BASE=str(folder / "logs"),
        RABBITMQ_PID_FILE=str(folder / "pid"), RABBITMQ_GENERATED_CONFIG_DIR=str(folder / "generated"),
        RABBITMQ_DIST_PORT=str(distribution),
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}")
    broker.wait(port)
    broker.wait_for("Server startup complete")
    return broker


def nats_node(broker, root, name, port, mqtt, cluster=""):
    (broker.folder / f"{name}.conf").write_text(
        f'server_name: {name}\nlisten: "{HOST}:{port}"\n'
        f'jetstream {{ store_dir: "{broker.folder}/{name}" }}\n'
        f'mqtt {{ listen: "{HOST}:{mqtt}" }}\n{cluster}')
    broker.spawn([str(root / "usr/sbin/nats-server"), "-c", f"{name}.conf"])


def nats(cache, folder, sealmq):
    version = install.debian("nats-server", cache / "nats")
    broker = Broker(f"nats-server {upstream(version)}", folder)
    port, mqtt = free_ports(2)
    nats_node(broker, cache / "nats/root", "single", port, mqtt)
    broker.wait(mqtt)
    return broker


def nats_cluster(cache, folder, sealmq):
    version = install.debian("nats-server", cache / "nats")
    broker = Broker(f"nats-cluster {upstream(version)}", folder)
    ports = [free_ports(3) for _ in range(3)]
    routes = ", ".join(f'"nats://{HOST}:{route}"' for _, _, route in ports)
    for number, (port, mqtt, route) in enumerate(ports):
        nats_node(broker, cache / "nats/root", f"node{number}", port, mqtt,
                  f'cluster {{ name: three, listen: "{HOST}:{route}", routes: [{routes}] }}\n')
    broker.wait(*(mqtt for _, mqtt, _ in ports))
    # For what they keep.
    broker.wait_for("JetStream cluster new metadata leader")
    return broker


EJABBERD = """hosts: ["localhost"]
loglevel: 4
listen:
  - port: {port}
    ip: "{host}"
    module: mod_mqtt
    backlog: 1000
auth_method: [anonymous]
anonymous_protocol: login_anon
allow_multiple_connections: true
modules:
  mod_mqtt:
    match_retained_limit: infinity
"""


def ejabberd(cache, folder, sealmq):
    version = install.debian("ejabberd", cache / "ejabberd")
    root = cache / "ejabberd/root"
    broker = Broker(f"ejabberd {upstream(version)}", folder)
    [port] = free_ports(1)
    environment = erlang(broker, root)
    # It lets nobody in without a name, whatever the name.
    broker.options = ["-u", "conformance", "-P", "conformance"]
    (folder / "ejabberd.yml").write_text(EJABBERD.format(port=port, host=HOST))
    broker.spawn(
        [f"{root}/usr/lib/erlang/bin/erl", "-sname", f"conformance{port}@localhost", "-noinput",
         "-kernel", "inet_dist_use_interface", "{127,0,0,1}", "-mnesia", "dir", f'"{folder}/spool"',
         "-s", "ejabberd"], **environment,
        ERL_LIBS=f"{root}/usr/lib/x86_64-linux-gnu", EJABBERD_CONFIG_PATH=str(folder / "ejabberd.yml"),
        EJABBERD_LOG_PATH=str(folder / "ejabberd.log"))
    broker.wait(port)
    return broker


def aedes(cache, folder, sealmq):
    version = install.npm(cache / "aedes")
    node = install.program("node")
    if not node:
        raise install.NotInstalled("node is not installed (Debian: nodejs)")
    broker = Broker(f"aedes {version}", folder)
    [port] = free_ports(1)
    script = cache / "aedes" / f"broker-{port}.mjs"
    script.write_text(AEDES.replace("PORT", str(port)).replace("HOST", HOST))
    broker.spawn([node, str(script)])
    broker.wait(port)
    script.unlink()
    return broker


AMQTT = """listeners:
  default:
    type: tcp
    bind: {host}:{port}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin:
    allow_anonymous: true
"""


def amqtt(cache, folder, sealmq):
    version = install.pypi(cache / "amqtt")
    broker = Broker(f"amqtt {version}", folder)
    [port] = free_ports(1)
    (folder / "amqtt.yaml").write_text(AMQTT.format(port=port, host=HOST))
    broker.spawn([str(cache / "amqtt/venv/bin/amqtt"), "-c", "amqtt.yaml"])
    broker.wait(port)
    return broker


ALL = {
    "bundled": bundled,
    "mosquitto": mosquitto,
    "rabbitmq": rabbitmq,
    "nats": nats,
    "nats-cluster": nats_cluster,
    "ejabberd": ejabberd,
    "aedes": aedes,
    "amqtt": amqtt,
}
