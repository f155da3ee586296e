//! Kind `announcement_follow`: what is named and by what, and what contradicts a welcome
//! (spec/keys.md §3, §7).

use sealmq_keys::WelcomeFields;

use super::super::follow::{READER, healing, ordinary};
use super::super::follower::{Follower, Welcome};
use super::super::replacing::recovered;
use crate::vectors::group::{Draft, Group};
use crate::vectors::prelude::*;

pub(super) fn vectors(file: &mut VectorFile) {
    let (ordinary, healing, recovered) = (ordinary(), healing(), recovered());
    named(&recovered, file);
    claims(&ordinary, &healing, file);
    orders(&ordinary, &recovered, file);
    contradictions(&ordinary, &healing, file);
    current(&ordinary, file);
}

/// An announcement that a stolen key of this serial signed.
fn forged(group: &Group, serial: u32, epoch: u64, previous: Option<Digest>) -> Draft {
    let mut draft = group.draft_of(epoch, false);
    (draft.serial, draft.key) = (serial, controller(serial));
    draft.salt = digest("salt of the thief").0;
    draft.previous = previous.unwrap_or(draft.previous);
    draft
}

fn hash_of(group: &Group, draft: &Draft) -> Digest {
    hash(&group.encode(draft))
}

fn named(group: &Group, file: &mut VectorFile) {
    let third = forged(group, 3, 4, None);
    let next = forged(group, 2, 5, Some(hash_of(group, &third)));
    stories! { Follower::of(group, READER, 3) => file:
        "named-newer-serial": "Named by one that counts, and of a serial that the member does not know yet."
            => .attacks(&["A16"]).under(2).ok_draft(&next).bad_draft(&third, "role");
    }
    let mut issued = forged(group, 2, 4, None);
    (issued.signer, issued.key) = (ISSUER, issuer(2));
    let next = forged(group, 2, 5, Some(hash_of(group, &issued)));
    let mut refused = forged(group, 2, 5, None);
    refused.psk_check = Some([9; 32]);
    let old = forged(group, 1, 3, None);
    let newer = forged(group, 1, 4, Some(hash_of(group, &old)));
    stories! { |id, comment, epoch| Follower::new(group, READER, epoch, id, comment) => file:
        "named-wrong-role": "Named by one that counts, of the current serial, and by a key without the role.",
            3 => .attacks(&["A16"]).under(2).ok_draft(&next).bad_draft(&issued, "role");
        "named-not-followed": "Named by one that was refused: it counts only once that one was followed.",
            3 => .attacks(&["A16"]).under(2).bad_draft(&refused, "wrong_secret").bad(4, "role").ok(5).ok(4);
        "named-before-replaced": "What was named by what a welcome replaced counts no longer.",
            1 => .attacks(&["A15", "A16"]).under(1).ok(1).ok(2).ok_draft(&newer).now_under(&authority(2))
            .replaced(&Welcome::new(group, 23, 3, 2)).bad_draft(&old, "role");
    }
}

/// What an announcement says of the healing epoch before it.
fn claims(ordinary: &Group, healing: &Group, file: &mut VectorFile) {
    let claiming = |group: &Group, epoch: u64, healing: (u64, Digest)| {
        let mut draft = group.draft_of(epoch, false);
        draft.healing = healing;
        draft
    };
    stories! { |id, comment, group, epoch| Follower::new(group, READER, epoch, id, comment) => file:
        "fork-healing-epoch-of-welcome": "The hash of the welcome's last healing epoch, for another epoch.",
            healing, 7 => .attacks(&["B3"])
            .bad_draft(&claiming(healing, 7, (4, healing.epoch(5).hash)), "fork");
        "fork-healing-none": "It names an ordinary epoch as a healing one, and only the first has healed.",
            ordinary, 1 => .attacks(&["A14"]).through(1..=3)
            .bad_draft(&claiming(ordinary, 4, (2, ordinary.epoch(2).hash)), "fork");
    }
}

fn again(f: &mut WelcomeFields) {
    f.generation = 2;
}

/// Which of two welcomes is the newer one.
fn orders(ordinary: &Group, recovered: &Group, file: &mut VectorFile) {
    let second = Welcome::new(recovered, 22, 5, 3).with(|f| {
        (f.generation, f.previous) = (2, digest("another predecessor"));
    });
    stories! { |id, comment, group, epoch| Follower::new(group, READER, epoch, id, comment) => file:
        "welcome-same": "Serial, generation, epoch and package of the installed one.",
            ordinary, 1 => .attacks(&["B5"]).not_installed(&Welcome::new(ordinary, 23, 1, 1), "too_old");
        "welcome-same-epoch": "Serial, generation and epoch of the installed one, to a later package; then to one between.",
            ordinary, 1 => .attacks(&["B5"]).through(1..=2)
            .moved(&Welcome::new(ordinary, 23, 1, 3)).known(2)
            .not_installed(&Welcome::new(ordinary, 23, 1, 2), "too_old");
        "welcome-serial-alone": "Generation, epoch and package of the installed one, under a higher serial.",
            recovered, 5 => .attacks(&["A15"]).under(1).now_under(&authority(2))
            .moved(&Welcome::new(recovered, 23, 5, 1)).ok(5);
        "welcome-fork-installed": "It contradicts a welcome of the same serial, after which nothing was followed.",
            recovered, 1 => .attacks(&["A15"]).under(1).ok(1).ok(2)
            .ok_draft(&forged(recovered, 1, 6, Some(digest("before the thief")))).now_under(&authority(2))
            .replaced(&Welcome::new(recovered, 23, 5, 2)).not_installed(&second, "fork").ok(5);
        "welcome-below-current": "A newer generation, for an epoch of the window.",
            ordinary, 1 => .attacks(&["B5"]).through(1..=4)
            .moved(&Welcome::new(ordinary, 23, 3, 2).with(again)).known(4).known(3);
    }
}

/// Welcomes of the same serial that contradict what was followed replace nothing.
fn contradictions(ordinary: &Group, healing: &Group, file: &mut VectorFile) {
    let another = |f: &mut WelcomeFields| {
        (f.generation, f.previous) = (2, digest("another predecessor"));
    };
    let welcome = Welcome::new(ordinary, 23, 3, 2).with(another);
    let denies = Welcome::new(healing, 23, 4, 2).with(|f| {
        (f.generation, f.healing_epoch, f.healing) = (2, 0, Digest::ZERO);
    });
    let invents = Welcome::new(healing, 23, 4, 2).with(|f| {
        (f.generation, f.healing_epoch, f.healing) = (2, 3, f.previous);
    });
    stories! { |id, comment, group, epoch| Follower::new(group, READER, epoch, id, comment) => file:
        "welcome-fork-next": "The announcement of its own epoch names another predecessor.",
            ordinary, 1 => .attacks(&["A14"]).ok(1).ok(3).not_installed(&welcome, "fork");
        "welcome-fork-base": "The welcome before names another predecessor.",
            ordinary, 3 => .attacks(&["A14"]).not_installed(&welcome, "fork");
        "welcome-fork-healing-denied": "It denies a healing epoch that was followed.",
            healing, 1 => .attacks(&["A14"]).through(1..=3).not_installed(&denies, "fork");
        "welcome-fork-healing-ordinary": "It says that an ordinary epoch healed.",
            healing, 1 => .attacks(&["A14"]).through(1..=3).not_installed(&invents, "fork");
        "welcome-healing-own": "The epoch that it is for healed: the one before it is what it names.",
            healing, 1 => .ok(1).ok(2).moved(&Welcome::new(healing, 23, 2, 2).with(again)).known(2);
    }
}

/// A member that moves to the other half follows the epochs from there again.
fn current(ordinary: &Group, file: &mut VectorFile) {
    stories! { Follower::of(ordinary, 27, 1) => file:
        "half-current": "Its current epoch is the one before the welcome's, until it has followed that."
            => .attacks(&["A27"]).through(1..=4).moved(&Welcome::new(ordinary, 23, 3, 2)).ok(3).ok(4);
    }
}
