//! A log's older entries: in segments beside the records, so that neither opening the store nor
//! its memory grows with the log (spec/store.md §5).

use std::ops::Range;

use sealmq_core::crypto::{MessageKey, NONCE_LEN, Secret, TAG_LEN, expand};
use zeroize::Zeroizing;

use super::backend::Segment;
use super::seal::{self, SALT_LEN, VERSION};
use crate::{StoreError, StoreRole};

/// The record that says how much of the log is in segments. It is the store's own: nobody else
/// sees it. Being a record, it is bound by the manifest, and so the segments cannot go back.
pub(crate) const RECORD: &str = "audit";

/// Entries of a segment. Twice as many at most stay among the records after a commit that adds
/// few. The crate's own tests have small ones.
pub(crate) const SEGMENT_LEN: u64 = if cfg!(test) { 4 } else { 512 };

/// Longest segment in bytes.
pub(crate) const MAX_SEGMENT_LEN: usize = 64 << 20;

const LABEL: &[u8] = b"sealmq/1 store log";
const ID_LEN: usize = 8;
const LEN_LEN: usize = 4;

/// How much of the log is in segments, and what they are sealed with.
#[derive(Default)]
pub(crate) struct Log {
    /// Random: stores that share a folder keep their segments apart.
    id: [u8; ID_LEN],
    /// Segments, all of them full.
    segments: u64,
    /// Secrets, each with the first segment that is sealed with it.
    secrets: Vec<(u64, Secret)>,
}

/// The first entry that is not what was written.
pub(crate) struct BadEntry(pub(crate) u64);

impl Log {
    /// Entries that are in segments: those with numbers below.
    pub(crate) const fn moved(&self) -> u64 {
        self.segments.saturating_mul(SEGMENT_LEN)
    }

    /// What a backend calls the segment that has this entry.
    pub(crate) const fn segment_of(&self, entry: u64) -> Segment {
        Segment {
            log: self.id,
            number: entry / SEGMENT_LEN,
        }
    }

    /// The numbers of a segment's entries.
    pub(crate) const fn entries_of(segment: &Segment) -> Range<u64> {
        let first = segment.number.saturating_mul(SEGMENT_LEN);
        first..first.saturating_add(SEGMENT_LEN)
    }

    pub(crate) const fn id(&self) -> Option<[u8; ID_LEN]> {
        if self.segments == 0 {
            None
        } else {
            Some(self.id)
        }
    }

    /// The log with one segment more.
    pub(crate) fn grown(&self) -> Result<Self, StoreError> {
        let mut grown = self.copy();
        if grown.secrets.is_empty() {
            seal::random(&mut grown.id)?;
            grown.secrets.push((0, seal::random_secret()?));
        }
        grown.segments = grown.segments.saturating_add(1);
        Ok(grown)
    }

    /// For a store under another key: what is written from now on has another secret.
    pub(crate) fn rekeyed(&self) -> Result<Self, StoreError> {
        if self.segments == 0 {
            return Ok(Self::default());
        }
        let mut log = self.copy();
        log.secrets.retain(|(first, _)| *first < log.segments);
        log.secrets.push((log.segments, seal::random_secret()?));
        Ok(log)
    }

    pub(crate) fn copy(&self) -> Self {
        let secrets = self.secrets.iter();
        Self {
            id: self.id,
            segments: self.segments,
            secrets: secrets
                .map(|(first, secret)| (*first, Secret::new(*secret.expose())))
                .collect(),
        }
    }

    /// `id 8 ‖ BE8(segments) ‖ one or more of: BE8(first segment) ‖ secret 32`.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let len = self.secrets.len().saturating_add(1).saturating_mul(40);
        // In one piece: a vector that grows would leave copies of secrets behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(len));
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(&self.segments.to_be_bytes());
        for (first, secret) in &self.secrets {
            bytes.extend_from_slice(&first.to_be_bytes());
            bytes.extend_from_slice(secret.expose());
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk()?;
        let (segments, mut rest) = rest.split_first_chunk()?;
        let mut secrets = Vec::new();
        while !rest.is_empty() {
            let (first, after) = rest.split_first_chunk()?;
            let (secret, after) = after.split_first_chunk::<{ Secret::LEN }>()?;
            secrets.push((u64::from_be_bytes(*first), Secret::new(*secret)));
            rest = after;
        }
        Some(Self {
            id: *id,
            segments: u64::from_be_bytes(*segments),
            secrets,
        })
    }

    /// `salt 32`, then each entry: `BE4(length) ‖ ciphertext ‖ tag 16`.
    pub(crate) fn seal(
        &self,
        role: StoreRole,
        segment: &Segment,
        entries: &[Zeroizing<Vec<u8>>],
    ) -> Result<Vec<u8>, StoreError> {
        let refused = |reason: &str| StoreError::Crypto {
            reason: reason.into(),
        };
        let mut salt = [0; SALT_LEN];
        seal::random(&mut salt)?;
        let key = self.key(segment.number, &salt);
        let key = key.ok_or_else(|| refused("a segment without a secret"))?;
        let mut sealed = salt.to_vec();
        for (number, entry) in Self::entries_of(segment).zip(entries) {
            let len = u32::try_from(entry.len()).map_err(|_| refused("length of an entry"))?;
            let mut text = Zeroizing::new(entry.to_vec());
            let tag = key
                .seal_in_place(&nonce(number), &self.aad(role, number), &mut text)
                .map_err(|_| refused("AES-GCM"))?;
            sealed.extend_from_slice(&len.to_be_bytes());
            sealed.extend_from_slice(&text);
            sealed.extend_from_slice(&tag);
        }
        Ok(sealed)
    }

    /// The entries of a segment with these numbers.
    pub(crate) fn open(
        &self,
        role: StoreRole,
        segment: &Segment,
        sealed: &[u8],
        wanted: &Range<u64>,
    ) -> Result<Vec<Zeroizing<Vec<u8>>>, BadEntry> {
        let numbers = Self::entries_of(segment);
        let begin = || {
            let (salt, rest) = sealed.split_at_checked(SALT_LEN)?;
            Some((self.key(segment.number, salt)?, rest))
        };
        let (key, mut rest) = begin().ok_or(BadEntry(numbers.start))?;
        let mut entries = Vec::new();
        let last = numbers.end.saturating_sub(1);
        for number in numbers {
            let (text, tag, after) = frame(rest).ok_or(BadEntry(number))?;
            rest = after;
            if number == last && !rest.is_empty() {
                return Err(BadEntry(number));
            }
            if !wanted.contains(&number) {
                continue;
            }
            let mut entry = Zeroizing::new(text.to_vec());
            key.open_in_place(&nonce(number), &self.aad(role, number), &mut entry, tag)
                .map_err(|_| BadEntry(number))?;
            entries.push(entry);
        }
        Ok(entries)
    }

    fn key(&self, segment: u64, salt: &[u8]) -> Option<MessageKey> {
        let mut secrets = self.secrets.iter().rev();
        let (_, secret) = secrets.find(|(first, _)| *first <= segment)?;
        let parts = [LABEL, &self.id, &segment.to_be_bytes(), salt];
        Some(MessageKey::new(&expand(secret, &parts)))
    }

    fn aad(&self, role: StoreRole, number: u64) -> Vec<u8> {
        let number = number.to_be_bytes();
        [LABEL, &[VERSION], &role.bytes(), &self.id, &number].concat()
    }
}

/// The entry's number: a key is that of one segment as it was written once.
fn nonce(number: u64) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    for (to, from) in nonce.iter_mut().rev().zip(number.to_le_bytes()) {
        *to = from;
    }
    nonce
}

/// Text, tag, and what follows.
fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8; TAG_LEN], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<LEN_LEN>()?;
    let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
    let (text, rest) = rest.split_at_checked(len)?;
    let (tag, rest) = rest.split_first_chunk()?;
    Some((text, tag, rest))
}
