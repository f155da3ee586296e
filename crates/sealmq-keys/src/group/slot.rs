use sealmq_core::KeyId;
use sealmq_core::crypto::{Digest, KemKeyPair, KemPublicKey};

use crate::announcement::MAX_WINDOW;
use crate::epoch::{EpochSecret, Psk, ReaderSecret};
use crate::tree::HealSecret;

/// The current epoch and the largest window before it.
pub(super) const MAX_SLOTS: usize = MAX_WINDOW as usize + 1;

/// What a member knows of an epoch, with what is worth computing once only.
#[derive(Debug)]
pub(super) enum SlotSecret {
    Reader {
        secret: ReaderSecret,
        group: KemKeyPair,
    },
    Publisher {
        psk: Psk,
        group_key: KemPublicKey,
    },
}

impl SlotSecret {
    /// `None` if the secret is not the one of this group key.
    pub(super) fn new(secret: EpochSecret, group_key: &KemPublicKey) -> Option<Self> {
        match secret {
            EpochSecret::Reader(secret) => {
                let group = secret.group_key_pair();
                (group.public() == *group_key).then_some(Self::Reader { secret, group })
            }
            EpochSecret::Publisher(psk) => Some(Self::Publisher {
                psk,
                group_key: *group_key,
            }),
        }
    }

    pub(super) fn psk(&self) -> Psk {
        match self {
            Self::Reader { secret, .. } => secret.psk(),
            Self::Publisher { psk, .. } => Psk::new(psk.secret().duplicate()),
        }
    }
}

/// One epoch whose announcement was followed.
pub(super) struct Slot {
    pub(super) epoch: u64,
    pub(super) hash: Digest,
    pub(super) previous: Digest,
    pub(super) healed: bool,
    pub(super) secret: SlotSecret,
}

impl Slot {
    pub(super) fn heal(&self) -> HealSecret {
        match &self.secret {
            SlotSecret::Reader { secret, .. } => secret.heal(),
            SlotSecret::Publisher { psk, .. } => psk.heal(),
        }
    }

    pub(super) const fn group_key(&self) -> KemPublicKey {
        match &self.secret {
            SlotSecret::Reader { group, .. } => group.public(),
            SlotSecret::Publisher { group_key, .. } => *group_key,
        }
    }

    pub(super) const fn key_pair(&self) -> Option<&KemKeyPair> {
        match &self.secret {
            SlotSecret::Reader { group, .. } => Some(group),
            SlotSecret::Publisher { .. } => None,
        }
    }
}

/// The epochs of the window, in no order: at most one slot for each epoch.
pub(super) struct Slots([Option<Slot>; MAX_SLOTS]);

impl Slots {
    /// Inline and element by element: a constant would stand in flash, and cross the stack.
    #[inline(always)]
    pub(super) fn empty() -> Self {
        Self(core::array::from_fn(|_| None))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.0.iter().flatten()
    }

    pub(super) fn get(&self, epoch: u64) -> Option<&Slot> {
        self.iter().find(|slot| slot.epoch == epoch)
    }

    pub(super) fn by_key_id(&self, id: &KeyId) -> Option<&Slot> {
        self.iter().find(|slot| KeyId::of(&slot.hash) == *id)
    }

    pub(super) fn newest(&self) -> Option<&Slot> {
        self.iter().max_by_key(|slot| slot.epoch)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Slot) -> bool) {
        for place in &mut self.0 {
            if place.as_ref().is_some_and(|slot| !keep(slot)) {
                *place = None;
            }
        }
    }

    /// `false`: no room, which cannot be while all slots lie within one window.
    pub(super) fn insert(&mut self, slot: Slot) -> bool {
        match self.0.iter_mut().find(|place| place.is_none()) {
            Some(place) => {
                *place = Some(slot);
                true
            }
            None => false,
        }
    }
}
