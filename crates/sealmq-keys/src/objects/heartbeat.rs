use sealmq_core::crypto::Digest;
use sealmq_core::object::{Authorities, Kind, ObjectError, Role, Signer, sign_object};
use sealmq_core::{DomainId, GroupId};
use serde::{Deserialize, Serialize};

use crate::signed::verify_signed;

/// Longest heartbeat in bytes.
pub const MAX_HEARTBEAT_LEN: usize = 1024;
/// Longest lease in seconds.
pub const MAX_LEASE: u32 = 1 << 31;

/// The fields of a heartbeat (spec/keys.md §8): it renews one announcement, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatFields {
    /// The domain.
    pub domain: DomainId,
    /// Serial of the delegation that the signer belongs to.
    pub serial: u32,
    /// Index of the signing key in that delegation.
    pub signer: u8,
    /// The group.
    pub group: GroupId,
    /// Epoch of the announcement; from 1.
    pub epoch: u64,
    /// Hash of the announcement.
    pub announcement: Digest,
    /// Unix seconds.
    pub issued_at: u64,
    /// Seconds from `issued_at`, 1 to [`MAX_LEASE`]; counts as at most the policy's.
    pub lease: u32,
    /// Entries in the authority's audit log at this time.
    pub log_size: u64,
    /// Head of that log: the hash of its last entry; zeros if it is empty, and only then.
    pub log_head: Digest,
}

impl HeartbeatFields {
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
        sign_object(Kind::Heartbeat, self, signer, out)
    }

    fn check(&self) -> Result<(), ObjectError> {
        check_lease(self.epoch, self.lease)?;
        if (self.log_size == 0) != (self.log_head == Digest::ZERO) {
            return Err(ObjectError::Field("log_head"));
        }
        Ok(())
    }
}

/// What heartbeats and nonce answers have in common.
pub(crate) fn check_lease(epoch: u64, lease: u32) -> Result<(), ObjectError> {
    if epoch == 0 {
        return Err(ObjectError::Field("epoch"));
    }
    if lease == 0 || lease > MAX_LEASE {
        return Err(ObjectError::Field("lease"));
    }
    Ok(())
}

/// A heartbeat whose signature and fields were verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedHeartbeat {
    fields: HeartbeatFields,
    hash: Digest,
}

impl VerifiedHeartbeat {
    /// Verifies a heartbeat under the domain's current delegation. That it names the newest
    /// announcement, and is not from the future, is for the caller to check.
    ///
    /// # Errors
    /// Any [`ObjectError`] but `Expired` and `Serial`.
    pub fn verify(bytes: &[u8], authorities: &impl Authorities) -> Result<Self, ObjectError> {
        let form = (Kind::Heartbeat, MAX_HEARTBEAT_LEN, Role::Heartbeat);
        let (fields, hash) = verify_signed(bytes, form, authorities, |body: &HeartbeatFields| {
            (body.domain, body.serial, body.signer)
        })?;
        fields.check()?;
        Ok(Self { fields, hash })
    }

    /// The fields.
    #[must_use]
    pub const fn fields(&self) -> &HeartbeatFields {
        &self.fields
    }

    /// The object's hash.
    #[must_use]
    pub const fn hash(&self) -> &Digest {
        &self.hash
    }
}
