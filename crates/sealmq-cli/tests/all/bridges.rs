//! Behind a bridge that renames topics: `--topic-map`.

use crate::common::brokers::{self, Broker};
use crate::common::domain::Domain;
use crate::common::run;

const MAP: [&str; 2] = ["--topic-map", "site1/="];

fn at(broker: &Broker) -> Vec<String> {
    ["-h", "127.0.0.1", "-p", &broker.port]
        .map(str::to_owned)
        .to_vec()
}

/// What the central broker has stands below `site1/` at the site: a device there joins, publishes and
/// reads by the central names.
#[test]
fn a_device_behind_a_bridge_joins_publishes_and_reads() {
    let mut domain = Domain::new();
    let central = brokers::bundled(domain.path(), &[]);
    let bridge = format!(
        "user root\nallow_anonymous true\nconnection central\naddress 127.0.0.1:{}\n\
         bridge_protocol_version mqttv50\nbridge_attempt_unsubscribe false\nnotifications false\n\
         topic # both 1 site1/ \"\"",
        central.port
    );
    let Some(site) = brokers::mosquitto(domain.path(), &bridge) else {
        return;
    };
    domain.connection = at(&central);
    let _authority = domain.authority();
    let both = ["--publish", "plant", "--subscribe", "plant"];
    domain.enrol("office", &both);
    domain.enrol("chief", &both);
    let mut office = domain.subscribe("office", &["-t", "plant/#", "-v"]);
    let create = ["token", "create", "--group", "plant", "--role", "both"];
    let token = run(domain.connected(&create)).expect(0).stdout;

    domain.connection = at(&site);
    let join = [
        "join",
        token.trim_end(),
        "--name",
        "device",
        "--dir",
        "device",
    ];
    run(domain.connected(&[&join[..], &MAP].concat())).expect(0);
    let up = ["-t", "plant/x", "-m", "up", "-q", "1"];
    let sent = domain.publish("device", &[&up[..], &MAP].concat(), b"");
    sent.expect(0);
    office.wait_for("plant/x up");
    let all = ["-t", "plant/#", "-v"];
    let mut device = domain.subscribe("device", &[&all[..], &MAP].concat());

    domain.connection = at(&central);
    let down = ["-t", "plant/state", "-m", "down", "-q", "1", "-r"];
    domain.publish("chief", &down, b"").expect(0);
    device.wait_for("plant/state down");
    office.wait_for("plant/state down");
    device.interrupt().expect(0);

    // A name that means nothing there is one clear error, and nothing is sent.
    domain.connection = at(&site);
    let wrong = ["-t", "plant/x", "-m", "lost", "--topic-map", "x=y/"];
    let said = domain.publish("device", &wrong, b"");
    assert_eq!(said.code(), Some(2), "{said:?}");
}
