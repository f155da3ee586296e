//! What comes before its announcement, and what is refused.

use super::super::heartbeat::heartbeat;
use super::super::lease::{Case, HOUR, LEASE, ahead, good, issued, refused};
use super::other_nonce;
use crate::vectors::group::Group;
use crate::vectors::prelude::*;

/// What names an announcement that has not come yet.
pub(super) fn kept(group: &Group, file: &mut VectorFile) {
    let (clock, beaten) = (Some(NOW), good(NOW + HOUR, None));
    let own = |epoch: u64| good(issued(epoch) + HOUR, None);
    let false_hash = heartbeat(|f| {
        (f.epoch, f.issued_at, f.lease) = (2, NOW + 60, LEASE);
        f.announcement = digest("another announcement");
    });
    let (second, third) = (group.epoch(2).hash, group.epoch(3).hash);
    // Of several the one with the highest (epoch, issued_at), in whatever order they come.
    stories! { Case::of(group) => file:
        "kept-heartbeat": "It is kept until its announcement was followed."
            => .beat(2, NOW, LEASE, ahead(2)).follows(2, clock, beaten.clone()).stops(NOW + HOUR);
        "kept-highest-first": "One of the next epoch is dropped."
            => .beat(3, NOW, LEASE, ahead(3)).beat(2, NOW, LEASE, ahead(2)).follows(2, clock, own(2))
            .follows(3, clock, beaten.clone());
        "kept-highest-last": "One of a later epoch takes its place."
            => .beat(2, NOW, LEASE, ahead(2)).beat(3, NOW, LEASE, ahead(3)).follows(2, clock, own(2))
            .follows(3, clock, beaten.clone());
        "kept-older": "Of one epoch the one that was issued later."
            => .beat(2, NOW, LEASE, ahead(2)).beat(2, NOW - 60, LEASE, ahead(2))
            .follows(2, clock, beaten.clone());
        "kept-younger": "And in the other order."
            => .beat(2, NOW - 60, LEASE, ahead(2)).beat(2, NOW, LEASE, ahead(2)).follows(2, clock, beaten);
        "kept-epoch-first": "The epoch counts before the time of issue."
            => .beat(3, NOW - 60, LEASE, ahead(3)).beat(2, NOW, LEASE, ahead(2)).follows(2, clock, own(2))
            .follows(3, clock, good(NOW - 60 + HOUR, None));
        "kept-other-hash": "The one that is kept names another announcement."
            => .beat(2, NOW, LEASE, ahead(2)).beats(&false_hash, NOW, ahead(2)).follows(2, clock, own(2));
        "kept-answer-later": "Another epoch does not make it count."
            => .answer(5000, |f| (f.epoch, f.announcement) = (3, third), ahead(3)).follows(2, clock, own(2))
            .up(Some(5000), false, false).follows(3, clock, good(issued(3) + HOUR, Some(65_000)));
        "filled": "A skipped epoch that is filled afterwards is not the newest."
            => .announced(3).follows(2, clock, own(3)).stops(issued(3) + HOUR);
        "kept-answer": "An answer is kept, too."
            => .answer(5000, |f| (f.epoch, f.announcement) = (2, second), ahead(2))
            .up(Some(5000), false, false).follows(2, clock, good(issued(2) + HOUR, Some(65_000)))
            .up(Some(65_000), true, true).up(Some(65_001), false, true);
    }
}

pub(super) fn heartbeats(group: &Group, file: &mut VectorFile) {
    let (own, hash) = (issued(1) + HOUR, group.epoch(1).hash);
    let elsewhere = heartbeat(|f| (f.epoch, f.announcement, f.group) = (1, hash, office()));
    let by_controller = heartbeat(|f| (f.epoch, f.announcement, f.signer) = (1, hash, 1));
    let right = heartbeat(|f| (f.epoch, f.announcement, f.lease) = (1, hash, LEASE));
    let forged = sign(
        Kind::Heartbeat,
        body_of(&right, Kind::Heartbeat),
        &controller(1),
    );
    let unknown = digest("another announcement");
    let older = heartbeat(|f| (f.epoch, f.announcement, f.lease) = (1, unknown, LEASE));
    let other = heartbeat(|f| (f.epoch, f.announcement, f.lease) = (2, hash, LEASE));
    stories! { Case::of(group) => file:
        "heartbeat-group": "Of another group."
            => .at(own, true, true).at(own + 1, false, true).beats(&elsewhere, NOW, refused("group"));
        "heartbeat-role": "Its key has the role `groups`, not `heartbeat`."
            => .beats(&by_controller, NOW, refused("role"));
        "heartbeat-signature": "Signed by another key than it names."
            => .beats(&forged, NOW, refused("signature"));
        "heartbeat-older-fork": "It names another announcement of an epoch of the window."
            => .announced(2).beats(&older, NOW, refused("fork"));
        "heartbeat-kept-fork": "What was kept named another announcement."
            => .beats(&other, NOW, ahead(2)).announced(2).at(issued(2) + HOUR + 1, false, true)
            .beats(&other, NOW, refused("fork"));
    }
}

pub(super) fn answers(group: &Group, file: &mut VectorFile) {
    let (third, other) = (group.epoch(3).hash, digest("another announcement"));
    stories! { Case::of(group) => file:
        "answer-nonce": "The answer to another nonce."
            => .answer(5000, |f| f.nonce = other_nonce(), refused("nonce"));
        "answer-twice": "Each nonce serves once."
            => .answer(5000, |_| {}, good(issued(1) + HOUR, Some(65_000)))
            .answer(5000, |f| f.lease = 600, refused("nonce"));
        "answer-after-fork": "Whatever the first answer says."
            => .answer(5000, |f| f.announcement = other, refused("fork"))
            .answer(5000, |_| {}, refused("nonce"));
        "answer-member": "To another member."
            => .answer(5000, |f| f.member = MemberNumber(8), refused("recipient"));
        "answer-group": "Of another group." => .answer(5000, |f| f.group = office(), refused("group"));
        "answer-role": "Its key has the role `groups`, not `heartbeat`."
            => .answer(5000, |f| f.signer = 1, refused("role"));
        "answer-fork": "It names another announcement of the epoch."
            => .answer(5000, |f| f.announcement = other, refused("fork"));
        "answer-older": "It names the announcement before the newest."
            => .announced(2).answer(5000, |_| {}, refused("too_old"));
        "answer-ahead": "It names one that was withheld."
            => .announced(2).answer(5000, |f| (f.epoch, f.announcement) = (3, third), ahead(3));
    }
}
