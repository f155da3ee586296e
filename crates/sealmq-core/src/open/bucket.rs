/// Limits the X25519 work that envelopes of unverified sessions can cause (threat model F1).
///
/// Strangers cannot use it up: what they make up fails at the session's mac, and what they copy
/// from members is worked on once, as long as there is a place for its keys. What is left are
/// members that forge in the name of others. They make a reader check signatures anyway, so a
/// reader should allow as many as it could open messages: less only lets them stop the honest ones.
///
/// With a clock, or the time since the start, it is a token bucket. Without either, once the bucket
/// is empty, one in `without_clock` such envelopes is worked on. A session that verifies gives its
/// token back, so only forgeries use the bucket up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecapsulationLimit {
    /// Decapsulations at once.
    pub burst: u32,
    /// Decapsulations per second in the long run.
    pub per_second: u32,
    /// Without a clock: one decapsulation in this many envelopes of unknown sessions.
    pub without_clock: u32,
}

impl Default for DecapsulationLimit {
    /// For devices: 200 at once, 100 per second (spec/constants.md §5), 1 in 8.
    fn default() -> Self {
        Self {
            burst: 200,
            per_second: 100,
            without_clock: 8,
        }
    }
}

impl DecapsulationLimit {
    /// For hosts: 8192 at once, 4096 per second, 1 in 8.
    pub const HOST: Self = Self {
        burst: 8192,
        per_second: 4096,
        without_clock: 8,
    };
}

const TOKEN: u64 = 1000;

#[derive(Debug)]
pub(crate) struct Bucket {
    limit: DecapsulationLimit,
    /// Thousandths of a token, so that a millisecond counts.
    tokens: u64,
    last: Option<u64>,
    refused: u32,
}

impl Bucket {
    pub(crate) const fn new(limit: DecapsulationLimit) -> Self {
        let tokens = (limit.burst as u64).saturating_mul(TOKEN);
        Self {
            limit,
            tokens,
            last: None,
            refused: 0,
        }
    }

    pub(crate) fn take(&mut self, now: Option<u64>) -> bool {
        if let Some(now) = now {
            let passed = now.saturating_sub(self.last.unwrap_or(now));
            self.add(passed.saturating_mul(self.limit.per_second.into()));
            self.last = Some(now);
        }
        if let Some(rest) = self.tokens.checked_sub(TOKEN) {
            self.tokens = rest;
            return true;
        }
        if now.is_some() {
            return false;
        }
        self.refused = self.refused.saturating_add(1);
        if self.refused < self.limit.without_clock {
            return false;
        }
        self.refused = 0;
        true
    }

    /// The session was genuine.
    pub(crate) fn give_back(&mut self) {
        self.add(TOKEN);
    }

    fn add(&mut self, amount: u64) {
        let full = u64::from(self.limit.burst).saturating_mul(TOKEN);
        self.tokens = self.tokens.saturating_add(amount).min(full);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: DecapsulationLimit = DecapsulationLimit {
        burst: 3,
        per_second: 2,
        without_clock: 4,
    };

    #[test]
    fn refills_by_the_clock() {
        let mut bucket = Bucket::new(LIMIT);
        let taken = |bucket: &mut Bucket, now| (0..10).filter(|_| bucket.take(Some(now))).count();
        assert_eq!(taken(&mut bucket, 1000), 3);
        assert_eq!(taken(&mut bucket, 1499), 0);
        assert_eq!(taken(&mut bucket, 1500), 1);
        // A clock that jumps back or far ahead never gives more than the burst.
        assert_eq!(taken(&mut bucket, 0), 0);
        assert_eq!(taken(&mut bucket, u64::MAX), 3);
    }

    #[test]
    fn without_a_clock_a_fraction_passes() {
        let mut bucket = Bucket::new(LIMIT);
        let passed: Vec<_> = (0..15).filter(|_| bucket.take(None)).collect();
        assert_eq!(passed, [0, 1, 2, 6, 10, 14]);
    }

    #[test]
    fn genuine_sessions_cost_nothing() {
        let mut bucket = Bucket::new(LIMIT);
        for _ in 0..100 {
            assert!(bucket.take(Some(1)));
            bucket.give_back();
        }
        assert_eq!((0..10).filter(|_| bucket.take(Some(1))).count(), 3);
    }
}
