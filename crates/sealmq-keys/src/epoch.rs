//! What follows from an epoch's secret (spec/keys.md §6).

use sealmq_core::crypto::{KemKeyPair, Secret, SessionPsk, expand};
use subtle::ConstantTimeEq;

use crate::kept::{KeptPsk, KeptSecret};
use crate::tree::{Half, HealSecret};

/// `reader_secret`: 32 bytes, fresh for each epoch, for the members that may subscribe.
#[derive(Debug, PartialEq, Eq)]
pub struct ReaderSecret(Secret);

impl ReaderSecret {
    /// Takes 32 fresh random bytes (authority), or what a cover entry held (member).
    #[must_use]
    pub const fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// `Expand(reader_secret, "sealmq/1 group psk")`.
    #[must_use]
    pub fn psk(&self) -> Psk {
        Psk(expand(&self.0, &[b"sealmq/1 group psk"]))
    }

    /// The group's key pair of the epoch. Costs one X25519 multiplication: keep the result.
    #[must_use]
    pub fn group_key_pair(&self) -> KemKeyPair {
        KemKeyPair::derive(&expand(&self.0, &[b"sealmq/1 group kem"]))
    }

    /// `Expand(reader_secret, "sealmq/1 kept")`: for state, in a kept epoch.
    #[must_use]
    pub fn kept(&self) -> KeptSecret {
        KeptSecret::new(expand(&self.0, &[b"sealmq/1 kept"]))
    }

    /// What ratchets the readers' half past this epoch, if it heals.
    #[must_use]
    pub fn heal(&self) -> HealSecret {
        HealSecret::new(Half::Readers, expand(&self.0, &[b"sealmq/1 heal r"]))
    }

    /// The secret itself: to wrap it, or for encrypted storage.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.0
    }
}

/// The group's pre-shared key of one epoch: what publish-only members receive.
#[derive(Debug, PartialEq, Eq)]
pub struct Psk(Secret);

impl Psk {
    /// Takes what a cover entry held.
    #[must_use]
    pub const fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The announced check value, 32 bytes, public.
    #[must_use]
    pub fn check(&self) -> [u8; 32] {
        *expand(&self.0, &[b"sealmq/1 psk check"]).expose()
    }

    /// The psk of the epoch's sessions.
    #[must_use]
    pub fn session(&self) -> SessionPsk {
        SessionPsk::derive(&self.0)
    }

    /// `Expand(psk, "sealmq/1 kept psk")`: for state, in a kept epoch.
    #[must_use]
    pub fn kept(&self) -> KeptPsk {
        KeptPsk::new(expand(&self.0, &[b"sealmq/1 kept psk"]))
    }

    /// What ratchets the publish-only half past this epoch, if it heals.
    #[must_use]
    pub fn heal(&self) -> HealSecret {
        HealSecret::new(Half::Publishers, expand(&self.0, &[b"sealmq/1 heal w"]))
    }

    /// The key itself: for wrapping, or for encrypted storage.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.0
    }

    pub(crate) fn matches(&self, check: &[u8; 32]) -> bool {
        self.check().ct_eq(check).into()
    }
}

/// What a member knows of an epoch, by the half of the tree that its leaf stands in.
#[derive(Debug, PartialEq, Eq)]
pub enum EpochSecret {
    /// A member that may subscribe.
    Reader(ReaderSecret),
    /// A publish-only member.
    Publisher(Psk),
}

impl EpochSecret {
    /// The half whose entries hold this secret.
    #[must_use]
    pub const fn half(&self) -> Half {
        match self {
            Self::Reader(_) => Half::Readers,
            Self::Publisher(_) => Half::Publishers,
        }
    }

    /// The epoch's psk.
    #[must_use]
    pub fn psk(&self) -> Psk {
        match self {
            Self::Reader(secret) => secret.psk(),
            Self::Publisher(psk) => Psk(psk.0.duplicate()),
        }
    }

    /// What ratchets the own half past this epoch, if it heals.
    #[must_use]
    pub fn heal(&self) -> HealSecret {
        match self {
            Self::Reader(secret) => secret.heal(),
            Self::Publisher(psk) => psk.heal(),
        }
    }

    /// The secret itself: to wrap it, or for encrypted storage.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        match self {
            Self::Reader(secret) => secret.secret(),
            Self::Publisher(psk) => psk.secret(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::NodeKey;
    use sealmq_core::crypto::Digest;

    /// Computed with Python's hmac and cryptography, from spec/keys.md §6.
    #[test]
    fn known_answers() {
        let bytes = |from: u8| core::array::from_fn(|i| from + u8::try_from(i).unwrap());
        let reader = ReaderSecret::new(Secret::new(bytes(0)));
        let psk = reader.psk();
        let node = NodeKey::first(&Secret::new(bytes(32)), 9);
        let ratcheted = node.ratchet();
        let answers = [
            (
                *psk.secret().expose(),
                "91a15954f1a9642c2600ce7f81e0f3dc6b071eea3900b4e8abcef6585dd3e762",
            ),
            (
                psk.check(),
                "c679d8075e16f8b121a120c609184f819739947f22a965f3bd5f0c244d3c8587",
            ),
            (
                reader.group_key_pair().public().0,
                "19cb8553b73c8b1ede7af5a61d0b2153584a5f4c502e53b75f1f594538736215",
            ),
            (
                *node.expose(),
                "d821017569a742bca53fbf275d097860baf6a009c9e86304db5b7a4b643f950d",
            ),
            (
                *ratcheted.expose(),
                "62c6acfc5c1d5f02cc84183bfecb1e0a2bd83e7c47b1b76b2ec378d498367475",
            ),
            (
                *ratcheted.heal(&reader.heal()).expose(),
                "43b7116846992c2b99f564cfceb5078dd4d4253dd41a349b3e0fc1a5e098ea11",
            ),
            (
                *ratcheted.heal(&psk.heal()).expose(),
                "581a1ef76bf957645d9003ffb7c43e4a2215d6810faa5df3ad206247e0961f2b",
            ),
        ];
        for (value, answer) in answers {
            assert_eq!(hex::encode(value), answer);
        }
        let (head, secret) = (Digest(bytes(64)), Secret::new(bytes(96)));
        let wrapped = node.wrap(9, &head, &secret).unwrap();
        assert_eq!(
            hex::encode(wrapped),
            "30df12c0fa0c4f4637e0546864fc0f37946167d9d32e0ad86c0fb44bdd37bf1d6e682e97fc9edeccd3abd2401de69170"
        );
    }

    #[test]
    fn nothing_derived_equals_another() {
        let reader = ReaderSecret::new(Secret::new([1; 32]));
        let psk = reader.psk();
        let derived = [
            *reader.secret().expose(),
            *psk.secret().expose(),
            psk.check(),
            reader.group_key_pair().public().0,
        ];
        for (i, a) in derived.iter().enumerate() {
            assert!(!derived[i + 1..].contains(a));
        }
        assert!(psk.matches(&reader.psk().check()));
        assert!(!psk.matches(&[0; 32]));
    }
}
