use crate::crypto::{
    Digest, ENC_LEN, KemError, MAC_LEN, SessionExports, SessionSecrets, session_exports,
};
use crate::ids::MemberNumber;
use crate::open::ReadingEpoch;
use crate::replay::Table;
use crate::wire::Header;

/// A place for the keys of one session in a [`Table`].
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
    mac: [u8; MAC_LEN],
    /// To expand them takes little of the time of a message, and to keep them so most of the memory.
    secrets: SessionExports,
    used: u64,
    /// Whose session is known for the short form, too: members can use one `enc`.
    known_of: Option<MemberNumber>,
    /// A message of the session was verified. Keys of others are kept because a stranger can copy
    /// a member's `enc` and mac: to work on each copy anew would cost more than the place. They
    /// take no place of a verified session.
    verified: bool,
}

/// Where the keys of the envelope in hand are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KeyPlace {
    Cached(usize),
    /// Derived for this envelope, and no place is free; enters the cache only after verification.
    Scratch,
}

/// Session keys by (announcement, enc), so that opening in a known session does no X25519: those
/// that no message verified under out first, then the least recently used.
#[derive(Debug)]
pub(crate) struct KeyCache<K> {
    slots: K,
    /// Keys of a session that is not verified yet, and for which there is no place.
    scratch: KeySlot,
    clock: u64,
    /// Verified sessions.
    verified: usize,
}

impl<K: Table<KeySlot>> KeyCache<K> {
    #[inline(always)]
    pub(crate) const fn new(slots: K) -> Self {
        Self {
            slots,
            scratch: KeySlot::EMPTY,
            clock: 0,
            verified: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.verified
    }

    pub(crate) fn find(&mut self, announcement: &Digest, header: &Header) -> Option<KeyPlace> {
        let is_it = |place: &usize| {
            // Places are freed when an epoch leaves the window, so a free one ends nothing.
            let keys = self.slots.get(*place).and_then(|slot| slot.0.as_ref());
            keys.is_some_and(|keys| {
                (keys.enc, keys.mac) == (header.enc, header.mac)
                    && keys.announcement == *announcement
            })
        };
        let place = self.slots.candidates(hash(&header.enc)).find(is_it)?;
        self.clock = self.clock.saturating_add(1);
        let clock = self.clock;
        self.cached(place)?.used = clock;
        Some(KeyPlace::Cached(place))
    }

    fn cached(&mut self, place: usize) -> Option<&mut CachedKeys> {
        self.slots.get_mut(place)?.0.as_mut()
    }

    /// Decapsulates into a free place, or that of another session which is not verified.
    pub(crate) fn derive(
        &mut self,
        epoch: &ReadingEpoch<'_>,
        header: &Header,
    ) -> Result<KeyPlace, KemError> {
        let enc = &header.enc;
        let secrets = session_exports(epoch.key_pair, epoch.psk, &epoch.announcement, enc)?;
        let announcement = epoch.announcement;
        self.clock = self.clock.saturating_add(1);
        let keys = CachedKeys {
            announcement,
            enc: *enc,
            mac: header.mac,
            secrets,
            used: self.clock,
            known_of: None,
            verified: false,
        };
        let place = self.place_for(enc, false);
        Ok(match place {
            Some(index) => {
                self.put(index, keys);
                KeyPlace::Cached(index)
            }
            None => {
                self.scratch.0 = Some(keys);
                KeyPlace::Scratch
            }
        })
    }

    pub(crate) fn get(&self, place: KeyPlace) -> Option<SessionSecrets> {
        let slot = match place {
            KeyPlace::Cached(index) => self.slots.get(index)?,
            KeyPlace::Scratch => &self.scratch,
        };
        slot.0.as_ref().map(|keys| keys.secrets.expand())
    }

    /// A message of this session was verified; `true` if none was before.
    pub(crate) fn verified(&mut self, place: KeyPlace) -> bool {
        let keys = match place {
            KeyPlace::Cached(index) => self.cached(index),
            KeyPlace::Scratch => self.scratch.0.as_mut(),
        };
        let Some(keys) = keys.filter(|keys| !keys.verified) else {
            return false;
        };
        keys.verified = true;
        match place {
            KeyPlace::Cached(_) => self.verified = self.verified.saturating_add(1),
            KeyPlace::Scratch => {
                // In a table without places, it is the one that is pushed out.
                if let Some(keys) = self.scratch.0.take()
                    && let Some(place) = self.place_for(&keys.enc, true)
                {
                    self.put(place, keys);
                }
            }
        }
        true
    }

    /// An event of this sender was verified under these keys: `false` if the last one was, too.
    pub(crate) fn is_news(&mut self, place: KeyPlace, sender: MemberNumber) -> bool {
        let KeyPlace::Cached(index) = place else {
            return true;
        };
        let keys = self.cached(index);
        let before = keys.and_then(|keys| keys.known_of.replace(sender));
        before != Some(sender)
    }

    /// A free place, or that of the session which is worth least; for keys that are not verified none
    /// of a verified session.
    fn place_for(&mut self, enc: &[u8; ENC_LEN], verified: bool) -> Option<usize> {
        let hash_of = hash(enc);
        if let Some(free) = self.slots.free(hash_of, |slot| slot.0.is_none()) {
            return Some(free);
        }
        let keys = |i: usize| self.slots.get(i).and_then(|slot| slot.0.as_ref());
        let worth = |i: &usize| keys(*i).map(|keys| (keys.verified, keys.used));
        let place = self.slots.rivals(hash_of).min_by_key(worth)?;
        let out = keys(place).filter(|out| verified || !out.verified)?;
        let before = hash(&out.enc);
        self.slots.replaced(place, before, hash_of);
        Some(place)
    }

    fn put(&mut self, place: usize, keys: CachedKeys) {
        let Some(slot) = self.slots.get_mut(place) else {
            return;
        };
        let before = slot.0.as_ref().is_some_and(|there| there.verified);
        if keys.verified && !before {
            self.verified = self.verified.saturating_add(1);
        }
        slot.0 = Some(keys);
    }

    pub(crate) fn drop_scratch(&mut self) {
        self.scratch.0 = None;
    }

    /// Wipes the keys of all sessions whose announcement `keep` does not name.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Digest) -> bool) {
        for place in 0..self.slots.places() {
            let slot = self.slots.get_mut(place);
            let gone = slot.and_then(|slot| slot.0.take_if(|keys| !keep(&keys.announcement)));
            let Some(keys) = gone else {
                continue;
            };
            if keys.verified {
                self.verified = self.verified.saturating_sub(1);
            }
            self.slots.freed(place, hash(&keys.enc));
        }
    }
}

fn hash(enc: &[u8; ENC_LEN]) -> u64 {
    // Encapsulated keys are uniform, and an attacker who grinds them has to sign them as well.
    let (half, _) = enc.split_first_chunk().unwrap_or((&[0; 8], &[]));
    u64::from_le_bytes(*half)
}
