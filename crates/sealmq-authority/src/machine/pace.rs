//! Budgets of single members and groups, in memory only.

use alloc::collections::BTreeMap;

/// Most that are remembered before those are forgotten whose budget is whole again.
const FORGET_AT: usize = 1024;

/// For each key some at once, and then one in so many seconds. What one uses up is missing to
/// nobody else.
pub(super) struct Paces<K> {
    burst: u64,
    every: u64,
    /// When the budget of each is whole again, Unix seconds.
    whole_at: BTreeMap<K, u64>,
    forget_at: usize,
}

impl<K: Ord + Copy> Paces<K> {
    pub(super) const fn new(burst: u64, every: u64) -> Self {
        Self {
            burst,
            every,
            whole_at: BTreeMap::new(),
            forget_at: FORGET_AT,
        }
    }

    /// Takes one from the budget of a key, if there is one. A clock that was set back stops nobody
    /// for longer than a whole budget takes.
    pub(super) fn take(&mut self, key: K, now: u64) -> bool {
        let whole = self.every.saturating_mul(self.burst);
        let latest = now.saturating_add(whole);
        let at = self.whole_at.get(&key).copied().unwrap_or(now);
        let at = at.clamp(now, latest);
        let next = at.saturating_add(self.every);
        if next > latest {
            self.whole_at.insert(key, at); // of a clock that was set back
            return false;
        }
        if self.whole_at.len() >= self.forget_at {
            self.whole_at.retain(|_, at| (now..=latest).contains(at));
            self.forget_at = self.whole_at.len().saturating_mul(2).max(FORGET_AT);
        }
        self.whole_at.insert(key, next);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_budget() {
        let mut paces = Paces::new(3, 10);
        let mut taken = |key: u32, now| (0..20).filter(|_| paces.take(key, now)).count();
        assert_eq!(taken(1, 1000), 3);
        assert_eq!(taken(2, 1000), 3, "another one's");
        assert_eq!(taken(1, 1009), 0);
        assert_eq!(taken(1, 1010), 1);
        assert_eq!(taken(1, 1035), 2);
        assert_eq!(taken(1, 9000), 3);
        assert_eq!(taken(1, 100), 0, "a clock set back fills nothing");
        assert_eq!(taken(1, 110), 1);
    }

    #[test]
    fn what_is_whole_is_forgotten() {
        let mut paces = Paces::new(1, 1);
        for key in 0..100_000_u64 {
            assert!(paces.take(key, key));
        }
        assert!(paces.whole_at.len() <= FORGET_AT);
    }
}
