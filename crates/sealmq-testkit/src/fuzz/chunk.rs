//! Chunks of covers: the rules for entries, against a second reading of them.

use std::ops::Range;

use sealmq_core::crypto::{Digest, sha256};
use sealmq_core::object::{Extensions, Kind, List, ObjectError, decode_prefix, encode};
use sealmq_keys::{Announcement, Cover, Generation, Head, MAX_CHUNK_LEN};

use super::signed::{Signer, frame};
use super::world::World;

const ENTRY_LEN: usize = 52;

/// A chunk: one byte for the depth of the tree, two times four for its first leaf and that of the
/// chunk after it, and its content.
pub fn chunk(data: &[u8]) -> bool {
    let Some((&[depth, a, b, c, d, e, f, g, h], content)) = data.split_first_chunk() else {
        return false;
    };
    let depth = 2 + depth % 23;
    let leaf = |bytes| (1_u32 << depth) + u32::from_be_bytes(bytes) % (1 << depth);
    let bounds = leaf([a, b, c, d])..leaf([e, f, g, h]);
    let references = [
        (bounds.start, sha256(&[content])),
        (bounds.end, Digest([7; 32])),
    ];
    let object = announcement(depth, &references);
    let announcement = Announcement::verify(&object, &Signer::get().delegation, PREFIX);
    if bounds.is_empty() {
        assert_eq!(announcement.map(|_| ()), Err(ObjectError::Field("covers")));
        return false;
    }
    let announcement = announcement.unwrap();
    let (_, Cover::Chunked(chunks)) = announcement.covers().next().unwrap() else {
        panic!("chunks were announced");
    };
    for at in [bounds.start, bounds.end - 1] {
        assert_eq!(chunks.for_leaf(at).map(|chunk| chunk.number), Some(0));
    }
    assert_eq!(
        chunks.for_leaf(bounds.end).map(|chunk| chunk.number),
        Some(1)
    );
    assert_eq!(chunks.for_leaf(bounds.start - 1), None);
    let (first, second) = (chunks.iter().next().unwrap(), chunks.iter().nth(1).unwrap());
    assert!(second.entries(content).is_err(), "another chunk's content");
    let accepted = first.entries(content);
    assert_eq!(accepted.is_ok(), allowed(depth, &bounds, content));
    let Ok(entries) = accepted else {
        return false;
    };
    let again: Vec<u8> = entries
        .iter()
        .flat_map(|entry| [&entry.node.to_be_bytes()[..], entry.wrapped].concat())
        .collect();
    assert_eq!(again, content);
    let mut damaged = content.to_vec();
    damaged[usize::from(a) % content.len()] ^= 1;
    for bad in [&damaged[..], &content[1..], &[]] {
        assert!(matches!(first.entries(bad), Err(ObjectError::Serial)));
    }
    true
}

/// spec/keys.md §5, said once more: whole entries, the first one's leaves begin the chunk, the
/// others go on to the right without overlap, all of it inside.
fn allowed(depth: u8, bounds: &Range<u32>, content: &[u8]) -> bool {
    if content.is_empty()
        || !content.len().is_multiple_of(ENTRY_LEN)
        || content.len() > MAX_CHUNK_LEN
    {
        return false;
    }
    let mut end = None;
    content.chunks(ENTRY_LEN).all(|entry| {
        let node = u64::from(u32::from_be_bytes([entry[0], entry[1], entry[2], entry[3]]));
        if node < 2 || node >= 2 << depth {
            return false;
        }
        let (mut first, mut last) = (node, node);
        while first < 1 << depth {
            (first, last) = (2 * first, 2 * last + 1);
        }
        let begins = match end {
            None => first == u64::from(bounds.start),
            Some(end) => first > end,
        };
        end = Some(last);
        begins && last < u64::from(bounds.end)
    })
}

const PREFIX: &str = "_sealmq/fuzz";

/// A signed announcement of one generation whose cover is chunked.
fn announcement(depth: u8, references: &[(u32, Digest)]) -> Vec<u8> {
    let (signer, real) = (Signer::get(), &World::get().announcements[0]);
    let (head, _) = decode_prefix::<Head<'_>>(&real[2..]).unwrap();
    let generation = Generation {
        number: 1,
        depth,
        first_epoch: 1,
        deadline: 0,
    };
    let mut list = [0; 64];
    let head = Head {
        domain: signer.domain,
        serial: Signer::SERIAL,
        signer: 0,
        generations: List::encode(&[generation], &mut list).unwrap(),
        ..head
    };
    let (mut chunks, mut cover, mut out) = ([0; 128], [0; 160], [0; 2048]);
    let chunks = List::encode(references, &mut chunks).unwrap();
    let cover = encode(&(1_u8, chunks), &mut cover).unwrap();
    let extensions: Extensions<'_> = List::EMPTY;
    let body = encode(&(head, extensions, &*cover), &mut out).unwrap();
    frame(Kind::Announcement, body, &signer.key)
}
