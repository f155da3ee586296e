//! The order of a sender's state on a topic (spec/envelope.md §8): nothing goes back, whatever the
//! broker gives again, and in which way.

use sealmq_core::object::Access;
use sealmq_keys::member::OutgoingMessage;

use super::{keep, renew_credential};
use crate::net::Net;
use crate::net::serve::settle;

const TOPIC: &str = "plant/pump/state";

fn plant() -> (Net, usize, usize) {
    let mut net = Net::new();
    let alice = net.join("alice", Access::SUBSCRIBE);
    let pump = net.join("pump", Access::PUBLISH);
    settle(&mut net);
    (net, alice, pump)
}

/// What a reader makes of one delivery: a payload, or why not.
fn gives(net: &mut Net, reader: usize, envelope: &[u8], retained: bool) -> String {
    net.inbox(reader);
    net.rejections(reader);
    net.deliver(reader, TOPIC, envelope, retained);
    let texts = net.texts(reader);
    let reasons = net.rejections(reader);
    let all = texts
        .into_iter()
        .chain(reasons.iter().map(|r| (*r).to_owned()));
    all.collect::<Vec<_>>().join(" ")
}

fn value(net: &mut Net, device: usize, text: &str) -> Vec<u8> {
    let message = OutgoingMessage::new(TOPIC, text.as_bytes()).retained();
    net.seal(device, &message).unwrap()
}

fn will(net: &mut Net, device: usize, text: &str) -> Vec<u8> {
    let message = OutgoingMessage {
        will: true,
        ..OutgoingMessage::new(TOPIC, text.as_bytes()).retained()
    };
    net.seal(device, &message).unwrap()
}

/// A connection with a will.
fn connect(net: &mut Net, device: usize, text: &str) -> Vec<u8> {
    net.disconnect(device);
    let will = will(net, device, text);
    net.connect(device);
    will
}

/// What happens between two values, with nothing that a reader has to be told of.
type Between = fn(&mut Net, usize, usize);

const BETWEEN: [(&str, Between); 6] = [
    ("nothing", |_, _, _| {}),
    ("the reader starts again", |net, alice, _| {
        net.restart(alice);
        net.connect(alice);
    }),
    ("the sender starts again", |net, _, pump| {
        net.restart(pump);
        net.connect(pump);
    }),
    ("a credential", |net, _, pump| renew_credential(net, pump)),
    ("kept keys", |net, _, _| net.heal()),
    ("a delegation", |net, alice, _| {
        let mut lineage = net.lineage();
        net.renew_delegation(true, &mut lineage);
        settle(net);
        net.restart(alice);
        net.connect(alice);
    }),
];

#[test]
fn older_values_are_refused_in_every_order_and_delivery() {
    for (name, between) in BETWEEN {
        for (new_retained, old_retained) in
            [(true, true), (true, false), (false, true), (false, false)]
        {
            let (mut net, alice, pump) = plant();
            let old = value(&mut net, pump, "old");
            let same_session = value(&mut net, pump, "second");
            between(&mut net, alice, pump);
            let new = value(&mut net, pump, "new");
            assert_eq!(gives(&mut net, alice, &new, new_retained), "new", "{name}");
            for older in [&old, &same_session] {
                assert_eq!(
                    gives(&mut net, alice, older, old_retained),
                    "Replay",
                    "{name}"
                );
            }
            net.restart(alice);
            net.connect(alice);
            for older in [&old, &same_session] {
                assert_eq!(
                    gives(&mut net, alice, older, old_retained),
                    "Replay",
                    "{name}"
                );
            }
            // The newest is the newest, as often as it is shown, and counts as live once.
            assert_eq!(gives(&mut net, alice, &new, true), "new", "{name}");
            assert_eq!(gives(&mut net, alice, &new, false), "Replay", "{name}");
        }
    }
}

/// Those who never saw the new one can be shown the old one, and are set right by the new one.
#[test]
fn in_their_order_all_values_come() {
    for (name, between) in BETWEEN {
        let (mut net, alice, pump) = plant();
        let old = value(&mut net, pump, "old");
        between(&mut net, alice, pump);
        let new = value(&mut net, pump, "new");
        assert_eq!(gives(&mut net, alice, &old, true), "old", "{name}");
        assert_eq!(gives(&mut net, alice, &old, false), "Replay", "{name}");
        assert_eq!(gives(&mut net, alice, &new, false), "new", "{name}");
        assert_eq!(gives(&mut net, alice, &old, true), "Replay", "{name}");
    }
}

#[test]
fn a_will_ranks_between_its_connection_and_the_next() {
    for (name, between) in BETWEEN {
        for retained in [true, false] {
            let (mut net, alice, pump) = plant();
            let first = connect(&mut net, pump, "gone 1");
            let online = value(&mut net, pump, "online 1");
            between(&mut net, alice, pump);
            let second = connect(&mut net, pump, "gone 2");
            let again = value(&mut net, pump, "online 2");
            assert_eq!(
                gives(&mut net, alice, &online, retained),
                "online 1",
                "{name}"
            );
            assert_eq!(gives(&mut net, alice, &first, retained), "gone 1", "{name}");
            assert_eq!(
                gives(&mut net, alice, &online, retained),
                "Replay",
                "{name}"
            );
            assert_eq!(
                gives(&mut net, alice, &again, retained),
                "online 2",
                "{name}"
            );
            // A broker that fires it again, or puts it back.
            for delivery in [true, false] {
                for old in [&first, &online] {
                    assert_eq!(gives(&mut net, alice, old, delivery), "Replay", "{name}");
                }
            }
            net.restart(alice);
            net.connect(alice);
            for delivery in [true, false] {
                assert_eq!(gives(&mut net, alice, &first, delivery), "Replay", "{name}");
            }
            assert_eq!(
                gives(&mut net, alice, &second, retained),
                "gone 2",
                "{name}"
            );
            assert_eq!(gives(&mut net, alice, &again, true), "Replay", "{name}");
        }
    }
}

/// The will that nobody saw fire is put back after the device came again without one.
#[test]
fn a_connection_without_a_will_ranks_above_the_last_one_with() {
    for restart in [false, true] {
        let (mut net, alice, pump) = plant();
        let gone = connect(&mut net, pump, "gone");
        if restart {
            net.restart(pump);
        }
        net.disconnect(pump);
        net.connect(pump);
        let online = value(&mut net, pump, "online");
        assert_eq!(gives(&mut net, alice, &online, false), "online");
        for delivery in [true, false] {
            assert_eq!(
                gives(&mut net, alice, &gone, delivery),
                "Replay",
                "{restart}"
            );
        }
    }
}

/// A will may have fired while the device had no power, so what is sealed next ranks above it, also
/// before the device is told of a connection.
#[test]
fn a_start_needs_a_number_of_its_own() {
    for before_it_connects in [false, true] {
        let (mut net, alice, pump) = plant();
        let gone = connect(&mut net, pump, "gone");
        let online = value(&mut net, pump, "online");
        net.crash(pump);
        if !before_it_connects {
            net.connect(pump);
        }
        let back = value(&mut net, pump, "back");
        assert_eq!(gives(&mut net, alice, &online, false), "online");
        assert_eq!(gives(&mut net, alice, &gone, false), "gone");
        assert_eq!(gives(&mut net, alice, &back, false), "back");
        assert_eq!(gives(&mut net, alice, &gone, true), "Replay");
    }
}

#[test]
fn events_are_no_state_and_state_is_no_event() {
    let (mut net, alice, pump) = plant();
    let event = net
        .seal(pump, &OutgoingMessage::new(TOPIC, b"event"))
        .unwrap();
    let kept = keep(&mut net, pump, TOPIC, "kept");
    assert_eq!(gives(&mut net, alice, &event, true), "Replay");
    assert_eq!(gives(&mut net, alice, &event, false), "event");
    assert_eq!(gives(&mut net, alice, &event, false), "Replay");
    // State moves no window: what was sealed before it still comes, and it is what it was.
    assert_eq!(gives(&mut net, alice, &kept, true), "kept");
}

/// A connection is numbered for the wills under a credential: a new one begins without a number.
#[test]
fn a_new_credential_begins_without_a_connection() {
    // The number stands last in the record.
    let has_number = |net: &Net, device: usize| {
        let record = &net.devices[device].store.0["member/device"];
        record.last().is_some_and(|byte| *byte != 0)
    };
    let (mut net, _, pump) = plant();
    value(&mut net, pump, "online");
    assert!(!has_number(&net, pump));
    connect(&mut net, pump, "gone");
    value(&mut net, pump, "online");
    assert!(has_number(&net, pump));
    renew_credential(&mut net, pump);
    for _ in 0..2 {
        value(&mut net, pump, "online");
        assert!(!has_number(&net, pump));
        net.restart(pump);
        net.connect(pump);
    }
    connect(&mut net, pump, "gone");
    assert!(has_number(&net, pump));
}
