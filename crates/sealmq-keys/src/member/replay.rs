//! The receiver of `sealmq-core` over tables of this member, and its durable copy.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::open::{DecapsulationLimit, KeySlot, Receiver};
use sealmq_core::replay::{Record, SenderSlot, TopicSlot};

use super::MemberError;
use super::records;
use super::types::{MemberOptions, Now};
use crate::store::{Changes, Store};

/// Words of a replay window: 1024 counters.
const WORDS: usize = 16;

/// Milliseconds between snapshots while messages arrive.
const FLUSH_EVERY: u64 = 1_000;

pub(super) type HostReceiver =
    Receiver<Box<[SenderSlot<WORDS>]>, Box<[TopicSlot]>, Box<[KeySlot]>, WORDS>;

/// Opens envelopes, and says when the replay state has to be stored.
pub(super) struct Reader {
    pub(super) receiver: HostReceiver,
    every: u32,
    unsaved: u32,
    saved_at: Now,
}

impl Reader {
    pub(super) fn load<S: Store>(store: &S, options: &MemberOptions) -> Result<Self, MemberError> {
        let mut stored = Vec::new();
        for (key, value) in records::list(store, records::REPLAY_PREFIX)? {
            let record = Record::<WORDS>::decode(records::body(&key, &value)?);
            stored.push(record.map_err(|_| MemberError::Record(key.clone()))?);
        }
        let count = |kind: fn(&Record<WORDS>) -> bool| stored.iter().filter(|r| kind(r)).count();
        let senders = count(|r| matches!(r, Record::Sender(_))).max(options.max_senders);
        let topics = count(|r| matches!(r, Record::Topic(_))).max(options.max_topics);
        let mut receiver = HostReceiver::new(
            table(senders, || SenderSlot::EMPTY),
            table(topics, || TopicSlot::EMPTY),
            table(options.max_sessions, || KeySlot::EMPTY),
            DecapsulationLimit::default(),
        );
        stored
            .into_iter()
            .for_each(|record| receiver.restore(record));
        let every = options.replay_persist_every.max(1);
        Ok(Self {
            receiver,
            every,
            unsaved: 0,
            saved_at: None,
        })
    }

    /// Counts an accepted message; the snapshot that is due now, if one is.
    pub(super) fn accepted(&mut self, now: Now) -> Option<Changes> {
        self.unsaved = self.unsaved.saturating_add(1);
        (self.unsaved >= self.every).then(|| self.snapshot(now))
    }

    /// The snapshot that is due by time, if one is.
    pub(super) fn tick(&mut self, now: Now) -> Option<Changes> {
        let waits = self
            .saved_at
            .zip(now)
            .is_some_and(|(saved, now)| now >= saved && now.saturating_sub(saved) < FLUSH_EVERY);
        (self.unsaved > 0 && !waits).then(|| self.snapshot(now))
    }

    /// Everything that is not stored yet.
    pub(super) fn snapshot(&mut self, now: Now) -> Changes {
        let mut changes = Changes::new();
        let mut buffer = [0; Record::<WORDS>::MAX_LEN];
        while let Some(record) = self.receiver.next_dirty() {
            // The buffer takes the longest record.
            let len = record.encode(&mut buffer).unwrap_or_default();
            let bytes = buffer.get(..len).unwrap_or_default();
            records::put_bytes(&mut changes, replay_key(&record), bytes);
        }
        self.unsaved = 0;
        self.saved_at = now;
        changes
    }
}

fn replay_key(record: &Record<WORDS>) -> String {
    let mut key = String::from(records::REPLAY_PREFIX);
    for byte in record.key() {
        key.push_str(&format!("{byte:02x}"));
    }
    key
}

/// A table for `count` entries: twice as many places, so that few of them compete.
fn table<T>(count: usize, slot: impl FnMut() -> T) -> Box<[T]> {
    core::iter::repeat_with(slot)
        .take(count.saturating_mul(2))
        .collect()
}
