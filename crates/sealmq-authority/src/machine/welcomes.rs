use alloc::vec;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::object::Role;
use sealmq_core::{GroupId, MemberNumber};

use super::current::{Before, Entry};
use super::record::{self, GrantRecord, GroupRecord, Issued, MemberRecord, PackageRecord, Place};
use super::{Authority, AuthorityError, Plan, draw};
use sealmq_keys::Publication;
use sealmq_keys::ReservedTopic;
use sealmq_keys::VerifiedKeyPackage;
use sealmq_keys::{MAX_WELCOME_LEN, WelcomeFields};

/// How often the time between two welcomes to the same leaf doubles at most.
const MAX_DOUBLINGS: u8 = 7;
/// Seconds until a welcome is issued again for the first time: whoever lost what it needs for the
/// first one is back soon.
const AGAIN_AFTER: u64 = 10;

/// The generation that members are welcomed to, as far as it says which packages serve.
#[derive(Clone, Copy, Default)]
pub(super) struct Target {
    pub(super) generation: u32,
    /// Unix seconds.
    began_at: u64,
    any_package: bool,
}

impl Target {
    pub(super) fn of(group: &GroupRecord) -> Self {
        group
            .generations
            .last()
            .map_or_else(Self::default, |g| Self {
                generation: g.number,
                began_at: g.started_at,
                any_package: g.any_package,
            })
    }
}

/// A member that waits for a welcome.
pub(super) struct Due {
    pub(super) member: MemberNumber,
    /// Unix seconds.
    pub(super) at: u64,
    /// It has a leaf of the newest generation already.
    again: bool,
}

impl Place {
    /// From when on the leaf's welcome is issued again, Unix seconds.
    fn again_at(&self, every: u64) -> u64 {
        let wait = match self.again.checked_sub(1) {
            None => every.min(AGAIN_AFTER),
            Some(times) => {
                every.saturating_mul(2_u64.saturating_pow(times.min(MAX_DOUBLINGS).into()))
            }
        };
        self.at.saturating_add(wait)
    }
}

impl Authority {
    /// When each waiting member gets a welcome, if no epoch begins before. Without those whose
    /// last welcome is for an epoch that has not begun: two for one epoch could not be told apart
    /// by their confirmations.
    pub(super) fn welcomes_due(&self, group: &GroupRecord) -> impl Iterator<Item = Due> {
        let target = Target::of(group);
        let every = group.schedule.move_every;
        // Nobody is left who could share the epoch, or all have waited for it long enough.
        let complete = target.any_package || self.index.all_unplaced_wait(&group.id);
        let moves_at = if complete {
            0
        } else {
            group.moved_at.saturating_add(every)
        };
        self.index.waiting(&group.id).filter_map(move |number| {
            let member = self.members.get(&number);
            let grant = member.and_then(|member| member.grant(&group.id));
            let place = grant.and_then(|grant| grant.place(target.generation));
            let pending = place.is_some_and(|place| place.issued.epoch > group.epoch);
            (!pending).then_some(Due {
                member: number,
                at: place.map_or(moves_at, |place| place.again_at(every)),
                again: place.is_some(),
            })
        })
    }

    /// The earliest time at which [`Authority::welcome_waiting`] has something to do.
    pub(super) fn welcomes_due_at(&self, group: &GroupRecord) -> Option<u64> {
        // Without it welcomes are issued again with the next epoch.
        let again = self.before_current(group).is_some();
        let due = self.welcomes_due(group).filter(|due| again || !due.again);
        due.map(|due| due.at).min()
    }

    /// A welcome for each grant of a new member, for the next epoch of its group.
    pub(super) fn issue_welcomes(
        &self,
        member: &mut MemberRecord,
        leaves: &[u32],
        now: u64,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), AuthorityError> {
        for (at, leaf) in leaves.iter().enumerate() {
            let needed = leaves.len();
            let grant = member.grants.get(at).ok_or(AuthorityError::Record)?;
            let missing = || AuthorityError::NoSuchGroup(alloc::format!("{}", grant.group));
            let group = self.groups.get(&grant.group).ok_or_else(missing)?;
            let target = Target::of(group);
            let Some(package) = member.first_package_for(grant, target).cloned() else {
                return Err(AuthorityError::Packages { needed });
            };
            let entry = Entry::next(group, &self.delegation)?;
            let mut place = self.welcome(&entry, member, group, *leaf, &package, plan, rng)?;
            place.at = now;
            if let Some(grant) = member.grants.get_mut(at) {
                grant.since = place.generation;
                grant.places.push(place);
            }
        }
        Ok(())
    }

    /// A welcome for one leaf of a group's newest generation.
    #[allow(clippy::too_many_arguments, reason = "everything that a welcome binds")]
    pub(super) fn welcome(
        &self,
        entry: &Entry<'_>,
        member: &MemberRecord,
        group: &GroupRecord,
        leaf: u32,
        package: &PackageRecord,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Place, AuthorityError> {
        let generation = group.newest()?;
        let (signer, key) = self.signer(Role::Groups)?;
        let path = entry.keys.path(leaf);
        let fields = WelcomeFields {
            domain: self.domain.domain,
            serial: self.delegation.serial(),
            signer,
            member: member.number,
            group: group.id,
            generation: generation.number,
            depth: generation.depth,
            leaf,
            epoch: entry.epoch,
            previous: entry.previous,
            healing_epoch: entry.healing_epoch,
            healing: entry.healing,
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
        let (object, hash) = {
            let kept = entry.kept.map(|kept| kept.key(path.half()));
            let secrets = sealmq_keys::WelcomeSecrets {
                path: &path,
                kept: kept.as_ref(),
                extensions: *key.extensions(),
            };
            fields.seal(secrets, &verified, &draw(rng)?, key, &mut buffer)?
        };
        let topic = ReservedTopic::Welcome(member.number, group.id).name(&self.domain.prefix);
        plan.publish(Publication::retained(topic, object));
        Ok(Place {
            generation: generation.number,
            leaf,
            known: member.last_package,
            at: 0,
            again: 0,
            issued: Issued {
                package_number: package.number,
                epoch: entry.epoch,
                hash,
                confirmed: false,
            },
        })
    }
}

impl Authority {
    /// Welcomes members that wait for a leaf of the group's newest generation, `most` of them at
    /// the most, for the group's next epoch; also those that have a leaf there, but that published
    /// packages since instead of confirming it. Returns how many got a welcome, and whether others
    /// still wait.
    ///
    /// Who has a leaf already is no reason for an epoch: it gets a welcome for the current one, so
    /// that no member drives the epochs of the others.
    pub(super) fn welcome_waiting(
        &mut self,
        id: GroupId,
        most: usize,
        now: u64,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(usize, bool), AuthorityError> {
        let missing = || AuthorityError::NoSuchGroup(alloc::format!("{id}"));
        let group = self.groups.get(&id).ok_or_else(missing)?;
        // An epoch that begins anyway, or for one of them, serves for everyone.
        let begins = group.epoch_due(now, true).is_some()
            || group.joins_since.is_some()
            || self
                .welcomes_due(group)
                .any(|due| !due.again && now >= due.at);
        let before = self.before_current(group).copied();
        let ready = |due: &Due| begins || (due.again && now >= due.at && before.is_some());
        let waiting = self.welcomes_due(group).filter(ready);
        let waiting = waiting.map(|due| due.member);
        let mut waiting: Vec<MemberNumber> = waiting.take(most.saturating_add(1)).collect();
        let others = waiting.len() > most;
        waiting.truncate(most);
        if waiting.is_empty() {
            return Ok((0, others));
        }
        let mut group = self.groups.remove(&id).ok_or_else(missing)?;
        let before = before.filter(|_| !begins);
        let result = self.welcome_into(&group, before, &waiting, now, plan, rng);
        if begins && matches!(result, Ok(1..)) {
            group.joins_since.get_or_insert(now);
            // The members of one step share an epoch, in as many ticks as it takes.
            if !others {
                group.moved_at = now;
            }
            record::put(&mut plan.changes, group.key(), &group)?;
        }
        self.groups.insert(id, group);
        let welcomed = result?;
        if begins && welcomed > 0 {
            self.report_move(id, plan);
        }
        Ok((welcomed, others))
    }

    fn welcome_into(
        &mut self,
        group: &GroupRecord,
        before: Option<Before>,
        waiting: &[MemberNumber],
        now: u64,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<usize, AuthorityError> {
        let mut welcomed = 0_usize;
        for number in waiting {
            let missing = || AuthorityError::NoSuchMember(alloc::format!("{number}"));
            let mut record = self.members.remove(number).ok_or_else(missing)?;
            self.index.take_out(&record);
            let entry = match &before {
                Some(before) => Entry::current(group, before, &self.delegation),
                None => Entry::next(group, &self.delegation),
            };
            let placed =
                entry.and_then(|entry| self.place(&entry, &mut record, group, now, plan, rng));
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
        entry: &Entry<'_>,
        member: &mut MemberRecord,
        group: &GroupRecord,
        now: u64,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<bool, AuthorityError> {
        let grant = member.grant(&group.id).ok_or(AuthorityError::Record)?;
        let current = grant.place(group.newest_number());
        // Nobody comes in without an epoch of its own (threat model A20).
        let begins = entry.epoch > group.epoch;
        let may = |place: &Place| place.issued.epoch <= group.epoch;
        if !current.map_or(begins, may) {
            return Ok(false);
        }
        let target = Target::of(group);
        // Of two welcomes for one epoch the one to the later package is the newer one.
        let above = current.filter(|place| place.issued.epoch == entry.epoch);
        let above = above.map_or(0, |place| place.issued.package_number);
        let Some(package) = member.package_for(grant, target, above, now).cloned() else {
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
        let again = current.map_or(0, |place| place.again.saturating_add(1));
        let mut place = self.welcome(entry, member, group, leaf, &package, plan, rng)?;
        (place.at, place.again) = (now, again);
        let grants = member.grants.iter_mut();
        for grant in grants.filter(|grant| grant.group == group.id) {
            if grant.since == 0 {
                grant.since = place.generation;
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
    /// that were used up, those in use for another group, and those that were there before.
    fn package_floor(&self, grant: &GrantRecord) -> u32 {
        let others = self.grants.iter().filter(|g| g.group != grant.group);
        let others = others.flat_map(|g| &g.places);
        let own = grant.places.iter().filter(|p| p.issued.confirmed);
        let used = others.chain(own).map(|p| p.issued.package_number);
        used.max().unwrap_or(0).max(grant.fresh_above)
    }

    /// For a generation to which the member moves, packages that were made after it began: so the
    /// move heals what was copied from a device before (threat model A3). A first welcome takes any.
    fn packages_for(
        &self,
        grant: &GrantRecord,
        target: Target,
        now: u64,
    ) -> impl Iterator<Item = &PackageRecord> {
        let floor = self.package_floor(grant);
        let moves = !target.any_package && grant.since != 0 && grant.since != target.generation;
        let made_since = if !moves {
            0
        } else if grant.fresh_for == target.generation {
            target.began_at
        } else {
            u64::MAX
        };
        let packages = self.packages.iter();
        packages.filter(move |package| {
            package.number > floor && package.not_after >= now && package.issued_at >= made_since
        })
    }

    /// The package for the first welcome of this grant.
    fn first_package_for(&self, grant: &GrantRecord, target: Target) -> Option<&PackageRecord> {
        self.packages_for(grant, target, 0).next()
    }

    /// The package for a later welcome: one of the set that came last, because the keys of older
    /// sets may be deleted, yet one that leaves packages above it for the member's other groups.
    fn package_for(
        &self,
        grant: &GrantRecord,
        target: Target,
        above: u32,
        now: u64,
    ) -> Option<&PackageRecord> {
        let all = || self.packages_for(grant, target, now);
        let usable = || all().filter(move |package| package.number > above);
        let at = usable().count().saturating_sub(self.grants.len().max(1));
        usable().nth(at)
    }

    /// Whether there is such a package, expired or not.
    pub(super) fn has_package_for(&self, grant: &GrantRecord, target: Target) -> bool {
        self.first_package_for(grant, target).is_some()
    }
}
