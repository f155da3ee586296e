/// A sliding window over the counters of one session: the highest one seen and, for the `64 * W`
/// counters up to it, whether each was seen.
///
/// Bit `i` of word `w` stands for the counter `top − (64 w + i)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window<const W: usize> {
    top: u32,
    bits: [u64; W],
}

impl<const W: usize> Window<W> {
    /// How many counters it remembers.
    pub const LEN: u32 = {
        // spec/envelope.md §9: at least 128 counters.
        assert!(W >= 2 && W <= 1024);
        W as u32 * 64
    };

    /// The window of a session of which exactly this counter was seen.
    #[must_use]
    pub fn starting_at(counter: u32) -> Self {
        let mut window = Self {
            top: counter,
            bits: [0; W],
        };
        window.set(0);
        window
    }

    /// Whether the counter is new: above the window, or inside and not marked.
    #[must_use]
    pub fn is_new(&self, counter: u32) -> bool {
        match self.top.checked_sub(counter) {
            None => true,
            Some(age) if age >= Self::LEN => false,
            Some(age) => {
                let (word, bit) = position(age);
                self.bits.get(word).is_some_and(|bits| bits & bit == 0)
            }
        }
    }

    /// Marks a counter as seen. Counters below the window stay refused anyway.
    pub fn mark(&mut self, counter: u32) {
        match counter.checked_sub(self.top) {
            Some(ahead) => {
                self.shift(ahead);
                self.top = counter;
                self.set(0);
            }
            None => self.set(self.top.saturating_sub(counter)),
        }
    }

    pub(crate) const fn parts(&self) -> (u32, &[u64; W]) {
        (self.top, &self.bits)
    }

    /// From stored parts: the highest counter is always marked, and none is below 0.
    pub(crate) fn from_parts(top: u32, bits: [u64; W]) -> Option<Self> {
        let window = Self { top, bits };
        let marked = |age| {
            let (word, bit) = position(age);
            window.bits.get(word).is_some_and(|bits| bits & bit != 0)
        };
        let below_zero = top.saturating_add(1)..Self::LEN;
        (marked(0) && !below_zero.into_iter().any(marked)).then_some(window)
    }

    fn set(&mut self, age: u32) {
        let (word, bit) = position(age);
        if let Some(bits) = self.bits.get_mut(word) {
            *bits |= bit;
        }
    }

    /// Makes every counter `by` older.
    fn shift(&mut self, by: u32) {
        let (words, bits) = ((by / 64) as usize, by % 64);
        for to in (0..W).rev() {
            let word = |index: Option<usize>| {
                index
                    .and_then(|i| self.bits.get(i))
                    .copied()
                    .unwrap_or_default()
            };
            let high = word(to.checked_sub(words));
            let low = word(to.checked_sub(words).and_then(|i| i.checked_sub(1)));
            // For `bits` = 0 nothing comes over from the younger word.
            let carried = low
                .checked_shr(64_u32.saturating_sub(bits))
                .unwrap_or_default();
            let shifted = high.wrapping_shl(bits) | carried;
            if let Some(out) = self.bits.get_mut(to) {
                *out = shifted;
            }
        }
    }
}

const fn position(age: u32) -> (usize, u64) {
    ((age / 64) as usize, 1_u64.wrapping_shl(age % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn against_a_set<const W: usize>(seed: u64) {
        let mut random = seed;
        let mut next = move |n: u64| {
            random = random
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (random >> 33) % n
        };
        let first = 500;
        let mut window = Window::<W>::starting_at(first);
        let (mut seen, mut top) = (HashSet::from([first]), first);
        for _ in 0..5000 {
            let span = [3, 70, 64 * W as u64 + 5, 5000][next(4) as usize];
            let counter = (top + 20).saturating_sub(next(span) as u32);
            let expected =
                counter > top || (top - counter < 64 * W as u32 && !seen.contains(&counter));
            assert_eq!(window.is_new(counter), expected, "{counter} of {top}");
            if expected {
                window.mark(counter);
                seen.insert(counter);
                top = top.max(counter);
            }
            assert!(!window.is_new(counter));
        }
    }

    #[test]
    fn behaves_as_a_set_with_an_edge() {
        for seed in 0..20 {
            against_a_set::<2>(seed);
            against_a_set::<3>(seed);
            against_a_set::<16>(seed);
        }
    }

    #[test]
    fn reorder_depth_at_the_edge() {
        for (age, new) in [(127, true), (128, false), (129, false)] {
            let window = Window::<2>::starting_at(1000);
            assert_eq!(window.is_new(1000 - age), new);
        }
    }

    #[test]
    fn far_jumps_forget_nothing_that_counts() {
        let mut window = Window::<2>::starting_at(0);
        for jump in [1, 63, 64, 65, 127, 128, 129, u32::MAX - 1000] {
            let (top, _) = window.parts();
            window.mark(top + jump);
            assert!(!window.is_new(top + jump));
            assert!(!window.is_new(top), "jump {jump}");
        }
    }

    #[test]
    fn stored_parts_have_their_top_marked() {
        assert!(Window::<2>::from_parts(5, [0, 1]).is_none());
        assert!(Window::<2>::from_parts(5, [0b100_0001, 0]).is_none());
        assert!(Window::<2>::from_parts(5, [0b10_0001, 0]).is_some());
        assert!(Window::<2>::from_parts(5, [1, 0]).is_some());
    }
}
