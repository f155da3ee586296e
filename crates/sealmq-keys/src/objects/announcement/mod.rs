//! Announcements (spec/keys.md §5): one per epoch of a group, everything that a member needs to
//! follow.

mod cover;
mod filters;
mod head;
mod policy;
mod sign;

use sealmq_core::crypto::{Digest, VerifyingKey, sha256};
use sealmq_core::object::{
    Authorities, Extensions, Kind, List, Object, ObjectError, Role, check_extensions, decode,
    decode_prefix,
};
use sealmq_core::{DomainId, GroupId, KeyId};

use self::cover::EncodedCover;

pub use cover::{
    CHUNK_ENTRIES, ChunkEntry, ChunkRef, Cover, CoverChunks, CoverEntries, CoverEntry, ENTRY_LEN,
    INLINE_LIMIT, MANY_CHUNKS, MAX_CHUNK_ENTRIES, MAX_CHUNK_LEN, MAX_INLINE_ENTRIES,
    MAX_INLINE_LEN,
};
pub use filters::{MAX_FILTERS, MAX_FILTERS_LEN, reaches_reserved};
pub use head::{EpochKind, Generation, Head, MAX_GENERATIONS};
pub use policy::{MAX_WINDOW, Policy};
pub use sign::{ChunkSink, CoverKey};

/// Longest announcement in bytes.
pub const MAX_ANNOUNCEMENT_LEN: usize = 65536;

/// Critical extensions that this version understands: a later one adds those of its policy here.
const KNOWN: &[u16] = &[];

/// An announcement that was decoded, and nothing more: believe nothing in it.
#[derive(Clone, Copy)]
pub struct UnverifiedAnnouncement<'a> {
    object: Object<'a>,
    hash: Digest,
    head_hash: Digest,
    head: Head<'a>,
    extensions: Extensions<'a>,
    covers: List<'a, EncodedCover<'a>>,
}

impl<'a> UnverifiedAnnouncement<'a> {
    /// Decodes an announcement.
    ///
    /// # Errors
    /// [`ObjectError::TooLarge`] above 65536 bytes, `Form`, `Kind` or `Encoding`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, ObjectError> {
        if bytes.len() > MAX_ANNOUNCEMENT_LEN {
            return Err(ObjectError::TooLarge);
        }
        let object = Object::parse(bytes, Kind::Announcement)?;
        let (head, covers) = decode_prefix::<(Head<'a>, Extensions<'a>)>(object.body())?;
        let (head, extensions) = head;
        let signed = object.signed_bytes();
        let head_bytes = signed
            .len()
            .checked_sub(covers.len())
            .and_then(|len| signed.get(..len));
        Ok(Self {
            object,
            hash: object.hash(),
            head_hash: sha256(&[head_bytes.ok_or(ObjectError::Encoding)?]),
            head,
            extensions,
            covers: decode(covers)?,
        })
    }

    /// The group that it claims to be of.
    #[must_use]
    pub const fn group(&self) -> &GroupId {
        &self.head.group
    }

    /// The epoch that it claims to be.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.head.epoch
    }

    /// The hash of what was received.
    #[must_use]
    pub const fn hash(&self) -> &Digest {
        &self.hash
    }

    /// The hash that it names as that of the epoch before.
    #[must_use]
    pub const fn previous(&self) -> &Digest {
        &self.head.previous
    }

    /// The epoch and the hash that it names as those of the last healing epoch before it.
    #[must_use]
    pub const fn healing(&self) -> (u64, Digest) {
        (self.head.healing_epoch, self.head.healing)
    }

    /// Everything that it claims.
    #[must_use]
    pub const fn head(&self) -> &Head<'a> {
        &self.head
    }

    /// What it claims beyond the head's own fields.
    #[cfg(feature = "alloc")]
    pub(crate) const fn extensions(&self) -> &Extensions<'a> {
        &self.extensions
    }

    /// Hash of the refused list that it names; zeros for none.
    #[cfg(feature = "alloc")]
    pub(crate) const fn refused(&self) -> &Digest {
        &self.head.refused
    }

    /// Whether it is of an older delegation than the current one.
    pub(crate) fn is_of_older(&self, authorities: &impl Authorities) -> bool {
        self.head.serial < authorities.serial()
    }

    fn signer<'k>(&self, authorities: &'k impl Authorities) -> Option<&'k VerifyingKey> {
        authorities.authority_key(self.head.serial, self.head.signer, Role::Groups)
    }

    /// Verifies signer, signature and fields. `prefix` is the one of the reserved topics. Times
    /// are not checked here.
    ///
    /// # Errors
    /// `Domain`, `Role`, `Signature`, `Unsupported` or `Field`.
    pub fn verify(
        self,
        authorities: &impl Authorities,
        prefix: &str,
    ) -> Result<Announcement<'a>, ObjectError> {
        if self.head.domain != authorities.domain() {
            return Err(ObjectError::Domain);
        }
        let signer = self.signer(authorities).ok_or(ObjectError::Role)?;
        self.object.verify(signer, &self.extensions, KNOWN)?;
        self.checked(prefix)
    }

    /// Takes an announcement that a verified one refers to by `hash`. The hash covers
    /// everything, so this also holds for one that was signed under an older delegation
    /// (spec/keys.md §3).
    ///
    /// # Errors
    /// [`ObjectError::Serial`] if it is another one, `Domain`, `Unsupported` or `Field`.
    pub fn verify_referenced(
        self,
        domain: &DomainId,
        hash: &Digest,
        prefix: &str,
    ) -> Result<Announcement<'a>, ObjectError> {
        if self.head.domain != *domain {
            return Err(ObjectError::Domain);
        }
        if self.hash != *hash {
            return Err(ObjectError::Serial);
        }
        check_extensions(&self.extensions, KNOWN)?;
        self.checked(prefix)
    }

    fn checked(self, prefix: &str) -> Result<Announcement<'a>, ObjectError> {
        self.head.check(prefix)?;
        let mut encoded = self.covers.iter();
        let mut covers = [None; MAX_GENERATIONS];
        let mut number = 0_u32;
        for (slot, generation) in covers.iter_mut().zip(self.head.generations.iter()) {
            let cover = encoded.next().ok_or(ObjectError::Field("covers"))?;
            let cover = cover.check(generation.depth, number)?;
            if let Some(last) = cover.chunked().and_then(|chunks| chunks.iter().last()) {
                number = last.number.saturating_add(1);
            }
            *slot = Some(cover);
        }
        if encoded.next().is_some() {
            return Err(ObjectError::Field("covers"));
        }
        Ok(Announcement {
            head: self.head,
            extensions: self.extensions,
            hash: self.hash,
            head_hash: self.head_hash,
            covers,
        })
    }
}

/// An announcement whose signature (or place in a verified hash chain) and fields were verified.
#[derive(Debug, Clone, Copy)]
pub struct Announcement<'a> {
    head: Head<'a>,
    extensions: Extensions<'a>,
    hash: Digest,
    head_hash: Digest,
    /// One for each generation, in order.
    covers: [Option<Cover<'a>>; MAX_GENERATIONS],
}

impl<'a> Announcement<'a> {
    /// Decodes and verifies: [`UnverifiedAnnouncement::decode`], then
    /// [`UnverifiedAnnouncement::verify`].
    ///
    /// # Errors
    /// Any [`ObjectError`] but `Expired` and `Serial`.
    pub fn verify(
        bytes: &'a [u8],
        authorities: &impl Authorities,
        prefix: &str,
    ) -> Result<Self, ObjectError> {
        UnverifiedAnnouncement::decode(bytes)?.verify(authorities, prefix)
    }

    /// The head.
    #[must_use]
    pub const fn head(&self) -> &Head<'a> {
        &self.head
    }

    /// What a later version adds to the head, fields of the policy among it: read one by its id
    /// ([`List::read`]).
    #[must_use]
    pub const fn extensions(&self) -> &Extensions<'a> {
        &self.extensions
    }

    /// The announcement's hash.
    #[must_use]
    pub const fn hash(&self) -> &Digest {
        &self.hash
    }

    /// The hash of the head, which wrap keys are bound to.
    #[must_use]
    pub const fn head_hash(&self) -> &Digest {
        &self.head_hash
    }

    /// The key id of the epoch.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        KeyId::of(&self.hash)
    }

    /// A generation and its cover, by the generation's number.
    #[must_use]
    pub fn cover(&self, generation: u32) -> Option<(Generation, Cover<'a>)> {
        self.covers().find(|(g, _)| g.number == generation)
    }

    /// The chunk in which an entry for this leaf of this generation can stand. `None` if the
    /// announcement does not cover the generation, if its cover stands inline, or if no chunk
    /// begins at or below the leaf.
    #[must_use]
    pub fn chunk_for(&self, generation: u32, leaf: u32) -> Option<ChunkRef> {
        self.cover(generation)?.1.chunked()?.for_leaf(leaf)
    }

    /// The generations with their covers, in order.
    pub fn covers(&self) -> impl Iterator<Item = (Generation, Cover<'a>)> + use<'a> {
        let covers = self.covers.into_iter().flatten();
        self.head.generations.iter().zip(covers)
    }
}
