//! What people do, and what strangers do to them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::brokers::{self, Broker};
use crate::common::domain::Domain;
use crate::common::tls;
use crate::common::{PATIENCE, Running, run, sealmq};

/// A sensor, and a reader `ann`.
fn stage() -> (Domain, Broker) {
    let mut domain = Domain::new();
    domain.enrol("sensor", &["--publish", "plant"]);
    domain.enrol("ann", &["--subscribe", "plant"]);
    let broker = brokers::bundled(domain.path(), &[]);
    domain.connection = ["-h", "127.0.0.1", "-p", &broker.port]
        .map(str::to_owned)
        .to_vec();
    (domain, broker)
}

/// A client without any library, which sends what it likes.
fn stranger(broker: &Broker) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", broker.port.parse().unwrap())).unwrap();
    stream
        .write_all(b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01s")
        .unwrap();
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    assert!(head[0] == 0x20 && head[1] < 0x80);
    stream
        .read_exact(&mut vec![0; usize::from(head[1])])
        .unwrap();
    stream
}

fn publish(stream: &mut TcpStream, topic: &str, payload: &[u8]) {
    let length = 2 + topic.len() + 1 + payload.len();
    let two = [
        u8::try_from(length % 128).unwrap() | 0x80,
        u8::try_from(length / 128).unwrap(),
    ];
    let mut packet = vec![0x30, two[0], two[1], 0, u8::try_from(topic.len()).unwrap()];
    packet.extend(topic.as_bytes());
    packet.push(0);
    packet.extend(payload);
    stream.write_all(&packet).unwrap();
}

/// 99 messages made 99 lines, and a topic could clear the screen or fake an alarm.
#[test]
fn strangers_neither_steer_the_terminal_nor_fill_it() {
    let (domain, broker) = stage();
    let _authority = domain.authority();
    let reader = domain.subscribe("ann", &["-t", "plant/#"]);
    let mut stranger = stranger(&broker);
    let hostile = "plant/\u{9b}2J\u{202e}\u{2066}\u{200b}";
    for _ in 0..99 {
        publish(&mut stranger, hostile, b"\x1b[2J");
    }
    // After them.
    domain
        .publish("sensor", &["-t", "plant/x", "-m", "x"], b"")
        .expect(0);
    let mut reader = reader;
    reader.wait_for("x");
    let ended = reader.interrupt().expect(0);
    let odd = |c: &char| (c.is_control() && *c != '\n') || ('\u{200b}'..='\u{2069}').contains(c);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(said.chars().find(odd), None, "{said:?}");
    assert_eq!(said.matches("not accepted").count(), 1, "{said}");
    assert!(said.contains("plant/\\u{9b}2J\\u{202e}"), "{said}");
    assert!(said.contains("NotSealed 99"), "{said}");
}

/// The payload of the next message on a topic.
fn overhear(stream: &mut TcpStream, topic: &str, meanwhile: impl FnOnce()) -> Vec<u8> {
    let mut packet = vec![0x82, u8::try_from(6 + topic.len()).unwrap(), 0, 1, 0, 0];
    packet.push(u8::try_from(topic.len()).unwrap());
    packet.extend(topic.as_bytes());
    packet.push(0);
    stream.write_all(&packet).unwrap();
    let next = |stream: &mut TcpStream| {
        let mut head = [0; 2];
        stream.read_exact(&mut head).unwrap();
        let mut length = usize::from(head[1] & 0x7f);
        if head[1] & 0x80 != 0 {
            let mut more = [0];
            stream.read_exact(&mut more).unwrap();
            length += usize::from(more[0]) * 128;
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        (head[0], body)
    };
    let mut meanwhile = Some(meanwhile);
    loop {
        let (kind, body) = next(stream);
        match (kind >> 4, meanwhile.take()) {
            (9, Some(meanwhile)) => meanwhile(),
            (3, _) => {
                // Properties have less than 128 bytes.
                let properties = 2 + topic.len();
                return body[properties + 1 + usize::from(body[properties])..].to_vec();
            }
            (_, unchanged) => meanwhile = unchanged,
        }
    }
}

#[test]
fn a_bridge_that_renames_topics_is_named() {
    let (domain, broker) = stage();
    let _authority = domain.authority();
    let mut bridge = stranger(&broker);
    let sealed = overhear(&mut bridge, "plant/x", || {
        domain
            .publish("sensor", &["-t", "plant/x", "-m", "x"], b"")
            .expect(0);
    });
    for renamed in ["plant/y", "site/plant/x"] {
        let reader = domain.subscribe("ann", &["-t", "plant/#", "-t", "site/#"]);
        // Until it has its keys.
        domain
            .publish("sensor", &["-t", "plant/z", "-m", "z"], b"")
            .expect(0);
        let mut reader = reader;
        reader.wait_for("z");
        publish(&mut bridge, renamed, &sealed);
        reader.wait_for_remark("a bridge between brokers that renames topics");
        let ended = reader.interrupt().expect(0);
        assert!(ended.stderr.contains(renamed), "{ended:?}");
    }
}

#[test]
fn publishers_with_one_identity_take_turns() {
    let (domain, _broker) = stage();
    let _authority = domain.authority();
    let mut reader = domain.subscribe("ann", &["-t", "plant/#"]);
    let publishers: Vec<Running> = (0..20)
        .map(|number| {
            let text = number.to_string();
            let args = ["pub", "--dir", "sensor", "-t", "plant/x", "-m", &text];
            let more = ["--patience", "110s"];
            Running::start(domain.connected(&[&args[..], &more].concat()))
        })
        .collect();
    for publisher in publishers {
        publisher.end().expect(0);
    }
    let mut lines = reader.wait_for_lines(20);
    lines.sort_by_key(|line| line.parse::<u32>().unwrap());
    assert!((0..20).map(|n| n.to_string()).eq(lines));
}

/// It ended at the next message only, with code 1.
#[test]
fn a_reader_whose_output_nobody_reads_ends() {
    let (domain, _broker) = stage();
    let _authority = domain.authority();
    let mut command = domain.connected(&["sub", "--dir", "ann", "-t", "plant/#", "-d"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut remarks = child.stderr.take().unwrap();
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("subscribed") {
        let mut bytes = [0; 256];
        let count = remarks.read(&mut bytes).unwrap();
        assert!(count > 0, "{said:?}");
        said.extend(&bytes[..count]);
    }
    assert!(child.try_wait().unwrap().is_none());
    drop(child.stdout.take());
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(start.elapsed() < PATIENCE, "it does not end");
        sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(0));
}

#[test]
fn retained_messages_are_cleared_on_purpose_only() {
    let (domain, _broker) = stage();
    let _authority = domain.authority();
    let send = |args: &[&str], input: &[u8]| {
        domain.publish("sensor", &[&["-t", "plant/x", "-r"], args].concat(), input)
    };
    send(&["-m", "kept"], b"").expect(0);
    for args in [&["-s"][..], &["-m", ""], &["-f", "/dev/null"]] {
        send(args, b"").complains(2, &["give -n"]);
    }
    send(&["-l"], b"\n").complains(2, &["give -n"]);
    let shown = || {
        let args = ["sub", "--dir", "ann", "-t", "plant/x", "-C", "1", "-W", "2"];
        run(domain.connected(&args)).stdout
    };
    assert_eq!(shown(), "kept\n");
    send(&["-n"], b"").expect(0);
    assert_eq!(shown(), "");
    // Without -r nothing is cleared.
    domain
        .publish("sensor", &["-t", "plant/x", "-s"], b"")
        .expect(0);
}

#[test]
fn a_password_in_the_environment_needs_no_user() {
    let (domain, _broker) = stage();
    let _authority = domain.authority();
    let args = ["pub", "--dir", "sensor", "-t", "plant/x", "-m", "x"];
    let mut command = domain.connected(&args);
    command.env("SEALMQ_MQTT_PASSWORD", "secret");
    run(command).expect(0);
}

#[test]
fn the_root_is_found_in_the_authoritys_folder() {
    let domain = Domain::new();
    std::fs::rename(
        domain.path().join("sealmq-authority"),
        domain.path().join("office"),
    )
    .unwrap();
    let with = |args: &[&str]| {
        let mut command = domain.command(args);
        command.env("SEALMQ_AUTHORITY_DIR", "office");
        run(command)
    };
    with(&["authority", "request-delegation", "-o", "renewal.req"]).expect(0);
    with(&["root", "delegate", "renewal.req", "-o", "renewal.pem"]).expect(0);
    with(&["root", "show"]).expect(0);
}

/// 600 of them locked everybody out at `ulimit -n 1024`.
#[test]
#[cfg(unix)]
fn silent_connections_lock_nobody_out() {
    let mut domain = Domain::new();
    domain.enrol("sensor", &["--publish", "plant"]);
    let mut command = Command::new("sh");
    let plain = sealmq(domain.path(), &[]);
    let program = plain.get_program().to_str().unwrap();
    command.current_dir(domain.path()).args([
        "-c",
        &format!("ulimit -n 256; exec {program} broker --listen 127.0.0.1:0"),
    ]);
    let mut process = Running::start(command);
    let line = process.wait_for("listening on");
    let address = line.split_whitespace().nth(2).unwrap();
    let port = address.rsplit(':').next().unwrap().to_owned();
    let silent: Vec<TcpStream> = (0..300)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    domain.connection = ["-h", "127.0.0.1", "-p", &port].map(str::to_owned).to_vec();
    let _authority = domain.authority();
    let begun = Instant::now();
    domain
        .publish("sensor", &["-t", "plant/x", "-m", "x"], b"")
        .expect(0);
    assert!(begun.elapsed() < Duration::from_secs(20));
    drop(silent);
}

/// As with mosquitto_sub; the port for TLS turns it on, too, and others need the option.
#[test]
fn tls_with_whom_the_system_trusts() {
    let mut domain = Domain::new();
    let broker = tls::bundled(domain.path());
    let connection = ["-h", "localhost", "-p", &broker.port, "-u", "ann"];
    let own = ["--cert", "client.pem", "--key", "client.key"];
    let with = |domain: &Domain| {
        let mut command = domain.connected(&["authority", "run", "--once"]);
        command.env("SEALMQ_MQTT_PASSWORD", tls::PASSWORD);
        command.env("SSL_CERT_FILE", "ca.pem");
        command
    };
    domain.connection = [&connection[..], &own, &["--tls-use-os-certs"]]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
    run(with(&domain)).expect(0);
    let mut elsewhere = with(&domain);
    elsewhere.env("SSL_CERT_FILE", "client.pem");
    run(elsewhere).complains(3, &["--cafile"]);
    domain.connection = [&connection[..], &own]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
    run(with(&domain)).complains(2, &["--tls-use-os-certs"]);
    domain.connection = connection.map(str::to_owned).to_vec();
    run(with(&domain)).complains(3, &["--tls-use-os-certs"]);
}
