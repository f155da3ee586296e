//! Remarks that strangers can cause: one of a kind in a minute.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::output::note;

const PAUSE: Duration = Duration::from_secs(60);

/// When remarks were made, and how many were not since then.
#[derive(Default)]
pub(crate) struct Seldom {
    kinds: BTreeMap<&'static str, (Instant, u64)>,
}

impl Seldom {
    /// Makes the remark, unless one of its kind was made less than a minute ago.
    pub(crate) fn note(&mut self, kind: &'static str, line: impl FnOnce() -> String) {
        match self.admit(kind, Instant::now()) {
            None => {}
            Some(0) => note(line()),
            Some(more) => note(format_args!("{} (and {more} like this before)", line())),
        }
    }

    /// How many of its kind were left out before, if this one is due.
    fn admit(&mut self, kind: &'static str, now: Instant) -> Option<u64> {
        let Some((last, left_out)) = self.kinds.get_mut(kind) else {
            self.kinds.insert(kind, (now, 0));
            return Some(0);
        };
        if now.saturating_duration_since(*last) < PAUSE {
            *left_out = left_out.saturating_add(1);
            return None;
        }
        *last = now;
        Some(core::mem::take(left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_kind_in_a_minute() {
        let mut seldom = Seldom::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(seldom.admit("a", at(0)), Some(0));
        for second in 1..60 {
            assert_eq!(seldom.admit("a", at(second)), None);
        }
        assert_eq!(seldom.admit("b", at(1)), Some(0));
        assert_eq!(seldom.admit("a", at(60)), Some(59));
        assert_eq!(seldom.admit("a", at(61)), None);
        assert_eq!(seldom.admit("a", at(200)), Some(1));
    }
}
