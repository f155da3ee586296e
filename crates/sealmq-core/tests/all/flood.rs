//! Floods of envelopes in sessions that nobody has verified (threat model F1): 3,000 a second, and
//! the first messages of honest sessions have to open at once all the same.

use sealmq_core::crypto::sha256;
use sealmq_core::open::{DecapsulationLimit, KeySlot, Receiver, Rejection, Request};
use sealmq_core::replay::{SenderSlot, TopicSlot};

use crate::world::{Group, HostReceiver, Member, NOW, Reader, TOPIC, live, no_sessions, plain};

const PER_SECOND: u64 = 3000;
/// Honest sessions begin this often, in milliseconds.
const EVERY: u64 = 100;

fn receiver_with(limit: DecapsulationLimit, keys: usize) -> HostReceiver {
    Receiver::new(
        vec![SenderSlot::EMPTY; 64],
        vec![TopicSlot::EMPTY; 64],
        (0..keys).map(|_| KeySlot::EMPTY).collect(),
        no_sessions(64),
        limit,
    )
}

/// Plays a flood: `forge` makes the forgery of this number, out of the honest message that is about
/// to come. How many were `Busy`.
fn flood(
    receiver: &mut HostReceiver,
    seconds: u64,
    clock: fn(u64) -> Request<'static>,
    mut forge: impl FnMut(&Group, u64, &[u8]) -> Vec<u8>,
) -> u64 {
    let group = Group::new(1, 1);
    let members: Vec<_> = (7..27).map(|number| Member::new(number, &group)).collect();
    let reader = Reader::new(&group, &members.iter().collect::<Vec<_>>());
    let (mut busy, mut count) = (0, 0);
    for tick in 0..seconds * 1000 / EVERY {
        let sender = &members[(tick % 20) as usize];
        let mut session = group.session(1000 + tick);
        let first = sender.seal(&mut session, &plain(), b"first");
        let request = clock(NOW + tick * EVERY);
        for _ in 0..PER_SECOND * EVERY / 1000 {
            let forged = forge(&group, count, &first);
            count += 1;
            match reader.open(receiver, &request, &forged).unwrap_err() {
                Rejection::Busy => busy += 1,
                other => assert_eq!(other, Rejection::Rejected),
            }
        }
        let opened = reader.open(receiver, &request, &first);
        assert!(opened.is_ok(), "{opened:?} after {count} forgeries");
    }
    busy
}

fn by_clock(now: u64) -> Request<'static> {
    Request {
        now: Some(now),
        ..live(TOPIC)
    }
}

fn by_uptime(now: u64) -> Request<'static> {
    Request {
        now: None,
        uptime: Some(now - NOW),
        ..live(TOPIC)
    }
}

fn by_nothing(_: u64) -> Request<'static> {
    Request {
        now: None,
        ..live(TOPIC)
    }
}

/// A key id can be copied; what stands behind it is made up.
fn made_up(_: &Group, count: u64, first: &[u8]) -> Vec<u8> {
    let mut forged = first.to_vec();
    let enc = sha256(&[&count.to_be_bytes()]).0;
    forged[9..41].copy_from_slice(&enc);
    if count.is_multiple_of(2) {
        forged[41..45].copy_from_slice(&enc[..4]);
    }
    forged
}

/// The header of the genuine message, which a broker sees first, before everything else.
fn altered(_: &Group, count: u64, first: &[u8]) -> Vec<u8> {
    let mut forged = first.to_vec();
    match count % 3 {
        0 => forged[45] = (count % 127) as u8 + 1,
        1 => forged[60] ^= (count % 255) as u8 + 1,
        _ => forged.truncate(130),
    }
    forged
}

#[test]
fn strangers_use_up_nothing_that_members_need() {
    for clock in [by_clock, by_uptime, by_nothing] {
        for forge in [made_up, altered] {
            // Not even on a device.
            let mut receiver = receiver_with(DecapsulationLimit::default(), 64);
            assert_eq!(flood(&mut receiver, 3, clock, forge), 0);
        }
    }
}

/// Who recorded more sessions than there are places makes a reader work on their keys again and
/// again. That is what the limit of hosts is for.
#[test]
fn recorded_sessions_cost_no_more_than_the_limit_of_hosts_allows() {
    let recorded = Group::new(1, 1);
    let recorded: Vec<_> = (0..200)
        .map(|n| {
            let mut session = recorded.session(5000 + n);
            Member::new(40, &recorded).seal(&mut session, &plain(), b"recorded")
        })
        .collect();
    let forge = |_: &Group, count: u64, _: &[u8]| {
        let mut forged = recorded[(count % 200) as usize].clone();
        forged[60] ^= 1;
        forged
    };
    let mut receiver = receiver_with(DecapsulationLimit::HOST, 64);
    assert_eq!(flood(&mut receiver, 1, by_clock, forge), 0);
}

/// A member can make the mac, and a session that opens, and no signature of another.
#[test]
fn insiders_stop_nobody_on_hosts() {
    let forge = |group: &Group, count: u64, _: &[u8]| {
        let mut session = group.session(100_000 + count);
        let mut forged = Member::new(9, group).seal(&mut session, &plain(), b"forged");
        if count.is_multiple_of(2) {
            forged[60] ^= 1;
        } else {
            // A reader: the right keys, and not the signature of the sender that it names.
            forged = crate::world::insider::with_other_signature(&group.events, TOPIC, &forged);
        }
        forged
    };
    let mut receiver = receiver_with(DecapsulationLimit::HOST, 64);
    assert_eq!(flood(&mut receiver, 1, by_clock, forge), 0);
}

/// What insiders can cost is bounded all the same, and when they are done the next session opens.
#[test]
fn a_flood_of_unknown_sessions_is_bounded() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let reader = Reader::new(&group, &[&alice]);
    let limit = DecapsulationLimit {
        burst: 5,
        per_second: 1,
        without_clock: 10,
    };
    let mut receiver = receiver_with(limit, 8);
    let mut known = group.session(9);
    let first = alice.seal(&mut known, &plain(), b"known");
    reader.open(&mut receiver, &live(TOPIC), &first).unwrap();

    let mut worked_on = 0;
    for i in 0..100 {
        let mut forged = alice.seal(&mut group.session(1000 + i), &plain(), b"forged");
        forged[60] ^= 1;
        match reader
            .open(&mut receiver, &live(TOPIC), &forged)
            .unwrap_err()
        {
            Rejection::Rejected => worked_on += 1,
            other => assert_eq!(other, Rejection::Busy),
        }
    }
    assert_eq!(worked_on, 5);
    assert_eq!(receiver.session_count(), 1, "others count for nothing");
    let envelope = alice.seal(&mut known, &plain(), b"known");
    assert!(reader.open(&mut receiver, &live(TOPIC), &envelope).is_ok());
    let mut new = group.session(10);
    let envelope = alice.seal(&mut new, &plain(), b"new");
    assert_eq!(
        reader.open(&mut receiver, &live(TOPIC), &envelope),
        Err(Rejection::Busy)
    );
    let later = Request {
        now: Some(NOW + 1000),
        ..live(TOPIC)
    };
    assert!(reader.open(&mut receiver, &later, &envelope).is_ok());
}

/// Keys of sessions that nobody verified push out none that somebody did.
#[test]
fn sessions_that_are_not_verified_push_out_none_that_are() {
    let mut group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let mut receiver = receiver_with(DecapsulationLimit::HOST, 8);
    let mut sessions: Vec<_> = (9..15).map(|number| group.session(number)).collect();
    let reader = Reader::new(&group, &[&alice]);
    for session in &mut sessions {
        let first = alice.seal(session, &plain(), b"first");
        reader.open(&mut receiver, &live(TOPIC), &first).unwrap();
    }
    for i in 0..200 {
        let mut forged = alice.seal(&mut group.session(1000 + i), &plain(), b"forged");
        forged[60] ^= 1;
        let refused = reader.open(&mut receiver, &live(TOPIC), &forged);
        assert_eq!(refused, Err(Rejection::Rejected));
    }
    assert_eq!(receiver.session_count(), 6);
    let second: Vec<_> = sessions
        .iter_mut()
        .skip(2) // four windows per sender
        .map(|session| alice.seal(session, &plain(), b"second"))
        .collect();
    // Whatever opens now opens without the group's key.
    group.events.key_pair = Group::new(2, 1).events.key_pair;
    let reader = Reader::new(&group, &[&alice]);
    for envelope in &second {
        let opened = reader.open(&mut receiver, &live(TOPIC), envelope);
        assert!(opened.is_ok(), "{opened:?}");
    }
}
