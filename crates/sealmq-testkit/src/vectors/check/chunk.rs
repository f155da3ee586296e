//! Kind `chunk` (spec/keys.md §5): one chunk of a cover, and a member's entry in it.

use sealmq_keys::objects::{Lowest, RefusedList};
use sealmq_keys::tree::{NodeKey, path_nodes};
use sealmq_keys::{Announcement, default_prefix};

use super::{Checked, Input, broken};
use crate::vectors::prelude::*;

pub(crate) fn chunk(input: Input<'_>) -> Checked {
    let (authority, bytes) = (input.authority("authority"), input.hex("announcement"));
    let prefix = default_prefix(&authority.domain);
    let announcement = Announcement::verify(&bytes, &authority, &prefix).map_err(broken)?;
    let (generation, leaf) = (input.number("generation"), input.number("leaf"));
    let chunk = announcement
        .chunk_for(generation, leaf)
        .ok_or("not_covered")?;
    let bytes = input.hex("chunk");
    let entries = chunk.entries(&bytes)?;
    let (head, _) = announcement.cover(generation).unwrap();
    let is_mine = |asked: u32| path_nodes(head.depth, leaf).any(|node| node == asked);
    let mine = entries.iter().find(|entry| is_mine(entry.node));
    let node_key = input.get("node_key");
    let mine = mine.filter(|entry| entry.node == node_key.number::<u32>("node"));
    let mine = mine.ok_or("not_covered")?;
    let key = NodeKey::new(node_key.secret("key"));
    let secret = key.unwrap(mine.node, announcement.head_hash(), mine.wrapped);
    let secret = secret.map_err(|_| "wrong_secret")?;
    let nodes: Vec<u32> = entries.iter().map(|entry| entry.node).collect();
    Ok(object! {
        number: chunk.number, first_leaf: chunk.first_leaf, nodes: nodes, secret: *secret.expose(),
    })
}

/// Kind `refused_chunk` (spec/keys.md §7): what a refused list, with one of its chunks, says of a
/// member.
pub(crate) fn refused_chunk(input: Input<'_>) -> Checked {
    let (authority, member) = (
        input.authority("authority"),
        MemberNumber(input.number("member")),
    );
    let bytes = input.hex("list");
    let list = RefusedList::verify(&bytes, &authority)?;
    Ok(match list.lowest_serial(member) {
        Lowest::Serial(lowest) => object! { lowest_serial: lowest },
        Lowest::InChunk(chunk) => {
            let bytes = input.hex("chunk");
            let run = chunk.run(&bytes)?;
            object! { first: chunk.first.0, lowest_serial: run.lowest_serial(member) }
        }
    })
}
