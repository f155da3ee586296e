use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::GroupId;
use serde::{Deserialize, Serialize};

use super::record::GroupRecord;
use super::{Authority, AuthorityError, Plan};

/// Seconds that an announcement is valid unless configured otherwise: 7 days.
pub const DEFAULT_VALIDITY: u64 = 7 * 86_400;

/// When a group changes its keys by itself. Times in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// How long an announcement is valid: without heartbeats it bounds the delay of a removal
    /// (spec/keys.md §8). 60 or more.
    pub validity: u64,
    /// Between scheduled rotations; at most two thirds of the validity count.
    pub rotate_every: u64,
    /// Rotate after so many messages, as far as the authority is told of them; 0 for never.
    pub rotate_after_messages: u64,
    /// Heal at the latest after this time although nobody was removed; 0 for never.
    pub heal_every: u64,
    /// How long joiners wait for others, to share one rotation.
    pub coalesce: u64,
    /// Cover entries of a removal from which on a new generation is due.
    pub cover_limit: u32,
    /// Healing epochs of a generation from which on a new one is due.
    pub healing_limit: u32,
    /// Longest age of a generation.
    pub generation_every: u64,
    /// How long members have to move to a new generation before the old one ends.
    pub migration: u64,
}

impl Default for Schedule {
    /// Daily rotation, 7 days of validity; a new generation after half a year, 128 healing epochs
    /// or covers of 4096 entries, with 30 days to move.
    fn default() -> Self {
        Self {
            validity: DEFAULT_VALIDITY,
            rotate_every: 86_400,
            rotate_after_messages: 0,
            heal_every: 0,
            coalesce: 0,
            cover_limit: 4096,
            healing_limit: 128,
            generation_every: 182 * 86_400,
            migration: 30 * 86_400,
        }
    }
}

impl Schedule {
    pub(super) fn check(&self) -> Result<(), AuthorityError> {
        if self.validity < 60 || self.rotate_every == 0 {
            return Err(AuthorityError::Setting(
                "announcements must be valid for 60 seconds or more, and rotations need an interval",
            ));
        }
        if self.cover_limit < 2 || self.healing_limit == 0 || self.generation_every == 0 {
            return Err(AuthorityError::Setting(
                "the limits of a generation must be above zero (cover entries: 2 or more)",
            ));
        }
        Ok(())
    }
}

impl GroupRecord {
    /// Whether a rotation is due.
    fn is_due(&self, now: u64) -> bool {
        // An announcement from the future was made while the clock was wrong; members refuse it.
        let from_the_future = self.issued_at > now.saturating_add(self.policy.skew.into());
        from_the_future || now >= self.due_at()
    }

    /// When the next rotation is due: when joiners have waited for others, else by schedule, and
    /// in any case when a third of the validity is left.
    fn due_at(&self) -> u64 {
        let Schedule {
            validity,
            rotate_every,
            coalesce,
            ..
        } = self.schedule;
        let latest = validity.saturating_sub(validity / 3);
        let scheduled = self.issued_at.saturating_add(rotate_every.min(latest));
        match self.joins_since {
            Some(since) => scheduled.min(since.saturating_add(coalesce)),
            None => scheduled,
        }
    }
}

impl Authority {
    /// Does what is due at `now` (Unix seconds): scheduled rotations, and those that joins wait for.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn tick(&mut self, now: u64, rng: &mut impl TryCryptoRng) -> Result<Plan, AuthorityError> {
        self.check_usable()?;
        let due: Vec<GroupId> = self
            .groups
            .values()
            .filter(|g| g.is_due(now))
            .map(|g| g.id)
            .collect();
        let mut plan = Plan::default();
        let result = due.into_iter().try_for_each(|group| {
            plan.append(self.next_epoch(group, false, now, rng)?);
            Ok(())
        });
        if result.is_ok() {
            self.expire_joining(now, &mut plan);
        }
        self.settle(result.map(|()| plan), now)
    }

    /// When [`Authority::tick`] has something to do next, Unix seconds.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        self.groups.values().map(GroupRecord::due_at).min()
    }
}
