//! What the authority does by itself, driven by time.

use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::object::Role;
use sealmq_core::{GroupId, MemberNumber};

use super::generation::End;
use super::{Authority, AuthorityError, EpochReason, Plan, record};

/// Most welcomes of one tick; the others follow with the next ones.
const WELCOMES_PER_TICK: usize = 1024;
/// Most credentials that one tick renews.
const RENEWALS_PER_TICK: usize = 1024;
/// Seconds that a credential may be from the future: as much as members allow by default.
const SKEW: u64 = 300;

impl Authority {
    /// Does what is due at `now` (Unix seconds): rotations and healing epochs by schedule, use and
    /// joins, heartbeats, changes of generation, renewals of credentials. A tick does a bounded
    /// part of what concerns many members; [`Authority::next_due`] then says that more is due.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn tick(&mut self, now: u64, rng: &mut impl TryCryptoRng) -> Result<Plan, AuthorityError> {
        self.check_usable()?;
        let mut plan = self.work_off(now, rng)?;
        let ticked = self.attempt(|this| {
            let mut plan = Plan::default();
            let drawn = &mut this.draws(this.delegation.serial(), now, rng);
            this.tick_all(now, &mut plan, drawn)?;
            this.in_order(&mut plan);
            this.settle_drawn(plan, drawn, now)
        });
        match ticked {
            Ok(ticked) => plan.follow(ticked),
            // What was done before must not be lost. It fails again next time.
            Err(error) if plan.changes.is_empty() => return Err(error),
            Err(_) => {}
        }
        Ok(plan)
    }

    fn tick_all(
        &mut self,
        now: u64,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), AuthorityError> {
        let groups: Vec<GroupId> = self.groups.keys().copied().collect();
        let mut welcomes = WELCOMES_PER_TICK;
        self.warn_of_expiry(now, plan);
        if self.can_act(Role::Issue, now) {
            self.renew_due(now, plan)?;
        }
        if self.signer(Role::Groups).is_ok() {
            for id in &groups {
                self.tick_group(*id, &mut welcomes, now, plan, rng)?;
            }
        }
        if self.can_act(Role::Heartbeat, now) {
            for id in &groups {
                let due = self.groups.get(id).and_then(|group| group.heartbeat_due());
                if due.is_some_and(|due| now >= due) {
                    self.heartbeat(*id, now, plan)?;
                }
            }
        }
        self.answer_nonces(now, plan)?;
        self.expire_joining(now, plan);
        self.repair_owed(now, plan);
        Ok(())
    }

    /// What is signed outside of the delegation's validity is of no use to anybody.
    fn can_act(&self, role: Role, now: u64) -> bool {
        self.signer(role).is_ok() && self.delegation.is_valid_at(now, 0)
    }

    fn tick_group(
        &mut self,
        id: GroupId,
        welcomes: &mut usize,
        now: u64,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), AuthorityError> {
        let missing = || AuthorityError::NoSuchGroup(alloc::format!("{id}"));
        let group = self.groups.get_mut(&id).ok_or_else(missing)?;
        if group.correct_times(now) {
            record::put(&mut plan.changes, group.key(), group)?;
        }
        let group = self.groups.get(&id).ok_or_else(missing)?;
        // Its times may have been corrected.
        self.index.set_newest(group);
        let mut reason = None;
        if let Some(end) = self.generation_end(group, now) {
            self.end_generation(id, plan)?;
            reason = (end == End::Deadline).then_some(EpochReason::GenerationEnded);
        }
        let group = self.groups.get(&id).ok_or_else(missing)?;
        if let Some(why) = self.generation_due(group, now) {
            self.start_generation(id, why, now, plan, rng)?;
        }
        let (welcomed, more) = self.welcome_waiting(id, *welcomes, now, plan, rng)?;
        *welcomes = welcomes.saturating_sub(welcomed);
        let group = self.groups.get(&id).ok_or_else(missing)?;
        // Those that join together share an epoch, also if there are many of them.
        let more = more || (self.intake.arrivals.admits() && group.may_wait(now));
        let due = group.epoch_due(now, more);
        // A healing epoch serves for everything else.
        let heals = due.filter(|due| due.heals());
        if let Some(reason) = heals.or(reason).or(due) {
            plan.append(self.next_epoch(id, reason, now, rng)?);
        }
        Ok(())
    }

    /// Renews credentials of which a third of the validity is left, and those that were issued
    /// while the clock was ahead: nobody accepts them yet.
    fn renew_due(&mut self, now: u64, plan: &mut Plan) -> Result<(), AuthorityError> {
        for _ in 0..RENEWALS_PER_TICK {
            let due = self.index.first_renewal().filter(|(at, _)| now >= *at);
            let ahead = self.index.last_issued();
            let ahead = ahead.filter(|(at, _)| *at > now.saturating_add(SKEW));
            let Some((_, number)) = due.or(ahead) else {
                break;
            };
            self.renew_by_schedule(number, now, plan)?;
        }
        Ok(())
    }

    pub(super) fn renew_by_schedule(
        &mut self,
        number: MemberNumber,
        now: u64,
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        let missing = || AuthorityError::NoSuchMember(alloc::format!("{number}"));
        let mut record = self.members.remove(&number).ok_or_else(missing)?;
        self.index.take_out(&record);
        let validity = record.validity;
        let result = self.renew_record(&mut record, validity, now);
        self.index.add(&record);
        self.members.insert(number, record);
        plan.append(result?);
        Ok(())
    }

    /// When [`Authority::tick`] has something to do next, Unix seconds; a time that has passed if
    /// it has something to do now. Call it every few minutes besides: a clock that was set back
    /// makes things due earlier.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        let groups = self.groups.values().filter_map(|group| {
            let epoch = self.signer(Role::Groups).ok().map(|_| {
                let waiting = self.welcomes_due_at(group);
                let ended = self.generation_end(group, 0).is_some();
                let times = [
                    Some(group.epoch_due_at()),
                    self.generation_due_at(group),
                    waiting,
                    ended.then_some(group.issued_at),
                ];
                times.into_iter().flatten().fold(u64::MAX, u64::min)
            });
            let heartbeat = group.heartbeat_due();
            let heartbeat = heartbeat.filter(|_| self.signer(Role::Heartbeat).is_ok());
            epoch.into_iter().chain(heartbeat).min()
        });
        let renewal = self.index.first_renewal().map(|(at, _)| at);
        let renewal = renewal.filter(|_| self.signer(Role::Issue).is_ok());
        let due = [self.intake.nonces.due_at(), self.intake.arrivals.due()];
        let due = due.into_iter().flatten();
        let others = renewal.into_iter().chain(self.owed_at()).chain(due);
        groups.chain(others).min()
    }
}
