//! What strangers and members can make the authority's log say: so many lines in a minute.

use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
const LINES: u64 = 60;

/// Lines of one kind.
#[derive(Default)]
pub(super) struct Refusals {
    since: Option<Instant>,
    told: u64,
    left_out: usize,
}

impl Refusals {
    /// For `count` refusals that make one line: whether to write it, and how many were left out
    /// before, if that has to be said now.
    pub(super) fn admit(&mut self, count: usize, now: Instant) -> (bool, Option<usize>) {
        let over = |since: Instant| now.saturating_duration_since(since) >= MINUTE;
        let mut left_out = 0;
        if self.since.is_none_or(over) {
            self.since = Some(now);
            self.told = 0;
            left_out = core::mem::take(&mut self.left_out);
        }
        let told = self.told < LINES;
        if told {
            self.told = self.told.saturating_add(1);
        } else {
            self.left_out = self.left_out.saturating_add(count);
        }
        (told, (left_out > 0).then_some(left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_lines_in_a_minute_and_the_rest_in_number() {
        let mut refusals = Refusals::default();
        let start = Instant::now();
        for _ in 0..LINES {
            assert_eq!(refusals.admit(1, start), (true, None));
        }
        assert_eq!(refusals.admit(1, start), (false, None));
        assert_eq!(refusals.admit(40, start + MINUTE / 2), (false, None));
        assert_eq!(refusals.admit(1, start + MINUTE), (true, Some(41)));
        assert_eq!(refusals.admit(1, start + MINUTE * 3), (true, None));
    }
}
