//! The key tree (spec/keys.md §6): node numbers, node keys and their ratchet, path keys, covers.
//!
//! Nodes are numbered as in a heap: node v has children 2v and 2v+1, the leaves of a tree of
//! depth d are 2^d … 2^(d+1) − 1. Node 2 is the root of the readers' half, node 3 of the
//! publish-only half; node 1 has no key.

#[cfg(feature = "alloc")]
mod cover;
mod key;
mod node;
mod path;

#[cfg(feature = "alloc")]
pub use cover::cover;
pub use key::{HealSecret, NodeKey, WRAPPED_LEN};
pub use node::{
    Half, MAX_DEPTH, MIN_DEPTH, all_leaves, covers, half_of, is_depth, is_leaf, is_node,
    leaf_range, leaves, path_nodes,
};
pub use path::{MAX_PATH_LEN, PathKeys};
