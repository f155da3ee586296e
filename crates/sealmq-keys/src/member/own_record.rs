use alloc::vec::Vec;

use super::types::Now;

/// Milliseconds after which the record of a session in use is published again: a broker may have
/// lost it, or a stranger cleared it.
const AGAIN: u64 = 600_000;

/// The record of this member's session for events in a group.
pub(super) struct OwnRecord {
    /// Number of the session.
    pub(super) number: u64,
    pub(super) payload: Vec<u8>,
    pub(super) is_published: bool,
    /// When it was last given out; `None` without a clock.
    given_at: Now,
    is_due: bool,
}

impl OwnRecord {
    pub(super) const fn new(number: u64, payload: Vec<u8>) -> Self {
        Self {
            number,
            payload,
            is_published: false,
            given_at: None,
            is_due: true,
        }
    }

    /// A connection began.
    pub(super) const fn connected(&mut self) {
        self.is_due = true;
    }

    /// Whether it is to be given out now; that is noted.
    pub(super) fn take_due(&mut self, now: Now) -> bool {
        // A clock that was set back postpones nothing.
        let is_old = |(now, at): (u64, u64)| now.abs_diff(at) >= AGAIN;
        let is_due = self.is_due || now.zip(self.given_at).is_some_and(is_old);
        if is_due {
            (self.is_due, self.given_at) = (false, now);
        }
        is_due
    }
}
