//! What has to be kept, record by record: no wire form, each with a version as its first byte.

use sealmq_core::crypto::Digest;
use sealmq_core::object::{Role, decode, encode};
use sealmq_keys::group::MAX_STATE_LEN;
use sealmq_keys::objects::{TOKEN_ID_LEN, Voucher};
use sealmq_keys::package_age::Listed;
use serde::{Deserialize, Serialize};

use crate::error::StartError;

/// Longest record in bytes.
pub const MAX_RECORD_LEN: usize = MAX_STATE_LEN + 1;

/// Most groups: records have numbers, and a confirmation its place, for so many.
pub(crate) const MAX_GROUPS: usize = 12;

const VERSION: u8 = 1;

/// Names a record. The secret ones hold keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordId {
    /// Identity key and the request's hash. Secret.
    Identity,
    /// The device's own secret and its counters. Secret.
    Numbers,
    /// Root, prefix and delegation.
    Domain,
    /// The own credential.
    Credential,
    /// One-time keys. Secret.
    Packages,
    /// What the request says, until it is answered.
    Request,
    /// Keys of the group at this place. Secret.
    Group(u8),
    /// What is known of that group beside its keys.
    Notes(u8),
}

impl RecordId {
    /// A number for stores, below 64.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Identity => 0,
            Self::Numbers => 1,
            Self::Domain => 2,
            Self::Credential => 3,
            Self::Packages => 4,
            Self::Request => 5,
            Self::Group(place) => 8_u8.saturating_add(place.saturating_mul(2)),
            Self::Notes(place) => 9_u8.saturating_add(place.saturating_mul(2)),
        }
    }

    /// The record with this number.
    #[must_use]
    pub const fn of_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Identity,
            1 => Self::Numbers,
            2 => Self::Domain,
            3 => Self::Credential,
            4 => Self::Packages,
            5 => Self::Request,
            8..=31 if number.is_multiple_of(2) => Self::Group(number.wrapping_sub(8) / 2),
            9..=31 => Self::Notes(number.wrapping_sub(9) / 2),
            _ => return None,
        })
    }

    pub(crate) const fn bit(self) -> u32 {
        1_u32.wrapping_shl(self.number() as u32)
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct IdentityRecord {
    pub(crate) seed: [u8; 32],
    pub(crate) request: Digest,
}

/// What a request says beside the name and the packages: it can be made again, the same bytes.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RequestRecord {
    pub(crate) domain: sealmq_core::DomainId,
    pub(crate) token: [u8; TOKEN_ID_LEN],
    pub(crate) issued_at: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct NumbersRecord {
    pub(crate) secret: [u8; 32],
    pub(crate) session: u64,
    /// 0 as long as no will was sealed under the credential.
    pub(crate) connection: u64,
    pub(crate) package: u32,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct DomainRecord<'a> {
    pub(crate) root_key: [u8; 32],
    pub(crate) prefix: &'a str,
    pub(crate) delegation: &'a [u8],
}

#[derive(Serialize, Deserialize)]
pub(crate) struct CredentialRecord<'a> {
    pub(crate) voucher: VoucherRecord,
    pub(crate) credential: &'a [u8],
}

/// A voucher; the record that it stands in says for which role.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct VoucherRecord {
    serial: u32,
    not_after: u64,
    key: [u8; 32],
}

impl VoucherRecord {
    pub(crate) const fn of(voucher: &Voucher) -> Self {
        Self {
            serial: voucher.serial,
            not_after: voucher.not_after,
            key: voucher.key,
        }
    }

    pub(crate) const fn voucher(self, role: Role) -> Voucher {
        Voucher {
            serial: self.serial,
            not_after: self.not_after,
            key: self.key,
            role,
        }
    }
}

/// Beside a group's keys.
#[derive(Serialize, Deserialize)]
pub(crate) struct NotesRecord {
    pub(crate) group: sealmq_core::GroupId,
    pub(crate) voucher: Option<VoucherRecord>,
    pub(crate) listed: Option<Listed>,
    pub(crate) left_out: Option<LeftOut>,
}

/// The newest epoch that has no key for this device.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    /// The delegation under which that was known.
    pub(crate) serial: u32,
    pub(crate) epoch: u64,
    /// The refused list that its announcement names.
    pub(crate) list: Digest,
    /// Whether that list names this device; `None` until it came.
    pub(crate) removed: Option<bool>,
    /// Number of the newest package set then: if it still is, a new one is due.
    pub(crate) set: u32,
}

/// Writes a record; returns its length.
pub(crate) fn put<T: Serialize>(record: &T, out: &mut [u8]) -> Result<usize, StartError> {
    let (version, rest) = out.split_first_mut().ok_or(StartError::TooLong)?;
    *version = VERSION;
    let body = encode(record, rest).map_err(|_| StartError::TooLong)?;
    Ok(body.len().saturating_add(1))
}

pub(crate) fn put_bytes(
    out: &mut [u8],
    write: impl FnOnce(&mut [u8]) -> Option<usize>,
) -> Result<usize, StartError> {
    let (version, rest) = out.split_first_mut().ok_or(StartError::TooLong)?;
    *version = VERSION;
    let len = write(rest).ok_or(StartError::TooLong)?;
    Ok(len.saturating_add(1))
}

pub(crate) fn body(value: &[u8]) -> Result<&[u8], StartError> {
    match value.split_first() {
        Some((&VERSION, body)) => Ok(body),
        _ => Err(StartError::Record),
    }
}

pub(crate) fn get<'a, T: Deserialize<'a>>(value: &'a [u8]) -> Result<T, StartError> {
    decode(body(value)?).map_err(|_| StartError::Record)
}
