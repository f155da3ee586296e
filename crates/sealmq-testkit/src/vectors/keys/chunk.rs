//! Kind `chunk`: covers in chunks (spec/keys.md §5).

use super::objects::{Plan, records, refused_chunks, refused_list_with, under_authority};
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
    refused(file);
}

/// Kind `refused_chunk`: what a refused list in chunks says of a member (spec/keys.md §7).
fn refused(file: &mut VectorFile) {
    const REFUSED: Series =
        Series::new("refused_chunk", "refused-chunk-", &["keys.md §7"]).attacks(&["A29"]);
    let (removed, first) = (u32::MAX, 5);
    let runs = [
        records(&[(5, removed), (99, 4)]),
        records(&[(120, 2)]),
        records(&[(400, removed), ((1 << 28) - 1, removed)]),
    ];
    let list_of = |runs: &[Vec<u8>], firsts: [u64; 3]| {
        let chunks: Vec<(u64, &[u8])> = firsts
            .into_iter()
            .zip(runs.iter().map(|r| &r[..]))
            .collect();
        refused_list_with(plant(), &[], &refused_chunks(&chunks))
    };
    let list = list_of(&runs, [first, 100, 400]);
    let input = |list: &[u8], member: u32, chunk: &[u8]| {
        object! {
            authority: authority_json(&authority(1)), list: Json::hex(list), member: member,
            chunk: Json::hex(chunk),
        }
    };
    let good = |id: &str, member: u32, n: usize, lowest: u32| {
        let result = object! { first: [first, 100, 400][n], lowest_serial: lowest };
        let input = input(&list, member, &runs[n]);
        REFUSED
            .case(id, "The one chunk that tells of a member.", input)
            .result(result)
    };
    table! { good => file:
        "first":   5,             0, removed => valid;
        "above":   6,             0, 0       => valid;
        "lowest":  99,            0, 4       => valid;
        "next":    100,           1, 0       => valid;
        "between": 399,           1, 0       => valid;
        "third":   400,           2, removed => valid;
        "last":    (1 << 28) - 1, 2, removed => valid;
    }
    let nobody = |id: &str, comment: &str, member: u32| {
        let result = object! { lowest_serial: 0_u8 };
        REFUSED
            .case(id, comment, input(&list, member, &runs[0]))
            .result(result)
    };
    table! { nobody => file:
        "below": "Below all chunks nobody is refused.", 4 => valid;
    }
    let bad = |id: &str, comment: &str, member: u32, chunk: &[u8]| {
        REFUSED.case(id, comment, input(&list, member, chunk))
    };
    table! { bad => file:
        "other": "Another chunk than the member's.", 120, &runs[0] => "serial";
        "altered": "A bit was changed.", 5, &flipped(&runs[0], 9, 1) => "serial";
        "cleared": "A cleared topic.", 5, &[] => "serial";
        "truncated": "Cut off after a record.", 99, &runs[0][..8] => "serial";
    }
    // Chunks that the list names, and that break the rules for records.
    let named = |id: &str, comment: &str, chunk: Vec<u8>| {
        let named = [runs[0].clone(), chunk.clone(), runs[2].clone()];
        let list = list_of(&named, [first, 100, 400]);
        REFUSED.case(id, comment, input(&list, 120, &chunk))
    };
    table! { named => file:
        "early":      "A record below its first member.",    records(&[(99, 1), (120, 2)]) => "field";
        "late":       "A record of the next chunk.",         records(&[(120, 2), (400, 1)]) => "field";
        "descending": "Members descend.",                    records(&[(121, 1), (120, 1)]) => "field";
        "twice":      "A member twice.",                     records(&[(120, 1), (120, 2)]) => "field";
        "empty":      "No record.",                          vec![] => "field";
        "7-bytes":    "Not whole records.",                  records(&[(120, 1)])[..7].to_vec() => "field";
    }
    let many: Vec<(u32, u32)> = (100..1128).map(|member| (member, 1)).collect();
    let named = |id: &str, comment: &str, chunk: Vec<u8>| {
        let named = [runs[0].clone(), chunk.clone(), records(&[(5000, 1)])];
        let list = list_of(&named, [first, 100, 5000]);
        REFUSED.case(id, comment, input(&list, 100, &chunk))
    };
    table! { named => file:
        "1028": "A record too many: no chunk is as long.", records(&many) => "serial";
    }
    let longest = |id: &str, comment: &str, chunk: Vec<u8>| {
        let result = object! { first: 100_u8, lowest_serial: 1_u8 };
        named(id, comment, chunk).result(result)
    };
    table! { longest => file:
        "1027": "As many records as a chunk has.", records(&many[..1027]) => valid;
    }
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
