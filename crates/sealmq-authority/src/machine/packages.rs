//! Key packages that members publish, and their confirmations of welcomes (spec/keys.md §4).

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use sealmq_core::{GroupId, MemberNumber};

use super::record::{self, MemberRecord, PackageRecord, Place};
use super::refused::Refused;
use super::tree::NodeKeys;
use super::{Authority, AuthorityError, AuthorityEvent, Plan};
use sealmq_keys::objects::Fingerprint;
use sealmq_keys::objects::PackageSet;
use sealmq_keys::objects::VerifiedKeyPackage;
use sealmq_keys::objects::{ConfirmationEntry, DeviceReport, VerifiedConfirmation};

/// What the authority makes of one entry of a confirmation.
enum Verdict {
    /// Of an older welcome, or one that is confirmed already.
    Nothing,
    Proved,
    Wrong,
}

impl Authority {
    pub(super) fn take_confirmation(
        &mut self,
        number: MemberNumber,
        payload: &[u8],
        now: u64,
    ) -> Result<Plan, Refused> {
        let (member, key) = self.writer(number)?;
        let device = Fingerprint::of(&key);
        let verified = VerifiedConfirmation::verify(payload, &self.domain.domain, number, &key)?;
        let mut proved: Vec<(GroupId, u32)> = Vec::new();
        let mut wrong = false;
        for entry in verified.entries() {
            match self.judge(member, &entry) {
                Verdict::Nothing => {}
                Verdict::Proved => proved.push((entry.group, entry.generation)),
                Verdict::Wrong => wrong = true,
            }
        }
        if wrong && proved.is_empty() {
            return Err(Refused::Content("the proof of a confirmation is wrong"));
        }
        let reports: Vec<DeviceReport> = verified.reports().collect();
        let mut plan = Plan::default();
        if !proved.is_empty() {
            let record = self.members.get_mut(&number);
            let record = record.ok_or(AuthorityError::Record)?;
            self.index.take_out(record);
            for (group, generation) in &proved {
                record.confirm(group, *generation);
            }
            record.forget_used();
            self.index.add(record);
            record::put(&mut plan.changes, record.key(), record)?;
            plan.events.push(AuthorityEvent::Confirmed {
                member: number,
                groups: proved.len(),
            });
            self.forget_answer(device, &mut plan);
        }
        self.take_reports(number, &reports, now, &mut plan)?;
        self.sign_of_life(number, now, &mut plan);
        Ok(plan)
    }

    /// Whether a confirmation is its member's, and proves what is not confirmed yet.
    pub(super) fn confirms(&self, number: MemberNumber, payload: &[u8]) -> Result<bool, Refused> {
        let (member, key) = self.writer(number)?;
        let verified = VerifiedConfirmation::verify(payload, &self.domain.domain, number, &key)?;
        let mut entries = verified.entries();
        Ok(entries.any(|entry| matches!(self.judge(member, &entry), Verdict::Proved)))
    }

    fn judge(&self, member: &MemberRecord, entry: &ConfirmationEntry) -> Verdict {
        let place = member.grant(&entry.group);
        let place = place.and_then(|grant| grant.place(entry.generation));
        let generation = self.groups.get(&entry.group);
        let generation = generation.and_then(|group| group.generation(entry.generation));
        let (Some(place), Some(generation)) = (place, generation) else {
            return Verdict::Nothing;
        };
        let issued = &place.issued;
        let newest = issued.epoch == entry.epoch && issued.package_number == entry.package_number;
        if !newest || issued.confirmed {
            return Verdict::Nothing;
        }
        let leaf_key = NodeKeys::at(generation, issued.epoch).key(place.leaf);
        if entry.proves(&leaf_key, &issued.hash) {
            Verdict::Proved
        } else {
            Verdict::Wrong
        }
    }

    pub(super) fn take_packages(
        &mut self,
        number: MemberNumber,
        payload: &[u8],
        now: u64,
    ) -> Result<Plan, Refused> {
        let (member, key) = self.writer(number)?;
        let suite = self.delegation.suite();
        let known = member.last_package;
        let set = PackageSet::verify_above(known, payload, suite, &self.domain.domain, &key)?;
        let fresh: Vec<PackageRecord> = set
            .packages()
            .map(|(_, package)| package)
            .filter(|package| package.number() > member.last_package && package.not_after() >= now)
            .map(|package| PackageRecord::of(&package))
            .collect();
        if !fresh.is_empty() && !self.intake.sets.take(number, now) {
            return Err(Refused::Content("too many sets of this member at once"));
        }
        let mut plan = Plan::default();
        if !fresh.is_empty() {
            let record = self.members.get_mut(&number);
            let record = record.ok_or(AuthorityError::Record)?;
            plan.events.push(AuthorityEvent::Packages {
                member: number,
                count: fresh.len(),
            });
            self.index.take_out(record);
            for grant in &mut record.grants {
                let newest = self
                    .groups
                    .get(&grant.group)
                    .map_or(0, |g| g.announced_number());
                if newest > grant.fresh_for {
                    grant.fresh_for = newest;
                    grant.fresh_above = record.last_package.max(grant.fresh_above);
                }
            }
            record.take_fresh(fresh, now);
            self.index.add(record);
            record::put(&mut plan.changes, record.key(), record)?;
        }
        self.sign_of_life(number, now, &mut plan);
        Ok(plan)
    }
}

impl PackageRecord {
    pub(super) fn of(package: &VerifiedKeyPackage) -> Self {
        Self {
            number: package.number(),
            hash: *package.hash(),
            init_key: Box::from(package.init_key().as_bytes()),
            issued_at: package.issued_at(),
            not_after: package.not_after(),
        }
    }
}

impl MemberRecord {
    fn places(&self) -> impl Iterator<Item = &Place> {
        self.grants.iter().flat_map(|grant| &grant.places)
    }

    /// Whether it has shown that it is in one of its groups.
    pub(super) fn has_confirmed(&self) -> bool {
        self.places().any(|place| place.issued.confirmed)
    }

    fn confirm(&mut self, group: &GroupId, generation: u32) {
        let grants = self.grants.iter_mut().filter(|g| g.group == *group);
        let mut places = grants.flat_map(|grant| &mut grant.places);
        if let Some(place) = places.find(|place| place.generation == generation) {
            place.issued.confirmed = true;
        }
    }

    /// Packages to which welcomes were sealed that are not confirmed yet.
    fn in_use(&self) -> BTreeSet<u32> {
        let open = self.places().filter(|place| !place.issued.confirmed);
        open.map(|place| place.issued.package_number).collect()
    }

    /// Forgets packages that no welcome may use any more: those up to the highest confirmed, but
    /// for those that stand in an open welcome.
    fn forget_used(&mut self) {
        let in_use = self.in_use();
        let confirmed = self.places().filter(|place| place.issued.confirmed);
        let confirmed = confirmed.map(|place| place.issued.package_number).max();
        let confirmed = confirmed.unwrap_or(0);
        self.packages
            .retain(|p| p.number > confirmed || in_use.contains(&p.number));
    }

    /// Adds packages that were verified, with numbers above all known; the oldest make room.
    fn take_fresh(&mut self, fresh: Vec<PackageRecord>, now: u64) {
        self.packages.retain(|package| package.not_after >= now);
        for package in fresh {
            self.last_package = self.last_package.max(package.number);
            self.packages.push(package);
        }
        let in_use = self.in_use();
        let most = self.grants.len().saturating_mul(2).saturating_add(8);
        let mut surplus = self.packages.len().saturating_sub(most);
        self.packages.retain(|package| {
            let drop = surplus > 0 && !in_use.contains(&package.number);
            surplus = surplus.saturating_sub(usize::from(drop));
            !drop
        });
    }
}
