use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;
use sealmq_core::GroupId;

/// Milliseconds for which messages wait for the acknowledgement of a record. After that they are
/// of the full form.
const PATIENCE: u64 = 5_000;

/// Who waits until the broker has the record of a session.
pub(super) struct RecordWaits {
    pub(super) is_on: bool,
    /// Records in the outbox.
    records: BTreeMap<GroupId, Bytes>,
    /// How long messages of a group wait.
    until: BTreeMap<GroupId, u64>,
    /// Places in the outbox.
    aside: Vec<(GroupId, u64)>,
}

impl RecordWaits {
    pub(super) const fn new(is_on: bool) -> Self {
        Self {
            is_on,
            records: BTreeMap::new(),
            until: BTreeMap::new(),
            aside: Vec::new(),
        }
    }

    /// A record is due: whether it has to be given to the outbox, which keeps it until the broker
    /// has it.
    pub(super) fn is_missing(&mut self, group: GroupId, record: &Bytes) -> bool {
        let before = self.records.insert(group, record.clone());
        before.as_ref() != Some(record)
    }

    /// Messages of the group begin to wait.
    pub(super) fn begin(&mut self, group: GroupId, uptime: u64) {
        self.until.insert(group, uptime.saturating_add(PATIENCE));
    }

    /// Whether messages of the group still wait.
    pub(super) fn has_patience(&self, group: GroupId, uptime: u64) -> bool {
        self.until.get(&group).is_some_and(|until| *until > uptime)
    }

    pub(super) fn wait(&mut self, group: GroupId, order: u64) {
        self.aside.push((group, order));
    }

    /// The broker has the record of a group, or does not take it.
    pub(super) fn settled(&mut self, group: GroupId) {
        self.records.remove(&group);
    }

    /// Nobody of this group waits any more: their places.
    pub(super) fn release(&mut self, group: GroupId) -> Vec<u64> {
        self.until.remove(&group);
        let released = self.aside.extract_if(.., |(of, _)| *of == group);
        released.map(|(_, order)| order).collect()
    }

    /// Groups whose patience is over.
    pub(super) fn over(&self, uptime: u64) -> Vec<GroupId> {
        let over = self.until.iter().filter(|(_, until)| **until <= uptime);
        over.map(|(group, _)| *group).collect()
    }

    /// Groups with a record on its way.
    pub(super) fn on_way(&self) -> Vec<GroupId> {
        self.records.keys().copied().collect()
    }

    /// When [`RecordWaits::over`] has something.
    pub(super) fn until(&self) -> Option<u64> {
        self.until.values().copied().min()
    }
}
