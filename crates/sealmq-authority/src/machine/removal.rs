use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::{GroupId, MemberNumber};

use super::log::Decision;
use super::record::{self, GroupRecord, MemberRecord};
use super::{Authority, AuthorityError, AuthorityEvent, EpochReason, Plan};
use sealmq_keys::Publication;
use sealmq_keys::ReservedTopic;
use sealmq_keys::objects::Fingerprint;

impl Authority {
    /// Removes a member: each of its groups enters a healing epoch whose cover leaves it out, and
    /// names it in the refused list (spec/keys.md §6, §7).
    ///
    /// # Errors
    /// No such member; nothing was changed.
    pub fn remove(
        &mut self,
        member: MemberNumber,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Plan, AuthorityError> {
        self.remove_all(&[member], now, rng)
    }

    /// Removes members together: one healing epoch for each group concerned, however many they are.
    ///
    /// # Errors
    /// One of them is no member; nothing was changed.
    pub fn remove_all(
        &mut self,
        members: &[MemberNumber],
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Plan, AuthorityError> {
        self.check_usable()?;
        self.attempt(|this| {
            let members: BTreeSet<MemberNumber> = members.iter().copied().collect();
            let leaves = this.leaves_of(&members)?;
            let drawn = &mut this.draws(this.delegation.serial(), now, rng);
            let plan = this.remove_checked(&members, &leaves, now, drawn)?;
            this.settle_drawn(plan, drawn, now)
        })
    }

    /// The leaves that members have, by group: (generation, leaf).
    fn leaves_of(
        &self,
        members: &BTreeSet<MemberNumber>,
    ) -> Result<BTreeMap<GroupId, Vec<(u32, u32)>>, AuthorityError> {
        let mut leaves: BTreeMap<GroupId, Vec<(u32, u32)>> = BTreeMap::new();
        for member in members {
            for grant in &self.active(*member)?.grants {
                let of_group = leaves.entry(grant.group).or_default();
                of_group.extend(grant.places.iter().map(|p| (p.generation, p.leaf)));
            }
        }
        Ok(leaves)
    }

    fn remove_checked(
        &mut self,
        members: &BTreeSet<MemberNumber>,
        leaves: &BTreeMap<GroupId, Vec<(u32, u32)>>,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Plan, AuthorityError> {
        let mut plan = Plan::default();
        for number in members {
            let missing = || AuthorityError::NoSuchMember(format!("{number}"));
            let record = self.members.get_mut(number).ok_or_else(missing)?;
            self.index.take_out(record);
            record.removed_at = Some(now);
            record.packages = Vec::new();
            self.index.add(record);
            record::put(&mut plan.changes, record.key(), record)?;
            plan.decisions.push(Decision::Removed { member: *number });
            let device = Fingerprint::of_bytes(&record.key);
            plan.events.push(AuthorityEvent::Removed {
                member: *number,
                name: record.name.clone(),
            });
            clear_topics(&self.domain.prefix, record, &mut plan);
            self.forget_answer(device, &mut plan);
        }
        for (id, leaves) in leaves {
            if let Some(group) = self.groups.get_mut(id) {
                group.shut_out(leaves);
            }
            self.replace_empty(*id, now, &mut plan, rng)?;
            plan.append(self.next_epoch(*id, EpochReason::Removal, now, rng)?);
        }
        let groups: Vec<GroupId> = leaves.keys().copied().collect();
        self.prove_log(&groups, &mut plan)?;
        Ok(plan)
    }
}

/// Clears what the broker keeps of a removed member in its groups: welcomes, and the records of its
/// sessions, which nobody replaces any more.
pub(super) fn clear_topics(prefix: &str, member: &MemberRecord, plan: &mut Plan) {
    for grant in &member.grants {
        let welcome = ReservedTopic::Welcome(member.number, grant.group);
        plan.publish(Publication::clear(welcome.name(prefix)));
        if grant.access.may_publish() {
            let record = ReservedTopic::SessionRecord(grant.group, member.number);
            plan.publish(Publication::clear(record.name(prefix)));
        }
    }
}

impl GroupRecord {
    fn shut_out(&mut self, leaves: &[(u32, u32)]) {
        for generation in &mut self.generations {
            let of_it = leaves
                .iter()
                .filter(|(number, _)| *number == generation.number);
            generation.removed.extend(of_it.map(|(_, leaf)| leaf));
            generation.removed.sort_unstable();
            generation.removed.dedup();
        }
    }
}
