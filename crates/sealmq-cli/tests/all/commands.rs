//! A group for commands: what was held back on the way is not carried out later (spec/envelope.md
//! §9, "Freshness"; threat model A13).

use std::thread::sleep;
use std::time::Duration;

use crate::common::brokers;
use crate::common::domain::Domain;
use crate::common::run;

#[test]
fn a_command_that_was_held_back_is_refused() {
    let mut domain = Domain::new();
    // The guide's command; and one whose time this test can wait for.
    let add = |name: &str, more: &[&str]| {
        let topic = format!("{name}/#");
        domain.ok(&[&["group", "add", name, "--topic", &topic][..], more].concat());
        domain.ok(&["group", "show", name]).stdout
    };
    let shown = add("valves", &["--freshness", "30s", "--skew", "5s"]);
    assert!(shown.contains("older than 30s are refused"), "{shown}");
    assert!(shown.contains("at the latest 5s later"), "{shown}");
    let shown = domain.ok(&["group", "show", "plant"]).stdout;
    assert!(shown.contains("accepted however old"), "{shown}");
    add("quick", &["--freshness", "2s", "--skew", "0s"]);

    let publish = |group| ["--publish", group];
    let subscribe = |group| ["--subscribe", group];
    let groups = ["plant", "valves", "quick"];
    domain.enrol("panel", &groups.map(publish).concat());
    domain.enrol("valve", &groups.map(subscribe).concat());
    let broker = brokers::bundled(domain.path(), &[]);
    domain.connection = ["-h", "127.0.0.1", "-p", &broker.port]
        .map(str::to_owned)
        .to_vec();
    let _authority = domain.authority();

    let filters = ["-t", "plant/#", "-t", "valves/#", "-t", "quick/#"];
    let session = [&filters[..], &["-c", "-i", "valve-1", "-F", "%t"]].concat();
    let send = |topic: &str| {
        domain
            .publish("panel", &["-t", topic, "-m", "open"], b"")
            .expect(0);
    };
    // In time, each is carried out.
    let mut valve = domain.subscribe("valve", &session);
    for topic in ["plant/1", "valves/1", "quick/1"] {
        send(topic);
        valve.wait_for(topic);
    }
    valve.interrupt().expect(0);

    // The broker keeps what comes now, and delivers it too late for one of them.
    for topic in ["quick/2", "plant/2", "valves/2"] {
        send(topic);
    }
    sleep(Duration::from_millis(3500));
    let again = [&["sub", "--dir", "valve", "-W", "5", "-d"][..], &session].concat();
    let ended = run(domain.connected(&again)).expect(27);
    assert_eq!(ended.stdout, "plant/2\nvalves/2\n", "{ended:?}");
    let refused = "stale: older than the group's policy allows";
    assert!(ended.stderr.contains(refused), "{ended:?}");
}
