//! A member's state in one group (spec/keys.md §7), without an allocator.

mod earlier;
mod error;
mod follow;
mod install;
mod kept;
mod kept_state;
mod lease;
mod newest;
mod record;
mod slot;

use core::fmt;

use sealmq_core::crypto::{Digest, KemKeyPair, KemPublicKey};
use sealmq_core::topic::{Filter, Topic};
use sealmq_core::{DomainId, GroupId, KeyId};

use self::kept_state::KeptState;
use self::newest::Newest;
use self::slot::{Slot, SlotSecret, Slots};
use crate::announcement::Policy;
use crate::confirmation::ConfirmationEntry;
use crate::tree::{Half, PathKeys};

pub use crate::epoch::{EpochSecret, Psk, ReaderSecret};
pub use error::{FollowError, Fork, InstallError, StateError};
pub use follow::{Chunk, FollowContext, Followed, MAX_CATCH_UP};
pub use install::Installed;
pub use kept::KeptView;
pub use lease::{LeaseClaim, Renewal};
pub use record::MAX_STATE_LEN;

/// Path keys, the epochs of the window, and what the newest announcement says.
///
/// It holds secrets, wiped on drop, and changes by [`GroupState::install`],
/// [`GroupState::reinstall`], [`GroupState::follow`], [`GroupState::renew`],
/// [`GroupState::answered`] and [`GroupState::end_kept`] only. Store it after each change, before
/// it is used.
///
/// It takes about 5 KiB of memory, wherever it is kept, and at most [`MAX_STATE_LEN`] bytes of
/// storage. Following needs the announcement beside it, and one chunk of at most 8216 bytes if the
/// cover is chunked, however many members were removed: an announcement that removes 1,000
/// scattered members of 100,000 has about 1.9 KiB, and following it takes 23 KiB in all, 8 KiB of
/// them to store the state (tests/chunks.rs).
pub struct GroupState {
    domain: DomainId,
    group: GroupId,
    /// Delegation serial, generation, epoch and package of the installed welcome.
    serial: u32,
    generation: u32,
    installed: u64,
    package_number: u32,
    proof: [u8; 32],
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
    kept: Option<KeptState>,
    newest: Option<Newest>,
    /// Until when heartbeats have renewed the newest announcement, in Unix seconds; 0 if none did.
    renewed_until: u64,
    /// Until when a nonce answer is good, in ms of the device's uptime. Not stored: uptime starts
    /// again with the device.
    good_until_uptime: Option<u64>,
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
    /// The *newest* announcement's not_after in Unix seconds: no lease goes beyond it.
    pub not_after: u64,
    /// End of the newest announcement's lease, or its not_after without leases, in Unix seconds:
    /// publishers stop then, readers `grace` and `skew` later, whatever the epoch (spec/keys.md
    /// §8).
    pub good_until: u64,
    secret: &'s SlotSecret,
}

impl EpochView<'_> {
    /// The group's psk. A reader derives it: keep what is made of it.
    #[must_use]
    pub fn psk(&self) -> Psk {
        self.secret.psk()
    }
}

impl GroupState {
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

    /// Serial of the delegation that the installed welcome was signed under.
    #[must_use]
    pub const fn installed_serial(&self) -> u32 {
        self.serial
    }

    /// What the member's confirmation says about this group.
    #[must_use]
    pub const fn confirmation(&self) -> ConfirmationEntry {
        ConfirmationEntry {
            group: self.group,
            generation: self.generation,
            epoch: self.installed,
            package_number: self.package_number,
            proof: self.proof,
        }
    }

    /// The half of the tree that the member's leaf stands in.
    #[must_use]
    pub const fn half(&self) -> Half {
        self.path.half()
    }

    /// The leaf that it has.
    #[must_use]
    pub const fn leaf(&self) -> u32 {
        self.path.leaf()
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
            secret: &slot.secret,
            not_after: self.not_after()?,
            good_until: self.good_until()?,
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

    /// The same serial, and the index of the key that signed it there.
    #[must_use]
    pub fn signed_by(&self) -> Option<(u32, u8)> {
        self.newest
            .as_ref()
            .map(|newest| (newest.serial, newest.signer))
    }
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
