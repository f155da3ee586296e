//! When the records of others' sessions are asked for, and when the own one is published, as rules
//! on numbers (spec/envelope.md §12). Times are milliseconds, of a clock or since the start.

/// Until records are asked for again while messages wait for them.
const ASK_AGAIN: u64 = 10_000;
/// And until the record of a session in use is published again, time and messages: a broker may
/// have lost it, or a stranger cleared it. So many messages save seven times its bytes.
const AGAIN: u64 = 600_000;
const AGAIN_MESSAGES: u32 = 64;

/// When the records of others are asked for: who never gets a message of the short form needs none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    is_on: bool,
    /// They were asked for, for what waits now, at this time.
    asked_at: Option<Option<u64>>,
}

impl Wanted {
    /// Nobody needs them.
    pub const NONE: Self = Self {
        is_on: false,
        asked_at: None,
    };

    /// Whether they are subscribed, and are to be with each connection.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.is_on
    }

    /// What came before may be of use now: with a connection, and with an epoch.
    pub const fn ask_again(&mut self) {
        self.asked_at = None;
    }

    /// Whether to ask, if a message waits for one. Without any time, once until
    /// [`Wanted::ask_again`].
    #[must_use]
    pub const fn is_due(&self, now: Option<u64>) -> bool {
        match (self.asked_at, now) {
            (None, _) | (Some(None), Some(_)) => true,
            (Some(Some(at)), Some(now)) => now.abs_diff(at) >= ASK_AGAIN,
            (Some(_), None) => false,
        }
    }

    /// They are asked for.
    pub const fn asked(&mut self, now: Option<u64>) {
        (self.is_on, self.asked_at) = (true, Some(now));
    }
}

/// When the record of this member's session is published.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    is_due: bool,
    published_at: Option<u64>,
    /// Messages since then.
    messages: u32,
}

impl Due {
    /// Of a new session: at once.
    pub const NEW: Self = Self {
        is_due: true,
        published_at: None,
        messages: 0,
    };

    /// A connection began: with its first message.
    pub const fn connected(&mut self) {
        self.is_due = true;
    }

    /// Whether it is published before the next message; that is noted.
    pub fn take(&mut self, now: Option<u64>) -> bool {
        // A clock that was set back postpones nothing.
        let is_old = |(now, at): (u64, u64)| now.abs_diff(at) >= AGAIN;
        let is_old = now.zip(self.published_at).is_some_and(is_old);
        let is_due = self.is_due || (is_old && self.messages >= AGAIN_MESSAGES);
        if is_due {
            (self.is_due, self.published_at, self.messages) = (false, now, 0);
        }
        self.messages = self.messages.saturating_add(1);
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_asked_for_when_one_is_missing_and_every_ten_seconds() {
        let mut wanted = Wanted::default();
        assert!(!wanted.is_on());
        assert!(wanted.is_due(Some(5)));
        wanted.asked(Some(5));
        assert!(wanted.is_on() && !wanted.is_due(Some(10_004)));
        assert!(wanted.is_due(Some(10_005)));
        wanted.ask_again();
        assert!(wanted.is_due(None));
        wanted.asked(None);
        assert!(!wanted.is_due(None));
        assert!(wanted.is_due(Some(0)), "a clock was set");
    }

    #[test]
    fn a_record_is_published_again_after_time_and_messages() {
        let mut due = Due::NEW;
        assert!(due.take(Some(1_000)) && !due.take(Some(1_000)));
        due.connected();
        assert!(due.take(Some(2_000)));
        for _ in 0..200 {
            assert!(!due.take(Some(601_999)), "too early");
        }
        assert!(due.take(Some(602_000)));
        for _ in 1..64 {
            assert!(!due.take(Some(9_000_000)), "too few messages");
        }
        assert!(due.take(Some(9_000_000)));
        // Without a time with connections only.
        let mut due = Due::NEW;
        assert!(due.take(None));
        assert!((0..2000).all(|_| !due.take(None)));
    }
}
