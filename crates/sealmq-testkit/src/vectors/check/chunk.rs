//! Kind `chunk` (spec/keys.md §5): one chunk of a cover, and a member's entry in it.

use sealmq_keys::tree::{NodeKey, path_nodes};
use sealmq_keys::{Announcement, default_prefix};

use super::object::reason;
use super::{Input, Outcome, refused};
use crate::vectors::prelude::*;

pub(crate) fn chunk(input: Input<'_>) -> Result<Outcome, String> {
    let (authority, bytes) = (input.authority("authority"), input.hex("announcement"));
    let prefix = default_prefix(&authority.domain);
    let announcement = Announcement::verify(&bytes, &authority, &prefix)
        .map_err(|error| format!("the announcement: {error}"))?;
    let (generation, leaf) = (input.number("generation"), input.number("leaf"));
    let Some(chunk) = announcement.chunk_for(generation, leaf) else {
        return Ok(refused("not_covered"));
    };
    let bytes = input.hex("chunk");
    let entries = match chunk.entries(&bytes) {
        Ok(entries) => entries,
        Err(error) => return Ok(refused(reason(error))),
    };
    let (head, _) = announcement.cover(generation).ok_or("no cover")?;
    let mine = entries
        .iter()
        .find(|entry| path_nodes(head.depth, leaf).any(|node| node == entry.node));
    let node_key = input.get("node_key");
    let Some(mine) = mine.filter(|entry| entry.node == node_key.number::<u32>("node")) else {
        return Ok(refused("not_covered"));
    };
    let key = NodeKey::new(node_key.secret("key"));
    Ok(
        match key.unwrap(mine.node, announcement.head_hash(), mine.wrapped) {
            Ok(secret) => Outcome::Accepted(object! {
                number: chunk.number,
                first_leaf: chunk.first_leaf,
                nodes: entries.iter().map(|entry| entry.node).collect::<Vec<u32>>(),
                secret: *secret.expose(),
            }),
            Err(_) => refused("wrong_secret"),
        },
    )
}
