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
    group.rotate();
    group.rotate();
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
    for (number, comment) in [
        (1, "The first epoch."),
        (2, "A healing epoch."),
        (3, "The epoch after a healing one: healing = previous."),
        (4, "An ordinary epoch."),
    ] {
        plan(
            &format!("epoch-{number}"),
            comment,
            group.announcement(number).to_vec(),
        )
        .valid(file);
    }
    chain(&group, file);
    signers(&group, file);
    generations(&group, file);
    covers(&group, file);
}

fn chain(group: &Group, file: &mut VectorFile) {
    let first = Group::new("announcements", 3);
    let mut bad =
        |id: &str, comment: &str, object: Vec<u8>| plan(id, comment, object).invalid(file, "field");
    let mut kind = body_of(group.announcement(4), Kind::Announcement).to_vec();
    kind[18] = 2;
    table! { bad:
        "epoch-0": "Epochs begin with 1.",
            changed(&first, |d| (d.epoch, d.generations[0].first_epoch) = (0, 0));
        "first-with-previous": "The first epoch has no predecessor.",
            changed(&first, |d| d.previous = digest("none"));
        "previous-missing": "Only the first epoch has none.", changed(group, |d| d.previous = Digest::ZERO);
        "healing-epoch-own": "The last healing epoch is before this one.",
            changed(group, |d| d.healing = (5, digest("x")));
        "healing-epoch-later": "The last healing epoch lies ahead.",
            changed(group, |d| d.healing = (9, digest("x")));
        "healing-without-epoch": "A hash without an epoch.", changed(group, |d| d.healing.0 = 0);
        "healing-without-hash": "An epoch without a hash.", changed(group, |d| d.healing.1 = Digest::ZERO);
        "healing-not-previous": "The epoch before healed, and has two hashes.",
            changed(group, |d| d.healing = (4, digest("x")));
        "epoch-kind": "An epoch is ordinary or healing.", sign(Kind::Announcement, &kind, &controller(1));
    }
}

fn signers(group: &Group, file: &mut VectorFile) {
    let mut bad = |id: &str, comment: &str, change: &dyn Fn(&mut Draft), reason: &'static str| {
        plan(id, comment, changed(group, change))
            .attacks(&["A16", "B19"])
            .invalid(file, reason);
    };
    table! { bad:
        "issuer": "Signed by a key that has the role `issue` only.",
            &|d| (d.signer, d.key) = (ISSUER, issuer(1)) => "role";
        "no-such-key": "Names a key that the delegation does not have.", &|d| d.signer = 2 => "role";
        "other-serial": "Signed under another delegation, which had the same key.",
            &|d| d.serial = 2 => "role";
        "member": "Signed by a member.", &|d| d.key = identity("insider-8") => "signature";
        "other-group": "An announcement of another group.", &|d| d.group = office() => "group";
        "from-the-future": "Issued ahead by skew and a second.",
            &|d| (d.issued_at, d.not_after) = (NOW + 301, NOW + 999) => "expired";
    }
    assert_eq!(group.draft(false).signer, CONTROLLER);
    let mut other = body_of(group.announcement(4), Kind::Announcement).to_vec();
    other[..16].copy_from_slice(&DomainId([1; 16]).0);
    table! { plan => file:
        "issued-ahead": "Issued ahead by skew.",
            changed(group, |d| (d.issued_at, d.not_after) = (NOW + 300, NOW + 999)) => valid;
        "ran-out": "Announcements are followed after their not_after, too.",
            changed(group, |d| (d.issued_at, d.not_after) = (5, 6)) => valid ["A2"];
        "domain": "Of another domain.", sign(Kind::Announcement, &other, &controller(1)) => "domain";
    }
}

fn generation(number: u32, depth: u8, first_epoch: u64) -> Generation {
    Generation {
        number,
        depth,
        first_epoch,
        deadline: 0,
    }
}

fn generations(group: &Group, file: &mut VectorFile) {
    let with = |list: Vec<Generation>, covers: Vec<Vec<u32>>| {
        changed(group, |d| (d.generations, d.covers) = (list, covers))
    };
    let both = vec![2, 3];
    let moving = with(
        vec![
            Generation {
                deadline: NOW + 9,
                ..generation(1, 3, 1)
            },
            generation(2, 4, 5),
        ],
        vec![both.clone(), both.clone()],
    );
    table! { plan => file:
        "two-generations": "Members move to a new tree; the older one has a deadline.", moving => valid;
        "depth-2": "The smallest tree.", with(vec![generation(1, 2, 1)], vec![both.clone()]) => valid;
        "depth-24": "The largest tree.", with(vec![generation(1, 24, 1)], vec![both.clone()]) => valid;
    }
    let mut bad =
        |id: &str, comment: &str, object: Vec<u8>| plan(id, comment, object).invalid(file, "field");
    table! { bad:
        "no-generation": "No tree at all.", with(vec![], vec![]);
        "3-generations": "Three trees.",
            with((1..4).map(|n| generation(n, 3, 1)).collect(), vec![both.clone(); 3]);
        "generations-descend": "Generations descend.",
            with(vec![generation(2, 3, 1), generation(1, 3, 1)], vec![both.clone(); 2]);
        "generation-twice": "A generation twice.",
            with(vec![generation(1, 3, 1), generation(1, 3, 1)], vec![both.clone(); 2]);
    }
    let ends = |number: u32| Generation {
        deadline: NOW + 9,
        ..generation(number, 3, 1)
    };
    table! { bad:
        "deadline-only": "The only tree has a deadline.", with(vec![ends(1)], vec![both.clone()]);
        "deadline-newer": "The newer of two trees has a deadline.",
            with(vec![generation(1, 3, 1), ends(2)], vec![both.clone(), both.clone()]);
        "deadline-both": "Both trees have a deadline.",
            with(vec![ends(1), ends(2)], vec![both.clone(), both.clone()]);
        "depth-1": "A tree of depth 1.", with(vec![generation(1, 1, 1)], vec![both.clone()]);
        "depth-25": "A tree of depth 25.", with(vec![generation(1, 25, 1)], vec![both.clone()]);
        "first-epoch-0": "A tree that begins with epoch 0.",
            with(vec![generation(1, 3, 0)], vec![both.clone()]);
        "first-epoch-ahead": "A tree that begins with the next epoch.",
            with(vec![generation(1, 3, 6)], vec![both.clone()]);
        "cover-missing": "Two trees and one cover.",
            with(vec![generation(1, 3, 1), generation(2, 3, 1)], vec![both.clone()]);
        "cover-too-many": "One tree and two covers.",
            with(vec![generation(1, 3, 1)], vec![both.clone(), both]);
    }
}

fn covers(group: &Group, file: &mut VectorFile) {
    let covering = |nodes: &[u32]| changed(group, |d| d.covers = vec![nodes.to_vec()]);
    for (id, comment, nodes) in table! {
        "half":       "One half only.",                                        vec![3];
        "levels":     "Nodes of different levels, ascending by their leaves.", vec![8, 5, 13];
        "one-leaf":   "One leaf.",                                             vec![11];
        "all-leaves": "Every leaf.",                                           (8..16).collect();
        "siblings":   "Two siblings; their parent would be smaller.",          vec![4, 5, 3];
    } {
        plan(&format!("cover-{id}"), comment, covering(&nodes)).valid(file);
    }
    let mut bad = |id: &str, comment: &str, nodes: &[u32]| {
        plan(&format!("cover-{id}"), comment, covering(nodes))
            .attacks(&["A27"])
            .invalid(file, "field");
    };
    table! { bad:
        "empty":             "An empty cover.",                       &[];
        "node-0":            "There is no node 0.",                   &[0];
        "node-1":            "Node 1 stands above both halves.",      &[1];
        "node-16":           "Below the leaves.",                     &[16];
        "node-max":          "The highest number.",                   &[u32::MAX];
        "descending":        "Node 3 before node 2.",                 &[3, 2];
        "descending-levels": "13 covers a later leaf than 5.",        &[8, 13, 5];
        "twice":             "A node twice.",                         &[2, 2];
        "overlap-below":     "A node below one that stands already.", &[2, 5, 3];
        "overlap-above":     "A node above one that stands already.", &[4, 2];
        "overlap-leaf":      "A leaf and its parent.",                &[9, 4];
    }

    let draft = group.draft(false);
    let (_, head_hash) = group.head(&draft);
    let entries = group.entries(&draft, &head_hash, &[2, 3]);
    let raw = |covers: &[u8]| group.encode_with(&draft, covers);
    let inline = |entries: &[u8]| [vec![0], blob(entries)].concat();
    let chunk = [varint(8), digest("chunk").0.to_vec()].concat();
    table! { plan => file:
        "cover-51-bytes": "An entry of 51 bytes.", raw(&inline(&entries[..51])) => "field";
        "cover-105-bytes": "A byte behind the last entry.",
            raw(&inline(&[&entries[..], &[0]].concat())) => "field";
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
