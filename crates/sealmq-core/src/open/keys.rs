use core::mem;

use crate::crypto::{Digest, ENC_LEN, KemError, SessionSecrets, session_receiver};
use crate::open::ReadingEpoch;
use crate::replay::{Table, probe};

/// A place for the expanded keys of one verified session in a [`Table`].
#[derive(Debug, Default)]
pub struct KeySlot(Option<CachedKeys>);

impl KeySlot {
    /// A free place.
    pub const EMPTY: Self = Self(None);
}

#[derive(Debug)]
struct CachedKeys {
    announcement: Digest,
    enc: [u8; ENC_LEN],
    secrets: SessionSecrets,
    used: u64,
}

/// Where the keys of the envelope in hand are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KeyPlace {
    Cached(usize),
    /// Derived for this envelope; enters the cache only after verification.
    Scratch,
}

/// Session keys by (announcement, enc), least recently used out first, so that opening in a known
/// session does no X25519.
#[derive(Debug)]
pub(crate) struct KeyCache<K> {
    slots: K,
    /// Keys of a session that is not verified yet: derived in one place and never moved on.
    scratch: KeySlot,
    clock: u64,
    /// Places that are taken.
    used: usize,
}

impl<K: Table<KeySlot>> KeyCache<K> {
    pub(crate) const fn new(slots: K) -> Self {
        Self {
            slots,
            scratch: KeySlot::EMPTY,
            clock: 0,
            used: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.used
    }

    pub(crate) fn find(&mut self, announcement: &Digest, enc: &[u8; ENC_LEN]) -> Option<KeyPlace> {
        let slots = self.slots.as_mut();
        for index in probe(hash(enc), slots.len()) {
            // Places are freed when an epoch leaves the window, so a free one ends nothing.
            if let Some(keys) = slots.get_mut(index).and_then(|slot| slot.0.as_mut())
                && keys.enc == *enc
                && keys.announcement == *announcement
            {
                self.clock = self.clock.saturating_add(1);
                keys.used = self.clock;
                return Some(KeyPlace::Cached(index));
            }
        }
        None
    }

    /// Decapsulates into the scratch place.
    pub(crate) fn derive(
        &mut self,
        epoch: &ReadingEpoch<'_>,
        enc: &[u8; ENC_LEN],
    ) -> Result<KeyPlace, KemError> {
        let secrets = session_receiver(epoch.key_pair, epoch.psk, &epoch.announcement, enc)?;
        let announcement = epoch.announcement;
        self.scratch.0 = Some(CachedKeys {
            announcement,
            enc: *enc,
            secrets,
            used: 0,
        });
        Ok(KeyPlace::Scratch)
    }

    pub(crate) fn get(&self, place: KeyPlace) -> Option<&SessionSecrets> {
        let slot = match place {
            KeyPlace::Cached(index) => self.slots.as_ref().get(index)?,
            KeyPlace::Scratch => &self.scratch,
        };
        slot.0.as_ref().map(|keys| &keys.secrets)
    }

    /// Keeps the scratch keys: their session was verified.
    pub(crate) fn keep_scratch(&mut self) {
        let Some(mut keys) = self.scratch.0.take() else {
            return;
        };
        self.clock = self.clock.saturating_add(1);
        keys.used = self.clock;
        self.insert(keys);
    }

    /// Into a free place, or that of the session which was used longest ago.
    fn insert(&mut self, keys: CachedKeys) {
        let slots = self.slots.as_mut();
        let age = |i: &usize| slots.get(*i).and_then(|s| s.0.as_ref()).map(|k| k.used);
        let place = probe(hash(&keys.enc), slots.len()).min_by_key(age);
        if let Some(slot) = place.and_then(|i| slots.get_mut(i))
            && slot.0.replace(keys).is_none()
        {
            self.used = self.used.saturating_add(1);
        }
    }

    /// Moves all keys into another table, all places of which are free.
    pub(crate) fn move_into(&mut self, slots: K) {
        let mut from = mem::replace(&mut self.slots, slots);
        self.used = 0;
        for slot in from.as_mut() {
            if let Some(keys) = slot.0.take() {
                self.insert(keys);
            }
        }
    }

    pub(crate) fn drop_scratch(&mut self) {
        self.scratch.0 = None;
    }

    /// Wipes the keys of all sessions whose announcement `keep` does not name.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Digest) -> bool) {
        for slot in self.slots.as_mut() {
            if slot
                .0
                .as_ref()
                .is_some_and(|keys| !keep(&keys.announcement))
            {
                slot.0 = None;
                self.used = self.used.saturating_sub(1);
            }
        }
    }
}

fn hash(enc: &[u8; ENC_LEN]) -> u64 {
    // Encapsulated keys are uniform, and an attacker who grinds them has to sign them as well.
    let (half, _) = enc.split_first_chunk().unwrap_or((&[0; 8], &[]));
    u64::from_le_bytes(*half)
}
