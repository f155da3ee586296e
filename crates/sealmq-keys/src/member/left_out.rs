//! An epoch without a key for this member: removed, or in need of a new welcome. The refused list
//! tells which (spec/keys.md §7).

use alloc::vec::Vec;

use sealmq_core::GroupId;
use sealmq_core::crypto::Digest;

use super::Member;
use super::event::MemberEvent;
use super::groups::Asking;
use super::types::Action;
use crate::announcement::UnverifiedAnnouncement;

/// The newest epoch that has no key for this member.
pub(super) struct LeftOut {
    pub(super) epoch: u64,
    /// The refused list that its announcement names.
    pub(super) list: Digest,
    /// Whether that list names this member; `None` until the list is there.
    pub(super) removed: Option<bool>,
    pub(super) asking: Asking,
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
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let known = group.left_out.as_ref().is_some_and(|l| l.epoch >= epoch);
        if known || epoch <= group.current_epoch() {
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
        });
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
        let epoch = left_out.epoch;
        let Some(lowest) = group.lowest_serial_in(&id, &left_out.list, member) else {
            return;
        };
        let removed = lowest > serial;
        if let Some(left_out) = &mut group.left_out {
            left_out.removed = Some(removed);
        }
        actions.push(Action::Event(if removed {
            MemberEvent::Removed { group: id, epoch }
        } else {
            // With new packages the authority can issue a welcome; nobody has to do anything.
            self.replenish = true;
            MemberEvent::NeedsWelcome { group: id, epoch }
        }));
    }
}
