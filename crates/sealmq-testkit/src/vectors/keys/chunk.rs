//! Kind `chunk`: covers in chunks (spec/keys.md §5).

use super::objects::{Plan, under_authority};
use crate::vectors::group::{Draft, Group};
use crate::vectors::prelude::*;

pub(super) const CHUNK: Series = Series::new("chunk", "chunk-", &["keys.md §5"]).attacks(&["B22"]);

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
    let named = |chunks: &[u8]| [vec![1], blob(chunks)].concat();
    let cut = cover(&[8, 12]);
    let overlong = [&[0x88, 0][..], &bytes("a"), &[12], &bytes("b")].concat();
    table! { plan => file:
        "cover-2-chunks": "The fewest chunks.", &cover(&[8, 12]) => valid;
        "cover-last-leaves": "A chunk may begin with the last leaf.", &cover(&[14, 15]) => valid;
        "cover-8-chunks": "A chunk for each leaf.", &cover(&[8, 9, 10, 11, 12, 13, 14, 15]) => valid;
        "cover-no-chunk": "No chunk.", &cover(&[]) => "field";
        "cover-chunks-descend": "Chunks descend.", &cover(&[12, 8]) => "field";
        "cover-chunk-twice": "Two chunks begin with one leaf.", &cover(&[8, 8]) => "field";
        "cover-chunk-inner": "Not a leaf, but a node above.", &cover(&[4, 12]) => "field";
        "cover-chunk-below": "A leaf of a deeper tree.", &cover(&[8, 16]) => "field";
        "cover-chunk-0": "There is no node 0.", &cover(&[0, 8]) => "field";
        "cover-chunk-hash-31": "The last hash has 31 bytes.", &named(&cut[2..cut.len() - 1]) => "encoding";
        "cover-chunk-overlong": "A first leaf of two bytes.", &named(&overlong) => "encoding";
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

    let case = |id: &str, comment: &str, leaf: u32, node: u32, chunk: &[u8]| {
        CHUNK.case(id, comment, input(&group, &right, leaf, chunk, node))
    };
    let good = |id: &str, leaf: u32, node: u32, number: u8| {
        let (n, reader) = (usize::from(number), &draft.reader);
        let secret = if leaf < 12 {
            *reader.secret().expose()
        } else {
            *reader.psk().secret().expose()
        };
        case(
            id,
            "The one chunk that a leaf needs.",
            leaf,
            node,
            &chunks[n],
        )
        .result(object! {
            number: number, first_leaf: firsts[n], nodes: CHUNKS[n].1.to_vec(), secret: secret,
        })
    };
    table! { good => file:
        "first":     9,  9, 0  => valid;
        "inner":     11, 5, 0  => valid;
        "publisher": 12, 12, 1 => valid;
        "last":      15, 7, 2  => valid;
    }
    table! { case => file:
        "below-first": "The leaf is below the first chunk: removed.", 8, 8, &chunks[0] => "not_covered";
        "removed": "No entry of the chunk is for this leaf: removed.", 13, 13, &chunks[1] => "not_covered";
        "other": "Another chunk than the leaf's.", 12, 12, &chunks[0] => "serial";
        "altered": "A bit was changed.", 9, 9, &flipped(&chunks[0], 60, 1) => "serial";
        "cleared": "A cleared topic.", 9, 9, &[] => "serial";
        "truncated": "Cut off after an entry.", 9, 9, &chunks[0][..52] => "serial";
    }
    // Chunks that the announcement names, and that break the rules for entries.
    let named = |id: &str, comment: &str, chunk: Vec<u8>| {
        let named = [chunk.clone(), chunks[1].clone(), chunks[2].clone()];
        let announcement = announce(&group, &draft, &firsts, &named);
        CHUNK.case(id, comment, input(&group, &announcement, 9, &chunk, 9))
    };
    table! { named => file:
        "late":         "It begins after its first leaf.",  entries(&[5])            => "field";
        "early":        "It begins before its first leaf.", entries(&[4])            => "field";
        "reaches-over": "An entry of the next chunk.",      entries(&[9, 5, 12])     => "field";
        "descending":   "Entries descend.",                 entries(&[5, 9])         => "field";
        "overlap":      "Entries overlap.",                 entries(&[9, 9])         => "field";
        "empty":        "No entry.",                        vec![]                   => "field";
        "51-bytes":     "An entry of 51 bytes.",            chunks[0][..51].to_vec() => "field";
        "node-16":      "Below the leaves.",                entries(&[9, 16])        => "field";
    }
}
