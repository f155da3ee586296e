//! Kind `announcement_follow`: members that follow their group (spec/keys.md §7).

mod changes;

use super::follower::{Follower, fixtures};
use crate::vectors::group::{Draft, Group};
use crate::vectors::prelude::*;

/// A reader's and a publisher's leaf in trees of depth 4.
pub(crate) const READER: u32 = 17;
pub(crate) const PUBLISHER: u32 = 26;

/// Seven epochs, ordinary after the first.
pub(crate) fn ordinary() -> Group {
    let mut group = Group::new("ordinary", 4);
    group.rotate_times(7);
    group
}

/// Epochs 1, 2, 4 and 5 of eight heal.
pub(crate) fn healing() -> Group {
    let mut group = Group::new("healing", 4);
    group.rotate();
    group.remove(&[20]);
    group.rotate();
    group.remove(&[21, 30]);
    group.remove(&[16]);
    group.rotate_times(3);
    group
}

pub(crate) fn vectors(file: &mut VectorFile) {
    let (ordinary, healing) = (ordinary(), healing());
    fixtures(&ordinary, file);
    fixtures(&healing, file);
    in_order(&ordinary, &healing, file);
    skipping(&ordinary, &healing, file);
    windows(file);
    changes::serials(file);
    changes::removed(&healing, file);
    changes::generations(file);
}

fn in_order(ordinary: &Group, healing: &Group, file: &mut VectorFile) {
    let ahead = |issued_at: u64, not_after: u64| Draft {
        issued_at,
        not_after,
        ..ordinary.draft_of(1, false)
    };
    stories! { |id, comment, group, leaf, epoch| Follower::new(group, leaf, epoch, id, comment) => file:
        "ordinary-reader": "Ordinary epochs after the first, one after the other; the base follows with the window.",
            ordinary, READER, 1 => .attacks(&["A4"]).through(1..=5);
        "ordinary-publisher": "Ordinary epochs after the first, one after the other; the base follows with the window.",
            ordinary, PUBLISHER, 1 => .attacks(&["A4"]).through(1..=5);
        "healing-reader": "Ordinary and healing epochs mixed.",
            healing, READER, 1 => .attacks(&["A3", "A28"]).through(1..=7);
        "healing-publisher": "Ordinary and healing epochs mixed.",
            healing, PUBLISHER, 1 => .attacks(&["A3", "A28"]).through(1..=7);
        "welcome-later": "A welcome for a later epoch.",
            ordinary, READER, 3 => .attacks(&["A20"]).ok(3).ok(4);
        "welcome-after-healing": "The welcome names the last healing epoch.",
            healing, READER, 6 => .ok(6).ok(7);
        "welcome-between-healings": "The welcome's epoch itself heals.",
            healing, PUBLISHER, 5 => .ok(5).ok(6);
        "known": "An announcement twice, and an older one of the window.",
            ordinary, READER, 1 => .attacks(&["B4"]).ok(1).ok(2).known(2).known(1);
        "ran-out": "Announcements are followed after their not_after.",
            ordinary, READER, 1 => .attacks(&["A2"]).at(Some(NOW + 10 * WEEK)).ok(1).ok(2);
        "issued-ahead": "Issued ahead by skew.",
            ordinary, READER, 1 => .ok_draft(&ahead(NOW + 300, NOW + WEEK));
        "no-clock": "Without a clock no time is checked.",
            ordinary, READER, 1 => .at(None).ok_draft(&ahead(NOW + WEEK, NOW + 2 * WEEK));
    }
}

fn skipping(ordinary: &Group, healing: &Group, file: &mut VectorFile) {
    let far = Group::new("far", 2);
    let mut edge = far.draft_of(65_537, false);
    edge.generations[0].first_epoch = 1;
    stories! { |id, comment, group, leaf, epoch| Follower::new(group, leaf, epoch, id, comment) => file:
        "skip": "A member that was away: the newest announcement alone is enough.",
            ordinary, READER, 1 => .attacks(&["A5"]).ok(1).ok(6);
        "skip-first": "The first announcement it sees is not the welcome's, which healed.",
            ordinary, PUBLISHER, 1 => .asks(4, 1).ok(1).ok(4);
        "fill": "Skipped epochs of the window are filled afterwards, in any order.",
            ordinary, READER, 1 => .attacks(&["A5"]).ok(1).ok(5).ok(3).ok(4).known(5);
        "healing-skipped": "A healing epoch in between is asked for, and has to come first.",
            healing, READER, 1 => .attacks(&["A5"]).ok(1).asks(3, 2).ok(2).ok(3);
        "healing-chain": "Away for three healing epochs: each asks for the one before.",
            healing, READER, 1 => .attacks(&["A5"]).ok(1).asks(8, 5).asks(5, 4).asks(4, 2).ok(2).ok(4).ok(5)
            .ok(8);
        "healing-chain-publisher": "The same in the publish-only half, from the welcome on.",
            healing, PUBLISHER, 1 => .asks(7, 5).asks(5, 4).asks(4, 2).asks(2, 1).ok(1).ok(2).ok(4).ok(5).ok(7)
            .ok(6);
        "fill-between-healings": "A skipped epoch between two healing ones.",
            healing, READER, 2 => .ok(2).ok(4).ok(3);
        "65536-ahead": "65536 epochs above the base are the most.",
            &far, 4, 1 => .attacks(&["A15", "F3"]).ok_draft(&edge);
    }
}

fn windows(file: &mut VectorFile) {
    let mut none = Group::new("window-0", 4).with_window(0);
    none.rotate_times(3);
    none.remove(&[18]);
    none.rotate();
    fixtures(&none, file);
    let mut wide = Group::new("window-16", 2).with_window(16);
    wide.rotate_times(19);
    stories! { |id, comment, group, leaf| Follower::new(group, leaf, 1, id, comment) => file:
        "window-0": "No epoch but the current one is kept.", &none, READER => .through(1..=5);
        "window-16": "The largest window.", &wide, 5 => .ok(1).through(17..=19).ok(3).ok(10);
    }
    let mut one = Group::new("window-1", 4).with_window(1);
    one.rotate();
    one.remove(&[18]);
    one.rotate_times(3);
    let mut shrinking = Group::new("window-shrinks", 4);
    shrinking.rotate_times(3);
    shrinking.policy.window = 0;
    shrinking.rotate();
    stories! { |id, comment, group| Follower::new(group, READER, 1, id, comment) => file:
        "healing-below-base": "The last healing epoch has left the window.", &one => .through(1..=5);
        "fill-after-healing-left": "Filled after the healing epoch has left the window.",
            &one => .ok(1).ok(2).ok(5).ok(4);
        "window-shrinks": "The window is the newest announcement's.", &shrinking => .ok(1).ok(4);
    }
}
