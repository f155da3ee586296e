use alloc::collections::VecDeque;
use core::num::NonZeroU16;

/// A second, in milliseconds.
const SPAN: u64 = 1_000;

/// How many publishes go out in a second, for brokers that lose what comes faster (AWS IoT Core:
/// 100 of a connection). In no span of a second, wherever it begins, are there more.
///
/// Times are milliseconds of any clock that does not go back.
#[derive(Debug, Clone)]
pub struct Pace {
    most: Option<NonZeroU16>,
    /// When the last ones went out, that many at most.
    sent: VecDeque<u64>,
}

impl Pace {
    /// At most so many in a second; `None`: as they come.
    #[must_use]
    pub const fn new(most: Option<NonZeroU16>) -> Self {
        Self {
            most,
            sent: VecDeque::new(),
        }
    }

    /// From when on the next one may go out, if it may not yet.
    #[must_use]
    pub fn until(&self, now: u64) -> Option<u64> {
        let most = usize::from(self.most?.get());
        let oldest = self.sent.front().filter(|_| self.sent.len() >= most)?;
        let until = oldest.saturating_add(SPAN);
        (until > now).then_some(until)
    }

    /// One went out.
    pub fn sent(&mut self, now: u64) {
        let Some(most) = self.most else { return };
        while self.sent.len() >= usize::from(most.get()) {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may fail loudly")]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn no_second_has_more_wherever_it_begins() {
        for most in [1, 7, 100] {
            let mut pace = Pace::new(NonZeroU16::new(most));
            let (mut now, mut times) = (5, Vec::new());
            for n in 0..1_000_u64 {
                now = pace.until(now).unwrap_or(now);
                pace.sent(now);
                times.push(now);
                now += n % 3;
            }
            let most = usize::from(most);
            assert!(times.windows(most + 1).all(|w| w[most] - w[0] >= SPAN));
            assert!(pace.sent.len() <= most);
        }
    }

    #[test]
    fn without_a_figure_nothing_waits_and_nothing_is_remembered() {
        let mut pace = Pace::new(None);
        for _ in 0..1_000 {
            assert_eq!(pace.until(0), None);
            pace.sent(0);
        }
        assert!(pace.sent.is_empty());
    }
}
