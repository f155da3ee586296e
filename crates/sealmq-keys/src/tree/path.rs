use sealmq_core::crypto::Secret;

use super::{Half, HealSecret, MAX_DEPTH, NodeKey, half_of, is_leaf, path_nodes};

/// Longest encoding of path keys in bytes: 24 keys of 32.
pub const MAX_PATH_LEN: usize = 32 * MAX_DEPTH as usize;

/// The keys of the nodes from a leaf up to node 2 or 3, all of one epoch. Wiped on drop.
#[derive(Debug, PartialEq, Eq)]
pub struct PathKeys {
    depth: u8,
    leaf: u32,
    half: Half,
    /// Index i belongs to node `leaf >> i`; those from `depth` on are unused.
    keys: [NodeKey; MAX_DEPTH as usize],
}

impl PathKeys {
    /// Asks for the key of every node on the path of `leaf`, from the leaf upwards. `None` if it
    /// is no leaf of a tree of this depth.
    pub fn from_fn(depth: u8, leaf: u32, mut key: impl FnMut(u32) -> NodeKey) -> Option<Self> {
        if !is_leaf(depth, leaf) {
            return None;
        }
        let mut nodes = path_nodes(depth, leaf);
        let keys = core::array::from_fn(|_| {
            nodes
                .next()
                .map_or_else(|| NodeKey::new(Secret::new([0; 32])), &mut key)
        });
        Some(Self {
            depth,
            leaf,
            half: half_of(leaf)?,
            keys,
        })
    }

    /// Takes the encoding of [`PathKeys::write`]. `None` if it is no leaf of a tree of this
    /// depth, or `bytes` are not 32 · depth.
    #[must_use]
    pub fn from_bytes(depth: u8, leaf: u32, bytes: &[u8]) -> Option<Self> {
        let mut chunks = bytes.chunks_exact(32);
        if bytes.len() != usize::from(depth).checked_mul(32)? {
            return None;
        }
        Self::from_fn(depth, leaf, |_| {
            // There is one chunk for each of the `depth` nodes.
            let chunk = chunks.next().unwrap_or_default();
            NodeKey::new(Secret::init_with(|key| {
                for (to, from) in key.iter_mut().zip(chunk) {
                    *to = *from;
                }
            }))
        })
    }

    /// Length of the encoding in bytes: 32 · depth.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        usize::from(self.depth).saturating_mul(32)
    }

    /// Writes the keys, the leaf's first, into the start of `out`: the plaintext of a welcome.
    /// Writes nothing further if `out` is too short.
    pub fn write(&self, out: &mut [u8]) {
        let keys = self.keys.iter().take(usize::from(self.depth));
        for (to, key) in out.chunks_exact_mut(32).zip(keys) {
            to.copy_from_slice(key.expose());
        }
    }

    /// Depth of the tree.
    #[must_use]
    pub const fn depth(&self) -> u8 {
        self.depth
    }

    /// The leaf's node number.
    #[must_use]
    pub const fn leaf(&self) -> u32 {
        self.leaf
    }

    /// The half that the leaf stands in.
    #[must_use]
    pub const fn half(&self) -> Half {
        self.half
    }

    /// The key of a node, if it is on the path.
    #[must_use]
    pub fn get(&self, node: u32) -> Option<&NodeKey> {
        path_nodes(self.depth, self.leaf)
            .zip(&self.keys)
            .find(|(n, _)| *n == node)
            .map(|(_, k)| k)
    }

    /// Moves all keys past one epoch: an ordinary one without, a healing one with its secret.
    pub(crate) fn advance(&mut self, heal: Option<&HealSecret>) {
        for key in self.keys.iter_mut().take(usize::from(self.depth)) {
            *key = match heal {
                None => key.ratchet(),
                Some(secret) => key.heal(secret),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_path_has_keys() {
        let tree = Secret::new([1; 32]);
        let path = PathKeys::from_fn(3, 13, |node| NodeKey::first(&tree, node)).unwrap();
        for node in 0..20 {
            let expected = [13, 6, 3]
                .contains(&node)
                .then(|| NodeKey::first(&tree, node));
            assert_eq!(path.get(node), expected.as_ref(), "node {node}");
        }
        assert_eq!(path.half(), Half::Publishers);
        let mut bytes = [0; 96];
        path.write(&mut bytes);
        assert_eq!(PathKeys::from_bytes(3, 13, &bytes), Some(path));
        assert_eq!(PathKeys::from_bytes(3, 7, &bytes), None);
        assert_eq!(PathKeys::from_bytes(3, 13, &bytes[1..]), None);
        assert_eq!(PathKeys::from_bytes(2, 7, &bytes), None);
    }
}
