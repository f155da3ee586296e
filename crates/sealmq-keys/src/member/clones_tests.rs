use alloc::vec::Vec;

use sealmq_core::open::Sighting;
use sealmq_core::{CredentialOrder, GroupId, MemberNumber};

use super::{Clones, MAX_SENDERS, MAX_SESSIONS, TELL_AGAIN, TURNS_WITHIN};
use crate::objects::DevicesSign::{self, SharedNumber, Turns};

const START: u64 = 1_000;

/// An event of a session, this many seconds after the start. The session is one of the device.
fn event(device: u8, session: u64, seconds: u64) -> Sighting {
    Sighting {
        group: GroupId([1; 16]),
        member: MemberNumber(7),
        credential: CredentialOrder {
            delegation: 1,
            credential: 1,
        },
        session: START.saturating_add(session),
        enc: [device; 32],
        counter: 0,
        sent_at: Some(START.saturating_add(seconds).saturating_mul(1000)),
        is_state: false,
        is_in_turn: true,
    }
}

fn play(clones: &mut Clones, all: &[Sighting]) -> Vec<Option<DevicesSign>> {
    let see = |seen: &Sighting| clones.see(seen, None, Some(0)).map(|sign| sign.what);
    all.iter().map(see).collect()
}

fn told(all: &[Sighting]) -> Vec<DevicesSign> {
    play(&mut Clones::default(), all)
        .into_iter()
        .flatten()
        .collect()
}

fn changed(sighting: Sighting, change: impl FnOnce(&mut Sighting)) -> Sighting {
    let mut sighting = sighting;
    change(&mut sighting);
    sighting
}

#[test]
fn one_number_with_two_encs_is_told_with_both_messages() {
    let mut clones = Clones::default();
    let one = changed(event(1, 10, 11), |s| s.sent_at = None);
    let other = changed(event(2, 10, 12), |s| (s.sent_at, s.counter) = (None, 4));
    assert!(!clones.would_tell(&one, None));
    assert_eq!(clones.see(&one, None, None), None);
    assert_eq!(clones.see(&one, None, None), None, "the same session");
    assert!(clones.would_tell(&other, None));
    let sign = clones.see(&other, None, None).unwrap();
    assert_eq!(sign.what, SharedNumber);
    assert_eq!((sign.first.enc, sign.second.enc), ([1; 32], [2; 32]));
    assert_eq!(sign.second.counter, 4);
    // Once: nothing more is verified for it, and nothing more is told.
    assert!(!clones.would_tell(&one, None));
    assert_eq!(clones.see(&one, None, None), None);
}

#[test]
fn state_counts_for_numbers_however_it_comes() {
    let value = |device| {
        changed(event(device, 10, 11), |s| {
            (s.is_state, s.is_in_turn) = (true, false)
        })
    };
    assert_eq!(told(&[event(1, 10, 10), value(1)]), []);
    assert_eq!(told(&[event(1, 10, 10), value(2)]), [SharedNumber]);
}

#[test]
fn another_group_or_credential_is_no_sign() {
    let group = changed(event(2, 10, 11), |s| s.group = GroupId([2; 16]));
    let credential = changed(event(2, 10, 11), |s| s.credential.credential = 2);
    let delegation = changed(event(2, 10, 11), |s| s.credential.delegation = 2);
    let member = changed(event(2, 10, 11), |s| s.member = MemberNumber(8));
    for other in [group, credential, delegation, member] {
        assert_eq!(told(&[event(1, 10, 10), other, event(1, 10, 12)]), []);
    }
    // What is under way of a credential before tells nothing.
    assert_eq!(told(&[credential, event(1, 10, 10), event(3, 10, 12)]), []);
}

#[test]
fn sessions_that_take_turns_twice_are_told() {
    let (high, low) = (|at| event(2, 10, at), |at| event(1, 5, at));
    let all = [low(6), high(11), low(12), high(13), low(14)];
    let expected = [None, None, None, None, Some(Turns)];
    assert_eq!(play(&mut Clones::default(), &all), expected);
    // Other sessions do as well, as long as each is lower than the one before.
    let all = [high(11), low(12), event(3, 13, 13), event(4, 12, 14)];
    assert_eq!(told(&all), [Turns]);
    // Messages without a time, in retained delivery, and wills tell nothing of turns.
    let silent = |s| changed(s, |s: &mut Sighting| s.is_in_turn = false);
    assert_eq!(told(&[high(11), low(12), high(13), silent(low(14))]), []);
    let timeless = |s| changed(s, |s: &mut Sighting| s.sent_at = None);
    assert_eq!(told(&[high(11), low(12), high(13), timeless(low(14))]), []);
}

/// Whatever one device sends, whatever order it comes in.
#[test]
fn one_device_takes_no_turns() {
    let (high, low) = (|at| event(2, 10, at), |at| event(1, 5, at));
    // All orders of what was sent before a session, and in it.
    let sent = [low(6), low(8), high(10), high(12), high(14)];
    let mut order: Vec<usize> = (0..sent.len()).collect();
    permutations(&mut order, 0, &mut |order| {
        let all: Vec<Sighting> = order.iter().map(|i| sent[*i]).collect();
        assert_eq!(told(&all), [], "{order:?}");
    });
    // Events and state have sessions of their own at a time.
    let value = |at| changed(event(2, 10, at), |s| s.is_state = true);
    assert_eq!(
        told(&[value(11), low(12), value(13), low(14), value(15), low(16)]),
        []
    );
    // The clock was set back for the higher session: its number is above its time.
    let all = [
        event(2, 30, 6),
        low(12),
        event(2, 30, 13),
        low(14),
        event(2, 30, 15),
        low(16),
    ];
    assert_eq!(told(&all), []);
    // It was set back within the lower one, and one message was held back: once.
    assert_eq!(told(&[high(11), low(12), high(13)]), []);
}

fn permutations(order: &mut Vec<usize>, from: usize, each: &mut impl FnMut(&[usize])) {
    if from == order.len() {
        each(order);
    }
    for other in from..order.len() {
        order.swap(from, other);
        permutations(order, from.saturating_add(1), each);
        order.swap(from, other);
    }
}

#[test]
fn going_back_twice_counts_within_a_week() {
    let week = TURNS_WITHIN / 1000;
    let (high, low) = (|at| event(2, 10, at), |at| event(1, 5, at));
    assert_eq!(
        told(&[high(11), low(12), high(13), low(12 + week)]),
        [Turns]
    );
    let late = [high(11), low(12), high(13), low(13 + week)];
    assert_eq!(told(&late), []);
    let again = [high(14 + week), low(15 + week)];
    assert_eq!(told(&[&late[..], &again[..]].concat()), [Turns]);
}

#[test]
fn once_a_day_unless_it_proves_more() {
    let mut clones = Clones::default();
    let (high, low) = (|at| event(2, 10, at), |at| event(1, 5, at));
    for seen in [high(11), low(12), high(13)] {
        assert_eq!(clones.see(&seen, None, Some(1_000)), None);
    }
    assert_eq!(clones.see(&low(14), None, Some(1_000)).unwrap().what, Turns);
    let mut tell = |seen: Sighting, now| clones.see(&seen, None, now).map(|sign| sign.what);
    assert_eq!(tell(high(15), Some(2_000)), None);
    assert_eq!(tell(low(16), Some(2_000)), None);
    assert_eq!(tell(event(3, 5, 17), Some(2_000)), Some(SharedNumber));
    assert_eq!(tell(event(4, 5, 18), Some(1_999 + TELL_AGAIN)), None);
    assert_eq!(
        tell(event(3, 5, 19), Some(2_000 + TELL_AGAIN)),
        Some(SharedNumber)
    );
}

#[test]
fn what_replay_protection_remembers_counts_after_a_restart() {
    let mut first = Clones::default();
    first.see(&event(1, 10, 11), None, None);
    let recorded = first.heard.values().next().unwrap().sessions[0];
    let sign = Clones::default().see(&event(2, 10, 12), Some(recorded), None);
    assert_eq!(sign.unwrap().first.enc, [1; 32]);
}

#[test]
fn memory_is_bounded() {
    let mut clones = Clones::default();
    for session in 1..1_000 {
        clones.see(&event(1, session, session), None, None);
    }
    let heard = clones.heard.values().next().unwrap();
    assert_eq!(heard.sessions.len(), MAX_SESSIONS);
    for number in 1..20_000 {
        let other = changed(event(1, 10, 11), |s| s.member = MemberNumber(number));
        clones.see(&other, None, None);
        // One that is heard of now and then stays.
        if number % 1_000 == 0 {
            clones.see(&event(1, 10, 11), None, None);
        }
        assert!(clones.heard.len() + clones.older.len() <= 2 * MAX_SENDERS);
    }
    assert!(clones.see(&event(2, 10, 12), None, None).is_some());
}
