use alloc::string::{String, ToString as _};
use alloc::{format, vec::Vec};

use bytes::Bytes;
use sealmq_keys::member::Properties;

use super::*;

mod isolating;

fn push(outbox: &mut Outbox, id: u64, qos: Qos) {
    let wire = Wire {
        topic: id.to_string(),
        payload: Bytes::new(),
        qos,
        retain: false,
        properties: Properties::default(),
        alias: None,
    };
    let content = Content::Wire(wire);
    outbox.push(Accepted {
        is_again: false,
        content,
        id: Some(PublishId(id)),
        until: None,
        expires: None,
        value: None,
        is_stored: false,
    });
}

/// Hands over what may be handed; the topics.
fn hand_all(outbox: &mut Outbox) -> Vec<String> {
    let mut topics = Vec::new();
    while let Some((content, _)) = outbox.next() {
        topics.push(content.topic().to_owned());
        outbox.hand();
    }
    topics
}

fn settle(outbox: &mut Outbox, packet: u16) -> Option<u64> {
    outbox.settled(packet).and_then(number)
}

fn number(accepted: Accepted) -> Option<u64> {
    accepted.id.map(|id| id.0)
}

fn resumes(outbox: &mut Outbox) -> Vec<String> {
    core::iter::from_fn(|| outbox.next_resume(0))
        .map(|resume| match resume {
            Resume::Publish(packet, wire) => format!("publish {packet} {}", wire.topic),
            Resume::Release(packet) => format!("release {packet}"),
        })
        .collect()
}

#[test]
fn order_room_and_acknowledgements() {
    let mut outbox = Outbox::new(Identifiers::Ring, 0);
    outbox.connected(Session::New, 4);
    for id in 0..5 {
        push(&mut outbox, id, Qos::AtLeastOnce);
    }
    push(&mut outbox, 5, Qos::AtMostOnce);
    // Three of four slots; QoS 0 keeps its place behind.
    assert_eq!(hand_all(&mut outbox), ["0", "1", "2"]);
    for packet in 1..=3 {
        assert!(outbox.written(packet, 0).is_none());
    }
    assert_eq!(settle(&mut outbox, 2), Some(1));
    assert_eq!(hand_all(&mut outbox), ["3"]);
    assert!(outbox.written(4, 0).is_none());
    assert_eq!(settle(&mut outbox, 3), Some(2));
    // Identifier 1 is still in use, and the next one would be 1.
    assert!(hand_all(&mut outbox).is_empty());
    assert_eq!(settle(&mut outbox, 1), Some(0));
    assert_eq!(hand_all(&mut outbox), ["4", "5"]);
    assert!(outbox.written(1, 0).is_none());
    assert_eq!(
        outbox.written(0, 0).and_then(|arrived| arrived.id),
        Some(PublishId(5))
    );
    assert_eq!(
        (settle(&mut outbox, 4), settle(&mut outbox, 1)),
        (Some(3), Some(4))
    );
    assert_eq!(settle(&mut outbox, 1), None);
}

#[test]
fn a_new_session_gets_everything_again_in_order() {
    let mut outbox = Outbox::new(Identifiers::Ring, 0);
    outbox.connected(Session::New, 10);
    for (id, qos) in [
        (0, Qos::AtMostOnce),
        (1, Qos::ExactlyOnce),
        (2, Qos::AtLeastOnce),
    ] {
        push(&mut outbox, id, qos);
    }
    assert_eq!(hand_all(&mut outbox), ["0", "1", "2"]);
    outbox.unwritten(0); // writing QoS 0 failed
    assert!(outbox.written(1, 0).is_none());
    outbox.received(1, ReasonCode::SUCCESS);
    push(&mut outbox, 3, Qos::AtLeastOnce);
    outbox.disconnected();
    outbox.connected(Session::New, 10);
    assert!(resumes(&mut outbox).is_empty());
    assert_eq!(hand_all(&mut outbox), ["0", "1", "2", "3"]);
}

#[test]
fn a_resumed_session_continues_before_anything_new() {
    let mut outbox = Outbox::new(Identifiers::Ring, 0);
    outbox.connected(Session::New, 5);
    for id in 0..4 {
        push(&mut outbox, id, Qos::ExactlyOnce);
    }
    assert_eq!(hand_all(&mut outbox).len(), 4);
    for packet in 1..=3 {
        assert!(outbox.written(packet, 0).is_none());
    }
    outbox.received(2, ReasonCode::SUCCESS);
    outbox.disconnected();
    // The broker has room for two now.
    outbox.connected(Session::Resumed, 2);
    assert_eq!(resumes(&mut outbox), ["publish 1 0", "release 2"]);
    assert!(hand_all(&mut outbox).is_empty());
    assert!(outbox.written(1, 0).is_none());
    assert_eq!(settle(&mut outbox, 2), Some(1));
    assert_eq!(resumes(&mut outbox), ["publish 3 2"]);
    assert!(outbox.written(3, 0).is_none());
    outbox.received(1, ReasonCode::SUCCESS);
    assert_eq!(
        (settle(&mut outbox, 1), settle(&mut outbox, 3)),
        (Some(0), Some(2))
    );
    assert_eq!(hand_all(&mut outbox), ["3"]);
}

#[test]
fn an_inherited_session_is_cleaned_first() {
    let mut outbox = Outbox::new(Identifiers::Ring, 0);
    push(&mut outbox, 0, Qos::ExactlyOnce);
    outbox.connected(Session::Inherited, 3);
    assert_eq!(
        resumes(&mut outbox),
        ["release 1", "release 2", "release 3"]
    );
    assert_eq!(settle(&mut outbox, 2), None);
    outbox.disconnected();
    outbox.connected(Session::Resumed, 3);
    assert_eq!(resumes(&mut outbox), ["release 1", "release 3"]);
    assert!(hand_all(&mut outbox).is_empty());
    assert_eq!(
        (settle(&mut outbox, 1), settle(&mut outbox, 3)),
        (None, None)
    );
    assert_eq!(hand_all(&mut outbox), ["0"]);
}

#[test]
fn a_broker_that_ends_connections_at_a_release_has_nothing_to_release() {
    let mut outbox = Outbox::new(Identifiers::Ring, 0);
    push(&mut outbox, 0, Qos::AtLeastOnce);
    outbox.connected(Session::Inherited, 3);
    for released in [true, false, true] {
        if released {
            assert_eq!(resumes(&mut outbox).len(), 3);
        }
        outbox.look_at_releases();
        outbox.disconnected();
        outbox.connected(Session::Resumed, 3);
    }
    assert!(resumes(&mut outbox).is_empty());
    assert_eq!(hand_all(&mut outbox), ["0"]);
}

#[test]
fn leaked_slots_are_missing_until_the_state_is_new() {
    let mut outbox = Outbox::new(Identifiers::Ring, 0);
    outbox.connected(Session::New, 4);
    for id in 0..9 {
        push(&mut outbox, id, Qos::ExactlyOnce);
    }
    assert_eq!(hand_all(&mut outbox).len(), 3);
    for packet in 1..=3 {
        assert!(outbox.written(packet, 0).is_none());
        outbox.leaked();
        assert!(settle(&mut outbox, packet).is_some());
    }
    assert!(hand_all(&mut outbox).is_empty());
    assert!(outbox.wants_fresh_state());
    outbox.fresh_state();
    assert!(!outbox.wants_fresh_state());
    assert_eq!(hand_all(&mut outbox).len(), 3);
}

#[test]
fn what_cannot_be_sent_leaves_and_the_next_one_goes() {
    let mut outbox = Outbox::new(Identifiers::Ring, 0);
    outbox.connected(Session::New, 1);
    push(&mut outbox, 0, Qos::AtLeastOnce);
    push(&mut outbox, 1, Qos::AtLeastOnce);
    assert_eq!(outbox.drop_next().and_then(number), Some(0));
    // With one slot in all, that one is used.
    assert_eq!(hand_all(&mut outbox), ["1"]);
}

#[test]
fn free_identifiers_use_every_slot_and_do_not_go_round() {
    let mut outbox = Outbox::new(Identifiers::Free, 0);
    outbox.connected(Session::New, 2);
    for id in 0..5 {
        push(&mut outbox, id, Qos::AtLeastOnce);
    }
    assert_eq!(hand_all(&mut outbox), ["0", "1"]);
    assert!(outbox.written(1, 0).is_none() && outbox.written(2, 0).is_none());
    for (id, topic) in [(1, "2"), (2, "3"), (3, "4")] {
        // The second one is acknowledged each time; the first stays.
        assert_eq!(settle(&mut outbox, 2), Some(id));
        assert_eq!(hand_all(&mut outbox), [topic]);
        assert!(outbox.written(2, 0).is_none());
    }
}
