use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use super::{Refused, rustcrypto};
use crate::crypto::small_order;

pub(in crate::crypto) struct Ed25519Private {
    seed: Zeroizing<[u8; 32]>,
    public: Ed25519Public,
    /// `None`: there was no memory for it.
    pair: Option<Ed25519KeyPair>,
}

impl Ed25519Private {
    pub(in crate::crypto) fn from_seed(seed: &[u8; 32]) -> Self {
        Self {
            seed: Zeroizing::new(*seed),
            public: Ed25519Public(rustcrypto::Ed25519Private::from_seed(seed).public()),
            pair: Ed25519KeyPair::from_seed_unchecked(seed).ok(),
        }
    }

    pub(in crate::crypto) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    pub(in crate::crypto) fn public(&self) -> Ed25519Public {
        self.public
    }

    pub(in crate::crypto) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let by_pair = |pair: &Ed25519KeyPair| {
            let signature = pair.try_sign(message).ok()?;
            signature.as_ref().try_into().ok()
        };
        self.pair
            .as_ref()
            .and_then(by_pair)
            .unwrap_or_else(|| rustcrypto::Ed25519Private::from_seed(&self.seed).sign(message))
    }
}

/// AWS-LC takes keys that the rules refuse, so it is given none that `rustcrypto` does not take.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::crypto) struct Ed25519Public(rustcrypto::Ed25519Public);

impl Ed25519Public {
    pub(in crate::crypto) fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Refused> {
        rustcrypto::Ed25519Public::from_bytes(bytes).map(Self)
    }

    /// By a table it is faster than by AWS-LC, which makes none of a key.
    #[cfg(feature = "tables")]
    pub(in crate::crypto) fn table(&self) -> super::Table {
        self.0.table()
    }

    /// AWS-LC has nothing for many at once.
    #[cfg(feature = "tables")]
    pub(in crate::crypto) fn expected(
        &self,
        message: &[u8],
        signature: &[u8; 64],
    ) -> Result<super::Expected, Refused> {
        self.0.expected(message, signature)
    }

    pub(in crate::crypto) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    pub(in crate::crypto) fn verify(
        &self,
        message: &[u8],
        signature: &[u8; 64],
    ) -> Result<(), Refused> {
        // AWS-LC takes them.
        if small_order::is_r_of(signature) {
            return Err(Refused);
        }
        UnparsedPublicKey::new(&ED25519, self.as_bytes())
            .verify(message, signature)
            .map_err(|_| Refused)
    }
}
