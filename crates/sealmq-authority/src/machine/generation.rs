//! New key trees: a generation begins, its members are moved by welcomes, the old one ends
//! (spec/keys.md §6).

use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::{GroupId, MemberNumber};

use super::announce::clear_out_of_window;
use super::log::Decision;
use super::record::{self, GenerationRecord, GroupRecord, SecretBytes};
use super::tree::half_len;
use super::{Authority, AuthorityError, AuthorityEvent, GenerationReason, Plan, draw};
use sealmq_keys::tree::{Half, MAX_DEPTH, cover};

/// How a generation came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Everyone has confirmed the newest one.
    Moved,
    /// Its deadline has passed: the next epoch is due at once.
    Deadline,
}

impl Authority {
    /// Starts a new generation of a group: a new key tree, to which [`Authority::tick`] moves the
    /// members by welcomes, once they have made packages for it. Use it when path keys of many members may have leaked.
    ///
    /// # Errors
    /// No such group, or a change of generation is under way there.
    pub fn renew_generation(
        &mut self,
        group: &str,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Plan, AuthorityError> {
        self.check_usable()?;
        self.attempt(|this| {
            let id = this.group_by_name(group)?;
            let mut plan = Plan::default();
            let reason = GenerationReason::Operator;
            let drawn = &mut this.draws(this.delegation.serial(), now, rng);
            this.start_generation(id, reason, now, &mut plan, drawn)?;
            this.settle_drawn(plan, drawn, now)
        })
    }

    /// Why a group needs a new generation, if it does and none is on its way.
    pub(super) fn generation_due(&self, group: &GroupRecord, now: u64) -> Option<GenerationReason> {
        let [generation] = group.generations.as_slice() else {
            return None;
        };
        let schedule = &group.schedule;
        let limit = usize::try_from(schedule.cover_limit).unwrap_or(usize::MAX);
        let healings = usize::try_from(schedule.healing_limit).unwrap_or(usize::MAX);
        if generation.healings.len() >= healings {
            return Some(GenerationReason::Healings);
        }
        if now
            >= generation
                .started_at
                .saturating_add(schedule.generation_every)
        {
            return Some(GenerationReason::Age);
        }
        if Half::ALL
            .iter()
            .any(|half| self.is_short_of_leaves(group, generation, *half))
        {
            return Some(GenerationReason::Leaves);
        }
        // A removed leaf adds at most `depth` entries: most covers need not be computed.
        let bound = generation.removed.len().saturating_add(1);
        let bound = bound.saturating_mul(usize::from(generation.depth));
        if bound >= limit && cover(generation.depth, &generation.removed).len() >= limit {
            return Some(GenerationReason::Cover);
        }
        None
    }

    /// When a generation begins or ends next.
    pub(super) fn generation_due_at(&self, group: &GroupRecord) -> Option<u64> {
        match group.generations.as_slice() {
            [_] if self.generation_due(group, 0).is_some() => Some(group.issued_at),
            [one] => Some(
                one.started_at
                    .saturating_add(group.schedule.generation_every),
            ),
            [older, _] => Some(older.deadline),
            _ => None,
        }
    }

    /// Three quarters of the half's leaves were assigned, and a new tree has more free ones.
    fn is_short_of_leaves(&self, group: &GroupRecord, of: &GenerationRecord, half: Half) -> bool {
        let taken = self.index.count_taken(&group.id, of.number, half);
        let leaves = half_len(of.depth, half);
        let short = taken.saturating_mul(4) > leaves.saturating_mul(3);
        short && (of.depth < MAX_DEPTH || taken > self.index.count_active(&group.id))
    }

    /// Depth of the tree after a generation: one more if a half was more than half full.
    fn next_depth(&self, group: &GroupRecord, after: &GenerationRecord) -> u8 {
        let crowded = Half::ALL.iter().any(|half| {
            let taken = self.index.count_taken(&group.id, after.number, *half);
            taken > half_len(after.depth, *half) / 2
        });
        let deeper = after.depth.saturating_add(u8::from(crowded));
        deeper.min(MAX_DEPTH)
    }

    /// Begins a generation; the older one lives until its deadline.
    pub(super) fn start_generation(
        &mut self,
        id: GroupId,
        reason: GenerationReason,
        now: u64,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), AuthorityError> {
        let missing = || AuthorityError::NoSuchGroup(alloc::format!("{id}"));
        let group = self.groups.get(&id).ok_or_else(missing)?;
        if group.generations.len() != 1 {
            return Err(AuthorityError::Moving(group.name.clone()));
        }
        let next = self.next_generation(group, false, now, rng)?;
        let group = self.groups.get_mut(&id).ok_or_else(missing)?;
        for older in &mut group.generations {
            older.deadline = now.saturating_add(group.schedule.migration);
        }
        group.generations.push(next);
        group.moved_at = now;
        self.began(id, reason, plan)
    }

    /// Ends every living generation at once and begins another one. Nobody has its keys before
    /// new welcomes are opened: for a group whose keys may be known to others.
    pub(super) fn replace_generations(
        &mut self,
        id: GroupId,
        reason: GenerationReason,
        now: u64,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), AuthorityError> {
        let missing = || AuthorityError::NoSuchGroup(alloc::format!("{id}"));
        let group = self.groups.get(&id).ok_or_else(missing)?;
        let next = self.next_generation(group, true, now, rng)?;
        let group = self.groups.get_mut(&id).ok_or_else(missing)?;
        group.generations = alloc::vec![next];
        group.heals_next = true;
        clear_out_of_window(group, &self.domain.prefix, plan);
        self.began(id, reason, plan)
    }

    /// Replaces a generation of which every leaf belongs to somebody removed: nothing is left
    /// that a cover could name, and nobody has to move.
    pub(super) fn replace_empty(
        &mut self,
        id: GroupId,
        now: u64,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), AuthorityError> {
        let missing = || AuthorityError::NoSuchGroup(alloc::format!("{id}"));
        let group = self.groups.get(&id).ok_or_else(missing)?;
        let newest = group.newest_number();
        let empty: Vec<u32> = group
            .generations
            .iter()
            .filter(|g| g.is_empty())
            .map(|g| g.number)
            .collect();
        if empty.is_empty() {
            return Ok(());
        }
        let next = if empty.contains(&newest) {
            Some(self.next_generation(group, true, now, rng)?)
        } else {
            None
        };
        let group = self.groups.get_mut(&id).ok_or_else(missing)?;
        group.generations.retain(|g| !empty.contains(&g.number));
        group.heals_next = true;
        let begins = next.is_some();
        group.generations.extend(next);
        clear_out_of_window(group, &self.domain.prefix, plan);
        if begins {
            return self.began(id, GenerationReason::Empty, plan);
        }
        self.forget_ended(id);
        Ok(())
    }

    fn next_generation(
        &self,
        group: &GroupRecord,
        any_package: bool,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<GenerationRecord, AuthorityError> {
        let newest = group.newest()?;
        let number = newest.number.checked_add(1);
        Ok(GenerationRecord {
            number: number.ok_or(AuthorityError::NumbersUsedUp)?,
            depth: self.next_depth(group, newest),
            first_epoch: group
                .epoch
                .checked_add(1)
                .ok_or(AuthorityError::NumbersUsedUp)?,
            started_at: now,
            deadline: 0,
            any_package,
            tree_secret: SecretBytes::of(&draw(rng)?),
            healings: Vec::new(),
            removed: Vec::new(),
        })
    }

    /// The last generation of a group is new: stores it, and notes who has to move.
    fn began(
        &mut self,
        id: GroupId,
        reason: GenerationReason,
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        let missing = || AuthorityError::NoSuchGroup(alloc::format!("{id}"));
        self.forget_ended(id);
        let group = self.groups.get(&id).ok_or_else(missing)?;
        let newest = group.newest()?;
        self.index.set_newest(group);
        let active: Vec<MemberNumber> = self.index.active(&id).collect();
        for number in &active {
            if let Some(member) = self.members.get(number) {
                self.index.recount(&id, member);
            }
        }
        plan.decisions.push(Decision::Generation {
            group: id,
            number: newest.number,
            epoch: newest.first_epoch,
        });
        plan.events.push(AuthorityEvent::GenerationStarted {
            id,
            group: group.name.clone(),
            generation: newest.number,
            epoch: newest.first_epoch,
            depth: newest.depth,
            reason,
            members: active.len(),
        });
        record::put(&mut plan.changes, group.key(), group)
    }

    fn forget_ended(&mut self, id: GroupId) {
        if let Some(group) = self.groups.get(&id) {
            self.index.forget_generations(group);
            self.cache.forget_generations(group);
        }
    }

    /// Whether the older of two generations is over.
    pub(super) fn generation_end(&self, group: &GroupRecord, now: u64) -> Option<End> {
        let [older, _] = group.generations.as_slice() else {
            return None;
        };
        let id = &group.id;
        if self.index.count_unplaced(id) == 0 && self.index.count_unconfirmed(id) == 0 {
            return Some(End::Moved);
        }
        (now >= older.deadline).then_some(End::Deadline)
    }

    /// Deletes the older generation's secrets and clears the announcements that only its members
    /// needed. The next epoch covers the newest generation alone.
    pub(super) fn end_generation(
        &mut self,
        id: GroupId,
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        let missing = || AuthorityError::NoSuchGroup(alloc::format!("{id}"));
        let left = self.index.count_unplaced(&id);
        let left = left.saturating_add(self.index.count_unconfirmed(&id));
        let group = self.groups.get_mut(&id).ok_or_else(missing)?;
        if group.generations.len() < 2 {
            return Ok(());
        }
        let ended = group.generations.remove(0);
        group.heals_next |= ended.first_epoch <= group.epoch;
        clear_out_of_window(group, &self.domain.prefix, plan);
        plan.events.push(AuthorityEvent::GenerationEnded {
            group: group.name.clone(),
            generation: ended.number,
            left,
        });
        record::put(&mut plan.changes, group.key(), group)?;
        self.forget_ended(id);
        Ok(())
    }

    /// How far the move to the newest generation is, for logs.
    pub(super) fn report_move(&self, id: GroupId, plan: &mut Plan) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        let members = self.index.count_active(&id);
        let welcomed = members.saturating_sub(self.index.count_unplaced(&id));
        plan.events.push(AuthorityEvent::Moving {
            group: group.name.clone(),
            generation: group.newest_number(),
            welcomed,
            confirmed: welcomed.saturating_sub(self.index.count_unconfirmed(&id)),
            members,
        });
    }
}

impl GenerationRecord {
    /// Whether every leaf belongs to somebody removed.
    fn is_empty(&self) -> bool {
        let leaves = Half::ALL.iter().map(|half| half_len(self.depth, *half));
        self.removed.len() >= leaves.fold(0, usize::saturating_add)
    }
}
