//! Delegations, removals and generations on the way (spec/keys.md §3, §7).

use super::super::follower::{Follower, fixtures};
use super::{READER, healing, ordinary};
use crate::vectors::group::Group;
use crate::vectors::prelude::*;

pub(super) fn serials(file: &mut VectorFile) {
    let mut group = Group::new("serials", 4);
    group.rotate();
    group.remove(&[20]);
    group.rotate();
    group.serial = 2;
    group.rotate();
    group.rotate();
    fixtures(&group, file);
    let forged = {
        let mut draft = group.draft_of(2, true);
        draft.key = controller(1);
        draft.serial = 1;
        draft.salt = digest("another salt").0;
        draft
    };
    stories! { |id, comment, epoch| Follower::new(&group, READER, epoch, id, comment) => file:
        "older-serial-healing": "Under a new delegation: the healing announcement of the old one is named by the newest.",
            1 => .attacks(&["A16"]).under(2).asks(4, 2).asks(2, 1).ok(1).ok(2).ok(4);
        "older-serial-previous": "Skipped announcements of the old delegation are named by their successors.",
            2 => .attacks(&["A16"]).under(2).asks(4, 2).ok(2).ok(4).ok(3);
        "older-serial-not-named": "Signed under the old delegation, and named by nothing yet.",
            2 => .attacks(&["A16"]).under(2).bad(2, "role").asks(4, 2).bad(3, "role");
        "older-serial-other": "Another healing announcement under the old delegation, made with its stolen key.",
            2 => .attacks(&["A16"]).under(2).asks(4, 2).bad_draft(&forged, "role");
    }
}

pub(super) fn removed(healing: &Group, file: &mut VectorFile) {
    stories! { |id, comment, leaf| Follower::new(healing, leaf, 1, id, comment) => file:
        "removed": "Removed in epoch 4: no entry for this leaf.",
            21 => .attacks(&["A26"]).through(1..=3).bad(4, "not_covered");
        "removed-for-good": "A removed member cannot follow the epochs after its removal.",
            21 => .attacks(&["A26"]).through(1..=3).bad(4, "not_covered").asks(5, 4).asks(6, 5);
        "removed-publisher": "A removed publish-only member.",
            30 => .attacks(&["A17"]).through(1..=3).bad(4, "not_covered");
        "removed-earlier": "Whoever was removed earlier is left out of every later healing cover.",
            20 => .attacks(&["A26"]).ok(1).bad(2, "not_covered").asks(4, 2);
    }
}

pub(super) fn generations(file: &mut VectorFile) {
    let group = ordinary();
    let mut both = group.draft_of(1, false);
    let mut next = both.generations[0];
    next.number = 2;
    next.depth = 5;
    both.generations.push(next);
    both.covers.push(vec![2, 3]);
    let mut ended = group.draft_of(1, false);
    ended.generations[0].number = 2;
    stories! { Follower::of(&group, READER, 1) => file:
        "two-generations": "The member takes the cover of its own generation." => .ok_draft(&both);
        "generation-ended": "The member's generation is covered no longer."
            => .bad_draft(&ended, "not_covered");
    }
    let healed = healing();
    let mut ended = healed.draft_of(3, false);
    ended.generations[0].number = 2;
    let mut deeper = group.draft_of(1, false);
    deeper.generations[0].depth = 5;
    stories! { |id, comment, group| Follower::new(group, READER, 1, id, comment) => file:
        "generation-ended-healing": "The healing announcements went with the generation: no use waiting for one.",
            &healed => .attacks(&["A5"]).ok(1).bad_draft(&ended, "not_covered").ok(2)
            .bad_draft(&ended, "not_covered");
        "other-depth": "The member's generation has another depth than its welcome said.",
            &group => .bad_draft(&deeper, "field");
    }
}
