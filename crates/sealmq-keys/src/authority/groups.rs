use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::crypto::Digest;
use sealmq_core::topic::{Filter, Topic};
use sealmq_core::{GroupId, check_name};

use super::record::{Generation, GroupRecord, SecretBytes};
use super::{Authority, AuthorityError, Plan, Schedule, draw, draw_public};
use crate::announcement::Policy;
use crate::tree::cover;

/// Depth of a new tree unless configured otherwise: 32768 leaves in each half.
pub const DEFAULT_DEPTH: u8 = 16;

/// Configuration of a new group.
#[derive(Debug, Clone)]
pub struct NewGroup {
    /// Its name.
    pub name: String,
    /// The topics that it covers.
    pub filters: Vec<String>,
    /// What members have to respect.
    pub policy: Policy,
    /// When its keys change by themselves.
    pub schedule: Schedule,
    /// Depth of the key tree, 2 to 24: 2^(depth − 1) leaves in each half.
    pub depth: u8,
}

impl NewGroup {
    /// A group with the defaults of spec/constants.md §3: daily rotation, 7 days of validity.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        filters: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            name: name.into(),
            filters: filters.into_iter().map(Into::into).collect(),
            policy: Policy::default(),
            schedule: Schedule::default(),
            depth: DEFAULT_DEPTH,
        }
    }
}

/// A group as operators see it.
#[derive(Debug, Clone)]
pub struct GroupInfo {
    /// Its id.
    pub id: GroupId,
    /// Its name.
    pub name: String,
    /// The topics that it covers.
    pub filters: Vec<String>,
    /// Its policy.
    pub policy: Policy,
    /// The current epoch.
    pub epoch: u64,
    /// Hash of the current announcement.
    pub announcement: Digest,
    /// End of the current announcement, Unix seconds.
    pub not_after: u64,
    /// Members that may publish or read.
    pub members: usize,
    /// Members that it refuses.
    pub refused: usize,
    /// Entries that the next removal's cover needs at least, of [`crate::MAX_INLINE_ENTRIES`] that
    /// an announcement holds: everyone removed so far is left out of each.
    pub cover_entries: usize,
    /// A removal binds everyone after at most this many seconds (spec/keys.md §8).
    pub removal_latency: u64,
}

impl Authority {
    /// All groups.
    pub fn groups(&self) -> impl Iterator<Item = GroupInfo> + '_ {
        self.groups.values().map(|group| GroupInfo {
            id: group.id,
            name: group.name.clone(),
            filters: group.filters.clone(),
            policy: group.policy,
            epoch: group.epoch,
            announcement: group.announcement,
            not_after: group.not_after,
            members: self.index.count_active(&group.id),
            refused: self.refusals(group, group.issued_at).len(),
            cover_entries: cover_entries(group),
            removal_latency: group
                .schedule
                .validity
                .saturating_add(u64::from(group.policy.grace))
                .saturating_add(u64::from(group.policy.skew)),
        })
    }

    /// Makes a group and its first epoch.
    ///
    /// # Errors
    /// A bad name, filter or policy, or filters that overlap with another group's.
    pub fn add_group(
        &mut self,
        new: &NewGroup,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Plan, AuthorityError> {
        self.check_usable()?;
        check_name(&new.name)?;
        if self.group_by_name(&new.name).is_ok() {
            return Err(AuthorityError::GroupExists(new.name.clone()));
        }
        new.policy.check().map_err(AuthorityError::Policy)?;
        if !(2..=24).contains(&new.depth) {
            return Err(AuthorityError::Setting(
                "the depth of the key tree must be 2 to 24",
            ));
        }
        new.schedule.check()?;
        self.check_filters(&new.filters)?;
        let id = GroupId(draw_public(rng)?);
        let group = GroupRecord {
            id,
            name: new.name.clone(),
            filters: new.filters.clone(),
            policy: new.policy,
            schedule: new.schedule,
            epoch: 0,
            announcement: Digest::ZERO,
            healing_epoch: 0,
            healing: Digest::ZERO,
            issued_at: now,
            not_after: now,
            heartbeat_at: 0,
            healed_at: now,
            messages: 0,
            joins_since: None,
            generations: vec![Generation {
                number: 1,
                depth: new.depth,
                first_epoch: 1,
                started_at: now,
                deadline: 0,
                tree_secret: SecretBytes::of(&draw(rng)?),
                healings: Vec::new(),
                removed: Vec::new(),
            }],
            refused: Digest::ZERO,
            retained: Vec::new(),
        };
        self.groups.insert(id, group);
        let plan = self.next_epoch(id, false, now, rng);
        if plan.is_err() {
            self.groups.remove(&id);
        }
        self.settle(plan, now)
    }

    /// Starts the next epoch of a group now (a rotation).
    ///
    /// # Errors
    /// No such group.
    pub fn rotate(
        &mut self,
        group: &str,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Plan, AuthorityError> {
        self.check_usable()?;
        let id = self.group_by_name(group)?;
        let plan = self.next_epoch(id, false, now, rng);
        self.settle(plan, now)
    }

    /// Starts a healing epoch although nobody is removed: it bounds what a one-time leak of
    /// path keys is worth.
    ///
    /// # Errors
    /// No such group.
    pub fn heal(
        &mut self,
        group: &str,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Plan, AuthorityError> {
        self.check_usable()?;
        let id = self.group_by_name(group)?;
        let plan = self.next_epoch(id, true, now, rng);
        self.settle(plan, now)
    }

    fn check_filters(&self, filters: &[String]) -> Result<(), AuthorityError> {
        let bad = |filter: &String| AuthorityError::Filter(filter.clone());
        if filters.is_empty() {
            return Err(AuthorityError::Filter(String::new()));
        }
        for text in filters {
            let filter = Filter::new(text).map_err(|_| bad(text))?;
            let mut reserved = self.domain.prefix.clone();
            reserved.push_str("/#");
            let reserved = Filter::new(&reserved).map_err(|_| bad(text))?;
            if text.starts_with('$') || filter.overlaps(reserved) {
                return Err(bad(text));
            }
            let others = self
                .groups
                .values()
                .flat_map(|g| g.filters.iter().map(|f| (g.name.as_str(), f)));
            for (group, other) in others {
                if Filter::new(other).is_ok_and(|o| o.overlaps(filter)) {
                    return Err(AuthorityError::FilterOverlap {
                        filter: text.clone(),
                        other: other.clone(),
                        group: group.to_string(),
                    });
                }
            }
        }
        Ok(())
    }

    /// The group that covers a topic.
    #[must_use]
    pub fn group_of_topic(&self, topic: &str) -> Option<&str> {
        let topic = Topic::new(topic).ok()?;
        self.groups
            .values()
            .find(|g| {
                g.filters
                    .iter()
                    .any(|f| Filter::new(f).is_ok_and(|f| f.matches(topic)))
            })
            .map(|g| g.name.as_str())
    }
}

/// Entries of a removal's cover now, over all generations.
fn cover_entries(group: &GroupRecord) -> usize {
    let entries = group
        .generations
        .iter()
        .map(|g| cover(g.depth, &g.removed).len());
    entries.fold(0, usize::saturating_add)
}
