//! What the application was given and has not taken, and what waits unopened meanwhile.

use alloc::collections::VecDeque;

use crate::output::DeliveryId;

pub(crate) struct Inbox<M> {
    /// Events with something to acknowledge that were handed out, and taken.
    given: u64,
    taken: u64,
    /// How many have to be taken before the snapshot that waits may be stored.
    covered: Option<u64>,
    unopened: VecDeque<Unopened<M>>,
    bytes: usize,
}

struct Unopened<M> {
    message: M,
    delivery: Option<DeliveryId>,
    bytes: usize,
}

impl<M> Default for Inbox<M> {
    fn default() -> Self {
        Self {
            given: 0,
            taken: 0,
            covered: None,
            unopened: VecDeque::new(),
            bytes: 0,
        }
    }
}

impl<M> Inbox<M> {
    pub(crate) const fn give(&mut self) {
        self.given = self.given.saturating_add(1);
    }

    pub(crate) const fn take(&mut self) {
        self.taken = self.taken.saturating_add(1);
    }

    pub(crate) const fn is_taken(&self) -> bool {
        self.taken >= self.given
    }

    /// Whether everything was taken that a snapshot covers, which waits since this was asked first.
    pub(crate) fn covered_is_taken(&mut self) -> bool {
        let covered = *self.covered.get_or_insert(self.given);
        covered <= self.taken
    }

    /// No snapshot waits.
    pub(crate) const fn uncover(&mut self) {
        self.covered = None;
    }

    /// Lets a message wait; `bytes` is what it holds.
    pub(crate) fn push(&mut self, message: M, delivery: Option<DeliveryId>, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.unopened.push_back(Unopened {
            message,
            delivery,
            bytes,
        });
    }

    pub(crate) fn pop(&mut self) -> Option<(M, Option<DeliveryId>)> {
        let next = self.unopened.pop_front()?;
        self.bytes = self.bytes.saturating_sub(next.bytes);
        Some((next.message, next.delivery))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unopened.is_empty()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn clear(&mut self) {
        self.unopened.clear();
        self.bytes = 0;
    }
}
