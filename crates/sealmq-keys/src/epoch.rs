//! What follows from an epoch's secret (spec/keys.md §6).

use sealmq_core::crypto::{KemKeyPair, Secret, expand};
use subtle::ConstantTimeEq;

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

    /// What ratchets the publish-only half past this epoch, if it heals.
    #[must_use]
    pub fn heal(&self) -> HealSecret {
        HealSecret::new(Half::Publishers, expand(&self.0, &[b"sealmq/1 heal w"]))
    }

    /// The key itself: for HPKE, for wrapping, or for encrypted storage.
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
