//! Welcomes for an epoch: the next one, or the current one again.

use sealmq_core::crypto::Digest;

use super::record::{GroupRecord, KeptRecord, OUTBOX_PREFIX};
use super::tree::NodeKeys;
use super::{Authority, AuthorityError, LoadError};
use sealmq_keys::objects::{UnverifiedAnnouncement, VerifiedDelegation};
use sealmq_keys::{ReservedTopic, Store};

/// What a group's newest announcement names as coming before it. In memory only: it stands in the
/// announcement.
#[derive(Clone, Copy)]
pub(super) struct Before {
    /// Of which announcement.
    pub(super) announcement: Digest,
    pub(super) previous: Digest,
    pub(super) healing_epoch: u64,
    pub(super) healing: Digest,
}

/// The epoch that welcomes are for, and what they say of the one before.
pub(super) struct Entry<'a> {
    pub(super) keys: NodeKeys<'a>,
    pub(super) epoch: u64,
    pub(super) previous: Digest,
    pub(super) healing_epoch: u64,
    pub(super) healing: Digest,
    /// The kept keys of the kept epoch of the epoch before.
    pub(super) kept: Option<&'a KeptRecord>,
}

impl<'a> Entry<'a> {
    /// The next epoch: for leaves that nobody had before. Who gets one opens nothing of what was
    /// sealed until then (threat model A20).
    pub(super) fn next(
        group: &'a GroupRecord,
        delegation: &VerifiedDelegation,
    ) -> Result<Self, AuthorityError> {
        let epoch = group.epoch.saturating_add(1);
        let kept = group.kept.first();
        Ok(Self {
            keys: NodeKeys::at(group.newest()?, epoch),
            epoch,
            previous: group.announcement,
            healing_epoch: group.healing_epoch,
            healing: group.healing,
            kept: kept.filter(|_| group.kept_counts(delegation)),
        })
    }

    /// The epoch that has begun: for a leaf whose first welcome was for it or for one before. It
    /// gives its member nothing that the first one did not give, and nobody else needs another
    /// epoch for it.
    pub(super) fn current(
        group: &'a GroupRecord,
        before: &Before,
        delegation: &VerifiedDelegation,
    ) -> Result<Self, AuthorityError> {
        let mut kept = group.kept.iter();
        let kept = kept.find(|kept| kept.kept == before.healing);
        Ok(Self {
            keys: NodeKeys::at(group.newest()?, group.epoch),
            epoch: group.epoch,
            previous: before.previous,
            healing_epoch: before.healing_epoch,
            healing: before.healing,
            kept: kept.filter(|kept| delegation.continues(kept.serial)),
        })
    }
}

impl Authority {
    /// What the newest announcement of a group names, if that is known.
    pub(super) fn before_current(&self, group: &GroupRecord) -> Option<&Before> {
        let before = self.before.get(&group.id)?;
        (before.announcement == group.announcement).then_some(before)
    }

    /// Reads it from what stands at the broker. What an earlier version wrote tells nothing:
    /// then it is known from the next epoch on.
    pub(super) fn load_before<S: Store>(&mut self, store: &S) -> Result<(), LoadError<S::Error>> {
        for group in self.groups.values() {
            let topic = ReservedTopic::Announcement(group.id, group.epoch);
            let topic = topic.name(&self.domain.prefix);
            let stands = store.get(&alloc::format!("{OUTBOX_PREFIX}{topic}"));
            let Some(bytes) = stands.map_err(LoadError::Store)? else {
                continue;
            };
            let Ok(announcement) = UnverifiedAnnouncement::decode(&bytes) else {
                continue;
            };
            let (healing_epoch, healing) = announcement.healing();
            let before = Before {
                announcement: *announcement.hash(),
                previous: *announcement.previous(),
                healing_epoch,
                healing,
            };
            self.before.insert(group.id, before);
        }
        self.before.keep();
        Ok(())
    }
}
