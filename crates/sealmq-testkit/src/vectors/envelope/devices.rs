//! Kind `two_devices`: what tells that two devices use one identity (spec/envelope.md §11).

use crate::vectors::prelude::*;

const DEVICES: Series =
    Series::new("two_devices", "two-devices-", &["envelope.md §11"]).attacks(&["F25"]);
const WEEK: u64 = 7 * 86_400_000;
const SHARED: Option<&str> = Some("shared_number");
const TURNS: Option<&str> = Some("turns");

/// A message that verified.
#[derive(Clone)]
struct Seen {
    group: GroupId,
    member: u32,
    credential: (u32, u32),
    session: u64,
    enc: [u8; 32],
    sent_at: Option<u64>,
    state: bool,
    will: bool,
    retained: bool,
}

/// An event, so many seconds after the start, of a session that began so many after it.
fn event(device: &str, session: u64, seconds: u64) -> Seen {
    Seen {
        group: plant(),
        member: 7,
        credential: (1, 1),
        session: NOW + session,
        enc: digest(device).0,
        sent_at: Some((NOW + seconds) * 1000),
        state: false,
        will: false,
        retained: false,
    }
}

/// In milliseconds after the start.
fn at(seen: &Seen, milliseconds: u64) -> Seen {
    altered(seen, |s| s.sent_at = Some(NOW * 1000 + milliseconds))
}

fn case(id: &str, comment: &str, messages: &[(Seen, Option<&str>)]) -> Vector {
    let seen = messages.iter().map(|(seen, _)| {
        object! {
            group: seen.group.0, member: seen.member,
            serial: seen.credential.0, credential_serial: seen.credential.1,
            session: seen.session, enc: seen.enc, sent_at: seen.sent_at,
            state: seen.state, will: seen.will, retained: seen.retained,
        }
    });
    let signs = messages
        .iter()
        .map(|(_, sign)| sign.map_or(Json::Null, Json::text));
    let input = object! { messages: Json::Array(seen.collect()) };
    let result = object! { signs: Json::Array(signs.collect()) };
    DEVICES.case(id, comment, input).result(result)
}

pub(crate) fn vectors(file: &mut VectorFile) {
    numbers(file);
    turns(file);
    no_turns(file);
}

fn numbers(file: &mut VectorFile) {
    let one = event("one", 10, 10);
    let two = event("two", 10, 11);
    let silent = |seen: &Seen| altered(seen, |s| s.sent_at = None);
    let other = |change: fn(&mut Seen)| [(one.clone(), None), (altered(&two, change), None)];
    let shared = |change: fn(&mut Seen)| [(one.clone(), None), (altered(&two, change), SHARED)];
    let plain = |all: &[(&Seen, Option<&'static str>)]| -> Vec<(Seen, Option<&'static str>)> {
        all.iter()
            .map(|(seen, sign)| ((*seen).clone(), *sign))
            .collect()
    };
    table! { case => file:
        "shared": "Two sessions have one number.", &shared(|_| {}) => valid;
        "shared-without-clock": "Whatever the times.",
            &[(silent(&one), None), (silent(&two), SHARED), (silent(&one), SHARED)] => valid;
        "shared-state": "An event and a value.", &shared(|s| s.state = true) => valid;
        "shared-retained": "A value in retained delivery.",
            &shared(|s| (s.state, s.retained) = (true, true)) => valid;
        "shared-will": "A will.", &shared(|s| (s.state, s.will) = (true, true)) => valid;
        "shared-after-others": "With other sessions between.",
            &plain(&[(&one, None), (&event("three", 11, 12), None), (&event("four", 12, 13), None), (&two, SHARED)]) => valid;
        "same-session": "One session, again and again.",
            &plain(&[(&one, None), (&one, None), (&event("one", 10, 12), None)]) => valid;
        "number-of-other-group": "Another group.", &other(|s| s.group = office()) => valid;
        "number-of-other-member": "Another member.", &other(|s| s.member = 8) => valid;
        "number-of-other-credential": "Another credential.", &other(|s| s.credential = (1, 2)) => valid;
        "number-of-other-delegation": "A credential of another delegation.",
            &other(|s| s.credential = (2, 1)) => valid;
    }
    let newer = altered(&one, |s| s.credential = (1, 2));
    table! { case => file:
        "number-of-older-credential": "What is late of an older credential tells nothing.",
            &plain(&[(&newer, None), (&one, None), (&two, None)]) => valid;
        "number-under-newer-credential": "A newer credential begins anew.",
            &plain(&[(&one, None), (&altered(&two, |s| s.credential = (2, 0)), None),
                (&altered(&one, |s| s.credential = (2, 0)), SHARED)]) => valid;
    }
}

/// A low session, and a high one.
fn pair() -> (impl Fn(u64) -> Seen, impl Fn(u64) -> Seen) {
    (|at| event("low", 5, at), |at| event("high", 10, at))
}

fn turns(file: &mut VectorFile) {
    let (low, high) = pair();
    let none = |seen: Seen| (seen, None);
    let value = |seen: Seen| (altered(&seen, |s| s.state = true), None);
    let edge = at(&high(0), 11_000);
    table! { case => file:
        "turns": "The second that goes back tells.",
            &[none(low(6)), none(high(11)), none(low(12)), none(high(13)), (low(14), TURNS)] => valid;
        "turns-go-on": "And each one after it.",
            &[none(high(11)), none(low(12)), none(high(13)), (low(14), TURNS), none(high(15)), (low(16), TURNS)] => valid;
        "turns-of-many": "Each is below the one before it, whatever session it is.",
            &[none(high(11)), none(low(12)), none(event("a", 13, 14)), (event("b", 12, 15), TURNS)] => valid;
        "turns-descending": "Three sessions, downwards.",
            &[none(event("a", 12, 13)), none(high(14)), (low(15), TURNS)] => valid;
        "turns-with-late": "Late ones between are skipped.",
            &[none(high(11)), none(low(12)), none(high(12)), none(low(7)), none(high(13)), (low(14), TURNS)] => valid;
        "turns-state": "Of values, with events between.",
            &[value(high(11)), value(low(12)), none(high(13)), value(high(14)),
                (altered(&low(15), |s| s.state = true), TURNS)] => valid;
        "turns-edge": "A time that is that of the number counts.",
            &[none(at(&high(0), 10_000)), none(low(12)), none(high(13)), (low(14), TURNS)] => valid;
        "turns-within-a-week": "The second one a week after the first.",
            &[none(edge.clone()), none(at(&low(0), 12_000)), none(high(13)), (at(&low(0), 12_000 + WEEK), TURNS)] => valid;
        "turns-after-a-week": "Later than that it is the first.",
            &[none(edge), none(at(&low(0), 12_000)), none(high(13)), none(at(&low(0), 12_001 + WEEK)),
                none(at(&high(0), 13_000 + WEEK)), (at(&low(0), 14_000 + WEEK), TURNS)] => valid;
    }
}

fn no_turns(file: &mut VectorFile) {
    let (low, high) = pair();
    let plain = |seen: Seen| (seen, None);
    let with = |change: fn(&mut Seen)| {
        [
            plain(high(11)),
            plain(low(12)),
            plain(high(13)),
            plain(altered(&low(14), change)),
        ]
    };
    let set_back = |at| event("high", 30, at);
    table! { case => file:
        "once": "One that goes back may have been held back, by a clock that was set back.",
            &[plain(high(11)), plain(low(12)), plain(high(13))] => valid;
        "delayed": "What was sent before the next session, and comes after it.",
            &[plain(high(11)), plain(low(8)), plain(high(13)), plain(low(9))] => valid;
        "same-time": "Not later than the one before.",
            &[plain(high(11)), plain(low(12)), plain(high(13)), plain(low(13))] => valid;
        "set-back": "The clock was set back before the higher session: its number is above its times.",
            &[plain(set_back(6)), plain(low(12)), plain(set_back(13)), plain(low(14))] => valid;
        "edge": "A millisecond below the time of the number.",
            &[plain(at(&high(0), 9_999)), plain(low(12)), plain(high(13)), plain(low(14))] => valid;
        "without-time": "One without a time.", &with(|s| s.sent_at = None) => valid;
        "will": "A will is of its connection's begin.",
            &[(altered(&high(11), |s| (s.state, s.will) = (true, true)), None),
                (altered(&low(12), |s| s.state = true), None),
                (altered(&event("a", 20, 21), |s| (s.state, s.will) = (true, true)), None),
                (altered(&low(22), |s| s.state = true), None)] => valid;
        "retained": "Retained delivery has no time.",
            &[(altered(&high(11), |s| (s.state, s.retained) = (true, true)), None),
                (altered(&low(12), |s| s.state = true), None),
                (altered(&high(13), |s| (s.state, s.retained) = (true, true)), None),
                (altered(&low(14), |s| s.state = true), None)] => valid;
        "events-and-state": "Events and state have sessions of their own.",
            &[(altered(&high(11), |s| s.state = true), None), plain(low(12)),
                (altered(&high(13), |s| s.state = true), None), plain(low(14))] => valid;
        "other-group": "Groups, too.", &with(|s| s.group = office()) => valid;
        "credential-between": "A newer credential begins anew.",
            &[plain(high(11)), plain(low(12)),
                (altered(&high(13), |s| s.credential = (1, 2)), None),
                (altered(&low(14), |s| s.credential = (1, 2)), None)] => valid;
    }
}
