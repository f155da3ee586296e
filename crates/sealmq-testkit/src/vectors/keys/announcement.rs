//! Kind `object`: announcements as a whole, their epochs, signers and covers (spec/keys.md §5).

use sealmq_keys::Generation;

use super::objects::{Plan, under_authority};
use crate::vectors::group::{Draft, Group};
use crate::vectors::prelude::*;

/// A small tree, and four epochs; the second healed.
pub(crate) fn group() -> Group {
    let mut group = Group::new("announcements", 3);
    group.rotate();
    group.remove(&[9]);
    group.rotate_times(2);
    group
}

pub(crate) fn plan<'a>(id: &str, comment: &'a str, object: Vec<u8>) -> Plan<'a> {
    let context = under_authority()
        .with("group", plant().0)
        .with("now", NOW)
        .with("skew", 300_u16);
    Plan::new("announcement", id, comment, object, context)
}

/// The next announcement of the group, changed.
pub(crate) fn changed(group: &Group, change: impl FnOnce(&mut Draft)) -> Vec<u8> {
    let mut draft = group.draft(false);
    change(&mut draft);
    group.encode(&draft)
}

pub(crate) fn vectors(file: &mut VectorFile) {
    let group = group();
    let of =
        |id: &str, comment, number: u64| plan(id, comment, group.announcement(number).to_vec());
    table! { of => file:
        "epoch-1": "As an authority begins a group: the first epoch heals.", 1 => valid;
        "epoch-2": "A healing epoch.",                                   2 => valid;
        "epoch-3": "The epoch after a healing one: healing = previous.", 3 => valid;
        "epoch-4": "An ordinary epoch.",                                 4 => valid;
    }
    chain(&group, file);
    kept_keys(&group, file);
    signers(&group, file);
    generations(&group, file);
    covers(&group, file);
}

fn chain(group: &Group, file: &mut VectorFile) {
    let first = Group::new("announcements", 3);
    let of_first =
        |id: &str, comment, change: fn(&mut Draft)| plan(id, comment, changed(&first, change));
    let with =
        |id: &str, comment, change: fn(&mut Draft)| plan(id, comment, changed(group, change));
    table! { of_first => file:
        "epoch-0": "Epochs begin with 1.", |d| (d.epoch, d.generations[0].first_epoch) = (0, 0) => "field";
        "first-with-previous": "The first epoch has no predecessor.",
            |d| d.previous = digest("none") => "field";
    }
    table! { with => file:
        "previous-missing": "Only the first epoch has none.", |d| d.previous = Digest::ZERO => "field";
        "healing-epoch-own": "The last healing epoch is before this one.",
            |d| d.healing = (5, digest("x")) => "field";
        "healing-epoch-later": "The last healing epoch lies ahead.",
            |d| d.healing = (9, digest("x")) => "field";
        "healing-without-epoch": "A hash without an epoch.", |d| d.healing.0 = 0 => "field";
        "healing-without-hash": "An epoch without a hash.", |d| d.healing.1 = Digest::ZERO => "field";
        "healing-not-previous": "The epoch before healed, and has two hashes.",
            |d| d.healing = (4, digest("x")) => "field";
    }
    let kind = altered(
        &body_of(group.announcement(4), Kind::Announcement).to_vec(),
        |body| body[18] = 2,
    );
    table! { plan => file:
        "epoch-kind": "An epoch is ordinary or healing.",
            sign(Kind::Announcement, &kind, &controller(1)) => "field";
    }
}

fn kept_keys(group: &Group, file: &mut VectorFile) {
    let healed = |d: &mut Draft, key: Option<&[u8]>| {
        (d.kind, d.kept_key) = (1, key.map(<[u8]>::to_vec));
    };
    let key = bytes("a kept key");
    let healing = |id: &str, comment, key: Option<&[u8]>| {
        plan(id, comment, changed(group, |d| healed(d, key))).attacks(&["A43"])
    };
    table! { healing => file:
        "kept-key": "A healing epoch has a key for state.", None => valid;
        "kept-key-missing": "A healing epoch without one.", Some(&[]) => "field";
        "kept-key-31": "31 bytes of kept_key.", Some(&key[1..]) => "field";
        "kept-key-33": "33 bytes of kept_key.", Some(&trailing(&key)) => "field";
        "kept-key-low-order-zero": "All zeros.", Some(LOW_ORDER[0]) => "field" ["A43", "C8"];
        "kept-key-low-order-8": "A point of order 8.", Some(LOW_ORDER[1]) => "field" ["A43", "C8"];
    }
    let first = Group::new("announcements", 3);
    let ordinary = |id: &str, comment, group: &Group, key: &[u8]| {
        let object = changed(group, |d| d.kept_key = Some(key.to_vec()));
        plan(id, comment, object).attacks(&["A43"])
    };
    table! { ordinary => file:
        "kept-key-ordinary": "An ordinary epoch with one.", group, &key => "field";
        "epoch-1-ordinary": "A group that begins with an ordinary epoch: no authority does so, and it has no state.",
            &first, &[] => valid;
        "epoch-1-ordinary-key": "The first epoch is as all others: ordinary ones have none.",
            &first, &key => "field";
    }
    let of_first = |id: &str, comment, key: Option<&[u8]>| {
        plan(id, comment, changed(&first, |d| healed(d, key)))
    };
    table! { of_first => file:
        "epoch-1-healing-no-key": "The first epoch heals, and has no key.", Some(&[]) => "field";
    }
}

fn signers(group: &Group, file: &mut VectorFile) {
    assert_eq!(group.draft(false).signer, CONTROLLER);
    let with =
        |id: &str, comment, change: fn(&mut Draft)| plan(id, comment, changed(group, change));
    table! { with, [.attacks(&["A16", "B19"])] => file:
        "issuer": "Signed by a key that has the role `issue` only.",
            |d| (d.signer, d.key) = (ISSUER, issuer(1)) => "role";
        "no-such-key": "Names a key that the delegation does not have.", |d| d.signer = 2 => "role";
        "other-serial": "Signed under another delegation, which had the same key.", |d| d.serial = 2 => "role";
        "member": "Signed by a member.", |d| d.key = identity("insider-8") => "signature";
        "other-group": "An announcement of another group.", |d| d.group = office() => "group";
        "from-the-future": "Issued ahead by skew and a second.",
            |d| (d.issued_at, d.not_after) = (NOW + 301, NOW + 999) => "expired";
    }
    let other = body_of(group.announcement(4), Kind::Announcement);
    let other = [&[1; 16], &other[16..]].concat();
    table! { with => file:
        "issued-ahead": "Issued ahead by skew.",
            |d| (d.issued_at, d.not_after) = (NOW + 300, NOW + 999) => valid;
        "ran-out": "Announcements are followed after their not_after, too.",
            |d| (d.issued_at, d.not_after) = (5, 6) => valid ["A2"];
    }
    table! { plan => file:
        "domain": "Of another domain.", sign(Kind::Announcement, &other, &controller(1)) => "domain";
    }
}

fn generations(group: &Group, file: &mut VectorFile) {
    // Trees, and how many of them have a cover.
    let with = |id: &str, comment, generations: &[Generation], covers: usize| {
        let object = changed(group, |d| {
            (d.generations, d.covers) = (generations.to_vec(), vec![vec![2, 3]; covers]);
        });
        plan(id, comment, object)
    };
    let of = |number, depth, first_epoch| Generation {
        number,
        depth,
        first_epoch,
        deadline: 0,
    };
    let ends = |number: u32| Generation {
        deadline: NOW + 9,
        ..of(number, 3, 1)
    };
    table! { with => file:
        "two-generations": "Members move to a new tree; the older one has a deadline.",
            &[ends(1), of(2, 4, 5)], 2 => valid;
        "depth-2": "The smallest tree.", &[of(1, 2, 1)], 1 => valid;
        "depth-24": "The largest tree.", &[of(1, 24, 1)], 1 => valid;
        "no-generation": "No tree at all.", &[], 0 => "field";
        "3-generations": "Three trees.", &[of(1, 3, 1), of(2, 3, 1), of(3, 3, 1)], 3 => "field";
        "generations-descend": "Generations descend.", &[of(2, 3, 1), of(1, 3, 1)], 2 => "field";
        "generation-twice": "A generation twice.", &[of(1, 3, 1), of(1, 3, 1)], 2 => "field";
        "deadline-only": "The only tree has a deadline.", &[ends(1)], 1 => "field";
        "deadline-newer": "The newer of two trees has a deadline.", &[of(1, 3, 1), ends(2)], 2 => "field";
        "deadline-both": "Both trees have a deadline.", &[ends(1), ends(2)], 2 => "field";
        "depth-1": "A tree of depth 1.", &[of(1, 1, 1)], 1 => "field";
        "depth-25": "A tree of depth 25.", &[of(1, 25, 1)], 1 => "field";
        "first-epoch-0": "A tree that begins with epoch 0.", &[of(1, 3, 0)], 1 => "field";
        "first-epoch-ahead": "A tree that begins with the next epoch.", &[of(1, 3, 6)], 1 => "field";
        "cover-missing": "Two trees and one cover.", &[of(1, 3, 1), of(2, 3, 1)], 1 => "field";
        "cover-too-many": "One tree and two covers.", &[of(1, 3, 1)], 2 => "field";
    }
}

fn covers(group: &Group, file: &mut VectorFile) {
    let covering = |id: &str, comment, nodes: &[u32]| {
        plan(
            id,
            comment,
            changed(group, |d| d.covers = vec![nodes.to_vec()]),
        )
    };
    table! { covering => file:
        "cover-half": "One half only.", &[3] => valid;
        "cover-levels": "Nodes of different levels, ascending by their leaves.", &[8, 5, 13] => valid;
        "cover-one-leaf": "One leaf.", &[11] => valid;
        "cover-all-leaves": "Every leaf.", &[8, 9, 10, 11, 12, 13, 14, 15] => valid;
        "cover-siblings": "Two siblings; their parent would be smaller.", &[4, 5, 3] => valid;
        "cover-empty": "An empty cover.", &[] => "field" ["A27"];
        "cover-node-0": "There is no node 0.", &[0] => "field" ["A27"];
        "cover-node-1": "Node 1 stands above both halves.", &[1] => "field" ["A27"];
        "cover-node-16": "Below the leaves.", &[16] => "field" ["A27"];
        "cover-node-max": "The highest number.", &[u32::MAX] => "field" ["A27"];
        "cover-descending": "Node 3 before node 2.", &[3, 2] => "field" ["A27"];
        "cover-descending-levels": "13 covers a later leaf than 5.", &[8, 13, 5] => "field" ["A27"];
        "cover-twice": "A node twice.", &[2, 2] => "field" ["A27"];
        "cover-overlap-below": "A node below one that stands already.", &[2, 5, 3] => "field" ["A27"];
        "cover-overlap-above": "A node above one that stands already.", &[4, 2] => "field" ["A27"];
        "cover-overlap-leaf": "A leaf and its parent.", &[9, 4] => "field" ["A27"];
    }

    let draft = group.draft(false);
    let (_, head_hash) = group.head(&draft);
    let entries = group.entries(&draft, &head_hash, &[2, 3]);
    let raw = |covers: &[u8]| group.encode_with(&draft, covers);
    let inline = |entries: &[u8]| [vec![0], blob(entries)].concat();
    let chunk = [varint(8), digest("chunk").0.to_vec()].concat();
    table! { plan => file:
        "cover-51-bytes": "An entry of 51 bytes.", raw(&inline(&entries[..51])) => "field";
        "cover-105-bytes": "A byte behind the last entry.", raw(&inline(&trailing(&entries))) => "field";
        "cover-one-chunk": "A chunked cover has two chunks at least.",
            raw(&[vec![1], blob(&chunk)].concat()) => "field" ["B22"];
        "cover-variant": "An unknown kind of cover.",
            raw(&[vec![2], blob(&entries)].concat()) => "encoding" ["E5"];
        "cover-variant-overlong": "The kind of cover with two bytes.",
            raw(&[vec![0x80, 0], blob(&entries)].concat()) => "encoding" ["E1"];
        "cover-cut": "The entries reach past the end of the covers.",
            raw(&inline(&entries)[..90]) => "encoding" ["E1"];
        "cover-length-overlong": "A longer spelling of the entries' length.",
            raw(&[vec![0, 0xe8, 0], entries].concat()) => "encoding" ["E1"];
    }
}
