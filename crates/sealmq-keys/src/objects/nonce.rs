use sealmq_core::crypto::{Digest, VerifyingKey};
use sealmq_core::object::{Kind, Object, ObjectError, Signer, sign_object};
use sealmq_core::{DomainId, GroupId, MemberNumber};
use serde::{Deserialize, Serialize};

use crate::nonce_answer::LEASE_NONCE_LEN;

/// Longest nonce object in bytes.
pub const MAX_NONCE_LEN: usize = 256;

/// The fields of a nonce (spec/keys.md §8): what a member without a clock asks for a lease with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NonceFields {
    /// The domain.
    pub domain: DomainId,
    /// The member, whose identity key signs.
    pub member: MemberNumber,
    /// From 1; rises with each nonce of the member.
    pub number: u64,
    /// The group.
    pub group: GroupId,
    /// What the answer has to repeat.
    pub nonce: [u8; LEASE_NONCE_LEN],
}

impl NonceFields {
    /// Checks the fields and signs with the member's identity key.
    ///
    /// # Errors
    /// A field that the spec forbids, or [`ObjectError::TooLarge`].
    pub fn sign<'o, 's>(
        &self,
        identity: impl Into<Signer<'s>>,
        out: &'o mut [u8],
    ) -> Result<(&'o [u8], Digest), ObjectError> {
        self.check()?;
        sign_object(Kind::Nonce, self, identity, out)
    }

    fn check(&self) -> Result<(), ObjectError> {
        if !self.member.is_valid() {
            return Err(ObjectError::Field("member"));
        }
        if self.number == 0 {
            return Err(ObjectError::Field("number"));
        }
        Ok(())
    }
}

/// A nonce that was decoded, and that nobody has verified: what is cheap to look at first.
pub struct UnverifiedNonce<'a> {
    bytes: &'a [u8],
    fields: NonceFields,
}

impl<'a> UnverifiedNonce<'a> {
    /// Decodes a nonce of this member and group, and checks its fields.
    ///
    /// # Errors
    /// Any [`ObjectError`] but `Role`, `Signature`, `Expired` and `Serial`.
    pub fn decode(
        bytes: &'a [u8],
        domain: &DomainId,
        member: MemberNumber,
        group: &GroupId,
    ) -> Result<Self, ObjectError> {
        if bytes.len() > MAX_NONCE_LEN {
            return Err(ObjectError::TooLarge);
        }
        let (fields, _) = Object::parse(bytes, Kind::Nonce)?.decode::<NonceFields>()?;
        if fields.domain != *domain {
            return Err(ObjectError::Domain);
        }
        if fields.member != member {
            return Err(ObjectError::Field("member"));
        }
        if fields.group != *group {
            return Err(ObjectError::Field("group"));
        }
        Ok(Self { bytes, fields })
    }

    /// The number that it claims.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.fields.number
    }

    /// Verifies it under the member's identity key.
    ///
    /// # Errors
    /// [`ObjectError::Signature`], `Unsupported` or `Field`.
    pub fn verify(self, identity: &VerifyingKey) -> Result<NonceFields, ObjectError> {
        let object = Object::parse(self.bytes, Kind::Nonce)?;
        let (_, extensions) = object.decode::<NonceFields>()?;
        object.verify(identity, &extensions, &[])?;
        self.fields.check()?;
        Ok(self.fields)
    }
}
