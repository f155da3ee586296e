use sealmq_core::crypto::{
    AeadError, Digest, MessageKey, NONCE_LEN, Secret, TAG_LEN, expand, extract,
};

use super::Half;

/// Length of a wrapped secret in bytes: 32 of ciphertext, 16 of tag.
pub const WRAPPED_LEN: usize = 48;

/// What ratchets one half of the tree past a healing epoch; made by
/// [`ReaderSecret::heal`](crate::ReaderSecret::heal) and [`Psk::heal`](crate::Psk::heal).
///
/// The halves have different ones: a live publish-only device knows the psk, and must not be able
/// to help a removed reader past its removal (A28).
#[derive(Debug)]
pub struct HealSecret {
    half: Half,
    secret: Secret,
}

impl HealSecret {
    pub(crate) const fn new(half: Half, secret: Secret) -> Self {
        Self { half, secret }
    }

    /// The half that it is for.
    #[must_use]
    pub const fn half(&self) -> Half {
        self.half
    }
}

/// The key of one node at one epoch, `N[v, e]`. Wiped on drop.
#[derive(Debug, PartialEq, Eq)]
pub struct NodeKey(Secret);

impl NodeKey {
    /// Takes a key from a welcome or from storage.
    #[must_use]
    pub const fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// `N[v, first] = Expand(tree_secret, "sealmq/1 node" ‖ BE4(v))`.
    #[must_use]
    pub fn first(tree_secret: &Secret, node: u32) -> Self {
        Self(expand(
            tree_secret,
            &[b"sealmq/1 node", &node.to_be_bytes()],
        ))
    }

    /// The key after an ordinary epoch.
    #[must_use]
    pub fn ratchet(&self) -> Self {
        Self(expand(&self.0, &[b"sealmq/1 ratchet"]))
    }

    /// `Extract(N[v, e], "sealmq/1 healed" ‖ heal)`: the key after a healing epoch. The secret must
    /// be the one of the node's half. The label keeps it apart from what Expand makes of the key.
    #[must_use]
    pub fn heal(&self, secret: &HealSecret) -> Self {
        Self(extract(
            &self.0,
            &[b"sealmq/1 healed", secret.secret.expose()],
        ))
    }

    /// `Expand(N[leaf, epoch], "sealmq/1 confirmed" ‖ hash of the welcome)`: public proof that its
    /// recipient opened it. The key must be the one of the welcome's leaf at the welcome's epoch.
    #[must_use]
    pub fn confirm(&self, welcome: &Digest) -> [u8; 32] {
        *expand(&self.0, &[b"sealmq/1 confirmed", &welcome.0]).expose()
    }

    /// A second copy, to be ratcheted without moving the first.
    #[must_use]
    pub const fn duplicate(&self) -> Self {
        Self(self.0.duplicate())
    }

    /// The key bytes, for welcomes and encrypted storage.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// `W[v, e]`: serves one entry of one announcement, so the nonce may be zero.
    fn wrap_key(&self, node: u32, head_hash: &Digest) -> MessageKey {
        let info: [&[u8]; 3] = [b"sealmq/1 wrap", &node.to_be_bytes(), &head_hash.0];
        MessageKey::new(&expand(&self.0, &info))
    }

    /// Wraps a secret for one cover entry: ciphertext ‖ tag.
    ///
    /// # Errors
    /// Never for 32 bytes.
    pub fn wrap(
        &self,
        node: u32,
        head_hash: &Digest,
        secret: &Secret,
    ) -> Result<[u8; WRAPPED_LEN], AeadError> {
        let mut wrapped = [0; WRAPPED_LEN];
        let (text, tag) = wrapped.split_last_chunk_mut::<TAG_LEN>().ok_or(AeadError)?;
        text.copy_from_slice(secret.expose());
        *tag = self
            .wrap_key(node, head_hash)
            .seal_in_place(&[0; NONCE_LEN], &[], text)?;
        Ok(wrapped)
    }

    /// Opens a cover entry.
    ///
    /// # Errors
    /// The entry was not wrapped under this key, node and head.
    pub fn unwrap(
        &self,
        node: u32,
        head_hash: &Digest,
        wrapped: &[u8; WRAPPED_LEN],
    ) -> Result<Secret, AeadError> {
        let (text, tag) = wrapped.split_last_chunk::<TAG_LEN>().ok_or(AeadError)?;
        let mut result = Err(AeadError);
        let secret = Secret::init_with(|out| {
            out.copy_from_slice(text);
            result = self
                .wrap_key(node, head_hash)
                .open_in_place(&[0; NONCE_LEN], &[], out, tag);
        });
        result.map(|()| secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::{EpochSecret, ReaderSecret};

    fn key() -> NodeKey {
        NodeKey::first(&Secret::new([1; 32]), 9)
    }

    #[test]
    fn wrap_binds_key_node_and_head() {
        let (head, secret) = (Digest([2; 32]), Secret::new([3; 32]));
        let wrapped = key().wrap(9, &head, &secret).unwrap();
        assert_eq!(key().unwrap(9, &head, &wrapped), Ok(secret));
        assert!(key().unwrap(8, &head, &wrapped).is_err());
        assert!(key().unwrap(9, &Digest([4; 32]), &wrapped).is_err());
        assert!(key().ratchet().unwrap(9, &head, &wrapped).is_err());
        for bit in 0..WRAPPED_LEN * 8 {
            let mut bad = wrapped;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(key().unwrap(9, &head, &bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_step_gives_another_key() {
        let reader = EpochSecret::Reader(ReaderSecret::new(Secret::new([7; 32])));
        let writer = EpochSecret::Publisher(ReaderSecret::new(Secret::new([7; 32])).psk());
        let keys = [
            key(),
            NodeKey::first(&Secret::new([1; 32]), 8),
            key().ratchet(),
            key().ratchet().ratchet(),
            key().heal(&reader.heal()),
            key().heal(&writer.heal()),
            key().ratchet().heal(&reader.heal()),
            key().heal(&reader.heal()).ratchet(),
        ];
        for (i, a) in keys.iter().enumerate() {
            assert!(keys.iter().skip(i + 1).all(|b| a != b), "key {i}");
        }
    }
}
