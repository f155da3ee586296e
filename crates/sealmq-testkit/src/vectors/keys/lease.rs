//! Kind `lease`: announcements, heartbeats and nonce answers in a row (spec/keys.md §8).

use super::heartbeat::{heartbeat, nonce, nonce_answer};
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::group::Group;
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::{NOW, WEEK, authority_json, digest, live_authority};

pub(super) const LEASE: u32 = 3600;

/// Announcement n was issued at NOW − 600 + n, for a week.
pub(super) fn issued(epoch: u64) -> u64 {
    NOW - 600 + epoch
}

pub(super) fn good(until: u64, uptime: Option<u64>) -> Json {
    object! { good_until: until, good_until_uptime: uptime }
}

pub(super) fn announced(group: &Group, epoch: u64) -> Json {
    let until = issued(epoch) + u64::from(LEASE);
    object! { object: Json::hex(group.announcement(epoch)), now: NOW, expect: good(until, None) }
}

pub(super) fn beat(group: &Group, epoch: u64, issued_at: u64, lease: u32, expect: Json) -> Json {
    let object = heartbeat(|f| {
        (f.epoch, f.issued_at, f.lease) = (epoch, issued_at, lease);
        f.announcement = group.epoch(epoch).hash;
    });
    object! { heartbeat: Json::hex(object), now: NOW, expect: expect }
}

fn answer(group: &Group, lease: u32, made_at: u64, expect: Json) -> Json {
    let object = nonce_answer(|f| {
        (f.epoch, f.lease, f.announcement) = (1, lease, group.epoch(1).hash);
    });
    object! { answer: Json::hex(object), nonce: nonce(), made_at: made_at, expect: expect }
}

pub(crate) fn vectors(file: &mut VectorFile) {
    let mut group = Group::new("leases", 3);
    group.policy.lease = LEASE;
    group.rotate_times(2);
    let mut push = |id: &str, comment: &str, steps: Vec<Json>, reason: Option<&'static str>| {
        let input = object! {
            authority: authority_json(&live_authority()), group: group.id.0, skew: 300_u16,
            member: group.member(9, 1), member_number: 7_u8, steps: Json::Array(steps),
        };
        let (id, spec) = (format!("lease-{id}"), &["keys.md §8"]);
        let vector = match reason {
            Some(reason) => Vector::invalid("lease", id, comment, spec, input, reason),
            None => Vector::valid("lease", id, comment, spec, input),
        };
        file.push(vector.attacks(&["A2", "A30"]));
    };
    let first = || announced(&group, 1);
    let known = || object! { known: true };
    let refused = |reason: &'static str| object! { reason: reason };
    let hour = u64::from(LEASE);
    let ahead = object! { reason: "ahead", ask_epoch: 2_u8 };
    table! { push:
        "announcement": "Its own lease.", vec![first()], None;
        "heartbeat": "A heartbeat renews; its lease counts as at most the policy's; an older one changes nothing.",
            vec![
                first(), beat(&group, 1, NOW, 60 * LEASE, good(NOW + hour, None)),
                beat(&group, 1, NOW - 60, LEASE, known()),
            ], None;
        "not-after": "No heartbeat reaches beyond not_after.",
            vec![first(), beat(&group, 1, NOW + 300, LEASE, good(NOW + 300 + hour, None)), object! { heartbeat: Json::hex(heartbeat(|f| {
                (f.epoch, f.issued_at, f.lease) = (1, NOW + WEEK, LEASE);
                f.announcement = group.epoch(1).hash;
            })), now: NOW + WEEK, expect: good(issued(1) + WEEK, None) }], None;
        "next-epoch": "A heartbeat renews one announcement and no other.",
            vec![first(), beat(&group, 1, NOW, LEASE, good(NOW + hour, None)), announced(&group, 2)], None;
        "answer": "A nonce answer counts on the device's uptime, from when the nonce was made.",
            vec![first(), answer(&group, 60, 5000, good(issued(1) + hour, Some(65_000)))], None;
        "future": "A heartbeat from the future.",
            vec![first(), beat(&group, 1, NOW + 301, LEASE, refused("expired"))], Some("expired");
        "older": "It names the announcement before the newest.",
            vec![first(), announced(&group, 2), beat(&group, 1, NOW, LEASE, refused("too_old"))],
            Some("too_old");
        "ahead": "It names one that was withheld.",
            vec![first(), beat(&group, 2, NOW, LEASE, ahead)], Some("ahead");
    }
    let other = heartbeat(|f| {
        (f.epoch, f.announcement) = (1, digest("another announcement"));
    });
    let fork = object! { heartbeat: Json::hex(other), now: NOW, expect: refused("fork") };
    table! { push:
        "fork": "It names another announcement of the epoch.", vec![first(), fork], Some("fork");
    }
}
