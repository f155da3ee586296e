use alloc::vec::Vec;

use super::{Half, is_leaf, leaf_range};

/// The smallest set of nodes that covers, in each half, all leaves but the removed ones, in
/// ascending order of the leaves that they cover (spec/keys.md §6).
///
/// Nobody removed: nodes 2 and 3. A half of which nothing is left is left out. `removed` may
/// stand in any order; leaves that the tree does not have are ignored. Costs O(r · depth) for r
/// removed leaves, beyond sorting them.
#[must_use]
pub fn cover(depth: u8, removed: &[u32]) -> Vec<u32> {
    let mut removed: Vec<u32> = removed
        .iter()
        .copied()
        .filter(|leaf| is_leaf(depth, *leaf))
        .collect();
    removed.sort_unstable();
    removed.dedup();

    let mut nodes = Vec::new();
    // A stack of subtrees with the removed leaves inside; the right one is pushed first, so that
    // nodes come out in ascending order of their leaves.
    let mut pending = Vec::new();
    for half in Half::ALL.iter().rev() {
        pending.push((half.root(), removed.as_slice()));
    }
    while let Some((node, removed)) = pending.pop() {
        let Some(range) = leaf_range(depth, node) else {
            continue;
        };
        let from = removed.partition_point(|leaf| *leaf < range.start);
        let to = removed.partition_point(|leaf| *leaf < range.end);
        let inside = removed.get(from..to).unwrap_or_default();
        if inside.is_empty() {
            nodes.push(node);
        } else if !is_leaf(depth, node) {
            let left = node.saturating_mul(2);
            pending.push((left.saturating_add(1), inside));
            pending.push((left, inside));
        }
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{covers, leaves};

    #[test]
    fn nobody_removed_is_two_nodes() {
        for depth in 2..=24 {
            assert_eq!(cover(depth, &[]), [2, 3]);
        }
    }

    #[test]
    fn known_covers() {
        assert_eq!(cover(3, &[8]), [9, 5, 3]);
        assert_eq!(cover(3, &[15, 8]), [9, 5, 6, 14]);
        assert_eq!(cover(2, &[4, 5]), [3]);
        assert_eq!(cover(2, &[6, 7]), [2]);
        assert_eq!(cover(2, &[4, 5, 6, 7]), [0; 0]);
        // Twice the same, and a leaf of another tree.
        assert_eq!(cover(3, &[8, 8, 99]), [9, 5, 3]);
    }

    /// Every subset of the leaves of a tree of depth 4: exactly the others are covered, once, and
    /// no set of nodes is smaller (no two siblings stand in the cover).
    #[test]
    fn every_subset_of_a_small_tree() {
        for subset in 0_u32..1 << 16 {
            let removed: Vec<u32> = (16..32)
                .filter(|leaf| subset >> (leaf - 16) & 1 == 1)
                .collect();
            let nodes = cover(4, &removed);
            let mut covered = Vec::new();
            for node in &nodes {
                covered.extend(leaf_range(4, *node).unwrap());
                assert!(
                    *node < 4 || !nodes.contains(&(node ^ 1)),
                    "{removed:?}: {nodes:?}"
                );
            }
            assert!(
                (16..32)
                    .filter(|leaf| !removed.contains(leaf))
                    .eq(covered.iter().copied())
            );
        }
    }

    #[test]
    fn cost_is_bounded_by_removals_times_depth() {
        // Scattered leaves are the worst case.
        let removed: Vec<u32> = leaves(20, Half::Readers).step_by(4099).collect();
        let nodes = cover(20, &removed);
        assert!(nodes.len() <= removed.len() * 20);
        assert!(
            removed
                .iter()
                .all(|leaf| nodes.iter().all(|node| !covers(20, *node, *leaf)))
        );
    }
}
