use sealmq_core::object::Access;
use sealmq_embedded::{Joining, SealRefused, Sealing, StartError};
use sealmq_keys::member::OutgoingMessage;
use sealmq_keys::objects::Policy;

use crate::net::Net;
use crate::stand_ins::TestRng;

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
    let mut encs = std::collections::BTreeSet::new();
    for _ in 0..20 {
        net.restart(board);
        // A poor RNG: at each start it begins anew.
        net.boards[board].rng.0 = 7;
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
fn a_will_ranks_above_its_connection_and_below_the_next() {
    let mut net = Net::new(Policy::default());
    let board = net.board("sensor", Access::BOTH);
    let reader = net.board("display", Access::BOTH);
    let host = net.host("host", Access::BOTH);
    let will = |net: &mut Net, at: sealmq_embedded::Clock| {
        let this = &mut net.boards[board];
        let (mut out, state) = ([0; 1024], Sealing::value(TOPIC));
        let sealed = this
            .device
            .seal_will(&state, b"gone", at, &mut this.rng, &mut out);
        sealed.map(|len| {
            assert!(
                this.device.due().count() > 0,
                "its number is stored before CONNECT"
            );
            this.store();
            out[..len].to_vec()
        })
    };
    let publish = |net: &mut Net, envelope: &[u8], what: &[u8]| {
        net.now += 1000;
        net.publish_bytes(TOPIC, envelope, true);
        net.deliver_host(host, TOPIC, envelope, false);
        assert_eq!(net.boards[reader].inbox.last().unwrap(), what);
        assert_eq!(net.hosts[host].inbox.last().unwrap(), what);
    };
    let value = net.seal(board, &Sealing::value(TOPIC), b"1").unwrap();
    publish(&mut net, &value, b"1");
    let at = net.clock(board);
    let first = will(&mut net, at).unwrap();
    net.connect(board);
    let value = net.seal(board, &Sealing::value(TOPIC), b"2").unwrap();
    publish(&mut net, &value, b"2");
    publish(&mut net, &first, b"gone");
    // What was sealed before the will of its connection is not shown after it.
    net.publish_bytes(TOPIC, &value, true);
    net.deliver_host(host, TOPIC, &value, false);
    assert_eq!(net.boards[reader].inbox.last().unwrap(), b"gone");
    // Another connection, also without a will and after a power cut.
    let second = will(&mut net, at).unwrap();
    for restart in [false, true] {
        if restart {
            net.restart(board);
        }
        net.connect(board);
        let at = net.clock(board);
        let this = &mut net.boards[board];
        if restart {
            let early = this.device.room(&Sealing::value(TOPIC), 1, at);
            assert_eq!(early.err(), Some(SealRefused::NotPrepared));
        }
        let value = net.seal(board, &Sealing::value(TOPIC), b"3").unwrap();
        publish(&mut net, &value, b"3");
        let old = if restart { &second } else { &first };
        net.deliver(reader, TOPIC, old, true);
        assert_eq!(net.boards[reader].inbox.last().unwrap(), b"3", "{restart}");
    }
    // Without a clock readers could not tell how old it is.
    let at = sealmq_embedded::Clock { now: None, ..at };
    assert!(will(&mut net, at).is_err());
}

#[test]
fn a_stuck_generator_is_refused_at_the_start_and_later() {
    let stuck = &mut TestRng(5, true);
    assert_eq!(Joining::begin(stuck).err(), Some(StartError::Random));
    let mut net = Net::new(Policy::default());
    let board = net.board("sensor", Access::BOTH);
    net.seal(board, &Sealing::event(TOPIC), b"1").unwrap();
    net.boards[board].rng.1 = true;
    // The session that there is goes on; no new one begins.
    net.seal(board, &Sealing::event(TOPIC), b"2").unwrap();
    net.restart(board);
    let at = net.clock(board);
    let this = &mut net.boards[board];
    for message in [Sealing::event(TOPIC), Sealing::value(TOPIC)] {
        let refused = this.device.prepare(&message, at, &mut this.rng);
        assert_eq!(refused, Err(SealRefused::Random));
    }
    assert_eq!(this.device.due().count(), 0, "no number is used up");
    this.rng.1 = false;
    net.seal(board, &Sealing::event(TOPIC), b"3").unwrap();
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

const SHORT: Sealing<'_> = Sealing {
    short: true,
    ..Sealing::event(TOPIC)
};

/// Seals with a host in the short form; its record goes out first.
fn command(net: &mut Net, host: usize, payload: &[u8]) -> Vec<u8> {
    let message = OutgoingMessage {
        short: true,
        ..OutgoingMessage::new(TOPIC, payload)
    };
    if let Some(record) = net.record_of_host(host, &message) {
        net.publish(&record);
    }
    let envelope = net.seal_host(host, &message);
    assert!(envelope.len() <= payload.len() + 100);
    envelope
}

#[test]
fn short_readings_have_at_most_a_hundred_bytes_around_them() {
    let mut net = Net::new(Policy::default());
    let board = net.board("sensor", Access::BOTH);
    let host = net.host("host", Access::BOTH);
    for n in 0..200_u8 {
        let text = [n; 30];
        let envelope = net.seal(board, &SHORT, &text).unwrap();
        assert!(envelope.len() <= text.len() + 100, "{}", envelope.len());
        net.deliver_host(host, TOPIC, &envelope, false);
    }
    assert_eq!(net.hosts[host].inbox.len(), 200);
    // A host that comes later finds the record; a new epoch has another one.
    let late = net.host("late", Access::SUBSCRIBE);
    let envelope = net.seal(board, &SHORT, b"late").unwrap();
    assert!(envelope.len() <= 104);
    net.deliver_host(late, TOPIC, &envelope, false);
    net.rotate();
    let envelope = net.seal(board, &SHORT, b"after").unwrap();
    assert!(envelope.len() <= 105);
    net.deliver_host(late, TOPIC, &envelope, false);
    assert_eq!(net.hosts[late].inbox, [&b"late"[..], b"after"]);
    // A device that starts again begins a session, with a record.
    net.restart(board);
    net.connect(board);
    let envelope = net.seal(board, &SHORT, b"again").unwrap();
    assert!(envelope.len() <= 105);
    net.deliver_host(late, TOPIC, &envelope, false);
    assert_eq!(net.hosts[late].inbox.len(), 3);
    assert_eq!(net.hosts[host].rejected, [""; 0]);
}

#[test]
fn a_device_opens_short_commands_also_if_their_record_comes_later() {
    let mut net = Net::new(Policy::default());
    let board = net.board("valve", Access::BOTH);
    let host = net.host("host", Access::BOTH);
    let first = command(&mut net, host, b"on");
    net.deliver(board, TOPIC, &first, false);
    assert_eq!(net.boards[board].inbox, [b"on"], "it asked for the record");
    net.deliver(board, TOPIC, &first, false);
    let elsewhere = command(&mut net, host, b"off");
    net.deliver(board, "plant/b", &elsewhere, false);
    assert_eq!(net.boards[board].rejected, ["Replay", "Rejected"]);
    // Its memory of sessions is gone after a power cut, and so is the record at the broker.
    net.restart(board);
    let lost = net
        .retained
        .extract_if(.., |topic, _| topic.contains("/s/"));
    let lost: Vec<_> = lost.collect();
    net.connect(board);
    let second = command(&mut net, host, b"off");
    net.deliver(board, TOPIC, &second, false);
    assert_eq!(net.boards[board].inbox, [&b"on"[..]]);
    for (topic, payload) in lost {
        net.publish_bytes(&topic, &payload, true);
    }
    assert_eq!(net.boards[board].inbox, [&b"on"[..], b"off"]);
}
