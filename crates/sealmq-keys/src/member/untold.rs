//! Events that an operator has to hear of, whatever dies after the commit that they tell of: told
//! at least once.

use alloc::vec::Vec;

use sealmq_core::GroupId;
use serde::{Deserialize, Serialize};

use super::Member;
use super::event::MemberEvent;
use super::records;
use super::types::Action;
use crate::store::Changes;

/// That a group's keys were replaced, until that was told.
#[derive(Serialize, Deserialize)]
pub(super) struct RecoveredRecord {
    pub(super) epoch: u64,
    pub(super) replaced: Vec<u8>,
    pub(super) welcome: Vec<u8>,
}

/// Something durable that was told in this run of the program, or not yet.
pub(super) struct Untold {
    pub(super) record: RecoveredRecord,
    pub(super) told: bool,
}

impl RecoveredRecord {
    pub(super) fn event(&self, group: GroupId) -> MemberEvent {
        MemberEvent::Recovered {
            group,
            epoch: self.epoch,
            replaced: self.replaced.clone(),
            welcome: self.welcome.clone(),
        }
    }
}

impl Member {
    /// Tells what a run before may have left untold, and forgets what was told with the tick
    /// before: whoever carries out the actions has handed it on since.
    pub(super) fn tell_untold(&mut self, actions: &mut Vec<Action>) {
        let mut changes = Changes::new();
        for (id, group) in &mut self.groups {
            if let Some(left_out) = &mut group.left_out {
                actions.extend(left_out.untold(*id).map(Action::Event));
            }
            match &mut group.untold {
                Some(untold) if untold.told => {
                    changes.delete(records::recovered_key(id));
                    group.untold = None;
                }
                Some(untold) => {
                    untold.told = true;
                    actions.push(Action::Event(untold.record.event(*id)));
                }
                None => {}
            }
        }
        if !changes.is_empty() {
            actions.push(Action::Commit(changes));
        }
    }
}
