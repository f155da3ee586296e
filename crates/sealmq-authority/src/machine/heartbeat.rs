//! Heartbeats (spec/keys.md §8): they renew the newest announcement's lease, and give brokers
//! back what they lost.

use alloc::vec::Vec;

use sealmq_core::object::Role;
use sealmq_core::{GroupId, MemberNumber};

use super::announce::topics_of;
use super::record::{self, GroupRecord, Retained};
use super::{Authority, AuthorityError, AuthorityEvent, Plan};
use sealmq_keys::Publication;
use sealmq_keys::ReservedTopic;
use sealmq_keys::{HeartbeatFields, MAX_HEARTBEAT_LEN};

impl GroupRecord {
    /// When the next heartbeat is due; `None` if the group has no lease.
    pub(super) fn heartbeat_due(&self) -> Option<u64> {
        let lease = u64::from(self.policy.lease);
        (lease != 0).then(|| self.heartbeat_at.saturating_add((lease / 3).max(1)))
    }

    /// Announcements that a heartbeat publishes again: those of the window, and of the healing
    /// epochs before it one after the other.
    fn to_repeat(&self) -> Vec<Retained> {
        let oldest = self.epoch.saturating_sub(u64::from(self.policy.window));
        let split = self.retained.partition_point(|old| old.epoch < oldest);
        let (healing, window) = self.retained.split_at_checked(split).unwrap_or_default();
        let turn = self.turn_of(healing);
        turn.into_iter().chain(window).copied().collect()
    }

    /// Of many things one after the other, with each heartbeat.
    fn turn_of<'t, T>(&self, all: &'t [T]) -> Option<&'t T> {
        let beat = self
            .heartbeat_at
            .checked_div((u64::from(self.policy.lease) / 3).max(1))?;
        let turn = beat.checked_rem(u64::try_from(all.len()).ok()?)?;
        all.get(usize::try_from(turn).ok()?)
    }
}

impl Authority {
    /// Has a heartbeat signed with the next tick, in these groups or, if none of them has a lease,
    /// in another. It proves how far the log goes: a copy that ends with what was just decided is
    /// then questioned by no resumption (spec/keys.md §13).
    pub(super) fn prove_log(
        &mut self,
        groups: &[GroupId],
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        let leased = self
            .groups
            .iter()
            .filter(|(_, group)| group.policy.lease != 0);
        let mut due: Vec<GroupId> = leased.map(|(id, _)| *id).collect();
        if due.iter().any(|id| groups.contains(id)) {
            due.retain(|id| groups.contains(id));
        } else {
            due.truncate(1);
        }
        for id in due {
            if let Some(group) = self.groups.get_mut(&id) {
                group.heartbeat_at = 0;
                record::put(&mut plan.changes, group.key(), group)?;
            }
        }
        Ok(())
    }

    /// Signs a heartbeat for a group's newest announcement, and has what stands in its topics
    /// published again.
    pub(super) fn heartbeat(
        &mut self,
        id: GroupId,
        now: u64,
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        let missing = || AuthorityError::NoSuchGroup(alloc::format!("{id}"));
        let group = self.groups.get(&id).ok_or_else(missing)?;
        let (signer, key) = self.signer(Role::Heartbeat)?;
        let fields = HeartbeatFields {
            domain: self.domain.domain,
            serial: self.delegation.serial(),
            signer,
            group: id,
            epoch: group.epoch,
            announcement: group.announcement,
            issued_at: now,
            lease: group.policy.lease,
            log_size: self.head.log_size,
            log_head: self.head.log_head,
        };
        let mut buffer = [0; MAX_HEARTBEAT_LEN];
        let (object, _) = fields.sign(key, &mut buffer)?;
        let name = |topic: ReservedTopic| topic.name(&self.domain.prefix);
        plan.publish(Publication::retained(
            name(ReservedTopic::Heartbeat(id)),
            object,
        ));
        plan.events.push(AuthorityEvent::Heartbeat {
            group: group.name.clone(),
            epoch: group.epoch,
        });
        let group = self.groups.get_mut(&id).ok_or_else(missing)?;
        group.heartbeat_at = now;
        let lasting = [
            ReservedTopic::Delegation,
            ReservedTopic::RefusedList(id),
            ReservedTopic::KeptKeys(id),
        ]
        .into_iter();
        let announced = group
            .to_repeat()
            .into_iter()
            .flat_map(|of| topics_of(id, of));
        let refused = group.turn_of(&group.refused_chunks);
        let refused =
            refused.map(|chunk| ReservedTopic::RefusedChunk(id, MemberNumber(chunk.first)));
        let lasting = lasting.chain(refused);
        plan.republish.extend(lasting.chain(announced).map(name));
        record::put(&mut plan.changes, group.key(), group)
    }
}
