//! Kind `kept_chain`: how far a reader goes back (spec/keys.md §7, "Kept keys").

use sealmq_core::crypto::expand;
use sealmq_keys::tree::Half;
use sealmq_keys::{KeptSet, kept_name};

use crate::vectors::group::{Group, Held, KeptEntry, KeptList, seal_entry};
use crate::vectors::prelude::*;

const CHAIN: Series = Series::new("kept_chain", "kept-chain-", &["keys.md §7"]).attacks(&["A44"]);

/// Ten epochs, of which every second heals.
fn group() -> Group {
    let mut group = Group::new("chain", 4);
    group.begin_ordinary();
    group.remove(&[20]);
    for leaf in [21, 22, 30, 31] {
        group.rotate();
        group.remove(&[leaf]);
    }
    group
}

/// The kept keys of an epoch.
fn held(group: &Group, epoch: u64) -> Held {
    let place = (epoch, group.epoch(epoch).hash);
    group.held(place, 1, Half::Readers)
}

fn input(list: &KeptList, known: &[Held], policy: u8) -> Json {
    object! {
        authority: authority_json(&authority(1)), group: plant().0, object: Json::hex(list.object()),
        known: Json::Array(known.iter().map(Held::known_json).collect()), policy_kept: policy,
    }
}

/// Known are the keys of these epochs, and these are opened: each with the one that it is sealed
/// under.
type Opens<'a> = (&'a [u64], u8, &'a [(u64, u64)]);

pub(super) fn vectors(file: &mut VectorFile) {
    let group = group();
    let right = group.kept_list();
    opened(&group, &right, file);
    broken(&group, &right, file);
    newer(&group, &right, file);
}

fn set(sets: &[KeptSet], epoch: u64) -> &KeptSet {
    sets.iter().find(|set| set.epoch == epoch).unwrap()
}

fn case(
    group: &Group,
    id: &str,
    comment: &str,
    list: &KeptList,
    (known, policy, opens): Opens<'_>,
) -> Vector {
    let sets = group.kept_sets();
    let known: Vec<Held> = known.iter().map(|epoch| held(group, *epoch)).collect();
    let opened = opens.iter().map(|(_, epoch)| {
        let set = set(&sets, *epoch);
        object! {
            epoch: set.epoch, kept: set.kept, kept_name: kept_name(&set.kept),
            kept_secret: *set.secret.secret().expose(), kept_psk: *set.psk.secret().expose(),
            kept_key: set.secret.key_pair().public().0,
        }
    });
    let keys = opens.iter().map(|(newer, older)| {
        let (newer, older) = (set(&sets, *newer), set(&sets, *older));
        let info: [&[u8]; 3] = [b"sealmq/1 kept chain", &newer.kept.0, &older.kept.0];
        *expand(newer.secret.secret(), &info).expose()
    });
    let case = CHAIN.case(id, comment, input(list, &known, policy));
    case.intermediate(object! { chain_keys: keys.collect::<Vec<_>>() })
        .result(object! { opened: Json::Array(opened.collect()) })
}

fn opened(group: &Group, right: &KeptList, file: &mut VectorFile) {
    let of = |id: &str, comment: &str, opens: Opens<'_>| case(group, id, comment, right, opens);
    table! { of => file:
        "whole": "From the newest to the first: each is sealed under the one before it in the list.",
            (&[10], 16, &[(10, 8), (8, 6), (6, 4), (4, 2)]) => valid;
        "policy-2": "The policy keeps two before the newest.", (&[10], 2, &[(10, 8), (8, 6)]) => valid;
        "policy-4": "The policy keeps all of them.", (&[10], 4, &[(10, 8), (8, 6), (6, 4), (4, 2)]) => valid;
        "policy-0": "The policy keeps none.", (&[10], 0, &[]) => valid;
        "policy-64": "The policy keeps more than there are.", (&[10], 64, &[(10, 8), (8, 6), (6, 4), (4, 2)]) => valid;
        "from-entry": "The newest one is not known yet, an entry is.", (&[6], 16, &[(6, 4), (4, 2)]) => valid;
        "from-last": "Nothing stands behind the one that is known.", (&[2], 16, &[]) => valid;
        "known": "All of them are known.", (&[10, 8, 6, 4, 2], 16, &[]) => valid;
        "gap": "What lies between two that are known.", (&[10, 4], 16, &[(10, 8), (8, 6), (4, 2)]) => valid;
        "gap-policy": "Those that fill a gap count, too.", (&[10, 6], 2, &[(10, 8)]) => valid;
    }
}

fn broken(group: &Group, right: &KeptList, file: &mut VectorFile) {
    let flip = |n: usize| right.with(|list| list.entries[n].sealed[79] ^= 1);
    let from_newest = {
        // Each entry under the newest secret, which every reader of the group has.
        let sets = group.kept_sets();
        let under = |set: &KeptSet| KeptEntry {
            epoch: set.epoch,
            kept: set.kept,
            sealed: seal_entry(&sets[0], set),
        };
        right.with(|list| list.entries = sets[1..].iter().map(under).collect())
    };
    let swapped = right.with(|list| {
        let (a, b) = (list.entries[0].kept, list.entries[1].kept);
        (list.entries[0].kept, list.entries[1].kept) = (b, a);
    });
    let left_out = right.with(|list| {
        list.entries.remove(1);
    });
    let renamed = right.with(|list| list.entries[0].kept = digest("another epoch"));
    let renewed = right.with(|list| list.newest = digest("another newest"));
    let of = |id: &str, comment: &str, list: &KeptList, opens: Opens<'_>| {
        case(group, id, comment, list, opens)
    };
    table! { of => file:
        "broken": "An entry that does not open ends the list.", &flip(1), (&[10], 16, &[(10, 8)]) => valid;
        "broken-first": "The first entry does not open.", &flip(0), (&[10], 16, &[]) => valid;
        "broken-known": "What does not open is known already, and leads on.",
            &flip(0), (&[10, 8], 16, &[(8, 6), (6, 4), (4, 2)]) => valid;
        "broken-gap": "What does not open ends the list, whatever stands behind it.",
            &flip(0), (&[10, 4], 16, &[]) => valid;
        "from-newest": "Every entry is sealed under the newest one: the second one does not open.",
            &from_newest, (&[10], 16, &[(10, 8)]) => valid;
        "swapped-names": "Two entries have each other's names: their keys are of these names.",
            &swapped, (&[10], 16, &[]) => valid;
        "left-out": "An epoch was left out: what stands behind it is sealed under it.",
            &left_out, (&[10], 16, &[(10, 8)]) => valid;
        "renamed": "The name of an entry is bound to its key.", &renamed, (&[10], 16, &[]) => valid;
        "renewed": "The newest one's name is bound to the first entry's key; behind an entry it leads on.",
            &renewed, (&[8], 16, &[(8, 6), (6, 4), (4, 2)]) => valid;
    }
    let refused = |id: &str, comment: &str, list: &KeptList, known: &[Held]| {
        CHAIN.case(id, comment, input(list, known, 16))
    };
    let place = (10, digest("of another chain"));
    let other = group.held(place, 1, Half::Readers);
    table! { refused => file:
        "unknown": "Neither the newest one nor an entry is known.", right, &[other] => "ahead";
        "nothing": "No kept key is known.", right, &[] => "ahead";
        "other-group": "The kept keys of another group.",
            &right.with(|l| l.group = office()), &[held(group, 10)] => "group";
        "other-serial": "Signed under another delegation, which had the same key.",
            &right.with(|l| l.serial = 2), &[held(group, 10)] => "role";
    }
}

/// What is known is newer than the object.
fn newer(group: &Group, right: &KeptList, file: &mut VectorFile) {
    let older = right.with(|list| {
        let newest = list.entries.remove(0);
        (list.epoch, list.newest) = (newest.epoch, newest.kept);
    });
    let of = |id: &str, comment: &str, opens: Opens<'_>| case(group, id, comment, &older, opens);
    table! { of => file:
        "newer-than-object": "Newer ones than the object's are known, and count.",
            (&[10, 8], 2, &[(8, 6)]) => valid;
        "newer-than-object-gap": "The same, and one between.", (&[10, 8, 4], 3, &[(8, 6)]) => valid;
    }
}
