//! Kind `object`: kept keys (spec/keys.md §7, "Kept keys").

mod chain;

use super::objects::{Plan, chained, under_authority};
use crate::vectors::group::{KeptEntry, KeptList};
use crate::vectors::prelude::*;

/// An object's change.
type Change = fn(&mut KeptList);

pub(crate) fn vectors(file: &mut VectorFile) {
    let right = chained().kept_list();
    signers(&right, file);
    entries(&right, file);
    sizes(&right, file);
    chain::vectors(file);
}

fn plan<'a>(id: &str, comment: &'a str, object: Vec<u8>) -> Plan<'a> {
    let context = under_authority().with("group", plant().0);
    Plan::new("kept_keys", id, comment, object, context).attacks(&["A44"])
}

fn signers(right: &KeptList, file: &mut VectorFile) {
    let body = |change: Change| right.with(change).body();
    let by = |id: &str, comment: &'static str, change: Change, signer| {
        plan(id, comment, sign(Kind::KeptKeys, &body(change), &signer))
    };
    table! { by, [.attacks(&["A16", "B19"])] => file:
        "issuer": "Signed by a key that has the role `issue` only.", |l| l.signer = ISSUER, issuer(1) => "role";
        "no-such-key": "Names a key that the delegation does not have.", |l| l.signer = 2, controller(1) => "role";
        "other-serial": "Signed under another delegation, which had the same key.",
            |l| l.serial = 2, controller(1) => "role";
        "serial-before": "Signed under the delegation before.", |l| l.serial = 0, controller(1) => "role";
        "member": "Signed by a member.", |_| {}, identity("insider-8") => "signature";
        "other-group": "The kept keys of another group.", |l| l.group = office(), controller(1) => "group";
        "domain": "Of another domain.", |l| l.domain = DomainId([1; 16]), controller(1) => "domain";
    }
    let context = object! { authority: authority_json(&continuing(2, 1)), group: plant().0 };
    let of = Plan::of("kept_keys", context);
    table! { of, [.attacks(&["A16", "A43"])] => file:
        "continued": "The current delegation continues the one before, and yet this is of the current one.",
            right.with(|l| l.serial = 2).object() => valid;
        "continued-serial": "Of a delegation that is continued: the authority has signed another one since.",
            right.object() => "role";
    }
}

/// Entries of these epochs: what is sealed in them is of no account here.
fn made(right: &KeptList, newest: u64, epochs: &[u64]) -> KeptList {
    let entry = |epoch: &u64| KeptEntry {
        epoch: *epoch,
        kept: digest(&format!("kept epoch {epoch}")),
        sealed: [bytes("sealed"), bytes("as well"), [7; 32]].concat()[..80].to_vec(),
    };
    right.with(|list| {
        list.epoch = newest;
        list.entries = epochs.iter().map(entry).collect();
    })
}

fn entries(right: &KeptList, file: &mut VectorFile) {
    let of = |id: &str, comment, newest: u64, epochs: &[u64]| {
        plan(id, comment, made(right, newest, epochs).object())
    };
    let most: Vec<u64> = (1..=65).rev().collect();
    table! { of => file:
        "no-entry": "Nothing is kept of before.", 5, &[] => valid;
        "first": "The first kept epoch of all.", 1, &[] => valid;
        "64": "The most entries.", 65, &most[1..] => valid;
        "65": "An entry too many.", 66, &most => "field";
        "epoch-max": "The highest epoch that there can be.", u64::MAX, &[u64::MAX - 1, 1] => valid;
        "epoch-0": "Epochs begin with 1.", 0, &[] => "field";
        "entry-epoch-0": "An entry of epoch 0.", 5, &[3, 0] => "field";
        "epoch-of-newest": "An entry of the newest's epoch.", 5, &[5, 3] => "field";
        "epoch-above-newest": "An entry of a later epoch than the newest.", 5, &[6, 3] => "field";
        "epochs-ascend": "Epochs ascend.", 5, &[2, 3] => "field";
    }
    let with = |id: &str, comment, change: Change| {
        let list = made(right, 9, &[7, 5, 3]);
        plan(id, comment, list.with(change).object())
    };
    table! { with => file:
        "epochs-equal": "Two entries of one epoch.", |l| l.entries[1].epoch = 7 => "field";
        "twice": "The same K twice.", |l| l.entries[2].kept = l.entries[0].kept => "field";
        "newest-inside": "The newest one's K among the entries.", |l| l.entries[1].kept = l.newest => "field";
        "extension-1": "Continuations are an extension of delegations: here nobody knows it.",
            |l| l.extensions = [&[1, 3][..], b"any"].concat() => valid;
        "entry-79": "79 bytes of sealed in the last entry.", |l| { l.entries[2].sealed.pop(); } => "encoding";
        "entry-81": "81 bytes of sealed in the last entry.", |l| l.entries[2].sealed.push(0) => "encoding";
    }
}

fn sizes(right: &KeptList, file: &mut VectorFile) {
    let of_size = |size: usize| {
        let list = made(right, 65, &[]);
        let extended = |len: usize| {
            let value = [varint(7), blob(&vec![0; len])].concat();
            list.with(|list| list.extensions = value).object()
        };
        let object = extended(size - 200);
        let object = extended(size - 200 + size - object.len());
        assert_eq!(object.len(), size);
        object
    };
    table! { plan, [.attacks(&["F4"])] => file:
        "size-8192": "As long as one may be.", of_size(8192) => valid;
        "size": "A byte longer.", of_size(8193) => "size";
    }
}
