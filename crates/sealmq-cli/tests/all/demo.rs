//! `sealmq demo`: the main job, on the shipped file, on anything else, and when something is wrong.

use std::fs;
use std::path::Path;
use std::thread;

use crate::common::{Ended, Running, brokers, run, run_with, sealmq};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{Client, Event, MqttOptions};
use rustix::process::Signal;

fn demo(folder: &Path, args: &[&str], input: &[u8]) -> Ended {
    let mut command = sealmq(folder, &[&["demo"], args].concat());
    command.env("TMPDIR", folder);
    run_with(command, input)
}

/// The check that contains this text.
fn check<'a>(ended: &'a Ended, text: &str) -> &'a str {
    let line = ended.stdout.lines().find(|line| line.contains(text));
    line.unwrap_or_else(|| panic!("no check says {text:?}: {ended:?}"))
        .trim()
}

fn passes(ended: &Ended, count: usize) {
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.contains("checks passed."), "{ended:?}");
    assert!(!ended.stdout.contains('✗'), "{ended:?}");
    assert_eq!(
        check(ended, "byte for byte"),
        format!("✓ reader-a read {count} of {count} messages, in order and byte for byte")
    );
    assert_eq!(ended.stderr, "");
}

#[test]
fn the_shipped_readings() {
    let folder = tempfile::tempdir().unwrap();
    let ended = demo(folder.path(), &[], b"");
    passes(&ended, 240);
    assert_eq!(
        check(&ended, "before its removal"),
        "✓ reader-b read 160 of the 160 messages before its removal, and 0 of the 80 after it"
    );
    assert_eq!(
        check(&ended, "sleeper's state"),
        "✓ envelopes that the sleeper's state opens (a member that may read, and was away): 240"
    );
    // Side by side: envelopes at the broker, text at reader-a, nothing at the removed one.
    let first = ended
        .stdout
        .lines()
        .find(|line| line.trim_start().starts_with("1  "))
        .unwrap();
    assert!(
        first.contains(" B 11") && first.matches("{\"ts\":\"2026-11-22T05:00:16Z\"").count() == 1,
        "{first}"
    );
    let last = ended
        .stdout
        .lines()
        .find(|line| line.trim_start().starts_with("240  "))
        .unwrap();
    assert!(
        last.contains(" B 11") && last.trim_end().ends_with('-'),
        "{last}"
    );
    // No megabytes: a few rows.
    assert!(ended.stdout.lines().count() < 60, "{}", ended.stdout);
    // Nothing is left behind.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_and_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = (0..50)
        .map(|n| format!("{{\"reading\":{n},\"unit\":\"°C\"}}\n"))
        .collect();
    fs::write(folder.path().join("lines"), &lines).unwrap();
    passes(&demo(folder.path(), &["lines"], b""), 50);
    passes(&demo(folder.path(), &["-"], lines.as_bytes()), 50);
}

#[test]
fn short_inputs_are_filled_up() {
    let folder = tempfile::tempdir().unwrap();
    for (input, lines) in [
        (&b""[..], 0),
        (b"\n", 1),
        (b"only one line", 1),
        (b"a\n\nc\n", 3),
    ] {
        let ended = demo(folder.path(), &["-"], input);
        passes(&ended, 4);
        assert!(
            ended
                .stdout
                .contains(&format!("{} of them the demo's own", 4 - lines)),
            "{ended:?}"
        );
    }
}

#[test]
fn any_bytes_and_any_lengths() {
    let folder = tempfile::tempdir().unwrap();
    let mut input = Vec::new();
    for byte in 0..=255_u8 {
        if byte != b'\n' {
            input.extend_from_slice(&[byte; 9]);
            input.push(b'\n');
        }
    }
    // Terminal escapes, invalid UTF-8, and lines of a quarter of a mebibyte.
    input.extend_from_slice(b"\x1b[2J\x07\n\xff\xfe\xc0\x80 not UTF-8\n");
    for seed in [3_u32, 5, 7] {
        let mut state = seed;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        input.extend(
            (0..256 * 1024)
                .map(|_| noise())
                .filter(|byte| *byte != b'\n'),
        );
        input.push(b'\n');
    }
    let ended = demo(folder.path(), &["-"], &input);
    passes(&ended, 255 + 2 + 3);
    assert!(!ended.stdout.contains('\x1b') && !ended.stdout.contains('\x07'));
    assert!(ended.stdout.lines().all(|line| line.chars().count() < 160));
}

#[test]
fn thousands_of_lines() {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = (0..5000)
        .map(|n| format!("line number {n} of five thousand\n"))
        .collect();
    passes(&demo(folder.path(), &["-"], lines.as_bytes()), 5000);
}

#[test]
fn through_mosquitto() {
    let folder = tempfile::tempdir().unwrap();
    let Some(broker) = brokers::mosquitto(folder.path(), "allow_anonymous true") else {
        return;
    };
    let ended = run(sealmq(
        folder.path(),
        &["demo", "--broker", &format!("127.0.0.1:{}", broker.port)],
    ));
    passes(&ended, 240);
    // Nothing is left retained there.
    if let Some(mut client) = brokers::mosquitto_client("mosquitto_sub") {
        let left = client
            .args(["-p", &broker.port, "-t", "#", "--retained-only", "-W", "1"])
            .output()
            .unwrap();
        assert!(left.stdout.is_empty(), "{left:?}");
    }
}

/// Somebody replays a message while the demo runs: a check must notice, and the exit code say so.
#[test]
fn a_failed_check_is_an_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let broker = brokers::bundled(folder.path(), &[]);
    let mut options = MqttOptions::new("intruder", "127.0.0.1", broker.port.parse().unwrap());
    options.set_max_packet_size(Some(1 << 20));
    let (client, mut connection) = Client::new(options, 10);
    client.subscribe("sealmq-demo/#", QoS::AtLeastOnce).unwrap();
    let (ready, subscribed) = std::sync::mpsc::channel();
    let intruder = thread::spawn(move || {
        let mut has_replayed = false;
        for event in connection.iter() {
            match event {
                Ok(Event::Incoming(Packet::SubAck(_))) => ready.send(()).unwrap(),
                Ok(Event::Incoming(Packet::Publish(publish))) if !has_replayed => {
                    has_replayed = true;
                    let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                    client
                        .try_publish(topic, QoS::AtLeastOnce, false, publish.payload)
                        .unwrap();
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    });
    subscribed.recv().unwrap();
    let ended = run(sealmq(
        folder.path(),
        &["demo", "--broker", &format!("127.0.0.1:{}", broker.port)],
    ));
    assert_eq!(ended.code(), Some(5), "{ended:?}");
    assert!(ended.stdout.contains("FAILED"), "{ended:?}");
    assert!(check(&ended, "rejected so far").starts_with('✗'));
    assert!(check(&ended, "envelopes that the broker carried").starts_with('✗'));
    drop(broker);
    intruder.join().unwrap();
}

#[test]
fn inputs_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    demo(folder.path(), &["missing.jsonl"], b"").complains(2, &["missing.jsonl", "check the path"]);
    demo(folder.path(), &["."], b"").complains(2, &["cannot be read"]);
    let long = vec![b'x'; 1024 * 1024 + 1];
    demo(folder.path(), &["-"], &long).complains(2, &["line 1", "at most 1048576"]);
    demo(folder.path(), &["--broker", "nowhere"], b"").complains(2, &["HOST:PORT"]);
    let closed = format!("127.0.0.1:{}", brokers::free_port());
    demo(folder.path(), &["--broker", &closed], b"").complains(3, &[&closed]);
}

#[test]
fn ctrl_c_ends_it_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "x\n".repeat(100_000);
    fs::write(folder.path().join("lines"), lines).unwrap();
    let temporary = folder.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    for signal in [Signal::INT, Signal::TERM] {
        let mut command = sealmq(folder.path(), &["demo", "lines"]);
        command.env("TMPDIR", &temporary);
        let mut running = Running::start(command);
        running.wait_for("messages");
        running.signal(signal);
        running.end().complains(130, &["stopped"]);
        assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    }
}
