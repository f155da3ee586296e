//! Kind `lease`: the second at which a member stops, and answers to nonces (spec/keys.md §8).

mod kept;
mod successors;

use self::kept::{answers, heartbeats, kept};
use self::successors::successors;
use super::heartbeat::heartbeat;
use super::lease::{Case, HOUR, LEASE, good, group, issued, known};
use crate::vectors::group::Group;
use crate::vectors::prelude::*;

fn other_nonce() -> [u8; 16] {
    *bytes("another nonce of sensor-7").first_chunk().unwrap()
}

pub(crate) fn vectors(file: &mut VectorFile) {
    let group = group();
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
    let (own, end) = (issued(1) + HOUR, issued(1) + WEEK);
    let last = heartbeat(|f| {
        (f.epoch, f.issued_at, f.lease) = (1, end - 60, LEASE);
        f.announcement = group.epoch(1).hash;
    });
    stories! { Case::of(group) => file:
        "timer-own": "The announcement's own lease." => .stops(own);
        "timer-renewed": "A heartbeat's lease."
            => .beat(1, NOW, LEASE, good(NOW + HOUR, None)).stops(NOW + HOUR);
        "timer-shorter": "A heartbeat's lease may be shorter than the policy's."
            => .beat(1, NOW + 300, 3000, good(NOW + 3300, None)).beat(1, NOW + 10, 3000, known())
            .stops(NOW + 3300);
        "timer-not-after": "No lease goes beyond not_after."
            => .beats(&last, end - 60, good(end, None)).stops(end);
    }
    stories! { Case::empty(without) => file:
        "timer-no-lease": "Without leases not_after counts; without a clock nothing."
            => .follows(1, Some(NOW), good(end, None)).stops(end).up(Some(1000), false, false);
    }
    successors(group, file);
    stories! { Case::of(group) => file:
        "timer-delegation": "Nothing outlives the delegation." => .until(own - 100).stops(own - 100);
        "timer-next-epoch": "The heartbeat of the epoch before renews nothing."
            => .beat(1, NOW, LEASE, good(NOW + HOUR, None)).announced(2).stops(issued(2) + HOUR);
    }
}

/// Without a clock.
fn uptimes(group: &Group, without: &Group, file: &mut VectorFile) {
    let own = issued(1) + HOUR;
    let renewed = |until: u64| good(own, Some(until));
    stories! { Case::of(group) => file:
        "timer-answer": "A lease on the uptime: to the millisecond, and grace and skew more for readers."
            => .answer(5000, |_| {}, renewed(65_000)).stops_up(65_000);
        "timer-answer-policy": "An answer's lease counts as at most the policy's."
            => .answer(5000, |f| f.lease = 7200, renewed(5000 + HOUR * 1000)).stops_up(5000 + HOUR * 1000);
        "timer-no-answer": "Without a clock an announcement starts no lease, and a heartbeat neither."
            => .up(Some(0), false, false).beat(1, NOW, LEASE, good(NOW + HOUR, None))
            .up(Some(1), false, false);
        "timer-no-uptime": "With neither clock nor uptime nothing is good."
            => .answer(5000, |_| {}, renewed(65_000)).up(None, false, false);
        "timer-answer-stays": "It stays good when a newer announcement is followed."
            => .answer(5000, |_| {}, renewed(65_000)).follows(2, None, good(issued(2) + HOUR, Some(65_000)))
            .stops_up(65_000);
        "timer-two-answers": "The nonce that was made last counts, in whatever order the answers come."
            => .answer(30_000, |_| {}, renewed(90_000)).answer_to(other_nonce(), 5000, |_| {}, known())
            .stops_up(90_000);
    }
    let end = good(issued(1) + WEEK, None);
    stories! { Case::empty(without) => file:
        "timer-no-clock": "Without leases a device without a clock does not use the group."
            => .follows(1, None, end.clone()).up(None, false, false).up(Some(0), false, false)
            .up(Some(u64::MAX), false, false);
        "timer-no-lease-answer": "Nor does an answer let it."
            => .follows(1, None, end).answer(5000, |_| {}, known()).up(Some(5000), false, false)
            .up(Some(5001), false, false);
    }
    // The next announcement has no lease any more: what an answer gave before is of no use then.
    let mut group = Group::new("lease ends", 3);
    group.policy.lease = LEASE;
    group.rotate();
    group.policy.lease = 0;
    group.rotate();
    stories! { Case::of(&group) => file:
        "timer-lease-ends": "Without a clock the group is out of use with its last lease."
            => .answer(5000, |_| {}, renewed(65_000)).up(Some(5000), true, true)
            .follows(2, None, good(issued(2) + WEEK, Some(65_000))).up(Some(5000), false, false);
    }
}
