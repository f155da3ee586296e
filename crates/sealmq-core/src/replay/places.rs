//! Who has a place in the tables, and who loses it when they are full.

use core::cmp::Reverse;
use core::mem;

use super::Table;
use super::debt::Tally;
use super::floors::Floors;
use super::probe::probe;
use super::sender::{SenderRecord, SenderSlot, sender_hash};
use super::state::ReplayState;
use super::topic::{Mark, TopicKey, TopicRecord, TopicSlot};
use crate::credential::CredentialOrder;
use crate::ids::{GroupId, MemberNumber};

impl<S: Table<SenderSlot<W>>, T: Table<TopicSlot>, const W: usize> ReplayState<S, T, W> {
    pub(crate) const fn sender_count(&self) -> usize {
        self.sender_tally.used
    }

    pub(crate) const fn topic_count(&self) -> usize {
        self.topic_tally.used
    }

    pub(crate) fn sender(&self, group: &GroupId, member: MemberNumber) -> Option<&SenderRecord<W>> {
        self.senders
            .as_ref()
            .get(self.find_sender(group, member)?)?
            .record
            .as_ref()
    }

    pub(super) fn find_sender(&self, group: &GroupId, member: MemberNumber) -> Option<usize> {
        let slots = self.senders.as_ref();
        for index in probe(sender_hash(group, member), slots.len()) {
            // Places are never freed, so nothing stands behind a free one.
            let record = slots.get(index)?.record.as_ref()?;
            if record.member == member && record.group == *group {
                return Some(index);
            }
        }
        None
    }

    pub(super) fn topic(&self, key: &TopicKey) -> Option<&TopicRecord> {
        self.topics
            .as_ref()
            .get(self.find_topic(key)?)?
            .record
            .as_ref()
    }

    pub(super) fn find_topic(&self, key: &TopicKey) -> Option<usize> {
        let slots = self.topics.as_ref();
        for index in probe(key.hash(), slots.len()) {
            if slots.get(index)?.record.as_ref()?.key() == *key {
                return Some(index);
            }
        }
        None
    }

    /// The sender's place, which may have been another's; its record is of `serial`.
    pub(super) fn claim_sender(
        &mut self,
        group: GroupId,
        member: MemberNumber,
        serial: CredentialOrder,
    ) -> Option<usize> {
        let index = match self.find_sender(&group, member) {
            Some(index) => index,
            None => self.clear_sender_place(&group, member)?,
        };
        let floors = self.floors;
        let record = &mut self.senders.as_mut().get_mut(index)?.record;
        if record.as_ref().is_none_or(|r| r.serial < serial) {
            let mut fresh = SenderRecord::new(group, member, serial);
            if record.is_none() {
                fresh.raise(&floors);
            }
            *record = Some(fresh);
        }
        Some(index)
    }

    /// A place for a sender that has none: a free one, or that of the sender without which the
    /// floors rise least.
    fn clear_sender_place(&mut self, group: &GroupId, member: MemberNumber) -> Option<usize> {
        let slots = self.senders.as_ref();
        let record = |i: usize| slots.get(i).and_then(|s| s.record.as_ref());
        let run = || probe(sender_hash(group, member), slots.len());
        if let Some(free) = run().find(|i| record(*i).is_none()) {
            self.sender_tally.one_more();
            return Some(free);
        }
        let index = run().min_by_key(|i| record(*i).map(SenderRecord::rank))?;
        let slot = self.senders.as_mut().get_mut(index)?;
        let out = slot.record.take()?;
        slot.debt.push_out(out.key(), &mut self.sender_tally, index);
        self.raise_floors(&out.floors());
        Some(index)
    }

    /// The place of a sender on a topic; its record is of `serial`.
    pub(super) fn claim_topic(&mut self, key: &TopicKey, serial: CredentialOrder) -> Option<usize> {
        let index = match self.find_topic(key) {
            Some(index) => index,
            None => self.clear_topic_place(key)?,
        };
        let floor = match self.sender(&key.group, key.member) {
            Some(sender) if sender.serial == serial => sender.retained_floor,
            Some(_) => (0, 0),
            None => self.floors.under(serial).retained,
        };
        let record = &mut self.topics.as_mut().get_mut(index)?.record;
        if record.as_ref().is_none_or(|r| r.serial < serial) {
            let mut fresh = TopicRecord::new(*key, serial);
            fresh.retained = floor;
            *record = Some(fresh);
        }
        Some(index)
    }

    /// A place for a topic that has none. Where all are taken, the member with the most of them
    /// gives one up, its record with the oldest value: whoever publishes on many topics pushes
    /// out itself before anybody who publishes on fewer (ATTACKS F2). Before all, records of an
    /// older delegation go, which refuse nothing any more.
    fn clear_topic_place(&mut self, key: &TopicKey) -> Option<usize> {
        let slots = self.topics.as_ref();
        let record = |i: usize| slots.get(i).and_then(|s| s.record.as_ref());
        let run = || probe(key.hash(), slots.len());
        if let Some(free) = run().find(|i| record(*i).is_none()) {
            self.topic_tally.one_more();
            return Some(free);
        }
        let share = |member: MemberNumber| {
            let others = run().filter_map(record);
            let taken = others.filter(|other| other.member == member).count();
            taken.saturating_add(usize::from(member == key.member))
        };
        let rank = |record: &TopicRecord| {
            let other = record.member != key.member;
            let share = Reverse(share(record.member));
            (record.serial.delegation, share, other, record.retained)
        };
        let index = run().min_by_key(|i| record(*i).map(rank))?;
        let slot = self.topics.as_mut().get_mut(index)?;
        let out = slot.record.take()?;
        slot.debt.push_out(out.key(), &mut self.topic_tally, index);
        if out.retained != (0, 0) {
            self.drop_mark(&out.key(), out.serial, &out.retained_mark());
        }
        Some(index)
    }

    /// Raises the mark of a topic. The value that it was, if it was shown, is from now on refused
    /// by its session's window.
    pub(super) fn raise_mark(&mut self, index: usize, mark: &Mark) {
        let Some(slot) = self.topics.as_mut().get_mut(index) else {
            return;
        };
        let Some(record) = slot.record.as_mut() else {
            return;
        };
        let before = record.retained_mark();
        let out = record.raise(mark);
        let (key, serial) = (record.key(), record.serial);
        if record.retained_mark() != before {
            slot.debt.change(&mut self.topic_tally, index);
        }
        if let Some(out) = out {
            self.enter(&key, serial, &out);
        }
    }

    /// Counts a value that was shown as accepted live, too.
    pub(super) fn enter(&mut self, key: &TopicKey, serial: CredentialOrder, mark: &Mark) {
        let Some(enc) = &mark.shown else { return };
        let (number, counter) = mark.order;
        let index = self.find_sender(&key.group, key.member);
        let slot = index.and_then(|i| self.senders.as_mut().get_mut(i).map(|slot| (i, slot)));
        if let Some((index, slot)) = slot
            && let Some(record) = slot.record.as_mut()
        {
            if record.serial == serial && record.is_new(enc, number, counter) {
                record.mark(enc, number, counter);
                slot.debt.change(&mut self.sender_tally, index);
            }
        } else {
            self.raise_floors(&Floors {
                delegation: serial.delegation,
                session: number,
                ..Floors::default()
            });
        }
    }

    /// A topic without a record: the floor of its sender stands for it, and the window.
    pub(super) fn drop_mark(&mut self, key: &TopicKey, serial: CredentialOrder, mark: &Mark) {
        self.enter(key, serial, mark);
        let order = mark.order;
        let index = self.find_sender(&key.group, key.member);
        let slot = index.and_then(|i| self.senders.as_mut().get_mut(i).map(|slot| (i, slot)));
        if let Some((index, slot)) = slot
            && let Some(record) = slot.record.as_mut()
        {
            // An older credential's values are refused by its serial.
            if record.serial == serial && record.retained_floor < order {
                record.retained_floor = order;
                slot.debt.change(&mut self.sender_tally, index);
            }
        } else {
            self.raise_floors(&Floors {
                delegation: serial.delegation,
                retained: order,
                ..Floors::default()
            });
        }
    }

    pub(super) fn raise_floors(&mut self, floors: &Floors) {
        self.raised.raise(floors);
        self.floors.raise(floors);
        self.floors_dirty = true;
    }

    /// Moves all records into other tables, which are empty.
    pub(crate) fn move_into(&mut self, senders: S, topics: T) {
        let mut senders = mem::replace(&mut self.senders, senders);
        let mut topics = mem::replace(&mut self.topics, topics);
        self.sender_tally = Tally::NONE;
        self.topic_tally = Tally::NONE;
        for from in senders.as_mut() {
            let Some(record) = from.record else {
                continue;
            };
            let index = self.clear_sender_place(&record.group, record.member);
            let to = index.and_then(|i| Some((i, self.senders.as_mut().get_mut(i)?)));
            if let Some((index, to)) = to {
                to.record = Some(record);
                to.debt
                    .take_over(mem::take(&mut from.debt), &mut self.sender_tally, index);
            } else {
                self.raise_floors(&record.floors());
            }
        }
        for from in topics.as_mut() {
            let Some(record) = from.record else {
                continue;
            };
            let key = record.key();
            let index = self.clear_topic_place(&key);
            let to = index.and_then(|i| Some((i, self.topics.as_mut().get_mut(i)?)));
            if let Some((index, to)) = to {
                to.record = Some(record);
                to.debt
                    .take_over(mem::take(&mut from.debt), &mut self.topic_tally, index);
            } else {
                self.drop_mark(&key, record.serial, &record.retained_mark());
            }
        }
    }
}
