//! Kind `chunk`: covers in chunks (spec/keys.md §5).

use sealmq_core::crypto::sha256;

use crate::vectors::craft::{blob, varint};
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::group::{Draft, Group};
use crate::vectors::json::{Json, object};
use crate::vectors::world::{authority, authority_json};

const SPEC: &[&str] = &["keys.md §5"];

/// Nodes of three chunks, with their first leaves; leaf 8 was removed, and leaf 13.
const CHUNKS: [(u32, &[u32]); 3] = [(9, &[9, 5]), (12, &[12]), (14, &[7])];

/// A tree of depth 3 whose cover has these chunks, and the chunks.
fn announce(group: &Group, draft: &Draft, firsts: &[u32], chunks: &[Vec<u8>]) -> Vec<u8> {
    let refs = firsts.iter().zip(chunks);
    let refs = refs
        .flat_map(|(first, chunk)| [varint((*first).into()), sha256(&[chunk]).0.to_vec()].concat());
    let list: Vec<u8> = refs.collect();
    group.encode_with(draft, &[vec![1], blob(&list)].concat())
}

fn input(group: &Group, announcement: &[u8], leaf: u32, chunk: &[u8], node: u32) -> Json {
    let key = group.node_key(node, 1);
    object! {
        authority: authority_json(&authority(1)),
        announcement: Json::hex(announcement),
        generation: 1_u8,
        leaf: leaf,
        chunk: Json::hex(chunk),
        node_key: object! { node: node, key: *key.expose() },
    }
}

pub(crate) fn vectors(file: &mut VectorFile) {
    let group = Group::new("chunks", 3);
    let draft = group.draft(true);
    let (_, head_hash) = group.head(&draft);
    let entries = |nodes: &[u32]| group.entries(&draft, &head_hash, nodes);
    let (firsts, chunks): (Vec<u32>, Vec<Vec<u8>>) = CHUNKS
        .iter()
        .map(|(first, nodes)| (*first, entries(nodes)))
        .unzip();
    let right = announce(&group, &draft, &firsts, &chunks);

    for (id, leaf, node, number) in [
        ("first", 9, 9, 0_u8),
        ("inner", 11, 5, 0),
        ("publisher", 12, 12, 1),
        ("last", 15, 7, 2),
    ] {
        let n = usize::from(number);
        let secret = if leaf < 12 {
            *draft.reader.secret().expose()
        } else {
            *draft.reader.psk().secret().expose()
        };
        let input = input(&group, &right, leaf, &chunks[n], node);
        let comment = "The one chunk that a leaf needs.";
        let vector = Vector::valid("chunk", format!("chunk-{id}"), comment, SPEC, input);
        file.push(vector.attacks(&["B22"]).result(object! {
            number: number, first_leaf: firsts[n], nodes: CHUNKS[n].1.to_vec(), secret: secret,
        }));
    }

    let mut bad = |id: &str, comment: &str, input: Json, reason| {
        let id = format!("chunk-{id}");
        file.push(Vector::invalid("chunk", id, comment, SPEC, input, reason).attacks(&["B22"]));
    };
    bad(
        "below-first",
        "The leaf is below the first chunk: removed.",
        input(&group, &right, 8, &chunks[0], 8),
        "not_covered",
    );
    bad(
        "removed",
        "No entry of the chunk is for this leaf: removed.",
        input(&group, &right, 13, &chunks[1], 13),
        "not_covered",
    );
    bad(
        "other",
        "Another chunk than the leaf's.",
        input(&group, &right, 12, &chunks[0], 12),
        "serial",
    );
    let mut altered = chunks[0].clone();
    altered[60] ^= 1;
    for (id, comment, bytes) in [
        ("altered", "A bit was changed.", &altered[..]),
        ("cleared", "A cleared topic.", &[]),
        ("truncated", "Cut off after an entry.", &chunks[0][..52]),
    ] {
        bad(id, comment, input(&group, &right, 9, bytes, 9), "serial");
    }
    // Chunks that the announcement names, and that break the rules for entries.
    for (id, comment, chunk) in [
        ("late", "It begins after its first leaf.", entries(&[5])),
        ("early", "It begins before its first leaf.", entries(&[4])),
        (
            "reaches-over",
            "An entry of the next chunk.",
            entries(&[9, 5, 12]),
        ),
        ("descending", "Entries descend.", entries(&[5, 9])),
        ("overlap", "Entries overlap.", entries(&[9, 9])),
        ("empty", "No entry.", vec![]),
        (
            "51-bytes",
            "An entry of 51 bytes.",
            chunks[0][..51].to_vec(),
        ),
        ("node-16", "Below the leaves.", entries(&[9, 16])),
    ] {
        let named = [chunk.clone(), chunks[1].clone(), chunks[2].clone()];
        let announcement = announce(&group, &draft, &firsts, &named);
        bad(
            id,
            comment,
            input(&group, &announcement, 9, &chunk, 9),
            "field",
        );
    }
}
