use sealmq_core::crypto::Digest;
use sealmq_core::object::{Authorities, Kind, ObjectError, Role, Signer, sign_object};
use sealmq_core::{DomainId, GroupId, MemberNumber};
use serde::{Deserialize, Serialize};

use crate::heartbeat::check_lease;
use crate::signed::verify_signed;

/// Longest nonce answer in bytes.
pub const MAX_NONCE_ANSWER_LEN: usize = 1024;
/// Bytes of the nonce that a member without a clock publishes.
pub const LEASE_NONCE_LEN: usize = 16;

/// The fields of a nonce answer (spec/keys.md §8): a lease for one member that has no clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NonceAnswerFields {
    /// The domain.
    pub domain: DomainId,
    /// Serial of the delegation that the signer belongs to.
    pub serial: u32,
    /// Index of the signing key in that delegation.
    pub signer: u8,
    /// The group.
    pub group: GroupId,
    /// The member that asked.
    pub member: MemberNumber,
    /// What it asked with.
    pub nonce: [u8; LEASE_NONCE_LEN],
    /// Epoch of the group's newest announcement; from 1.
    pub epoch: u64,
    /// Hash of that announcement.
    pub announcement: Digest,
    /// Seconds from the moment at which the nonce was made, 1 to [`crate::MAX_LEASE`]; counts as
    /// at most the policy's.
    pub lease: u32,
}

impl NonceAnswerFields {
    /// Checks the fields and signs.
    ///
    /// # Errors
    /// A field that the spec forbids, or [`ObjectError::TooLarge`].
    pub fn sign<'o, 's>(
        &self,
        signer: impl Into<Signer<'s>>,
        out: &'o mut [u8],
    ) -> Result<(&'o [u8], Digest), ObjectError> {
        self.check()?;
        sign_object(Kind::NonceAnswer, self, signer, out)
    }

    fn check(&self) -> Result<(), ObjectError> {
        if !self.member.is_valid() {
            return Err(ObjectError::Field("member"));
        }
        check_lease(self.epoch, self.lease)
    }
}

/// A nonce answer whose signature and fields were verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedNonceAnswer {
    fields: NonceAnswerFields,
}

impl VerifiedNonceAnswer {
    /// Verifies an answer under the domain's current delegation. That member, group, nonce and
    /// announcement are the right ones is for the caller to check.
    ///
    /// # Errors
    /// Any [`ObjectError`] but `Expired` and `Serial`.
    pub fn verify(bytes: &[u8], authorities: &impl Authorities) -> Result<Self, ObjectError> {
        let form = (Kind::NonceAnswer, MAX_NONCE_ANSWER_LEN, Role::Heartbeat);
        let (fields, _) = verify_signed(bytes, form, authorities, |body: &NonceAnswerFields| {
            (body.domain, body.serial, body.signer)
        })?;
        fields.check()?;
        Ok(Self { fields })
    }

    /// The fields.
    #[must_use]
    pub const fn fields(&self) -> &NonceAnswerFields {
        &self.fields
    }
}
