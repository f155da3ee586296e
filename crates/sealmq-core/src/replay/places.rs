//! Who has a place in the tables, and who loses it when they are full.

use core::cmp::Reverse;

use super::Table;
use super::floors::Floors;
use super::place::Place;
use super::probe::sender_hash;
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
        let place = self.find_sender(group, member)?;
        self.senders.get(place)?.record.as_ref()
    }

    pub(super) fn find_sender(&self, group: &GroupId, member: MemberNumber) -> Option<usize> {
        for place in self.senders.candidates(sender_hash(group, member)) {
            // Places are never freed, so nothing stands behind a free one.
            let record = self.senders.get(place)?.record.as_ref()?;
            if record.member == member && record.group == *group {
                return Some(place);
            }
        }
        None
    }

    pub(super) fn topic(&self, key: &TopicKey) -> Option<&TopicRecord> {
        let place = self.find_topic(key)?;
        self.topics.get(place)?.record.as_ref()
    }

    pub(super) fn find_topic(&self, key: &TopicKey) -> Option<usize> {
        for place in self.topics.candidates(key.hash()) {
            if self.topics.get(place)?.record.as_ref()?.key() == *key {
                return Some(place);
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
        self.fill_sender_place(index, group, member);
        let record = self.senders.get_mut(index)?.record.as_mut()?;
        if let Some(serial) = events {
            record.advance(serial);
        }
        Some(index)
    }

    /// Where there is no record, there is a new one afterwards.
    fn fill_sender_place(&mut self, index: usize, group: GroupId, member: MemberNumber) {
        let floors = self.floors;
        if let Some(slot) = self.senders.get_mut(index) {
            slot.record.get_or_insert_with(|| {
                let mut fresh = SenderRecord::new(group, member);
                fresh.raise(&floors);
                fresh
            });
        }
    }

    /// A free place for a sender that has none.
    fn free_sender_place(&mut self, group: &GroupId, member: MemberNumber) -> Option<usize> {
        let hash = sender_hash(group, member);
        let place = self.senders.free(hash, |slot| slot.record.is_none())?;
        self.sender_tally.one_more();
        Some(place)
    }

    /// A place for a sender that has none: a free one, or that of the sender without which the
    /// floors rise least.
    fn clear_sender_place(&mut self, group: &GroupId, member: MemberNumber) -> Option<usize> {
        if let Some(free) = self.free_sender_place(group, member) {
            return Some(free);
        }
        let hash = sender_hash(group, member);
        let rank = |i: &usize| Some(self.senders.get(*i)?.record.as_ref()?.rank());
        let index = self.senders.rivals(hash).min_by_key(rank)?;
        let slot = self.senders.get_mut(index)?;
        let out = slot.record.take()?;
        slot.debt.push_out(out.key(), &mut self.sender_tally, index);
        let before = sender_hash(&out.group, out.member);
        self.senders.replaced(index, before, hash);
        self.raise_floors(&out.floors());
        Some(index)
    }

    /// The place of a sender on a topic, which may have been another's.
    pub(super) fn claim_topic(&mut self, key: &TopicKey) -> Option<usize> {
        let index = match self.find_topic(key) {
            Some(index) => index,
            None => self.clear_topic_place(key)?,
        };
        let record = &mut self.topics.get_mut(index)?.record;
        record.get_or_insert_with(|| TopicRecord::new(*key));
        Some(index)
    }

    /// A place for a topic that has none. Where all are taken, the member with the most of them
    /// gives one up, its record with the oldest value: whoever publishes on many topics pushes
    /// out itself before anybody who publishes on fewer (threat model F2). Before all, records go that
    /// are for reports only.
    fn clear_topic_place(&mut self, key: &TopicKey) -> Option<usize> {
        let hash = key.hash();
        if let Some(free) = self.topics.free(hash, |slot| slot.record.is_none()) {
            self.topic_tally.one_more();
            return Some(free);
        }
        let record = |i: usize| self.topics.get(i).and_then(|s| s.record.as_ref());
        let run = || self.topics.rivals(hash);
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
        let slot = self.topics.get_mut(index)?;
        let out = slot.record.take()?;
        slot.debt.push_out(out.key(), &mut self.topic_tally, index);
        self.topics.replaced(index, out.key().hash(), hash);
        if let Some(mark) = out.mark {
            self.forget_mark(&out.key(), mark);
        }
        Some(index)
    }

    /// Raises the mark of a topic.
    pub(super) fn raise_mark(&mut self, index: usize, place: Place) {
        if let Some(slot) = self.topics.get_mut(index)
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
        let index = match self.find_sender(&group, member) {
            Some(index) => Some(index),
            None => {
                let free = self.free_sender_place(&group, member);
                free.inspect(|index| self.fill_sender_place(*index, group, member))
            }
        };
        let slot = index.and_then(|i| Some((i, self.senders.get_mut(i)?)));
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
}
