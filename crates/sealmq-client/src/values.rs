//! The application's own retained values. They are sealed again when the keys for state change, so
//! that they open for whoever subscribes later (spec/keys.md §7, "Kept keys").

mod record;

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::crypto::Digest;
use sealmq_keys::{Changes, Store};

use crate::draft::Draft;
use crate::error::OpenError;
use crate::time::Time;

/// How many of its own retained values a client keeps, to seal them again. Where there is no room
/// for all, the ones that were published longest ago are forgotten: those the application has to
/// publish again itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptValues {
    /// Topics.
    pub count: usize,
    /// Bytes of topics and payloads in all.
    pub bytes: usize,
    /// They are kept in the store, too, so that the program knows them after a restart: each
    /// retained publish is then a commit. Those with an expiry are not.
    pub stored: bool,
}

impl Default for KeptValues {
    fn default() -> Self {
        Self {
            count: 1024,
            bytes: 1 << 20,
            stored: false,
        }
    }
}

struct Value {
    draft: Draft,
    /// Names the kept keys that it was last sealed under; `None` if that does not count any more.
    kept: Option<Digest>,
    is_queued: bool,
    /// The broker has what was last sealed.
    has_arrived: bool,
    /// The broker refused it on this connection.
    is_refused: bool,
    order: u64,
    /// Until when it has a value, in ms of the uptime.
    until: Option<u64>,
}

const NONE: KeptValues = KeptValues {
    count: 0,
    bytes: 0,
    stored: false,
};

/// The newest value of each topic.
pub(crate) struct Values {
    most: KeptValues,
    bytes: usize,
    next: u64,
    by_topic: BTreeMap<String, Value>,
    by_age: BTreeMap<u64, String>,
}

impl Values {
    /// `None`: nothing is kept.
    pub(crate) fn new(most: Option<KeptValues>) -> Self {
        Self {
            most: most.unwrap_or(NONE),
            bytes: 0,
            next: 0,
            by_topic: BTreeMap::new(),
            by_age: BTreeMap::new(),
        }
    }

    /// With what an earlier process stored, as far as there is room for it now; the changes delete
    /// the rest, which nobody would keep up to date.
    pub(crate) fn load<S: Store>(
        most: Option<KeptValues>,
        store: &S,
    ) -> Result<(Self, Changes), OpenError> {
        let mut values = Self::new(most);
        let mut changes = Changes::new();
        if !values.most.stored {
            record::delete_all(store, &mut changes)?;
            return Ok((values, changes));
        }
        for (order, record) in record::load(store)? {
            values.next = values.next.max(order);
            let kept = record.kept.map(Digest);
            values.insert(record.draft()?, kept, None, order);
            values.make_room(&mut changes);
        }
        values.next = values.next.saturating_add(1);
        Ok((values, changes))
    }

    /// A value was sealed under kept keys of this name: it is the newest of its topic. What names
    /// it from then on, if it is kept.
    pub(crate) fn sealed(
        &mut self,
        draft: &Draft,
        kept: Option<Digest>,
        time: Time,
        changes: &mut Changes,
    ) -> Option<u64> {
        self.forget(&draft.topic, changes);
        let size = draft.smallest_size();
        if self.most.count == 0 || size > self.most.bytes {
            return None;
        }
        let order = self.next;
        self.next = order.saturating_add(1);
        let until = draft.properties.expiry.map(|seconds| {
            let ms = u64::from(seconds).saturating_mul(1000);
            time.after(ms)
        });
        if self.most.stored && until.is_none() {
            // Under none, until the broker has it: a process that starts in between seals it again.
            record::put(draft, None, order, changes);
        }
        self.insert(draft.clone(), kept, until, order);
        if let Some(value) = self.by_topic.get_mut(&draft.topic) {
            value.has_arrived = false;
        }
        self.make_room(changes);
        Some(order)
    }

    fn make_room(&mut self, changes: &mut Changes) {
        while (self.by_topic.len() > self.most.count || self.bytes > self.most.bytes)
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.forget(&oldest, changes);
        }
    }

    /// The broker has the value that was sealed with this order.
    pub(crate) fn arrived(&mut self, order: u64, changes: &mut Changes) {
        let stored = self.most.stored;
        let Some(value) = self.of_order(order) else {
            return;
        };
        value.has_arrived = true;
        if stored && value.until.is_none() {
            record::put(&value.draft, value.kept, order, changes);
        }
    }

    /// The broker refused to take it again: the next connection is the next try.
    pub(crate) fn refused(&mut self, order: u64) {
        if let Some(value) = self.of_order(order) {
            (value.kept, value.is_refused) = (None, true);
        }
    }

    /// A connection begins. With a will, what was sealed on the one before and may not have
    /// arrived ranks below the will of that (spec/envelope.md §8): it is due again.
    pub(crate) fn connected(&mut self, has_will: bool) {
        for value in self.by_topic.values_mut() {
            value.is_refused = false;
            if has_will && !value.has_arrived {
                value.kept = None;
            }
        }
    }

    fn of_order(&mut self, order: u64) -> Option<&mut Value> {
        self.by_topic.get_mut(self.by_age.get(&order)?)
    }

    fn insert(&mut self, draft: Draft, kept: Option<Digest>, until: Option<u64>, order: u64) {
        self.bytes = self.bytes.saturating_add(draft.smallest_size());
        self.by_age.insert(order, draft.topic.clone());
        let topic = draft.topic.clone();
        let value = Value {
            draft,
            kept,
            is_queued: false,
            has_arrived: true,
            is_refused: false,
            order,
            until,
        };
        self.by_topic.insert(topic, value);
    }

    /// The topic has no value of this client any more.
    pub(crate) fn forget(&mut self, topic: &str, changes: &mut Changes) {
        if let Some(value) = self.by_topic.remove(topic) {
            self.by_age.remove(&value.order);
            self.bytes = self.bytes.saturating_sub(value.draft.smallest_size());
            if self.most.stored {
                record::delete(topic, changes);
            }
        }
    }

    /// The topics whose values have to be sealed again: `current` names the kept keys of a topic,
    /// if there are some. They count as queued.
    pub(crate) fn take_due(&mut self, current: impl Fn(&str) -> Option<Digest>) -> Vec<String> {
        let mut due = Vec::new();
        for (topic, value) in &mut self.by_topic {
            let current = current(topic);
            let is_due = current.is_some() && current != value.kept;
            if is_due && !value.is_queued && !value.is_refused {
                value.is_queued = true;
                due.push((value.order, topic.to_owned()));
            }
        }
        due.sort_unstable();
        due.into_iter().map(|(_, topic)| topic).collect()
    }

    /// It could not be sealed: it is due again with the next change.
    pub(crate) fn put_back(&mut self, topic: &str) {
        if let Some(value) = self.by_topic.get_mut(topic) {
            value.is_queued = false;
        }
    }

    /// The value of a topic whose turn has come, with what is left of its time; `None` if another
    /// one was sealed since, or its time is over.
    pub(crate) fn queued(&self, topic: &str, time: Time) -> Option<Draft> {
        let value = self.by_topic.get(topic).filter(|value| value.is_queued)?;
        let mut draft = value.draft.clone();
        if let Some(until) = value.until {
            let left = until.saturating_sub(time.uptime) / 1000;
            draft.properties.expiry = Some(u32::try_from(left).ok().filter(|left| *left > 0)?);
        }
        Some(draft)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString as _;
    use alloc::vec;
    use bytes::Bytes;

    const OLD: Option<Digest> = Some(Digest([1; 32]));
    const NEW: Option<Digest> = Some(Digest([2; 32]));

    fn at(uptime: u64) -> Time {
        Time::without_clock(uptime)
    }

    #[test]
    fn one_with_an_expiry_lives_no_longer_for_being_sealed_again() {
        let mut values = Values::new(Some(KeptValues::default()));
        let mut short = draft("a", 1);
        short.properties.expiry = Some(60);
        values.sealed(&short, OLD, at(5_000), &mut Changes::new());
        assert_eq!(values.take_due(|_| NEW), ["a"]);
        let left = |now| {
            values
                .queued("a", at(now))
                .map(|draft| draft.properties.expiry)
        };
        assert_eq!(left(25_000), Some(Some(40)));
        assert_eq!(left(64_000), Some(Some(1)));
        assert_eq!(left(64_001), None);
        assert_eq!(left(70_000), None);
    }

    fn draft(topic: &str, payload: usize) -> Draft {
        let mut draft = Draft::new(topic.to_string(), Bytes::from(vec![7; payload])).unwrap();
        draft.retain = true;
        draft
    }

    #[test]
    fn each_topic_is_due_once_for_each_change() {
        let mut values = Values::new(Some(KeptValues::default()));
        let c = &mut Changes::new();
        values.sealed(&draft("b", 1), OLD, at(0), c);
        values.sealed(&draft("a", 1), OLD, at(0), c);
        assert!(values.take_due(|_| OLD).is_empty());
        assert!(values.take_due(|_| None).is_empty(), "no keys: not yet");
        assert_eq!(values.take_due(|_| NEW), ["b", "a"], "in their order");
        assert!(values.take_due(|_| NEW).is_empty());
        assert!(values.queued("a", at(0)).is_some());
        values.sealed(&draft("b", 2), NEW, at(0), c);
        assert!(values.queued("b", at(0)).is_none(), "sealed since");
        values.put_back("a");
        assert_eq!(values.take_due(|_| NEW), ["a"]);
        values.forget("a", c);
        assert!(values.queued("a", at(0)).is_none());
    }

    #[test]
    fn the_oldest_are_forgotten_by_count_and_bytes() {
        let mut values = Values::new(Some(KeptValues {
            count: 3,
            bytes: 100,
            stored: false,
        }));
        let c = &mut Changes::new();
        for i in 0..5 {
            values.sealed(&draft(&format!("t{i}"), 10), OLD, at(0), c);
        }
        let left: Vec<String> = values.by_topic.keys().cloned().collect();
        assert_eq!(left, ["t2", "t3", "t4"]);
        // Published again, it is the newest.
        values.sealed(&draft("t2", 10), OLD, at(0), c);
        values.sealed(&draft("t5", 80), OLD, at(0), c);
        let left: Vec<String> = values.by_topic.keys().cloned().collect();
        assert_eq!(left, ["t2", "t5"]);
        assert_eq!(values.bytes, 12 + 82);
        values.sealed(&draft("huge", 100), OLD, at(0), c);
        assert!(!values.by_topic.contains_key("huge"));
        let mut none = Values::new(None);
        none.sealed(&draft("t", 1), OLD, at(0), c);
        assert!(none.by_topic.is_empty());
    }
}
