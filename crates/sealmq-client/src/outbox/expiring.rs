//! Messages with an expiry that nobody took in time: readers would refuse them, and the place that
//! they hold is wanted for newer ones.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::accepted::Accepted;

/// Until when (Unix milliseconds), and which, by their place in the order.
#[derive(Default)]
pub(crate) struct Expiring(BTreeSet<(u64, u64)>);

impl Expiring {
    pub(super) fn insert(&mut self, order: u64, message: &Accepted) {
        self.0.extend(message.expires.map(|at| (at, order)));
    }

    pub(super) fn remove(&mut self, order: u64, message: &Accepted) {
        if let Some(at) = message.expires {
            self.0.remove(&(at, order));
        }
    }

    /// When the first message expires, Unix milliseconds.
    pub(crate) fn first(&self) -> Option<u64> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Whose time has come; they are not told again.
    pub(super) fn take_due(&mut self, now: u64) -> Vec<u64> {
        let mut due = Vec::new();
        while let Some(&(at, order)) = self.0.first()
            && at <= now
        {
            self.0.pop_first();
            due.push(order);
        }
        due
    }
}
