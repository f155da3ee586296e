//! Kind `announcement_follow`: members that follow their group (spec/keys.md §7).

mod changes;

use super::follower::{Follower, fixtures};
use crate::vectors::file::VectorFile;
use crate::vectors::group::Group;
use crate::vectors::world::{NOW, WEEK};

/// A reader's and a publisher's leaf in trees of depth 4.
pub(crate) const READER: u32 = 17;
pub(crate) const PUBLISHER: u32 = 26;

/// Seven ordinary epochs.
pub(crate) fn ordinary() -> Group {
    let mut group = Group::new("ordinary", 4);
    group.rotate_times(7);
    group
}

/// Epochs 2, 4 and 5 of eight heal.
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
    for (id, leaf) in [
        ("ordinary-reader", READER),
        ("ordinary-publisher", PUBLISHER),
    ] {
        Follower::new(
            ordinary,
            leaf,
            1,
            id,
            "Ordinary epochs, one after the other; the base follows with the window.",
        )
        .attacks(&["A4"])
        .ok(1)
        .ok(2)
        .ok(3)
        .ok(4)
        .ok(5)
        .done(file);
    }
    for (id, leaf) in [("healing-reader", READER), ("healing-publisher", PUBLISHER)] {
        Follower::new(healing, leaf, 1, id, "Ordinary and healing epochs mixed.")
            .attacks(&["A3", "A28"])
            .ok(1)
            .ok(2)
            .ok(3)
            .ok(4)
            .ok(5)
            .ok(6)
            .ok(7)
            .done(file);
    }
    Follower::new(
        ordinary,
        READER,
        3,
        "welcome-later",
        "A welcome for a later epoch.",
    )
    .attacks(&["A20"])
    .ok(3)
    .ok(4)
    .done(file);
    Follower::new(
        healing,
        READER,
        6,
        "welcome-after-healing",
        "The welcome names the last healing epoch.",
    )
    .ok(6)
    .ok(7)
    .done(file);
    Follower::new(
        healing,
        PUBLISHER,
        5,
        "welcome-between-healings",
        "The welcome's epoch itself heals.",
    )
    .ok(5)
    .ok(6)
    .done(file);
    Follower::new(
        ordinary,
        READER,
        1,
        "known",
        "An announcement twice, and an older one of the window.",
    )
    .attacks(&["B4"])
    .ok(1)
    .ok(2)
    .known(2)
    .known(1)
    .done(file);
    Follower::new(
        ordinary,
        READER,
        1,
        "ran-out",
        "Announcements are followed after their not_after.",
    )
    .attacks(&["A2"])
    .at(Some(NOW + 10 * WEEK))
    .ok(1)
    .ok(2)
    .done(file);
    let mut ahead = ordinary.draft_of(1, false);
    (ahead.issued_at, ahead.not_after) = (NOW + 300, NOW + WEEK);
    Follower::new(ordinary, READER, 1, "issued-ahead", "Issued ahead by skew.")
        .ok_draft(&ahead)
        .done(file);
    (ahead.issued_at, ahead.not_after) = (NOW + WEEK, NOW + 2 * WEEK);
    Follower::new(
        ordinary,
        READER,
        1,
        "no-clock",
        "Without a clock no time is checked.",
    )
    .at(None)
    .ok_draft(&ahead)
    .done(file);
}

fn skipping(ordinary: &Group, healing: &Group, file: &mut VectorFile) {
    Follower::new(
        ordinary,
        READER,
        1,
        "skip",
        "A member that was away: the newest announcement alone is enough.",
    )
    .attacks(&["A5"])
    .ok(1)
    .ok(6)
    .done(file);
    Follower::new(
        ordinary,
        PUBLISHER,
        1,
        "skip-first",
        "The first announcement it sees is not the welcome's.",
    )
    .ok(4)
    .done(file);
    Follower::new(
        ordinary,
        READER,
        1,
        "fill",
        "Skipped epochs of the window are filled afterwards, in any order.",
    )
    .attacks(&["A5"])
    .ok(1)
    .ok(5)
    .ok(3)
    .ok(4)
    .known(5)
    .done(file);
    Follower::new(
        healing,
        READER,
        1,
        "healing-skipped",
        "A healing epoch in between is asked for, and has to come first.",
    )
    .attacks(&["A5"])
    .ok(1)
    .asks(3, 2)
    .ok(2)
    .ok(3)
    .done(file);
    Follower::new(
        healing,
        READER,
        1,
        "healing-chain",
        "Away for three healing epochs: each asks for the one before.",
    )
    .attacks(&["A5"])
    .ok(1)
    .asks(8, 5)
    .asks(5, 4)
    .asks(4, 2)
    .ok(2)
    .ok(4)
    .ok(5)
    .ok(8)
    .done(file);
    Follower::new(
        healing,
        PUBLISHER,
        1,
        "healing-chain-publisher",
        "The same in the publish-only half, from the welcome on.",
    )
    .asks(7, 5)
    .asks(5, 4)
    .asks(4, 2)
    .ok(2)
    .ok(4)
    .ok(5)
    .ok(7)
    .ok(6)
    .done(file);
    Follower::new(
        healing,
        READER,
        2,
        "fill-between-healings",
        "A skipped epoch between two healing ones.",
    )
    .ok(2)
    .ok(4)
    .ok(3)
    .done(file);

    let far = Group::new("far", 2);
    let mut edge = far.draft_of(65_537, false);
    edge.generations[0].first_epoch = 1;
    Follower::new(
        &far,
        4,
        1,
        "65536-ahead",
        "65536 epochs above the base are the most.",
    )
    .attacks(&["A15", "F3"])
    .ok_draft(&edge)
    .done(file);
}

fn windows(file: &mut VectorFile) {
    let mut none = Group::new("window-0", 4).with_window(0);
    none.rotate_times(3);
    none.remove(&[18]);
    none.rotate();
    fixtures(&none, file);
    Follower::new(
        &none,
        READER,
        1,
        "window-0",
        "No epoch but the current one is kept.",
    )
    .ok(1)
    .ok(2)
    .ok(3)
    .ok(4)
    .ok(5)
    .done(file);
    let mut wide = Group::new("window-16", 2).with_window(16);
    wide.rotate_times(19);
    Follower::new(&wide, 5, 1, "window-16", "The largest window.")
        .ok(1)
        .ok(17)
        .ok(18)
        .ok(19)
        .ok(3)
        .ok(10)
        .done(file);
    let mut one = Group::new("window-1", 4).with_window(1);
    one.rotate();
    one.remove(&[18]);
    one.rotate_times(3);
    Follower::new(
        &one,
        READER,
        1,
        "healing-below-base",
        "The last healing epoch has left the window.",
    )
    .ok(1)
    .ok(2)
    .ok(3)
    .ok(4)
    .ok(5)
    .done(file);
    Follower::new(
        &one,
        READER,
        1,
        "fill-after-healing-left",
        "Filled after the healing epoch has left the window.",
    )
    .ok(1)
    .ok(2)
    .ok(5)
    .ok(4)
    .done(file);
    let mut shrinking = Group::new("window-shrinks", 4);
    shrinking.rotate_times(3);
    shrinking.policy.window = 0;
    shrinking.rotate();
    Follower::new(
        &shrinking,
        READER,
        1,
        "window-shrinks",
        "The window is the newest announcement's.",
    )
    .ok(1)
    .ok(4)
    .done(file);
}
