//! State at readers: what they show of a sender on a topic never goes back, and counts only as long
//! as its keys do (spec/envelope.md §8, §9; threat model A25, A43, B2).

use std::collections::{BTreeMap, BTreeSet};

use super::device::Device;
use super::office::group;
use super::sealed::{Order, Received};
use super::successor::serial_of;
use super::world::World;

/// What a reader has shown, by the simulation's own count.
#[derive(Default, Clone)]
pub(super) struct Kept {
    /// The newest state, by sender and topic.
    pub(super) marks: BTreeMap<(usize, String), Order>,
    /// The newest will that came live, by sender: its credential, and when it was sealed.
    pub(super) wills: BTreeMap<usize, ((u32, u32), usize)>,
    /// What came as retained.
    pub(super) retained: BTreeSet<usize>,
}

impl World {
    /// A reader shows this: no state goes back, and no will comes live after a newer one.
    pub(super) fn check_kept(&mut self, device: usize, received: &Received, id: usize) {
        let message = &self.messages[id];
        assert_eq!(received.will, message.will, "{id} is a will, or is not");
        if !message.is_state() {
            assert!(
                !received.retained,
                "{device} accepts event {id} as retained"
            );
            return;
        }
        let late = message.at + u64::from(group().policy.will_age + group().policy.skew);
        let (sender, will, order) = (message.sender, message.will, message.order());
        let topic = message.topic.clone();
        let passing = (message.credential, message.turn);
        let how = if received.retained {
            "retained"
        } else {
            "live"
        };
        let is_orderly = self.is_orderly(sender);
        let this: &mut Device = &mut self.devices[device];
        if let Some(order) = order.filter(|_| is_orderly) {
            let mark = this.kept.marks.get(&(sender, topic.clone())).copied();
            let rises = mark.is_none_or(|mark| match received.retained {
                true => order >= mark,
                false => order > mark,
            });
            assert!(
                rises,
                "{device} accepts {id} of {sender} on {topic}, {how}: {order:?} after {mark:?}"
            );
            this.kept.marks.insert((sender, topic), order);
        }
        if received.retained {
            assert!(
                order.is_some(),
                "{device} accepts passing will {id} as retained"
            );
            this.kept.retained.insert(id);
        }
        if will && !received.retained {
            let newest = this.kept.wills.get(&sender).copied();
            assert!(
                newest < Some(passing) || !is_orderly,
                "{device} accepts will {id} of {sender} after {newest:?}"
            );
            this.kept.wills.insert(sender, passing);
            assert!(
                !this.has_clock || self.now / 1000 <= late,
                "{device} accepts will {id} after its age"
            );
        }
        if received.retained {
            this.reads.insert(id);
        }
        let what = if will { "wills" } else { "values" };
        self.seen.total(&format!("{what} accepted, {how}"));
        self.check_continued(device, id);
    }

    /// The delegation that a reader has taken continues what state rests on: nobody stole it.
    fn check_continued(&mut self, device: usize, id: usize) {
        // Who lost its state knows of none of them.
        if self.devices[device].put_back {
            return;
        }
        let message = &self.messages[id];
        let taken = self.devices[device].taken.0;
        let kept = serial_of(message.announcement.as_deref().unwrap());
        for (what, serial) in [("kept keys", kept), ("a credential", message.credential.0)] {
            assert!(
                self.published.delegations.continues(taken, serial),
                "{device} has taken delegation {taken} and accepts state {id} with {what} of \
                 {serial}, which that does not continue"
            );
            if serial < taken {
                self.seen
                    .total(&format!("state accepted with {what} of before a renewal"));
            }
        }
    }
}
