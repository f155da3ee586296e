//! What full tables forgot of state stays refused, and shuts out nobody else for good.

use crate::state::{REPLAY, Scene};
use crate::world::*;
use sealmq_core::seal::Outgoing;

#[test]
fn full_tables_forget_no_place() {
    for (senders, topics) in [(1, 1), (4, 1), (1, 4), (0, 4), (4, 0), (0, 0)] {
        let mut scene = Scene::new(senders, topics);
        let mut session = scene.group.keep_session(9);
        let mut shown = Vec::new();
        for i in 0..8 {
            let name = format!("plant/{i}");
            let message = Outgoing::new(topic(&name));
            let older = scene.alice.keep(&mut session, &message, 3, b"older");
            let value = scene.alice.keep(&mut session, &message, 3, b"value");
            let request = if i % 2 == 0 {
                retained(&name)
            } else {
                live(&name)
            };
            assert!(scene.open(&request, &value).is_ok());
            shown.push((name, older, value));
        }
        // Others take the places.
        for number in 20..24 {
            let other = Member::new(number, &scene.group);
            let event = other.seal(&mut scene.group.session(number.into()), &plain(), b"x");
            let value = other.value(&scene.group, number.into(), TOPIC);
            let reader = Reader::new(&scene.group, &[&other]);
            for envelope in [event, value] {
                let _ = reader.open(&mut scene.receiver, &live(TOPIC), &envelope);
            }
        }
        let check = |scene: &mut Scene| {
            for (name, older, value) in &shown {
                assert!(
                    scene.open(&live(name), value).is_err(),
                    "{senders} {topics}"
                );
                for request in [live(name), retained(name)] {
                    assert!(scene.open(&request, older).is_err(), "{senders} {topics}");
                }
            }
        };
        check(&mut scene);
        scene.restart(senders, topics);
        check(&mut scene);
        // Smaller ones, too, and then large ones.
        scene.restart(1, 1);
        check(&mut scene);
        scene.restart(16, 16);
        check(&mut scene);
        // A newer connection gets in again, whatever was forgotten.
        let (name, ..) = &shown[0];
        let message = Outgoing::new(topic(name));
        let mut session = scene.group.keep_session(100);
        let newer = scene.alice.keep(&mut session, &message, 50, b"newer");
        assert_eq!(
            scene.open(&live(name), &newer),
            Ok(false),
            "{senders} {topics}"
        );
    }
}

/// A number of a connection as high as they go, in what a sender has forgotten, keeps its sender
/// its place: everybody else would be shut out.
#[test]
fn a_huge_connection_keeps_its_place() {
    let mut scene = Scene::new(2, 1);
    let group = Group::new(1, 1);
    let eve = Member::new(1, &group);
    let reader = Reader::new(&group, &[&eve]);
    let event = eve.seal(&mut group.session(1), &plain(), b"x");
    reader
        .open(&mut scene.receiver, &live(TOPIC), &event)
        .unwrap();
    let mut session = group.keep_session(2);
    for name in ["plant/1", "plant/2"] {
        let message = Outgoing::new(topic(name));
        let value = eve.keep(&mut session, &message, (1 << 35) - 1, b"x");
        reader
            .open(&mut scene.receiver, &live(name), &value)
            .unwrap();
    }
    for number in [20, 21, 22] {
        let other = Member::new(number, &group);
        let reader = Reader::new(&group, &[&other]);
        let event = other.seal(&mut group.session(number.into()), &plain(), b"x");
        reader
            .open(&mut scene.receiver, &live(TOPIC), &event)
            .unwrap();
    }
    assert!(scene.receiver.sender(&group.id, eve.number).is_some());
    let [value] = scene.values(30, 29);
    assert_eq!(scene.live(&value), Ok(false));
}

/// A member that never sealed a will has no connections. It is not shut out by what one with wills
/// left behind, and a later will does not let values of before go back.
#[test]
fn who_has_no_wills_gets_above_a_forgotten_connection() {
    let mut scene = Scene::new(0, 1);
    let group = Group::new(1, 1);
    let bob = Member::new(8, &group);
    let reader = Reader::new(&group, &[&bob]);
    let before_wills = bob.value(&group, 400, TOPIC);
    let mut session = group.keep_session(501);
    let value = bob.keep(&mut session, &plain(), 500, b"x");
    reader
        .open(&mut scene.receiver, &live(TOPIC), &value)
        .unwrap();
    let low = scene.alice.value(&scene.group, 450, "plant/b");
    let high = scene.alice.value(&scene.group, 600, "plant/b");
    assert_eq!(scene.open(&live("plant/b"), &high), Ok(false));
    assert_eq!(scene.open(&live("plant/b"), &low), Err(REPLAY));
    for state in [&before_wills, &value] {
        for request in [live(TOPIC), retained(TOPIC)] {
            assert!(reader.open(&mut scene.receiver, &request, state).is_err());
        }
    }
    // Nor somebody else who never got a place.
    let carol = Member::new(9, &group);
    let reader = Reader::new(&group, &[&carol]);
    let value = carol.value(&group, 700, "plant/c");
    assert!(
        reader
            .open(&mut scene.receiver, &live("plant/c"), &value)
            .is_ok()
    );
}

/// A forgotten will stands above every session of its connection, whatever their numbers.
#[test]
fn what_was_sealed_before_a_forgotten_will_does_not_come_back() {
    for (senders, topics) in [(0, 1), (0, 0), (1, 0), (1, 1)] {
        let mut scene = Scene::new(senders, topics);
        let [online] = scene.values(11, 10);
        let offline = kept_will(&scene.alice, scene.group.keep_session(10));
        assert_eq!(scene.live(&online), Ok(false));
        assert_eq!(scene.retained(&offline), Ok(true));
        let elsewhere = Member::new(8, &scene.group);
        let reader = Reader::new(&scene.group, &[&elsewhere]);
        let value = elsewhere.value(&scene.group, 50, TOPIC);
        let pushes_out = reader.open(&mut scene.receiver, &live(TOPIC), &value);
        assert!(pushes_out.is_ok());
        for _ in 0..2 {
            assert_eq!(scene.live(&online), Err(REPLAY), "{senders} {topics}");
            assert_eq!(scene.retained(&online), Err(REPLAY), "{senders} {topics}");
            scene.restart(senders, topics);
        }
    }
}

/// An old copy of a topic's record, given back while the reader is in use, lowers no mark that was
/// pushed out meanwhile.
#[test]
fn an_old_copy_of_a_mark_reopens_nothing() {
    for senders in [0, 1] {
        let mut scene = Scene::new(senders, 1);
        let values: [Vec<u8>; 3] = scene.values(9, 0);
        assert_eq!(scene.live(&values[0]), Ok(false));
        let early = state(&scene.receiver);
        assert_eq!(scene.live(&values[2]), Ok(false));
        let elsewhere = scene.alice.value(&scene.group, 10, "plant/b");
        assert_eq!(scene.open(&live("plant/b"), &elsewhere), Ok(false));
        for record in early {
            scene.receiver.restore(record);
        }
        for value in &values {
            assert_eq!(scene.live(value), Err(REPLAY), "{senders}");
        }
        assert_eq!(scene.retained(&values[1]), Err(REPLAY));
        assert_eq!(scene.open(&live("plant/b"), &elsewhere), Err(REPLAY));
    }
}
