//! When something that is missing is asked for, at members of every kind.

/// Milliseconds until something missing is asked for again.
const ASK_AFTER: u64 = 2_000;
const ASK_AGAIN: u64 = 30_000;

/// When something missing is asked for (again). Times are milliseconds, of a clock or since the
/// device was started; `None` without either.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asking {
    next: Option<u64>,
    asked: bool,
}

impl Asking {
    /// Nothing was asked for.
    pub const NEVER: Self = Self {
        next: None,
        asked: false,
    };

    /// Whether to ask now; the retained copy usually comes by itself within moments.
    pub fn is_due(&mut self, now: Option<u64>) -> bool {
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
    #[cfg(feature = "alloc")]
    pub(crate) const fn has_begun(&self) -> bool {
        self.asked
    }

    /// It is asked for at this moment.
    #[cfg(feature = "alloc")]
    pub(crate) const fn asked(&mut self, now: Option<u64>) {
        self.asked = true;
        self.next = match now {
            Some(now) => Some(now.saturating_add(ASK_AGAIN)),
            None => None,
        };
    }

    /// Ends the asking; `true` if it had begun.
    pub fn reset(&mut self) -> bool {
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
