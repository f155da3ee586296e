//! Kind `announcement_follow`: another welcome on the way (spec/keys.md §6, §7 "Replacing").

use sealmq_keys::Generation;

use super::follower::{Follower, Welcome, fixtures};
use crate::vectors::group::Group;
use crate::vectors::prelude::*;

const READER: u32 = 17;
const PUBLISHER: u32 = 25;

/// Four epochs under the first delegation; what comes next is signed under the second.
pub(super) fn recovered() -> Group {
    let mut group = Group::new("recovered", 4);
    group.rotate();
    group.remove(&[20]);
    group.rotate();
    group.rotate();
    group.serial = 2;
    group.rotate();
    group.rotate();
    group
}

pub(crate) fn vectors(file: &mut VectorFile) {
    let group = recovered();
    fixtures(&group, file);
    moved(&group, file);
    replaced(&group, file);
    refused(&group, file);
    generation(file);
    other_half(file);
}

/// A welcome to another leaf that the chain agrees with: the window stays.
fn moved(group: &Group, file: &mut VectorFile) {
    let new = |id: &'static str, comment: &'static str| {
        Follower::new(group, READER, 1, id, comment)
            .under(1)
            .attacks(&["B5", "A5"])
            .ok(1)
            .ok(2)
            .ok(3)
            .ok(4)
    };
    let welcome = Welcome::new(group, 23, 5, 2);
    stories! { new => file:
        "welcome-renewed": "A new delegation's welcome that fits: the window stays."
            => .now_under(&authority(2)).moved(&welcome).ok(5).known(4).known(3).ok(6);
    }
    let again = Welcome::new(group, 23, 5, 2).with(|f| (f.serial, f.generation) = (1, 2));
    let again = again.signed_under(1);
    stories! { new => file:
        "welcome-moved": "A welcome to a new generation: the window stays."
            => .moved(&again).known(4).known(3);
    }
    // A member that was away until its welcome: nothing of before is known to contradict it.
    stories! { Follower::of(group, READER, 1) => file:
        "welcome-after-gap": "The member was away: the chain has a gap, and nothing contradicts."
            => .under(1).ok(1).now_under(&authority(2)).moved_keeping(&Welcome::new(group, 23, 5, 2), &[])
            .ok(5).ok(6);
    }
    kept(group, file);
}

/// Of the epochs of an older delegation stay those that the welcome names, or what these name.
fn kept(group: &Group, file: &mut VectorFile) {
    let forged = {
        let mut draft = group.draft_of(4, false);
        draft.salt = digest("salt of the thief").0;
        draft.serial = 1;
        draft.key = controller(1);
        draft
    };
    let new = |id: &'static str, comment: &'static str| {
        Follower::new(group, READER, 1, id, comment)
            .under(1)
            .attacks(&["A15"])
            .ok(1)
            .ok(2)
            .ok(3)
    };
    stories! { new => file:
        "moved-forged-behind-gap": "A forged epoch behind a gap does not stay: only the healing one is named."
            => .ok_draft(&forged).now_under(&authority(2))
            .moved_keeping(&Welcome::new(group, 23, 6, 2), &[2]).ok(6);
        "moved-named-before-gap": "Named by `previous`, two epochs before the welcome's, and what that names."
            => .now_under(&authority(2))
            .moved_keeping(&Welcome::new(group, 23, 6, 2).with(|f| f.previous = group.epoch(3).hash), &[1, 2, 3]);
    }
    let comment = "A welcome of the same delegation names as little, and all of the window stay.";
    let late = Welcome::new(group, 23, 6, 2).with(|f| (f.serial, f.generation) = (1, 2));
    Follower::new(group, READER, 1, "moved-same-serial-gap", comment)
        .under(1)
        .attacks(&["A15"])
        .ok(1)
        .ok(2)
        .ok(4)
        .moved(&late.signed_under(1))
        .done(file);
}

/// What a stolen key had signed goes with it.
fn replaced(group: &Group, file: &mut VectorFile) {
    let mut forged = group.draft_of(4, false);
    forged.salt = digest("salt of the thief").0;
    forged.serial = 1;
    forged.key = controller(1);
    let new = |id: &'static str, comment: &'static str| {
        Follower::new(group, READER, 1, id, comment)
            .under(1)
            .attacks(&["A15"])
            .ok(1)
            .ok(2)
            .ok(3)
    };
    let back = Welcome::new(group, 23, 6, 2).with(|f| {
        f.previous = group.epoch(3).hash;
        (f.healing_epoch, f.healing) = forged.healing;
    });
    let mut far = forged_at(group, 5000);
    stories! { new => file:
        "replaced-previous": "The thief's epoch 4 contradicts the new welcome's predecessor."
            => .ok_draft(&forged).now_under(&authority(2)).replaced(&Welcome::new(group, 23, 5, 2)).ok(5)
            .ok(6);
        "replaced-goes-back": "The welcome goes on from an epoch before the thief's, and leaves epochs out."
            => .ok_draft(&forged).now_under(&authority(2)).replaced(&back);
        "replaced-fast-forward": "The thief ran ahead: the next epoch is far below the current."
            => .ok_draft(&far).now_under(&authority(2)).replaced(&Welcome::new(group, 23, 5, 2))
            .bad_draft(&far, "role").ok(5).ok(6);
    }
    far = forged_at(group, 5);
    far.previous = group.epoch(4).hash;
    let healing = Welcome::new(group, 23, 5, 2).with(|f| f.healing = digest("another healing"));
    stories! { new => file:
        "replaced-same-epoch": "The welcome's epoch is the current one: the thief signed it."
            => .ok_draft(&far).now_under(&authority(2)).replaced(&Welcome::new(group, 23, 5, 2)).ok(5);
        "replaced-healing": "Another healing announcement than the one that was followed."
            => .ok(4).now_under(&authority(2)).replaced(&healing);
    }
    let skipped =
        Welcome::new(group, 23, 5, 2).with(|f| (f.healing_epoch, f.healing) = (3, digest("3")));
    stories! { Follower::of(group, READER, 1) => file:
        "replaced-healing-skipped": "A healing epoch among those that were skipped: what was followed denies it."
            => .under(1).attacks(&["A15"]).ok(1).ok(2).ok(4).now_under(&authority(2)).replaced(&skipped);
    }
}

/// An announcement of the thief, of this epoch and of no predecessor that anybody knows.
fn forged_at(group: &Group, epoch: u64) -> crate::vectors::group::Draft {
    let mut draft = group.draft_of(epoch, false);
    draft.salt = digest("salt of the thief").0;
    draft.serial = 1;
    draft.key = controller(1);
    draft.previous = digest("what the thief signed before");
    draft.healing = (2, group.epoch(2).hash);
    draft
}

fn refused(group: &Group, file: &mut VectorFile) {
    let new = |id: &'static str, comment: &'static str| {
        Follower::new(group, READER, 1, id, comment)
            .under(1)
            .attacks(&["B5", "A15"])
            .ok(1)
            .ok(2)
            .ok(3)
            .ok(4)
    };
    let fork = |f: &mut sealmq_keys::WelcomeFields| {
        (f.serial, f.generation, f.previous) = (1, 2, digest("another predecessor"));
    };
    let welcome = Welcome::new(group, 23, 5, 2).with(fork).signed_under(1);
    stories! { new => file:
        "welcome-fork": "Of the same delegation, and it contradicts: nothing is replaced."
            => .not_installed(&welcome, "fork");
    }
    let healing = |f: &mut sealmq_keys::WelcomeFields| {
        (f.serial, f.generation, f.healing) = (1, 2, digest("another healing"));
    };
    let welcome = Welcome::new(group, 23, 5, 2).with(healing).signed_under(1);
    stories! { new => file:
        "welcome-fork-healing": "It names another healing announcement." => .not_installed(&welcome, "fork");
    }
    healing_skipped(group, file);
    let later = Welcome::new(group, 23, 6, 2).with(|f| f.previous = digest("another"));
    stories! { Follower::of(group, READER, 1) => file:
        "welcome-fork-followed": "The newest announcement is of the welcome's own delegation."
            => .attacks(&["A15"]).under(2).asks(5, 2).ok(2).ok(5).not_installed(&later, "fork");
    }
    let old = Welcome::new(group, 23, 1, 2).with(|f| (f.serial, f.generation) = (1, 1));
    stories! { new => file:
        "welcome-again": "Serial, generation and epoch of the installed one."
            => .not_installed(&old.signed_under(1), "too_old");
    }
    let old = Welcome::new(group, 23, 5, 2).with(|f| (f.serial, f.generation) = (1, 0));
    let below = Welcome::new(group, 23, 1, 2).with(|f| (f.serial, f.generation) = (1, 2));
    let stolen = Welcome::new(group, 23, 5, 2).with(|f| f.serial = 1);
    stories! { new => file:
        "welcome-older-generation": "An older generation, whatever the epoch."
            => .not_installed(&old.signed_under(1), "too_old");
        "welcome-below-base": "A newer generation, for an epoch that has left the window."
            => .not_installed(&below.signed_under(1), "too_old");
        "welcome-old-key": "Of the old delegation, after the new one was accepted."
            => .now_under(&authority(2)).not_installed(&stolen.signed_under(1), "role");
    }
}

/// Up to the current epoch no healing one was skipped: a welcome that names one contradicts.
fn healing_skipped(group: &Group, file: &mut VectorFile) {
    let new = |id: &'static str, comment: &'static str| {
        Follower::new(group, READER, 1, id, comment)
            .under(1)
            .attacks(&["A15"])
            .ok(1)
            .ok(2)
            .ok(4)
    };
    let welcome = |epoch: u64, healing: (u64, Digest)| {
        let fields = Welcome::new(group, 23, epoch, 2);
        let fields = fields.with(|f| {
            (f.serial, f.generation) = (1, 2);
            (f.healing_epoch, f.healing) = healing;
        });
        fields.signed_under(1)
    };
    stories! { new => file:
        "welcome-fork-healing-of-slot": "For an epoch that was followed: its announcement names another healing epoch."
            => .not_installed(&welcome(4, (3, group.epoch(3).hash)), "fork");
        "welcome-fork-healing-skipped": "For the next epoch, and healed in one that was skipped."
            => .not_installed(&welcome(5, (3, digest("3"))), "fork");
        "welcome-fork-healing-before-base": "Healed before the base, in another epoch than the welcome before says."
            => .ok(3)
            .moved(&Welcome::new(group, 23, 4, 3).with(|f| (f.serial, f.generation) = (1, 2)).signed_under(1))
            .not_installed(&welcome(5, (3, digest("3"))).with(|f| f.generation = 3), "fork");
        "welcome-healing-to-come": "Healed in an epoch that the member has not seen."
            => .moved(&welcome(7, (5, digest("5"))));
    }
}

/// Two trees at once: a member reads the cover of the one that its newest welcome names.
fn generation(file: &mut VectorFile) {
    let mut group = Group::new("older tree", 4);
    group.rotate_times(3);
    let newer = Group::new("newer tree", 5);
    let mut draft = group.draft(false);
    let first = draft.generations[0];
    let second = Generation {
        number: 2,
        depth: 5,
        first_epoch: 1,
        deadline: 0,
    };
    draft.generations = vec![first, second];
    let (_, head_hash) = group.head(&draft);
    let covers = [
        group.inline(&draft, &head_hash, &[2, 3]),
        newer.inline(&draft, &head_hash, &[2, 3]),
    ];
    group.accept_with(draft, &covers.concat());
    let fields = |leaf: u32| {
        let mut welcome = Welcome::new(&group, READER, 4, 2);
        (
            welcome.fields.generation,
            welcome.fields.depth,
            welcome.fields.leaf,
        ) = (2, 5, leaf);
        welcome.keys_of(&newer)
    };
    let new = |id: &'static str, comment: &'static str| {
        Follower::new(&group, READER, 1, id, comment)
            .ok(1)
            .ok(2)
            .ok(3)
    };
    stories! { new => file:
        "generation-moves": "Moved before the epoch that both trees cover." => .moved(&fields(40)).ok(4);
        "generation-moves-late": "Moved after the old tree's entry was read."
            => .ok(4).moved(&fields(40)).known(4);
    }
}

/// A change of grants: the old leaf counts as removed, the new one is in the other half.
fn other_half(file: &mut VectorFile) {
    let mut group = Group::new("other-half", 4);
    group.rotate();
    group.rotate();
    group.remove(&[READER, PUBLISHER]);
    group.rotate();
    fixtures(&group, file);
    let new = |id: &'static str, leaf: u32, comment: &'static str| {
        Follower::new(&group, leaf, 1, id, comment)
            .attacks(&["A21", "A27"])
            .ok(1)
            .ok(2)
    };
    new(
        "half-publishers",
        READER,
        "A reader that may only publish from epoch 3 on.",
    )
    .bad(3, "not_covered")
    .moved(&Welcome::new(&group, 28, 3, 2))
    .known(2)
    .ok(3)
    .ok(4)
    .done(file);
    new(
        "half-readers",
        PUBLISHER,
        "A publish-only member that may read from epoch 3 on.",
    )
    .moved(&Welcome::new(&group, 20, 3, 2))
    .known(1)
    .ok(3)
    .ok(4)
    .done(file);
    new(
        "half-readers-late",
        PUBLISHER,
        "Followed already in the other half: what that gave is dropped and followed again.",
    )
    .moved(&Welcome::new(&group, 20, 2, 2))
    .known(1)
    .ok(2)
    .ok(3)
    .ok(4)
    .done(file);
}
