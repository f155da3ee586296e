//! Signatures that are verified before their messages are opened: the same comes of each message.

use crate::world::insider::{put_together, session_keys, take_apart};
use crate::world::*;
use sealmq_core::open::Rejection;
use sealmq_core::seal::Outgoing;

const LEN: usize = 24;

fn plain() -> Outgoing<'static> {
    Outgoing::new(topic(TOPIC))
}

/// What a burst may consist of, genuine and not, of two senders, one with a table.
fn burst(group: &Group, alice: &Member, bob: &Member) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut by_alice, mut by_bob) = (group.session(9), group.session(10));
    let mut late = group.session(11);
    let before: Vec<_> = (0..20)
        .map(|_| alice.seal(&mut by_alice, &plain(), b"before"))
        .chain([bob.seal(&mut by_bob, &plain(), b"before")])
        .collect();
    let mut burst: Vec<_> = (0..LEN)
        .map(|n| match n % 3 {
            0 => bob.seal(&mut by_bob, &plain(), b"bob's"),
            _ => alice.seal(&mut by_alice, &plain(), b"alice's"),
        })
        .collect();
    // By a reader who has the session's keys: another signature, and bob's name over alice's text.
    let secrets = session_keys(&group.events, by_alice.enc());
    let parts = take_apart(&group.events, TOPIC, &burst[1]);
    let mut signature = parts.signature.clone();
    signature[40] ^= 1;
    let mut body = parts.body.clone();
    body[1] = bob.number.0.try_into().unwrap();
    for (body, signature) in [(&parts.body, &signature), (&body, &parts.signature)] {
        let forged = put_together(&secrets, TOPIC, &parts.header, body, signature);
        burst.insert(0, forged);
    }
    // Twice, with a broken tag, before, of a session that nobody knows yet, and no envelopes.
    burst.push(burst[5].clone());
    burst.push(burst[6].clone());
    let mut broken = burst[7].clone();
    *broken.last_mut().unwrap() ^= 1;
    burst.insert(3, broken);
    burst.insert(9, before[0].clone());
    burst.insert(4, alice.seal(&mut late, &plain(), b"new"));
    burst.push(alice.seal(&mut late, &plain(), b"new"));
    burst.extend([vec![], vec![0x11; 40], b"clear".to_vec()]);
    (before, burst)
}

#[test]
fn the_same_comes_of_a_burst() {
    let group = Group::new(1, 1);
    let (alice, bob) = (Member::new(7, &group), Member::new(8, &group));
    let (before, burst) = burst(&group, &alice, &bob);
    let reader = Reader::new(&group, &[&alice, &bob]);
    let open = |tables, together: usize| {
        let mut receiver = receiver();
        receiver.keep_tables(tables);
        for envelope in &before {
            reader.open(&mut receiver, &live(TOPIC), envelope).unwrap();
        }
        let mut results = Vec::new();
        for some in burst.chunks(together) {
            if together > 1 {
                let start = state(&receiver);
                let all = some.iter().map(|envelope| (live(TOPIC), &envelope[..]));
                receiver.verify_ahead(all, &reader, &reader);
                assert_eq!(state(&receiver), start, "nothing is recorded");
            }
            for envelope in some {
                results.push(reader.open(&mut receiver, &live(TOPIC), envelope));
            }
        }
        (results, state(&receiver))
    };
    let alone = open(0, 1);
    let opened = alone.0.iter().filter(|result| result.is_ok()).count();
    assert_eq!(opened, LEN + 2);
    for tables in [0, 2] {
        for together in [1, 2, 16, 64] {
            assert_eq!(
                open(tables, together),
                alone,
                "{tables} tables, {together} at once"
            );
        }
    }
}

/// What was verified proves who signed, and nothing of whether it counts.
#[test]
fn what_changes_meanwhile_counts() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let mut session = group.session(9);
    let mut seal = || alice.seal(&mut session, &plain(), b"21");
    let (first, message) = (seal(), seal());
    let mut reader = Reader::new(&group, &[&alice]);
    let mut receiver = receiver();
    reader.open(&mut receiver, &live(TOPIC), &first).unwrap();
    receiver.verify_ahead([(live(TOPIC), &message[..])], &reader, &reader);

    let elsewhere = reader.open(&mut receiver, &live("plant/b"), &message);
    assert_eq!(elsewhere, Err(Rejection::Rejected));
    reader.refused = vec![(alice.number, u32::MAX)];
    let refused = reader.open(&mut receiver, &live(TOPIC), &message);
    let member = alice.number;
    assert_eq!(refused, Err(Rejection::Revoked { member }));
    reader.refused.clear();
    receiver.retain_epochs(|_| false);
    reader.epochs.clear();
    let closed = reader.open(&mut receiver, &live(TOPIC), &message);
    assert!(matches!(closed, Err(Rejection::UnknownKey { .. })));
    reader.epochs = vec![&group];
    reader.open(&mut receiver, &live(TOPIC), &message).unwrap();
    let again = reader.open(&mut receiver, &live(TOPIC), &message);
    assert_eq!(again, Err(Rejection::Replay { member }));
}
