//! The whole way with separate processes, as in the README: once through the bundled broker, once
//! through Debian's Mosquitto, which knows nothing of sealmq.

use std::process::Command;

use crate::common::brokers::{self, Broker};
use crate::common::domain::Domain;
use crate::common::tls;
use crate::common::{Running, run, run_with, sealmq};
use serde_json::Value;

const SECRET: &str = "the valve opens at 21.5 degrees";

/// An outsider who records every topic and payload in hex.
fn outsider(broker: &Broker, options: &[&str]) -> Option<Running> {
    brokers::mosquitto_client("mosquitto_sub")?;
    // Otherwise its lines wait in a buffer.
    let mut command = Command::new("stdbuf");
    command
        .args(["-oL", "mosquitto_sub"])
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &broker.port,
            "-t",
            "#",
            "-F",
            "%t %x",
            "-d",
        ])
        .args(options);
    let mut outsider = Running::start(command);
    outsider.wait_for("SUBACK");
    Some(outsider)
}

/// Everything from the first command to a removed reader. `options` are the outsider's.
fn whole_flow(broker: &Broker, connection: &[&str], options: &[&str]) {
    let mut domain = Domain::new();
    domain.connection = [&["-h", "127.0.0.1", "-p", &broker.port][..], connection]
        .concat()
        .iter()
        .map(|&text| text.to_owned())
        .collect();
    domain.enrol("sensor", &["--publish", "plant:plant/%c/#"]);
    domain.enrol("ann", &["--subscribe", "plant"]);
    domain.enrol("bob", &["--subscribe", "plant", "--publish", "plant"]);
    let outsider = outsider(broker, options);
    let mut authority = domain.authority();
    let format = "%t|%s|%n|%g|%e|%p";
    let mut ann = domain.subscribe("ann", &["-t", "plant/#", "-F", format]);
    let mut bob = domain.subscribe("bob", &["-t", "plant/sensor/+", "--json"]);

    // One message, and lines.
    domain
        .publish("sensor", &["-t", "plant/sensor/valve", "-m", SECRET], b"")
        .expect(0);
    domain
        .publish(
            "sensor",
            &["-t", "plant/sensor/lines", "-l"],
            b"one\n\ntwo\xff\n",
        )
        .expect(0);
    let lines = ann.wait_for_lines(4);
    assert_eq!(
        lines[0],
        format!("plant/sensor/valve|sensor|1|plant|2|{SECRET}")
    );
    assert_eq!(
        lines[1..3],
        [
            "plant/sensor/lines|sensor|1|plant|2|one",
            "plant/sensor/lines|sensor|1|plant|2|"
        ]
    );
    let seen: Vec<Value> = bob
        .wait_for_lines(4)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(seen[0]["payload"], SECRET);
    assert_eq!(seen[0]["sender"]["name"], "sensor");
    assert_eq!(seen[3]["payload_hex"], "74776fff");

    // A rotation: the very next message uses the new keys.
    domain.ok(&["rotate", "plant"]);
    authority.wait_for("has all 12 objects");
    domain
        .publish(
            "sensor",
            &["-t", "plant/sensor/valve", "-m", "rotated"],
            b"",
        )
        .expect(0);
    assert_eq!(
        ann.wait_for_lines(5)[4],
        "plant/sensor/valve|sensor|1|plant|3|rotated"
    );
    assert!(bob.wait_for_lines(5)[4].contains("\"rotated\""));

    // What may not be published, and what nobody could read, is refused before anything is sent.
    for (device, topic, about) in [
        ("sensor", "plant/other/valve", "may not publish"),
        ("ann", "plant/ann/x", "another sealmq process"),
        ("sensor", "office/printer", "no group covers"),
        ("sensor", "plant/+/x", "plant/+/x"),
    ] {
        let refused = domain.publish(device, &["-t", topic, "-m", "must not go out"], b"");
        assert_ne!(refused.code(), Some(0));
        assert!(refused.stderr.contains(about), "{refused:?}");
    }
    domain
        .publish("bob-nobody", &["-t", "plant/x", "-m", "x"], b"")
        .complains(4, &["member request"]);

    // A removal: what is sent after it stays closed to the removed reader.
    let told = authority.stdout().matches("has all").count();
    domain.ok(&["member", "remove", "bob"]);
    // A refused list and an announcement more, and without a welcome and the first announcement.
    authority.wait_for_count("has all", told + 1);
    bob.wait_for_remark("this member was removed");
    domain
        .publish(
            "sensor",
            &["-t", "plant/sensor/valve", "-m", "for ann only"],
            b"",
        )
        .expect(0);
    assert_eq!(
        ann.wait_for_lines(6)[5],
        "plant/sensor/valve|sensor|1|plant|4|for ann only"
    );
    let list = domain.ok(&["member", "list"]).stdout;
    assert!(list.contains("bob: removed at"), "{list}");
    let groups = domain.ok(&["group", "list"]).stdout;
    assert!(
        groups.contains("2 (1 refused)") && groups.contains("epoch            4"),
        "{groups}"
    );

    // Unsealed messages are reported, and shown to nobody.
    if let Some(mut command) = brokers::mosquitto_client("mosquitto_pub") {
        command.args([
            "-h",
            "127.0.0.1",
            "-p",
            &broker.port,
            "-t",
            "plant/fake",
            "-m",
            "clear",
            "-q",
            "1",
        ]);
        run({
            command.args(options);
            command
        })
        .expect(0);
        ann.wait_for_remark("plant/fake: not accepted: not sealed");
    }

    let ann = ann.interrupt().expect(0);
    assert_eq!(ann.stdout.lines().count(), 6);
    assert!(ann.stderr.contains("received 6"), "{ann:?}");
    let bob = bob.interrupt().expect(0);
    assert_eq!(bob.stdout.lines().count(), 5, "{bob:?}");
    assert!(!bob.stdout.contains("for ann only"));
    authority.interrupt().expect(0);

    if let Some(outsider) = outsider {
        nothing_readable(&domain, &outsider.interrupt().stdout);
    }
}

/// Looks at everything that passed, and lets `inspect` explain it.
fn nothing_readable(domain: &Domain, recorded: &str) {
    let carried: Vec<(&str, Vec<u8>)> = recorded
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(topic, _)| topic.starts_with("plant/") || topic.starts_with("_sealmq/"))
        .map(|(topic, payload)| (topic, hex::decode(payload).unwrap()))
        .collect();
    for (topic, payload) in &carried {
        for secret in [
            SECRET,
            "valve opens",
            "rotated",
            "for ann only",
            "must not go out",
        ] {
            let found = payload
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{secret:?} is readable in {topic}");
        }
    }
    let of_sensor: Vec<&Vec<u8>> = carried
        .iter()
        .filter(|(topic, _)| topic.starts_with("plant/sensor/"))
        .map(|(_, payload)| payload)
        .collect();
    assert_eq!(of_sensor.len(), 6);
    assert!(
        of_sensor
            .iter()
            .all(|payload| payload[0] == 0x11 && payload.len() >= 125)
    );
    let shown = run_with(sealmq(domain.path(), &["inspect"]), of_sensor[0])
        .expect(0)
        .stdout;
    assert!(
        shown.starts_with("sealmq envelope,") && !shown.contains(SECRET),
        "{shown}"
    );
    let kinds: Vec<String> = carried
        .iter()
        .filter(|(topic, payload)| topic.starts_with("_sealmq/") && !payload.is_empty())
        .map(|(topic, payload)| {
            let shown = run(sealmq(domain.path(), &["inspect", &hex::encode(payload)])).expect(0);
            let kind = shown.stdout.lines().next().unwrap().to_owned();
            assert!(!kind.starts_with("sealmq envelope"), "{topic}: {kind}");
            kind
        })
        .collect();
    for kind in [
        "delegation",
        "credential",
        "welcome",
        "announcement",
        "refused list",
    ] {
        assert!(
            kinds
                .iter()
                .any(|line| line.starts_with(&format!("sealmq {kind}"))),
            "{kind}: {kinds:?}"
        );
    }
}

#[test]
fn through_the_bundled_broker() {
    let folder = tempfile::tempdir().unwrap();
    let broker = brokers::bundled(folder.path(), &["--data", "data"]);
    whole_flow(&broker, &[], &[]);
    broker.process.interrupt().expect(0);
}

#[test]
fn through_mosquitto() {
    let folder = tempfile::tempdir().unwrap();
    let Some(broker) = brokers::mosquitto(folder.path(), "allow_anonymous true") else {
        return;
    };
    whole_flow(&broker, &[], &[]);
}

#[test]
fn with_login_and_tls_through_the_bundled_broker() {
    let folder = tempfile::tempdir().unwrap();
    let broker = tls::bundled(folder.path());
    let [ca, certificate, key] =
        ["ca.pem", "client.pem", "client.key"].map(|name| tls::path(folder.path(), name));
    let certified = ["--cafile", &ca, "--cert", &certificate, "--key", &key];
    let login = [&certified[..], &["-u", "ann", "-P", tls::PASSWORD]].concat();
    whole_flow(&broker, &login, &login);

    // Wrong ways in, and what the program says.
    let domain = Domain::new();
    domain.enrol("sensor", &["--publish", "plant"]);
    let attempt = |options: &[&str]| {
        let args = [
            "pub",
            "--dir",
            "sensor",
            "-t",
            "plant/x",
            "-m",
            "x",
            "-h",
            "127.0.0.1",
            "-p",
            &broker.port,
        ];
        domain.try_run(&[&args[..], options].concat())
    };
    attempt(&[&certified[..], &["-u", "ann", "-P", "wrong"]].concat())
        .complains(3, &["refuses the login", "-P"]);
    attempt(&[&certified[..], &["-u", "ann", "-P", ""]].concat())
        .complains(3, &["refuses the login"]);
    attempt(&certified).complains(3, &["refuses the login"]);
    attempt(&[
        "--cafile",
        &certificate,
        "--cert",
        &certificate,
        "--key",
        &key,
    ])
    .complains(3, &["TLS"]);
    attempt(&["--cafile", &key]).complains(2, &["no certificate"]);
    assert_eq!(attempt(&["--cafile", &ca]).code(), Some(3));
    assert_eq!(attempt(&[]).code(), Some(3));
}

#[test]
fn with_login_and_tls_through_mosquitto() {
    let folder = tempfile::tempdir().unwrap();
    let Some(broker) = tls::mosquitto(folder.path(), false) else {
        return;
    };
    let ca = tls::path(folder.path(), "ca.pem");
    let login = ["--cafile", &ca, "-u", "ann", "-P", tls::PASSWORD];
    whole_flow(&broker, &login, &login);
}
