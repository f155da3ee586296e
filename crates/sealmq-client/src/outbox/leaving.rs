//! What leaves by time, and what comes back because the broker may have lost it.

use alloc::vec::Vec;

use super::entry::Entry;
use super::{Accepted, Outbox};

impl Outbox {
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
