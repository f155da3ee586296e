use core::ops::Range;

use sealmq_core::crypto::{Digest, sha256};
use sealmq_core::object::{List, ObjectError};
use serde::{Deserialize, Serialize};

use crate::tree::{WRAPPED_LEN, all_leaves, covers, is_leaf, leaf_range};

/// Length of one cover entry in bytes: node and wrapped secret.
pub const ENTRY_LEN: usize = 4 + WRAPPED_LEN;
/// Longest inline cover in bytes.
pub const MAX_INLINE_LEN: usize = 49_152;
/// Most entries of an inline cover.
pub const MAX_INLINE_ENTRIES: usize = MAX_INLINE_LEN / ENTRY_LEN;
/// Length in bytes up to which an authority should let the covers of an announcement stand inline,
/// together. What is longer goes in chunks, so that devices need not receive all of it at once.
pub const INLINE_LIMIT: usize = 1560;
/// Most entries of a chunk.
pub const MAX_CHUNK_ENTRIES: usize = 158;
/// Entries of a chunk, unless an announcement had to name more than [`MANY_CHUNKS`] then.
pub const CHUNK_ENTRIES: usize = 30;
/// Chunks of an announcement from which on it has larger ones instead of more: about 2 KiB in it.
/// With covers of 4096 entries, from which on a new generation is due, a chunk has 3848 bytes, and
/// both fit into packets of 4 KiB.
pub const MANY_CHUNKS: usize = 56;
/// Longest chunk in bytes.
pub const MAX_CHUNK_LEN: usize = MAX_CHUNK_ENTRIES * ENTRY_LEN;

const ERROR: ObjectError = ObjectError::Field("covers");

/// Where one chunk of a cover begins, and what it hashes to; as it is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chunk {
    pub(super) first_leaf: u32,
    pub(super) hash: Digest,
}

/// The cover of one generation, as it is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum EncodedCover<'a> {
    /// The entries themselves.
    Inline { entries: &'a [u8] },
    /// Where the entries are.
    Chunked {
        #[serde(borrow)]
        chunks: List<'a, Chunk>,
    },
}

impl<'a> EncodedCover<'a> {
    /// Checks the cover of a tree of this depth (spec/keys.md §5). `number` is that of its first
    /// chunk, if it has any.
    ///
    /// # Errors
    /// `Field("covers")`.
    pub(super) fn check(&self, depth: u8, number: u32) -> Result<Cover<'a>, ObjectError> {
        match *self {
            Self::Inline { entries } => {
                let bounds = all_leaves(depth);
                CoverEntries::check(depth, entries, bounds, MAX_INLINE_LEN).map(Cover::Inline)
            }
            Self::Chunked { chunks } => {
                let chunks = CoverChunks {
                    depth,
                    number,
                    chunks,
                };
                chunks.check().map(|()| Cover::Chunked(chunks))
            }
        }
    }
}

/// The checked cover of one generation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cover<'a> {
    /// Its entries stand in the announcement.
    Inline(CoverEntries<'a>),
    /// Its entries stand in chunks on topics of their own.
    Chunked(CoverChunks<'a>),
}

impl<'a> Cover<'a> {
    /// The entries, if they stand in the announcement.
    #[must_use]
    pub const fn inline(&self) -> Option<CoverEntries<'a>> {
        match self {
            Self::Inline(entries) => Some(*entries),
            Self::Chunked(_) => None,
        }
    }

    /// The chunks, if it has any.
    #[must_use]
    pub const fn chunked(&self) -> Option<CoverChunks<'a>> {
        match self {
            Self::Inline(_) => None,
            Self::Chunked(chunks) => Some(*chunks),
        }
    }
}

/// One chunk that an announcement refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRef {
    /// Its number, counted over all covers of the announcement; part of its topic.
    pub number: u32,
    /// SHA-256 of its bytes.
    pub hash: Digest,
    /// The first leaf that it covers.
    pub first_leaf: u32,
    /// The leaf before which its entries end: the next chunk's first, or the tree's end.
    pub end_leaf: u32,
    depth: u8,
}

impl ChunkRef {
    /// The entries of the chunk that this refers to.
    ///
    /// # Errors
    /// [`ObjectError::Serial`] if `bytes` are not that chunk: another one, or altered.
    /// `Field("covers")` if they are, and break the rules for entries (spec/keys.md §5).
    pub fn entries<'c>(&self, bytes: &'c [u8]) -> Result<CoverEntries<'c>, ObjectError> {
        if bytes.len() > MAX_CHUNK_LEN || sha256(&[bytes]) != self.hash {
            return Err(ObjectError::Serial);
        }
        let bounds = self.first_leaf..self.end_leaf;
        let entries = CoverEntries::check(self.depth, bytes, bounds, MAX_CHUNK_LEN)?;
        let first = entries.iter().next();
        let begins = first.and_then(|entry| leaf_range(self.depth, entry.node));
        match begins {
            Some(leaves) if leaves.start == self.first_leaf => Ok(entries),
            _ => Err(ERROR),
        }
    }

    /// What the chunk that this refers to says to a leaf.
    ///
    /// # Errors
    /// As [`ChunkRef::entries`].
    pub fn read(&self, leaf: u32, bytes: &[u8]) -> Result<ChunkEntry, ObjectError> {
        let entry = self.entries(bytes)?.for_leaf(self.depth, leaf);
        Ok(ChunkEntry {
            chunk: *self,
            leaf,
            entry: entry.map(|entry| (entry.node, *entry.wrapped)),
        })
    }
}

/// What a chunk says to one leaf: all that a member has to keep of it. Made by [`ChunkRef::read`]
/// only, of the bytes that an announcement names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkEntry {
    chunk: ChunkRef,
    leaf: u32,
    /// Node and wrapped secret; `None` if the leaf is left out.
    entry: Option<(u32, [u8; WRAPPED_LEN])>,
}

impl ChunkEntry {
    /// Whether it is what this chunk says to this leaf.
    pub(crate) fn is_of(&self, chunk: &ChunkRef, leaf: u32) -> bool {
        self.chunk == *chunk && self.leaf == leaf
    }

    pub(crate) fn entry(&self) -> Option<CoverEntry<'_>> {
        let (node, wrapped) = self.entry.as_ref()?;
        Some(CoverEntry {
            node: *node,
            wrapped,
        })
    }
}

/// The references to the chunks of one cover, checked: two or more, ascending by first leaf.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoverChunks<'a> {
    depth: u8,
    /// Number of the first one.
    number: u32,
    chunks: List<'a, Chunk>,
}

impl<'a> CoverChunks<'a> {
    fn check(&self) -> Result<(), ObjectError> {
        let mut last = None;
        for chunk in &self.chunks {
            let ascending = last.is_none_or(|first| first < chunk.first_leaf);
            if !is_leaf(self.depth, chunk.first_leaf) || !ascending {
                return Err(ERROR);
            }
            last = Some(chunk.first_leaf);
        }
        if self.chunks.iter().nth(1).is_none() {
            return Err(ERROR);
        }
        Ok(())
    }

    /// The chunks in order.
    pub fn iter(&self) -> impl Iterator<Item = ChunkRef> + use<'a> {
        let Self { depth, chunks, .. } = *self;
        let end = all_leaves(depth).end;
        let ends = chunks.iter().skip(1).map(|next| next.first_leaf);
        let ends = ends.chain(core::iter::once(end));
        let refs = chunks.iter().zip(ends).zip(self.number..);
        refs.map(move |((chunk, end_leaf), number)| ChunkRef {
            number,
            hash: chunk.hash,
            first_leaf: chunk.first_leaf,
            end_leaf,
            depth,
        })
    }

    /// The only chunk in which an entry for this leaf can stand.
    #[must_use]
    pub fn for_leaf(&self, leaf: u32) -> Option<ChunkRef> {
        self.iter()
            .find(|chunk| (chunk.first_leaf..chunk.end_leaf).contains(&leaf))
    }
}

/// The secret of an epoch, wrapped for the leaves below one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoverEntry<'a> {
    /// The node.
    pub node: u32,
    /// Ciphertext ‖ tag.
    pub wrapped: &'a [u8; WRAPPED_LEN],
}

/// Entries whose structure was checked: nodes of the tree, ascending by their leaves, disjoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoverEntries<'a>(&'a [u8]);

impl<'a> CoverEntries<'a> {
    /// Checks encoded entries against the depth of their tree (spec/keys.md §5); `bounds` holds
    /// all leaves that they may cover.
    ///
    /// # Errors
    /// `Field("covers")`.
    pub(super) fn check(
        depth: u8,
        entries: &'a [u8],
        bounds: Range<u32>,
        max_len: usize,
    ) -> Result<Self, ObjectError> {
        let whole = entries.chunks_exact(ENTRY_LEN).remainder().is_empty();
        if entries.is_empty() || entries.len() > max_len || !whole {
            return Err(ERROR);
        }
        let mut free_from = bounds.start;
        for entry in Self(entries).iter() {
            let leaves = leaf_range(depth, entry.node).ok_or(ERROR)?;
            if leaves.start < free_from || leaves.end > bounds.end {
                return Err(ERROR);
            }
            free_from = leaves.end;
        }
        Ok(Self(entries))
    }

    /// The only entry that a leaf can open.
    pub(crate) fn for_leaf(&self, depth: u8, leaf: u32) -> Option<CoverEntry<'a>> {
        self.iter().find(|entry| covers(depth, entry.node, leaf))
    }

    /// The entries in order.
    pub fn iter(&self) -> impl Iterator<Item = CoverEntry<'a>> + use<'a> {
        self.0.chunks_exact(ENTRY_LEN).filter_map(|bytes| {
            let (node, wrapped) = bytes.split_first_chunk()?;
            Some(CoverEntry {
                node: u32::from_be_bytes(*node),
                wrapped: wrapped.first_chunk()?,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(depth: u8, nodes: &[u32]) -> bool {
        let bytes: Vec<u8> = nodes
            .iter()
            .flat_map(|node| [&node.to_be_bytes()[..], &[0; WRAPPED_LEN]].concat())
            .collect();
        CoverEntries::check(depth, &bytes, all_leaves(depth), MAX_INLINE_LEN).is_ok()
    }

    #[test]
    fn structure() {
        for good in [
            &[2][..],
            &[3],
            &[2, 3],
            &[4, 5, 3],
            &[8, 5, 13],
            &[9, 5, 6, 14],
            &[8, 9, 10, 11, 12, 13, 14, 15],
        ] {
            assert!(check(3, good), "{good:?}");
        }
        let bad = [
            &[][..],
            &[0],
            &[1],  // above the halves
            &[16], // below the leaves
            &[u32::MAX],
            &[3, 2],    // descending
            &[2, 2],    // twice
            &[2, 5, 3], // overlap below
            &[4, 2],    // overlap above
            &[9, 4],
            &[9, 8],
            &[4, 9],
        ];
        for nodes in bad {
            assert!(!check(3, nodes), "{nodes:?}");
        }
        assert!(check(4, &[16]));
        assert!(!check(1, &[2]));
        assert!(!check(25, &[2]));
    }

    #[test]
    fn sizes() {
        let check_bytes =
            |bytes: &[u8]| CoverEntries::check(3, bytes, all_leaves(3), MAX_INLINE_LEN).map(|_| ());
        assert_eq!(check_bytes(&[0; ENTRY_LEN - 1]), Err(ERROR));
        let mut two = vec![0; ENTRY_LEN + 1];
        two[3] = 2;
        assert_eq!(check_bytes(&two), Err(ERROR));
        assert_eq!(check_bytes(&two[..ENTRY_LEN]), Ok(()));
        let leaves: Vec<u32> = (1 << 10..).take(MAX_INLINE_ENTRIES + 1).collect();
        assert!(check(10, &leaves[..MAX_INLINE_ENTRIES]));
        assert!(!check(10, &leaves));
    }
}
