//! Kind `lease`: announcements, heartbeats and nonce answers in a row (spec/keys.md §8).

use sealmq_keys::NonceAnswerFields;

use super::heartbeat::{heartbeat, nonce, nonce_answer};
use crate::vectors::group::Group;
use crate::vectors::prelude::*;

const SERIES: Series = Series::new("lease", "lease-", &["keys.md §8"]).attacks(&["A2", "A30"]);

pub(super) const LEASE: u32 = 3600;
pub(super) const HOUR: u64 = LEASE as u64;
/// Grace and skew of the policy, in seconds.
pub(super) const LATE: u64 = 3600 + 300;

/// Announcement n was issued at NOW − 600 + n, for a week.
pub(super) fn issued(epoch: u64) -> u64 {
    NOW - 600 + epoch
}

pub(super) fn good(until: u64, uptime: Option<u64>) -> Json {
    object! { good_until: until, good_until_uptime: uptime }
}

pub(super) fn known() -> Json {
    object! { known: true }
}

pub(super) fn refused(reason: &'static str) -> Json {
    object! { reason: reason }
}

/// The announcement of this epoch has to come first.
pub(super) fn ahead(epoch: u64) -> Json {
    object! { reason: "ahead", ask_epoch: epoch }
}

/// What a step can be refused with.
const REASONS: &str = "ahead expired fork group nonce recipient role signature too_old";

/// A member in the making, and what comes to it.
pub(super) struct Case<'a> {
    id: &'a str,
    comment: &'a str,
    group: &'a Group,
    steps: Vec<Json>,
    reason: Option<&'static str>,
    delegation: Option<u64>,
}

impl<'a> Case<'a> {
    /// Members that have followed nothing.
    pub(super) fn empty(group: &'a Group) -> impl Fn(&'a str, &'a str) -> Self {
        move |id, comment| Self {
            id,
            comment,
            group,
            steps: vec![],
            reason: None,
            delegation: None,
        }
    }

    /// Members that have followed the first announcement, which has a lease.
    pub(super) fn of(group: &'a Group) -> impl Fn(&'a str, &'a str) -> Self {
        move |id, comment| Self::empty(group)(id, comment).announced(1)
    }

    /// The delegation ends then.
    pub(super) fn until(mut self, delegation: u64) -> Self {
        self.delegation = Some(delegation);
        self
    }

    fn step(mut self, step: Json) -> Self {
        self.reason = match step.get("expect").and_then(|expect| expect.get("reason")) {
            Some(Json::Text(reason)) => REASONS.split(' ').find(|known| known == reason),
            _ => None,
        };
        self.steps.push(step);
        self
    }

    /// An announcement that is followed, with its own lease.
    pub(super) fn announced(self, epoch: u64) -> Self {
        self.follows(epoch, Some(NOW), good(issued(epoch) + HOUR, None))
    }

    pub(super) fn follows(self, epoch: u64, now: Option<u64>, expect: Json) -> Self {
        let object = Json::hex(self.group.announcement(epoch));
        self.step(object! { object: object, now: now, expect: expect })
    }

    /// The controller's heartbeat for an announcement.
    pub(super) fn beat(self, epoch: u64, issued_at: u64, lease: u32, expect: Json) -> Self {
        let announcement = self.group.epoch(epoch).hash;
        let object = heartbeat(|f| {
            (f.epoch, f.issued_at, f.lease) = (epoch, issued_at, lease);
            f.announcement = announcement;
        });
        self.beats(&object, NOW, expect)
    }

    /// Any heartbeat.
    pub(super) fn beats(self, object: &[u8], now: u64, expect: Json) -> Self {
        self.step(object! { heartbeat: Json::hex(object), now: now, expect: expect })
    }

    /// An answer about the first announcement, changed, to the nonce that was made then.
    pub(super) fn answer(
        self,
        made_at: u64,
        change: impl FnOnce(&mut NonceAnswerFields),
        expect: Json,
    ) -> Self {
        self.answer_to(nonce(), made_at, change, expect)
    }

    pub(super) fn answer_to(
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

    /// Whether it may seal and read. A question changes nothing.
    fn may(mut self, question: Json, seal: bool, read: bool) -> Self {
        let expect = object! { seal: seal, read: read };
        self.steps.push(question.with("expect", expect));
        self
    }

    /// By the clock.
    pub(super) fn at(self, now: u64, seal: bool, read: bool) -> Self {
        self.may(object! { at: now, uptime: Json::Null }, seal, read)
    }

    /// By the device's uptime, in milliseconds; `None`: it has none.
    pub(super) fn up(self, uptime: Option<u64>, seal: bool, read: bool) -> Self {
        self.may(object! { at: Json::Null, uptime: uptime }, seal, read)
    }

    /// By the clock, after another delegation was taken.
    pub(super) fn after(
        self,
        taken: &Authority,
        end: u64,
        now: u64,
        seal: bool,
        read: bool,
    ) -> Self {
        let question = object! {
            at: now, uptime: Json::Null, successor: authority_json(taken), successor_not_after: end,
        };
        self.may(question, seal, read)
    }

    /// Stops right after `until`, and reads for grace and skew more.
    pub(super) fn stops(self, until: u64) -> Self {
        self.at(until, true, true)
            .at(until + 1, false, true)
            .at(until + LATE, false, true)
            .at(until + LATE + 1, false, false)
    }

    /// The same by the uptime.
    pub(super) fn stops_up(self, until: u64) -> Self {
        let late = until + LATE * 1000;
        self.up(Some(until), true, true)
            .up(Some(until + 1), false, true)
            .up(Some(late), false, true)
            .up(Some(late + 1), false, false)
    }

    pub(super) fn done(self, file: &mut VectorFile) {
        let mut input = object! {
            authority: authority_json(&live_authority()), group: self.group.id.0, skew: 300_u16,
            member: self.group.member(9, 1), member_number: 7_u8,
        };
        if let Some(end) = self.delegation {
            input = input.with("delegation_not_after", end);
        }
        let input = input.with("steps", Json::Array(self.steps));
        let case = SERIES.case(self.id, self.comment, input);
        file.push(case.reason(self.reason));
    }
}

/// Three announcements with leases.
pub(super) fn group() -> Group {
    let mut group = Group::new("leases", 3);
    group.policy.lease = LEASE;
    group.rotate_times(3);
    group
}

pub(crate) fn vectors(file: &mut VectorFile) {
    let group = group();
    let last = heartbeat(|f| {
        (f.epoch, f.issued_at, f.lease) = (1, NOW + WEEK, LEASE);
        f.announcement = group.epoch(1).hash;
    });
    let other = heartbeat(|f| (f.epoch, f.announcement) = (1, digest("another announcement")));
    stories! { Case::empty(&group) => file:
        "announcement": "Its own lease." => .announced(1);
    }
    stories! { Case::of(&group) => file:
        "heartbeat": "A heartbeat renews; its lease counts as at most the policy's; an older one changes nothing."
            => .beat(1, NOW, 60 * LEASE, good(NOW + HOUR, None)).beat(1, NOW - 60, LEASE, known());
        "not-after": "No heartbeat reaches beyond not_after."
            => .beat(1, NOW + 300, LEASE, good(NOW + 300 + HOUR, None))
            .beats(&last, NOW + WEEK, good(issued(1) + WEEK, None));
        "next-epoch": "A heartbeat renews one announcement and no other."
            => .beat(1, NOW, LEASE, good(NOW + HOUR, None)).announced(2);
        "answer": "A nonce answer counts on the device's uptime, from when the nonce was made."
            => .answer(5000, |_| {}, good(issued(1) + HOUR, Some(65_000)));
        "future": "A heartbeat from the future." => .beat(1, NOW + 301, LEASE, refused("expired"));
        "older": "It names the announcement before the newest."
            => .announced(2).beat(1, NOW, LEASE, refused("too_old"));
        "ahead": "It names one that was withheld." => .beat(2, NOW, LEASE, ahead(2));
        "fork": "It names another announcement of the epoch." => .beats(&other, NOW, refused("fork"));
    }
}
