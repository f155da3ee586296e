//! What counts of an older delegation after a newer one was taken (spec/keys.md §3).
//!
//! A thief of the authority's keys signs for as long as it likes. So what a key of an older
//! delegation signed ends with that delegation, and at once if the newer one does not list the key
//! any more: nothing tells a recovery from a renewal with new keys, and nothing has to.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use sealmq_core::GroupId;
use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::{ObjectError, Role};

use super::Member;
use super::event::MemberEvent;
use super::groups::Group;
use super::kept::Kept;
use super::types::Action;
use crate::delegation::VerifiedDelegation;
use crate::reserved::member_filter;

/// Older delegations under which the newest announcement of some group was signed, by serial.
#[derive(Default, Clone)]
pub(super) struct Past(BTreeMap<u32, (VerifiedDelegation, Kept)>);

impl Past {
    pub(super) fn load(objects: &[Kept], root: &VerifyingKey) -> Result<Self, ObjectError> {
        let mut past = Self::default();
        for object in objects {
            past.insert(object.delegation(root)?, object.clone());
        }
        Ok(past)
    }

    pub(super) fn objects(&self) -> Vec<Kept> {
        self.0.values().map(|(_, object)| object.clone()).collect()
    }

    fn insert(&mut self, delegation: VerifiedDelegation, object: Kept) {
        self.0.insert(delegation.serial(), (delegation, object));
    }

    /// Until when a group's keys count under `current`; `None`: not until an announcement of the
    /// current serial has been followed. A group without any announcement has no keys either.
    pub(super) fn end_of(&self, group: &Group, current: &VerifiedDelegation) -> Option<u64> {
        let (serial, signer) = group.state.as_ref()?.signed_by()?;
        if serial == current.serial() {
            return Some(current.not_after());
        }
        let (signed_under, _) = self.0.get(&serial)?;
        signed_under.end_under(current, signer, Role::Groups)
    }

    /// Whether a group has keys that wait for an announcement of the current delegation.
    pub(super) fn awaits(&self, group: &Group, current: &VerifiedDelegation) -> bool {
        group.is_started() && self.end_of(group, current).is_none()
    }
}

impl Member {
    /// The older delegations that are still needed under `next`.
    pub(super) fn past_under(&self, next: &VerifiedDelegation) -> Past {
        let mut past = self.past.clone();
        past.insert(self.delegation.clone(), self.delegation_object.clone());
        let counting: Vec<u32> = self
            .groups
            .values()
            .filter(|group| !past.awaits(group, next))
            .filter_map(|group| group.state.as_ref()?.serial())
            .collect();
        past.0.retain(|serial, _| counting.contains(serial));
        past
    }

    /// Whether a group has keys that wait for an announcement of the current delegation.
    pub(super) fn awaits_announcement(&self, group: &Group) -> bool {
        self.past.awaits(group, &self.delegation)
    }

    /// Until when the own credential counts; `None`: not until one of the current serial came.
    pub(super) fn own_end(&self) -> Option<u64> {
        if self.own.is_old {
            return None;
        }
        let signer = self.own.signer;
        let end = self
            .own_issuer
            .end_under(&self.delegation, signer, Role::Issue)?;
        Some(end.min(self.own.not_after))
    }

    /// Whether the own credential does not count until the current delegation's comes.
    #[must_use]
    pub fn awaits_credential(&self) -> bool {
        self.own_end().is_none()
    }

    /// After a new delegation was taken: says what waits for it, and asks for that. It may have
    /// come before the delegation, and was refused then.
    pub(super) fn report_awaited(&mut self, actions: &mut Vec<Action>) {
        let serial = self.delegation.serial();
        let waiting = self.groups.iter();
        let waiting = waiting.filter(|(_, group)| self.awaits_announcement(group));
        let waiting: Vec<GroupId> = waiting.map(|(id, _)| *id).collect();
        for group in waiting {
            actions.push(Action::Event(MemberEvent::AwaitsAnnouncement {
                group,
                serial,
            }));
        }
        if self.own_end().is_none() {
            actions.push(Action::Event(MemberEvent::AwaitsCredential { serial }));
        }
        for group in self.groups.values_mut() {
            group.asking_successor.reset();
        }
        self.asking_credential.reset();
    }

    /// Asks again for what a new delegation made due.
    pub(super) fn ask_for_awaited(&mut self, now: super::Now, actions: &mut Vec<Action>) {
        let (past, delegation) = (&self.past, &self.delegation);
        let mut due = Vec::new();
        for (id, group) in &mut self.groups {
            if past.awaits(group, delegation) && group.asking_successor.is_due(now) {
                due.push(*id);
            }
        }
        for id in due {
            let filters = self.group_subscriptions(&id);
            actions.extend(filters.into_iter().map(Action::Subscribe));
        }
        // Under a delegation with the same keys the own one goes on; others know the next one already.
        let is_behind = self.own.delegation_serial < self.delegation.serial();
        if (is_behind || self.own_end().is_none()) && self.asking_credential.is_due(now) {
            let filter = member_filter(&self.prefix, self.number());
            actions.push(Action::Subscribe(filter));
        }
    }
}
