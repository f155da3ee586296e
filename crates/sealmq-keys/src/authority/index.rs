//! What would otherwise need a walk over all members.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use sealmq_core::{GroupId, MemberNumber};

use super::record::MemberRecord;

/// Derived from the members' records, in memory only.
#[derive(Default)]
pub(super) struct Index {
    /// Active members by name.
    names: BTreeMap<String, MemberNumber>,
    /// Every key ever enrolled.
    keys: BTreeMap<[u8; 32], MemberNumber>,
    /// Leaves that were ever assigned, by group and generation.
    leaves: BTreeMap<(GroupId, u32), BTreeSet<u32>>,
    removed: BTreeSet<MemberNumber>,
    /// Active members by the end of their credential.
    expiries: BTreeSet<(u64, MemberNumber)>,
    /// Active members of each group.
    active: BTreeMap<GroupId, BTreeSet<MemberNumber>>,
}

impl Index {
    pub(super) fn of(members: &[MemberRecord]) -> Self {
        let mut index = Self::default();
        for member in members {
            index.add(member);
        }
        index
    }

    pub(super) fn add(&mut self, member: &MemberRecord) {
        self.keys.insert(member.key, member.number);
        if member.is_active() {
            self.names.insert(member.name.clone(), member.number);
            self.expiries.insert((member.not_after, member.number));
        } else {
            self.removed.insert(member.number);
        }
        for grant in &member.grants {
            for place in &grant.places {
                let leaves = self.leaves.entry((grant.group, place.generation));
                leaves.or_default().insert(place.leaf);
            }
            if member.is_active() {
                self.active
                    .entry(grant.group)
                    .or_default()
                    .insert(member.number);
            }
        }
    }

    /// Before a member's record changes; afterwards [`Index::add`] takes it up again. Leaves and
    /// keys stay: they are never used twice.
    pub(super) fn take_out(&mut self, member: &MemberRecord) {
        self.names.remove(&member.name);
        self.expiries.remove(&(member.not_after, member.number));
        for grant in &member.grants {
            if let Some(active) = self.active.get_mut(&grant.group) {
                active.remove(&member.number);
            }
        }
    }

    pub(super) fn by_name(&self, name: &str) -> Option<MemberNumber> {
        self.names.get(name).copied()
    }

    pub(super) fn by_key(&self, key: &[u8; 32]) -> Option<MemberNumber> {
        self.keys.get(key).copied()
    }

    pub(super) fn is_taken(&self, group: &GroupId, generation: u32, leaf: u32) -> bool {
        self.leaves
            .get(&(*group, generation))
            .is_some_and(|leaves| leaves.contains(&leaf))
    }

    /// Notes a leaf before its member's record says so.
    pub(super) fn take_leaf(&mut self, group: &GroupId, generation: u32, leaf: u32) {
        self.leaves
            .entry((*group, generation))
            .or_default()
            .insert(leaf);
    }

    pub(super) fn removed(&self) -> impl Iterator<Item = MemberNumber> + '_ {
        self.removed.iter().copied()
    }

    /// The active member whose credential ends first, and when.
    pub(super) fn first_expiry(&self) -> Option<(u64, MemberNumber)> {
        self.expiries.first().copied()
    }

    /// Active members of a group, ascending.
    pub(super) fn active(&self, group: &GroupId) -> impl Iterator<Item = MemberNumber> + '_ {
        self.active.get(group).into_iter().flatten().copied()
    }

    pub(super) fn count_active(&self, group: &GroupId) -> usize {
        self.active.get(group).map_or(0, BTreeSet::len)
    }
}
