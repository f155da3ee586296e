//! Signed objects in stored records.
//!
//! Builds before version 3 of the records knew no extensions (spec/keys.md §1). What their stores
//! hold is read in that form here, to find the way from one build to the next; what arrives is not.

use alloc::vec::Vec;

use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::{Authorities, Kind, Object, ObjectError};
use serde::{Deserialize, Serialize};

use super::holder::Holder;
use crate::delegation::VerifiedDelegation;

/// A signed object of this member's domain, or its own, as the store keeps it.
#[derive(Serialize, Deserialize, Clone)]
pub(super) struct Kept {
    /// It is from before extensions.
    is_old: bool,
    bytes: Vec<u8>,
}

impl Kept {
    pub(super) const fn new(bytes: Vec<u8>) -> Self {
        Self {
            is_old: false,
            bytes,
        }
    }

    pub(super) const fn old(bytes: Vec<u8>) -> Self {
        Self {
            is_old: true,
            bytes,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The object, of a kind whose form is that of the domain's suite or always 0x11.
    pub(super) fn object(&self, kind: Kind) -> Result<Object<'_>, ObjectError> {
        let object = Object::parse_any(&self.bytes, kind)?;
        Ok(match self.is_old {
            true => object.before_extensions(),
            false => object,
        })
    }

    pub(super) fn delegation(
        &self,
        root: &VerifyingKey,
    ) -> Result<VerifiedDelegation, ObjectError> {
        match self.is_old {
            true => VerifiedDelegation::verify_kept(&self.bytes, root),
            false => VerifiedDelegation::verify(&self.bytes, root),
        }
    }

    pub(super) fn credential(self, authorities: &impl Authorities) -> Result<Holder, ObjectError> {
        match self.is_old {
            true => Holder::verify_kept(self.bytes, authorities),
            false => Holder::verify(self.bytes, authorities),
        }
    }
}
