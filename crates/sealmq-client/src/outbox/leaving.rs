//! What leaves by time, and what comes back because the broker may have lost it.

use alloc::vec::Vec;

use super::entry::Entry;
use super::{Accepted, Outbox};

impl Outbox {
    /// A message is over: its record may go.
    pub(super) fn finish(&mut self, order: u64) -> Option<Accepted> {
        self.leave(order, true);
        self.entries.remove(&order).map(|entry| entry.message)
    }

    /// The same of one that nobody wants any more: it is large, and not moved.
    pub(super) fn end(&mut self, order: u64) {
        self.leave(order, true);
        self.entries.remove(&order);
    }

    /// It is remembered elsewhere.
    pub(super) fn remove(&mut self, order: u64) -> Option<Accepted> {
        self.leave(order, false);
        self.entries.remove(&order).map(|entry| entry.message)
    }

    /// Before it is taken from the entries. `ends`: its record may go, too.
    fn leave(&mut self, order: u64, ends: bool) {
        self.window.give_back(order);
        self.suspects.forget(order);
        let Some(Entry { message, .. }) = self.entries.get(&order) else {
            return;
        };
        self.expiring.remove(order, message);
        self.stored = self.stored.saturating_sub(usize::from(message.is_stored));
        if ends && message.is_stored {
            self.ended.push((order, message.content.retain()));
        }
    }

    /// The connection broke without a word: the broker may have died, and be less far than it said.
    pub(crate) fn doubt(&mut self, uptime: u64) {
        self.forget_recent(uptime);
        for (order, mut message, _) in self.recent.take() {
            message.is_again = true;
            self.stored = self.stored.saturating_add(usize::from(message.is_stored));
            self.queued.insert(order, ());
            self.expiring.insert(order, &message);
            self.entries.insert(order, Entry::queued(message));
        }
    }

    /// Long enough ago.
    pub(crate) fn forget_recent(&mut self, uptime: u64) {
        while let Some((order, message)) = self.recent.forget(uptime) {
            if message.is_stored {
                self.ended.push((order, false));
            }
        }
    }

    /// Takes away what has expired in the queue. What is on its way, or waits for something else, is
    /// looked at when its turn comes.
    pub(crate) fn expire(&mut self, now: u64) -> Vec<Accepted> {
        let mut due = self.expiring.take_due(now);
        due.retain(|order| self.queued.remove(order).is_some());
        due.into_iter()
            .filter_map(|order| self.finish(order))
            .collect()
    }
}
