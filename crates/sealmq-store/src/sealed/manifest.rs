use std::fmt;

use super::seal::{self, BadValue, Fingerprint, StoreKey};
use crate::StoreError;

/// Which commit a store stands at. Equal stamps: nothing was committed in between.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    counter: u64,
    id: [u8; 16],
}

/// A store that others change, too, and that tells it without being opened.
pub trait Stamps {
    /// Which commit the store stands at.
    ///
    /// # Errors
    /// As opening the store; at [`StoreError::Busy`] another process is at work: ask again.
    fn stamp(&self) -> Result<Stamp, StoreError>;

    /// Whether anything was committed since `stamp`, by any process. Counts commits and does
    /// not look at file times, which miss changes in quick succession.
    ///
    /// # Errors
    /// As [`Stamps::stamp`].
    fn changed_since(&self, stamp: &Stamp) -> Result<bool, StoreError> {
        Ok(self.stamp()? != *stamp)
    }
}

impl Stamp {
    /// Commits since the store was created.
    #[must_use]
    pub const fn counter(&self) -> u64 {
        self.counter
    }

    /// Whether a store at `later` can have passed this commit.
    pub(crate) fn can_precede(&self, later: &Self) -> bool {
        self == later || self.counter < later.counter
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stamp").field(&self.counter).finish()
    }
}

/// Binds the set of records: `BE8(counter) ‖ commit id 16 ‖ BE8(count) ‖ digest 32`, sealed.
///
/// The digest is the XOR of the fingerprints (MSet-XOR-Hash of Clarke et al., 2003): it changes
/// with each record at a cost that does not depend on their number, and it is safe because the
/// fingerprints are keyed and neither they nor the digest ever leave the process in clear.
#[derive(Clone)]
pub(crate) struct Manifest {
    stamp: Stamp,
    pub(crate) content: Content,
}

/// What a manifest says about the records.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Content {
    count: u64,
    digest: Fingerprint,
}

impl Content {
    pub(crate) fn add(&mut self, record: &Fingerprint) {
        self.count = self.count.wrapping_add(1);
        self.toggle(record);
    }

    pub(crate) fn remove(&mut self, record: &Fingerprint) {
        self.count = self.count.wrapping_sub(1);
        self.toggle(record);
    }

    fn toggle(&mut self, record: &Fingerprint) {
        for (to, from) in self.digest.iter_mut().zip(record) {
            *to ^= from;
        }
    }
}

impl Manifest {
    /// The manifest of an empty store whose counter goes on after `counter`.
    pub(crate) fn after(counter: u64) -> Result<Self, StoreError> {
        let id = [0; 16];
        Self {
            stamp: Stamp { counter, id },
            content: Content::default(),
        }
        .next()
    }

    /// For the next commit.
    pub(crate) fn next(&self) -> Result<Self, StoreError> {
        let mut id = [0; 16];
        seal::random(&mut id)?;
        // 64 bits last for millions of years at a commit per microsecond.
        let counter = self.stamp.counter.saturating_add(1);
        Ok(Self {
            stamp: Stamp { counter, id },
            content: self.content,
        })
    }

    pub(crate) const fn stamp(&self) -> Stamp {
        self.stamp
    }

    pub(crate) fn seal(&self, key: &StoreKey) -> Result<Vec<u8>, StoreError> {
        let bytes = [
            &self.stamp.counter.to_be_bytes()[..],
            &self.stamp.id,
            &self.content.count.to_be_bytes(),
            &self.content.digest,
        ]
        .concat();
        key.seal_manifest(&zeroize::Zeroizing::new(bytes))
    }

    pub(crate) fn open(key: &StoreKey, sealed: &[u8]) -> Result<Self, BadValue> {
        let bytes = key.open_manifest(sealed)?;
        let (counter, rest) = bytes.split_first_chunk().ok_or(BadValue)?;
        let (id, rest) = rest.split_first_chunk().ok_or(BadValue)?;
        let (count, rest) = rest.split_first_chunk().ok_or(BadValue)?;
        let digest = rest.try_into().map_err(|_| BadValue)?;
        Ok(Self {
            stamp: Stamp {
                counter: u64::from_be_bytes(*counter),
                id: *id,
            },
            content: Content {
                count: u64::from_be_bytes(*count),
                digest,
            },
        })
    }
}
