//! What would otherwise need a walk over all members.

use alloc::string::String;

use sealmq_core::{GroupId, MemberNumber};

use super::draft::{Draft, Set, Slot, Table, Tree};
use super::record::{GrantRecord, GroupRecord, MemberRecord};
use super::welcomes::Target;
use sealmq_keys::tree::{Half, half_of};

/// Derived from the records, in memory only.
#[derive(Default)]
pub(super) struct Index {
    /// Active members by name.
    names: Table<String, MemberNumber>,
    /// Every key ever enrolled.
    keys: Table<[u8; 32], MemberNumber>,
    /// Active members by the time at which their credential is to be renewed.
    renewals: Set<(u64, MemberNumber)>,
    /// Active members by the time at which their credential was issued.
    issued: Set<(u64, MemberNumber)>,
    groups: Tree<GroupId, GroupIndex>,
}

#[derive(Default)]
struct GroupIndex {
    /// The generation that members are welcomed to.
    newest: Slot<Target>,
    /// Leaves that were ever assigned, by generation.
    leaves: Tree<u32, Leaves>,
    /// Removed members, by the latest expiry of any of their credentials.
    removed: Table<MemberNumber, u64>,
    /// Active members.
    active: Set<MemberNumber>,
    /// Active members without a leaf in the newest generation.
    unplaced: Set<MemberNumber>,
    /// Active members with a leaf there that have not confirmed it.
    unconfirmed: Set<MemberNumber>,
    /// Members of either kind that have a package for a welcome and wait for one.
    waiting: Set<MemberNumber>,
}

#[derive(Default)]
struct Leaves {
    taken: Set<u32>,
    /// How many of them are in the readers' half.
    readers: Slot<usize>,
}

/// Seconds before which a credential is not renewed by itself: something so short-lived is meant
/// to end.
const SHORTEST_RENEWED: u64 = 60;

/// When a member's credential is to be renewed: when a third of its validity is left.
pub(super) const fn renewal_at(member: &MemberRecord) -> Option<u64> {
    if member.validity < SHORTEST_RENEWED {
        return None;
    }
    Some(member.not_after.saturating_sub(member.validity / 3))
}

impl Index {
    pub(super) fn of(groups: &[GroupRecord], members: &[MemberRecord]) -> Self {
        let mut index = Self::default();
        for group in groups {
            index.set_newest(group);
        }
        for members in members.chunks(1024) {
            for member in members {
                index.add(member);
            }
            // No draft yet.
            index.keep();
        }
        for group in groups {
            index.forget_generations(group);
        }
        index.keep();
        index
    }

    pub(super) fn keep(&mut self) {
        self.names.keep();
        self.keys.keep();
        self.renewals.keep();
        self.issued.keep();
        self.groups.keep();
    }

    pub(super) fn undo(&mut self) {
        self.names.undo();
        self.keys.undo();
        self.renewals.undo();
        self.issued.undo();
        self.groups.undo();
    }

    pub(super) fn add(&mut self, member: &MemberRecord) {
        self.keys.insert(member.key, member.number);
        if member.is_active() {
            self.names.insert(member.name.clone(), member.number);
            self.issued.insert((member.issued_at, member.number));
            if let Some(at) = renewal_at(member) {
                self.renewals.insert((at, member.number));
            }
        }
        for grant in &member.grants {
            let group = self.groups.entry(grant.group);
            for place in &grant.places {
                let leaves = group.leaves.entry(place.generation);
                leaves.insert(place.leaf);
            }
            if member.is_active() {
                group.add(member, grant);
            } else {
                group.removed.insert(member.number, member.latest_expiry);
            }
        }
    }

    /// Before a member's record changes; afterwards [`Index::add`] takes it up again. Leaves and
    /// keys stay: they are never used twice.
    pub(super) fn take_out(&mut self, member: &MemberRecord) {
        self.names.delete(&member.name);
        self.issued.remove(&(member.issued_at, member.number));
        if let Some(at) = renewal_at(member) {
            self.renewals.remove(&(at, member.number));
        }
        for grant in &member.grants {
            if let Some(group) = self.groups.get_mut(&grant.group) {
                group.take_out(member.number);
            }
        }
    }

    /// A group has a new generation: call [`Index::recount`] for its members.
    pub(super) fn set_newest(&mut self, group: &GroupRecord) {
        self.groups.entry(group.id).newest.set(Target::of(group));
    }

    /// Sorts an active member anew after [`Index::set_newest`].
    pub(super) fn recount(&mut self, group: &GroupId, member: &MemberRecord) {
        let index = self.groups.entry(*group);
        if let Some(grant) = member.grant(group).filter(|_| member.is_active()) {
            index.take_out(member.number);
            index.add(member, grant);
        }
    }

    /// Forgets the leaves of generations that have ended.
    pub(super) fn forget_generations(&mut self, group: &GroupRecord) {
        if let Some(index) = self.groups.get_mut(&group.id) {
            let lives = |number: &u32| group.generation(*number).is_some();
            index.leaves.delete_unless(lives);
        }
    }

    pub(super) fn by_name(&self, name: &str) -> Option<MemberNumber> {
        self.names.get(name).copied()
    }

    pub(super) fn by_key(&self, key: &[u8; 32]) -> Option<MemberNumber> {
        self.keys.get(key).copied()
    }

    pub(super) fn is_taken(&self, group: &GroupId, generation: u32, leaf: u32) -> bool {
        self.leaves(group, generation)
            .is_some_and(|leaves| leaves.taken.contains(&leaf))
    }

    /// Leaves of a half that were ever assigned in a generation.
    pub(super) fn count_taken(&self, group: &GroupId, generation: u32, half: Half) -> usize {
        let leaves = self.leaves(group, generation);
        leaves.map_or(0, |leaves| match half {
            Half::Readers => *leaves.readers,
            Half::Publishers => leaves.taken.len().saturating_sub(*leaves.readers),
        })
    }

    fn leaves(&self, group: &GroupId, generation: u32) -> Option<&Leaves> {
        self.groups.get(group)?.leaves.get(&generation)
    }

    /// Members that were removed from a group, ascending, with the latest expiry of any of their
    /// credentials.
    pub(super) fn removed(
        &self,
        group: &GroupId,
    ) -> impl Iterator<Item = (MemberNumber, u64)> + '_ {
        let groups = self.groups.get(group).into_iter();
        let removed = groups.flat_map(|group| group.removed.iter());
        removed.map(|(member, latest_expiry)| (*member, *latest_expiry))
    }

    /// The active member whose credential is to be renewed first, and when.
    pub(super) fn first_renewal(&self) -> Option<(u64, MemberNumber)> {
        self.renewals.first().copied()
    }

    /// The active member whose credential was issued last, and when.
    pub(super) fn last_issued(&self) -> Option<(u64, MemberNumber)> {
        self.issued.last().copied()
    }

    /// Active members of a group, ascending.
    pub(super) fn active(&self, group: &GroupId) -> impl Iterator<Item = MemberNumber> + '_ {
        self.groups
            .get(group)
            .into_iter()
            .flat_map(|group| group.active.iter().copied())
    }

    /// Members that can get a welcome to the newest generation and have not, ascending.
    pub(super) fn waiting(&self, group: &GroupId) -> impl Iterator<Item = MemberNumber> + '_ {
        self.groups
            .get(group)
            .into_iter()
            .flat_map(|group| group.waiting.iter().copied())
    }

    /// Whether no member without a leaf there still has to bring packages.
    pub(super) fn all_unplaced_wait(&self, group: &GroupId) -> bool {
        let group = self.groups.get(group);
        group.is_none_or(|group| group.unplaced.is_subset(&group.waiting))
    }

    /// A member whose packages turned out to be of no use waits no longer, until its record
    /// changes.
    pub(super) fn give_up(&mut self, group: &GroupId, member: MemberNumber) {
        if let Some(group) = self.groups.get_mut(group) {
            group.waiting.remove(&member);
        }
    }

    pub(super) fn count_active(&self, group: &GroupId) -> usize {
        self.groups.get(group).map_or(0, |g| g.active.len())
    }

    /// Active members without a leaf in the newest generation.
    pub(super) fn count_unplaced(&self, group: &GroupId) -> usize {
        self.groups.get(group).map_or(0, |g| g.unplaced.len())
    }

    /// Active members that have such a leaf, but have not confirmed it.
    pub(super) fn count_unconfirmed(&self, group: &GroupId) -> usize {
        self.groups.get(group).map_or(0, |g| g.unconfirmed.len())
    }
}

impl GroupIndex {
    fn add(&mut self, member: &MemberRecord, grant: &GrantRecord) {
        self.active.insert(member.number);
        let waits = match grant.place(self.newest.generation) {
            None => {
                self.unplaced.insert(member.number);
                true
            }
            Some(place) if !place.issued.confirmed => {
                self.unconfirmed.insert(member.number);
                member.last_package > place.known
            }
            Some(_) => false,
        };
        if waits && member.has_package_for(grant, *self.newest) {
            self.waiting.insert(member.number);
        }
    }

    fn take_out(&mut self, member: MemberNumber) {
        self.active.remove(&member);
        self.unplaced.remove(&member);
        self.unconfirmed.remove(&member);
        self.waiting.remove(&member);
    }
}

impl Leaves {
    fn insert(&mut self, leaf: u32) {
        if self.taken.insert(leaf) && half_of(leaf) == Some(Half::Readers) {
            self.readers.set(self.readers.saturating_add(1));
        }
    }
}

impl Draft for GroupIndex {
    fn keep(&mut self) {
        self.newest.keep();
        self.leaves.keep();
        self.removed.keep();
        self.active.keep();
        self.unplaced.keep();
        self.unconfirmed.keep();
        self.waiting.keep();
    }

    fn undo(&mut self) {
        self.newest.undo();
        self.leaves.undo();
        self.removed.undo();
        self.active.undo();
        self.unplaced.undo();
        self.unconfirmed.undo();
        self.waiting.undo();
    }
}

impl Draft for Leaves {
    fn keep(&mut self) {
        self.taken.keep();
        self.readers.keep();
    }

    fn undo(&mut self) {
        self.taken.undo();
        self.readers.undo();
    }
}
