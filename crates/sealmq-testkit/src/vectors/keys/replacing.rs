//! Kind `announcement_follow`: another welcome on the way (spec/keys.md §6, §7 "Replacing").

use sealmq_keys::Generation;

use super::follower::{Follower, Welcome, fixtures};
use crate::vectors::group::{Draft, Group};
use crate::vectors::prelude::*;

const READER: u32 = 17;
const PUBLISHER: u32 = 25;

/// Four epochs under the first delegation; what comes next is signed under the second.
pub(super) fn recovered() -> Group {
    let mut group = Group::new("recovered", 4);
    group.rotate();
    group.remove(&[20]);
    group.rotate_times(2);
    group.serial = 2;
    group.rotate_times(2);
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
    let welcome = || Welcome::new(group, 23, 5, 2);
    stories! { Follower::of(group, READER, 1), [.under(1).attacks(&["B5", "A5"]).through(1..=4)] => file:
        "welcome-renewed": "A new delegation's welcome that fits: the window stays."
            => .now_under(&authority(2)).moved(&welcome()).ok(5).known(4).known(3).ok(6);
        "welcome-moved": "A welcome to a new generation: the window stays."
            => .moved(&of_old(welcome(), 2)).known(4).known(3);
    }
    // A member that was away until its welcome: nothing of before is known to contradict it.
    stories! { Follower::of(group, READER, 1), [.under(1).ok(1)] => file:
        "welcome-after-gap": "The member was away: the chain has a gap, and nothing contradicts."
            => .now_under(&authority(2)).moved_keeping(&welcome(), &[]).ok(5).ok(6);
    }
    kept(group, file);
}

/// The same welcome of the first delegation, and of this generation.
fn of_old(welcome: Welcome<'_>, generation: u32) -> Welcome<'_> {
    welcome
        .with(|f| (f.serial, f.generation) = (1, generation))
        .signed_under(1)
}

/// What a thief of the first delegation's key announces.
fn forged(group: &Group, epoch: u64) -> Draft {
    let (serial, key, salt) = (1, controller(1), digest("salt of the thief").0);
    Draft {
        serial,
        key,
        salt,
        ..group.draft_of(epoch, false)
    }
}

/// Of the epochs of an older delegation stay those that the welcome names, or what these name.
fn kept(group: &Group, file: &mut VectorFile) {
    let welcome = || Welcome::new(group, 23, 6, 2);
    let named = welcome().with(|f| f.previous = group.epoch(3).hash);
    stories! { Follower::of(group, READER, 1), [.under(1).attacks(&["A15"]).ok(1).ok(2)] => file:
        "moved-forged-behind-gap": "A forged epoch behind a gap does not stay: only the healing one is named."
            => .ok(3).ok_draft(&forged(group, 4)).now_under(&authority(2)).moved_keeping(&welcome(), &[2]).ok(6);
        "moved-named-before-gap": "Named by `previous`, two epochs before the welcome's, and what that names."
            => .ok(3).now_under(&authority(2)).moved_keeping(&named, &[1, 2, 3]);
        "moved-same-serial-gap": "A welcome of the same delegation names as little, and all of the window stay."
            => .ok(4).moved(&of_old(welcome(), 2));
    }
}

/// What a stolen key had signed goes with it.
fn replaced(group: &Group, file: &mut VectorFile) {
    let (stolen, welcome) = (forged(group, 4), || Welcome::new(group, 23, 5, 2));
    let back = Welcome::new(group, 23, 6, 2).with(|f| {
        f.previous = group.epoch(3).hash;
        (f.healing_epoch, f.healing) = stolen.healing;
    });
    // Of no predecessor that anybody knows.
    let far = |epoch: u64, previous| {
        let healing = (2, group.epoch(2).hash);
        Draft {
            previous,
            healing,
            ..forged(group, epoch)
        }
    };
    let ahead = far(5000, digest("what the thief signed before"));
    let current = far(5, group.epoch(4).hash);
    let healing = welcome().with(|f| f.healing = digest("another healing"));
    let skipped = welcome().with(|f| (f.healing_epoch, f.healing) = (3, digest("3")));
    stories! { Follower::of(group, READER, 1), [.under(1).attacks(&["A15"]).ok(1).ok(2)] => file:
        "replaced-previous": "The thief's epoch 4 contradicts the new welcome's predecessor."
            => .ok(3).ok_draft(&stolen).now_under(&authority(2)).replaced(&welcome()).ok(5).ok(6);
        "replaced-goes-back": "The welcome goes on from an epoch before the thief's, and leaves epochs out."
            => .ok(3).ok_draft(&stolen).now_under(&authority(2)).replaced(&back);
        "replaced-fast-forward": "The thief ran ahead: the next epoch is far below the current."
            => .ok(3).ok_draft(&ahead).now_under(&authority(2)).replaced(&welcome()).bad_draft(&ahead, "role")
            .ok(5).ok(6);
        "replaced-same-epoch": "The welcome's epoch is the current one: the thief signed it."
            => .ok(3).ok_draft(&current).now_under(&authority(2)).replaced(&welcome()).ok(5);
        "replaced-healing": "Another healing announcement than the one that was followed."
            => .ok(3).ok(4).now_under(&authority(2)).replaced(&healing);
        "replaced-healing-skipped": "A healing epoch among those that were skipped: what was followed denies it."
            => .ok(4).now_under(&authority(2)).replaced(&skipped);
    }
}

fn refused(group: &Group, file: &mut VectorFile) {
    let welcome =
        |epoch: u64, generation: u32| of_old(Welcome::new(group, 23, epoch, 2), generation);
    let fork = welcome(5, 2).with(|f| f.previous = digest("another predecessor"));
    let healing = welcome(5, 2).with(|f| f.healing = digest("another healing"));
    stories! { Follower::of(group, READER, 1), [.under(1).attacks(&["B5", "A15"]).through(1..=4)] => file:
        "welcome-fork": "Of the same delegation, and it contradicts: nothing is replaced."
            => .not_installed(&fork, "fork");
        "welcome-fork-healing": "It names another healing announcement." => .not_installed(&healing, "fork");
    }
    healing_skipped(group, file);
    let later = Welcome::new(group, 23, 6, 2).with(|f| f.previous = digest("another"));
    stories! { Follower::of(group, READER, 1) => file:
        "welcome-fork-followed": "The newest announcement is of the welcome's own delegation."
            => .attacks(&["A15"]).under(2).asks(5, 2).asks(2, 1).ok(1).ok(2).ok(5).not_installed(&later, "fork");
    }
    let stolen = of_old(Welcome::new(group, 23, 5, 2), 1);
    stories! { Follower::of(group, READER, 1), [.under(1).attacks(&["B5", "A15"]).through(1..=4)] => file:
        "welcome-again": "Serial, generation, epoch and package of the installed one."
            => .not_installed(&of_old(Welcome::new(group, 23, 1, 1), 1), "too_old");
        "welcome-older-generation": "An older generation, whatever the epoch."
            => .not_installed(&welcome(5, 0), "too_old");
        "welcome-below-base": "A newer generation, for an epoch that has left the window."
            => .not_installed(&welcome(1, 2), "too_old");
        "welcome-old-key": "Of the old delegation, after the new one was accepted."
            => .now_under(&authority(2)).not_installed(&stolen, "role");
    }
}

/// Up to the current epoch no healing one was skipped: a welcome that names one contradicts.
fn healing_skipped(group: &Group, file: &mut VectorFile) {
    let welcome = |epoch: u64, (healing_epoch, healing): (u64, Digest)| {
        let welcome = of_old(Welcome::new(group, 23, epoch, 2), 2);
        welcome.with(|f| (f.healing_epoch, f.healing) = (healing_epoch, healing))
    };
    let moved = of_old(Welcome::new(group, 23, 4, 3), 2);
    stories! { Follower::of(group, READER, 1), [.under(1).attacks(&["A15"]).ok(1).ok(2).ok(4)] => file:
        "welcome-fork-healing-of-slot": "For an epoch that was followed: its announcement names another healing epoch."
            => .not_installed(&welcome(4, (3, group.epoch(3).hash)), "fork");
        "welcome-fork-healing-skipped": "For the next epoch, and healed in one that was skipped."
            => .not_installed(&welcome(5, (3, digest("3"))), "fork");
        "welcome-fork-healing-before-base": "Healed before the base, in another epoch than the welcome before says."
            => .ok(3).moved(&moved).not_installed(&welcome(5, (3, digest("3"))).with(|f| f.generation = 3), "fork");
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
    draft.generations.push(Generation {
        number: 2,
        depth: 5,
        first_epoch: 1,
        deadline: 0,
    });
    let (_, head_hash) = group.head(&draft);
    let covers = [&group, &newer].map(|keys| keys.inline(&draft, &head_hash, &[2, 3]));
    group.accept_with(draft, &covers.concat());
    let moved = Welcome::new(&group, READER, 4, 2);
    let moved = moved
        .with(|f| (f.generation, f.depth, f.leaf) = (2, 5, 40))
        .keys_of(&newer);
    stories! { Follower::of(&group, READER, 1), [.through(1..=3)] => file:
        "generation-moves": "Moved before the epoch that both trees cover." => .moved(&moved).ok(4);
        "generation-moves-late": "Moved after the old tree's entry was read."
            => .ok(4).moved(&moved).known(4);
    }
}

/// A change of grants: the old leaf counts as removed, the new one is in the other half.
fn other_half(file: &mut VectorFile) {
    let mut group = Group::new("other-half", 4);
    group.rotate_times(2);
    group.remove(&[READER, PUBLISHER]);
    group.rotate();
    fixtures(&group, file);
    let of = |id, comment, leaf| Follower::new(&group, leaf, 1, id, comment);
    stories! { of, [.attacks(&["A21", "A27"]).ok(1).ok(2)] => file:
        "half-publishers": "A reader that may only publish from epoch 3 on.", READER
            => .bad(3, "not_covered").moved(&Welcome::new(&group, 28, 3, 2)).known(2).ok(3).ok(4);
        "half-readers": "A publish-only member that may read from epoch 3 on.", PUBLISHER
            => .moved(&Welcome::new(&group, 20, 3, 2)).known(1).ok(3).ok(4);
        "half-readers-late": "Followed already in the other half: what that gave is dropped and followed again.", PUBLISHER
            => .moved(&Welcome::new(&group, 20, 2, 2)).known(1).through(2..=4);
    }
}
