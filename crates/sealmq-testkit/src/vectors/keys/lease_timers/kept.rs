//! What comes before its announcement, and what is refused.

use sealmq_core::MemberNumber;
use sealmq_core::object::Kind;

use super::super::heartbeat::heartbeat;
use super::super::lease::{LEASE, announced, beat, good, issued};
use super::{Case, HOUR, other_nonce};
use crate::vectors::file::VectorFile;
use crate::vectors::group::Group;
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::{NOW, body_of, controller, digest, office, sign};

/// What names an announcement that has not come yet.
pub(super) fn kept(group: &Group, file: &mut VectorFile) {
    let ahead = || object! { reason: "ahead", ask_epoch: 2_u8 };
    let second = |expect: Json| {
        object! { object: Json::hex(group.announcement(2)), now: NOW, expect: expect }
    };
    let hash = group.epoch(2).hash;
    Case::new(group)
        .step(beat(group, 2, NOW, LEASE, ahead()))
        .step(second(good(NOW + HOUR, None)))
        .stops(NOW + HOUR)
        .done(
            "kept-heartbeat",
            "It is kept until its announcement was followed.",
            file,
        );
    // Of several the one with the highest (epoch, issued_at), in whatever order they come.
    let far = || object! { reason: "ahead", ask_epoch: 3_u8 };
    for (id, comment, first, second_one) in table! {
        "kept-highest-first": "One of the next epoch is dropped.",     3, 2;
        "kept-highest-last":  "One of a later epoch takes its place.", 2, 3;
    } {
        let expect = |epoch: u64| if epoch == 3 { far() } else { ahead() };
        Case::new(group)
            .step(beat(group, first, NOW, LEASE, expect(first)))
            .step(beat(group, second_one, NOW, LEASE, expect(second_one)))
            .step(second(good(issued(2) + HOUR, None)))
            .step(object! {
                object: Json::hex(group.announcement(3)), now: NOW, expect: good(NOW + HOUR, None),
            })
            .done(id, comment, file);
    }
    Case::new(group)
        .step(beat(group, 2, NOW, LEASE, ahead()))
        .step(beat(group, 2, NOW - 60, LEASE, ahead()))
        .step(second(good(NOW + HOUR, None)))
        .done(
            "kept-older",
            "Of one epoch the one that was issued later.",
            file,
        );
    Case::new(group)
        .step(beat(group, 2, NOW - 60, LEASE, ahead()))
        .step(beat(group, 2, NOW, LEASE, ahead()))
        .step(second(good(NOW + HOUR, None)))
        .done("kept-younger", "And in the other order.", file);
    Case::new(group)
        .step(beat(group, 3, NOW - 60, LEASE, far()))
        .step(beat(group, 2, NOW, LEASE, ahead()))
        .step(second(good(issued(2) + HOUR, None)))
        .step(object! {
            object: Json::hex(group.announcement(3)), now: NOW,
            expect: good(NOW - 60 + HOUR, None),
        })
        .done(
            "kept-epoch-first",
            "The epoch counts before the time of issue.",
            file,
        );
    let false_hash = heartbeat(|f| {
        (f.epoch, f.issued_at, f.lease) = (2, NOW + 60, LEASE);
        f.announcement = digest("another announcement");
    });
    Case::new(group)
        .step(beat(group, 2, NOW, LEASE, ahead()))
        .step(object! { heartbeat: Json::hex(false_hash), now: NOW, expect: ahead() })
        .step(second(good(issued(2) + HOUR, None)))
        .done(
            "kept-other-hash",
            "The one that is kept names another announcement.",
            file,
        );
    let third = group.epoch(3).hash;
    Case::new(group)
        .answer(5000, |f| (f.epoch, f.announcement) = (3, third), far())
        .step(second(good(issued(2) + HOUR, None)))
        .up(Some(5000), false, false)
        .step(object! {
            object: Json::hex(group.announcement(3)), now: NOW,
            expect: good(issued(3) + HOUR, Some(65_000)),
        })
        .done(
            "kept-answer-later",
            "Another epoch does not make it count.",
            file,
        );
    Case::new(group)
        .step(announced(group, 3))
        .step(object! {
            object: Json::hex(group.announcement(2)), now: NOW,
            expect: good(issued(3) + HOUR, None),
        })
        .stops(issued(3) + HOUR)
        .done(
            "filled",
            "A skipped epoch that is filled afterwards is not the newest.",
            file,
        );
    Case::new(group)
        .answer(5000, |f| (f.epoch, f.announcement) = (2, hash), ahead())
        .up(Some(5000), false, false)
        .step(second(good(issued(2) + HOUR, Some(65_000))))
        .up(Some(65_000), true, true)
        .up(Some(65_001), false, true)
        .done("kept-answer", "An answer is kept, too.", file);
}

pub(super) fn heartbeats(group: &Group, file: &mut VectorFile) {
    let bad = |reason: &'static str, object: Vec<u8>| {
        let expect = object! { reason: reason };
        object! { heartbeat: Json::hex(object), now: NOW, expect: expect }
    };
    let hash = group.epoch(1).hash;
    let right = || heartbeat(|f| (f.epoch, f.announcement, f.lease) = (1, hash, LEASE));
    let elsewhere = heartbeat(|f| {
        (f.epoch, f.announcement, f.group) = (1, hash, office());
    });
    let own = issued(1) + HOUR;
    Case::new(group)
        .at(own, true, true)
        .at(own + 1, false, true)
        .step(bad("group", elsewhere))
        .done("heartbeat-group", "Of another group.", file);
    let by_controller = heartbeat(|f| {
        (f.epoch, f.announcement, f.signer) = (1, hash, 1);
    });
    Case::new(group).step(bad("role", by_controller)).done(
        "heartbeat-role",
        "Its key has the role `groups`, not `heartbeat`.",
        file,
    );
    let forged = sign(
        Kind::Heartbeat,
        body_of(&right(), Kind::Heartbeat),
        &controller(1),
    );
    Case::new(group).step(bad("signature", forged)).done(
        "heartbeat-signature",
        "Signed by another key than it names.",
        file,
    );
    let older = heartbeat(|f| {
        (f.epoch, f.announcement, f.lease) = (1, digest("another announcement"), LEASE);
    });
    Case::new(group)
        .step(announced(group, 2))
        .step(bad("fork", older))
        .done(
            "heartbeat-older-fork",
            "It names another announcement of an epoch of the window.",
            file,
        );
    let other = heartbeat(|f| (f.epoch, f.announcement, f.lease) = (2, hash, LEASE));
    let ahead = object! { reason: "ahead", ask_epoch: 2_u8 };
    let second = object! {
        object: Json::hex(group.announcement(2)), now: NOW, expect: good(issued(2) + HOUR, None),
    };
    Case::new(group)
        .step(object! { heartbeat: Json::hex(&other), now: NOW, expect: ahead })
        .step(second)
        .at(issued(2) + HOUR + 1, false, true)
        .step(bad("fork", other))
        .done(
            "heartbeat-kept-fork",
            "What was kept named another announcement.",
            file,
        );
}

pub(super) fn answers(group: &Group, file: &mut VectorFile) {
    let bad = |reason: &'static str| object! { reason: reason };
    let new = || Case::new(group);
    let third = group.epoch(3).hash;
    new()
        .answer(5000, |f| f.nonce = other_nonce(), bad("nonce"))
        .done("answer-nonce", "The answer to another nonce.", file);
    new()
        .answer(5000, |_| {}, good(issued(1) + HOUR, Some(65_000)))
        .answer(5000, |f| f.lease = 600, bad("nonce"))
        .done("answer-twice", "Each nonce serves once.", file);
    new()
        .answer(
            5000,
            |f| f.announcement = digest("another announcement"),
            bad("fork"),
        )
        .answer(5000, |_| {}, bad("nonce"))
        .done("answer-after-fork", "Whatever the first answer says.", file);
    new()
        .answer(5000, |f| f.member = MemberNumber(8), bad("recipient"))
        .done("answer-member", "To another member.", file);
    new()
        .answer(5000, |f| f.group = office(), bad("group"))
        .done("answer-group", "Of another group.", file);
    new().answer(5000, |f| f.signer = 1, bad("role")).done(
        "answer-role",
        "Its key has the role `groups`, not `heartbeat`.",
        file,
    );
    new()
        .answer(
            5000,
            |f| f.announcement = digest("another announcement"),
            bad("fork"),
        )
        .done(
            "answer-fork",
            "It names another announcement of the epoch.",
            file,
        );
    new()
        .step(announced(group, 2))
        .answer(5000, |_| {}, bad("too_old"))
        .done(
            "answer-older",
            "It names the announcement before the newest.",
            file,
        );
    let ahead = object! { reason: "ahead", ask_epoch: 3_u8 };
    new()
        .step(announced(group, 2))
        .answer(5000, |f| (f.epoch, f.announcement) = (3, third), ahead)
        .done("answer-ahead", "It names one that was withheld.", file);
}
