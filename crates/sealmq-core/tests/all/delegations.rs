//! Threat model A15: whoever had an issuing key and made numbers as high as they go is without effect
//! under the next delegation.

use crate::world::*;
use sealmq_core::MemberNumber;
use sealmq_core::open::Rejection;
use sealmq_core::replay::Record;
use sealmq_core::wire::MAX_SESSION_NUMBER;

/// A member as a thief of the old issuing key makes it, with the highest serial there is.
fn stolen(number: u32, group: &Group) -> Member {
    Member {
        serial: u32::MAX - 1,
        ..Member::new(number, group)
    }
}

/// A member as the next delegation knows it.
fn renewed(number: u32, group: &Group) -> Member {
    Member {
        delegation: 2,
        serial: 2,
        ..Member::new(number, group)
    }
}

/// An event, and a will that nobody keeps.
fn of_session(member: &Member, group: &Group, number: u64) -> (Vec<u8>, Vec<u8>) {
    let seed = [&member.number.0.to_be_bytes()[..], &number.to_be_bytes()].concat();
    let mut session = group.session_seeded(number, Default::default(), &seed);
    let message = member.seal(&mut session, &plain(), b"x");
    (
        message,
        passing_will(member, group.keep_session_seeded(number, &seed)),
    )
}

fn reloaded(receiver: &mut HostReceiver, places: usize) -> HostReceiver {
    let mut stored = Stored::new();
    save(receiver, &mut stored);
    let mut again = receiver_of(places, places, 8);
    load(&mut again, &stored);
    again
}

fn floors(receiver: &HostReceiver) -> (u32, u64) {
    match state(receiver)[0] {
        Record::Floors(floors) => (floors.delegation(), floors.session()),
        _ => unreachable!("floors come first"),
    }
}

#[test]
fn a_new_delegation_ends_what_a_stolen_issuing_key_did_to_replay_state() {
    let group = Group::new(1, 1);
    let (thief, alice) = (stolen(7, &group), renewed(7, &group));
    let (fooled, healed) = (
        Reader::new(&group, &[&thief]),
        Reader::new(&group, &[&alice]),
    );
    let (top, top_will) = of_session(&thief, &group, MAX_SESSION_NUMBER);
    let mut session = group.keep_session(MAX_SESSION_NUMBER);
    let top_value = thief.keep(&mut session, &plain(), MAX_SESSION_NUMBER, b"x");
    let (first, first_will) = of_session(&alice, &group, 1);
    let first_value = alice.value(&group, 1, TOPIC);
    let revoked = Err(Rejection::Revoked {
        member: MemberNumber(7),
    });
    for restart in [false, true] {
        let mut receiver = receiver();
        fooled.open(&mut receiver, &live(TOPIC), &top).unwrap();
        fooled.open(&mut receiver, &live(TOPIC), &top_will).unwrap();
        fooled
            .open(&mut receiver, &live(TOPIC), &top_value)
            .unwrap();
        if restart {
            receiver = reloaded(&mut receiver, 8);
        }
        for (request, envelope) in [
            (live(TOPIC), &first),
            (live(TOPIC), &first_value),
            (retained(TOPIC), &first_value),
            (live(TOPIC), &first_will),
        ] {
            healed.open(&mut receiver, &request, envelope).unwrap();
        }
        if restart {
            receiver = reloaded(&mut receiver, 8);
        }
        // The new state protects, and the old delegation never comes back.
        assert!(matches!(
            healed.open(&mut receiver, &live(TOPIC), &first),
            Err(Rejection::Replay { .. })
        ));
        assert_eq!(fooled.open(&mut receiver, &live(TOPIC), &top), revoked);
        let replay = Err(Rejection::Replay {
            member: MemberNumber(7),
        });
        for request in [live(TOPIC), retained(TOPIC)] {
            // The order of state says so even to a directory that still offers the thief's; one that
            // was told of the recovery does not continue its delegation.
            assert_eq!(fooled.open(&mut receiver, &request, &top_value), replay);
            assert_eq!(healed.open(&mut receiver, &request, &top_value), revoked);
        }
        assert_eq!(fooled.open(&mut receiver, &live(TOPIC), &top_will), replay);
        assert_eq!(healed.open(&mut receiver, &live(TOPIC), &top_will), revoked);
    }
}

/// The floors for senders without a place rise by what is pushed out: under a new delegation they
/// start again.
#[test]
fn floors_of_the_pushed_out_end_with_their_delegation() {
    let group = Group::new(1, 1);
    for restart in [false, true] {
        let mut receiver = receiver_of(1, 1, 8);
        for number in [7, 8] {
            let thief = stolen(number, &group);
            let (top, top_will) =
                of_session(&thief, &group, MAX_SESSION_NUMBER - u64::from(number));
            let reader = Reader::new(&group, &[&thief]);
            reader.open(&mut receiver, &live(TOPIC), &top_will).unwrap();
            // The second is refused already: its number is below the first one's.
            let _ = reader.open(&mut receiver, &live(TOPIC), &top);
        }
        assert!(floors(&receiver).1 > 1000, "everybody is locked out");
        let bystander = Member::new(9, &group);
        let (message, _) = of_session(&bystander, &group, 500);
        let reader = Reader::new(&group, &[&bystander]);
        assert!(reader.open(&mut receiver, &live(TOPIC), &message).is_err());

        if restart {
            receiver = reloaded(&mut receiver, 1);
        }
        // One place: each pushes out the one before, and needs a number above its.
        for (member, number) in [(9, 1), (7, 2), (8, 3), (9, 4)] {
            let member = renewed(member, &group);
            let (message, _) = of_session(&member, &group, number);
            let reader = Reader::new(&group, &[&member]);
            reader.open(&mut receiver, &live(TOPIC), &message).unwrap();
            assert!(reader.open(&mut receiver, &live(TOPIC), &message).is_err());
        }
        assert_eq!(floors(&receiver), (2, 3));
        let back = reader.open(&mut receiver, &live(TOPIC), &message);
        assert!(matches!(back, Err(Rejection::Revoked { .. })));
    }
}

/// What a thief filled the tables with gives way first, however high its numbers are.
#[test]
fn records_of_an_older_delegation_are_pushed_out_first() {
    let group = Group::new(1, 1);
    let mut receiver = receiver_of(2, 2, 8);
    for number in [7, 8] {
        let thief = stolen(number, &group);
        let reader = Reader::new(&group, &[&thief]);
        let (top, _) = of_session(&thief, &group, MAX_SESSION_NUMBER);
        reader.open(&mut receiver, &live(TOPIC), &top).unwrap();
    }
    let members: Vec<_> = [3, 4].map(|number| renewed(number, &group)).into();
    let sealed: Vec<_> = members
        .iter()
        .map(|member| of_session(member, &group, u64::from(member.number.0)).0)
        .collect();
    for (member, message) in members.iter().zip(&sealed) {
        let reader = Reader::new(&group, &[member]);
        reader.open(&mut receiver, &live(TOPIC), message).unwrap();
    }
    // Both have their places: nothing of the new delegation was pushed out.
    let kept: Vec<_> = state(&receiver)
        .iter()
        .filter_map(|record| match record {
            Record::Sender(sender) => Some((sender.serial().unwrap().delegation, sender.floor())),
            _ => None,
        })
        .collect();
    assert_eq!(kept, [(2, 0), (2, 0)]);
    assert_eq!(floors(&receiver).0, 1);
    for (member, message) in members.iter().zip(&sealed) {
        let reader = Reader::new(&group, &[member]);
        assert!(reader.open(&mut receiver, &live(TOPIC), message).is_err());
    }
}
