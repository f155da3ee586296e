mod chunk;
mod run;

use sealmq_core::crypto::Digest;
use sealmq_core::object::{
    Authorities, Extensions, FORM_SUITE_1, Kind, List, Object, ObjectError, Role, Signer,
    check_extensions, sign_encoded,
};
use sealmq_core::{DomainId, GroupId, MemberNumber};
use serde::{Deserialize, Serialize};

use crate::cursor::Cursor;
use chunk::EncodedChunk;
pub use chunk::{Lowest, RefusedChunk};
pub use run::{MAX_REFUSED_RUN, MAX_REFUSED_RUN_LEN, REMOVED, Refusal, RefusedRun};

/// Longest refused list in bytes.
pub const MAX_REFUSED_LEN: usize = 65536;

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
    #[serde(borrow)]
    chunks: List<'a, EncodedChunk>,
}

/// A verified refused list (spec/keys.md §7): whose messages a group no longer accepts. A short
/// one has its records in it, a long one says in which chunk the record of a member would be.
#[derive(Clone, Copy)]
pub struct RefusedList<'a> {
    head: Head,
    run: Option<RefusedRun<'a>>,
    chunks: List<'a, EncodedChunk>,
    hash: Digest,
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
        let run = if body.chunks.is_empty() {
            Some(RefusedRun::check(body.entries)?)
        } else if body.entries.is_empty() {
            chunk::check(&body.chunks)?;
            None
        } else {
            return Err(run::ERROR);
        };
        Ok(Self {
            head: body.head,
            run,
            chunks: body.chunks,
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

    /// Its records, if it has them in it.
    #[must_use]
    pub const fn run(&self) -> Option<RefusedRun<'a>> {
        self.run
    }

    /// Its chunks, ascending; none if it has its records in it.
    pub fn chunks(&self) -> impl Iterator<Item = RefusedChunk> + 'a {
        chunk::refs(self.chunks)
    }

    /// What it says of a member, or where that stands.
    #[must_use]
    pub fn lowest_serial(&self, member: MemberNumber) -> Lowest {
        match self.run {
            Some(run) => Lowest::Serial(run.lowest_serial(member)),
            None => self
                .chunks()
                .find(|chunk| chunk.holds(member))
                .map_or(Lowest::Serial(0), Lowest::InChunk),
        }
    }

    /// Signs a list with its records in it. `refusals` ascend by member, at least one, at most
    /// [`MAX_REFUSED_RUN`].
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
        let head = Head {
            domain,
            serial,
            signer,
            group,
        };
        Self::sign_body(head, refusals, &[], &signing.into(), out)
    }

    /// Signs a list of chunks: ascending, at least two.
    ///
    /// # Errors
    /// `Field("chunks")` if they do not, or [`ObjectError::TooLarge`].
    pub fn sign_chunks<'o, 's>(
        domain: DomainId,
        serial: u32,
        signer: u8,
        group: GroupId,
        chunks: &[RefusedChunk],
        signing: impl Into<Signer<'s>>,
        out: &'o mut [u8],
    ) -> Result<(&'o [u8], Digest), ObjectError> {
        let head = Head {
            domain,
            serial,
            signer,
            group,
        };
        Self::sign_body(head, &[], chunks, &signing.into(), out)
    }

    fn sign_body<'o>(
        head: Head,
        refusals: &[Refusal],
        chunks: &[RefusedChunk],
        signing: &Signer<'_>,
        out: &'o mut [u8],
    ) -> Result<(&'o [u8], Digest), ObjectError> {
        let mut cursor = Cursor::new(out);
        cursor.put(&[FORM_SUITE_1, Kind::RefusedList as u8])?;
        cursor.encode(&head)?;
        let len = u32::try_from(refusals.len().saturating_mul(run::RECORD_LEN))
            .map_err(|_| ObjectError::TooLarge)?;
        cursor.encode(&len)?;
        let start = cursor.written().len();
        for refusal in refusals {
            cursor.put(&refusal.encode())?;
        }
        let entries = cursor.written().get(start..).unwrap_or_default();
        if chunks.is_empty() {
            RefusedRun::check(entries)?;
        }
        let len = chunks.iter().map(|chunk| chunk.encoded().len());
        let len = u32::try_from(len.sum::<usize>()).map_err(|_| ObjectError::TooLarge)?;
        cursor.encode(&len)?;
        let start = cursor.written().len();
        for chunk in chunks {
            cursor.encode(&chunk.encoded())?;
        }
        let encoded = cursor.written().get(start..).unwrap_or_default();
        let encoded = List::from_encoded(encoded).map_err(|_| ObjectError::Encoding)?;
        if !chunks.is_empty() {
            chunk::check(&encoded)?;
        }
        cursor.encode(signing.extensions())?;
        let body_len = cursor.written().len().saturating_sub(2);
        let signed = sign_encoded(Kind::RefusedList, body_len, signing.key(), out)?;
        if signed.0.len() > MAX_REFUSED_LEN {
            return Err(ObjectError::TooLarge);
        }
        Ok(signed)
    }
}
