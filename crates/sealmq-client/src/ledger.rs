//! Which accepted messages are outstanding, and who waits until they are not.

use alloc::vec::Vec;

use crate::in_order::InOrder;
use crate::output::{FlushId, PublishId};

#[derive(Default)]
pub(crate) struct Ledger {
    next: u64,
    outstanding: InOrder<u64, ()>,
    flushes: u64,
    /// Each waits until nothing below its number is outstanding.
    waiting: Vec<(u64, FlushId)>,
}

impl Ledger {
    /// The number of outstanding messages.
    pub(crate) fn count(&self) -> usize {
        self.outstanding.len()
    }

    pub(crate) fn accept(&mut self) -> PublishId {
        let id = self.next;
        self.next = id.saturating_add(1);
        self.outstanding.insert(id, ());
        PublishId(id)
    }

    /// The flushes that are over with it.
    pub(crate) fn done(&mut self, id: PublishId) -> Vec<FlushId> {
        self.outstanding.remove(&id.0);
        let first = self.outstanding.first().map_or(u64::MAX, |(id, ())| *id);
        let mut over = Vec::new();
        self.waiting.retain(|(below, flush)| {
            let waits = first < *below;
            if !waits {
                over.push(*flush);
            }
            waits
        });
        over
    }

    /// Over when everything accepted so far is done; perhaps at once.
    pub(crate) fn wait(&mut self) -> (FlushId, bool) {
        let id = FlushId(self.flushes);
        self.flushes = self.flushes.saturating_add(1);
        let over = self.outstanding.is_empty();
        if !over {
            self.waiting.push((self.next, id));
        }
        (id, over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flush_waits_for_what_came_before_only() {
        let mut ledger = Ledger::default();
        let (first, second) = (ledger.accept(), ledger.accept());
        let (flush, over) = ledger.wait();
        assert!(!over);
        let third = ledger.accept();
        assert_eq!(ledger.count(), 3);
        assert_eq!(ledger.done(second), []);
        assert_eq!(ledger.done(first), [flush]);
        assert_eq!(ledger.count(), 1);
        assert_eq!(ledger.done(third), []);
        assert!(ledger.wait().1);
    }
}
