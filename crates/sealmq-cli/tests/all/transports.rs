//! What carries MQTT: WebSocket, WebSocket over TLS, a Unix socket, and TLS that names the protocol.

use std::fs;

use crate::common::brokers::{self, Broker};
use crate::common::domain::Domain;
use crate::common::{run, tls};

/// A device joins, publishes and reads over each of the ways, with both versions of MQTT.
fn each_way_carries_all(broker: &Broker, mut domain: Domain, ways: &[Vec<String>]) {
    domain.connection = vec!["-p".to_owned(), broker.port.clone()];
    let _authority = domain.authority();
    let token = domain.connected(&[
        "token",
        "create",
        "--group",
        "plant",
        "--role",
        "both",
        "--uses",
        "20",
        "-h",
        "127.0.0.1",
    ]);
    let token = run(token).expect(0).stdout;
    for (number, way) in ways.iter().enumerate() {
        let version = ["mqttv5", "mqttv311"][number % 2];
        let [name, sender] = ["reader", "sender"].map(|name| format!("{name}-{number}"));
        domain.connection = [&way[..], &["-V".to_owned(), version.to_owned()]].concat();
        for name in [&name, &sender] {
            let join = ["join", token.trim_end(), "--name", name, "--dir", name];
            run(domain.connected(&join)).expect(0);
        }
        let mut reader = domain.subscribe(&name, &["-t", "plant/#", "-v"]);
        let text = format!("over-{number}");
        domain
            .publish(&sender, &["-t", "plant/x", "-m", &text, "-q", "2"], b"")
            .expect(0);
        reader.wait_for(&format!("plant/x {text}"));
        // A packet larger than one frame of a WebSocket has to be.
        let large = "y".repeat(300_000);
        domain
            .publish(
                &sender,
                &["-t", "plant/y", "-s", "-q", "1"],
                large.as_bytes(),
            )
            .expect(0);
        reader.wait_for(&large);
    }
}

fn arguments(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn websockets_of_the_bundled_broker() {
    let domain = Domain::new();
    let folder = domain.path().to_owned();
    tls::certificates(&folder);
    let [plain, secured] = [brokers::free_port(), brokers::free_port()];
    let settings = format!(
        "[general]\nallow_anonymous = true\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n\
         [[listener]]\naddress = \"127.0.0.1:{plain}\"\nprotocol = \"websocket\"\npath = \"/mqtt\"\n\
         [[listener]]\naddress = \"127.0.0.1:{secured}\"\nprotocol = \"websocket\"\npath = \"/in\"\n\
         certificate = \"server.pem\"\nkey = \"server.key\"\n"
    );
    fs::write(folder.join("broker.toml"), settings).unwrap();
    let broker = brokers::configured(&folder, "broker.toml");
    let [plain, secured] = [plain, secured].map(|port| port.to_string());
    let ca = tls::path(&folder, "ca.pem");
    let over_tls = [
        "--ws",
        "--ws-path",
        "/in",
        "--cafile",
        &ca,
        "-h",
        "localhost",
        "-p",
        &secured,
        "--tls-alpn",
        "http/1.1",
    ];
    let wrong_path = [
        "pub",
        "-t",
        "plant/x",
        "-m",
        "x",
        "--ws",
        "-p",
        &plain,
        "--ws-path",
        "/",
    ];
    let ways = [
        arguments(&["--ws", "-p", &plain]),
        arguments(&over_tls),
        arguments(&["--ws", "-h", "127.0.0.1", "-p", &plain]),
    ];
    domain.enrol("ann", &["--publish", "plant"]);
    let wrong = [&wrong_path[..], &["--dir", "ann"]].concat();
    domain.try_run(&wrong).complains(3, &["--ws-path"]);
    let no_websocket = [
        "pub",
        "-t",
        "plant/x",
        "-m",
        "x",
        "--ws",
        "-p",
        &broker.port,
        "--dir",
        "ann",
    ];
    domain.try_run(&no_websocket).complains(3, &["--ws"]);
    each_way_carries_all(&broker, domain, &ways);
}

#[test]
fn sockets_of_mosquitto() {
    let domain = Domain::new();
    let folder = domain.path().to_owned();
    tls::certificates(&folder);
    let [plain, secured] = [brokers::free_port(), brokers::free_port()];
    let [ca, certificate, key, socket] =
        ["ca.pem", "server.pem", "server.key", "mqtt.sock"].map(|name| tls::path(&folder, name));
    let configuration = format!(
        "user root\nallow_anonymous true\nlistener 0 {socket}\nlistener {plain} 127.0.0.1\nprotocol websockets\n\
         listener {secured} 127.0.0.1\ncertfile {certificate}\nkeyfile {key}\n"
    );
    let Some(broker) = brokers::mosquitto(&folder, &configuration) else {
        return;
    };
    let [plain, secured] = [plain, secured].map(|port| port.to_string());
    let ways = [
        arguments(&["--unix", &socket]),
        arguments(&["--unix", &socket]),
        arguments(&["--ws", "-p", &plain]),
        arguments(&["--ws", "-p", &plain]),
        arguments(&["-p", &secured, "--cafile", &ca, "--tls-alpn", "mqtt"]),
    ];
    each_way_carries_all(&broker, domain, &ways);
}

#[test]
fn ways_that_do_not_go_together_are_said() {
    let domain = Domain::new();
    domain.enrol("ann", &["--publish", "plant"]);
    let publish = ["pub", "--dir", "ann", "-t", "plant/x", "-m", "x"];
    for (options, about) in [
        (&["--unix", "s", "-p", "1883"][..], "--unix"),
        (&["--unix", "s", "--ws"], "--unix"),
        (&["--tls-alpn", "mqtt"], "--tls-alpn is for TLS"),
        (&["--ws-path", "/mqtt"], "--ws"),
        (&["--ws", "--ws-path", "mqtt"], "begins with /"),
    ] {
        let ended = domain.try_run(&[&publish[..], options].concat()).expect(2);
        assert!(ended.stderr.contains(about), "{ended:?}");
    }
    domain
        .try_run(&[&publish[..], &["--unix", "nowhere.sock"]].concat())
        .complains(3, &["nowhere.sock", "--unix"]);
}
