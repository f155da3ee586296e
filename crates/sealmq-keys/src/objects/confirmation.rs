use sealmq_core::crypto::{Digest, VerifyingKey};
use sealmq_core::object::{Kind, List, Object, ObjectError, Signer, sign_object};
use sealmq_core::{DomainId, GroupId, MemberNumber};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::objects::device_reports::{DeviceReport, DeviceReports};
use crate::tree::NodeKey;
use crate::welcome::OpenedWelcome;

/// Longest confirmation in bytes.
pub const MAX_CONFIRMATION_LEN: usize = 8192;
/// Most groups in one confirmation.
pub const MAX_CONFIRMATION_ENTRIES: usize = 64;

/// What a member shows for one group: it opened the newest welcome that it has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmationEntry {
    /// The group.
    pub group: GroupId,
    /// Generation of the welcome.
    pub generation: u32,
    /// Epoch of the welcome; from 1.
    pub epoch: u64,
    /// Number of the key package that the welcome was sealed to; from 1.
    pub package_number: u32,
    /// Made with the leaf's node key, which only the package's private key opens.
    pub proof: [u8; 32],
}

impl ConfirmationEntry {
    /// The entry for a welcome that was opened.
    #[must_use]
    pub const fn of_welcome(opened: &OpenedWelcome) -> Self {
        let fields = opened.fields();
        Self {
            group: fields.group,
            generation: fields.generation,
            epoch: fields.epoch,
            package_number: fields.package_number,
            proof: *opened.proof(),
        }
    }

    /// Whether the proof is the one for the welcome with this hash, whose epoch's leaf key is
    /// `leaf_key`. In constant time.
    #[must_use]
    pub fn proves(&self, leaf_key: &NodeKey, welcome: &Digest) -> bool {
        leaf_key.confirm(welcome).ct_eq(&self.proof).into()
    }
}

/// The fields of a confirmation (spec/keys.md §4): which welcomes a member has installed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Confirmation<'a> {
    /// The domain.
    pub domain: DomainId,
    /// The member, whose identity key signs.
    pub member: MemberNumber,
    /// 1 to [`MAX_CONFIRMATION_ENTRIES`] groups, ascending, each once.
    #[serde(borrow)]
    pub entries: List<'a, ConfirmationEntry>,
}

impl Confirmation<'_> {
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
        let signer = identity.into();
        DeviceReports::of(signer.extensions(), self.member)?;
        sign_object(Kind::Confirmation, self, signer, out)
    }

    fn check(&self) -> Result<(), ObjectError> {
        if !self.member.is_valid() {
            return Err(ObjectError::Field("member"));
        }
        let error = ObjectError::Field("entries");
        let mut last = None;
        for (index, entry) in self.entries.iter().enumerate() {
            let ascending = last.is_none_or(|group| group < entry.group);
            let numbered = entry.epoch != 0 && entry.package_number != 0;
            if index >= MAX_CONFIRMATION_ENTRIES || !ascending || !numbered {
                return Err(error);
            }
            last = Some(entry.group);
        }
        if last.is_none() { Err(error) } else { Ok(()) }
    }
}

/// A confirmation whose signature and fields were verified. What its entries prove is for the
/// authority to check ([`ConfirmationEntry::proves`]).
#[derive(Debug, Clone, Copy)]
pub struct VerifiedConfirmation<'a> {
    fields: Confirmation<'a>,
    reports: List<'a, DeviceReport>,
    hash: Digest,
}

impl<'a> VerifiedConfirmation<'a> {
    /// Verifies a confirmation of the member with this number and identity key.
    ///
    /// # Errors
    /// Any [`ObjectError`] but `Role`, `Expired` and `Serial`; `Field("member")` for one of
    /// another member.
    pub fn verify(
        bytes: &'a [u8],
        domain: &DomainId,
        member: MemberNumber,
        identity: &VerifyingKey,
    ) -> Result<Self, ObjectError> {
        if bytes.len() > MAX_CONFIRMATION_LEN {
            return Err(ObjectError::TooLarge);
        }
        let object = Object::parse(bytes, Kind::Confirmation)?;
        let (fields, extensions) = object.decode::<Confirmation<'a>>()?;
        if fields.domain != *domain {
            return Err(ObjectError::Domain);
        }
        if fields.member != member {
            return Err(ObjectError::Field("member"));
        }
        let hash = object.verify(identity, &extensions, &[])?;
        fields.check()?;
        let reports = DeviceReports::of(&extensions, member)?;
        Ok(Self {
            fields,
            reports,
            hash,
        })
    }

    /// The fields.
    #[must_use]
    pub const fn fields(&self) -> &Confirmation<'a> {
        &self.fields
    }

    /// The entries, ascending by group.
    pub fn entries(&self) -> impl Iterator<Item = ConfirmationEntry> + use<'a> {
        self.fields.entries.iter()
    }

    /// The members of which it says that two devices use their identity, ascending: claims.
    pub fn reports(&self) -> impl Iterator<Item = DeviceReport> + use<'a> {
        self.reports.iter()
    }

    /// The object's hash.
    #[must_use]
    pub const fn hash(&self) -> &Digest {
        &self.hash
    }
}
