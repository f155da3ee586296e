//! An epoch without a key for this member: removed, or in need of a new welcome. The refused list
//! tells which (spec/keys.md §7).

use alloc::vec::Vec;

use sealmq_core::GroupId;
use sealmq_core::crypto::Digest;

use super::Member;
use super::event::MemberEvent;
use super::records::{self, LeftOutRecord};
use super::types::Action;
use crate::announcement::UnverifiedAnnouncement;
use crate::asking::Asking;
use crate::store::Changes;

/// The newest epoch that has no key for this member.
pub(super) struct LeftOut {
    pub(super) epoch: u64,
    /// The refused list that its announcement names.
    pub(super) list: Digest,
    /// Whether that list names this member; `None` until the list is there.
    pub(super) removed: Option<bool>,
    pub(super) asking: Asking,
    /// Whether this run of the program has said so.
    told: bool,
    /// See [`LeftOutRecord::set`].
    set: u32,
}

impl LeftOut {
    /// What was stored under the delegation of this serial.
    pub(super) fn load(record: &LeftOutRecord, serial: u32) -> Option<Self> {
        (record.serial == serial).then(|| Self {
            epoch: record.epoch,
            list: record.list,
            removed: record.removed,
            asking: Asking::default(),
            told: false,
            set: record.set,
        })
    }

    /// What is known from a run before, and was not told in this one.
    pub(super) fn untold(&mut self, group: GroupId) -> Option<MemberEvent> {
        let event = self.event(group)?;
        (!core::mem::replace(&mut self.told, true)).then_some(event)
    }

    fn event(&self, group: GroupId) -> Option<MemberEvent> {
        let epoch = self.epoch;
        Some(if self.removed? {
            MemberEvent::Removed { group, epoch }
        } else {
            MemberEvent::NeedsWelcome { group, epoch }
        })
    }
}

impl Member {
    /// After a verified announcement had no key for this member.
    pub(super) fn left_out(
        &mut self,
        id: GroupId,
        epoch: u64,
        bytes: &[u8],
        actions: &mut Vec<Action>,
    ) {
        let Ok(announcement) = UnverifiedAnnouncement::decode(bytes) else {
            return;
        };
        let set = self.newest_set_number();
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        if let Some(known) = group.left_out.as_mut().filter(|l| l.epoch >= epoch) {
            let first = !core::mem::replace(&mut known.told, true);
            let event = known.event(id).filter(|_| first);
            actions.extend(event.map(Action::Event));
            return;
        }
        if epoch <= group.current_epoch() {
            return;
        }
        let before = group.left_out.take();
        let list = *announcement.refused();
        let same_list = before.filter(|before| before.list == list);
        group.left_out = Some(LeftOut {
            epoch,
            list,
            removed: same_list.and_then(|before| before.removed),
            asking: Asking::default(),
            told: true,
            set,
        });
        self.put_left_out(&id, actions);
        self.judge_left_out(id, actions);
    }

    /// Finds out which of the two it is, as soon as the refused list is there.
    pub(super) fn judge_left_out(&mut self, id: GroupId, actions: &mut Vec<Action>) {
        let (member, serial) = (self.own.member, self.own.serial);
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let Some(left_out) = group.left_out.as_ref().filter(|l| l.removed.is_none()) else {
            return;
        };
        let Some(named) = group.list_named(&id, &left_out.list) else {
            return;
        };
        let Some(lowest) = group.refusals.lowest_serial_in(&named, member) else {
            group.refusals.want_in(&named, member);
            return;
        };
        let removed = lowest > serial;
        let mut event = None;
        if let Some(left_out) = &mut group.left_out {
            (left_out.removed, left_out.told) = (Some(removed), true);
            event = left_out.event(id);
        }
        // With new packages the authority can issue a welcome; nobody has to do anything.
        self.replenish |= !removed;
        self.put_left_out(&id, actions);
        actions.extend(event.map(Action::Event));
    }

    /// Whether this member waits for a welcome, and has made no packages since it knows.
    pub(super) fn welcome_was_due(&self) -> bool {
        let set = self.newest_set_number();
        let groups = self.groups.values();
        let waiting = groups.filter(|group| group.is_left_out() == Some(false));
        let mut left_out = waiting.filter_map(|group| group.left_out.as_ref());
        left_out.any(|left_out| left_out.set >= set)
    }

    /// A member that is started again must not seal what it would not have sealed before.
    fn put_left_out(&self, id: &GroupId, actions: &mut Vec<Action>) {
        let group = self.groups.get(id);
        let Some(left_out) = group.and_then(|group| group.left_out.as_ref()) else {
            return;
        };
        let record = LeftOutRecord {
            serial: self.delegation.serial(),
            epoch: left_out.epoch,
            list: left_out.list,
            removed: left_out.removed,
            set: left_out.set,
        };
        let mut changes = Changes::new();
        // Fails for values only that cannot be.
        if records::put(&mut changes, records::left_out_key(id), &record).is_ok() {
            actions.push(Action::Commit(changes));
        }
    }
}
