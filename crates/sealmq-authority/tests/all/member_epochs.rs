//! Rotation, removal, catching up, and what they do to messages under way.

use crate::net::{Net, START, grant};
use sealmq_core::object::Access;
use sealmq_keys::member::{MemberEvent, OutgoingMessage, SealError};
use sealmq_keys::{Publication, ReservedTopic};

/// The announcements among what the authority would publish.
fn announcement(net: &Net, publications: &[Publication]) -> Publication {
    let prefix = net.authority.prefix();
    let is = |p: &&Publication| {
        matches!(
            ReservedTopic::parse(prefix, &p.topic),
            Some(ReservedTopic::Announcement(..))
        ) && !p.payload.is_empty()
    };
    publications.iter().find(is).unwrap().clone()
}

/// Rotations while messages flow: sender and reader learn of each epoch at different times, and
/// not one message is lost or accepted twice.
#[test]
fn rotation_in_mid_flow_loses_nothing() {
    for (sender_first, healing) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut net = Net::new();
        let (alice, bob) = (
            net.join("alice", Access::BOTH),
            net.join("bob", Access::BOTH),
        );
        let mut expected = Vec::new();
        let mut under_way: Vec<Vec<u8>> = Vec::new();
        for round in 0..6 {
            let plan = match healing {
                true => net.authority.heal("plant", START, &mut net.rng).unwrap(),
                false => net.authority.rotate("plant", START, &mut net.rng).unwrap(),
            };
            let publications = net.withhold(plan);
            let new = announcement(&net, &publications);
            let seal = |net: &mut Net, expected: &mut Vec<String>| {
                let text = format!("{round}-{}", expected.len());
                let message = OutgoingMessage::new("plant/a", text.as_bytes());
                expected.push(text.clone());
                net.seal(bob, &message).unwrap()
            };
            under_way.push(seal(&mut net, &mut expected));
            let (first, second) = if sender_first {
                (bob, alice)
            } else {
                (alice, bob)
            };
            net.deliver(first, &new.topic, &new.payload, false);
            under_way.push(seal(&mut net, &mut expected));
            // Those of the round before arrive between the two announcements.
            let late = under_way.split_off(under_way.len() - 2);
            for envelope in under_way.drain(..) {
                net.deliver(alice, "plant/a", &envelope, false);
                net.deliver(alice, "plant/a", &envelope, false);
            }
            under_way = late;
            net.deliver(second, &new.topic, &new.payload, false);
            publications.into_iter().for_each(|p| net.publish(p));
        }
        for envelope in under_way {
            net.deliver(alice, "plant/a", &envelope, false);
        }
        let mut texts = net.texts(alice);
        texts.sort();
        assert_eq!(
            texts, expected,
            "sender first {sender_first}, healing {healing}"
        );
        assert!(
            net.rejections(alice)
                .iter()
                .all(|reason| *reason == "Replay")
        );
        assert_eq!(net.devices[alice].member.stats().waiting, 0);
    }
}

#[test]
fn the_window_is_what_the_policy_says() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    net.send(bob, "plant/a", b"known");
    net.inbox(alice);
    let old: Vec<Vec<u8>> = (0..4_u8)
        .map(|i| {
            let envelope = net
                .seal(bob, &OutgoingMessage::new("plant/a", &[i]))
                .unwrap();
            net.rotate();
            envelope
        })
        .collect();
    // Window 2: the current epoch and the two before it. Epochs of 0 and 1 are gone.
    for envelope in old.iter().rev() {
        net.deliver(alice, "plant/a", envelope, false);
    }
    let opened: Vec<u8> = net.inbox(alice).iter().map(|m| m.payload()[0]).collect();
    assert_eq!(opened, [3, 2]);
    net.now += 30_000;
    net.tick(alice);
    assert_eq!(net.rejections(alice), ["UnknownKey", "UnknownKey"]);
}

#[test]
fn a_removed_member_is_shut_out() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    let eve = net.join("eve", Access::BOTH);
    net.send(eve, "plant/a", b"still in");
    assert_eq!(net.texts(alice), ["still in"]);
    net.texts(bob);
    let early = net
        .seal(eve, &OutgoingMessage::new("plant/a", b"sealed before"))
        .unwrap();
    let epoch = net.epoch(alice).unwrap();
    let before = net.devices[eve].store.clone();
    net.remove(eve);
    let group = net.group("plant");
    let removed = MemberEvent::Removed {
        group,
        epoch: epoch + 1,
    };
    assert!(net.devices[eve].events.contains(&removed));
    assert!(net.devices[eve].member.groups().next().unwrap().removed);
    assert_eq!(
        (net.epoch(alice), net.epoch(eve)),
        (Some(epoch + 1), Some(epoch))
    );

    // It cannot read on, now and after further rotations, also with everything retained.
    net.send(alice, "plant/a", b"secret 1");
    net.rotate();
    net.send(alice, "plant/a", b"secret 2");
    net.connect(eve);
    assert!(net.texts(eve).is_empty());
    assert_eq!(net.texts(bob), ["secret 1", "secret 2"]);

    // The event comes once, not at every announcement.
    net.connect(eve);
    assert_eq!(
        net.devices[eve]
            .events
            .iter()
            .filter(|e| **e == removed)
            .count(),
        1
    );

    // It does not seal any more, and if a copy of it never heard of it, nobody takes it;
    // not even what was under way.
    let outside = OutgoingMessage::new("plant/a", b"from outside");
    let group = "plant".to_owned();
    assert_eq!(net.seal(eve, &outside), Err(SealError::Removed { group }));
    net.crash(eve);
    assert!(net.seal(eve, &outside).is_err(), "it remembers");
    net.devices[eve].store = before;
    net.crash(eve);
    let late = net.seal(eve, &outside).unwrap();
    for envelope in [early, late] {
        net.deliver(alice, "plant/a", &envelope, false);
    }
    assert_eq!(net.rejections(alice), ["Own", "Own", "Revoked", "Revoked"]);
}

#[test]
fn a_removed_publisher_lacks_the_next_psk() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let sensor = net.join("sensor", Access::PUBLISH);
    net.send(sensor, "plant/a", b"x");
    net.remove(sensor);
    net.rotate();
    assert_eq!(net.texts(alice), ["x"]);
    assert!(net.devices[sensor].member.groups().next().unwrap().removed);
    net.send(alice, "plant/a", b"after");
    let other = net.join("other", Access::SUBSCRIBE);
    net.send(alice, "plant/a", b"and on");
    assert_eq!(net.texts(other), ["and on"]);
}

/// Months offline: many rotations, removals and healings, then everything retained, in whatever
/// order the broker hands it out.
#[test]
fn catching_up_from_retained_messages_alone() {
    for reverse in [false, true] {
        let mut net = Net::new();
        let (alice, bob) = (
            net.join("alice", Access::BOTH),
            net.join("bob", Access::BOTH),
        );
        let sensor = net.join("sensor", Access::PUBLISH);
        let leavers: Vec<usize> = (0..3)
            .map(|i| net.join(&format!("leaver-{i}"), Access::BOTH))
            .collect();
        for away in [alice, sensor] {
            net.disconnect(away);
        }
        for leaver in leavers {
            for _ in 0..5 {
                net.rotate();
            }
            net.remove(leaver);
            net.heal();
        }
        net.rotate();
        net.rotate();
        let missed = net
            .seal(bob, &OutgoingMessage::new("plant/a", b"welcome back"))
            .unwrap();
        for away in [alice, sensor] {
            net.restart(away);
            if reverse {
                let mut retained: Vec<(String, Vec<u8>)> =
                    net.retained.clone().into_iter().collect();
                retained.reverse();
                for (topic, payload) in retained {
                    if net.devices[away].member.is_reserved(&topic) {
                        net.deliver(away, &topic, &payload, true);
                    }
                }
            }
            net.connect(away);
            net.subscribe(away, "plant/#");
            assert_eq!(net.epoch(away), net.epoch(bob), "reverse {reverse}");
            assert_eq!(net.devices[away].member.stats().reserved_refused, 0);
        }
        net.deliver(alice, "plant/a", &missed, false);
        assert_eq!(net.texts(alice), ["welcome back"]);
        net.send(sensor, "plant/a", b"here again");
        assert_eq!(net.texts(alice), ["here again"]);
    }
}

/// The broker loses a healing announcement: the device asks for exactly that one.
#[test]
fn a_missing_healing_announcement_is_asked_for() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    net.disconnect(alice);
    net.heal();
    let epoch = net.epoch(bob).unwrap();
    net.rotate();
    let topic = net.topic(ReservedTopic::Announcement(net.group("plant"), epoch));
    let lost = net.retained.remove(&topic).unwrap();
    net.connect(alice);
    assert_eq!(net.epoch(alice), Some(epoch - 1), "it waits");
    net.tick(alice);
    net.now += 2_000;
    net.tick(alice);
    assert_eq!(net.devices[alice].asked.last(), Some(&topic));
    assert!(net.devices[alice].subscriptions.contains(&topic));
    net.now += 10_000;
    net.tick(alice);
    let asked = |net: &Net| {
        net.devices[alice]
            .asked
            .iter()
            .filter(|t| **t == topic)
            .count()
    };
    assert_eq!(asked(&net), 1, "not every second");
    net.publish(Publication::retained(topic.clone(), lost));
    assert_eq!(net.epoch(alice), Some(epoch + 1));
    assert!(
        !net.devices[alice].subscriptions.contains(&topic),
        "the extra subscription ends"
    );
}

/// A removed name comes back as a new member; the old one stays out.
#[test]
fn a_new_member_of_the_same_name_is_another_one() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let first = net.join("sensor", Access::BOTH);
    let before = net.devices[first].store.clone();
    net.remove(first);
    let second = net.join("sensor", Access::BOTH);
    assert_ne!(net.number(first), net.number(second));
    net.send(second, "plant/a", b"new");
    assert_eq!(net.texts(alice), ["new"]);
    // As if it had not heard of it.
    net.devices[first].store = before;
    net.crash(first);
    let old = net
        .seal(first, &OutgoingMessage::new("plant/a", b"old"))
        .unwrap();
    net.deliver(alice, "plant/a", &old, false);
    assert!(net.texts(alice).is_empty());
    assert_eq!(net.rejections(alice), ["Revoked"]);
}

#[test]
fn joiners_read_nothing_from_before() {
    let mut net = Net::new();
    let bob = net.join("bob", Access::BOTH);
    let before = net.send(bob, "plant/a", b"before");
    let device = net.enrol("new", &[grant("plant", Access::BOTH)]);
    net.connect(device);
    net.tick_authority();
    net.subscribe(device, "plant/#");
    net.deliver(device, "plant/a", &before, false);
    net.send(bob, "plant/a", b"after");
    assert_eq!(net.texts(device), ["after"]);
    assert_eq!(net.devices[device].member.stats().waiting, 1);
}

/// Two announcements of one epoch: the second is refused, reported with its bytes, and changes
/// nothing.
#[test]
fn a_fork_raises_an_alarm() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    // An old copy of the authority's store goes on by itself.
    let mut copy = sealmq_authority::Authority::load(&net.authority_store).unwrap();
    net.rotate();
    let mut rng = crate::common::TestRng::new(4711);
    let plan = copy.rotate("plant", START, &mut rng).unwrap();
    let other = announcement(&net, &plan.publications);
    let before = net.devices[alice].store.0.clone();
    net.deliver(alice, &other.topic, &other.payload, false);
    assert_eq!(net.devices[alice].store.0, before);
    let group = net.group("plant");
    let fork = net.devices[alice]
        .events
        .iter()
        .find_map(|event| match event {
            MemberEvent::Fork {
                group: g,
                epoch,
                evidence,
                ..
            } if *g == group => Some((*epoch, evidence.clone())),
            _ => None,
        });
    assert_eq!(fork, Some((net.epoch(alice).unwrap(), other.payload)));
    net.send(bob, "plant/a", b"on");
    assert_eq!(net.texts(alice), ["on"]);
}
