use alloc::string::{String, ToString};
use alloc::vec::Vec;

use sealmq_core::object::{Access, Authorities, ObjectError};
use sealmq_core::{CredentialOrder, GroupId, MemberNumber, VerifiedCredential};

use super::Name;
use crate::delegation::VerifiedDelegation;
use crate::standing::Holding;

/// A verified credential with its fields in memory of their own: they are read several times for
/// each message, and decoding them each time would cost more than the rest of the check.
pub(super) struct Holder {
    credential: VerifiedCredential<Vec<u8>>,
    /// It is from before extensions: nobody but this store reads it, so it proves nothing.
    pub(super) is_old: bool,
    pub(super) delegation_serial: u32,
    /// Index of the key that signed it, in the delegation of that serial.
    pub(super) signer: u8,
    pub(super) member: MemberNumber,
    pub(super) serial: u32,
    pub(super) name: Name,
    pub(super) issued_at: u64,
    pub(super) not_after: u64,
    /// Ascending by group.
    pub(super) grants: Vec<OwnedGrant>,
}

/// What a credential grants in one group.
pub(super) struct OwnedGrant {
    pub(super) group: GroupId,
    pub(super) access: Access,
    pub(super) publish_filter: String,
}

impl Holder {
    pub(super) fn verify(
        bytes: Vec<u8>,
        authorities: &impl Authorities,
    ) -> Result<Self, ObjectError> {
        VerifiedCredential::verify(bytes, authorities).map(Self::new)
    }

    /// One that a store from before extensions holds.
    pub(super) fn verify_kept(
        bytes: Vec<u8>,
        authorities: &impl Authorities,
    ) -> Result<Self, ObjectError> {
        let credential = VerifiedCredential::verify_kept(bytes, authorities)?;
        Ok(Self {
            is_old: true,
            ..Self::new(credential)
        })
    }

    /// One that counts under the current delegation, perhaps although it is not of it.
    pub(super) fn verify_older(
        credential: &[u8],
        delegation: &VerifiedDelegation,
        object: &[u8],
    ) -> Option<Self> {
        let verified = delegation.verify_older(object, credential.to_vec())?;
        Some(Self::new(verified))
    }

    fn new(credential: VerifiedCredential<Vec<u8>>) -> Self {
        let fields = credential.fields();
        let grants = fields.grants.iter().map(|grant| OwnedGrant {
            group: grant.group,
            access: grant.access,
            publish_filter: grant.publish_filter.to_string(),
        });
        Self {
            delegation_serial: fields.serial,
            signer: fields.signer,
            member: fields.member,
            serial: fields.credential_serial,
            name: fields.name.into(),
            issued_at: fields.issued_at,
            not_after: fields.not_after,
            grants: grants.collect(),
            is_old: false,
            credential,
        }
    }

    pub(super) const fn credential(&self) -> &VerifiedCredential<Vec<u8>> {
        &self.credential
    }

    /// What it says for one group. `end`: until when it counts.
    pub(super) fn holding(&self, group: &GroupId, end: Option<u64>) -> Holding<'_> {
        let grant = self.grant(group);
        Holding {
            member: self.member,
            name: &self.name,
            serial: self.serial,
            key: self.credential.key(),
            hash: self.credential.hash(),
            grant: grant.map(|grant| (grant.access, grant.publish_filter.as_str())),
            end,
        }
    }

    pub(super) const fn order(&self) -> CredentialOrder {
        CredentialOrder {
            delegation: self.delegation_serial,
            credential: self.serial,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.credential.bytes()
    }

    pub(super) fn grant(&self, group: &GroupId) -> Option<&OwnedGrant> {
        self.grants.iter().find(|grant| grant.group == *group)
    }
}
