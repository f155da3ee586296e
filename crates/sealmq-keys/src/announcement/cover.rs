use sealmq_core::crypto::Digest;
use sealmq_core::object::{List, ObjectError};
use serde::{Deserialize, Serialize};

use crate::tree::{WRAPPED_LEN, leaf_range};

/// Length of one cover entry in bytes: node and wrapped secret.
pub const ENTRY_LEN: usize = 4 + WRAPPED_LEN;
/// Longest inline cover in bytes.
pub const MAX_INLINE_LEN: usize = 49_152;
/// Most entries of an inline cover.
pub const MAX_INLINE_ENTRIES: usize = MAX_INLINE_LEN / ENTRY_LEN;

/// One chunk of a cover that is published on topics of its own (reserved).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Chunk {
    first_leaf: u32,
    hash: Digest,
}

/// The cover of one generation, as it is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Cover<'a> {
    /// The entries themselves.
    Inline { entries: &'a [u8] },
    /// Where the entries are (reserved).
    Chunked {
        #[serde(borrow)]
        chunks: List<'a, Chunk>,
    },
}

impl<'a> Cover<'a> {
    pub(super) fn check(&self, depth: u8) -> Result<CoverEntries<'a>, ObjectError> {
        match *self {
            Self::Inline { entries } => CoverEntries::check(depth, entries),
            Self::Chunked { .. } => Err(ObjectError::Unsupported("chunked covers")),
        }
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

/// A cover whose structure was checked: nodes of the tree, ascending by their leaves, disjoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoverEntries<'a>(&'a [u8]);

impl<'a> CoverEntries<'a> {
    /// No entries; never the result of a check.
    pub(super) const NONE: Self = Self(&[]);

    /// Checks encoded entries against the depth of their tree (spec/keys.md §5).
    ///
    /// # Errors
    /// `Field("covers")`.
    pub(super) fn check(depth: u8, entries: &'a [u8]) -> Result<Self, ObjectError> {
        let error = ObjectError::Field("covers");
        let whole = entries.chunks_exact(ENTRY_LEN).remainder().is_empty();
        if entries.is_empty() || entries.len() > MAX_INLINE_LEN || !whole {
            return Err(error);
        }
        let mut free_from = 0;
        for entry in Self(entries).iter() {
            let leaves = leaf_range(depth, entry.node).ok_or(error)?;
            if leaves.start < free_from {
                return Err(error);
            }
            free_from = leaves.end;
        }
        Ok(Self(entries))
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
        CoverEntries::check(depth, &bytes).is_ok()
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
        assert_eq!(
            CoverEntries::check(3, &[0; ENTRY_LEN - 1]),
            Err(ObjectError::Field("covers"))
        );
        let mut two = vec![0; ENTRY_LEN + 1];
        two[3] = 2;
        assert!(CoverEntries::check(3, &two).is_err());
        let leaves: Vec<u32> = (1 << 10..).take(MAX_INLINE_ENTRIES + 1).collect();
        assert!(check(10, &leaves[..MAX_INLINE_ENTRIES]));
        assert!(!check(10, &leaves));
    }
}
