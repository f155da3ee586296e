//! Kind `lease`: the second at which a member stops, and answers to nonces (spec/keys.md §8).

mod kept;
mod successors;

use sealmq_keys::NonceAnswerFields;

use self::kept::{answers, heartbeats, kept};
use self::successors::successors;
use super::heartbeat::{heartbeat, nonce, nonce_answer};
use super::lease::{LEASE, announced, beat, good, issued};
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::group::Group;
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::{Authority, NOW, WEEK, authority_json, bytes, live_authority};

const HOUR: u64 = LEASE as u64;
/// Grace and skew of the policy, in seconds.
const LATE: u64 = 3600 + 300;

fn other_nonce() -> [u8; 16] {
    *bytes("another nonce of sensor-7").first_chunk().unwrap()
}

const REASONS: [&str; 8] = [
    "ahead",
    "fork",
    "group",
    "nonce",
    "recipient",
    "role",
    "signature",
    "too_old",
];

/// A member in the making, and what comes to it.
struct Case<'a> {
    group: &'a Group,
    steps: Vec<Json>,
    reason: Option<&'static str>,
    delegation: Option<u64>,
}

impl<'a> Case<'a> {
    /// A member that has followed the first announcement.
    fn new(group: &'a Group) -> Self {
        let case = Self {
            group,
            steps: vec![],
            reason: None,
            delegation: None,
        };
        case.step(announced(group, 1))
    }

    fn step(mut self, step: Json) -> Self {
        let expect = step.get("expect");
        self.reason = match expect.and_then(|expect| expect.get("reason")) {
            Some(Json::Text(reason)) => REASONS.into_iter().find(|known| known == reason),
            _ => None,
        };
        self.steps.push(step);
        self
    }

    /// A question changes nothing.
    fn ask(mut self, question: Json) -> Self {
        self.steps.push(question);
        self
    }

    /// Whether it may seal and read, by the clock.
    fn at(self, now: u64, seal: bool, read: bool) -> Self {
        self.ask(object! {
            at: now, uptime: Json::Null, expect: object! { seal: seal, read: read },
        })
    }

    /// The same by the device's uptime, in milliseconds; `None`: it has none.
    fn up(self, uptime: Option<u64>, seal: bool, read: bool) -> Self {
        let expect = object! { seal: seal, read: read };
        self.ask(object! { at: Json::Null, uptime: uptime, expect: expect })
    }

    /// By the clock, after another delegation was taken.
    fn after(self, taken: &Authority, end: u64, now: u64, seal: bool, read: bool) -> Self {
        self.ask(object! {
            at: now, uptime: Json::Null, successor: authority_json(taken), successor_not_after: end,
            expect: object! { seal: seal, read: read },
        })
    }

    /// Stops right after `until`, and reads for grace and skew more.
    fn stops(self, until: u64) -> Self {
        self.at(until, true, true)
            .at(until + 1, false, true)
            .at(until + LATE, false, true)
            .at(until + LATE + 1, false, false)
    }

    fn answer(
        self,
        made_at: u64,
        change: impl FnOnce(&mut NonceAnswerFields),
        expect: Json,
    ) -> Self {
        self.answer_to(nonce(), made_at, change, expect)
    }

    fn answer_to(
        self,
        nonce: [u8; 16],
        made_at: u64,
        change: impl FnOnce(&mut NonceAnswerFields),
        expect: Json,
    ) -> Self {
        let hash = self.group.epoch(1).hash;
        let object = nonce_answer(|f| {
            (f.epoch, f.lease, f.announcement, f.nonce) = (1, 60, hash, nonce);
            change(f);
        });
        self.step(object! {
            answer: Json::hex(object), nonce: nonce, made_at: made_at, expect: expect,
        })
    }

    fn done(self, id: &str, comment: &str, file: &mut VectorFile) {
        let mut input = object! {
            authority: authority_json(&live_authority()), group: self.group.id.0, skew: 300_u16,
            member: self.group.member(9, 1), member_number: 7_u8,
        };
        if let Some(end) = self.delegation {
            input = input.with("delegation_not_after", end);
        }
        let input = input.with("steps", Json::Array(self.steps));
        let (id, spec) = (format!("lease-{id}"), &["keys.md §8"]);
        let vector = match self.reason {
            Some(reason) => Vector::invalid("lease", id, comment, spec, input, reason),
            None => Vector::valid("lease", id, comment, spec, input),
        };
        file.push(vector.attacks(&["A2", "A30"]));
    }
}

pub(crate) fn vectors(file: &mut VectorFile) {
    let mut group = Group::new("leases", 3);
    group.policy.lease = LEASE;
    group.rotate_times(3);
    let mut without = Group::new("no leases", 3);
    without.rotate();
    clocks(&group, &without, file);
    uptimes(&group, &without, file);
    kept(&group, file);
    heartbeats(&group, file);
    answers(&group, file);
}

/// With a clock.
fn clocks(group: &Group, without: &Group, file: &mut VectorFile) {
    let own = issued(1) + HOUR;
    Case::new(group)
        .stops(own)
        .done("timer-own", "The announcement's own lease.", file);
    let renewed = NOW + HOUR;
    Case::new(group)
        .step(beat(group, 1, NOW, LEASE, good(renewed, None)))
        .stops(renewed)
        .done("timer-renewed", "A heartbeat's lease.", file);
    let short = NOW + 3000 + 10;
    Case::new(group)
        .step(beat(group, 1, NOW + 300, 3000, good(NOW + 3300, None)))
        .step(beat(group, 1, short - 3000, 3000, object! { known: true }))
        .stops(NOW + 3300)
        .done(
            "timer-shorter",
            "A heartbeat's lease may be shorter than the policy's.",
            file,
        );
    let end = issued(1) + WEEK;
    let last = heartbeat(|f| {
        (f.epoch, f.issued_at, f.lease) = (1, end - 60, LEASE);
        f.announcement = group.epoch(1).hash;
    });
    Case::new(group)
        .step(object! { heartbeat: Json::hex(last), now: end - 60, expect: good(end, None) })
        .stops(end)
        .done("timer-not-after", "No lease goes beyond not_after.", file);
    let first = object! {
        object: Json::hex(without.announcement(1)), now: NOW, expect: good(end, None),
    };
    let case = Case {
        group: without,
        steps: vec![first],
        reason: None,
        delegation: None,
    };
    case.stops(end).up(Some(1000), false, false).done(
        "timer-no-lease",
        "Without leases not_after counts; without a clock nothing.",
        file,
    );
    successors(group, file);
    let mut case = Case::new(group);
    case.delegation = Some(own - 100);
    case.stops(own - 100)
        .done("timer-delegation", "Nothing outlives the delegation.", file);
    Case::new(group)
        .step(beat(group, 1, NOW, LEASE, good(renewed, None)))
        .step(announced(group, 2))
        .stops(issued(2) + HOUR)
        .done(
            "timer-next-epoch",
            "The heartbeat of the epoch before renews nothing.",
            file,
        );
}

/// Without a clock.
fn uptimes(group: &Group, without: &Group, file: &mut VectorFile) {
    let own = issued(1) + HOUR;
    let until = 65_000;
    let stop = |case: Case<'_>, until: u64| {
        let late = until + LATE * 1000;
        let case = case
            .up(Some(until), true, true)
            .up(Some(until + 1), false, true);
        case.up(Some(late), false, true)
            .up(Some(late + 1), false, false)
            .steps
    };
    let renewed = |until: u64| good(own, Some(until));
    let mut push = |id: &str, comment: &str, group: &Group, steps: Vec<Json>| {
        Case {
            group,
            steps,
            reason: None,
            delegation: None,
        }
        .done(id, comment, file);
    };
    let later = good(own, Some(90_000));
    table! { push:
        "timer-answer": "A lease on the uptime: to the millisecond, and grace and skew more for readers.",
            group, stop(Case::new(group).answer(5000, |_| {}, renewed(until)), until);
        "timer-answer-policy": "An answer's lease counts as at most the policy's.",
            group,
            stop(Case::new(group).answer(5000, |f| f.lease = 7200, renewed(5000 + HOUR * 1000)), 5000 + HOUR * 1000);
        "timer-no-answer": "Without a clock an announcement starts no lease, and a heartbeat neither.",
            group,
            Case::new(group).up(Some(0), false, false).step(beat(group, 1, NOW, LEASE, good(NOW + HOUR, None))).up(Some(1), false, false).steps;
        "timer-no-uptime": "With neither clock nor uptime nothing is good.",
            group, Case::new(group).answer(5000, |_| {}, renewed(until)).up(None, false, false).steps;
        "timer-answer-stays": "It stays good when a newer announcement is followed.",
            group,
            stop(Case::new(group).answer(5000, |_| {}, renewed(until)).step(object! { object: Json::hex(group.announcement(2)), now: Json::Null, expect: good(issued(2) + HOUR, Some(until)) }), until);
        "timer-two-answers": "The nonce that was made last counts, in whatever order the answers come.",
            group,
            stop(Case::new(group).answer(30_000, |_| {}, later).answer_to(other_nonce(), 5000, |_| {}, object! { known: true }), 90_000);
    }
    let first = || {
        object! {
            object: Json::hex(without.announcement(1)), now: Json::Null,
            expect: good(issued(1) + WEEK, None),
        }
    };
    let case = Case {
        group: without,
        steps: vec![first()],
        reason: None,
        delegation: None,
    };
    table! { push:
        "timer-no-clock": "Without leases a device without a clock does not use the group.",
            without,
            case.up(None, false, false).up(Some(0), false, false).up(Some(u64::MAX), false, false).steps;
    }
    let case = Case {
        group: without,
        steps: vec![first()],
        reason: None,
        delegation: None,
    };
    table! { push:
        "timer-no-lease-answer": "Nor does an answer let it.",
            without,
            case.answer(5000, |_| {}, object! { known: true }).up(Some(5000), false, false).up(Some(5001), false, false).steps;
    }
    lease_ends(file);
}

/// The next announcement has no lease any more: what an answer gave before is of no use then.
fn lease_ends(file: &mut VectorFile) {
    let mut group = Group::new("lease ends", 3);
    group.policy.lease = LEASE;
    group.rotate();
    group.policy.lease = 0;
    group.rotate();
    let second = object! {
        object: Json::hex(group.announcement(2)), now: Json::Null,
        expect: good(issued(2) + WEEK, Some(65_000)),
    };
    Case::new(&group)
        .answer(5000, |_| {}, good(issued(1) + HOUR, Some(65_000)))
        .up(Some(5000), true, true)
        .step(second)
        .up(Some(5000), false, false)
        .done(
            "timer-lease-ends",
            "Without a clock the group is out of use with its last lease.",
            file,
        );
}
