use sealmq_core::crypto::Digest;
use sealmq_core::object::{
    Authorities, Extensions, FORM_SUITE_1, Kind, Object, ObjectError, Role, Signer,
    check_extensions, sign_encoded,
};
use sealmq_core::{DomainId, GroupId, MemberNumber};
use serde::{Deserialize, Serialize};

use crate::cursor::Cursor;

/// Longest refused list in bytes.
pub const MAX_REFUSED_LEN: usize = 65536;
/// Lowest acceptable serial of a member that was removed: no credential has it.
pub const REMOVED: u32 = u32::MAX;

const RECORD_LEN: usize = 8;

/// One member that a group refuses, wholly or with older credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The member.
    pub member: MemberNumber,
    /// Credentials with a lower serial are refused; [`REMOVED`] refuses all.
    pub lowest_serial: u32,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Head {
    domain: DomainId,
    serial: u32,
    signer: u8,
    group: GroupId,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Body<'a> {
    head: Head,
    entries: &'a [u8],
}

/// A verified refused list (spec/keys.md §7): whose messages a group no longer accepts.
#[derive(Clone, Copy)]
pub struct RefusedList<'a> {
    head: Head,
    entries: &'a [u8],
    hash: Digest,
}

fn record(bytes: &[u8]) -> Option<Refusal> {
    let (member, rest) = bytes.split_first_chunk()?;
    let (lowest_serial, _) = rest.split_first_chunk()?;
    Some(Refusal {
        member: MemberNumber(u32::from_be_bytes(*member)),
        lowest_serial: u32::from_be_bytes(*lowest_serial),
    })
}

fn check_entries(entries: &[u8]) -> Result<(), ObjectError> {
    let error = ObjectError::Field("entries");
    if entries.is_empty() || !entries.chunks_exact(RECORD_LEN).remainder().is_empty() {
        return Err(error);
    }
    let mut last = MemberNumber(0);
    for refusal in entries.chunks_exact(RECORD_LEN).filter_map(record) {
        if refusal.member <= last || !refusal.member.is_valid() {
            return Err(error);
        }
        last = refusal.member;
    }
    Ok(())
}

impl<'a> RefusedList<'a> {
    fn parse(bytes: &'a [u8]) -> Result<(Object<'a>, Body<'a>, Extensions<'a>), ObjectError> {
        if bytes.len() > MAX_REFUSED_LEN {
            return Err(ObjectError::TooLarge);
        }
        let object = Object::parse(bytes, Kind::RefusedList)?;
        let (body, extensions) = object.decode()?;
        Ok((object, body, extensions))
    }

    fn checked(body: Body<'a>, hash: Digest) -> Result<Self, ObjectError> {
        check_entries(body.entries)?;
        Ok(Self {
            head: body.head,
            entries: body.entries,
            hash,
        })
    }

    /// Verifies a list under the domain's current delegation.
    ///
    /// # Errors
    /// Any [`ObjectError`] but `Expired` and `Serial`.
    pub fn verify(bytes: &'a [u8], authorities: &impl Authorities) -> Result<Self, ObjectError> {
        let (object, body, extensions) = Self::parse(bytes)?;
        if body.head.domain != authorities.domain() {
            return Err(ObjectError::Domain);
        }
        let signer = authorities
            .authority_key(body.head.serial, body.head.signer, Role::Groups)
            .ok_or(ObjectError::Role)?;
        let hash = object.verify(signer, &extensions, &[])?;
        Self::checked(body, hash)
    }

    /// Takes the list that a verified announcement of `group` names by its hash. The hash covers
    /// everything, so this also holds for a list signed under an older delegation.
    ///
    /// # Errors
    /// [`ObjectError::Serial`] if it is another list, `Form`, `Kind`, `Encoding`, `Domain` or
    /// `Field`.
    pub fn named(
        bytes: &'a [u8],
        domain: &DomainId,
        group: &GroupId,
        hash: &Digest,
    ) -> Result<Self, ObjectError> {
        let (object, body, extensions) = Self::parse(bytes)?;
        if body.head.domain != *domain {
            return Err(ObjectError::Domain);
        }
        if body.head.group != *group {
            return Err(ObjectError::Field("group"));
        }
        if object.hash() != *hash {
            return Err(ObjectError::Serial);
        }
        check_extensions(&extensions, &[])?;
        Self::checked(body, *hash)
    }

    /// The group that it is for.
    #[must_use]
    pub const fn group(&self) -> &GroupId {
        &self.head.group
    }

    /// The object's hash, which announcements name.
    #[must_use]
    pub const fn hash(&self) -> &Digest {
        &self.hash
    }

    /// The refusals, ascending by member.
    pub fn iter(&self) -> impl Iterator<Item = Refusal> {
        self.entries.chunks_exact(RECORD_LEN).filter_map(record)
    }

    /// The lowest acceptable credential serial of a member, if the list has one.
    #[must_use]
    pub fn lowest_serial(&self, member: MemberNumber) -> Option<u32> {
        let mut records = self.entries;
        while !records.is_empty() {
            let half = (records.len() / RECORD_LEN / 2).saturating_mul(RECORD_LEN);
            let (before, rest) = records.split_at_checked(half)?;
            let (middle, after) = rest.split_at_checked(RECORD_LEN)?;
            let refusal = record(middle)?;
            records = match member.cmp(&refusal.member) {
                core::cmp::Ordering::Equal => return Some(refusal.lowest_serial),
                core::cmp::Ordering::Less => before,
                core::cmp::Ordering::Greater => after,
            };
        }
        None
    }

    /// Whether a credential of the member with this serial is still accepted.
    #[must_use]
    pub fn accepts(&self, member: MemberNumber, credential_serial: u32) -> bool {
        self.lowest_serial(member)
            .is_none_or(|lowest| lowest != REMOVED && credential_serial >= lowest)
    }

    /// Signs a list. `refusals` ascend by member, at least one.
    ///
    /// # Errors
    /// `Field("entries")` if they do not, or [`ObjectError::TooLarge`].
    pub fn sign<'o, 's>(
        domain: DomainId,
        serial: u32,
        signer: u8,
        group: GroupId,
        refusals: &[Refusal],
        signing: impl Into<Signer<'s>>,
        out: &'o mut [u8],
    ) -> Result<(&'o [u8], Digest), ObjectError> {
        let signing = signing.into();
        let mut cursor = Cursor::new(out);
        cursor.put(&[FORM_SUITE_1, Kind::RefusedList as u8])?;
        cursor.encode(&Head {
            domain,
            serial,
            signer,
            group,
        })?;
        let len = u32::try_from(refusals.len().saturating_mul(RECORD_LEN))
            .map_err(|_| ObjectError::TooLarge)?;
        cursor.encode(&len)?;
        let start = cursor.written().len();
        for refusal in refusals {
            cursor.put(&refusal.member.0.to_be_bytes())?;
            cursor.put(&refusal.lowest_serial.to_be_bytes())?;
        }
        check_entries(cursor.written().get(start..).unwrap_or_default())?;
        cursor.encode(signing.extensions())?;
        let body_len = cursor.written().len().saturating_sub(2);
        let signed = sign_encoded(Kind::RefusedList, body_len, signing.key(), out)?;
        if signed.0.len() > MAX_REFUSED_LEN {
            return Err(ObjectError::TooLarge);
        }
        Ok(signed)
    }
}
