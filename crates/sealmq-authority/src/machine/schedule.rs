use serde::{Deserialize, Serialize};

use super::record::GroupRecord;
use super::{Authority, AuthorityError, EpochReason};

/// Seconds that an announcement is valid unless configured otherwise: 7 days.
pub const DEFAULT_VALIDITY: u64 = 7 * 86_400;

/// Seconds that joiners wait at most, besides [`Schedule::coalesce`], while others are admitted.
const LONGEST_WAIT: u64 = 10;

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
    /// Members that make packages for it one after the other are moved together, once in this
    /// time; all that are left at once. A welcome that is not confirmed is issued again, for the
    /// same epoch, if packages came: after 10 seconds, then after this time, twice this time, and
    /// so on. Rotations after so many messages are as far apart as this, too.
    pub move_every: u64,
}

impl Default for Schedule {
    /// Daily rotation, 7 days of validity; a new generation after half a year, 128 healing epochs
    /// or covers of 4096 entries, with 30 days to move, in steps of 10 minutes.
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
            move_every: 600,
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
    /// Why a new epoch is due, if it is. `welcoming`: more welcomes follow, and those that were
    /// issued wait for them.
    pub(super) fn epoch_due(&self, now: u64, welcoming: bool) -> Option<EpochReason> {
        if self.lacks_kept() || self.healing_at().is_some_and(|at| now >= at) {
            return Some(EpochReason::ScheduledHealing);
        }
        // An announcement from the future was made while the clock was wrong; members refuse it.
        if self.issued_at > self.latest(now) {
            return Some(EpochReason::Clock);
        }
        if self.begins() {
            return Some(EpochReason::GenerationStarted);
        }
        if now >= self.rotation_at() {
            return Some(EpochReason::Scheduled);
        }
        if self.used_up_at().is_some_and(|at| now >= at) {
            return Some(EpochReason::Use);
        }
        let joined = self.joins_at().is_some_and(|at| now >= at);
        (joined && !welcoming).then_some(EpochReason::Welcomes)
    }

    /// When the next epoch is due by what is known now.
    pub(super) fn epoch_due_at(&self) -> u64 {
        let at_once = (self.begins() || self.lacks_kept()).then_some(self.issued_at);
        let times = [
            self.healing_at(),
            self.joins_at(),
            self.used_up_at(),
            at_once,
        ];
        let times = times.into_iter().flatten();
        times.fold(self.rotation_at(), u64::min)
    }

    /// Whether the newest generation was not announced yet.
    fn begins(&self) -> bool {
        let newest = self.generations.last();
        newest.is_some_and(|newest| newest.first_epoch > self.epoch)
    }

    /// By schedule, and in any case when a third of the validity is left.
    fn rotation_at(&self) -> u64 {
        let Schedule {
            validity,
            rotate_every,
            ..
        } = self.schedule;
        let latest = validity.saturating_sub(validity / 3);
        self.issued_at.saturating_add(rotate_every.min(latest))
    }

    fn healing_at(&self) -> Option<u64> {
        let every = self.schedule.heal_every;
        (every != 0).then(|| self.healed_at.saturating_add(every))
    }

    /// When joiners have waited for others.
    fn joins_at(&self) -> Option<u64> {
        Some(self.joins_since?.saturating_add(self.schedule.coalesce))
    }

    /// Whether joiners may wait for others that are being admitted.
    pub(super) fn may_wait(&self, now: u64) -> bool {
        let at = self.joins_at();
        at.is_some_and(|at| now < at.saturating_add(LONGEST_WAIT))
    }

    /// When the messages that were counted make an epoch due. Anybody can send some: so epochs are
    /// due by use only so often.
    fn used_up_at(&self) -> Option<u64> {
        let most = self.schedule.rotate_after_messages;
        let used_up = most != 0 && self.messages >= most;
        used_up.then(|| self.issued_at.saturating_add(self.schedule.move_every))
    }

    /// The latest time that is not from the future for anybody.
    fn latest(&self, now: u64) -> u64 {
        now.saturating_add(self.policy.skew.into())
    }

    /// Corrects what was noted while the clock was ahead, so that nothing waits for that time to
    /// come again. The announcement's own time stays: it makes the next epoch due. Returns whether
    /// anything changed.
    pub(super) fn correct_times(&mut self, now: u64) -> bool {
        let latest = self.latest(now);
        let mut changed = false;
        let mut correct = |time: &mut u64, latest: u64, to: u64| {
            if *time > latest {
                *time = to;
                changed = true;
            }
        };
        // Members refuse the heartbeat as well: another one is due at once.
        correct(&mut self.heartbeat_at, latest, 0);
        correct(&mut self.healed_at, latest, now);
        correct(&mut self.moved_at, latest, now);
        if let Some(since) = &mut self.joins_since {
            correct(since, latest, now);
        }
        let migration = self.schedule.migration;
        for generation in &mut self.generations {
            correct(&mut generation.started_at, latest, now);
            let end = now.saturating_add(migration);
            correct(
                &mut generation.deadline,
                latest.saturating_add(migration),
                end,
            );
        }
        changed
    }
}

impl Authority {
    /// Tells the authority of messages that were sent in a group, for schedules that rotate after
    /// so many ([`Schedule::rotate_after_messages`]). They are stored with the group's next change.
    ///
    /// # Errors
    /// No such group.
    pub fn count(&mut self, group: &str, messages: u64) -> Result<(), AuthorityError> {
        let id = self.group_by_name(group)?;
        if let Some(group) = self.groups.amend(&id) {
            group.messages = group.messages.saturating_add(messages);
        }
        Ok(())
    }
}
