//! The receiver of `sealmq-core` over tables of this member, and its durable copy.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::open::{KeySlot, Receiver, SessionSlot};
use sealmq_core::replay::{Durable, RECORD_KEY_LEN, Record, RecordError, SenderSlot, TopicSlot};

use super::MemberError;
use super::records;
use super::types::{MemberOptions, Now};
use crate::store::{Changes, Store};

/// Words of a replay window: 1024 counters.
const WORDS: usize = 16;

/// Milliseconds between snapshots while messages arrive.
const FLUSH_EVERY: u64 = 1_000;

pub(super) type HostReceiver =
    Receiver<Box<[SenderSlot<WORDS>]>, Box<[TopicSlot]>, Box<[KeySlot]>, Box<[SessionSlot]>, WORDS>;

/// Entries the tables are made for at first. They grow as they fill: a device that hears one
/// sender does not pay for a thousand.
const FIRST_ROOM: Room = Room {
    senders: 4,
    topics: 8,
    sessions: 8,
    known: 4,
};

/// Opens envelopes, and says when the replay state has to be stored.
pub(super) struct Reader {
    pub(super) receiver: HostReceiver,
    room: Room,
    most: Room,
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

/// How many entries the tables are made for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Room {
    senders: usize,
    topics: usize,
    /// With their keys.
    sessions: usize,
    /// Of which messages of the short form can be opened.
    known: usize,
}

impl Room {
    /// Room in which this many entries fit easily, at most `most`: a table that is nearly full
    /// pushes out records, and what these refused is then refused to all.
    fn at_least(self, entries: Self, most: Self) -> Self {
        Self {
            senders: doubled(self.senders, entries.senders, most.senders),
            topics: doubled(self.topics, entries.topics, most.topics),
            sessions: doubled(self.sessions, entries.sessions, most.sessions),
            known: doubled(self.known, entries.known, most.known),
        }
    }
}

fn doubled(mut room: usize, entries: usize, most: usize) -> usize {
    room = room.min(most);
    // Up to three quarters.
    while room < most && entries.saturating_mul(4) >= room.saturating_mul(3) {
        room = room.saturating_mul(2).min(most);
    }
    room
}

impl Reader {
    pub(super) fn load<S: Store>(store: &S, options: &MemberOptions) -> Result<Self, MemberError> {
        let mut stored = Vec::new();
        for (key, value) in records::list(store, records::REPLAY_PREFIX)? {
            let record = Record::<WORDS>::decode(records::body(&key, &value)?);
            stored.push(record.map_err(|_| MemberError::Record(key.clone()))?);
        }
        let count = |kind: fn(&Record<WORDS>) -> bool| stored.iter().filter(|r| kind(r)).count();
        let most = Room {
            senders: options.max_senders,
            topics: options.max_topics,
            sessions: options.max_sessions,
            known: options.max_senders,
        };
        let stored_entries = Room {
            senders: count(|r| matches!(r, Record::Sender(_))),
            topics: count(|r| matches!(r, Record::Topic(_))),
            sessions: 0,
            known: 0,
        };
        let room = FIRST_ROOM.at_least(stored_entries, most);
        let mut reader = Self {
            receiver: HostReceiver::new(
                table(room.senders, || SenderSlot::EMPTY),
                table(room.topics, || TopicSlot::EMPTY),
                table(room.sessions, || KeySlot::EMPTY),
                table(room.known, || SessionSlot::EMPTY),
                options.decapsulations,
            ),
            room,
            most,
            pruned: Changes::new(),
            every: options.replay_persist_every.max(1),
            unsaved: 0,
            saved_at: None,
            deferred: false,
            made: None,
        };
        reader.receiver.keep_tables(options.max_tables);
        let mut pruned = Changes::new();
        for record in stored {
            reader.receiver.restore(record);
            reader.collect(&mut pruned);
        }
        reader.unsaved = u32::from(!pruned.is_empty());
        reader.pruned = pruned;
        Ok(reader)
    }

    /// Counts an accepted message; the snapshot that has to be stored now, if one has.
    pub(super) fn accepted(&mut self, now: Now) -> Option<Changes> {
        // One message adds at most one entry to a table, so it is in time.
        self.grow();
        self.unsaved = self.unsaved.saturating_add(1);
        if self.not_stored() >= self.every {
            return Some(self.snapshot(now));
        }
        // Early enough that messages go on while it waits.
        if self.deferred && self.unsaved >= self.every.saturating_mul(3).div_ceil(4) {
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

    /// Before a table is full.
    pub(super) fn grow(&mut self) {
        let entries = Room {
            senders: self.receiver.sender_count(),
            topics: self.receiver.topic_count(),
            sessions: self.receiver.session_count(),
            known: self.receiver.known_session_count(),
        };
        let room = self.room.at_least(entries, self.most);
        if room.sessions != self.room.sessions {
            let keys = table(room.sessions, || KeySlot::EMPTY);
            self.receiver.move_keys_into(keys);
        }
        if room.known != self.room.known {
            let sessions = table(room.known, || SessionSlot::EMPTY);
            self.receiver.move_sessions_into(sessions);
        }
        if (room.senders, room.topics) != (self.room.senders, self.room.topics) {
            self.receiver.move_into(
                table(room.senders, || SenderSlot::EMPTY),
                table(room.topics, || TopicSlot::EMPTY),
            );
        }
        self.room = room;
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

/// A table for `count` entries: twice as many places, so that few of them compete.
fn table<T>(count: usize, slot: impl FnMut() -> T) -> Box<[T]> {
    core::iter::repeat_with(slot)
        .take(count.saturating_mul(2))
        .collect()
}
