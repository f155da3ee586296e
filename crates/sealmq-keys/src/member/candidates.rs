//! Announcements that wait, and what for. Each is verified once, when it comes, and followed once,
//! when what it waits for is there: their order costs nothing.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use sealmq_core::crypto::Digest;

/// Most announcements that a group keeps, and their bytes in all. What does not fit is fetched
/// again when it is needed.
const MAX_CANDIDATES: usize = 1024;
const MAX_CANDIDATE_BYTES: usize = 4 << 20;

/// An announcement that others refer to, and that has not come yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) epoch: u64,
    pub(super) hash: Digest,
}

/// What has to happen before it is worth another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    /// Nothing: it was not tried on the state as it is.
    Nothing,
    /// This healing announcement was followed.
    Healing(Wanted),
    /// Its chunk came.
    Chunk,
    /// A later announcement names it: no key of the current delegation has signed it.
    Voucher,
    /// A welcome came.
    Welcome,
}

/// An announcement that waits.
pub(super) struct Candidate {
    pub(super) bytes: Vec<u8>,
    hash: Digest,
    waits: Waits,
}

impl Candidate {
    /// Whether its signature was verified under the current delegation.
    const fn is_verified(&self) -> bool {
        !matches!(self.waits, Waits::Voucher)
    }

    const fn healing(&self) -> Option<Wanted> {
        match self.waits {
            Waits::Healing(wanted) => Some(wanted),
            _ => None,
        }
    }
}

/// By epoch.
#[derive(Default)]
pub(super) struct Candidates {
    by_epoch: BTreeMap<u64, Candidate>,
    bytes: usize,
}

impl Candidates {
    pub(super) fn is_empty(&self) -> bool {
        self.by_epoch.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn contains(&self, epoch: u64) -> bool {
        self.by_epoch.contains_key(&epoch)
    }

    pub(super) fn bytes(&self, epoch: u64) -> Option<&[u8]> {
        self.by_epoch.get(&epoch).map(|kept| kept.bytes.as_slice())
    }

    /// Whether these bytes are kept, and their signature was verified.
    pub(super) fn has_verified(&self, epoch: u64, bytes: &[u8]) -> bool {
        let kept = self.by_epoch.get(&epoch);
        kept.is_some_and(|kept| kept.is_verified() && kept.bytes == bytes)
    }

    /// Keeps an announcement until what it waits for has happened.
    pub(super) fn keep(&mut self, epoch: u64, hash: &Digest, bytes: &[u8], waits: Waits) {
        if let Some(kept) = self.by_epoch.get_mut(&epoch)
            && kept.bytes == bytes
        {
            kept.waits = waits;
            return;
        }
        self.drop(epoch);
        self.bytes = self.bytes.saturating_add(bytes.len());
        let kept = Candidate {
            bytes: bytes.to_vec(),
            hash: *hash,
            waits,
        };
        self.by_epoch.insert(epoch, kept);
        while self.by_epoch.len() > MAX_CANDIDATES || self.bytes > MAX_CANDIDATE_BYTES {
            // The newest says what is needed, and the oldest is needed first.
            let Some((&epoch, _)) = self.by_epoch.iter().nth_back(1) else {
                break;
            };
            self.drop(epoch);
        }
    }

    pub(super) fn drop(&mut self, epoch: u64) {
        if let Some(kept) = self.by_epoch.remove(&epoch) {
            self.bytes = self.bytes.saturating_sub(kept.bytes.len());
        }
    }

    /// Drops these bytes, if they are what is kept.
    pub(super) fn drop_this(&mut self, epoch: u64, bytes: &[u8]) {
        if self.bytes(epoch) == Some(bytes) {
            self.drop(epoch);
        }
    }

    /// Whether another one is kept there of which the signature was verified.
    pub(super) fn has_another_verified(&self, epoch: u64, bytes: &[u8]) -> bool {
        let kept = self.by_epoch.get(&epoch);
        kept.is_some_and(|kept| kept.is_verified() && kept.bytes != bytes)
    }

    /// Forgets those that are too old to be followed.
    pub(super) fn prune(&mut self, base: u64) {
        while let Some((&epoch, _)) = self.by_epoch.first_key_value() {
            if epoch >= base {
                break;
            }
            self.drop(epoch);
        }
    }

    /// After a welcome: the state is another one, whatever they waited for.
    pub(super) fn try_again(&mut self) {
        for kept in self.by_epoch.values_mut() {
            if kept.is_verified() {
                kept.waits = Waits::Nothing;
            }
        }
    }

    /// Oldest first.
    pub(super) fn epochs(&self) -> Vec<u64> {
        self.by_epoch.keys().copied().collect()
    }

    /// Whether one may be followed now, and the hash by which another one names it, if it takes
    /// that. `followed` tells whether an epoch was followed or passed, `has_chunk` whether its
    /// chunk is there.
    pub(super) fn is_ready(
        &self,
        epoch: u64,
        wanted: Option<Wanted>,
        followed: impl Fn(u64) -> bool,
        has_chunk: impl Fn(u64) -> bool,
    ) -> Option<Option<Digest>> {
        let kept = self.by_epoch.get(&epoch)?;
        let hash = kept.hash;
        let this = Wanted { epoch, hash };
        let named = wanted == Some(this);
        let is_ready = match kept.waits {
            Waits::Nothing => true,
            Waits::Healing(wanted) => followed(wanted.epoch),
            Waits::Chunk => has_chunk(epoch),
            Waits::Welcome => false,
            Waits::Voucher => {
                let mut later = self.by_epoch.range(epoch..).map(|(_, kept)| kept);
                if named || later.any(|kept| kept.healing() == Some(this)) {
                    return Some(Some(hash));
                }
                epoch.checked_add(1).is_some_and(followed)
            }
        };
        is_ready.then(|| named.then_some(hash))
    }

    /// The healing announcement that is needed before all others and is not here. `wanted`: the one
    /// that was found before, from which the search goes on.
    pub(super) fn missing(&self, wanted: Option<Wanted>) -> Option<Wanted> {
        let mut next = wanted.or_else(|| {
            let mut newest_first = self.by_epoch.values().rev();
            newest_first.find_map(Candidate::healing)
        })?;
        loop {
            let here = self.by_epoch.get(&next.epoch);
            let Some(here) = here.filter(|here| here.hash == next.hash) else {
                return Some(next);
            };
            // Each is older than the one that needs it.
            next = here.healing().filter(|older| older.epoch < next.epoch)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const HASH: Digest = Digest([7; 32]);

    #[test]
    fn candidates_are_bounded_by_count_and_bytes() {
        let mut kept = Candidates::default();
        for epoch in (1..=MAX_CANDIDATES as u64 + 1).rev() {
            kept.keep(epoch, &HASH, &[0; 10], Waits::Nothing);
        }
        assert_eq!(kept.by_epoch.len(), MAX_CANDIDATES);
        // The newest and the oldest are there.
        assert!(kept.contains(1));
        assert!(kept.contains(MAX_CANDIDATES as u64 + 1));
        assert!(!kept.contains(MAX_CANDIDATES as u64));
        assert_eq!(kept.bytes, MAX_CANDIDATES * 10);
        kept.keep(1, &HASH, &[0; 20], Waits::Nothing);
        assert_eq!(kept.bytes, MAX_CANDIDATES * 10 + 10);

        let mut kept = Candidates::default();
        for epoch in 1..=65 {
            kept.keep(epoch, &HASH, &vec![0; 65536], Waits::Nothing);
        }
        assert_eq!(kept.by_epoch.len(), 64);
        assert_eq!(kept.bytes, MAX_CANDIDATE_BYTES);
    }

    #[test]
    fn they_are_tried_when_what_they_wait_for_is_there() {
        let mut kept = Candidates::default();
        let hash = |epoch: u64| Digest([epoch as u8; 32]);
        let needs = |epoch: u64| {
            Waits::Healing(Wanted {
                epoch,
                hash: hash(epoch),
            })
        };
        kept.keep(9, &hash(9), b"9", needs(8));
        kept.keep(8, &hash(8), b"8", Waits::Voucher);
        kept.keep(7, &hash(7), b"7", Waits::Chunk);
        kept.keep(6, &hash(6), b"6", Waits::Welcome);
        kept.keep(5, &hash(5), b"5", needs(4));
        let ready = |kept: &Candidates, followed: u64| {
            let is_ready = |epoch: &u64| {
                let ready = kept.is_ready(*epoch, None, |e| e <= followed, |e| e == 7);
                ready.map(|named| (*epoch, named))
            };
            kept.epochs()
                .iter()
                .filter_map(is_ready)
                .collect::<Vec<_>>()
        };
        // The one that the newest names, and the one whose chunk came.
        assert_eq!(ready(&kept, 3), [(7, None), (8, Some(hash(8)))]);
        assert_eq!(ready(&kept, 4)[0], (5, None));
        assert_eq!(kept.missing(None), None, "it is here, and not tried");
        kept.keep(8, &hash(8), b"8", needs(2));
        let found = kept.missing(None);
        assert_eq!(found.map(|wanted| wanted.epoch), Some(2));
        kept.keep(2, &hash(3), b"another one", Waits::Nothing);
        assert_eq!(kept.missing(found), found);
        kept.try_again();
        assert_eq!(ready(&kept, 0).len(), 6);
    }
}
