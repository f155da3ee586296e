use core::time::Duration;

use rand_core::TryCryptoRng;

/// So long a connection has to be of use before it counts as good, in milliseconds.
const GOOD_AFTER: u64 = 30_000;

/// Pauses before connecting again: the one rule for all programs. A connection counts as good when
/// it still lived 30 s after the broker first did something useful on it; after a good one the
/// pause is the first again, after every other end it doubles. A broker that accepts, answers and
/// hangs up is not better than one that is away.
///
/// Times are milliseconds of any clock that does not go back.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
    useful_since: Option<u64>,
}

impl Backoff {
    /// With the first pause, and the longest.
    #[must_use]
    pub const fn new((first, longest): (Duration, Duration)) -> Self {
        Self {
            first,
            longest,
            next: first,
            useful_since: None,
        }
    }

    /// The broker did something for this client.
    pub const fn useful(&mut self, now: u64) {
        if self.useful_since.is_none() {
            self.useful_since = Some(now);
        }
    }

    /// A connection ended, or could not be made: the pause before the next one. Up to a third is
    /// taken off at random, so that a fleet does not come back in step; with the defaults that makes
    /// at most ten connections in the first minute. Without randomness the pause is the whole one.
    pub fn take(&mut self, now: u64, rng: &mut impl TryCryptoRng) -> Duration {
        let since = self.useful_since.take();
        if since.is_some_and(|since| now.saturating_sub(since) >= GOOD_AFTER) {
            self.next = self.first;
        }
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(self.longest);
        Self::scatter(whole, rng)
    }

    /// Less a random part, up to a third.
    pub(crate) fn scatter(whole: Duration, rng: &mut impl TryCryptoRng) -> Duration {
        let part = rng.try_next_u32().map_or(0, |random| random % 256);
        let off = whole.saturating_mul(part).checked_div(3 * 256);
        whole.saturating_sub(off.unwrap_or_default())
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may fail loudly")]
mod tests {
    use core::convert::Infallible;

    use rand_core::TryRng;

    use super::*;

    /// Always the same.
    struct Constant(u32);

    impl TryRng for Constant {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            Ok(self.0)
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            Ok(self.0.into())
        }

        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
            out.fill(0);
            Ok(())
        }
    }

    impl TryCryptoRng for Constant {}

    const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

    /// Connections of a minute to a broker that accepts, answers at once, and hangs up.
    fn connections_in_a_minute(random: u32) -> usize {
        let (mut backoff, mut now, mut connections) = (Backoff::new(PAUSES), 0, 0);
        while now < 60_000 {
            connections += 1;
            backoff.useful(now);
            let pause = backoff.take(now, &mut Constant(random)).as_millis();
            now += u64::try_from(pause).unwrap();
        }
        connections
    }

    #[test]
    fn ten_connections_in_the_first_minute_at_most() {
        assert_eq!(connections_in_a_minute(0), 9);
        assert_eq!(connections_in_a_minute(255), 10);
    }

    #[test]
    fn only_thirty_useful_seconds_make_a_connection_good() {
        let mut backoff = Backoff::new(PAUSES);
        let mut pause = |useful: Option<u64>, now| {
            if let Some(useful) = useful {
                backoff.useful(useful);
                backoff.useful(now); // the first time counts
            }
            backoff.take(now, &mut Constant(0)).as_millis()
        };
        assert_eq!(pause(None, 0), 200);
        assert_eq!(pause(Some(1_000), 30_999), 400);
        assert_eq!(pause(None, 90_000), 800); // lived, and did nothing
        assert_eq!(pause(Some(100_000), 130_000), 200);
        assert_eq!(pause(Some(130_001), 130_002), 400);
        for _ in 0..10 {
            pause(None, 140_000);
        }
        assert_eq!(pause(None, 140_000), 30_000);
    }
}
