/// A token bucket over whole seconds: bounds work that strangers can cause.
pub(super) struct Bucket {
    burst: u32,
    per_second: u32,
    tokens: u32,
    last: u64,
}

impl Bucket {
    pub(super) const fn new(burst: u32, per_second: u32) -> Self {
        Self {
            burst,
            per_second,
            tokens: burst,
            last: 0,
        }
    }

    /// Takes one, if there is one. A clock that was set back fills nothing, and does not stop the
    /// bucket from filling later.
    pub(super) fn take(&mut self, now: u64) -> bool {
        let seconds = u32::try_from(now.saturating_sub(self.last)).unwrap_or(u32::MAX);
        self.last = now;
        self.tokens = self
            .tokens
            .saturating_add(seconds.saturating_mul(self.per_second))
            .min(self.burst);
        let left = self.tokens.checked_sub(1);
        self.tokens = left.unwrap_or(0);
        left.is_some()
    }

    /// What was taken turned out to cost so much more.
    pub(super) const fn charge(&mut self, more: u32) {
        self.tokens = self.tokens.saturating_sub(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_bounds_bursts_and_the_long_run() {
        let mut bucket = Bucket::new(5, 2);
        let mut taken = |now| (0..100).filter(|_| bucket.take(now)).count();
        assert_eq!(taken(1000), 5);
        assert_eq!(taken(1000), 0);
        assert_eq!(taken(1001), 2);
        assert_eq!(taken(900), 0, "a clock set back fills nothing");
        assert_eq!(taken(901), 2);
        assert_eq!(taken(u64::MAX), 5);
    }
}
