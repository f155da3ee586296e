//! No event is accepted twice: windows, sessions, floors; and what gaps are reported.

use crate::world::*;
use sealmq_core::MemberNumber;
use sealmq_core::open::{Rejection, Request};
use sealmq_core::replay::Gap;
use sealmq_core::seal::{Outgoing, SenderSession};

const ALICE: MemberNumber = MemberNumber(7);
const REPLAY: Rejection = Rejection::Replay { member: ALICE };

#[test]
fn a_message_is_accepted_once() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let reader = Reader::new(&group, &[&alice]);
    let (mut receiver, mut session) = (receiver(), group.session(9));
    let envelopes: Vec<_> = (0..5)
        .map(|_| alice.seal(&mut session, &plain(), b"x"))
        .collect();
    for order in [0, 3, 1, 4, 2] {
        assert!(
            reader
                .open(&mut receiver, &live(TOPIC), &envelopes[order])
                .is_ok()
        );
    }
    let before = state(&receiver);
    for envelope in &envelopes {
        let mut buf = envelope.clone();
        assert_eq!(
            reader.open_in(&mut receiver, &live(TOPIC), &mut buf),
            Err(REPLAY)
        );
        assert!(buf.iter().all(|b| *b == 0), "wiped");
    }
    assert_eq!(state(&receiver), before);
}

#[test]
fn reordering_up_to_the_window() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let reader = Reader::new(&group, &[&alice]);
    let mut session = group.session(9);
    let envelopes: Vec<_> = (0..200)
        .map(|_| alice.seal(&mut session, &plain(), b"x"))
        .collect();
    for (depth, expected) in [
        (126, None),
        (127, None),
        (128, Some(REPLAY)),
        (129, Some(REPLAY)),
    ] {
        let mut receiver = receiver();
        reader
            .open(&mut receiver, &live(TOPIC), &envelopes[150])
            .unwrap();
        let result = reader.open(&mut receiver, &live(TOPIC), &envelopes[150 - depth]);
        assert_eq!(result.err(), expected, "depth {depth}");
    }
}

#[test]
fn old_sessions_are_refused_once_forgotten() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let reader = Reader::new(&group, &[&alice]);
    let mut receiver = receiver();
    let mut sessions: Vec<_> = (10..16).map(|number| group.session(number)).collect();
    let unused: Vec<_> = sessions
        .iter_mut()
        .map(|s| alice.seal(s, &plain(), b"0"))
        .collect();
    for session in &mut sessions {
        let envelope = alice.seal(session, &plain(), b"1");
        reader.open(&mut receiver, &live(TOPIC), &envelope).unwrap();
    }
    // Six sessions, four remembered: 10 and 11 are below the floor, whatever the counter.
    for (i, envelope) in unused.iter().enumerate() {
        let expected = if i < 2 { Some(REPLAY) } else { None };
        assert_eq!(
            reader.open(&mut receiver, &live(TOPIC), envelope).err(),
            expected,
            "{i}"
        );
    }
    let floor = receiver.sender(&group.id, ALICE).unwrap().floor();
    assert_eq!(floor, 11);
    let envelope = alice.seal(
        &mut group.session_seeded(11, Default::default(), b"new"),
        &plain(),
        b"x",
    );
    assert_eq!(
        reader.open(&mut receiver, &live(TOPIC), &envelope),
        Err(REPLAY)
    );
    // A second session with a number in use: another device with this identity, which is read, too.
    let envelope = alice.seal(
        &mut group.session_seeded(15, Default::default(), b"new"),
        &plain(),
        b"x",
    );
    let mut open = || reader.open(&mut receiver, &live(TOPIC), &envelope).err();
    assert_eq!([open(), open()], [None, Some(REPLAY)]);
}

#[test]
fn groups_and_senders_are_apart() {
    let (one, two) = (Group::new(1, 1), Group::new(2, 1));
    let (alice, bob) = (Member::new(7, &one), Member::new(8, &one));
    let alice_two = Member {
        serial: 5,
        ..Member::new(7, &two)
    };
    let mut receiver = receiver();
    for (group, member) in [(&one, &alice), (&one, &bob), (&two, &alice_two)] {
        let reader = Reader::new(group, &[member]);
        let envelope = member.seal(&mut group.session(9), &plain(), b"x");
        assert!(reader.open(&mut receiver, &live(TOPIC), &envelope).is_ok());
        assert!(reader.open(&mut receiver, &live(TOPIC), &envelope).is_err());
    }
}

/// threat model C12: a higher serial starts afresh, and the lower one is refused from then on, even by
/// a directory that still offers it.
#[test]
fn floors_belong_to_a_credential_serial() {
    let group = Group::new(1, 1);
    let old = Member::new(7, &group);
    let new = Member {
        serial: 2,
        ..Member::new(7, &group)
    };
    let (knows_old, knows_new) = (Reader::new(&group, &[&old]), Reader::new(&group, &[&new]));
    let mut receiver = receiver();
    let mut session = group.session(1000);
    let first = old.seal(&mut session, &plain(), b"x");
    let second = old.seal(&mut session, &plain(), b"x");
    knows_old.open(&mut receiver, &live(TOPIC), &first).unwrap();
    // The device lost its state: numbers start again, under a new credential.
    let fresh = new.seal(&mut group.session(1), &plain(), b"x");
    assert!(knows_new.open(&mut receiver, &live(TOPIC), &fresh).is_ok());
    assert_eq!(
        knows_new.open(&mut receiver, &live(TOPIC), &fresh),
        Err(REPLAY)
    );
    let revoked = Err(Rejection::Revoked { member: ALICE });
    assert_eq!(
        knows_old.open(&mut receiver, &live(TOPIC), &second),
        revoked
    );
}

#[test]
fn a_credential_inside_counts_only_if_it_is_newer_and_verifies() {
    let group = Group::new(1, 1);
    let old = Member::new(7, &group);
    let new = Member {
        serial: 2,
        ..Member::new(7, &group)
    };
    let credential = new.credential();
    let message = Outgoing {
        credential: Some(&credential),
        ..plain()
    };
    let sealed = |n| new.seal(&mut group.session(n), &message, b"x");

    let stranger = Reader {
        verifiable: vec![&new],
        ..Reader::new(&group, &[])
    };
    let opened = stranger
        .open(&mut receiver(), &live(TOPIC), &sealed(1))
        .unwrap();
    assert_eq!(
        (opened.serial, opened.credential),
        (2, Some(credential.clone()))
    );
    let behind = Reader {
        verifiable: vec![&new],
        ..Reader::new(&group, &[&old])
    };
    assert_eq!(
        behind
            .open(&mut receiver(), &live(TOPIC), &sealed(1))
            .unwrap()
            .serial,
        2
    );
    let knows = Reader {
        verifiable: vec![&new],
        ..Reader::new(&group, &[&new])
    };
    let opened = knows
        .open(&mut receiver(), &live(TOPIC), &sealed(1))
        .unwrap();
    assert_eq!(opened.credential, None, "nothing new");
    let distrusts = Reader::new(&group, &[&old]);
    let result = distrusts.open(&mut receiver(), &live(TOPIC), &sealed(1));
    assert!(
        matches!(result, Err(Rejection::UnknownSender { .. })),
        "it needs the newer one"
    );
    // Somebody else's valid credential inside a message is no help to its sender.
    let bob = Member {
        serial: 9,
        ..Member::new(8, &group)
    };
    let foreign = bob.credential();
    let message = Outgoing {
        credential: Some(&foreign),
        ..plain()
    };
    let envelope = old.seal(&mut group.session(1), &message, b"x");
    let reader = Reader {
        verifiable: vec![&bob],
        ..Reader::new(&group, &[&old])
    };
    assert_eq!(
        reader
            .open(&mut receiver(), &live(TOPIC), &envelope)
            .unwrap()
            .credential,
        None
    );
    let reader = Reader {
        verifiable: vec![&bob],
        ..Reader::new(&group, &[])
    };
    let result = reader.open(&mut receiver(), &live(TOPIC), &envelope);
    assert!(matches!(result, Err(Rejection::UnknownSender { .. })));
}

#[test]
fn gaps_are_reported() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let reader = Reader::new(&group, &[&alice]);
    let (mut receiver, mut now, mut later) = (receiver(), group.session(9), group.session(10));
    let number = |sequence| Outgoing {
        sequence: Some(sequence),
        ..plain()
    };
    let mut see = |session: &mut SenderSession, message: &Outgoing<'_>, request: &Request<'_>| {
        let envelope = alice.seal(session, message, b"x");
        reader.open(&mut receiver, request, &envelope).unwrap().gap
    };
    let request = live(TOPIC);
    let wrap = (1 << 21) - 1;
    assert_eq!(see(&mut now, &plain(), &request), None);
    assert_eq!(see(&mut now, &number(5), &request), Some(Gap::First));
    assert_eq!(see(&mut now, &number(6), &request), Some(Gap::Missed(0)));
    assert_eq!(see(&mut now, &number(9), &request), Some(Gap::Missed(2)));
    assert_eq!(see(&mut now, &number(8), &request), Some(Gap::Late));
    assert_eq!(see(&mut now, &number(10), &request), Some(Gap::Missed(0)));
    assert_eq!(
        see(&mut now, &number(wrap), &request),
        Some(Gap::Late),
        "more than half ahead"
    );
    assert_eq!(see(&mut later, &number(12), &request), Some(Gap::Missed(1)));
    assert_eq!(
        see(&mut later, &number(0), &request),
        Some(Gap::Late),
        "no restart in a session"
    );
    let mut restarted = group.session(11);
    assert_eq!(
        see(&mut restarted, &number(0), &request),
        Some(Gap::Restarted)
    );
    let shared = Request {
        report_gaps: false,
        ..request
    };
    assert_eq!(see(&mut restarted, &number(9), &shared), None);
    assert_eq!(
        see(&mut restarted, &number(1), &request),
        Some(Gap::Missed(0))
    );
    let elsewhere = Outgoing {
        sequence: Some(77),
        ..Outgoing::new(topic("plant/b"))
    };
    assert_eq!(
        see(&mut later, &elsewhere, &live("plant/b")),
        Some(Gap::First)
    );
}

/// One sequence runs through the events and the state of a topic, which have sessions of their own.
#[test]
fn events_and_state_are_numbered_together() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let reader = Reader::new(&group, &[&alice]);
    let (mut receiver, mut next) = (receiver(), 0..);
    let (mut events, mut values) = (group.session(9), group.keep_session(10));
    let mut messages = [false, true].repeat(5).into_iter().map(|is_state| {
        let message = Outgoing {
            sequence: next.next(),
            ..plain()
        };
        match is_state {
            true => alice.keep(&mut values, &message, 0, b"x"),
            false => alice.seal(&mut events, &message, b"x"),
        }
    });
    let messages: Vec<_> = messages.by_ref().collect();
    let mut gap = |request: &Request<'_>, message: usize| {
        let opened = reader.open(&mut receiver, request, &messages[message]);
        opened.map(|opened| opened.gap)
    };
    assert_eq!(gap(&live(TOPIC), 0), Ok(Some(Gap::First)));
    assert_eq!(gap(&live(TOPIC), 1), Ok(Some(Gap::Missed(0))));
    assert_eq!(gap(&live(TOPIC), 2), Ok(Some(Gap::Missed(0))));
    // What was lost meanwhile is reported once, by the retained value that follows.
    assert_eq!(gap(&retained(TOPIC), 5), Ok(Some(Gap::Missed(2))));
    assert_eq!(gap(&retained(TOPIC), 5), Ok(None), "the same value again");
    // Events before it still come, and say that they are no news; a value does not come any more.
    assert_eq!(gap(&live(TOPIC), 4), Ok(Some(Gap::Late)));
    assert_eq!(gap(&live(TOPIC), 3), Err(REPLAY));
    assert_eq!(gap(&live(TOPIC), 5), Err(REPLAY));
    assert_eq!(gap(&live(TOPIC), 6), Ok(Some(Gap::Missed(0))));
    assert_eq!(gap(&live(TOPIC), 9), Ok(Some(Gap::Missed(2))));
}
