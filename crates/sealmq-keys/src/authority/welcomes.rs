use alloc::vec;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::object::Role;
use sealmq_core::{GroupId, MemberNumber};

use super::record::{self, GrantRecord, GroupRecord, Issued, MemberRecord, PackageRecord, Place};
use super::tree::NodeKeys;
use super::{Authority, AuthorityError, Plan, draw};
use crate::key_package::VerifiedKeyPackage;
use crate::outputs::Publication;
use crate::reserved::ReservedTopic;
use crate::welcome::{MAX_WELCOME_LEN, WelcomeFields};

impl Authority {
    /// A welcome for each grant of a new member, for the next epoch of its group.
    pub(super) fn issue_welcomes(
        &self,
        member: &mut MemberRecord,
        leaves: &[u32],
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), AuthorityError> {
        for (at, leaf) in leaves.iter().enumerate() {
            let needed = leaves.len();
            let grant = member.grants.get(at).ok_or(AuthorityError::Record)?;
            let Some(package) = member.first_package_for(grant).cloned() else {
                return Err(AuthorityError::Packages { needed });
            };
            let missing = || AuthorityError::NoSuchGroup(alloc::format!("{}", grant.group));
            let group = self.groups.get(&grant.group).ok_or_else(missing)?;
            let place = self.welcome(member, group, *leaf, &package, plan, rng)?;
            if let Some(grant) = member.grants.get_mut(at) {
                grant.places.push(place);
            }
        }
        Ok(())
    }

    /// A welcome for one leaf of a group's newest generation, for the group's next epoch.
    pub(super) fn welcome(
        &self,
        member: &MemberRecord,
        group: &GroupRecord,
        leaf: u32,
        package: &PackageRecord,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Place, AuthorityError> {
        let keys = NodeKeys::at(group.newest()?, group.epoch.saturating_add(1));
        self.welcome_from(&keys, member, group, leaf, package, plan, rng)
    }

    /// As [`Authority::welcome`], for many at once: the keys are those of the next epoch.
    #[allow(clippy::too_many_arguments, reason = "everything that a welcome binds")]
    pub(super) fn welcome_from(
        &self,
        keys: &NodeKeys<'_>,
        member: &MemberRecord,
        group: &GroupRecord,
        leaf: u32,
        package: &PackageRecord,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Place, AuthorityError> {
        let generation = group.newest()?;
        let (signer, key) = self.signer(Role::Groups)?;
        let epoch = group.epoch.saturating_add(1);
        let path = keys.path(leaf);
        let fields = WelcomeFields {
            domain: self.domain.domain,
            serial: self.delegation.serial(),
            signer,
            member: member.number,
            group: group.id,
            generation: generation.number,
            depth: generation.depth,
            leaf,
            epoch,
            previous: group.announcement,
            healing_epoch: group.healing_epoch,
            healing: group.healing,
            package_number: package.number,
            package: package.hash,
        };
        let mut buffer = vec![0; MAX_WELCOME_LEN];
        let path = path.ok_or(AuthorityError::Record)?;
        let verified = VerifiedKeyPackage::stored(
            self.delegation.suite(),
            package.number,
            package.hash,
            &package.init_key,
        )?;
        let (object, hash) = fields.seal(&path, &verified, &draw(rng)?, key, &mut buffer)?;
        let topic = ReservedTopic::Welcome(member.number, group.id).name(&self.domain.prefix);
        plan.publish(Publication::retained(topic, object));
        Ok(Place {
            generation: generation.number,
            leaf,
            known: member.last_package,
            issued: Issued {
                package_number: package.number,
                epoch,
                hash,
                confirmed: false,
            },
        })
    }
}

impl Authority {
    /// Welcomes members that wait for a leaf of the group's newest generation, `most` of them at
    /// the most, for the group's next epoch. Also those that have a leaf there, but that published
    /// packages since instead of confirming it. Returns how many got a welcome, and whether others
    /// still wait.
    pub(super) fn welcome_waiting(
        &mut self,
        id: GroupId,
        most: usize,
        now: u64,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(usize, bool), AuthorityError> {
        let mut waiting: Vec<MemberNumber> = self
            .index
            .waiting(&id)
            .take(most.saturating_add(1))
            .collect();
        let others = waiting.len() > most;
        waiting.truncate(most);
        if waiting.is_empty() {
            return Ok((0, others));
        }
        let missing = || AuthorityError::NoSuchGroup(alloc::format!("{id}"));
        self.touched = true;
        let mut group = self.groups.remove(&id).ok_or_else(missing)?;
        let result = self.welcome_into(&group, &waiting, now, plan, rng);
        if matches!(result, Ok(1..)) {
            group.joins_since.get_or_insert(now);
            record::put(&mut plan.changes, group.key(), &group)?;
        }
        self.groups.insert(id, group);
        Ok((result?, others))
    }

    fn welcome_into(
        &mut self,
        group: &GroupRecord,
        waiting: &[MemberNumber],
        now: u64,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<usize, AuthorityError> {
        let keys = NodeKeys::at(group.newest()?, group.epoch.saturating_add(1));
        let mut welcomed = 0_usize;
        for number in waiting {
            let missing = || AuthorityError::NoSuchMember(alloc::format!("{number}"));
            let mut record = self.members.remove(number).ok_or_else(missing)?;
            self.index.take_out(&record);
            let placed = self.place(&keys, &mut record, group, now, plan, rng);
            let put = record::put(&mut plan.changes, record.key(), &record);
            self.index.add(&record);
            self.members.insert(*number, record);
            if placed? {
                put?;
                welcomed = welcomed.saturating_add(1);
            } else {
                self.index.give_up(&group.id, *number);
            }
        }
        Ok(welcomed)
    }

    /// A leaf and a welcome for one member. `false` if it has no usable package, if the tree is
    /// full, or if its last welcome is for an epoch that has not begun.
    fn place(
        &self,
        keys: &NodeKeys<'_>,
        member: &mut MemberRecord,
        group: &GroupRecord,
        now: u64,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<bool, AuthorityError> {
        let grant = member.grant(&group.id).ok_or(AuthorityError::Record)?;
        let current = grant.place(group.newest_number());
        if current.is_some_and(|place| place.issued.epoch > group.epoch) {
            return Ok(false);
        }
        let Some(package) = member.package_for(grant, now).cloned() else {
            return Ok(false);
        };
        let leaf = match current {
            Some(place) => place.leaf,
            None => match self.free_leaf_of(group, grant.access, rng) {
                Ok(leaf) => leaf,
                // It waits until the generation has made room for another one.
                Err(AuthorityError::TreeFull(_)) => return Ok(false),
                Err(error) => return Err(error),
            },
        };
        let place = self.welcome_from(keys, member, group, leaf, &package, plan, rng)?;
        let known = member.last_package;
        let grants = member.grants.iter_mut();
        for grant in grants.filter(|grant| grant.group == group.id) {
            let is_first = grant.places.is_empty() && grant.fresh_above == 0;
            let moves = grant.place(place.generation).is_none();
            if moves && !is_first {
                grant.fresh_above = known;
            }
            let lives = |number| number != place.generation && group.generation(number).is_some();
            grant.places.retain(|old| lives(old.generation));
            grant.places.push(place.clone());
        }
        Ok(true)
    }
}

impl MemberRecord {
    /// No welcome for this grant is sealed to packages up to this number (spec/keys.md §4): those
    /// that were used up, those in use for another group, and those from before its generation.
    fn package_floor(&self, grant: &GrantRecord) -> u32 {
        let others = self.grants.iter().filter(|g| g.group != grant.group);
        let others = others.flat_map(|g| &g.places);
        let own = grant.places.iter().filter(|p| p.issued.confirmed);
        let used = others.chain(own).map(|p| p.issued.package_number);
        used.max().unwrap_or(0).max(grant.fresh_above)
    }

    fn packages_for(&self, grant: &GrantRecord, now: u64) -> impl Iterator<Item = &PackageRecord> {
        let floor = self.package_floor(grant);
        let packages = self.packages.iter();
        packages.filter(move |package| package.number > floor && package.not_after >= now)
    }

    /// The package for the first welcome of this grant.
    fn first_package_for(&self, grant: &GrantRecord) -> Option<&PackageRecord> {
        self.packages_for(grant, 0).next()
    }

    /// The package for a later welcome: one of the set that came last, because the keys of older
    /// sets may be deleted, yet one that leaves packages above it for the member's other groups.
    fn package_for(&self, grant: &GrantRecord, now: u64) -> Option<&PackageRecord> {
        let last = self.packages_for(grant, now).count();
        let at = last.saturating_sub(self.grants.len().max(1));
        self.packages_for(grant, now).nth(at)
    }

    /// Whether there is such a package, expired or not.
    pub(super) fn has_package_for(&self, grant: &GrantRecord) -> bool {
        self.first_package_for(grant).is_some()
    }
}
