use sealmq_core::object::Access;
use sealmq_embedded::{SealRefused, Sealing};
use sealmq_keys::member::OutgoingMessage;
use sealmq_keys::objects::Policy;

use crate::net::Net;

const TOPIC: &str = "plant/a";

#[test]
fn readings_and_commands_open_on_the_other_side() {
    let mut net = Net::new(Policy::default());
    let board = net.board("sensor", Access::BOTH);
    let host = net.host("host", Access::BOTH);
    for text in [&b"21.5"[..], b"", &[7; 900]] {
        let envelope = net.seal(board, &Sealing::event(TOPIC), text).unwrap();
        net.deliver_host(host, TOPIC, &envelope, false);
        let command = net.seal_host(host, &OutgoingMessage::new(TOPIC, text));
        net.deliver(board, TOPIC, &command, false);
    }
    assert_eq!(net.boards[board].inbox, [&b"21.5"[..], b"", &[7; 900]]);
    assert_eq!(net.hosts[host].inbox, [&b"21.5"[..], b"", &[7; 900]]);
    assert_eq!(net.boards[board].rejected, [""; 0]);
}

#[test]
fn a_replay_and_a_wrong_topic_are_rejected_also_after_a_power_cut() {
    let mut net = Net::new(Policy::default());
    let board = net.board("sensor", Access::BOTH);
    let host = net.host("host", Access::BOTH);
    let command = net.seal_host(host, &OutgoingMessage::new(TOPIC, b"on"));
    net.deliver(board, "plant/b", &command, false);
    net.deliver(board, TOPIC, &command, false);
    net.deliver(board, TOPIC, &command, false);
    net.restart(board);
    net.connect(board);
    net.deliver(board, TOPIC, &command, false);
    let mut altered = net.seal_host(host, &OutgoingMessage::new(TOPIC, b"off"));
    altered[60] ^= 1;
    net.deliver(board, TOPIC, &altered, false);
    assert_eq!(net.boards[board].inbox, [b"on"]);
    let expected = ["Rejected", "Replay", "Replay", "Rejected"];
    assert_eq!(net.boards[board].rejected, expected);
}

#[test]
fn a_retained_value_opens_for_late_joiners_on_both_sides() {
    let mut net = Net::new(Policy::default());
    let board = net.board("sensor", Access::BOTH);
    let host = net.host("host", Access::BOTH);
    let value = net.seal(board, &Sealing::value(TOPIC), b"closed").unwrap();
    net.publish_bytes(TOPIC, &value, true);
    let set = OutgoingMessage {
        retain: true,
        ..OutgoingMessage::new("plant/set", b"22")
    };
    let value = net.seal_host(host, &set);
    net.publish_bytes("plant/set", &value, true);
    net.rotate();
    let late = net.board("late", Access::BOTH);
    assert_eq!(net.boards[late].inbox, [&b"closed"[..], b"22"]);
    let late = net.host("late-host", Access::BOTH);
    assert_eq!(net.hosts[late].inbox, [&b"closed"[..], b"22"]);
}

#[test]
fn no_session_is_used_twice_and_nothing_goes_out_uncommitted() {
    let mut net = Net::new(Policy::default());
    let board = net.board("sensor", Access::BOTH);
    // The RNG gives the same at every start and call.
    net.boards[board].rng.1 = true;
    let mut encs = std::collections::BTreeSet::new();
    for _ in 0..20 {
        net.restart(board);
        let at = net.clock(board);
        let this = &mut net.boards[board];
        let message = Sealing::event(TOPIC);
        let mut buf = [0; 512];
        assert_eq!(
            this.device.seal(&message, at, &mut buf, 200..203),
            Err(SealRefused::NotPrepared)
        );
        this.device.prepare(&message, at, &mut this.rng).unwrap();
        assert_eq!(
            this.device.seal(&message, at, &mut buf, 200..203),
            Err(SealRefused::Uncommitted)
        );
        let envelope = net.seal(board, &message, b"x").unwrap();
        assert!(encs.insert(envelope[9..41].to_vec()));
    }
}

#[test]
fn who_only_publishes_opens_nothing_and_who_only_reads_seals_nothing() {
    let mut net = Net::new(Policy::default());
    let sensor = net.board("sensor", Access::PUBLISH);
    let display = net.board("display", Access::SUBSCRIBE);
    let envelope = net.seal(sensor, &Sealing::event(TOPIC), b"1").unwrap();
    net.publish_bytes(TOPIC, &envelope, false);
    assert_eq!(net.boards[display].inbox, [b"1"]);
    assert!(net.boards[sensor].inbox.is_empty());
    assert!(net.seal(display, &Sealing::event(TOPIC), b"1").is_err());
}
