//! What is remembered survives restarts, full tables and lost epochs.

use crate::world::*;
use sealmq_core::MemberNumber;
use sealmq_core::open::Rejection;
use sealmq_core::replay::Record;
use sealmq_core::seal::{Outgoing, SenderSession};

const ALICE: MemberNumber = MemberNumber(7);
const REPLAY: Rejection = Rejection::Replay { member: ALICE };

/// Threat model A12: what was stored refuses everything that was accepted before it was stored.
#[test]
fn state_survives_a_restart() {
    let group = Group::new(1, 1);
    let (alice, bob) = (Member::new(7, &group), Member::new(8, &group));
    let reader = Reader::new(&group, &[&alice, &bob]);
    let mut before = receiver();
    let mut stored = Stored::new();
    let mut sent = Vec::new();
    let mut unsent = Vec::new();
    for number in 1..20_u64 {
        for member in [&alice, &bob] {
            let mut session = group.session_seeded(
                number,
                Default::default(),
                &[number as u8, member.number.0 as u8],
            );
            for i in 0..3 {
                let envelope = match i {
                    1 => member.value(&group, number, TOPIC),
                    _ => member.seal(&mut session, &plain(), b"x"),
                };
                if i == 2 {
                    unsent.push((number, envelope));
                    continue;
                }
                reader.open(&mut before, &live(TOPIC), &envelope).unwrap();
                sent.push((i, envelope));
                // After every message, only what changed.
                let count = save(&mut before, &mut stored);
                assert!((1..=3).contains(&count), "{count} records for one message");
            }
        }
    }
    let newest = passing_will(&alice, group.keep_session(50));
    reader.open(&mut before, &live(TOPIC), &newest).unwrap();
    save(&mut before, &mut stored);
    assert_eq!(stored.len(), 4, "two senders on one topic each");

    let mut after = receiver();
    load(&mut after, &stored);
    assert_eq!(state(&after), state(&before));
    assert!(
        after.next_dirty().is_none(),
        "what came from the store is not dirty"
    );
    for (i, envelope) in &sent {
        assert!(reader.open(&mut after, &live(TOPIC), envelope).is_err());
        let newest = sent.len() - 4;
        let again = reader.open(&mut after, &retained(TOPIC), envelope).is_ok();
        let position = sent.iter().position(|(_, e)| e == envelope).unwrap();
        assert_eq!(
            again,
            *i == 1 && position >= newest,
            "only the newest value"
        );
    }
    assert_eq!(reader.open(&mut after, &live(TOPIC), &newest), Err(REPLAY));
    for (number, envelope) in &unsent {
        let accepted = reader.open(&mut after, &live(TOPIC), envelope).is_ok();
        assert_eq!(
            accepted,
            *number > 15,
            "a remembered session goes on where it was"
        );
    }
}

#[test]
fn stored_records_are_canonical() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let reader = Reader::new(&group, &[&alice]);
    let mut receiver = receiver();
    for number in [5, 6] {
        let event = alice.seal(&mut group.session(number), &plain(), b"x");
        for envelope in [event, alice.value(&group, number, TOPIC)] {
            reader.open(&mut receiver, &live(TOPIC), &envelope).unwrap();
        }
    }
    // Topics that found no place, and a sender that is known by a will alone.
    let mut full = receiver_of(2, 1, 4);
    let bob = Member::new(8, &group);
    let both = Reader::new(&group, &[&alice, &bob]);
    for name in ["plant/1", "plant/2"] {
        let value = alice.value(&group, 5, name);
        both.open(&mut full, &live(name), &value).unwrap();
    }
    let will = kept_will(&bob, group.keep_session(9));
    both.open(&mut full, &live(TOPIC), &will).unwrap();
    let records = state(&receiver).into_iter().chain(state(&full));
    for record in records {
        let mut bytes = [0; Record::<2>::MAX_LEN];
        let len = record.encode(&mut bytes).unwrap();
        let bytes = &bytes[..len];
        assert_eq!(Record::<2>::decode(bytes), Ok(record.clone()));
        for cut in 0..len {
            assert!(Record::<2>::decode(&bytes[..cut]).is_err());
            assert!(record.encode(&mut vec![0; cut]).is_err());
        }
        assert!(Record::<2>::decode(&[bytes, &[0]].concat()).is_err());
        for byte in 0..len {
            for bit in 0..8 {
                let mut other = bytes.to_vec();
                other[byte] ^= 1 << bit;
                if let Ok(decoded) = Record::<2>::decode(&other) {
                    let mut again = [0; Record::<2>::MAX_LEN];
                    let len = decoded.encode(&mut again).unwrap();
                    assert_eq!(&again[..len], &other[..], "one spelling only");
                }
            }
        }
        if matches!(record, Record::Sender(_)) {
            assert!(Record::<3>::decode(bytes).is_err(), "another window size");
        }
    }
}

/// Threat model A11, F2: full tables forget nothing that would open a replay.
#[test]
fn full_tables_raise_floors() {
    let group = Group::new(1, 1);
    let members: Vec<_> = (1..=40).map(|n| Member::new(n, &group)).collect();
    let all: Vec<_> = members.iter().collect();
    let reader = Reader::new(&group, &all);
    for (senders, topics, keys) in [(4, 4, 4), (1, 1, 1), (0, 0, 0), (4, 0, 1), (0, 4, 1)] {
        let mut receiver = receiver_of(senders, topics, keys);
        let mut seen = Vec::new();
        for (i, member) in members.iter().enumerate() {
            let mut session = group.session_seeded(100 + i as u64, Default::default(), &[i as u8]);
            let event = member.seal(&mut session, &plain(), b"x");
            for envelope in [event, member.value(&group, 100 + i as u64, TOPIC)] {
                if reader.open(&mut receiver, &live(TOPIC), &envelope).is_ok() {
                    seen.push(envelope);
                }
            }
        }
        assert!(
            seen.len() >= members.len(),
            "new sessions get in ({senders})"
        );
        assert!(state(&receiver).len() <= 1 + senders + topics);
        for envelope in &seen {
            assert!(reader.open(&mut receiver, &live(TOPIC), envelope).is_err());
        }
        // Retained values: each reader sees them only go forward.
        let mut receiver = receiver_of(senders, topics, keys);
        let sessions = [100, 200].map(|number| {
            members
                .iter()
                .map(|m| m.value(&group, number + u64::from(m.number.0), TOPIC))
                .collect::<Vec<_>>()
        });
        for newer in &sessions[1] {
            assert!(reader.open(&mut receiver, &retained(TOPIC), newer).is_ok());
        }
        for older in &sessions[0] {
            assert!(reader.open(&mut receiver, &retained(TOPIC), older).is_err());
        }
        // A restart with the tables as small changes nothing.
        let mut after = receiver_of(senders, topics, keys);
        for record in state(&receiver) {
            after.restore(record);
        }
        for older in &sessions[0] {
            assert!(reader.open(&mut after, &retained(TOPIC), older).is_err());
        }
    }
}

/// Threat model A11, A12: a sender that was pushed out before its last messages were stored does not
/// come back from the store with an older window.
#[test]
fn what_was_pushed_out_stays_refused_after_a_restart() {
    let group = Group::new(1, 1);
    let (alice, bob) = (Member::new(7, &group), Member::new(8, &group));
    let reader = Reader::new(&group, &[&alice, &bob]);
    let mut receiver = receiver_of(1, 1, 4);
    let (mut stored, mut session) = (Stored::new(), group.session(1000));
    let mut sent = [0, 1]
        .map(|_| alice.seal(&mut session, &plain(), b"x"))
        .to_vec();
    let mut session = group.keep_session(1001);
    sent.extend([0, 1].map(|_| alice.keep(&mut session, &plain(), 0, b"x")));
    for first in [0, 2] {
        reader
            .open(&mut receiver, &live(TOPIC), &sent[first])
            .unwrap();
    }
    save(&mut receiver, &mut stored);
    let early = state(&receiver);
    for second in [1, 3] {
        reader
            .open(&mut receiver, &live(TOPIC), &sent[second])
            .unwrap();
    }
    let others = [
        bob.seal(&mut group.session(2000), &plain(), b"x"),
        bob.value(&group, 2001, TOPIC),
    ];
    for other in &others {
        reader.open(&mut receiver, &live(TOPIC), other).unwrap();
    }
    assert_eq!(receiver.sender_count(), 1);

    // An old copy given back in between reopens nothing.
    for record in &early {
        receiver.restore(record.clone());
    }
    save(&mut receiver, &mut stored);
    assert_eq!(stored.len(), 3, "the floors, one sender, one topic");
    let mut after = receiver_of(8, 8, 4);
    load(&mut after, &stored);
    for envelope in sent.iter().chain(&others) {
        for receiver in [&mut receiver, &mut after] {
            assert!(reader.open(receiver, &live(TOPIC), envelope).is_err());
        }
    }
}

/// The store never holds more than the tables and a store from a crash in between is no larger.
#[test]
fn the_store_is_as_small_as_the_tables() {
    let group = Group::new(1, 1);
    let members: Vec<_> = (1..=10).map(|n| Member::new(n, &group)).collect();
    let all: Vec<_> = members.iter().collect();
    let reader = Reader::new(&group, &all);
    for every in [1, 2, 7] {
        let (mut receiver, mut stored) = (receiver_of(3, 4, 4), Stored::new());
        for i in 0..200_u64 {
            let member = &members[(i * i % 10) as usize];
            let name = format!("plant/{}", i % 7);
            let message = Outgoing::new(topic(&name));
            let event = member.seal(&mut group.session(100 + i), &message, b"x");
            for envelope in [event, member.value(&group, 100 + i, &name)] {
                reader.open(&mut receiver, &live(&name), &envelope).unwrap();
            }
            if i % every == 0 {
                save(&mut receiver, &mut stored);
                let kept: Vec<_> = state(&receiver).iter().map(Record::key).collect();
                assert!(
                    stored.keys().all(|key| kept.contains(key)),
                    "every {every}, message {i}"
                );
            }
        }
        save(&mut receiver, &mut stored);
        // Into smaller tables: what finds no place is deleted.
        let mut small = receiver_of(1, 2, 4);
        for bytes in stored.clone().values() {
            small.restore(Record::decode(bytes).unwrap());
            save(&mut small, &mut stored);
        }
        assert_eq!(stored.len(), 4);
    }
}

/// What is pushed out is refused to everybody without a record: the sender that claims the
/// highest numbers, of wills as well, keeps its place.
#[test]
fn the_sender_without_which_the_floors_rise_least_goes_first() {
    let group = Group::new(1, 1);
    let (eve, alice) = (Member::new(1, &group), Member::new(7, &group));
    let (bob, carol) = (Member::new(8, &group), Member::new(9, &group));
    let reader = Reader::new(&group, &[&eve, &alice, &bob, &carol]);
    let mut receiver = receiver_of(2, 2, 4);
    let huge = passing_will(&eve, group.keep_session((1 << 35) - 1));
    reader.open(&mut receiver, &live(TOPIC), &huge).unwrap();
    for (member, number) in [(&alice, 1000), (&bob, 2000)] {
        let envelope = member.seal(&mut group.session(number), &plain(), b"x");
        reader.open(&mut receiver, &live(TOPIC), &envelope).unwrap();
    }
    assert!(receiver.sender(&group.id, ALICE).is_none());
    let last = passing_will(&carol, group.keep_session(3000));
    assert!(reader.open(&mut receiver, &live(TOPIC), &last).is_ok());
    assert!(reader.open(&mut receiver, &live(TOPIC), &huge).is_err());
}

/// Restoring over a used state, or into a smaller table, only ever refuses more.
#[test]
fn restoring_never_reopens_anything() {
    let group = Group::new(1, 1);
    let members: Vec<_> = (1..=10).map(|n| Member::new(n, &group)).collect();
    let all: Vec<_> = members.iter().collect();
    let reader = Reader::new(&group, &all);
    let mut receiver = receiver();
    let mut session_of =
        |m: &Member| group.session_seeded(9, Default::default(), &[m.number.0 as u8]);
    let mut sessions: Vec<_> = members.iter().map(&mut session_of).collect();
    let sealed = |sessions: &mut Vec<SenderSession>| -> Vec<_> {
        members
            .iter()
            .zip(sessions)
            .map(|(m, s)| m.seal(s, &plain(), b"x"))
            .collect()
    };
    let first = sealed(&mut sessions);
    for envelope in &first {
        reader.open(&mut receiver, &live(TOPIC), envelope).unwrap();
    }
    let old = state(&receiver);
    let second = sealed(&mut sessions);
    for envelope in &second {
        reader.open(&mut receiver, &live(TOPIC), envelope).unwrap();
    }
    for record in &old {
        receiver.restore(record.clone());
    }
    let mut small = receiver_of(2, 2, 2);
    for record in state(&receiver) {
        small.restore(record);
    }
    for envelope in first.iter().chain(&second) {
        assert!(reader.open(&mut receiver, &live(TOPIC), envelope).is_err());
        assert!(reader.open(&mut small, &live(TOPIC), envelope).is_err());
    }
}

#[test]
fn keys_of_a_lost_epoch_are_dropped_and_come_back_only_with_it() {
    let (old, new) = (Group::new(1, 1), Group::new(1, 2));
    let alice = Member::new(7, &old);
    let reader = Reader {
        epochs: vec![&old, &new],
        ..Reader::new(&old, &[&alice])
    };
    let mut receiver = receiver();
    let (mut first, mut second) = (old.session(1), new.session(2));
    for session in [&mut first, &mut second] {
        let envelope = alice.seal(session, &plain(), b"x");
        reader.open(&mut receiver, &live(TOPIC), &envelope).unwrap();
    }
    receiver.retain_epochs(|announcement| *announcement == new.events.name);
    let window = Reader::new(&new, &[&alice]);
    let envelope = alice.seal(&mut first, &plain(), b"x");
    let result = window.open(&mut receiver, &live(TOPIC), &envelope);
    assert!(matches!(result, Err(Rejection::UnknownKey { .. })));
    let envelope = alice.seal(&mut second, &plain(), b"x");
    assert!(window.open(&mut receiver, &live(TOPIC), &envelope).is_ok());
    let envelope = alice.seal(&mut first, &plain(), b"x");
    assert!(reader.open(&mut receiver, &live(TOPIC), &envelope).is_ok());
}
