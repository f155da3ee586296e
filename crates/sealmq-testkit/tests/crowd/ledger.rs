//! Who asked for what, and when it was done.

use std::collections::BTreeMap;

/// What honest devices and people wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A device with a token: from its first request until it is a member with keys in use.
    Join,
    /// A device without one: until it is told that it waits for an operator.
    Waiting,
    /// From the operator's approval until it is a member with keys in use.
    Approval,
    /// A device without a clock: from its nonce until the answer.
    Nonce,
    /// A credential: from the moment at which it is due until its member has the new one.
    Renewal,
    /// From a member's new key packages until the authority has them.
    Packages,
    /// From the operator's command until every reader has the keys and the list that it leads to.
    Removal,
    /// An object of the authority that somebody cleared: until it stands at the broker again.
    Repair,
    /// A message: from its sender's call until a reader shows it.
    Message,
}

/// How many requests of a kind there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that had time enough.
    pub all: usize,
    /// Those that were done in time.
    pub in_time: usize,
    /// The longest that one of those took that were done, milliseconds.
    pub longest: u64,
}

#[derive(Default)]
pub(super) struct Ledger {
    open: BTreeMap<(Kind, u64), u64>,
    tallies: BTreeMap<Kind, Tally>,
}

/// Milliseconds that a request may take.
const IN_TIME: u64 = 10_000;

impl Ledger {
    /// Asked for; once more is the same request.
    pub(super) fn begin(&mut self, kind: Kind, id: u64, now: u64) {
        self.open.entry((kind, id)).or_insert(now);
    }

    pub(super) fn done(&mut self, kind: Kind, id: u64, now: u64) {
        if let Some(since) = self.open.remove(&(kind, id)) {
            let tally = self.tallies.entry(kind).or_default();
            let took = now.saturating_sub(since);
            tally.all += 1;
            tally.in_time += usize::from(took <= IN_TIME);
            tally.longest = tally.longest.max(took);
        }
    }

    /// What was not done by now and should have been counts as well.
    pub(super) fn end(mut self, now: u64) -> BTreeMap<Kind, Tally> {
        for ((kind, _), since) in self.open {
            if since + IN_TIME < now {
                self.tallies.entry(kind).or_default().all += 1;
            }
        }
        self.tallies
    }
}
