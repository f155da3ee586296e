//! Kinds `derive`, `tree` and `cover` (spec/keys.md §6).

use sealmq_core::crypto::expand;
use sealmq_keys::ReaderSecret;
use sealmq_keys::tree::{Half, NodeKey, half_of};

use crate::vectors::hpke;
use crate::vectors::prelude::*;

const SPEC: &[&str] = &["keys.md §6"];
const DERIVE: Series = Series::new("derive", "derive-", SPEC).attacks(&["D16"]);
const TREE: Series = Series::new("tree", "tree-", SPEC);
const COVER: Series = Series::new("cover", "cover-", SPEC).attacks(&["A26"]);

pub(crate) fn vectors(file: &mut VectorFile) {
    derivations(file);
    trees(file);
    covers(file);
}

fn derivations(file: &mut VectorFile) {
    for (id, comment, value) in table! {
        "a":    "What follows from an epoch's secret.",                    bytes("reader secret a");
        "b":    "Another one.",                                            bytes("reader secret b");
        "zero": "The derivations themselves have no exception for zeros.", [0; 32];
    } {
        let secret = Secret::new(value);
        let psk = expand(&secret, &[b"sealmq/1 group psk"]);
        let kem_ikm = expand(&secret, &[b"sealmq/1 group kem"]);
        let kept_secret = expand(&secret, &[b"sealmq/1 kept"]);
        let kept_ikm = expand(&kept_secret, &[b"sealmq/1 kept kem"]);
        let reader = ReaderSecret::new(secret.duplicate());
        let result = object! {
            psk: *psk.expose(),
            session_psk: *expand(&psk, &[b"sealmq/1 session psk"]).expose(),
            psk_check: *expand(&psk, &[b"sealmq/1 psk check"]).expose(),
            kem_ikm: *kem_ikm.expose(),
            secret_key: hpke::private_key(&kem_ikm),
            group_key: reader.group_key_pair().public().0,
            heal_r: *expand(&secret, &[b"sealmq/1 heal r"]).expose(),
            heal_w: *expand(&psk, &[b"sealmq/1 heal w"]).expose(),
            kept_secret: *kept_secret.expose(),
            kept_psk: *expand(&psk, &[b"sealmq/1 kept psk"]).expose(),
            kept_ikm: *kept_ikm.expose(),
            kept_secret_key: hpke::private_key(&kept_ikm),
            kept_key: reader.kept().key_pair().public().0,
        };
        let case = DERIVE.case(id, comment, object! { reader_secret: value });
        file.push(case.result(result));
    }
}

/// A row that is asked for: epoch, node, and whether with wrap key and entry.
type Asked = (u64, u32, bool);

fn trees(file: &mut VectorFile) {
    let last = (1 << 25) - 1;
    table! { tree => file:
        "ordinary": "Ordinary epochs only: leaf, inner nodes and both roots.",
            (4, 1), &[0, 0, 0],
            &[
                (1, 17, true), (1, 2, true), (1, 3, true), (2, 17, true), (2, 24, true), (3, 3, true),
                (4, 2, false),
            ] => valid ["A4"];
        "healing": "A healing epoch mixes another secret into each half.",
            (4, 1), &[0, 1, 0],
            &[(2, 16, true), (2, 31, true), (3, 16, true), (3, 31, true), (4, 16, false), (4, 31, false)]
            => valid ["A3", "A28"];
        "healing-twice": "Two healing epochs in a row.",
            (2, 7), &[1, 1], &[(7, 4, true), (8, 4, true), (8, 6, true), (9, 4, false), (9, 6, false)]
            => valid ["A26"];
        "later-generation": "A generation that begins with a later epoch.",
            (3, 1000), &[0, 1], &[(1000, 8, true), (1001, 15, true), (1002, 15, false)] => valid ["A4"];
        "deepest": "The last leaf of the deepest tree.",
            (24, 1), &[0], &[(1, last, true), (1, 1 << 24, true), (2, last, false)] => valid;
    }
}

fn tree(
    id: &str,
    comment: &str,
    (depth, first_epoch): (u8, u64),
    kinds: &[u8],
    asked: &[Asked],
) -> Vector {
    let tree_secret = secret(&format!("tree secret {id}"));
    let label = |what: &str, n: usize| format!("{what} {n} of tree {id}");
    let epochs = kinds.iter().enumerate().map(|(n, kind)| {
        let (reader_secret, head_hash) =
            (bytes(&label("reader secret", n)), bytes(&label("head", n)));
        object! { epoch_kind: *kind, reader_secret: reader_secret, head_hash: head_hash }
    });
    let input = object! {
        tree_secret: *tree_secret.expose(), depth: depth, first_epoch: first_epoch,
        epochs: Json::Array(epochs.collect()),
    };
    let rows = asked.iter().map(|(epoch, node, entry)| {
        let passed = usize::try_from(epoch - first_epoch).unwrap();
        let mut key = NodeKey::first(&tree_secret, *node);
        for (n, kind) in kinds[..passed].iter().enumerate() {
            let reader = ReaderSecret::new(secret(&label("reader secret", n)));
            key = match (kind, half_of(*node).unwrap()) {
                (0, _) => key.ratchet(),
                (_, Half::Readers) => key.heal(&reader.heal()),
                (_, Half::Publishers) => key.heal(&reader.psk().heal()),
            };
        }
        let mut row = object! { epoch: *epoch, node: *node, key: *key.expose() };
        if *entry {
            let reader = ReaderSecret::new(secret(&label("reader secret", passed)));
            let psk = reader.psk();
            let wrapped_secret = match half_of(*node) {
                Some(Half::Readers) => reader.secret(),
                _ => psk.secret(),
            };
            let head = digest(&label("head", passed));
            let wrapped = key.wrap(*node, &head, wrapped_secret).unwrap();
            let info: [&[u8]; 3] = [b"sealmq/1 wrap", &node.to_be_bytes(), &head.0];
            let entry = [&node.to_be_bytes()[..], &wrapped].concat();
            row = row.with(
                "wrap_key",
                *expand(&Secret::new(*key.expose()), &info).expose(),
            );
            row = row.with("entry", Json::hex(entry));
        }
        row
    });
    let rows = object! { rows: Json::Array(rows.collect()) };
    TREE.case(id, comment, input).result(rows)
}

fn covers(file: &mut VectorFile) {
    // Depth, removed leaves, and the nodes that cover the others.
    let case = |id: &str, comment: &str, depth: u8, removed: Vec<u32>, nodes: Vec<u32>| {
        let input = object! { depth: depth, removed: removed };
        COVER
            .case(id, comment, input)
            .result(object! { nodes: nodes })
    };
    table! { case => file:
        "nobody": "Nobody was removed: the roots of the halves.", 4, vec![], vec![2, 3] => valid;
        "nobody-deepest": "Nobody in the deepest tree.", 24, vec![], vec![2, 3] => valid;
        "first-leaf": "The first leaf.", 3, vec![8], vec![9, 5, 3] => valid;
        "last-leaf": "The last leaf.", 3, vec![15], vec![2, 6, 14] => valid;
        "both-halves": "A leaf of each half; entries ascend by leaves, not by node.",
            3, vec![8, 15], vec![9, 5, 6, 14] => valid;
        "siblings": "Two siblings: their parent is gone.", 3, vec![10, 11], vec![4, 3] => valid;
        "pairs": "Every second leaf: nothing but leaves.",
            3, vec![8, 10, 12, 14], vec![9, 11, 13, 15] => valid;
        "order": "The order in which leaves were removed does not matter.",
            3, vec![15, 8, 12], vec![9, 5, 13, 14] => valid;
        "readers-gone": "No reader is left: the half is left out.", 2, vec![4, 5], vec![3] => valid;
        "publishers-gone": "No publisher is left.", 2, vec![6, 7], vec![2] => valid;
        "all-gone": "Nobody is left.", 3, (8..16).collect(), vec![] => valid;
        "one-left": "One reader is left.", 3, vec![8, 9, 10, 12, 13, 14, 15], vec![11] => valid;
        "twice": "A leaf that is named twice.", 3, vec![8, 8], vec![9, 5, 3] => valid;
        "deep": "One leaf of a deeper tree.", 6, vec![70], vec![16, 34, 71, 9, 5, 3] => valid;
    }
}
