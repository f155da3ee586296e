use core::ops::Range;

/// Smallest depth of a tree.
pub const MIN_DEPTH: u8 = 2;
/// Largest depth of a tree.
pub const MAX_DEPTH: u8 = 24;

/// The two halves of a tree: which secret their leaves receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Half {
    /// Under node 2: members that may subscribe; they receive `reader_secret`.
    Readers,
    /// Under node 3: publish-only members; they receive `psk`.
    Publishers,
}

impl Half {
    /// Both halves, in the order of their leaves.
    pub const ALL: [Self; 2] = [Self::Readers, Self::Publishers];

    /// The half's root node: 2 or 3.
    #[must_use]
    pub const fn root(self) -> u32 {
        match self {
            Self::Readers => 2,
            Self::Publishers => 3,
        }
    }
}

/// Whether a tree may have this depth: 2 to 24.
#[must_use]
pub const fn is_depth(depth: u8) -> bool {
    depth >= MIN_DEPTH && depth <= MAX_DEPTH
}

/// The level of a node below node 1; `None` for node 0, which does not exist.
fn level(node: u32) -> Option<u32> {
    node.checked_ilog2()
}

/// Whether a node of a tree of this depth has a key: 2 … 2^(depth+1) − 1.
#[must_use]
pub fn is_node(depth: u8, node: u32) -> bool {
    is_depth(depth) && level(node).is_some_and(|l| l >= 1 && l <= u32::from(depth))
}

/// Whether a node is a leaf of a tree of this depth.
#[must_use]
pub fn is_leaf(depth: u8, node: u32) -> bool {
    is_depth(depth) && level(node) == Some(u32::from(depth))
}

/// The half that a node belongs to; `None` for nodes 0 and 1.
#[must_use]
pub fn half_of(node: u32) -> Option<Half> {
    // The two highest bits of a number above 1 are 10 in the left subtree and 11 in the right.
    let shift = level(node)?.checked_sub(1)?;
    match node.checked_shr(shift)? {
        2 => Some(Half::Readers),
        3 => Some(Half::Publishers),
        _ => None,
    }
}

/// The leaves below a node (the leaf itself for a leaf); `None` if it is no node with a key.
#[must_use]
pub fn leaf_range(depth: u8, node: u32) -> Option<Range<u32>> {
    if !is_node(depth, node) {
        return None;
    }
    let height = u32::from(depth).checked_sub(level(node)?)?;
    // At most 2^25: no overflow.
    Some(node.checked_shl(height)?..node.checked_add(1)?.checked_shl(height)?)
}

/// All leaves of a half; empty if the depth is not allowed.
#[must_use]
pub fn leaves(depth: u8, half: Half) -> Range<u32> {
    leaf_range(depth, half.root()).unwrap_or(0..0)
}

/// All leaves of a tree; empty if the depth is not allowed.
#[must_use]
pub fn all_leaves(depth: u8) -> Range<u32> {
    leaves(depth, Half::Readers).start..leaves(depth, Half::Publishers).end
}

/// Whether `node` is `leaf` or stands above it.
#[must_use]
pub fn covers(depth: u8, node: u32, leaf: u32) -> bool {
    leaf_range(depth, node).is_some_and(|range| range.contains(&leaf))
}

/// The `depth` nodes from a leaf upwards: leaf, …, 2 or 3. Empty if it is no leaf.
pub fn path_nodes(depth: u8, leaf: u32) -> impl Iterator<Item = u32> {
    let steps = if is_leaf(depth, leaf) {
        u32::from(depth)
    } else {
        0
    };
    (0..steps).map_while(move |up| leaf.checked_shr(up))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_tree() {
        // Depth 2: nodes 2 and 3, leaves 4 5 | 6 7.
        assert_eq!(leaves(2, Half::Readers), 4..6);
        assert_eq!(leaves(2, Half::Publishers), 6..8);
        assert_eq!(leaf_range(2, 5), Some(5..6));
        for outside in [0, 1, 8, u32::MAX] {
            assert_eq!(leaf_range(2, outside), None);
            assert!(!is_node(2, outside));
        }
        assert!(path_nodes(2, 7).eq([7, 3]));
        assert_eq!(path_nodes(2, 3).count(), 0);
        assert_eq!(half_of(5), Some(Half::Readers));
        assert_eq!(half_of(6), Some(Half::Publishers));
        assert_eq!((half_of(0), half_of(1)), (None, None));
    }

    #[test]
    fn the_largest_tree() {
        let last = (1 << 25) - 1;
        assert!(is_leaf(24, last));
        assert_eq!(leaves(24, Half::Publishers), 3 << 23..last + 1);
        assert_eq!(path_nodes(24, last).count(), 24);
        assert_eq!(path_nodes(24, last).last(), Some(3));
        for depth in [0, 1, 25, 32, 255] {
            assert!(!is_node(depth, 2));
            assert_eq!(leaf_range(depth, 2), None);
            assert_eq!(path_nodes(depth, 1 << 24).count(), 0);
        }
    }

    #[test]
    fn paths_are_the_nodes_that_cover_a_leaf() {
        for leaf in 16..32 {
            let above = (0..40).filter(|node| covers(4, *node, leaf));
            let mut path: Vec<_> = path_nodes(4, leaf).collect();
            path.sort_unstable();
            assert!(above.eq(path.iter().copied()), "leaf {leaf}");
            assert!(path.iter().all(|node| half_of(*node) == half_of(leaf)));
        }
    }
}
