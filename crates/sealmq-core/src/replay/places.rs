//! Who has a place in the tables, and who loses it when they are full.

use core::cmp::Reverse;
use core::mem;

use super::Table;
use super::debt::Tally;
use super::floors::Floors;
use super::place::Place;
use super::probe::{probe, sender_hash};
use super::sender::{SenderRecord, SenderSlot};
use super::state::ReplayState;
use super::topic::{TopicKey, TopicRecord, TopicSlot};
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

    /// The sender's place, which may have been another's; with `events`, its windows are of that
    /// credential or a higher one.
    pub(super) fn claim_sender(
        &mut self,
        group: GroupId,
        member: MemberNumber,
        events: Option<CredentialOrder>,
    ) -> Option<usize> {
        let index = match self.find_sender(&group, member) {
            Some(index) => index,
            None => self.clear_sender_place(&group, member)?,
        };
        let floors = self.floors;
        let record = &mut self.senders.as_mut().get_mut(index)?.record;
        let record = record.get_or_insert_with(|| {
            let mut fresh = SenderRecord::new(group, member);
            fresh.raise(&floors);
            fresh
        });
        if let Some(serial) = events {
            record.advance(serial);
        }
        Some(index)
    }

    /// A free place in which the sender would be found.
    fn free_sender_place(&self, group: &GroupId, member: MemberNumber) -> Option<usize> {
        let slots = self.senders.as_ref();
        let is_free = |i: &usize| slots.get(*i).is_some_and(|slot| slot.record.is_none());
        probe(sender_hash(group, member), slots.len()).find(is_free)
    }

    /// A place for a sender that has none: a free one, or that of the sender without which the
    /// floors rise least.
    fn clear_sender_place(&mut self, group: &GroupId, member: MemberNumber) -> Option<usize> {
        if let Some(free) = self.free_sender_place(group, member) {
            self.sender_tally.one_more();
            return Some(free);
        }
        let slots = self.senders.as_ref();
        let rank = |i: &usize| Some(slots.get(*i)?.record.as_ref()?.rank());
        let index = probe(sender_hash(group, member), slots.len()).min_by_key(rank)?;
        let slot = self.senders.as_mut().get_mut(index)?;
        let out = slot.record.take()?;
        slot.debt.push_out(out.key(), &mut self.sender_tally, index);
        self.raise_floors(&out.floors());
        Some(index)
    }

    /// The place of a sender on a topic, which may have been another's.
    pub(super) fn claim_topic(&mut self, key: &TopicKey) -> Option<usize> {
        let index = match self.find_topic(key) {
            Some(index) => index,
            None => self.clear_topic_place(key)?,
        };
        let record = &mut self.topics.as_mut().get_mut(index)?.record;
        record.get_or_insert_with(|| TopicRecord::new(*key));
        Some(index)
    }

    /// A place for a topic that has none. Where all are taken, the member with the most of them
    /// gives one up, its record with the oldest value: whoever publishes on many topics pushes
    /// out itself before anybody who publishes on fewer (threat model F2). Before all, records go that
    /// are for reports only.
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
            (record.mark.is_some(), share, other, record.mark)
        };
        let index = run().min_by_key(|i| record(*i).map(rank))?;
        let slot = self.topics.as_mut().get_mut(index)?;
        let out = slot.record.take()?;
        slot.debt.push_out(out.key(), &mut self.topic_tally, index);
        if let Some(mark) = out.mark {
            self.forget_mark(&out.key(), mark);
        }
        Some(index)
    }

    /// Raises the mark of a topic.
    pub(super) fn raise_mark(&mut self, index: usize, place: Place) {
        if let Some(slot) = self.topics.as_mut().get_mut(index)
            && let Some(record) = slot.record.as_mut()
            && record.mark < Some(place)
        {
            record.mark = Some(place);
            slot.debt.change(&mut self.topic_tally, index);
        }
    }

    /// A topic without a record: what is remembered of its sender stands for it. No other sender
    /// gives up its place for this, because windows are not to end by state.
    pub(super) fn forget_mark(&mut self, key: &TopicKey, place: Place) {
        let (group, member) = (key.group, key.member);
        let has_place = self.find_sender(&group, member).is_some()
            || self.free_sender_place(&group, member).is_some();
        let index = has_place.then(|| self.claim_sender(group, member, None));
        let index = index.flatten();
        let slot = index.and_then(|i| Some((i, self.senders.as_mut().get_mut(i)?)));
        if let Some((index, slot)) = slot
            && let Some(record) = slot.record.as_mut()
        {
            if record.forgotten < Some(place) {
                record.forgotten = Some(place);
                slot.debt.change(&mut self.sender_tally, index);
            }
        } else {
            self.raise_floors(&Floors::of_state(&place));
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
                if let Some(mark) = record.mark {
                    self.forget_mark(&key, mark);
                }
            }
        }
    }
}
