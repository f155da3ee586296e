//! What is due by time.

use alloc::vec::Vec;

use sealmq_core::open::Rejection;

use super::Member;
use super::event::MemberEvent;
use super::left_out::LeftOut;
use super::refusals::fetch_refused;
use super::types::{Action, Now};
use crate::reserved::ReservedTopic;

impl Member {
    /// What is due by time: waits that are over, snapshots of the replay windows (at most one per
    /// second), asking again for what is missing. Call it about once a second.
    pub fn tick(&mut self, now: Now) -> Vec<Action> {
        let mut actions = Vec::new();
        self.report_clock(now, &mut actions);
        self.tell_untold(&mut actions);
        let now = self.clock(now);
        self.retry(now, &mut actions, |cause| matches!(cause, Rejection::Busy));
        for (ticket, waiting) in self.pending.expire(now.or(self.uptime)) {
            self.give_up(ticket, waiting, &mut actions);
        }
        self.count_waiting();
        if let Some(changes) = self.reader.tick(now) {
            actions.push(Action::Commit(changes));
        }
        self.publish_reports(now, &mut actions);
        self.peers.tick(now.or(self.uptime));
        self.ask_peers(&mut actions);
        self.ask_for_records(now, &mut actions);
        self.ask_for_awaited(now, &mut actions);
        self.report_no_leases(now, &mut actions);
        let serial = self.delegation.serial();
        for (id, group) in &mut self.groups {
            // Its welcome may be one of an older delegation, to a generation that has ended.
            if group.lacks_welcome(serial) && group.asking_welcome.is_due(now) {
                group.packages_under = serial;
                self.replenish = true;
            }
            if let Some(wanted) = group.wanted
                && group.asking_wanted.is_due(now)
            {
                let topic = ReservedTopic::Announcement(*id, wanted.epoch).name(&self.prefix);
                actions.push(Action::Subscribe(topic));
            }
            for (epoch, n) in group.chunks.due(now) {
                let topic = ReservedTopic::Chunk(*id, epoch, n).name(&self.prefix);
                actions.push(Action::Subscribe(topic));
            }
            let first = !group.leases.asking_behind.has_begun();
            // Of an epoch that leaves this member out the announcement is there.
            let is_there = |epoch| group.left_out.as_ref().is_some_and(|l| l.epoch >= epoch);
            if let Some(epoch) = group.leases.behind
                && !is_there(epoch)
                && group.leases.asking_behind.is_due(now)
            {
                let group = *id;
                if first {
                    actions.push(Action::Event(MemberEvent::Behind { group, epoch }));
                }
                let topic = ReservedTopic::Announcement(*id, epoch).name(&self.prefix);
                actions.push(Action::Subscribe(topic));
            }
            fetch_refused(&self.prefix, *id, &mut group.refusals, now, &mut actions);
            let undecided = |left_out: &LeftOut| left_out.removed.is_none();
            let list = group.current().is_some() && !group.refused_is_known();
            if (list && group.refusals.asking.is_due(now))
                || (group.left_out.as_ref().is_some_and(undecided)
                    && group
                        .left_out
                        .as_mut()
                        .is_some_and(|l| l.asking.is_due(now)))
            {
                let topic = ReservedTopic::RefusedList(*id).name(&self.prefix);
                actions.push(Action::Subscribe(topic));
            }
        }
        actions
    }
}
