//! State under credentials that were renewed, and under delegations that are continued
//! (spec/envelope.md §9, "State under an older credential").

use crate::world::*;
use sealmq_core::MemberNumber;
use sealmq_core::open::{Missing, Rejection, Request, Staleness};
use sealmq_core::seal::Outgoing;

const ALICE: MemberNumber = MemberNumber(7);
const REPLAY: Rejection = Rejection::Replay { member: ALICE };
const REVOKED: Rejection = Rejection::Revoked { member: ALICE };

fn alice(delegation: u32, serial: u32, group: &Group) -> Member {
    Member {
        delegation,
        serial,
        ..Member::new(7, group)
    }
}

/// Every reader that has the newest one, and to whom the others count.
fn reader<'a>(group: &'a Group, known: &'a Member, older: &[&'a Member]) -> Reader<'a> {
    Reader {
        older: older.to_vec(),
        ..Reader::new(group, &[known])
    }
}

/// What a sender keeps in its life: value, will and passing will, each above what was before.
fn life(member: &Member, group: &Group) -> [Vec<u8>; 3] {
    let seed = [member.delegation as u8, member.serial as u8];
    let number = 1000 - u64::from(member.serial);
    let session = |number| group.keep_session_seeded(number, &seed);
    [
        member.keep(&mut session(number + 1), &plain(), number, b"value"),
        kept_will(member, session(number)),
        passing_will(member, session(number + 2)),
    ]
}

#[test]
fn the_newest_credential_beats_any_number() {
    let group = Group::new(1, 1);
    // Numbers fall with each credential: a device that lost its state, again and again.
    let members = [(1, 1), (1, 2), (1, 200), (2, 201)].map(|(d, s)| alice(d, s, &group));
    let [first, second, third, newest] = &members;
    let reader = reader(&group, newest, &[first, second, third]);
    let lives: Vec<_> = members.iter().map(|member| life(member, &group)).collect();
    let deliveries = [live(TOPIC), retained(TOPIC)];
    for (i, [value, will, passing]) in lives.iter().enumerate() {
        for state in [value, will] {
            for delivery in &deliveries {
                let mut receiver = receiver();
                let opened = reader.open(&mut receiver, delivery, state).unwrap();
                assert_eq!(opened.serial, members[i].serial);
                assert_eq!(opened.credential, None, "not to be stored as the newest");
                for [older_value, older_will, _] in &lives[..i] {
                    for older in [older_value, older_will] {
                        for delivery in &deliveries {
                            let result = reader.open(&mut receiver, delivery, older);
                            assert_eq!(result, Err(REPLAY), "{i}");
                        }
                    }
                }
                for [newer_value, newer_will, _] in &lives[i + 1..] {
                    for newer in [newer_value, newer_will] {
                        assert!(reader.open(&mut receiver, &live(TOPIC), newer).is_ok());
                    }
                }
            }
        }
        let mut receiver = receiver();
        reader.open(&mut receiver, &live(TOPIC), passing).unwrap();
        for [_, _, older] in &lives[..=i] {
            assert_eq!(reader.open(&mut receiver, &live(TOPIC), older), Err(REPLAY));
        }
        // As its owner has it, the same.
        let owner = Reader::new(&group, &[&members[i]]);
        let mut receiver = crate::world::receiver();
        assert!(owner.open(&mut receiver, &retained(TOPIC), value).is_ok());
    }
}

#[test]
fn what_counts_under_an_older_credential_and_what_does_not() {
    let group = Group::new(1, 1);
    let (old, new) = (alice(1, 3, &group), alice(2, 5, &group));
    let states = life(&old, &group);
    let attempt = |reader: &Reader<'_>, expected: Option<Rejection>| {
        for (i, envelope) in states.iter().enumerate() {
            let mut receiver = receiver();
            let mut buf = envelope.clone();
            let result = reader.open_in(&mut receiver, &live(TOPIC), &mut buf);
            assert_eq!(result.err(), expected, "{i}");
            if let Some(rejection) = expected {
                assert_eq!(state(&receiver).len(), 1, "nothing is recorded");
                let kept = buf == *envelope;
                assert_eq!(kept, rejection.may_wait(), "wiped, or left as it was");
            }
        }
    };
    attempt(&reader(&group, &new, &[&old]), None);
    // Its times are not looked at.
    let expired = Member {
        not_after: 1,
        ..alice(1, 3, &group)
    };
    attempt(&reader(&group, &new, &[&expired]), None);
    // Not continued, or never signed.
    attempt(&reader(&group, &new, &[]), Some(REVOKED));
    // Which is known before the refused list is.
    let void_and_unlisted = Reader {
        list_missing: true,
        ..reader(&group, &new, &[])
    };
    attempt(&void_and_unlisted, Some(REVOKED));
    // Another key, in the one inside or in the one known; another member's.
    let other_key = Member {
        number: ALICE,
        name: "member7".into(),
        delegation: 2,
        serial: 5,
        ..Member::new(8, &group)
    };
    attempt(&reader(&group, &other_key, &[&old]), Some(REVOKED));
    // Removed, or renewed with less: by the refused list.
    for (lowest, expected) in [(3, None), (4, Some(REVOKED)), (u32::MAX, Some(REVOKED))] {
        let refused = Reader {
            refused: vec![(ALICE, lowest)],
            ..reader(&group, &new, &[&old])
        };
        attempt(&refused, expected);
    }
    // By the serial of either: a thief of the older delegation drove its own up.
    let stolen = alice(1, 900, &group);
    let refused = Reader {
        refused: vec![(ALICE, 10)],
        ..reader(&group, &new, &[&stolen])
    };
    for envelope in life(&stolen, &group) {
        let result = refused.open(&mut receiver(), &live(TOPIC), &envelope);
        assert_eq!(result, Err(REVOKED));
    }
    let unlisted = Reader {
        list_missing: true,
        ..reader(&group, &new, &[&old])
    };
    let unknown = |missing| Rejection::UnknownSender {
        group: group.id,
        member: ALICE,
        missing,
    };
    attempt(&unlisted, Some(unknown(Missing::RefusedList)));
    // Both have to grant the topic.
    let not_allowed = Some(Rejection::NotAllowed { member: ALICE });
    let narrowed = Member {
        publish_filter: "plant/other",
        ..alice(2, 5, &group)
    };
    attempt(&reader(&group, &narrowed, &[&old]), not_allowed);
    let read_only = Member {
        publish: false,
        ..alice(2, 5, &group)
    };
    attempt(&reader(&group, &read_only, &[&old]), not_allowed);
    let was_read_only = Member {
        publish: false,
        ..alice(1, 3, &group)
    };
    attempt(&reader(&group, &new, &[&was_read_only]), not_allowed);
    // The known one is not valid now.
    let lapsed = Member {
        not_after: NOW / 1000 - 1,
        ..alice(2, 5, &group)
    };
    let member = MemberNumber(7);
    let stale = Some(Rejection::Stale(Staleness::CredentialOfState { member }));
    attempt(&reader(&group, &lapsed, &[&old]), stale);
    // Nobody is known: the message waits for a credential that is.
    let nobody = Reader {
        older: vec![&old],
        ..Reader::new(&group, &[])
    };
    attempt(&nobody, Some(unknown(Missing::Credential)));
    // Under the newest one it is judged as any other.
    let own = Reader {
        verifiable: vec![&old],
        ..Reader::new(&group, &[])
    };
    attempt(&own, None);
}

/// A credential that is above the known one and does not verify yet, since its delegation has not
/// arrived: the message waits, and nothing is lost.
#[test]
fn state_under_a_credential_that_is_not_known_yet_waits() {
    let group = Group::new(1, 1);
    // Newer by whatever the numbers are: the hint of some of them says otherwise.
    for (known, newer) in [
        ((1, 5), (1, 6)),
        ((1, 5), (2, 6)),
        ((1, 5), (1, 99)),
        ((1, 5), (2, 4)),
    ] {
        let known = alice(known.0, known.1, &group);
        let newer = alice(newer.0, newer.1, &group);
        let reader = reader(&group, &known, &[]);
        for envelope in life(&newer, &group) {
            let mut buf = envelope.clone();
            let mut receiver = receiver();
            let result = reader.open_in(&mut receiver, &live(TOPIC), &mut buf);
            let missing = Missing::Credential;
            let group = group.id;
            let member = ALICE;
            let waits = Rejection::UnknownSender {
                group,
                member,
                missing,
            };
            assert_eq!(result, Err(waits));
            assert_eq!(buf, envelope);
            // Nor does one of another key take the known one's place.
            let usurper = Member {
                number: ALICE,
                name: "member7".into(),
                delegation: 1,
                serial: 5,
                ..Member::new(8, reader.epochs[0])
            };
            let bound = Reader {
                verifiable: vec![&newer],
                epochs: reader.epochs.clone(),
                members: vec![&usurper],
                ..Reader::default()
            };
            let result = bound.open(&mut receiver, &live(TOPIC), &envelope);
            assert_eq!(result, Err(waits));
            let informed = Reader {
                verifiable: vec![&newer],
                epochs: reader.epochs.clone(),
                members: reader.members.clone(),
                ..Reader::default()
            };
            let opened = informed
                .open_in(&mut receiver, &live(TOPIC), &mut buf)
                .unwrap();
            assert_eq!(opened.credential, Some(newer.credential()));
        }
    }
}

/// An older credential that the reader never had counts if it comes inside.
#[test]
fn events_under_an_older_credential_count_with_it() {
    let group = Group::new(1, 1);
    let (old, new) = (alice(1, 3, &group), alice(1, 5, &group));
    let reader = reader(&group, &new, &[&old]);
    let credential = old.credential();
    for credential in [None, Some(&credential[..])] {
        let message = Outgoing {
            credential,
            ..plain()
        };
        let event = old.seal(&mut group.session(9), &message, b"x");
        let mut receiver = receiver();
        let result = reader.open(&mut receiver, &live(TOPIC), &event);
        match credential {
            None => assert_eq!(result, Err(REVOKED)),
            Some(_) => assert_eq!(result.map(|opened| opened.serial), Ok(3)),
        }
        if credential.is_some() {
            let again = reader.open(&mut receiver, &live(TOPIC), &event);
            assert_eq!(again, Err(REPLAY));
        }
    }
}

/// State under another credential than the events' does not touch their windows, in neither
/// direction.
#[test]
fn windows_belong_to_the_credential_of_events() {
    let group = Group::new(1, 1);
    let (old, new) = (alice(1, 3, &group), alice(1, 5, &group));
    let renewed = reader(&group, &new, &[&old]);
    let mut receiver = receiver();
    let mut session = group.session(9);
    let [first, second] = [(); 2].map(|()| new.seal(&mut session, &plain(), b"x"));
    renewed.open(&mut receiver, &live(TOPIC), &first).unwrap();
    for envelope in life(&old, &group) {
        renewed
            .open(&mut receiver, &live(TOPIC), &envelope)
            .unwrap();
    }
    assert_eq!(
        renewed.open(&mut receiver, &live(TOPIC), &first),
        Err(REPLAY)
    );
    assert!(renewed.open(&mut receiver, &live(TOPIC), &second).is_ok());
    // A newer credential that came with state does not end the windows of the older one: only the
    // directory, when it knows it, ends that.
    let newest = alice(1, 6, &group);
    let told = Reader {
        verifiable: vec![&newest],
        ..reader(&group, &new, &[])
    };
    for envelope in life(&newest, &group) {
        told.open(&mut receiver, &live(TOPIC), &envelope).unwrap();
    }
    assert_eq!(told.open(&mut receiver, &live(TOPIC), &first), Err(REPLAY));
    let third = new.seal(&mut session, &plain(), b"x");
    assert!(told.open(&mut receiver, &live(TOPIC), &third).is_ok());
}

fn pushed_out(receiver: &mut HostReceiver, group: &Group, delegation: u32) {
    for number in [20, 21, 22] {
        let other = Member {
            delegation,
            ..Member::new(number, group)
        };
        let reader = Reader::new(group, &[&other]);
        let event = other.seal(&mut group.session(number.into()), &plain(), b"x");
        let _ = reader.open(receiver, &live(TOPIC), &event);
        let value = other.value(group, 2, TOPIC);
        let _ = reader.open(receiver, &live(TOPIC), &value);
    }
    assert!(receiver.sender(&group.id, ALICE).is_none());
}

/// A will under an older credential makes a record for a sender that was pushed out: what its newer
/// credential had accepted stays refused.
#[test]
fn an_older_will_reopens_no_events() {
    let group = Group::new(1, 1);
    let (old, new) = (alice(1, 3, &group), alice(1, 5, &group));
    let reader = reader(&group, &new, &[&old]);
    for restart in [false, true] {
        let mut receiver = receiver_of(1, 1, 8);
        let event = new.seal(&mut group.session(10), &plain(), b"x");
        reader.open(&mut receiver, &live(TOPIC), &event).unwrap();
        pushed_out(&mut receiver, &group, 1);
        let [_, _, passing] = life(&old, &group);
        reader.open(&mut receiver, &live(TOPIC), &passing).unwrap();
        if restart {
            let mut stored = Stored::new();
            save(&mut receiver, &mut stored);
            receiver = receiver_of(1, 1, 8);
            load(&mut receiver, &stored);
        }
        assert_eq!(
            reader.open(&mut receiver, &live(TOPIC), &event),
            Err(REPLAY)
        );
        let above = new.seal(&mut group.session(90), &plain(), b"x");
        assert!(reader.open(&mut receiver, &live(TOPIC), &above).is_ok());
        assert_eq!(
            reader.open(&mut receiver, &live(TOPIC), &above),
            Err(REPLAY)
        );
    }
}

/// Nor does an old copy of its record, given back to one that a will made.
#[test]
fn an_old_copy_under_a_will_reopens_no_events() {
    let group = Group::new(1, 1);
    let new = alice(1, 5, &group);
    let reader = reader(&group, &new, &[]);
    let mut receiver = receiver_of(1, 1, 8);
    let mut session = group.session(10);
    let [first, second] = [(); 2].map(|()| new.seal(&mut session, &plain(), b"x"));
    reader.open(&mut receiver, &live(TOPIC), &first).unwrap();
    let early = state(&receiver);
    reader.open(&mut receiver, &live(TOPIC), &second).unwrap();
    pushed_out(&mut receiver, &group, 1);
    let passing = passing_will(&new, group.keep_session(50));
    reader.open(&mut receiver, &live(TOPIC), &passing).unwrap();
    // What it forgot meanwhile stays, too.
    let forgotten = new.value(&group, 300, "plant/1");
    for (name, value) in [
        ("plant/1", &forgotten),
        ("plant/2", &new.value(&group, 301, "plant/2")),
    ] {
        reader.open(&mut receiver, &live(name), value).unwrap();
    }
    for record in early {
        receiver.restore(record);
    }
    for event in [&first, &second] {
        assert_eq!(reader.open(&mut receiver, &live(TOPIC), event), Err(REPLAY));
    }
    let again = reader.open(&mut receiver, &live("plant/1"), &forgotten);
    assert_eq!(again, Err(REPLAY));
    assert_eq!(
        reader.open(&mut receiver, &live(TOPIC), &passing),
        Err(REPLAY)
    );
}

/// The floors for all senders cannot compare credentials: a lower one with higher numbers is
/// refused, and gets no record from which on the newer one's would be news.
#[test]
fn what_was_forgotten_with_its_sender_does_not_go_back_by_credential() {
    let group = Group::new(1, 1);
    for (delegation, topics) in [(1, 1), (1, 0), (2, 1)] {
        // Low numbers under the newer credential: the device lost its state.
        let (old, new) = (alice(1, 3, &group), alice(delegation, 5, &group));
        let reader = reader(&group, &new, &[&old]);
        let mut receiver = receiver_of(1, topics, 8);
        let session = |number| group.keep_session_seeded(number, b"new");
        let value = new.keep(&mut session(3), &plain(), 2, b"value");
        let passing = passing_will(&new, session(5));
        for state in [&value, &passing] {
            reader.open(&mut receiver, &live(TOPIC), state).unwrap();
        }
        pushed_out(&mut receiver, &group, delegation);
        let older = life(&old, &group);
        for _ in 0..2 {
            for envelope in &older {
                for request in [live(TOPIC), retained(TOPIC)] {
                    let result = reader.open(&mut receiver, &request, envelope);
                    assert_eq!(result, Err(REPLAY), "{delegation} {topics}");
                }
            }
            for envelope in [&value, &passing] {
                let result = reader.open(&mut receiver, &live(TOPIC), envelope);
                assert_eq!(result, Err(REPLAY), "{delegation} {topics}");
            }
            // It gets a place again, by an event: nothing of before comes back with it.
            let event = new.seal(&mut group.session(900), &plain(), b"x");
            let _ = reader.open(&mut receiver, &live(TOPIC), &event);
            assert!(receiver.sender(&group.id, ALICE).is_some());
        }
        // What is above the floor goes on.
        let next = new.keep(&mut session(2000), &plain(), 1999, b"value");
        assert!(reader.open(&mut receiver, &live(TOPIC), &next).is_ok());
        let next = passing_will(&new, session(2001));
        assert!(reader.open(&mut receiver, &live(TOPIC), &next).is_ok());
    }
}

/// A will that was accepted under the delegation before, then forgotten, does not fire again when
/// its sender gets a place under the next one.
#[test]
fn a_forgotten_will_does_not_fire_again_under_the_next_delegation() {
    let group = Group::new(1, 1);
    for above in [1, 2] {
        let (old, new) = (alice(1, 3, &group), alice(2, 5, &group));
        let mut receiver = receiver_of(1, 4, 8);
        let [_, _, passing] = life(&old, &group);
        let before = Reader::new(&group, &[&old]);
        before.open(&mut receiver, &live(TOPIC), &passing).unwrap();
        pushed_out(&mut receiver, &group, above);
        let reader = reader(&group, &new, &[&old]);
        let event = new.seal(&mut group.session(900), &plain(), b"x");
        reader.open(&mut receiver, &live(TOPIC), &event).unwrap();
        let result = reader.open(&mut receiver, &live(TOPIC), &passing);
        assert_eq!(result, Err(REPLAY), "{above}");
        let next = passing_will(&new, group.keep_session(1));
        assert!(reader.open(&mut receiver, &live(TOPIC), &next).is_ok());
    }
}

/// Of a request only the way of delivery counts: own state comes back only to who asked for it.
#[test]
fn own_state_is_dropped_unless_wanted() {
    let group = Group::new(1, 1);
    let (old, new) = (alice(1, 3, &group), alice(1, 5, &group));
    let reader = reader(&group, &new, &[&old]);
    let [value, ..] = life(&old, &group);
    let request = Request {
        drop_own: Some(ALICE),
        ..retained(TOPIC)
    };
    let result = reader.open(&mut receiver(), &request, &value);
    assert_eq!(result, Err(Rejection::Own));
}
