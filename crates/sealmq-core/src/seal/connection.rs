/// Which connection a sender's state is sealed on (spec/envelope.md §8): orders it against the
/// sender's wills. The number that goes into [`super::Value`] is [`Connection::number`]; session
/// numbers stand for connections, and are durable before use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Of the newest that has one; 0 before the first will under the sender's credential.
    number: u64,
    /// The one to come, or there, needs another.
    is_due: bool,
    /// A will was sealed for the one to come.
    is_ready: bool,
}

impl Connection {
    /// After a start: `number` is the newest that was used under the sender's credential, and 0
    /// under a new one.
    #[must_use]
    pub const fn of(number: u64) -> Self {
        Self {
            number,
            is_due: number != 0,
            is_ready: false,
        }
    }

    /// What a retained value gets that is sealed now, if nothing [is due](Connection::is_due).
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Whether a number has to be taken before state is sealed: a will may have been delivered
    /// since the last one.
    #[must_use]
    pub const fn is_due(&self) -> bool {
        self.is_due
    }

    /// The next session number was taken for the connection, and no session gets it.
    pub const fn take(&mut self, number: u64) {
        self.number = number;
        self.is_due = false;
    }

    /// The will of the connection to come was sealed, in the session with this number.
    pub const fn will(&mut self, number: u64) {
        self.take(number);
        self.is_ready = true;
    }

    /// A connection began.
    pub const fn begun(&mut self) {
        if self.is_ready {
            self.is_ready = false;
        } else {
            self.is_due = self.number != 0;
        }
    }

    /// The sender has a new credential, under which it has not sealed a will: all that it seals
    /// ranks above the wills of before.
    pub const fn renewed(&mut self) {
        *self = Self::of(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_after_the_first_will_has_a_number() {
        let mut connection = Connection::of(0);
        connection.begun();
        assert!(!connection.is_due(), "no will was ever sealed");
        connection.will(10);
        connection.begun();
        assert_eq!((connection.number(), connection.is_due()), (10, false));
        // Without a will.
        connection.begun();
        assert!(connection.is_due());
        connection.take(20);
        assert_eq!((connection.number(), connection.is_due()), (20, false));
        assert!(Connection::of(20).is_due(), "after a start");
    }

    #[test]
    fn a_new_credential_begins_without_a_number() {
        let mut connection = Connection::of(20);
        connection.renewed();
        for _ in 0..2 {
            assert_eq!((connection.number(), connection.is_due()), (0, false));
            connection.begun();
        }
        // A will that was sealed under the one before is of no account.
        connection.will(30);
        connection.renewed();
        connection.begun();
        assert_eq!((connection.number(), connection.is_due()), (0, false));
    }
}
