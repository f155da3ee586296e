//! Which accepted messages are outstanding, and who waits until they are not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::oneshot;

#[derive(Default)]
pub(crate) struct Ledger {
    next: u64,
    outstanding: BTreeSet<u64>,
    count: Arc<AtomicUsize>,
    /// Each waits until nothing below its number is outstanding.
    waiting: Vec<(u64, oneshot::Sender<()>)>,
}

impl Ledger {
    /// The number of outstanding messages, readable from anywhere.
    pub(crate) fn count(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.count)
    }

    pub(crate) fn accept(&mut self) -> u64 {
        let id = self.next;
        self.next = id.saturating_add(1);
        self.outstanding.insert(id);
        self.publish_count();
        id
    }

    /// The number of a message that is key management's own: the application neither counts it
    /// nor waits for it.
    pub(crate) fn uncounted(&mut self) -> u64 {
        let id = self.next;
        self.next = id.saturating_add(1);
        id
    }

    pub(crate) fn done(&mut self, id: u64) {
        self.outstanding.remove(&id);
        self.publish_count();
        let first = self.outstanding.first().copied().unwrap_or(u64::MAX);
        let (over, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(below, _)| first >= *below);
        self.waiting = waiting;
        for (_, waiter) in over {
            let _nobody_waits_any_more = waiter.send(());
        }
    }

    /// Answers when everything accepted so far is done.
    pub(crate) fn wait(&mut self, waiter: oneshot::Sender<()>) {
        if self.outstanding.is_empty() {
            let _nobody_waits_any_more = waiter.send(());
        } else {
            self.waiting.push((self.next, waiter));
        }
    }

    /// Nothing will be done any more.
    pub(crate) fn close(&mut self) {
        self.waiting.clear();
    }

    fn publish_count(&self) {
        self.count.store(self.outstanding.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flush_waits_for_what_came_before_only() {
        let mut ledger = Ledger::default();
        let (first, second) = (ledger.accept(), ledger.accept());
        let (sender, mut flushed) = oneshot::channel();
        ledger.wait(sender);
        let third = ledger.accept();
        assert_eq!(ledger.count().load(Ordering::Acquire), 3);
        ledger.done(second);
        assert!(flushed.try_recv().is_err());
        ledger.done(first);
        assert_eq!(flushed.try_recv(), Ok(()));
        let own = ledger.uncounted();
        assert_eq!(ledger.count().load(Ordering::Acquire), 1);
        ledger.done(third);
        ledger.done(own);
        assert_eq!(ledger.count().load(Ordering::Acquire), 0);
        let (sender, mut flushed) = oneshot::channel();
        ledger.wait(sender);
        assert_eq!(flushed.try_recv(), Ok(()));
    }
}
