"""Each broker on loopback, on free ports, with its files in a folder of its own; ends by its pid."""

import os
import re
import signal
import socket
import subprocess
import time
from functools import partial
from pathlib import Path

import install

HOST = "127.0.0.1"
SECONDS = 60

AEDES = """import { createServer } from 'node:net';
import { Aedes } from 'aedes';
const broker = await Aedes.createBroker();
createServer(broker.handle).listen(PORT, 'HOST');
"""
# What clients of the brokers with all levels are called.
USER, PASSWORD = "conformance", "conformance"


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
        # What starts it, in order: done again by `restart`.
        self.steps = []
        self.host, self.port = HOST, None
        # Takes requests to restart it.
        self.listener = None
        # Of MQTT; what is played with this broker if not all of them.
        self.versions = None
        # Of clients.
        self.options = []

    def do(self, step, *arguments):
        self.steps.append((step, arguments))
        step(*arguments)

    def spawn(self, arguments, folder=None, **environment):
        self.do(self.spawn_now, arguments, folder or self.folder, environment)

    def spawn_now(self, arguments, folder, environment):
        log = open(self.folder / "log", "ab")
        process = subprocess.Popen(
            arguments, cwd=folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True)
        log.close()
        self.processes.append(process)

    def wait(self, *ports):
        """Until these ports are open."""
        self.do(self.wait_now, *ports)

    def wait_now(self, *ports):
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
        self.do(self.wait_for_now, words)

    def wait_for_now(self, words):
        until = time.monotonic() + SECONDS
        while words not in (self.folder / "log").read_text(errors="replace"):
            if time.monotonic() > until:
                raise install.NotInstalled(f"it does not say '{words}': {self.last_words()}")
            time.sleep(0.1)

    def last_words(self):
        said = (self.folder / "log").read_text(errors="replace").strip().splitlines()
        return said[-1] if said else "it says nothing"

    def restart(self):
        """As after a crash, in the same place."""
        self.stop(signal.SIGKILL)
        # What it said before is not what is waited for.
        (self.folder / "log").rename(self.folder / "log.before")
        time.sleep(0.5)
        for step, arguments in self.steps:
            step(*arguments)

    def stop(self, *ways):
        for process in reversed(self.processes):
            for how in ways or (signal.SIGTERM, signal.SIGKILL):
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


def certificates(broker, sealmq):
    """An authority, the broker's certificate and a client's; options of clients that have it all."""
    folder = broker.folder / "certs"
    install.command([str(sealmq), "broker", "--make-certs", str(folder), "--cert-client", USER])
    broker.host = "localhost"
    broker.options = [
        "-u", USER, "-P", PASSWORD, "--cafile", str(folder / "ca.pem"),
        "--cert", str(folder / f"{USER}.pem"), "--key", str(folder / f"{USER}.key")]
    return folder


def bundled_levels(cache, folder, sealmq, websocket):
    """TLS with client certificates, and passwords."""
    done = install.command([str(sealmq), "--version"]).split()[-1]
    broker = Broker(f"bundled {done} ({'WSS' if websocket else 'TLS'})", folder)
    certificates(broker, sealmq)
    hashed = subprocess.run([str(sealmq), "passwd", USER], input=PASSWORD, capture_output=True, text=True, check=True)
    (folder / "passwords").write_text(hashed.stdout)
    [port] = free_ports(1)
    protocol = "websocket" if websocket else "mqtt"
    (folder / "broker.toml").write_text(
        f'[general]\ndata_folder = "data"\npassword_file = "passwords"\n'
        f'[[listener]]\naddress = "{HOST}:{port}"\nprotocol = "{protocol}"\ncertificate = "certs/server.pem"\n'
        f'key = "certs/server.key"\nclient_authority = "certs/ca.pem"\n')
    broker.spawn([str(sealmq), "broker", "--config", "broker.toml"])
    broker.wait(port)
    return levels(broker, websocket)


def levels(broker, websocket):
    """MQTT 5 over TLS, MQTT 3.1.1 over WebSocket over TLS: together they show everything."""
    broker.options += ["--ws"] if websocket else ["--tls-alpn", "mqtt"]
    # Debug builds take their time with a data folder, which has payloads as numbers in JSON.
    broker.options += ["--huge", str(2 << 20)]
    broker.versions = ["3.1.1"] if websocket else ["5"]
    return broker


def mosquitto_program(cache):
    program, environment = install.program("mosquitto"), {}
    if program:
        said = subprocess.run([program, "-h"], capture_output=True, text=True).stdout
        version = re.search(r"version (\S+)", said)[1]
    else:
        version = install.debian("mosquitto", cache / "mosquitto")
        root = cache / "mosquitto/root"
        program = str(root / "usr/sbin/mosquitto")
        environment = {"LD_LIBRARY_PATH": str(root / "usr/lib/x86_64-linux-gnu")}
    return program, upstream(version), environment


def mosquitto_with(cache, folder, name, lines, broker=None):
    program, version, environment = mosquitto_program(cache)
    broker = broker or Broker("", folder)
    broker.title = f"Mosquitto {version}{name}"
    [port] = free_ports(1)
    # As root it would become another user, who could not read the folder.
    user = "user root\n" if os.geteuid() == 0 else ""
    (folder / "mosquitto.conf").write_text(f"{user}listener {port} {HOST}\n{lines}")
    broker.spawn([program, "-c", "mosquitto.conf"], **environment)
    broker.wait(port)
    return broker


def mosquitto(cache, folder, sealmq):
    return mosquitto_with(cache, folder, "", "allow_anonymous true\n")


def mosquitto_levels(cache, folder, sealmq, websocket):
    """TLS with client certificates, and passwords; and a keep-alive of the broker's, which is for MQTT 5."""
    broker = Broker("", folder)
    certificates(broker, sealmq)
    passwd = install.program("mosquitto_passwd") or str(cache / "mosquitto/root/usr/bin/mosquitto_passwd")
    _, _, environment = mosquitto_program(cache)
    (folder / "passwords").touch(mode=0o600)
    subprocess.run([passwd, "-b", str(folder / "passwords"), USER, PASSWORD], check=True,
                   env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
    more = "protocol websockets\n" if websocket else "max_keepalive 10\n"
    # Version 2.0.11 does not start with WebSocket alone.
    other = "listener 0 other.socket\n" if websocket else ""
    lines = (f"{more}cafile certs/ca.pem\ncertfile certs/server.pem\nkeyfile certs/server.key\n"
             f"require_certificate true\nallow_anonymous false\npassword_file passwords\n{other}")
    name = " (WSS)" if websocket else " (TLS)"
    return levels(mosquitto_with(cache, folder, name, lines, broker), websocket)


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
        # Its default is 1 MiB; more than 8 MiB are discouraged, and it says so.
        f'max_payload: 8388608\nmqtt {{ listen: "{HOST}:{mqtt}" }}\n{cluster}')
    broker.options = ["--huge", str(4 << 20)]
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
    script = AEDES.replace("PORT", str(port)).replace("HOST", HOST)
    broker.spawn([node, "--input-type=module", "--eval", script], folder=cache / "aedes")
    broker.wait(port)
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
    "bundled-tls": partial(bundled_levels, websocket=False),
    "bundled-wss": partial(bundled_levels, websocket=True),
    "mosquitto": mosquitto,
    "mosquitto-tls": partial(mosquitto_levels, websocket=False),
    "mosquitto-wss": partial(mosquitto_levels, websocket=True),
    "rabbitmq": rabbitmq,
    "nats": nats,
    "nats-cluster": nats_cluster,
    "ejabberd": ejabberd,
    "aedes": aedes,
    "amqtt": amqtt,
}
