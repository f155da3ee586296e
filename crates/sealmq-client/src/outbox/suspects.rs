//! Which message ends connections: a broker that closes without a word, or an acknowledgement that
//! the library cannot read, does not say which one it meant.
//!
//! ```text
//! the connection ends ──► on its way are accused ── the broker is away ──► nobody is blamed
//!                              │ the next connection is there
//!                              ▼
//!      one end: sent as always ──► two, or a complaint: alone, one after the other
//!                                     │ acknowledged: innocent      │ ends it alone
//!                                     ▼                             ▼
//!                                  (leaves)      held back behind what is waiting now, alone again;
//!                                                three ends, two of them alone: given up
//! ```
//!
//! A connection that ends with nothing on its way clears everybody: then it is the network.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::in_order::InOrder;

/// A message that has ended so many connections is given up.
const MOST_ENDS: u8 = 3;
/// So many of them with nothing else on its way.
const MOST_ALONE: u8 = 2;

/// Messages by their order in the outbox.
#[derive(Default)]
pub(super) struct Suspects {
    /// Written on this connection and not settled, with the time.
    on_way: InOrder<u64, u64>,
    /// On their way when the last connection ended.
    accused: BTreeSet<u64>,
    /// The broker, or its last packet, complained about one of them.
    complaint: bool,
    blamed: BTreeMap<u64, Blame>,
    /// Are sent alone, and before anything else.
    alone: BTreeSet<u64>,
    /// Until everything before that order has left.
    held: BTreeMap<u64, u64>,
}

#[derive(Default)]
struct Blame {
    ends: u8,
    alone: u8,
}

/// What becomes of an accused message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    GiveUp,
    /// Others go first.
    Hold,
    /// Sent again.
    Spare,
}

impl Suspects {
    pub(super) fn written(&mut self, order: u64, uptime: u64) {
        self.on_way.insert(order, uptime);
    }

    /// When the first of those that are on their way was written.
    pub(super) fn on_way_since(&self) -> Option<u64> {
        self.on_way.first().map(|(_, uptime)| *uptime)
    }

    /// It is not outstanding any more.
    pub(super) fn forget(&mut self, order: u64) {
        self.on_way.remove(&order);
        self.accused.remove(&order);
        self.blamed.remove(&order);
        self.alone.remove(&order);
        self.held.remove(&order);
    }

    /// The connection ended, and what is on its way may be the reason.
    pub(super) fn accuse(&mut self, complaint: bool) -> bool {
        self.complaint = complaint;
        self.accused = self.on_way.take_keys().collect();
        !self.accused.is_empty()
    }

    pub(super) fn is_on_way(&self) -> bool {
        !self.on_way.is_empty()
    }

    /// The broker was away.
    pub(super) fn acquit(&mut self) {
        self.accused.clear();
    }

    /// Connections end without them: who was held back has to be queued again.
    pub(super) fn clear(&mut self) -> Vec<u64> {
        self.blamed.clear();
        self.alone.clear();
        core::mem::take(&mut self.held).into_keys().collect()
    }

    /// Nothing is on its way any more.
    pub(super) fn disconnected(&mut self) {
        self.on_way = InOrder::default();
    }

    /// The next connection is there: what becomes of the accused. `next` is the order that the next
    /// message will get; `holdable` says whether others may overtake one.
    pub(super) fn judge(
        &mut self,
        next: u64,
        holdable: impl Fn(u64) -> bool,
    ) -> Vec<(u64, Verdict)> {
        let accused = core::mem::take(&mut self.accused);
        let alone = accused.len() == 1;
        let mut verdicts = Vec::new();
        for order in accused {
            let blame = self.blamed.entry(order).or_default();
            blame.ends = blame.ends.saturating_add(1);
            blame.alone = blame.alone.saturating_add(u8::from(alone));
            let again = self.complaint || blame.ends > 1;
            let verdict = if blame.ends >= MOST_ENDS && blame.alone >= MOST_ALONE {
                Verdict::GiveUp
            } else if blame.ends > 1 && blame.alone > 0 && holdable(order) {
                self.alone.remove(&order);
                self.held.insert(order, next);
                Verdict::Hold
            } else {
                if again {
                    self.alone.insert(order);
                }
                Verdict::Spare
            };
            verdicts.push((order, verdict));
        }
        verdicts
    }

    pub(super) fn blames(&self) -> bool {
        !self.blamed.is_empty()
    }

    /// The first that has to be alone.
    pub(super) fn first_alone(&self) -> Option<u64> {
        self.alone.first().copied()
    }

    pub(super) fn is_held(&self, order: u64) -> bool {
        self.held.contains_key(&order)
    }

    /// A message whose turn has come again, if `first` is the first in the queue.
    pub(super) fn recall(&mut self, first: Option<u64>) -> Option<u64> {
        if !self.alone.is_empty() {
            return None;
        }
        let mut held = self.held.iter();
        let (&order, _) = held.find(|(_, until)| first.is_none_or(|first| **until <= first))?;
        self.held.remove(&order);
        self.alone.insert(order);
        Some(order)
    }
}
