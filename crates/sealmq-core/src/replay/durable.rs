//! How replay state gets into a store and back.

use super::sender::{SenderRecord, SenderSlot};
use super::state::{Floors, ReplayState};
use super::topic::TopicSlot;
use super::{Record, Table};

/// How many records of a table are not durable yet, and where to look for one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dirty {
    pub(super) count: usize,
    pub(super) hint: usize,
}

impl Dirty {
    /// The next dirty index at or behind the hint; the caller clears its mark.
    fn take(&mut self, len: usize, is_dirty: impl Fn(usize) -> bool) -> Option<usize> {
        if self.count == 0 {
            return None;
        }
        let index = (self.hint..len)
            .chain(0..self.hint.min(len))
            .find(|&i| is_dirty(i))?;
        self.count = self.count.saturating_sub(1);
        self.hint = index;
        Some(index)
    }
}

pub(super) fn mark_dirty(mark: &mut bool, dirty: &mut Dirty, index: usize) {
    if !core::mem::replace(mark, true) {
        dirty.count = dirty.count.saturating_add(1);
    }
    dirty.hint = index;
}

impl<S: Table<SenderSlot<W>>, T: Table<TopicSlot>, const W: usize> ReplayState<S, T, W> {
    /// All records, for a full copy.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record<W>> + '_ {
        let senders = self
            .senders
            .as_ref()
            .iter()
            .filter_map(|s| s.record)
            .map(Record::Sender);
        let topics = self
            .topics
            .as_ref()
            .iter()
            .filter_map(|s| s.record)
            .map(Record::Topic);
        core::iter::once(Record::Floors(self.floors))
            .chain(senders)
            .chain(topics)
    }

    /// One record that changed since it was last handed out.
    pub(crate) fn next_dirty(&mut self) -> Option<Record<W>> {
        if core::mem::take(&mut self.floors_dirty) {
            return Some(Record::Floors(self.floors));
        }
        let senders = self.senders.as_mut();
        if let Some(index) = self
            .dirty_sender
            .take(senders.len(), |i| senders.get(i).is_some_and(|s| s.dirty))
        {
            let slot = senders.get_mut(index)?;
            slot.dirty = false;
            return slot.record.map(Record::Sender);
        }
        let topics = self.topics.as_mut();
        let index = self
            .dirty_topic
            .take(topics.len(), |i| topics.get(i).is_some_and(|s| s.dirty))?;
        let slot = topics.get_mut(index)?;
        slot.dirty = false;
        slot.record.map(Record::Topic)
    }

    /// Takes back a stored record. Nothing that is refused now becomes acceptable by it.
    pub(crate) fn restore(&mut self, record: Record<W>) {
        match record {
            Record::Floors(floors) => self.floors.raise(&floors),
            Record::Sender(stored) => self.restore_sender(stored),
            Record::Topic(stored) => {
                if let Some(index) = self.claim_topic(&stored.key(), stored.serial) {
                    let slot = self.topics.as_mut().get_mut(index);
                    if let Some(record) = slot.and_then(|s| s.record.as_mut())
                        && record.serial == stored.serial
                    {
                        record.retained = record.retained.max(stored.retained);
                    }
                } else {
                    self.raise_retained(&stored.key(), stored.retained);
                }
            }
        }
    }

    fn restore_sender(&mut self, stored: SenderRecord<W>) {
        let known = self.sender(&stored.group, stored.member).copied();
        let Some(index) = self.claim_sender(stored.group, stored.member, stored.serial) else {
            self.floors.raise(&Floors {
                session: stored.highest(),
                will: stored.will_floor,
                retained: stored.retained_floor,
            });
            return;
        };
        let slot = self.senders.as_mut().get_mut(index);
        let Some(record) = slot.and_then(|s| s.record.as_mut()) else {
            return;
        };
        match known {
            Some(known) if known.serial > stored.serial => {}
            Some(known) if known.serial == stored.serial => {
                // Used already: what was stored counts as seen as a whole.
                record.floor = record.floor.max(stored.highest());
                record.will_floor = record.will_floor.max(stored.will_floor);
                record.retained_floor = record.retained_floor.max(stored.retained_floor);
            }
            _ => *record = stored,
        }
    }
}
