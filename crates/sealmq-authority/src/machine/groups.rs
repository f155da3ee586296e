use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::crypto::Digest;
use sealmq_core::topic::{Filter, Topic};
use sealmq_core::{GroupId, check_name};

use super::record::{GenerationRecord, GroupRecord, SecretBytes};
use super::{Authority, AuthorityError, EpochReason, Plan, Schedule, draw, draw_public};
use sealmq_keys::Policy;
use sealmq_keys::reaches_reserved;
use sealmq_keys::tree::{MAX_DEPTH, MIN_DEPTH, cover};

/// Depth of a new tree unless configured otherwise: 32768 leaves in each half.
pub const DEFAULT_DEPTH: u8 = 16;

/// The depth of a tree in which each half is at most half full with so many members, all of them
/// in one half: [`DEFAULT_DEPTH`] up to 16384, 24 at most.
#[must_use]
pub fn depth_for(members: u32) -> u8 {
    let fits = |depth: &u8| 1_u64.checked_shl(u32::from(*depth)).unwrap_or(0) / 4 >= members.into();
    (DEFAULT_DEPTH..=MAX_DEPTH).find(fits).unwrap_or(MAX_DEPTH)
}

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
    /// When its keys change by themselves. From [`Schedule::cover_limit`] cover entries on it gets
    /// a new generation.
    pub schedule: Schedule,
    /// Entries of a healing epoch's cover now: it leaves out everyone removed so far.
    pub cover_entries: usize,
    /// When the last heartbeat was signed, Unix seconds; 0 if none was.
    pub heartbeat_at: u64,
    /// When the keys for state last changed, Unix seconds.
    pub healed_at: u64,
    /// Changes of these keys that later readers can go back.
    pub kept: usize,
    /// Living generations, oldest first: 1, or 2 while members move to the second.
    pub generations: Vec<GenerationInfo>,
    /// Members that have confirmed a welcome to the newest generation.
    pub moved: usize,
    /// Whatever a broker withholds, nobody seals for a removed reader after so many seconds
    /// (spec/keys.md §8).
    pub publishers_stop_after: u64,
    /// Whatever a broker withholds, a removal binds everyone after so many seconds: readers accept
    /// nothing from a removed publisher any more. Plus what a member's own clock is behind.
    pub removal_latency: u64,
}

/// A key tree of a group as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenerationInfo {
    /// Its number, from 1.
    pub number: u32,
    /// Depth of the tree.
    pub depth: u8,
    /// Its first epoch.
    pub first_epoch: u64,
    /// When it began, Unix seconds.
    pub started_at: u64,
    /// When it ends at the latest, Unix seconds; 0 for the newest.
    pub deadline: u64,
    /// Healing epochs in it, which stay retained while it lives.
    pub healings: usize,
    /// Leaves of removed members.
    pub removed: usize,
}

impl Authority {
    /// All groups.
    pub fn groups(&self) -> impl Iterator<Item = GroupInfo> + '_ {
        self.groups.values().map(|group| self.info(group))
    }

    fn info(&self, group: &GroupRecord) -> GroupInfo {
        let (id, policy) = (group.id, group.policy);
        let members = self.index.count_active(&id);
        let unplaced = self.index.count_unplaced(&id);
        let publishers_stop_after = match policy.lease {
            0 => group.schedule.validity,
            lease => u64::from(lease).min(group.schedule.validity),
        };
        GroupInfo {
            id,
            name: group.name.clone(),
            filters: group.filters.clone(),
            policy,
            schedule: group.schedule,
            epoch: group.epoch,
            announcement: group.announcement,
            not_after: group.not_after,
            members,
            refused: self.refusals(group, group.issued_at).len(),
            cover_entries: cover_entries(group),
            heartbeat_at: group.heartbeat_at,
            healed_at: group.healed_at,
            kept: group.kept.len().saturating_sub(1),
            generations: group.generations.iter().map(GenerationInfo::of).collect(),
            moved: members
                .saturating_sub(unplaced)
                .saturating_sub(self.index.count_unconfirmed(&id)),
            publishers_stop_after,
            removal_latency: publishers_stop_after
                .saturating_add(u64::from(policy.grace))
                .saturating_add(u64::from(policy.skew)),
        }
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
        self.attempt(|this| {
            check_name(&new.name)?;
            if this.group_by_name(&new.name).is_ok() {
                return Err(AuthorityError::GroupExists(new.name.clone()));
            }
            new.policy.check().map_err(AuthorityError::Policy)?;
            if !(MIN_DEPTH..=MAX_DEPTH).contains(&new.depth) {
                return Err(AuthorityError::Setting(
                    "the depth of the key tree must be 2 to 24",
                ));
            }
            new.schedule.check()?;
            this.check_filters(&new.filters)?;
            let drawn = &mut this.draws(this.delegation.serial(), now, rng);
            let id = GroupId(draw_public(drawn)?);
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
                moved_at: now,
                generations: vec![GenerationRecord {
                    number: 1,
                    depth: new.depth,
                    first_epoch: 1,
                    started_at: now,
                    deadline: 0,
                    any_package: true,
                    tree_secret: SecretBytes::of(&draw(drawn)?),
                    healings: Vec::new(),
                    removed: Vec::new(),
                }],
                refused: Digest::ZERO,
                retained: Vec::new(),
                kept: Vec::new(),
                kept_under: None,
                heals_next: false,
                refused_chunks: Vec::new(),
            };
            this.index.set_newest(&group);
            this.groups.insert(id, group);
            let plan = this.next_epoch(id, EpochReason::Created, now, drawn)?;
            this.settle_drawn(plan, drawn, now)
        })
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
        self.attempt(|this| {
            let id = this.group_by_name(group)?;
            let drawn = &mut this.draws(this.delegation.serial(), now, rng);
            let plan = this.next_epoch(id, EpochReason::Rotation, now, drawn)?;
            this.settle_drawn(plan, drawn, now)
        })
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
        self.attempt(|this| {
            let id = this.group_by_name(group)?;
            let drawn = &mut this.draws(this.delegation.serial(), now, rng);
            let plan = this.next_epoch(id, EpochReason::Healing, now, drawn)?;
            this.settle_drawn(plan, drawn, now)
        })
    }

    fn check_filters(&self, filters: &[String]) -> Result<(), AuthorityError> {
        let bad = |filter: &String| AuthorityError::Filter(filter.clone());
        if filters.is_empty() {
            return Err(AuthorityError::Filter(String::new()));
        }
        for text in filters {
            let filter = Filter::new(text).map_err(|_| bad(text))?;
            if text.starts_with('$') || reaches_reserved(text, &self.domain.prefix) {
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

impl GenerationInfo {
    const fn of(generation: &GenerationRecord) -> Self {
        Self {
            number: generation.number,
            depth: generation.depth,
            first_epoch: generation.first_epoch,
            started_at: generation.started_at,
            deadline: generation.deadline,
            healings: generation.healings.len(),
            removed: generation.removed.len(),
        }
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
