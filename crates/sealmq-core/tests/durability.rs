//! What is remembered survives restarts, full tables and lost epochs.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test"
)]

mod world;

use sealmq_core::MemberNumber;
use sealmq_core::open::Rejection;
use sealmq_core::replay::Record;
use sealmq_core::seal::SenderSession;
use world::*;

const ALICE: MemberNumber = MemberNumber(7);
const REPLAY: Rejection = Rejection::Replay { member: ALICE };

/// ATTACKS A12: what was stored refuses everything that was accepted before it was stored.
#[test]
fn state_survives_a_restart() {
    let group = Group::new(1, 1);
    let (alice, bob) = (Member::new(7, &group), Member::new(8, &group));
    let reader = Reader::new(&group, &[&alice, &bob]);
    let mut before = receiver();
    let mut stored: std::collections::BTreeMap<[u8; 37], Vec<u8>> = Default::default();
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
                let message = if i == 1 { kept() } else { plain() };
                let envelope = member.seal(&mut session, &message, b"x");
                if i == 2 {
                    unsent.push((number, envelope));
                    continue;
                }
                reader.open(&mut before, &live(TOPIC), &envelope).unwrap();
                sent.push((i, envelope));
                // After every message, only what changed.
                let mut count = 0;
                while let Some(record) = before.next_dirty() {
                    let mut bytes = [0; Record::<2>::MAX_LEN];
                    let len = record.encode(&mut bytes).unwrap();
                    stored.insert(record.key(), bytes[..len].to_vec());
                    count += 1;
                }
                assert!((1..=3).contains(&count), "{count} records for one message");
            }
        }
    }
    let newest = seal_will(&alice, group.session(50), &will());
    reader.open(&mut before, &live(TOPIC), &newest).unwrap();
    while let Some(record) = before.next_dirty() {
        let mut bytes = [0; Record::<2>::MAX_LEN];
        let len = record.encode(&mut bytes).unwrap();
        stored.insert(record.key(), bytes[..len].to_vec());
    }
    assert_eq!(stored.len(), 4, "two senders on one topic each");

    let mut after = receiver();
    for bytes in stored.values() {
        after.restore(Record::decode(bytes).unwrap());
    }
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
        let envelope = alice.seal(&mut group.session(number), &kept(), b"x");
        reader.open(&mut receiver, &live(TOPIC), &envelope).unwrap();
    }
    for record in state(&receiver) {
        let mut bytes = [0; Record::<2>::MAX_LEN];
        let len = record.encode(&mut bytes).unwrap();
        let bytes = &bytes[..len];
        assert_eq!(Record::<2>::decode(bytes), Ok(record));
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

/// ATTACKS A11, F2: full tables forget nothing that would open a replay.
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
            for message in [plain(), kept()] {
                let envelope = member.seal(&mut session, &message, b"x");
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
                .map(|m| {
                    let seed = [number as u8, m.number.0 as u8];
                    let mut session = group.session_seeded(number, Default::default(), &seed);
                    m.seal(&mut session, &kept(), b"x")
                })
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
        receiver.restore(*record);
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
    receiver.retain_epochs(|announcement| *announcement == new.announcement);
    let window = Reader::new(&new, &[&alice]);
    let envelope = alice.seal(&mut first, &plain(), b"x");
    let result = window.open(&mut receiver, &live(TOPIC), &envelope);
    assert!(matches!(result, Err(Rejection::UnknownKey { .. })));
    let envelope = alice.seal(&mut second, &plain(), b"x");
    assert!(window.open(&mut receiver, &live(TOPIC), &envelope).is_ok());
    let envelope = alice.seal(&mut first, &plain(), b"x");
    assert!(reader.open(&mut receiver, &live(TOPIC), &envelope).is_ok());
}
