//! Kind `announcement_follow`: which kept keys a member has (spec/keys.md §7, "Kept keys").

use super::follow::{PUBLISHER, READER};
use super::follower::{Follower, Welcome, fixtures};
use crate::vectors::group::{Draft, Group, KeptList};
use crate::vectors::prelude::*;

/// Eight epochs, of which 1, 3, 4, 6 and 7 heal.
fn five_times(label: &'static str, kept: u8) -> Group {
    let mut group = Group::new(label, 4);
    group.policy.kept = kept;
    group.remove(&[]);
    group.rotate();
    group.remove(&[20]);
    group.remove(&[21]);
    group.rotate();
    group.remove(&[30]);
    group.remove(&[22]);
    group.rotate();
    group
}

/// The list of the group, signed under a later delegation.
fn renewed(group: &Group, serial: u32) -> KeptList {
    group.kept_list().with(|list| list.serial = serial)
}

pub(crate) fn vectors(file: &mut VectorFile) {
    let group = five_times("kept", 2);
    fixtures(&group, file);
    counts(&group, file);
    keys(&group, file);
    back(&group, file);
    refused(&group, file);
    delegations(&group, file);
    named(file);
    welcomes(&group, file);
}

/// As many as the policy says.
fn counts(group: &Group, file: &mut VectorFile) {
    let none = five_times("kept-0", 0);
    let mut lowered = five_times("kept-lowered", 2);
    lowered.policy.kept = 1;
    lowered.rotate();
    lowered.policy.kept = 2;
    lowered.rotate();
    stories! { |id, comment, group, leaf| Follower::new(group, leaf, 1, id, comment), [.attacks(&["A43"])] => file:
        "kept-count": "Five healing epochs: the newest kept keys, and two of before.",
            group, READER => .through(1..=8);
        "kept-publisher": "A publish-only member has the newest only.", group, PUBLISHER => .through(1..=8);
        "kept-0": "The policy keeps none of before.", &none, READER => .through(1..=8);
        "kept-lowered": "Another policy: what it does not keep is gone for good.",
            &lowered, READER => .through(1..=10);
        "kept-skipped": "Away for four healing epochs: each is asked for, and the newest stands first.",
            group, READER => .ok(1).asks(8, 7).asks(7, 6).asks(6, 4).asks(4, 3).ok(3).ok(4).ok(6).ok(7).ok(8);
    }
    let lone = {
        let mut group = Group::new("kept-late", 4);
        group.begin_ordinary();
        group.rotate();
        group.remove(&[20]);
        group
    };
    stories! { |id, comment, leaf| Follower::new(&lone, leaf, 1, id, comment) => file:
        "kept-late": "A group that began with an ordinary epoch has none until it heals.",
            READER => .through(1..=3);
    }
}

/// The key in the announcement.
fn keys(group: &Group, file: &mut VectorFile) {
    let other = Draft {
        kept_key: Some(public_of("another kept secret")),
        ..group.draft_of(3, true)
    };
    let later = Draft {
        kept_key: other.kept_key.clone(),
        ..group.draft_of(4, true)
    };
    stories! { |id, comment, leaf| Follower::new(group, leaf, 1, id, comment), [.attacks(&["A43", "C7"]).ok(1).ok(2)] => file:
        "kept-key-other-reader": "Another kept_key than the one that follows from the secret.",
            READER => .bad_draft(&other, "wrong_secret").ok(3).bad_draft(&later, "wrong_secret");
        "kept-key-other-publisher": "A publish-only member cannot check it: it takes what is signed.",
            PUBLISHER => .ok_draft(&other);
    }
}

/// Any X25519 key.
fn public_of(label: &str) -> Vec<u8> {
    let pair = sealmq_core::crypto::KemKeyPair::derive(&secret(label));
    pair.public().0.to_vec()
}

/// Who joined later goes back.
fn back(group: &Group, file: &mut VectorFile) {
    let list = group.kept_list();
    let empty = list.with(|list| list.entries.clear());
    stories! { |id, comment, leaf, epoch| Follower::new(group, leaf, epoch, id, comment), [.attacks(&["A44"])] => file:
        "kept-back": "Joined after the last healing epoch: it goes back as far as the policy says.",
            READER, 8 => .ok(8).goes_back(&list, &[(7, 1), (6, 1), (4, 1)]).ignores(&list);
        "kept-back-no-policy": "No announcement was followed: no policy says that anything of before is kept.",
            READER, 8 => .ignores(&list).ok(8).goes_back(&list, &[(7, 1), (6, 1), (4, 1)]);
        "kept-back-empty": "Nothing is kept of before.", READER, 8 => .ok(8).ignores(&empty);
        "kept-back-from-entry": "The newest one is to come: it goes back from what it has.",
            READER, 4 => .ok(4).goes_back(&list, &[(4, 1), (3, 1), (1, 1)]).ignores(&list);
        "kept-back-then-forward": "What it went back to makes room for what comes.",
            READER, 4 => .ok(4).goes_back(&list, &[(4, 1), (3, 1), (1, 1)]).ok(5).ok(6).ok(7)
            .ignores(&list);
        "kept-back-publisher": "A publish-only member has no use for it.",
            PUBLISHER, 8 => .ok(8).ignores(&list);
    }
}

/// Objects that bring nothing.
fn refused(group: &Group, file: &mut VectorFile) {
    let list = group.kept_list();
    let elsewhere = list.with(|list| list.group = office());
    let past = list.with(|list| {
        list.newest = digest("another chain");
        list.entries.clear();
    });
    stories! { |id, comment, epoch| Follower::new(group, READER, epoch, id, comment), [.attacks(&["A44"])] => file:
        "kept-ahead": "No kept keys are there yet: the announcement of its newest epoch is to come.",
            1 => .ahead(&list).ok(1).ignores(&list);
        "kept-ahead-refused": "Of another chain, and its newest epoch is to come.", 4 => .ahead(&past);
        "kept-not-ahead": "Of another chain, and its newest epoch was followed.", 8 => .ok(8).ignores(&past);
        "kept-back-group": "The kept keys of another group.", 8 => .ok(8).not_kept(&elsewhere, "group");
        "kept-back-role": "Of a delegation that is not held.", 8 => .ok(8).not_kept(&renewed(group, 2), "role");
    }
}

/// What another delegation leaves.
fn delegations(group: &Group, file: &mut VectorFile) {
    let (second, empty) = (
        renewed(group, 2),
        renewed(group, 2).with(|list| list.entries.clear()),
    );
    let broken = second.with(|list| list.entries[0].sealed[0] ^= 1);
    let of = |id, comment, leaf, epoch| Follower::new(group, leaf, epoch, id, comment);
    stories! { of, [.attacks(&["A43"]).under(1)] => file:
        "kept-ended": "A delegation that continues nothing: all kept keys go with the one before.",
            READER, 1 => .through(1..=8).takes(&authority(2), &[]).ignores(&second);
        "kept-ended-publisher": "The same at a publish-only member.",
            PUBLISHER, 1 => .through(1..=8).takes(&authority(2), &[]);
        "kept-ended-since": "A delegation that continues later ones only.",
            READER, 1 => .through(1..=8).takes(&continuing(3, 2), &[]);
        "kept-renewed": "Continued: they stay, and an object of the new delegation vouches for all that it names.",
            READER, 1 => .through(1..=8).takes(&continuing(2, 1), &[7, 6, 4])
            .goes_back(&second, &[(7, 2), (6, 2), (4, 2)]).takes(&continuing(3, 2), &[7, 6, 4]);
        "kept-renewed-newest": "An object without entries vouches for the newest only.",
            READER, 1 => .through(1..=8).takes(&continuing(2, 1), &[7, 6, 4])
            .goes_back(&empty, &[(7, 2), (6, 1), (4, 1)]).takes(&continuing(3, 2), &[7]);
        "kept-renewed-ahead": "It vouches for its entries, too, if its newest one is to come.",
            READER, 1 => .through(1..=4).takes(&continuing(2, 1), &[4, 3, 1])
            .goes_back(&second, &[(4, 2), (3, 2), (1, 2)]).takes(&continuing(3, 2), &[4, 3, 1]);
        "kept-renewed-broken": "It vouches for what stands behind an entry that does not open.",
            READER, 1 => .through(1..=8).takes(&continuing(2, 1), &[7, 6, 4])
            .goes_back(&broken, &[(7, 2), (6, 2), (4, 2)]);
        "kept-renewed-twice": "Continued twice, and nothing of the second delegation named them.",
            READER, 1 => .through(1..=8).takes(&continuing(2, 1), &[7, 6, 4])
            .takes(&continuing(3, 1), &[7, 6, 4]).takes(&continuing(4, 2), &[]);
        "kept-renewed-opened": "What an object brings is of the object's serial.",
            READER, 8 => .ok(8).takes(&continuing(2, 1), &[7])
            .goes_back(&second, &[(7, 2), (6, 2), (4, 2)]);
        "kept-renewed-publisher": "No object vouches for a publish-only member's.",
            PUBLISHER, 1 => .through(1..=8).takes(&continuing(2, 1), &[7]).ignores(&second)
            .takes(&continuing(3, 2), &[]);
    }
}

/// Three epochs of the first delegation, of which 1 and 2 heal, and three of the second, of which 5
/// heals.
fn two_serials() -> Group {
    let mut group = Group::new("kept-serials", 4);
    group.remove(&[]);
    group.remove(&[20]);
    group.rotate();
    group.serial = 2;
    group.rotate();
    group.remove(&[21]);
    group.rotate();
    group
}

/// An announcement that another one names counts under a later delegation; its kept keys do not.
fn named(file: &mut VectorFile) {
    let group = two_serials();
    fixtures(&group, file);
    let of = |id, comment, epoch, held: &Authority| {
        Follower::new(&group, READER, epoch, id, comment).holding(held)
    };
    stories! { of, [.attacks(&["A43", "A16"])] => file:
        "kept-named-old": "Followed because it is named, under a delegation that does not continue its own: no kept keys.",
            1, &authority(2) => .asks(4, 2).asks(2, 1).ok(1).ok(2).ok(4).ok(5).ok(6);
        "kept-named-continued": "The same, and continued.",
            1, &continuing(2, 1) => .asks(4, 2).asks(2, 1).ok(1).ok(2).ok(4).ok(5).ok(6);
        "kept-named-late": "A welcome of before brought them, and the delegation that is held ended them.",
            3, &authority(2) => .ok(4).ok(3).ok(5);
    }
}

/// Welcomes on the way.
fn welcomes(group: &Group, file: &mut VectorFile) {
    let welcome = |leaf: u32| Welcome::new(group, leaf, 8, 2);
    let of = |id, comment, leaf| Follower::new(group, leaf, 1, id, comment);
    stories! { of, [.attacks(&["A43", "A44"])] => file:
        "kept-welcome-newer": "Newer ones than the member has: the policy's number is kept.",
            READER => .through(1..=4).moved(&welcome(23)).ok(8);
        "kept-welcome-none": "A welcome without kept keys ends none.",
            READER => .through(1..=8).moved(&welcome(23).bringing_none()).known(8);
        "kept-welcome-half": "A reader that may only publish: what it could read goes.",
            READER => .through(1..=8).moved(&welcome(28)).ok(8);
        "kept-welcome-half-none": "The same, and the welcome brings nothing.",
            READER => .through(1..=8).moved(&welcome(28).bringing_none()).ok(8);
        "kept-welcome-half-reader": "A publish-only member that may read: the welcome's only.",
            PUBLISHER => .through(1..=8).moved(&welcome(23)).ok(8);
    }
    let later = {
        let mut group = five_times("kept", 2);
        group.serial = 2;
        group.remove(&[23]);
        group.rotate();
        group
    };
    let few = {
        let mut group = five_times("kept-gone", 2);
        group.policy.kept = 0;
        group.remove(&[23]);
        group.policy.kept = 2;
        group.rotate();
        group
    };
    let (next, old) = (
        Welcome::new(&later, 19, 9, 2),
        Welcome::new(&later, 19, 9, 2),
    );
    let fork = Welcome::new(&later, 19, 9, 2).with(|f| f.previous = digest("another"));
    let fork_none = fork.clone().bringing_none();
    let below = Welcome::new(&few, 19, 9, 2).with(|f| f.generation = 2);
    let (continued, third) = (continuing(2, 1), continuing(3, 2));
    stories! { |id, comment, group| Follower::new(group, READER, 1, id, comment), [.attacks(&["A43"]).under(1).through(1..=8)] => file:
        "kept-welcome-known": "What the member has: the welcome vouches for it.",
            &later => .now_under(&continued).moved(&next).takes(&third, &[7]);
        "kept-welcome-older": "Newer ones are there: the welcome vouches for what the member has.",
            &later => .takes(&continued, &[7, 6, 4]).ok(9).ok(10).moved(&old).takes(&third, &[9, 7]);
        "kept-welcome-gone": "Newer ones are there, and its own were deleted: they do not come back.",
            &few => .ok(9).ok(10).moved(&below);
        "kept-replaced": "What replaces the state replaces its kept keys.",
            &later => .now_under(&continued).replaced(&fork);
        "kept-replaced-none": "The same, and the welcome brings nothing.",
            &later => .now_under(&continued).replaced(&fork_none);
    }
}
