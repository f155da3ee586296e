//! Keys for state (spec/keys.md §7, "Kept keys"): what the broker keeps is sealed under keys that
//! change when somebody is removed, and not with each epoch.

use sealmq_core::crypto::{
    Digest, KemKeyPair, KemPublicKey, RecipientKey, Secret, SessionPsk, expand, sha256,
};
use zeroize::Zeroizing;

use crate::tree::Half;

/// `K' = SHA-256("sealmq/1 kept name" ‖ K)`: stands in envelopes of state where the announcement's hash
/// stands in those of events. `kept` is K, the hash of the kept epoch's announcement.
#[must_use]
pub fn kept_name(kept: &Digest) -> Digest {
    sha256(&[b"sealmq/1 kept name", &kept.0])
}

/// A key that state can be sealed to: `None` for another length, or a key of low order.
pub(crate) fn usable(kept_key: &[u8]) -> Option<KemPublicKey> {
    let key = KemPublicKey(kept_key.try_into().ok()?);
    RecipientKey::from(key).probe().ok()?;
    Some(key)
}

/// `kept_secret`, 32 bytes: what readers have of a kept epoch. It opens state, and the kept keys
/// of before; nothing of events can be derived from it.
#[derive(Debug, PartialEq, Eq)]
pub struct KeptSecret(Secret);

impl KeptSecret {
    /// Takes what a welcome or the list of kept keys held. [`crate::ReaderSecret::kept`] derives
    /// it.
    #[must_use]
    pub const fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The key pair that state is sealed to. Costs one X25519 multiplication: keep the result.
    #[must_use]
    pub fn key_pair(&self) -> KemKeyPair {
        KemKeyPair::derive(&expand(&self.0, &[b"sealmq/1 kept kem"]))
    }

    /// Seals the kept keys of the epoch before. `newer` and `older` are the K of both.
    pub(crate) fn chain_key(&self, newer: &Digest, older: &Digest) -> Secret {
        expand(&self.0, &[b"sealmq/1 kept chain", &newer.0, &older.0])
    }

    /// The secret itself: for welcomes, or for encrypted storage.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.0
    }
}

/// `kept_psk`, 32 bytes: what all members have of a kept epoch. It seals state; it opens none.
#[derive(Debug, PartialEq, Eq)]
pub struct KeptPsk(Secret);

impl KeptPsk {
    /// Takes what a welcome or the list of kept keys held. [`crate::Psk::kept`] derives it.
    #[must_use]
    pub const fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The psk of sessions for state.
    #[must_use]
    pub fn session(&self) -> SessionPsk {
        SessionPsk::derive(&self.0)
    }

    /// The key itself: for welcomes, or for encrypted storage.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.0
    }
}

/// The kept keys of one kept epoch, as readers have them.
#[derive(Debug, PartialEq, Eq)]
pub struct KeptSet {
    /// The kept epoch.
    pub epoch: u64,
    /// K: hash of the kept epoch's announcement.
    pub kept: Digest,
    /// For readers.
    pub secret: KeptSecret,
    /// For all members.
    pub psk: KeptPsk,
}

/// What a member has of a kept epoch beside its psk.
#[derive(Debug, PartialEq, Eq)]
pub enum KeptAccess {
    /// A reader opens state.
    Reader(KeptSecret),
    /// A publish-only member seals to the announced key.
    Publisher(KemPublicKey),
}

/// The kept keys of one kept epoch, as a member has them.
#[derive(Debug, PartialEq, Eq)]
pub struct KeptKey {
    /// K: hash of the kept epoch's announcement.
    pub kept: Digest,
    /// For all members.
    pub psk: KeptPsk,
    /// By the half of the tree.
    pub access: KeptAccess,
}

impl KeptKey {
    /// Length of the encoding that welcomes and stored states have.
    pub(crate) const LEN: usize = 96;

    /// The half whose members have keys like this.
    #[must_use]
    pub const fn half(&self) -> Half {
        match self.access {
            KeptAccess::Reader(_) => Half::Readers,
            KeptAccess::Publisher(_) => Half::Publishers,
        }
    }

    /// A second copy, to be kept when newer ones take its place.
    #[must_use]
    pub const fn duplicate(&self) -> Self {
        Self {
            kept: self.kept,
            psk: KeptPsk(self.psk.0.duplicate()),
            access: match &self.access {
                KeptAccess::Reader(secret) => KeptAccess::Reader(KeptSecret(secret.0.duplicate())),
                KeptAccess::Publisher(key) => KeptAccess::Publisher(*key),
            },
        }
    }

    /// The keys of a reader, of this kept epoch; `None` of a publish-only member's.
    #[must_use]
    pub fn into_set(self, epoch: u64) -> Option<KeptSet> {
        match self.access {
            KeptAccess::Reader(secret) => Some(KeptSet {
                epoch,
                kept: self.kept,
                secret,
                psk: self.psk,
            }),
            KeptAccess::Publisher(_) => None,
        }
    }

    /// `K ‖ kept_psk ‖ kept_secret or kept_key`.
    pub(crate) fn to_bytes(&self) -> Zeroizing<[u8; Self::LEN]> {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        let (thirds, _) = bytes.as_chunks_mut::<32>();
        let access = match &self.access {
            KeptAccess::Reader(secret) => secret.secret().expose(),
            KeptAccess::Publisher(key) => &key.0,
        };
        for (to, from) in thirds
            .iter_mut()
            .zip([&self.kept.0, self.psk.0.expose(), access])
        {
            *to = *from;
        }
        bytes
    }

    /// `None` for another length, or a key of low order.
    pub(crate) fn from_bytes(half: Half, bytes: &[u8]) -> Option<Self> {
        let (thirds, []) = bytes.as_chunks::<32>() else {
            return None;
        };
        let [kept, psk, access] = thirds else {
            return None;
        };
        let secret = |from: &[u8; 32]| Secret::init_with(|out| *out = *from);
        let access = match half {
            Half::Readers => KeptAccess::Reader(KeptSecret::new(secret(access))),
            Half::Publishers => KeptAccess::Publisher(usable(access)?),
        };
        Some(Self {
            kept: Digest(*kept),
            psk: KeptPsk::new(secret(psk)),
            access,
        })
    }
}
