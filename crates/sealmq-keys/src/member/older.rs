//! Kept keys of before the newest ones (spec/keys.md §7), which a reader keeps as far as the policy
//! says.

use alloc::vec::Vec;
use core::cmp::Reverse;

use sealmq_core::GroupId;
use sealmq_core::crypto::{Digest, KemKeyPair, SessionPsk};
use serde::{Deserialize, Serialize};

use super::records::{self, SecretBytes};
use crate::group::GroupState;
use crate::kept::{KeptAccess, KeptKey, KeptPsk, KeptSecret, KeptSet, kept_name};
use crate::objects::KeptKeys;
use crate::store::{Change, Changes};
use crate::tree::Half;

/// Kept keys of before the newest ones, newest first. Empty at publish-only members.
#[derive(Default)]
pub struct Older(pub(super) Vec<OlderKey>);

pub(super) struct OlderKey {
    pub(super) set: KeptSet,
    /// Serial of the delegation that vouches for it.
    pub(super) serial: u32,
    pub(super) name: Digest,
    pub(super) pair: KemKeyPair,
    pub(super) psk: SessionPsk,
}

/// One of them in a store.
#[derive(Serialize, Deserialize)]
pub(super) struct OlderRecord {
    pub(super) epoch: u64,
    pub(super) kept: Digest,
    pub(super) secret: SecretBytes,
    pub(super) psk: SecretBytes,
    pub(super) serial: u32,
}

/// Keys that open state.
pub(super) struct StateKeys<'g> {
    pub(super) name: Digest,
    pub(super) pair: &'g KemKeyPair,
    pub(super) psk: &'g SessionPsk,
}

impl OlderKey {
    pub(super) fn new(set: KeptSet, serial: u32) -> Self {
        Self {
            name: kept_name(&set.kept),
            pair: set.secret.key_pair(),
            psk: set.psk.session(),
            set,
            serial,
        }
    }

    fn record(&self) -> OlderRecord {
        OlderRecord {
            epoch: self.set.epoch,
            kept: self.set.kept,
            secret: SecretBytes::of(self.set.secret.secret().expose()),
            psk: SecretBytes::of(self.set.psk.secret().expose()),
            serial: self.serial,
        }
    }
}

impl OlderRecord {
    fn key(&self) -> OlderKey {
        let set = KeptSet {
            epoch: self.epoch,
            kept: self.kept,
            secret: KeptSecret::new(self.secret.secret()),
            psk: KeptPsk::new(self.psk.secret()),
        };
        OlderKey::new(set, self.serial)
    }
}

/// What a list of kept keys was good for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct WentBack {
    /// It names keys that were there before.
    pub known: bool,
    /// It vouches for the newest keys under a higher serial.
    pub newest: bool,
    /// The same of older ones, or it brought some.
    pub older: bool,
    /// It brought some.
    pub opened: bool,
}

impl Older {
    /// Those in a vector, or a store: each with the serial that vouches for it.
    pub fn of(sets: impl IntoIterator<Item = (KeptSet, u32)>) -> Self {
        let mut older = Self::default();
        for (set, serial) in sets {
            older.take(set, serial);
        }
        older
    }

    /// The keys, newest first, each with the serial that vouches for it.
    pub fn keys(&self) -> impl Iterator<Item = (&KeptSet, u32)> {
        self.0.iter().map(|older| (&older.set, older.serial))
    }

    /// Takes one in its place; of one that is there already the serial.
    fn take(&mut self, set: KeptSet, serial: u32) {
        if !self.knows(&set.kept) {
            self.0.push(OlderKey::new(set, serial));
            self.0.sort_by_key(|older| Reverse(older.set.epoch));
        } else {
            self.vouch(&set.kept, serial);
        }
    }

    fn knows(&self, kept: &Digest) -> bool {
        self.0.iter().any(|older| older.set.kept == *kept)
    }

    /// Something of this serial names these keys. `true` if that is above what vouched for them.
    pub fn vouch(&mut self, kept: &Digest, serial: u32) -> bool {
        let mut keys = self.0.iter_mut();
        let known = keys.find(|older| older.set.kept == *kept && older.serial < serial);
        known.map(|older| older.serial = serial).is_some()
    }

    /// After the state changed: what was the newest is an older one now, and the policy may be
    /// another one.
    pub fn settle(&mut self, state: Option<&GroupState>, before: Before, most: u8) {
        if let Some((epoch, serial, key)) = before.0
            && let Some(set) = key.into_set(epoch)
        {
            self.take(set, serial);
        }
        if state.is_none_or(|state| state.half() == Half::Publishers) {
            self.0.clear();
        }
        self.trim(state, most);
    }

    /// As many as the policy says before the newest ones, which are not among them.
    fn trim(&mut self, state: Option<&GroupState>, most: u8) {
        let newest = state.and_then(GroupState::kept_key);
        let newest = newest.map(|(_, _, key)| key.kept);
        self.0.retain(|older| Some(older.set.kept) != newest);
        let most = usize::from(most).saturating_add(usize::from(newest.is_none()));
        self.0.truncate(most);
    }

    /// Deletes those of delegations that `continues` does not name. `true` if there were any.
    pub fn end(&mut self, continues: impl Fn(u32) -> bool) -> bool {
        let count = self.0.len();
        self.0.retain(|older| continues(older.serial));
        self.0.len() < count
    }

    /// Goes back by a verified list: from each of its keys that are there to those behind it, as
    /// far as the policy says. It vouches for all that it names.
    pub fn go_back(&mut self, state: &mut GroupState, list: &KeptKeys<'_>, most: u8) -> WentBack {
        let mut went = WentBack::default();
        if state.half() == Half::Publishers {
            went.known = true;
            return went;
        }
        let serial = list.fields().serial;
        for kept in list.names() {
            went.newest |= state.vouch_kept(&kept, serial);
            went.older |= self.vouch(&kept, serial);
        }
        let mut newer: Option<(Digest, KeptSecret)> = None;
        for kept in list.names() {
            if let Some(secret) = self.secret(state, &kept) {
                went.known = true;
                newer = Some((kept, secret));
                continue;
            }
            let Some((from, secret)) = &newer else {
                continue;
            };
            if self.place(from) >= usize::from(most) {
                break;
            }
            // Where one does not open, nothing behind it is sealed under what is here.
            let Some(set) = list.before(from, secret).next() else {
                break;
            };
            newer = Some((kept, KeptSecret::new(set.secret.secret().duplicate())));
            self.take(set, serial);
            (went.older, went.opened) = (true, true);
        }
        self.trim(Some(state), most);
        went
    }

    /// How many keys are newer.
    fn place(&self, kept: &Digest) -> usize {
        let mut older = self.0.iter();
        let place = older.position(|older| older.set.kept == *kept);
        place.map_or(0, |place| place.saturating_add(1))
    }

    fn secret(&self, state: &GroupState, kept: &Digest) -> Option<KeptSecret> {
        let newest = state.kept_key().and_then(|(_, _, key)| match &key.access {
            KeptAccess::Reader(secret) if key.kept == *kept => Some(secret),
            _ => None,
        });
        let mut older = self.0.iter();
        let older = older.find(|older| older.set.kept == *kept);
        let found = newest.or(older.map(|older| &older.set.secret));
        found.map(|secret| KeptSecret::new(secret.secret().duplicate()))
    }

    /// Out of a store, in whatever order it has them.
    pub(super) fn load(records: &[OlderRecord]) -> Self {
        let keys = records.iter().map(OlderRecord::key);
        Self::of(keys.map(|key| (key.set, key.serial)))
    }

    /// A value of a store: `None` if it is none of this version.
    #[must_use]
    pub fn from_stored(value: &[u8]) -> Option<Self> {
        let list: Vec<OlderRecord> = records::read("", value).ok()?;
        Some(Self::load(&list))
    }

    /// What a store has of them; `None` if there are none.
    #[must_use]
    pub fn to_stored(&self) -> Option<Vec<u8>> {
        let mut changes = Changes::new();
        self.put(&GroupId([0; 16]), &mut changes);
        changes.iter().find_map(|change| match change {
            Change::Put { value, .. } => Some(value.to_vec()),
            _ => None,
        })
    }

    pub(super) fn put(&self, id: &GroupId, changes: &mut Changes) {
        let key = records::group_kept_key(id);
        let list: Vec<OlderRecord> = self.0.iter().map(OlderKey::record).collect();
        // Fails for no list.
        if list.is_empty() || records::put(changes, key.as_str(), &list).is_err() {
            changes.delete(key);
        }
    }
}

/// The newest kept keys before a change of the state.
pub struct Before(Option<(u64, u32, KeptKey)>);

impl Before {
    /// Those of this state.
    pub fn of(state: Option<&GroupState>) -> Self {
        let newest = state.and_then(GroupState::kept_key);
        Self(newest.map(|(epoch, serial, key)| (epoch, serial, key.duplicate())))
    }
}
