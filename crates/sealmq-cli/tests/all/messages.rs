//! The options of `pub` and `sub`, and `authority run` when brokers come and go.

use std::fs;
use std::time::{Duration, Instant};

use crate::common::brokers::{self, Broker};
use crate::common::domain::Domain;
use crate::common::{Running, run, sealmq};
use rustix::process::Signal;
use serde_json::Value;

/// A domain with a sensor and a reader, connected to a broker.
fn stage() -> (Domain, Broker) {
    let mut domain = Domain::new();
    domain.enrol("sensor", &["--publish", "plant"]);
    domain.enrol("ann", &["--subscribe", "plant"]);
    let broker = brokers::bundled(domain.path(), &["--data", "broker"]);
    domain.connection = ["-h", "127.0.0.1", "-p", &broker.port]
        .map(str::to_owned)
        .to_vec();
    (domain, broker)
}

#[test]
fn where_messages_come_from() {
    let (domain, _broker) = stage();
    let _authority = domain.authority();
    let mut ann = domain.subscribe("ann", &["-t", "plant/#", "-F", "%p|%l"]);
    let t = ["-t", "plant/x"];
    let publish = |args: &[&str], input: &[u8]| {
        domain
            .publish("sensor", &[&t[..], args].concat(), input)
            .expect(0)
    };
    fs::write(domain.path().join("file"), "from a file\nwith lines\n").unwrap();
    publish(&["-m", "text"], b"");
    publish(&["-m", "-dashes"], b"");
    publish(&["-f", "file"], b"");
    publish(&["-s"], b"all of\nstandard input");
    publish(&["-n"], b"");
    publish(
        &["-m", "again", "--repeat", "3", "--repeat-delay", "0.01"],
        b"",
    );
    publish(&["-l", "-q", "2"], b"one\ntwo");
    publish(&["-m", "fast", "-q", "0"], b"");
    let expected = [
        "text|4",
        "-dashes|7",
        "from a file",
        "with lines",
        "|23",
        "all of",
        "standard input|21",
        "|0",
        "again|5",
        "again|5",
        "again|5",
        "one|3",
        "two|3",
        "fast|4",
    ];
    assert_eq!(ann.wait_for_lines(expected.len()), expected);
    domain
        .publish("sensor", &["-t", "plant/x", "-f", "missing"], b"")
        .complains(2, &["missing"]);

    // Nothing to send is no error, and what was refused is one.
    publish(&["-l"], b"");
    domain
        .publish(
            "sensor",
            &[
                "-t",
                "plant/x",
                "-m",
                "x",
                "--content-type",
                &"x".repeat(20_000),
            ],
            b"",
        )
        .expect(1);
    let ended = ann.interrupt().expect(0);
    assert!(ended.stderr.contains("received 11"), "{ended:?}");
}

/// What a broker carries of it is looked at by the adapter's tests.
#[test]
fn short_messages_are_read_by_everybody() {
    let (domain, _broker) = stage();
    domain.enrol("late", &["--subscribe", "plant"]);
    let _authority = domain.authority();
    let mut ann = domain.subscribe("ann", &["-t", "plant/#", "-F", "%s %p"]);
    let short = ["-t", "plant/x", "--short"];
    let repeated = ["-m", "one", "--repeat", "3", "--repeat-delay", "0.01"];
    domain
        .publish("sensor", &[&short[..], &repeated].concat(), b"")
        .expect(0);
    assert_eq!(ann.wait_for_lines(3), ["sensor one"; 3]);
    // The record of the first program's session stands there; this one has a session of its own.
    let mut late = domain.subscribe("late", &["-t", "plant/#", "-F", "%s %p"]);
    domain
        .publish("sensor", &[&short[..], &["-m", "two"]].concat(), b"")
        .expect(0);
    assert_eq!(late.wait_for_lines(1), ["sensor two"]);
    assert_eq!(ann.wait_for_lines(4)[3], "sensor two");
    domain
        .publish(
            "sensor",
            &[&short[..], &["-m", "three", "-r"]].concat(),
            b"",
        )
        .expect(2);
}

#[test]
fn how_messages_are_shown() {
    let (domain, _broker) = stage();
    let _authority = domain.authority();
    let sub = |args: &[&str]| {
        Running::start(domain.connected(&[&["sub", "--dir", "ann"], args].concat()))
    };
    let properties = [
        "--content-type",
        "text/plain",
        "--response-topic",
        "plant/answer",
        "--correlation-data",
        "7",
        "--expiry",
        "1h",
        "--user-property",
        "line=1",
        "--user-property",
        "shift=b",
    ];
    let message = ["-t", "plant/x", "-m", "hot", "-r"];
    domain
        .publish("sensor", &[&message[..], &properties].concat(), b"")
        .expect(0);

    // Retained: everybody who asks gets it.
    let shown = |args: &[&str]| {
        sub(&[&["-t", "plant/#", "-C", "1"], args].concat())
            .end()
            .expect(0)
            .stdout
    };
    assert_eq!(shown(&[]), "hot\n");
    assert_eq!(shown(&["-N"]), "hot");
    assert_eq!(shown(&["-v"]), "plant/x hot\n");
    assert_eq!(
        shown(&["-F", "%t %s %n %g %e %r %C %R %D %E %P %x"]),
        "plant/x sensor 1 plant 2 1 text/plain plant/answer 7 3600 line:1 shift:b 686f74\n"
    );
    let json: Value = serde_json::from_str(&shown(&["--json"])).unwrap();
    assert_eq!(json["retain"], true);
    assert_eq!(json["properties"]["user-properties"][1][1], "b");
    assert_eq!(json["properties"]["message-expiry-interval"], 3600);
    for (format, about) in [("%", "percent"), ("%z", "%z"), ("\\q", "\\q")] {
        sub(&["-t", "plant/#", "-F", format])
            .end()
            .complains(2, &[about]);
    }
    sub(&["-t", "plant/#/x"]).end().complains(2, &["plant/#/x"]);

    // -W ends it, -R and -T leave out.
    for args in [&["-R"][..], &["-T", "plant/+"]] {
        let ended = sub(&[&["-t", "plant/#", "-W", "2"], args].concat())
            .end()
            .expect(27);
        assert_eq!(ended.stdout, "");
        let said = "received 1 (1 of them not asked for)";
        assert!(ended.stderr.contains(said), "{ended:?}");
    }
    let mut only = sub(&["-t", "plant/#", "--retained-only", "-d"]);
    only.wait_for("hot");
    domain
        .publish("sensor", &["-t", "plant/live", "-m", "live"], b"")
        .expect(0);
    assert_eq!(only.end().expect(0).stdout, "hot\n");

    // Cleared: reported, because nobody signs that.
    let mut watching = sub(&["-t", "plant/#", "-d"]);
    watching.wait_for("hot");
    domain
        .publish("sensor", &["-t", "plant/x", "-n", "-r"], b"")
        .expect(0);
    watching.wait_for_remark("cleared the retained message");
    watching.interrupt().expect(0);
    assert_eq!(
        sub(&["-t", "plant/x", "-W", "2"]).end().expect(27).stdout,
        ""
    );
}

#[test]
fn a_session_keeps_messages_and_nothing_is_shown_twice() {
    let (domain, _broker) = stage();
    let _authority = domain.authority();
    let sub = || {
        let args = ["-t", "plant/#", "-c", "-i", "ann-1", "--strict"];
        domain.subscribe("ann", &args)
    };
    let mut first = sub();
    domain
        .publish("sensor", &["-t", "plant/x", "-m", "1"], b"")
        .expect(0);
    first.wait_for_lines(1);
    first.interrupt().expect(0);
    // Across a rotation, too.
    domain
        .publish("sensor", &["-t", "plant/x", "-m", "2"], b"")
        .expect(0);
    domain.ok(&["rotate", "plant"]);
    domain
        .publish("sensor", &["-t", "plant/x", "-m", "3"], b"")
        .expect(0);
    let args = [
        "sub", "--dir", "ann", "-t", "plant/#", "-c", "-i", "ann-1", "-C", "2",
    ];
    let second = run(domain.connected(&args)).expect(0);
    assert_eq!(second.stdout, "2\n3\n");
}

#[test]
fn a_reader_that_is_killed_shows_nothing_twice() {
    let (domain, _broker) = stage();
    let _authority = domain.authority();
    domain
        .publish("sensor", &["-t", "plant/x", "-m", "value", "-r"], b"")
        .expect(0);
    let mut ann = domain.subscribe("ann", &["-t", "plant/#", "--strict"]);
    ann.wait_for("value");
    domain
        .publish("sensor", &["-t", "plant/x", "-m", "event"], b"")
        .expect(0);
    ann.wait_for("event");
    ann.signal(Signal::KILL);
    assert_eq!(ann.end().code(), None);
    // The store survived the kill.
    let again = domain
        .subscribe("ann", &["-t", "plant/#", "-C", "1"])
        .end()
        .expect(0);
    assert_eq!(again.stdout, "value\n");
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let (domain, _broker) = stage();
    let _authority = domain.authority();
    let mut command = domain.connected(&["sub", "--dir", "ann", "-t", "plant/#", "-d"]);
    let (reader, writer) = std::io::pipe().unwrap();
    command
        .stdin(std::process::Stdio::null())
        .stdout(writer)
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(command);
    drop(reader);
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not end");
        domain
            .publish("sensor", &["-t", "plant/x", "-m", "x"], b"")
            .expect(0);
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !said.contains("panicked") && !said.contains("standard output"),
        "{said}"
    );
}

#[test]
fn without_keys_nothing_goes_out() {
    let (domain, broker) = stage();
    // No authority runs: the keys never arrive.
    let ended = domain
        .publish(
            "sensor",
            &["-t", "plant/x", "-m", "x", "--patience", "2s"],
            b"",
        )
        .expect(1);
    assert!(
        ended.stderr.contains("plant/x") && !ended.stderr.contains("panicked"),
        "{ended:?}"
    );
    // With it, a message waits until they are there.
    let mut waiting = Running::start(
        domain.connected(&["pub", "--dir", "sensor", "-t", "plant/x", "-m", "x", "-d"]),
    );
    waiting.wait_for_remark("connected");
    let once = run(domain.connected(&["authority", "run", "--once"])).expect(0);
    assert!(
        once.stdout.contains("the broker has all 9 objects"),
        "{once:?}"
    );
    waiting.end().expect(0);
    broker.process.interrupt().expect(0);
}

#[test]
fn the_authority_outlives_brokers() {
    let (domain, broker) = stage();
    let address = format!("127.0.0.1:{}", broker.port);
    let mut authority = domain.authority();
    let mut ann = domain.subscribe("ann", &["-t", "plant/#"]);
    domain
        .publish("sensor", &["-t", "plant/x", "-m", "before"], b"")
        .expect(0);
    ann.wait_for("before");

    // The broker goes away without its memory; keys change meanwhile; another one takes its place.
    broker.process.signal(Signal::KILL);
    broker.process.end();
    authority.wait_for_remark("trying again");
    ann.wait_for_remark("connecting again");
    domain.ok(&["rotate", "plant"]);
    let _second = brokers::bundled_at(domain.path(), &address, &[]);
    authority.wait_for("the broker has all 10 objects");
    let ended = domain.publish("sensor", &["-t", "plant/x", "-m", "after"], b"");
    ended.expect(0);
    ann.wait_for("after");
    let ended = ann.interrupt().expect(0);
    assert_eq!(ended.stdout, "before\nafter\n");
    let ended = authority.interrupt().expect(0);
    assert_eq!(ended.stdout.matches("connected to").count(), 2, "{ended:?}");
}

#[test]
fn the_authority_rotates_on_schedule_and_clears_what_is_old() {
    let (domain, broker) = stage();
    domain.ok(&[
        "group",
        "add",
        "fast",
        "-t",
        "fast/#",
        "--rotate-every",
        "1s",
        "--window",
        "1",
    ]);
    let mut authority = Running::start(domain.connected(&["authority", "run"]));
    authority.wait_for("group fast: epoch 5");
    authority.wait_for("the broker has all");
    authority.signal(Signal::TERM);
    authority.end().expect(0);
    // Of the fast group two announcements are left and the healing one, the others were cleared.
    if let Some(mut command) = brokers::mosquitto_client("mosquitto_sub") {
        command.args([
            "-h",
            "127.0.0.1",
            "-p",
            &broker.port,
            "-t",
            "_sealmq/+/g/+/a/+",
            "--retained-only",
            "-W",
            "2",
            "-F",
            "%t",
        ]);
        let topics = run(command).stdout;
        assert!((4..=5).contains(&topics.lines().count()), "{topics}");
    }
    let list = run(sealmq(
        domain.path(),
        &["group", "list", "--key-file", "stores.key"],
    ))
    .expect(0)
    .stdout;
    assert!(
        list.contains("everyone after 7h 5m at the latest"),
        "{list}"
    );
}

#[test]
fn a_renewed_credential_takes_effect() {
    let (domain, _broker) = stage();
    let mut authority = domain.authority();
    let mut ann = domain.subscribe("ann", &["-t", "plant/#"]);
    domain
        .publish("sensor", &["-t", "plant/x", "-m", "old"], b"")
        .expect(0);
    ann.wait_for("old");
    let renewed = domain
        .ok(&["member", "renew", "sensor", "--days", "30"])
        .stdout;
    assert!(renewed.contains("credential 2"), "{renewed}");
    // The epoch, the connection, everything there; and again after the change.
    authority.wait_for_lines(4);
    domain
        .publish("sensor", &["-t", "plant/x", "-m", "new"], b"")
        .expect(0);
    ann.wait_for("new");
    let ended = ann.interrupt().expect(0);
    assert_eq!(ended.stdout, "old\nnew\n");
    assert!(ended.stderr.ends_with("received 2\n"), "{ended:?}");
}
