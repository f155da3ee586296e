//! Kind `chunk`: covers in chunks (spec/keys.md §5).

use sealmq_core::crypto::sha256;

use super::objects::{Plan, under_authority};
use crate::vectors::craft::{blob, varint};
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::group::{Draft, Group};
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::{authority, authority_json, bytes};

const SPEC: &[&str] = &["keys.md §5"];

/// Nodes of three chunks, with their first leaves; leaf 8 was removed, and leaf 13.
const CHUNKS: [(u32, &[u32]); 3] = [(9, &[9, 5]), (12, &[12]), (14, &[7])];

/// A tree of depth 3 whose cover has these chunks, and the chunks.
pub(super) fn announce(
    group: &Group,
    draft: &Draft,
    firsts: &[u32],
    chunks: &[Vec<u8>],
) -> Vec<u8> {
    let refs = firsts.iter().zip(chunks);
    let refs = refs
        .flat_map(|(first, chunk)| [varint((*first).into()), sha256(&[chunk]).0.to_vec()].concat());
    let list: Vec<u8> = refs.collect();
    group.encode_with(draft, &[vec![1], blob(&list)].concat())
}

pub(super) fn input(
    group: &Group,
    announcement: &[u8],
    leaf: u32,
    chunk: &[u8],
    node: u32,
) -> Json {
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
    announced(file);
    read(file);
}

/// Kind `object`: announcements whose covers come in chunks. Of a chunk they have the hash only.
fn announced(file: &mut VectorFile) {
    let group = Group::new("chunks", 3);
    let draft = group.draft(false);
    let plan = |id: &str, comment: &'static str, covers: &[u8]| {
        let object = group.encode_with(&draft, covers);
        Plan::new("announcement", id, comment, object, under_authority()).attacks(&["B22"])
    };
    let cover = |firsts: &[u64]| {
        let chunk = |first: &u64| [varint(*first), bytes(&format!("chunk {first}")).to_vec()];
        let list: Vec<u8> = firsts.iter().flat_map(chunk).flatten().collect();
        [vec![1], blob(&list)].concat()
    };
    for (id, comment, firsts) in table! {
        "cover-2-chunks":    "The fewest chunks.",                    &[8, 12][..];
        "cover-last-leaves": "A chunk may begin with the last leaf.", &[14, 15];
        "cover-8-chunks":    "A chunk for each leaf.",                &[8, 9, 10, 11, 12, 13, 14, 15];
    } {
        plan(id, comment, &cover(firsts)).valid(file);
    }
    let mut bad = |id: &str, comment: &'static str, covers: &[u8], reason: &'static str| {
        plan(id, comment, covers).invalid(file, reason);
    };
    let cut = cover(&[8, 12]);
    let short = [vec![1], blob(&cut[2..cut.len() - 1])].concat();
    table! { bad:
        "cover-no-chunk":       "No chunk.",                       &cover(&[])      => "field";
        "cover-chunks-descend": "Chunks descend.",                 &cover(&[12, 8]) => "field";
        "cover-chunk-twice":    "Two chunks begin with one leaf.", &cover(&[8, 8])  => "field";
        "cover-chunk-inner":    "Not a leaf, but a node above.",   &cover(&[4, 12]) => "field";
        "cover-chunk-below":    "A leaf of a deeper tree.",        &cover(&[8, 16]) => "field";
        "cover-chunk-0":        "There is no node 0.",             &cover(&[0, 8])  => "field";
        "cover-chunk-hash-31":  "The last hash has 31 bytes.",     &short           => "encoding";
    }
    let overlong = [&[0x88, 0][..], &bytes("a"), &[12], &bytes("b")].concat();
    let overlong = [vec![1], blob(&overlong)].concat();
    table! { bad:
        "cover-chunk-overlong": "A first leaf of two bytes.", &overlong => "encoding";
    }
}

fn read(file: &mut VectorFile) {
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
        let vector = Vector::valid(
            "chunk",
            format!("chunk-{id}"),
            "The one chunk that a leaf needs.",
            SPEC,
            input,
        );
        file.push(vector.attacks(&["B22"]).result(object! {
            number: number, first_leaf: firsts[n], nodes: CHUNKS[n].1.to_vec(), secret: secret,
        }));
    }

    let mut bad = |id: &str, comment: &str, input: Json, reason| {
        let id = format!("chunk-{id}");
        file.push(Vector::invalid("chunk", id, comment, SPEC, input, reason).attacks(&["B22"]));
    };
    table! { bad:
        "below-first": "The leaf is below the first chunk: removed.",
            input(&group, &right, 8, &chunks[0], 8) => "not_covered";
        "removed": "No entry of the chunk is for this leaf: removed.",
            input(&group, &right, 13, &chunks[1], 13) => "not_covered";
        "other": "Another chunk than the leaf's.", input(&group, &right, 12, &chunks[0], 12) => "serial";
    }
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
    for (id, comment, chunk) in table! {
        "late":         "It begins after its first leaf.",  entries(&[5]);
        "early":        "It begins before its first leaf.", entries(&[4]);
        "reaches-over": "An entry of the next chunk.",      entries(&[9, 5, 12]);
        "descending":   "Entries descend.",                 entries(&[5, 9]);
        "overlap":      "Entries overlap.",                 entries(&[9, 9]);
        "empty":        "No entry.",                        vec![];
        "51-bytes":     "An entry of 51 bytes.",            chunks[0][..51].to_vec();
        "node-16":      "Below the leaves.",                entries(&[9, 16]);
    } {
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
