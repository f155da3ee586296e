use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier as _, VerifyingKey};

use super::Refused;
use crate::crypto::small_order;

/// With its public half (RUSTSEC-2022-0093).
pub(in crate::crypto) struct Ed25519Private(SigningKey);

impl Ed25519Private {
    pub(in crate::crypto) fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    pub(in crate::crypto) fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    pub(in crate::crypto) fn public(&self) -> Ed25519Public {
        Ed25519Public(self.0.verifying_key())
    }

    pub(in crate::crypto) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::crypto) struct Ed25519Public(VerifyingKey);

impl Ed25519Public {
    pub(in crate::crypto) fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Refused> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| Refused)?;
        // dalek follows ZIP 215 here and takes non-canonical encodings.
        let canonical = key.to_edwards().compress().to_bytes() == *bytes;
        if key.is_weak() || !canonical {
            return Err(Refused);
        }
        Ok(Self(key))
    }

    #[cfg(feature = "tables")]
    pub(in crate::crypto) fn table(&self) -> super::Table {
        super::Table::new(&self.0)
    }

    #[cfg(feature = "tables")]
    pub(in crate::crypto) fn expected(
        &self,
        message: &[u8],
        signature: &[u8; 64],
    ) -> Result<super::Expected, Refused> {
        let point = |k: &_, s: &_| super::expected::point(&self.0, k, s);
        super::Expected::new(self.as_bytes(), message, signature, point)
    }

    pub(in crate::crypto) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    pub(in crate::crypto) fn verify(
        &self,
        message: &[u8],
        signature: &[u8; 64],
    ) -> Result<(), Refused> {
        if small_order::is_r_of(signature) {
            return Err(Refused);
        }
        // It compares the bytes of R. With the line above, and what keys may be, that is what
        // `verify_strict` decides, which decompresses R first: a quarter of the time.
        self.0
            .verify(message, &Signature::from_bytes(signature))
            .map_err(|_| Refused)
    }
}
