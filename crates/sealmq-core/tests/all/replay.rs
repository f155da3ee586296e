//! Nothing is accepted twice: windows, sessions, floors, retained values, wills.

use crate::world::*;
use sealmq_core::MemberNumber;
use sealmq_core::open::{Rejection, Request, Staleness};
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
    // A second session with a number in use.
    let envelope = alice.seal(
        &mut group.session_seeded(15, Default::default(), b"new"),
        &plain(),
        b"x",
    );
    assert_eq!(
        reader.open(&mut receiver, &live(TOPIC), &envelope),
        Err(REPLAY)
    );
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

/// Threat model C12: a higher serial starts afresh, and the lower one is refused from then on, even by
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
    let first = old.seal(&mut session, &kept(), b"x");
    let second = old.seal(&mut session, &kept(), b"x");
    knows_old.open(&mut receiver, &live(TOPIC), &first).unwrap();
    // The device lost its state: numbers start again, under a new credential.
    let fresh = new.seal(&mut group.session(1), &kept(), b"x");
    assert!(knows_new.open(&mut receiver, &live(TOPIC), &fresh).is_ok());
    assert_eq!(
        knows_new.open(&mut receiver, &live(TOPIC), &fresh),
        Err(REPLAY)
    );
    assert!(
        knows_new
            .open(&mut receiver, &retained(TOPIC), &fresh)
            .is_ok()
    );
    let revoked = Err(Rejection::Revoked { member: ALICE });
    assert_eq!(
        knows_old.open(&mut receiver, &live(TOPIC), &second),
        revoked
    );
    assert_eq!(
        knows_old.open(&mut receiver, &retained(TOPIC), &second),
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

/// Threat model B2.
#[test]
fn retained_values_never_go_back() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let reader = Reader::new(&group, &[&alice]);
    let mut receiver = receiver();
    let mut session = group.session(9);
    let live_only = alice.seal(&mut session, &plain(), b"live");
    let values: Vec<_> = (0..4)
        .map(|_| alice.seal(&mut session, &kept(), b"value"))
        .collect();
    let newer = alice.seal(&mut group.session(10), &kept(), b"newer");
    let older = alice.seal(&mut group.session(8), &kept(), b"older");
    let mut open = |request: &Request<'_>, envelope: &[u8]| {
        reader
            .open(&mut receiver, request, envelope)
            .map(|m| m.retained)
    };
    // A live message that the broker serves as retained.
    assert_eq!(open(&retained(TOPIC), &live_only), Err(REPLAY));
    // First contact by a retained value, from the middle of a session never seen.
    assert_eq!(open(&retained(TOPIC), &values[1]), Ok(true));
    assert_eq!(
        open(&retained(TOPIC), &values[1]),
        Ok(true),
        "the same value again"
    );
    assert_eq!(open(&retained(TOPIC), &values[0]), Err(REPLAY));
    assert_eq!(open(&retained(TOPIC), &older), Err(REPLAY));
    // A live one raises the order as well.
    assert_eq!(open(&live(TOPIC), &values[3]), Ok(false));
    assert_eq!(open(&retained(TOPIC), &values[2]), Err(REPLAY));
    assert_eq!(open(&retained(TOPIC), &values[3]), Ok(true));
    assert_eq!(
        open(&live(TOPIC), &values[3]),
        Err(REPLAY),
        "a live replay stays one"
    );
    assert_eq!(open(&retained(TOPIC), &newer), Ok(true));
    assert_eq!(open(&retained(TOPIC), &values[3]), Err(REPLAY));
    // Another topic has an order of its own.
    let elsewhere = Outgoing {
        retain: true,
        ..Outgoing::new(topic("plant/b"))
    };
    let other = alice.seal(&mut group.session(7), &elsewhere, b"value");
    assert_eq!(open(&retained("plant/b"), &other), Ok(true));
    // Retained deliveries moved no floor: the session's unseen messages still count.
    assert_eq!(open(&live(TOPIC), &live_only), Ok(false));
    assert_eq!(open(&live(TOPIC), &values[2]), Ok(false));
}

/// Threat model A25.
#[test]
fn a_will_fires_once_and_not_for_ever() {
    let group = Group::new(1, 1);
    let alice = Member {
        issued_at: 0,
        not_after: u64::MAX,
        ..Member::new(7, &group)
    };
    let reader = Reader::new(&group, &[&alice]);
    let mut receiver = receiver();
    let first = seal_will(&alice, group.session(10), &will());
    let second = seal_will(
        &alice,
        group.session(20),
        &Outgoing {
            retain: true,
            ..will()
        },
    );
    // Ordinary traffic far above does not shut the will out.
    for number in 11..18 {
        let envelope = alice.seal(&mut group.session(number), &plain(), b"x");
        reader.open(&mut receiver, &live(TOPIC), &envelope).unwrap();
    }
    let opened = reader.open(&mut receiver, &live(TOPIC), &first).unwrap();
    assert!(opened.will);
    assert_eq!(
        reader.open(&mut receiver, &live(TOPIC), &first),
        Err(REPLAY)
    );
    assert_eq!(
        reader.open(&mut receiver, &retained(TOPIC), &first),
        Err(REPLAY)
    );
    assert!(reader.open(&mut receiver, &live(TOPIC), &second).is_ok());
    // A retained will can be read again by the same reader, an older one cannot.
    let again = reader
        .open(&mut receiver, &retained(TOPIC), &second)
        .unwrap();
    assert!(again.will && again.retained);
    assert_eq!(
        reader.open(&mut receiver, &live(TOPIC), &first),
        Err(REPLAY)
    );
    // It did not touch the order of ordinary sessions.
    let envelope = alice.seal(&mut group.session(19), &plain(), b"x");
    assert!(reader.open(&mut receiver, &live(TOPIC), &envelope).is_ok());
    // Too old.
    let third = seal_will(&alice, group.session(30), &will());
    let late = Request {
        now: Some(NOW + 604_800_000 + 300_001),
        ..live(TOPIC)
    };
    let group = Group {
        not_after: u64::MAX / 1000,
        ..Group::new(1, 1)
    };
    let reader = Reader::new(&group, &[&alice]);
    let result = reader.open(&mut receiver, &late, &third);
    assert_eq!(result, Err(Rejection::Stale(Staleness::Old)));
}

#[test]
fn a_will_and_the_values_around_it_do_not_shut_each_other_out() {
    // The usual pattern: "offline" as retained will, "online" as retained value, one topic.
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let reader = Reader::new(&group, &[&alice]);
    let mut receiver = receiver();
    let offline = |number| {
        seal_will(
            &alice,
            group.session(number),
            &Outgoing {
                retain: true,
                ..will()
            },
        )
    };
    let online = |number| alice.seal(&mut group.session(number), &kept(), b"online");
    for connection in [10, 20, 30] {
        let (dead, alive) = (offline(connection), online(connection + 1));
        assert!(reader.open(&mut receiver, &retained(TOPIC), &alive).is_ok());
        // What was shown is not news.
        assert_eq!(
            reader.open(&mut receiver, &live(TOPIC), &alive),
            Err(REPLAY)
        );
        // The connection is lost while the reader is away; it finds the will as retained value.
        assert!(reader.open(&mut receiver, &retained(TOPIC), &dead).is_ok());
    }
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

/// A broker that shows a retained value and then delivers an older one live cannot pass the older
/// one off as news.
#[test]
fn a_value_older_than_the_retained_one_is_reported_as_late() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let reader = Reader::new(&group, &[&alice]);
    let (mut receiver, mut session) = (receiver(), group.session(9));
    let mut next = 0..;
    let values = [(); 6].map(|()| {
        let message = Outgoing {
            sequence: next.next(),
            ..kept()
        };
        alice.seal(&mut session, &message, b"x")
    });
    let mut open =
        |request: &Request<'_>, value: usize| reader.open(&mut receiver, request, &values[value]);
    let mut gap = |request: &Request<'_>, value: usize| open(request, value).unwrap().gap;
    assert_eq!(gap(&retained(TOPIC), 1), Some(Gap::First));
    assert_eq!(gap(&live(TOPIC), 0), Some(Gap::Late));
    assert_eq!(gap(&live(TOPIC), 2), Some(Gap::Missed(0)));
    // What was lost meanwhile is reported once, by the retained value that follows.
    assert_eq!(gap(&retained(TOPIC), 4), Some(Gap::Missed(1)));
    assert_eq!(gap(&retained(TOPIC), 4), None, "the same value again");
    assert_eq!(gap(&live(TOPIC), 5), Some(Gap::Missed(0)));
    assert_eq!(gap(&live(TOPIC), 3), Some(Gap::Late));
}
