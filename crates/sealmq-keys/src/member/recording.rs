use super::types::Now;

/// Milliseconds until records are asked for again while messages wait for them.
const AGAIN: u64 = 10_000;

/// When the session records of others are asked for: who never gets a message of the short form
/// needs none of them.
#[derive(Default)]
pub(super) struct Recording {
    is_on: bool,
    /// They were asked for, for what waits now, at this time.
    asked_at: Option<Now>,
}

impl Recording {
    /// Whether they are subscribed.
    pub(super) const fn is_on(&self) -> bool {
        self.is_on
    }

    /// What came before may be of use now.
    pub(super) const fn ask_again(&mut self) {
        self.asked_at = None;
    }

    /// A message waits for one: whether to ask. Without a clock and an uptime, once until
    /// [`Recording::ask_again`].
    pub(super) fn is_due(&mut self, now: Now) -> bool {
        let is_due = match (self.asked_at, now) {
            (None, _) => true,
            (Some(Some(at)), Some(now)) => now.abs_diff(at) >= AGAIN,
            (Some(None), Some(_)) => true,
            (Some(_), None) => false,
        };
        if is_due {
            (self.is_on, self.asked_at) = (true, Some(now));
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_asked_for_when_one_is_missing_and_every_ten_seconds() {
        let mut recording = Recording::default();
        assert!(!recording.is_on());
        assert!(recording.is_due(Some(5)) && recording.is_on());
        assert!(!recording.is_due(Some(10_004)));
        assert!(recording.is_due(Some(10_005)));
        recording.ask_again();
        assert!(recording.is_due(None) && !recording.is_due(None));
        assert!(recording.is_due(Some(0)), "a clock was set");
    }
}
