//! Delegations, removals and generations on the way (spec/keys.md §3, §7).

use super::super::follower::{Follower, fixtures};
use super::{READER, healing, ordinary};
use crate::vectors::file::VectorFile;
use crate::vectors::group::Group;
use crate::vectors::world::{controller, digest};

pub(super) fn serials(file: &mut VectorFile) {
    let mut group = Group::new("serials", 4);
    group.rotate();
    group.remove(&[20]);
    group.rotate();
    group.serial = 2;
    group.rotate();
    group.rotate();
    fixtures(&group, file);
    Follower::new(
        &group,
        READER,
        1,
        "older-serial-healing",
        "Under a new delegation: the healing announcement of the old one is named by the newest.",
    )
    .attacks(&["A16"])
    .under(2)
    .asks(4, 2)
    .ok(2)
    .ok(4)
    .done(file);
    Follower::new(
        &group,
        READER,
        2,
        "older-serial-previous",
        "Skipped announcements of the old delegation are named by their successors.",
    )
    .attacks(&["A16"])
    .under(2)
    .asks(4, 2)
    .ok(2)
    .ok(4)
    .ok(3)
    .done(file);
    Follower::new(
        &group,
        READER,
        2,
        "older-serial-not-named",
        "Signed under the old delegation, and named by nothing yet.",
    )
    .attacks(&["A16"])
    .under(2)
    .bad(2, "role")
    .asks(4, 2)
    .bad(3, "role")
    .done(file);
    let forged = {
        let mut draft = group.draft_of(2, true);
        draft.key = controller(1);
        draft.serial = 1;
        draft.salt = digest("another salt").0;
        draft
    };
    Follower::new(
        &group,
        READER,
        2,
        "older-serial-other",
        "Another healing announcement under the old delegation, made with its stolen key.",
    )
    .attacks(&["A16"])
    .under(2)
    .asks(4, 2)
    .bad_draft(&forged, "role")
    .done(file);
}

pub(super) fn removed(healing: &Group, file: &mut VectorFile) {
    Follower::new(
        healing,
        21,
        1,
        "removed",
        "Removed in epoch 4: no entry for this leaf.",
    )
    .attacks(&["A26"])
    .ok(1)
    .ok(2)
    .ok(3)
    .bad(4, "not_covered")
    .done(file);
    Follower::new(
        healing,
        21,
        1,
        "removed-for-good",
        "A removed member cannot follow the epochs after its removal.",
    )
    .attacks(&["A26"])
    .ok(1)
    .ok(2)
    .ok(3)
    .bad(4, "not_covered")
    .asks(5, 4)
    .asks(6, 5)
    .done(file);
    Follower::new(
        healing,
        30,
        1,
        "removed-publisher",
        "A removed publish-only member.",
    )
    .attacks(&["A17"])
    .ok(1)
    .ok(2)
    .ok(3)
    .bad(4, "not_covered")
    .done(file);
    Follower::new(
        healing,
        20,
        1,
        "removed-earlier",
        "Whoever was removed earlier is left out of every later healing cover.",
    )
    .attacks(&["A26"])
    .ok(1)
    .bad(2, "not_covered")
    .asks(4, 2)
    .done(file);
}

pub(super) fn generations(file: &mut VectorFile) {
    let group = ordinary();
    let mut both = group.draft_of(1, false);
    let mut next = both.generations[0];
    next.number = 2;
    next.depth = 5;
    both.generations.push(next);
    both.covers.push(vec![2, 3]);
    Follower::new(
        &group,
        READER,
        1,
        "two-generations",
        "The member takes the cover of its own generation.",
    )
    .ok_draft(&both)
    .done(file);
    let mut ended = group.draft_of(1, false);
    ended.generations[0].number = 2;
    Follower::new(
        &group,
        READER,
        1,
        "generation-ended",
        "The member's generation is covered no longer.",
    )
    .bad_draft(&ended, "not_covered")
    .done(file);
    let healed = healing();
    let mut ended = healed.draft_of(3, false);
    ended.generations[0].number = 2;
    Follower::new(
        &healed,
        READER,
        1,
        "generation-ended-healing",
        "The healing announcements went with the generation: no use waiting for one.",
    )
    .attacks(&["A5"])
    .ok(1)
    .bad_draft(&ended, "not_covered")
    .ok(2)
    .bad_draft(&ended, "not_covered")
    .done(file);
    let mut deeper = group.draft_of(1, false);
    deeper.generations[0].depth = 5;
    Follower::new(
        &group,
        READER,
        1,
        "other-depth",
        "The member's generation has another depth than its welcome said.",
    )
    .bad_draft(&deeper, "field")
    .done(file);
}
