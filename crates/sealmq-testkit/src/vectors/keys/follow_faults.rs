//! Kind `announcement_follow`: forks, wrong secrets, and what is refused before (spec/keys.md §7).

use super::follow::{PUBLISHER, READER, healing, ordinary};
use super::follower::Follower;
use crate::vectors::group::{Draft, Group};
use crate::vectors::prelude::*;

pub(crate) fn vectors(file: &mut VectorFile) {
    let (ordinary, healing) = (ordinary(), healing());
    forks(&ordinary, file);
    healing_forks(&healing, file);
    bounds(&ordinary, file);
    secrets(&ordinary, file);
    before_everything(&ordinary, file);
}

/// An announcement of this epoch that differs in its salt, and in what `change` does.
fn other(group: &Group, epoch: u64, change: impl FnOnce(&mut Draft)) -> Draft {
    let mut draft = group.draft_of(epoch, false);
    draft.salt = bytes(&format!("another salt {epoch}"));
    change(&mut draft);
    draft
}

fn forks(group: &Group, file: &mut VectorFile) {
    stories! { Follower::of(group, READER, 1), [.attacks(&["A13", "A14"])] => file:
        "fork-same-epoch": "Two announcements of one epoch."
            => .ok(1).ok(2).bad_draft(&other(group, 2, |_| {}), "fork").known(2)
            .bad_draft(&other(group, 2, |_| {}), "fork");
        "fork-older-epoch": "Another announcement of an epoch of the window."
            =>.through(1..=3).bad_draft(&other(group, 2, |_| {}), "fork");
        "fork-previous": "It names another predecessor."
            => .ok(1).ok(2).bad_draft(&other(group, 3, |d| d.previous = digest("another")), "fork");
        "fork-next": "Its successor names another predecessor."
            => .ok(1).ok(3).bad_draft(&other(group, 2, |_| {}), "fork").ok(2)
            .bad_draft(&other(group, 2, |_| {}), "fork");
    }
    stories! { Follower::of(group, READER, 3) => file:
        "fork-welcome": "It contradicts the predecessor that the welcome names."
            => .attacks(&["B3"]).bad_draft(&other(group, 3, |d| d.previous = digest("another")), "fork");
    }
    stories! { Follower::of(group, READER, 1), [.attacks(&["A13", "A14"])] => file:
        "fork-below-base": "Before the base: the successor names another predecessor."
            =>.through(1..=4).bad_draft(&other(group, 1, |_| {}), "fork");
    }
}

fn healing_forks(group: &Group, file: &mut VectorFile) {
    let claims = |epoch: u64, healing: (u64, Digest)| other(group, epoch, |d| d.healing = healing);
    stories! { Follower::of(group, READER, 1), [.attacks(&["A14"]).through(1..=3)] => file:
        "fork-healing-hash": "It names another healing announcement than the one that was followed."
            => .bad_draft(&claims(4, (2, digest("another"))), "fork");
        "fork-healing-denied": "It denies the healing epoch that was followed."
            => .bad_draft(&claims(4, (0, Digest::ZERO)), "fork");
        "fork-healing-ordinary": "It names an ordinary epoch as a healing one."
            => .bad_draft(&claims(4, (1, group.epoch(1).hash)), "fork");
    }
    let late = other(group, 6, |d| (d.kind, d.covers) = (1, vec![vec![2, 3]]));
    stories! { |id, comment, epoch| Follower::new(group, READER, epoch, id, comment) => file:
        "fork-healing-of-welcome": "It contradicts the last healing epoch that the welcome names.",
            7 => .attacks(&["B3"]).bad_draft(&claims(7, (4, group.epoch(4).hash)), "fork");
        "fork-healing-hash-of-welcome": "The same epoch as the welcome's, with another hash.",
            7 => .bad_draft(&claims(7, (5, digest("another"))), "fork");
        "fork-healing-denied-by-next": "A healing epoch that its successor denies.",
            5 => .ok(5).ok(8).bad_draft(&late, "fork");
    }
}

fn bounds(group: &Group, file: &mut VectorFile) {
    let far = Group::new("far", 2);
    let draft = far.draft_of(65_538, false);
    let object = far.encode(&far.draft_of(1, false));
    stories! { |id, comment, group, leaf, epoch| Follower::new(group, leaf, epoch, id, comment) => file:
        "too-old": "It has left the window.", group, READER, 1 => .through(1..=5).bad(2, "too_old");
        "too-old-for-welcome": "From before the welcome.",
            group, READER, 3 => .attacks(&["A20"]).bad(2, "too_old");
        "too-old-next-known": "From before the welcome, and the next epoch is known.",
            group, READER, 3 => .ok(3).bad(2, "too_old");
        "too-far": "65537 epochs above the base.",
            &far, 4, 1 => .attacks(&["A15", "F3"]).bad_draft(&draft, "too_far");
        "too-far-max": "The last epoch that there can be.",
            &far, 4, 1 => .attacks(&["A15", "E6"]).raw(&with_epoch(&object, u64::MAX), "too_far");
    }
}

/// The announcement with this epoch and some predecessor, signed; its entries fit to nothing.
fn with_epoch(object: &[u8], epoch: u64) -> Vec<u8> {
    let body = body_of(object, Kind::Announcement);
    // domain 16, serial 1, signer 1, kind 1, group 16, name 6, then the epoch.
    let at = 41;
    assert_eq!(body[at], 1);
    let previous = at + 1 + 32;
    let body = [
        &body[..at],
        &varint(epoch),
        &body[at + 1..previous],
        &[7; 32],
        &body[previous + 32..],
    ]
    .concat();
    sign(Kind::Announcement, &body, &controller(1))
}

fn secrets(group: &Group, file: &mut VectorFile) {
    let (wrong, later) = (
        "wrong_secret",
        other(group, 3, |d| d.psk_check = Some([1; 32])),
    );
    let second = |change: fn(&mut Draft)| other(group, 2, change);
    stories! { |id, comment, leaf| Follower::new(group, leaf, 1, id, comment), [.attacks(&["C7"]).ok(1)] => file:
        "wrong-group-key": "The announced group key is not the one of the secret.", READER
            => .bad_draft(&second(|d| d.group_key = Some([9; 32])), wrong).ok(2).bad_draft(&later, wrong);
        "wrong-psk-check": "The announced check value is not the one of the psk.", READER
            => .bad_draft(&second(|d| d.psk_check = Some([9; 32])), wrong).ok(2).bad_draft(&later, wrong);
        "wrong-psk-check-publisher": "A publish-only member checks the psk, too.", PUBLISHER
            => .bad_draft(&second(|d| d.psk_check = Some([9; 32])), wrong).ok(2).bad_draft(&later, wrong);
        "wrong-secret-wrapped": "The entry holds another secret than the one announced.", READER
            => .bad_draft(&second(|d| d.wrapped = Some(secret("another reader secret"))), wrong).ok(2)
            .bad_draft(&later, wrong);
    }
    // Entries that were wrapped for another head, epoch or node.
    let draft = group.draft_of(2, false);
    let (_, head_hash) = group.head(&draft);
    let inline = |entries: Vec<u8>| group.encode_with(&draft, &[vec![0], blob(&entries)].concat());
    let later = Draft {
        reader: group.draft_of(2, false).reader,
        ..group.draft_of(3, false)
    };
    let right = group.entries(&draft, &head_hash, &[2, 3]);
    let swapped = [&right[..4], &right[56..], &right[52..56], &right[4..52]].concat();
    stories! { Follower::of(group, READER, 1), [.ok(1)] => file:
        "wrong-head": "The wrap is bound to the head."
            => .attacks(&["A13"])
            .raw(&inline(group.entries(&draft, &digest("another head"), &[2, 3])), wrong);
        "wrong-epoch": "Wrapped under the node key of the next epoch."
            => .attacks(&["A13"]).raw(&inline(group.entries(&later, &head_hash, &[2, 3])), wrong);
        "halves-swapped": "The entries of the halves have changed places."
            => .attacks(&["A27"]).raw(&inline(swapped), wrong);
        "entry-tag": "The last bit of the entry's tag, signed."
            => .attacks(&["D18"]).raw(&inline(flipped(&right, 51, 1)), wrong);
    }
    stories! { Follower::of(group, PUBLISHER, 1) => file:
        "other-group-key-publisher": "A publish-only member cannot check the group key: it takes what is signed."
            => .ok(1).ok_draft(&group.draft_of(2, false));
    }
}

fn before_everything(group: &Group, file: &mut VectorFile) {
    let second = |change: fn(&mut Draft)| other(group, 2, change);
    stories! { Follower::of(group, READER, 1), [.attacks(&["F4"]).ok(1)] => file:
        "other-group": "Of another group." => .bad_draft(&second(|d| d.group = office()), "group");
        "role": "Signed by a key without the role."
            => .bad_draft(&second(|d| (d.signer, d.key) = (ISSUER, issuer(1))), "role");
        "other-serial": "Signed under a delegation that the member does not hold."
            => .bad_draft(&second(|d| d.serial = 2), "role");
        "signature": "Signed by a member." => .bad_draft(&second(|d| d.key = identity("insider-8")), "signature");
        "from-the-future": "Issued ahead by skew and a second."
            => .bad_draft(&second(|d| (d.issued_at, d.not_after) = (NOW + 301, NOW + WEEK)), "expired");
        "field": "A field breaks a rule." => .bad_draft(&second(|d| d.policy.window = 17), "field");
        "lease-field": "A lease shorter than any policy may have."
            => .bad_draft(&second(|d| d.policy.lease = 9), "field");
    }
    let (object, other) = (group.announcement(2), delegation(1));
    let cut = &object[..object.len() - 70];
    stories! { Follower::of(group, READER, 1), [.attacks(&["B4"]).ok(1)] => file:
        "cleared": "The topic was cleared: nothing is deleted." => .raw(&[], "form").ok(2).raw(&[], "form");
        "garbage": "Something else on the topic." => .raw(&[0x5a; 200], "form").ok(2).raw(&[0x5a; 200], "form");
        "truncated": "Cut off on the way: the bytes that stand in the signature's place are none."
            => .raw(cut, "encoding").ok(2).raw(cut, "encoding");
        "other-kind": "An object of another kind." => .raw(&other, "kind").ok(2).raw(&other, "kind");
    }
}
