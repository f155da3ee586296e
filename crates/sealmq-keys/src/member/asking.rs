//! When something that is missing is asked for.

use super::types::Now;

/// Milliseconds until something missing is asked for again.
const ASK_AFTER: u64 = 2_000;
const ASK_AGAIN: u64 = 30_000;

/// When something missing is asked for (again).
#[derive(Debug, Default)]
pub(super) struct Asking {
    next: Option<u64>,
    asked: bool,
}

impl Asking {
    /// Whether to ask now; the retained copy usually comes by itself within moments.
    pub(super) fn is_due(&mut self, now: Now) -> bool {
        let Some(now) = now else {
            // Without a clock: once.
            return !core::mem::replace(&mut self.asked, true);
        };
        let next = *self
            .next
            .get_or_insert_with(|| now.saturating_add(ASK_AFTER));
        // A clock that was set back must not postpone it for ever.
        if now < next && next.saturating_sub(now) <= ASK_AGAIN {
            return false;
        }
        self.asked = true;
        self.next = Some(now.saturating_add(ASK_AGAIN));
        true
    }

    /// Whether it was asked for at all.
    pub(super) const fn has_begun(&self) -> bool {
        self.asked
    }

    /// It is asked for at this moment.
    pub(super) const fn asked(&mut self, now: Now) {
        self.asked = true;
        self.next = match now {
            Some(now) => Some(now.saturating_add(ASK_AGAIN)),
            None => None,
        };
    }

    /// Ends the asking; `true` if it had begun.
    pub(super) fn reset(&mut self) -> bool {
        core::mem::take(self).asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_waits_a_moment_and_repeats() {
        let mut asking = Asking::default();
        assert!(!asking.is_due(Some(1_000)));
        assert!(!asking.is_due(Some(2_999)));
        assert!(asking.is_due(Some(3_000)));
        assert!(!asking.is_due(Some(32_999)));
        assert!(asking.is_due(Some(33_000)));
        assert!(asking.is_due(Some(100)), "the clock was set back");
        assert!(asking.reset());
        assert!(!asking.reset());
        assert!(asking.is_due(None));
        assert!(!asking.is_due(None));
    }
}
