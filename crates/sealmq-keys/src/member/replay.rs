//! The receiver of `sealmq-core` over tables of this member, and its durable copy.

use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::open::{KeySlot, Receiver, SessionSlot};
use sealmq_core::replay::{Durable, RECORD_KEY_LEN, Record, RecordError, SenderSlot, TopicSlot};

use super::MemberError;
use super::records;
use super::table::Growing;
use super::types::{MemberOptions, Now};
use crate::store::{Changes, Store};

/// Words of a replay window: 1024 counters.
const WORDS: usize = 16;

/// Milliseconds between snapshots while messages arrive.
const FLUSH_EVERY: u64 = 1_000;

pub(super) type HostReceiver = Receiver<
    Growing<SenderSlot<WORDS>>,
    Growing<TopicSlot>,
    Growing<KeySlot>,
    Growing<SessionSlot>,
    WORDS,
>;

/// Opens envelopes, and says when the replay state has to be stored.
pub(super) struct Reader {
    pub(super) receiver: HostReceiver,
    /// What the store has to change because its records did not fit.
    pruned: Changes,
    every: u32,
    unsaved: u32,
    saved_at: Now,
    /// Snapshots are made, and wait until they are asked for.
    deferred: bool,
    /// The one that waits, and how many messages it covers.
    made: Option<(Changes, u32)>,
}

impl Reader {
    pub(super) fn load<S: Store>(store: &S, options: &MemberOptions) -> Result<Self, MemberError> {
        let mut reader = Self {
            receiver: HostReceiver::new(
                Growing::new(options.max_senders),
                Growing::new(options.max_topics),
                Growing::new(options.max_sessions),
                Growing::new(options.max_senders),
                options.decapsulations,
            ),
            pruned: Changes::new(),
            every: options.replay_persist_every.max(1),
            unsaved: 0,
            saved_at: None,
            deferred: false,
            made: None,
        };
        reader.receiver.keep_tables(options.max_tables);
        let mut pruned = Changes::new();
        for (key, value) in records::list(store, records::REPLAY_PREFIX)? {
            let record = Record::<WORDS>::decode(records::body(&key, &value)?);
            let record = record.map_err(|_| MemberError::Record(key.clone()))?;
            reader.receiver.restore(record);
            reader.collect(&mut pruned);
        }
        reader.unsaved = u32::from(!pruned.is_empty());
        reader.pruned = pruned;
        Ok(reader)
    }

    /// Counts an accepted message; the snapshot that has to be stored now, if one has.
    pub(super) fn accepted(&mut self, now: Now) -> Option<Changes> {
        self.unsaved = self.unsaved.saturating_add(1);
        if self.not_stored() >= self.every {
            return Some(self.snapshot(now));
        }
        // Early enough that messages go on while it waits.
        if self.deferred && self.unsaved >= self.every.saturating_mul(7).div_ceil(8) {
            self.make(now);
        }
        None
    }

    /// Accepted messages that no stored snapshot covers.
    const fn not_stored(&self) -> u32 {
        let made = match &self.made {
            Some((_, messages)) => *messages,
            None => 0,
        };
        self.unsaved.saturating_add(made)
    }

    /// Whether the next message makes a snapshot necessary while another one waits.
    pub(super) const fn is_full(&self) -> bool {
        self.made.is_some() && self.not_stored().saturating_add(1) >= self.every
    }

    pub(super) const fn defer(&mut self) {
        self.deferred = true;
    }

    pub(super) const fn has_made(&self) -> bool {
        self.made.is_some()
    }

    /// The snapshot that waits.
    pub(super) fn take_made(&mut self) -> Changes {
        self.made
            .take()
            .map_or_else(Changes::new, |(changes, _)| changes)
    }

    fn make(&mut self, now: Now) {
        if self.made.is_none() {
            let messages = self.unsaved;
            self.made = Some((self.snapshot(now), messages));
        }
    }

    /// Whether something was accepted that is not stored.
    pub(super) const fn has_unsaved(&self) -> bool {
        self.not_stored() > 0
    }

    /// The snapshot that is due by time, if one is.
    pub(super) fn tick(&mut self, now: Now) -> Option<Changes> {
        let waits = self
            .saved_at
            .zip(now)
            .is_some_and(|(saved, now)| now >= saved && now.saturating_sub(saved) < FLUSH_EVERY);
        if self.unsaved == 0 || waits {
            return None;
        }
        if self.deferred {
            self.make(now);
            return None;
        }
        Some(self.snapshot(now))
    }

    /// Everything that is not stored yet.
    pub(super) fn snapshot(&mut self, now: Now) -> Changes {
        let mut changes = self.take_made();
        changes.follow(core::mem::take(&mut self.pruned));
        self.collect(&mut changes);
        self.unsaved = 0;
        self.saved_at = now;
        changes
    }

    fn collect(&mut self, changes: &mut Changes) {
        let mut buffer = [0; Record::<WORDS>::MAX_LEN];
        while let Some(change) = self.receiver.next_dirty() {
            match change {
                Durable::Put(record) => {
                    // The buffer takes the longest record.
                    let len = record.encode(&mut buffer).unwrap_or_default();
                    let bytes = buffer.get(..len).unwrap_or_default();
                    records::put_bytes(changes, replay_key(&record.key()), bytes);
                }
                Durable::Delete(key) => changes.delete(replay_key(&key)),
            }
        }
    }
}

/// Key and body of a record that version 3 stored; `None` of one that says nothing any more.
pub(super) fn earlier(body: &[u8]) -> Result<Option<(String, Vec<u8>)>, RecordError> {
    let Some(record) = Record::<WORDS>::decode_earlier(body)? else {
        return Ok(None);
    };
    let mut buffer = [0; Record::<WORDS>::MAX_LEN];
    let len = record.encode(&mut buffer)?;
    let body = buffer.get(..len).unwrap_or_default();
    Ok(Some((replay_key(&record.key()), body.to_vec())))
}

fn replay_key(key: &[u8; RECORD_KEY_LEN]) -> String {
    let digit = |nibble| char::from_digit(u32::from(nibble), 16);
    let digits = key.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let len = records::REPLAY_PREFIX
        .len()
        .saturating_add(2 * RECORD_KEY_LEN);
    let mut name = String::with_capacity(len);
    name.push_str(records::REPLAY_PREFIX);
    name.extend(digits.filter_map(digit));
    name
}
