//! Crowds of devices that join at once, and strangers who flood the join topics (spec/keys.md §12).

use std::collections::BTreeSet;

use crate::common::desk::{Desk, NOW};
use crate::common::device::{Device, numbered};
use sealmq_authority::{AuthorityEvent, EpochReason, MAX_PENDING};
use sealmq_core::crypto::Secret;
use sealmq_core::wire::Suite;
use sealmq_keys::ReservedTopic;
use sealmq_keys::objects::{Fingerprint, JoinRefusalReason as Reason, JoinRequest, Token};

use super::authority_joining::{admitted, bring, members, refusal};

/// Of whom there is no such token.
fn made_up(desk: &mut Desk) -> Token {
    Token {
        id: [5; 8],
        ..desk.token("", 1)
    }
}

/// A request with one package.
fn request(desk: &Desk, n: u32, token: Option<&Token>) -> (Device, Vec<u8>) {
    let device = numbered(n, desk.authority.domain());
    let id = token.map_or([0; 8], |token| token.id);
    let request = device.request_for(id, &format!("device-{n}"), 1, 1);
    let with = token.map(|token| (&token.id, &token.secret));
    let request = JoinRequest::seal(&desk.delegation(), with, &request, &Secret::new([7; 32]));
    (device, request.unwrap())
}

/// What is due is done, for a second.
fn tick(desk: &mut Desk, now: u64, events: &mut Vec<AuthorityEvent>) {
    for _ in 0..4 {
        if desk.authority.next_due().is_some_and(|due| due <= now) {
            let plan = desk.authority.tick(now, &mut desk.rng).unwrap();
            desk.commit(plan);
            events.append(&mut desk.events);
        }
    }
}

fn epochs(events: &[AuthorityEvent]) -> usize {
    let welcoming = |e: &&AuthorityEvent| {
        matches!(
            e,
            AuthorityEvent::Epoch {
                reason: EpochReason::Welcomes,
                ..
            }
        )
    };
    events.iter().filter(welcoming).count()
}

/// All power on in the same second: the authority works them off, in order.
#[test]
fn ten_thousand_that_ask_at_once_join() {
    const ALL: u32 = 10_000;
    let mut desk = Desk::with_groups(Suite::One);
    let token = desk.token("", ALL);
    let mut events = Vec::new();
    for n in 0..ALL {
        let (device, request) = request(&desk, n, Some(&token));
        let topic = ReservedTopic::Join(device.fingerprint());
        let plan = desk
            .authority
            .queue_join(device.fingerprint(), &request, NOW);
        desk.commit(plan);
        assert_eq!(desk.refusals(), 0, "{n}");
        desk.retained.insert(desk.name(topic), request);
    }
    let mut seconds = 0;
    while members(&desk) < ALL as usize {
        seconds += 1;
        assert!(seconds < 120, "{} have joined", members(&desk));
        tick(&mut desk, NOW + seconds, &mut events);
    }
    let joined = |e: &&AuthorityEvent| matches!(e, AuthorityEvent::Enrolled { .. });
    let order = events.iter().filter(joined).map(|event| match event {
        AuthorityEvent::Enrolled { name, .. } => name.clone(),
        _ => unreachable!(),
    });
    assert!(order.eq((0..ALL).map(|n| format!("device-{n}"))));
    assert!(epochs(&events) <= 8, "{} epochs", epochs(&events));
    assert!(desk.retained.keys().all(|topic| !topic.contains("/join/")));
}

/// What somebody without a token can publish, about 862 bytes each.
struct Stranger {
    /// Well formed, sealed to the authority, signed by keys that are made up.
    made: Vec<(Fingerprint, Vec<u8>)>,
    count: u64,
}

impl Stranger {
    fn new(desk: &mut Desk, size: u32) -> Self {
        let none = made_up(desk);
        let (delegation, domain) = (desk.delegation(), desk.authority.domain());
        let make = |n: u32| {
            let device = numbered(0x8000_0000 | n, domain);
            let token = n.is_multiple_of(2).then_some(&none);
            let request = device.join(&delegation, token, "x", 1, NOW);
            (device.fingerprint(), request)
        };
        Self {
            made: (0..size).map(make).collect(),
            count: 0,
        }
    }

    /// The next one: where, and what. `victim` is somebody's topic, and what stood there.
    fn next(&mut self, victim: &(Fingerprint, Vec<u8>)) -> (Fingerprint, Vec<u8>) {
        self.count += 1;
        let (device, made) = self.made[self.count as usize % self.made.len()].clone();
        let mut other = device;
        other.0[..8].copy_from_slice(&self.count.to_be_bytes());
        let mut junk = made.clone();
        let len = junk.len();
        junk[len - 8..].copy_from_slice(&self.count.to_be_bytes());
        match self.count % 7 {
            0 => (other, vec![self.count as u8; 862]),
            1 => (other, junk),
            2 | 3 => (device, made),
            4 => {
                // Another serial.
                junk[2] ^= 1;
                (other, junk)
            }
            5 => (victim.0, junk),
            _ => (victim.0, victim.1.clone()),
        }
    }
}

/// Some honest devices come in each second, while a stranger publishes so many messages.
fn answered_within(rate: u32, with_token: bool) -> u64 {
    const HONEST: u32 = 58;
    let mut desk = Desk::with_groups(Suite::One);
    let token = desk.token("", HONEST);
    let mut stranger = Stranger::new(&mut desk, rate.min(200) * 3);
    let (delegation, domain) = (desk.delegation(), desk.authority.domain());
    let mut victim = (Fingerprint([0; 16]), Vec::new());
    let mut waiting: Vec<(u64, Device)> = Vec::new();
    let mut slowest = 0;
    let mut n = 0;
    let each = if rate > 100 { 16 } else { 4 };
    for second in 0..HONEST.div_ceil(each) + 5 {
        let now = NOW + u64::from(second);
        for part in 0..rate {
            let (device, payload) = stranger.next(&victim);
            desk.handle(ReservedTopic::Join(device), &payload, now);
            // In the middle of it.
            if part % (rate / each) == rate / each / 2 && n < HONEST {
                n += 1;
                let device = numbered(n, domain);
                let token = with_token.then_some(&token);
                let request = device.join(&delegation, token, &format!("device-{n}"), 1, NOW);
                bring(&mut desk, &device, &request, now);
                victim = (device.fingerprint(), request);
                waiting.push((now, device));
            }
        }
        tick(&mut desk, now, &mut Vec::new());
        waiting.retain(|(since, device)| {
            let answered = match with_token {
                true => admitted(&desk, device).is_some(),
                false => refusal(&desk, device) == Some(Reason::Waiting),
            };
            if answered {
                slowest = slowest.max(now - since);
            }
            !answered
        });
    }
    assert!(
        waiting.is_empty(),
        "{} of {HONEST} unanswered",
        waiting.len()
    );
    slowest
}

#[test]
fn strangers_do_not_keep_out_who_has_a_token() {
    for rate in [20, 100, 1000] {
        assert!(answered_within(rate, true) <= 2, "{rate}");
    }
}

#[test]
fn strangers_do_not_keep_out_who_waits_for_an_operator() {
    for rate in [20, 100] {
        assert!(answered_within(rate, false) <= 5, "{rate}");
    }
}

/// Made-up tokens, and none: nothing of it is kept but what waits for the operator.
#[test]
fn refusals_of_strangers_leave_nothing_behind() {
    let mut desk = Desk::with_groups(Suite::One);
    let none = made_up(&mut desk);
    let store = desk.store.0.clone();
    let log = desk.authority.audit_head();
    for n in 0..1000 {
        let (device, request) = request(&desk, n, Some(&none));
        bring(&mut desk, &device, &request, NOW + u64::from(n));
        assert_eq!(refusal(&desk, &device), Some(Reason::Token), "{n}");
        assert!(
            desk.at(ReservedTopic::Answer(device.fingerprint()))
                .is_none()
        );
        assert!(desk.at(ReservedTopic::Join(device.fingerprint())).is_none());
    }
    assert!(desk.store.0 == store);
    for n in 0..1000 {
        let (device, request) = request(&desk, n, None);
        bring(&mut desk, &device, &request, NOW + 1000 + u64::from(n));
        assert_eq!(refusal(&desk, &device), Some(Reason::Waiting), "{n}");
    }
    assert_eq!(desk.authority.audit_head(), log);
    // Of those that made room, empty answers wait to be confirmed by the broker.
    let is_kept = |(key, value): &(&String, &Vec<u8>)| {
        let cleared = key.starts_with("outbox/") && value.is_empty();
        !cleared && !store.contains_key(*key)
    };
    let kept = desk.store.0.iter().filter(is_kept).count();
    assert_eq!(
        kept,
        3 * MAX_PENDING,
        "a request, an answer and its object each"
    );
    let answers = desk
        .retained
        .keys()
        .filter(|topic| topic.contains("/answer/"));
    assert_eq!(answers.count(), MAX_PENDING);
}

/// Keys cost nothing: what came in the same hour is pushed out, and nothing of before.
#[test]
fn a_flood_pushes_out_what_came_with_it() {
    const HOUR: u64 = 3600;
    let mut desk = Desk::with_groups(Suite::One);
    let start = NOW - NOW % HOUR;
    let ask = |desk: &mut Desk, n: u32, now: u64| {
        let (device, request) = request(desk, n, None);
        bring(desk, &device, &request, now);
        assert_eq!(refusal(desk, &device), Some(Reason::Waiting), "{n}");
        device.fingerprint()
    };
    let early: Vec<_> = (0..20).map(|n| ask(&mut desk, n, start)).collect();
    let mut n = 1000;
    let mut honest = Vec::new();
    for hour in 1..=3 {
        for second in 0..400 {
            n += 1;
            ask(&mut desk, n, start + hour * HOUR + second);
        }
        // In the middle of the flood: it is told, and there for a while.
        honest.push(ask(&mut desk, 100 + hour as u32, start + hour * HOUR + 700));
        let waits = |device: &Fingerprint| desk.authority.pending().any(|p| p.device == *device);
        assert!(
            early.iter().all(waits) && waits(honest.last().unwrap()),
            "{hour}"
        );
        assert_eq!(desk.authority.pending().count(), MAX_PENDING);
    }
    // Each place has its answer at the broker, and nobody else has one.
    let pending: BTreeSet<_> = desk.authority.pending().map(|p| p.device).collect();
    let told = desk.retained.keys().filter_map(|topic| {
        match ReservedTopic::parse(desk.authority.prefix(), topic) {
            Some(ReservedTopic::Answer(device)) => Some(device),
            _ => None,
        }
    });
    assert_eq!(told.collect::<BTreeSet<_>>(), pending);
}

/// Long ones make room for short ones, and never the other way round.
#[test]
fn what_waits_for_an_operator_is_bounded_in_bytes() {
    let mut desk = Desk::with_groups(Suite::One);
    let (delegation, domain) = (desk.delegation(), desk.authority.domain());
    let ask = |desk: &mut Desk, n: u32, packages: u32| {
        let device = numbered(n, domain);
        let request = device.request_for([0; 8], &format!("device-{n}"), 1, packages);
        let request = JoinRequest::seal(&delegation, None, &request, &Secret::new([7; 32]));
        bring(desk, &device, &request.unwrap(), NOW + u64::from(n));
        device.fingerprint()
    };
    let honest: Vec<_> = (0..20).map(|n| ask(&mut desk, n, 1)).collect();
    for n in 100..180 {
        ask(&mut desk, n, 60);
    }
    let late = ask(&mut desk, 200, 1);
    let records = desk.store.0.iter();
    let records = records.filter(|(key, _)| key.starts_with("authority/pending/"));
    let bytes: usize = records.map(|(_, value)| value.len()).sum();
    assert!((300_000..600_000).contains(&bytes), "{bytes}");
    let waits = |device: &Fingerprint| desk.authority.pending().any(|p| p.device == *device);
    assert!(honest.iter().chain([&late]).all(waits));
}

/// One holder of a token takes turns with the others.
#[test]
fn a_token_is_no_right_to_all_of_the_authority() {
    let mut desk = Desk::with_groups(Suite::One);
    let [mine, other] = [1, 10].map(|uses| desk.token("", uses));
    let ask = |desk: &mut Desk, n: u32, token: &Token| {
        let (device, request) = request(desk, n, Some(token));
        let plan = desk
            .authority
            .queue_join(device.fingerprint(), &request, NOW);
        desk.commit(plan);
        device
    };
    for n in 0..400 {
        ask(&mut desk, n, &other);
    }
    let honest = ask(&mut desk, 9999, &mine);
    tick(&mut desk, NOW, &mut Vec::new());
    assert!(admitted(&desk, &honest).is_some());
}
