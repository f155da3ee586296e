//! How replay state gets into a store and back.

use super::debt::Due;
use super::sender::{SenderRecord, SenderSlot};
use super::state::ReplayState;
use super::topic::{TopicRecord, TopicSlot};
use super::{RECORD_KEY_LEN, Record, Table};

/// A change that a store has to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durable<const W: usize> {
    /// Put the record under its [key](Record::key).
    Put(Record<W>),
    /// Delete the record with this key: it was pushed out of a full table.
    Delete([u8; RECORD_KEY_LEN]),
}

impl<S: Table<SenderSlot<W>>, T: Table<TopicSlot>, const W: usize> ReplayState<S, T, W> {
    /// All records, for a full copy.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record<W>> + '_ {
        let senders = (0..self.senders.places()).filter_map(|place| {
            let record = self.senders.get(place)?.record.clone()?;
            Some(Record::Sender(record))
        });
        let topics = (0..self.topics.places())
            .filter_map(|place| Some(Record::Topic(self.topics.get(place)?.record?)));
        core::iter::once(Record::Floors(self.floors))
            .chain(senders)
            .chain(topics)
    }

    /// One change that was not handed out yet. Floors come before senders and these before
    /// topics, so that whatever is lost between two changes, the store refuses no less.
    pub(crate) fn next_dirty(&mut self) -> Option<Durable<W>> {
        if core::mem::take(&mut self.floors_dirty) {
            return Some(Durable::Put(Record::Floors(self.floors)));
        }
        self.next_sender().or_else(|| self.next_topic())
    }

    fn next_sender(&mut self) -> Option<Durable<W>> {
        loop {
            let index = self.sender_tally.next()?;
            let slot = self.senders.get_mut(index)?;
            let key = match slot.debt.settle(&mut self.sender_tally, index) {
                Some(Due::Changed) => {
                    return slot.record.clone().map(Record::Sender).map(Durable::Put);
                }
                Some(Due::Gone(key)) => key,
                None => continue,
            };
            // It may have come back; then what is stored is its own again.
            let Some(back) = self.find_sender(&key.group, key.member) else {
                return Some(Durable::Delete(key.record_key()));
            };
            if let Some(slot) = self.senders.get_mut(back) {
                slot.debt.set_stored();
            }
        }
    }

    fn next_topic(&mut self) -> Option<Durable<W>> {
        loop {
            let index = self.topic_tally.next()?;
            let slot = self.topics.get_mut(index)?;
            let key = match slot.debt.settle(&mut self.topic_tally, index) {
                Some(Due::Changed) => return slot.record.map(Record::Topic).map(Durable::Put),
                Some(Due::Gone(key)) => key,
                None => continue,
            };
            let Some(back) = self.find_topic(&key) else {
                return Some(Durable::Delete(key.record_key()));
            };
            if let Some(slot) = self.topics.get_mut(back) {
                slot.debt.set_stored();
            }
        }
    }

    /// Takes back a stored record. Nothing that is refused now becomes acceptable by it.
    pub(crate) fn restore(&mut self, record: Record<W>) {
        match record {
            Record::Floors(floors) => self.floors.raise(&floors),
            Record::Sender(stored) => self.restore_sender(stored),
            Record::Topic(stored) => self.restore_topic(&stored),
        }
    }

    fn restore_sender(&mut self, original: SenderRecord<W>) {
        let mut stored = original.clone();
        let known = self.sender(&stored.group, stored.member).cloned();
        if known.is_none() {
            // It may have been pushed out since it was stored.
            stored.raise(&self.raised);
        }
        let Some(index) = self.claim_sender(stored.group, stored.member, None) else {
            self.raise_floors(&stored.floors());
            return;
        };
        let Some(slot) = self.senders.get_mut(index) else {
            return;
        };
        slot.debt.set_stored();
        let Some(record) = slot.record.as_mut() else {
            return;
        };
        *record = match known {
            Some(known) => known.merged(&stored),
            None => stored,
        };
        if *record != original {
            slot.debt.change(&mut self.sender_tally, index);
        }
    }

    fn restore_topic(&mut self, stored: &TopicRecord) {
        let Some(mark) = stored.mark else { return };
        let known = self.topic(&stored.key());
        if self.in_use && known.is_none_or(|known| known.mark.is_none()) {
            // It may have been pushed out since it was stored, with a higher mark.
            self.forget_mark(&stored.key(), mark);
            return;
        }
        let Some(index) = self.claim_topic(&stored.key()) else {
            self.forget_mark(&stored.key(), mark);
            return;
        };
        let Some(slot) = self.topics.get_mut(index) else {
            return;
        };
        slot.debt.set_stored();
        let Some(record) = slot.record.as_mut() else {
            return;
        };
        if record.mark > Some(mark) {
            slot.debt.change(&mut self.topic_tally, index);
        } else {
            record.mark = Some(mark);
        }
    }
}
