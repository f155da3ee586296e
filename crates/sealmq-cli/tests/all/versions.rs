//! Both versions of MQTT, and brokers that lack what is needed.

use sealmq_testbroker::{Limits, OldBroker, Server};
use tokio::runtime::Runtime;

use crate::common::brokers;
use crate::common::domain::Domain;
use crate::common::{Ended, Running, run};

/// Each command over MQTT 3.1.1, and devices of both versions with each other.
fn devices_of_both_versions(domain: &mut Domain, port: &str, has_5: bool) {
    let old = ["-V", "mqttv311"];
    let connection = |more: &[&str]| {
        let all = [&["-h", "127.0.0.1", "-p", port][..], more].concat();
        all.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    domain.connection = connection(&old);
    let _authority = domain.authority();
    let token = [
        "token", "create", "--group", "plant", "--role", "both", "--uses", "2",
    ];
    let mut token = domain.command(&token);
    token.args(["-h", "127.0.0.1", "-p", port]);
    let token = run(token).expect(0).stdout.trim_end().to_owned();
    for name in ["ann", "sensor"] {
        let args = [
            "join", &token, "--name", name, "--dir", name, "-V", "mqttv311",
        ];
        run(domain.command(&args)).expect(0);
    }
    let mut reader = domain.subscribe("ann", &["-t", "plant/#", "-q", "2"]);
    domain
        .publish("sensor", &["-t", "plant/x", "-m", "old", "-q", "2"], b"")
        .expect(0);
    reader.wait_for("old");
    if has_5 {
        domain.connection = connection(&[]);
        let args = ["-t", "plant/x", "-m", "new", "--content-type", "text/plain"];
        domain.publish("sensor", &args, b"").expect(0);
        reader.wait_for("new");
    }
    reader.interrupt().expect(0);
    // What MQTT 5 has in properties travels inside.
    domain.connection = connection(&old);
    let args = ["-t", "plant/x", "--json", "-C", "1"];
    let reader = domain.subscribe("ann", &args);
    let args = [
        "-t",
        "plant/x",
        "-m",
        "3",
        "--content-type",
        "a/b",
        "--expiry",
        "600",
    ];
    domain.publish("sensor", &args, b"").expect(0);
    let seen = reader.end().expect(0).stdout;
    assert!(seen.contains("a/b") && seen.contains("600"), "{seen}");
}

#[test]
fn everything_works_over_mqtt_3_1_1() {
    let mut domain = Domain::new();
    let broker = brokers::bundled(domain.path(), &[]);
    devices_of_both_versions(&mut domain, &broker.port, true);
    let mut domain = Domain::new();
    if let Some(broker) = brokers::mosquitto(domain.path(), "allow_anonymous true") {
        devices_of_both_versions(&mut domain, &broker.port, true);
    }
}

/// A broker with limits, at a port.
fn limited(runtime: &Runtime, limits: Limits) -> (Server, String) {
    let server = runtime.block_on(Server::start(limits)).unwrap();
    let port = server.address().port().to_string();
    (server, port)
}

fn old(how: OldBroker) -> Limits {
    Limits {
        old: Some(how),
        ..Limits::default()
    }
}

#[test]
fn a_broker_that_speaks_mqtt_3_1_1_only_is_told_apart_and_works_with_the_option() {
    let runtime = Runtime::new().unwrap();
    for how in [OldBroker::Close, OldBroker::Refuse] {
        let mut domain = Domain::new();
        let (server, port) = limited(&runtime, old(how));
        domain.connection = ["-h", "127.0.0.1", "-p", &port].map(str::to_owned).to_vec();
        let told = |ended: Ended| {
            assert!(ended.stderr.contains("-V mqttv311"), "{how:?}: {ended:?}");
            assert!(ended.stderr.contains("MQTT 5"), "{how:?}: {ended:?}");
        };
        told(run(domain.connected(&["authority", "run", "--once"])));
        let root = domain.ok(&["root", "show"]).stdout;
        std::fs::write(domain.path().join("domain.pub"), root).unwrap();
        let join = ["join", "--root", "domain.pub", "--name", "x", "--dir", "x"];
        told(run(domain.connected(&join)));
        domain.enrol("bob", &["--subscribe", "plant"]);
        told(run(
            domain.connected(&["sub", "--dir", "bob", "-t", "plant/#"])
        ));
        told(run(domain.connected(&[
            "pub", "--dir", "bob", "-t", "plant/x", "-m", "x",
        ])));
        // Each gave up by itself, or after it had been told.
        assert!(
            server.connections().len() <= 8,
            "{:?}",
            server.connections()
        );
        devices_of_both_versions(&mut domain, &port, false);
    }
}

#[test]
fn a_broker_without_retained_messages_is_one_clear_error() {
    let runtime = Runtime::new().unwrap();
    let limits = Limits {
        retain: false,
        ..Limits::default()
    };
    let mut domain = Domain::new();
    let (server, port) = limited(&runtime, limits);
    domain.connection = ["-h", "127.0.0.1", "-p", &port].map(str::to_owned).to_vec();
    let told = |ended: Ended| {
        assert!(!ended.status.success(), "{ended:?}");
        let text = "keeps no retained messages";
        assert_eq!(ended.stderr.matches(text).count(), 1, "{ended:?}");
    };
    told(run(domain.connected(&["authority", "run"])));
    assert_eq!(server.connections().len(), 1);
    let root = domain.ok(&["root", "show"]).stdout;
    std::fs::write(domain.path().join("domain.pub"), root).unwrap();
    let join = ["join", "--root", "domain.pub", "--name", "x", "--dir", "x"];
    told(run(domain.connected(&join)));
    assert_eq!(server.connections().len(), 2);
    // A reader goes on with the keys that it has, and says it.
    domain.enrol("bob", &["--subscribe", "plant"]);
    let mut reader = Running::start(domain.connected(&["sub", "--dir", "bob", "-t", "plant/#"]));
    reader.wait_for_remark("keeps no retained messages");
    let ended = reader.interrupt();
    assert_eq!(
        ended.stderr.matches("keeps no retained").count(),
        1,
        "{ended:?}"
    );
}

#[test]
fn a_device_is_told_what_the_broker_says_of_its_request() {
    let mut domain = Domain::new();
    let groups = domain.ok(&["group", "list"]).stdout;
    let keys = groups.split("keys below").nth(1).unwrap();
    let prefix = keys.split("/g/").next().unwrap().trim();
    let limits = Limits {
        puback: Some((format!("{prefix}/join/"), 0x95)),
        ..Limits::default()
    };
    let runtime = Runtime::new().unwrap();
    let (_server, port) = limited(&runtime, limits);
    domain.connection = ["-h", "127.0.0.1", "-p", &port].map(str::to_owned).to_vec();
    run(domain.connected(&["authority", "run", "--once"])).expect(0);
    let root = domain.ok(&["root", "show"]).stdout;
    std::fs::write(domain.path().join("domain.pub"), root).unwrap();
    let join = [
        "join",
        "--root",
        "domain.pub",
        "--name",
        "x",
        "--dir",
        "x",
        "--timeout",
        "4s",
    ];
    let ended = run(domain.connected(&join)).expect(27);
    let last = ended.stderr.lines().last().unwrap();
    assert!(
        last.contains("the connection broke") && last.contains("reason code 149"),
        "{ended:?}"
    );
    assert!(!ended.stderr.contains("else than MQTT"), "{ended:?}");
}

/// Both sides of a broker that loses, without a word, what comes faster than it allows.
#[test]
fn a_broker_that_takes_few_messages_a_second_gets_no_more() {
    const RATE: usize = 8;
    let runtime = Runtime::new().unwrap();
    let limits = Limits {
        publishes_per_second: Some(RATE),
        ..Limits::default()
    };
    let (server, port) = limited(&runtime, limits);
    let mut domain = Domain::new();
    domain.connection = ["-h", "127.0.0.1", "-p", &port].map(str::to_owned).to_vec();
    // What a network delays may come closer together than it was sent.
    let pace = ["--publishes-per-second", "6"];
    for name in ["ann", "sensor"] {
        domain.enrol(name, &["--publish", "plant", "--subscribe", "plant"]);
    }
    let mut authority = domain.connected(&["authority", "run"]);
    authority.args(pace);
    let mut authority = Running::start(authority);
    authority.wait_for("the broker has all");
    let mut reader = domain.subscribe("ann", &["-t", "plant/#"]);
    let args = ["-t", "plant/x", "-m", "reading", "--repeat", "20"];
    domain
        .publish("sensor", &[&args[..], &pace].concat(), b"")
        .expect(0);
    reader.wait_for_count("reading", 20);
    let seen = runtime.block_on(async { server.seen() });
    assert_eq!(seen.throttled, 0, "{seen:?}");
    assert!(seen.publishes_per_second <= RATE, "{seen:?}");
    reader.interrupt().expect(0);
    authority.interrupt().expect(0);
}
