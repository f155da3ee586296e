//! Kind `announcement_follow`: covers in chunks, of which a member reads one (spec/keys.md §5, §7).

use sealmq_keys::Generation;

use super::follower::{Follower, fixtures};
use crate::vectors::group::Group;
use crate::vectors::prelude::*;

/// Two readers, a publisher, and leaves that were removed: all in a tree of depth 3.
const READER: u32 = 9;
const OTHER_READER: u32 = 11;
const PUBLISHER: u32 = 15;
const REMOVED: u32 = 13;
const REMOVED_FIRST: u32 = 8;
const PARTS: [&[u32]; 3] = [&[9, 5], &[12], &[7]];

/// The first epoch heals, the second in chunks, the third is ordinary.
fn group() -> (Group, Vec<Vec<u8>>) {
    let mut group = Group::new("chunked", 3);
    group.rotate();
    group.removed = vec![REMOVED_FIRST, REMOVED];
    let draft = group.draft(true);
    let (cover, chunks) = group.chunked(&draft, 3, &PARTS);
    group.accept_with(draft, &cover);
    group.rotate();
    (group, chunks)
}

pub(crate) fn vectors(file: &mut VectorFile) {
    let (group, chunks) = group();
    fixtures(&group, file);
    good(&group, &chunks, file);
    bad(&group, &chunks, file);
    entries(&group, file);
    second_cover(&group, file);
}

fn good(group: &Group, chunks: &[Vec<u8>], file: &mut VectorFile) {
    for (id, leaf, number) in [
        ("chunked-first", READER, 0),
        ("chunked-inner", OTHER_READER, 0),
        ("chunked-last", PUBLISHER, 2),
    ] {
        Follower::new(
            group,
            leaf,
            1,
            id,
            "A removal whose cover comes in chunks: the one of the leaf is enough.",
        )
        .attacks(&["B22"])
        .ok(1)
        .with_chunk(&chunks[number])
        .ok(2)
        .ok(3)
        .done(file);
    }
    stories! { |id, comment, leaf| Follower::new(group, leaf, 1, id, comment) => file:
        "chunked-waits": "Without its chunk the member waits; a wrong one changes nothing.",
            PUBLISHER => .attacks(&["B22"]).ok(1).asks_chunk(2, 2).with_chunk(&chunks[1]).bad(2, "serial")
            .with_chunk(&chunks[2]).ok(2).known(2).ok(3);
        "chunked-skipped": "The member was away: the healing announcement first, with its chunk.",
            READER => .attacks(&["A5", "B22"]).ok(1).asks(3, 2).asks_chunk(2, 0).with_chunk(&chunks[0]).ok(2)
            .ok(3);
        "chunk-not-needed": "An inline cover needs no chunk: one that is there is not looked at.",
            READER => .with_chunk(&[0x5a; 52]).ok(1);
    }
}

fn bad(group: &Group, chunks: &[Vec<u8>], file: &mut VectorFile) {
    let new = |id: &'static str, comment: &'static str, leaf: u32| {
        Follower::new(group, leaf, 1, id, comment)
            .attacks(&["B22"])
            .ok(1)
    };
    stories! { new => file:
        "chunk-missing":      "The chunk is not there.",   READER    => .asks_chunk(2, 0);
        "chunk-missing-last": "Its number counts from 0.", PUBLISHER => .asks_chunk(2, 2);
    }
    let mut altered = chunks[0].clone();
    altered[60] ^= 1;
    for (id, comment, chunk) in table! {
        "chunk-other":     "Another chunk than the leaf's.", &chunks[1][..];
        "chunk-altered":   "A bit was changed.",             &altered;
        "chunk-cleared":   "A cleared topic.",               &[];
        "chunk-truncated": "Cut off after an entry.",        &chunks[0][..52];
        "chunk-longer":    "Two chunks in one.",             &[&chunks[0][..], &chunks[1]].concat();
    } {
        new(id, comment, READER)
            .with_chunk(chunk)
            .bad(2, "serial")
            .done(file);
    }
    stories! { new => file:
        "chunk-removed": "No entry of the chunk is for this leaf.",
            REMOVED => .with_chunk(&chunks[1]).bad(2, "not_covered");
        "chunk-removed-below": "The leaf is below the first chunk.", REMOVED_FIRST => .bad(2, "not_covered");
    }
}

/// Chunks that the announcement names, and that break the rules for entries.
fn entries(group: &Group, file: &mut VectorFile) {
    let draft = group.draft_of(2, true);
    let (_, head_hash) = group.head(&draft);
    let nodes = |nodes: &[u32]| group.entries(&draft, &head_hash, nodes);
    let last = nodes(&[7]);
    let mut long = nodes(&[9, 5]);
    long.resize(8217, 0x5a);
    for (id, comment, chunk, reason) in table! {
        "chunk-descending":   "Entries descend.",                nodes(&[5, 9])             => "field";
        "chunk-late":         "It begins after its first leaf.", nodes(&[5])                => "field";
        "chunk-reaches-over": "An entry of the next chunk.",     nodes(&[9, 5, 7])          => "field";
        "chunk-empty":        "No entry.",                       vec![]                     => "field";
        "chunk-51-bytes":     "An entry of 51 bytes.",           nodes(&[9])[..51].to_vec() => "field";
        "chunk-8217-bytes":   "A chunk of 8217 bytes.",          long                       => "serial";
    } {
        let list: Vec<u8> = [(9, &chunk), (14, &last)]
            .iter()
            .flat_map(|(first, chunk)| [varint(*first), sha256(&[chunk]).0.to_vec()].concat())
            .collect();
        let object = group.encode_with(&draft, &[vec![1], blob(&list)].concat());
        Follower::new(group, READER, 1, id, comment)
            .attacks(&["B22"])
            .ok(1)
            .with_chunk(&chunk)
            .raw(&object, reason)
            .done(file);
    }
}

/// Chunks are numbered over all covers: those of the older generation come first.
fn second_cover(group: &Group, file: &mut VectorFile) {
    let mut draft = group.draft_of(2, true);
    let newer = draft.generations[0];
    draft.generations = vec![Generation { number: 0, ..newer }, newer];
    let older = Group::new("chunked, older", 3);
    let (_, head_hash) = group.head(&draft);
    let part = |nodes: &[u32]| older.entries(&draft, &head_hash, nodes);
    let parts = [(8, part(&[4])), (10, part(&[5])), (12, part(&[3]))];
    let list = parts
        .iter()
        .flat_map(|(first, chunk)| [varint(*first), sha256(&[chunk]).0.to_vec()].concat());
    let list: Vec<u8> = list.collect();
    let (cover, chunks) = group.chunked(&draft, 3, &PARTS);
    let object = group.encode_with(&draft, &[vec![1], blob(&list), cover].concat());
    let needs = |id, comment| Follower::new(group, PUBLISHER, 1, id, comment).ok(1);
    stories! { needs => file:
        "chunk-of-newer": "The chunk of the member's own generation."
            => .with_chunk(&chunks[2]).ok_object(&draft, &object);
        "chunk-of-newer-number": "Three chunks of the older generation come before."
            => .asks_chunk_of(&object, 5);
        "chunk-of-older": "A chunk of the other generation."
            => .with_chunk(&parts[2].1).raw(&object, "serial");
    }
}
