//! A member's state in one group (spec/keys.md §7), without an allocator.

mod error;
mod follow;
mod newest;
mod record;
mod slot;

use core::fmt;

use sealmq_core::crypto::{Digest, KemKeyPair, KemPublicKey};
use sealmq_core::topic::{Filter, Topic};
use sealmq_core::{DomainId, GroupId, KeyId};

use self::newest::Newest;
use self::slot::{Slot, Slots};
use crate::announcement::Policy;
use crate::epoch::Psk;
use crate::tree::{Half, PathKeys};
use crate::welcome::{OpenedWelcome, WelcomeFields};

pub use error::{FollowError, Fork, InstallError, StateError};
pub use follow::{FollowContext, Followed, MAX_CATCH_UP};
pub use record::MAX_STATE_LEN;

/// Path keys, the epochs of the window, and what the newest announcement says.
///
/// It holds secrets, wiped on drop, and changes in three ways only: [`GroupState::install`],
/// [`GroupState::reinstall`] and [`GroupState::follow`]. Store it after each change, before it is
/// used.
pub struct GroupState {
    domain: DomainId,
    group: GroupId,
    generation: u32,
    /// Epoch of the installed welcome.
    installed: u64,
    path: PathKeys,
    /// Epoch of the path keys. Slots from here on tell how to ratchet them: an epoch up to the
    /// current one without a slot is ordinary, because healing announcements are never skipped.
    base: u64,
    /// Hash of the announcement of `base − 1`, if known: what the first slot has to continue.
    before: Option<Digest>,
    /// The last healing epoch before `base` and the hash of its announcement; 0 and zeros if
    /// none. Those from `base` on have slots.
    healed_before: (u64, Digest),
    slots: Slots,
    newest: Option<Newest>,
}

/// The keys of one epoch.
#[derive(Debug)]
pub struct EpochView<'s> {
    /// The epoch's number.
    pub epoch: u64,
    /// Hash of its announcement.
    pub hash: &'s Digest,
    /// The group's HPKE key: what publishers seal to.
    pub group_key: KemPublicKey,
    /// The group's key pair; `None` for a publish-only member.
    pub key_pair: Option<&'s KemKeyPair>,
    /// The group's psk.
    pub psk: Psk,
    /// The *newest* announcement's not_after in Unix seconds: publishers stop then, readers
    /// `grace` and `skew` later, whatever the epoch (spec/keys.md §8).
    pub not_after: u64,
}

impl GroupState {
    /// The state of a member that has no other of this group yet.
    #[must_use]
    pub fn install(welcome: OpenedWelcome) -> Self {
        let OpenedWelcome { fields, path } = welcome;
        Self {
            domain: fields.domain,
            group: fields.group,
            generation: fields.generation,
            installed: fields.epoch,
            path,
            base: fields.epoch,
            before: before(&fields),
            healed_before: (fields.healing_epoch, fields.healing),
            slots: Slots::empty(),
            newest: None,
        }
    }

    /// Whether a welcome's generation and epoch are above those of the installed one. One that is
    /// not is ignored: check it before the package's key is touched.
    #[must_use]
    pub fn is_newer(&self, welcome: &WelcomeFields) -> bool {
        (welcome.generation, welcome.epoch) > (self.generation, self.installed)
    }

    /// Takes leaf and path keys from a newer welcome. The epochs of the window stay, so that what
    /// is under way still opens, and so that forks are still seen. (A welcome into the *other*
    /// half drops the epochs from its own on: follow their announcements again.)
    ///
    /// # Errors
    /// The state is unchanged then.
    pub fn reinstall(&mut self, welcome: OpenedWelcome) -> Result<(), InstallError> {
        let OpenedWelcome { fields, path } = welcome;
        if fields.group != self.group || fields.domain != self.domain {
            return Err(InstallError::OtherGroup);
        }
        if !self.is_newer(&fields) {
            return Err(InstallError::NotNewer);
        }
        if fields.epoch < self.base {
            return Err(InstallError::TooOld);
        }
        self.check_welcome(&fields).map_err(InstallError::Fork)?;

        if path.half() != self.path.half() {
            // Their secrets are those of the other half and do not ratchet the new path.
            self.slots.retain(|slot| slot.epoch < fields.epoch);
        }
        self.generation = fields.generation;
        self.installed = fields.epoch;
        self.path = path;
        self.base = fields.epoch;
        self.before = before(&fields);
        self.healed_before = (fields.healing_epoch, fields.healing);
        Ok(())
    }

    fn check_welcome(&self, welcome: &WelcomeFields) -> Result<(), Fork> {
        let last = welcome.epoch.saturating_sub(1);
        let known = self
            .slots
            .get(last)
            .map(|slot| slot.hash)
            .or_else(|| self.slots.get(welcome.epoch).map(|slot| slot.previous))
            .or_else(|| self.before.filter(|_| welcome.epoch == self.base));
        if let Some(known) = known.filter(|known| *known != welcome.previous) {
            return Err(Fork {
                epoch: last,
                known,
                other: welcome.previous,
            });
        }
        // A healing epoch that is known and that the welcome passes over or has another hash for.
        let claimed = (welcome.healing_epoch, welcome.healing);
        let known = self.last_healed(welcome.epoch);
        match self
            .slots
            .get(claimed.0)
            .map(|slot| (slot.epoch, slot.hash))
        {
            _ if known.0 > claimed.0 || (known.0 == claimed.0 && known != claimed) => Err(Fork {
                epoch: known.0,
                known: known.1,
                other: claimed.1,
            }),
            Some((epoch, hash)) if known != (epoch, hash) => Err(Fork {
                epoch,
                known: hash,
                other: claimed.1,
            }),
            _ => Ok(()),
        }
    }

    /// The last healing epoch below `epoch` and the hash of its announcement, for an epoch from
    /// `base` on.
    fn last_healed(&self, epoch: u64) -> (u64, Digest) {
        let from_base = |slot: &&Slot| slot.healed && (self.base..epoch).contains(&slot.epoch);
        let last = self
            .slots
            .iter()
            .filter(from_base)
            .max_by_key(|slot| slot.epoch);
        last.map_or(self.healed_before, |slot| (slot.epoch, slot.hash))
    }

    /// The domain.
    #[must_use]
    pub const fn domain(&self) -> &DomainId {
        &self.domain
    }

    /// The group.
    #[must_use]
    pub const fn group(&self) -> &GroupId {
        &self.group
    }

    /// Generation and epoch of the installed welcome.
    #[must_use]
    pub const fn installed(&self) -> (u32, u64) {
        (self.generation, self.installed)
    }

    /// The half of the tree that the member's leaf stands in.
    #[must_use]
    pub const fn half(&self) -> Half {
        self.path.half()
    }

    /// The oldest epoch that can still be followed: that of the path keys.
    #[must_use]
    pub const fn base_epoch(&self) -> u64 {
        self.base
    }

    /// The last healing epoch known and the hash of its announcement; 0 and zeros if none.
    #[must_use]
    pub fn last_healing(&self) -> (u64, Digest) {
        self.last_healed(u64::MAX)
    }

    /// The current epoch; 0 until the first announcement was followed.
    #[must_use]
    pub fn current_epoch(&self) -> u64 {
        self.slots.newest().map_or(0, |slot| slot.epoch)
    }

    /// The keys of the current epoch, for publishing. `None` until the first announcement was
    /// followed.
    #[must_use]
    pub fn current(&self) -> Option<EpochView<'_>> {
        self.slots.newest().and_then(|slot| self.view(slot))
    }

    /// The keys that a key id names, if the epoch is in the window.
    #[must_use]
    pub fn by_key_id(&self, id: &KeyId) -> Option<EpochView<'_>> {
        self.slots.by_key_id(id).and_then(|slot| self.view(slot))
    }

    /// The epochs of the window that were skipped and can still be followed.
    pub fn missing(&self) -> impl Iterator<Item = u64> {
        (self.base..self.current_epoch()).filter(|epoch| self.slots.get(*epoch).is_none())
    }

    /// Hash of the announcement of an epoch in the window.
    #[must_use]
    pub fn announcement_hash(&self, epoch: u64) -> Option<&Digest> {
        self.slots.get(epoch).map(|slot| &slot.hash)
    }

    fn view<'s>(&'s self, slot: &'s Slot) -> Option<EpochView<'s>> {
        Some(EpochView {
            epoch: slot.epoch,
            hash: &slot.hash,
            group_key: slot.group_key(),
            key_pair: slot.key_pair(),
            psk: slot.psk(),
            not_after: self.newest.as_ref()?.not_after,
        })
    }

    /// Whether an announcement was followed yet: without one there is no policy, name or filter.
    #[must_use]
    pub const fn is_started(&self) -> bool {
        self.newest.is_some()
    }

    /// The group's name; empty until the first announcement was followed.
    #[must_use]
    pub fn name(&self) -> &str {
        self.newest.as_ref().map_or("", Newest::name)
    }

    /// The policy of the newest announcement.
    #[must_use]
    pub fn policy(&self) -> Option<&Policy> {
        self.newest.as_ref().map(|newest| &newest.policy)
    }

    /// The filters of the newest announcement.
    pub fn filters(&self) -> impl Iterator<Item = Filter<'_>> {
        self.newest.iter().flat_map(Newest::filters)
    }

    /// Whether one of the group's filters matches a topic.
    #[must_use]
    pub fn covers_topic(&self, topic: Topic<'_>) -> bool {
        self.newest
            .as_ref()
            .is_some_and(|newest| newest.covers(topic))
    }

    /// Hash of the refused list that the newest announcement names; zeros if nobody is refused.
    #[must_use]
    pub fn refused(&self) -> Option<&Digest> {
        self.newest.as_ref().map(|newest| &newest.refused)
    }

    /// The newest announcement's issued_at in Unix seconds.
    #[must_use]
    pub fn issued_at(&self) -> Option<u64> {
        self.newest.as_ref().map(|newest| newest.issued_at)
    }

    /// The newest announcement's not_after in Unix seconds.
    #[must_use]
    pub fn not_after(&self) -> Option<u64> {
        self.newest.as_ref().map(|newest| newest.not_after)
    }

    /// Serial of the delegation that the newest announcement was signed under.
    #[must_use]
    pub fn serial(&self) -> Option<u32> {
        self.newest.as_ref().map(|newest| newest.serial)
    }
}

fn before(welcome: &WelcomeFields) -> Option<Digest> {
    (welcome.epoch > 1).then_some(welcome.previous)
}

impl fmt::Debug for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupState")
            .field("group", &self.group)
            .field("generation", &self.generation)
            .field("base", &self.base)
            .field("current", &self.current_epoch())
            .finish_non_exhaustive()
    }
}
