//! A queue that is fair among its sources.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

/// What waits, by source: sources take turns, and within one the order is that of arrival. When it
/// is full, the source with the most loses its newest.
pub(super) struct Fair<K, V> {
    sources: BTreeMap<K, Source<V>>,
    turns: VecDeque<K>,
    by_count: BTreeSet<(usize, K)>,
    by_bytes: BTreeSet<(usize, K)>,
    count: usize,
    bytes: usize,
    most_count: usize,
    most_bytes: usize,
}

struct Source<V> {
    waiting: VecDeque<(V, usize)>,
    bytes: usize,
}

impl<K, V> Fair<K, V> {
    pub(super) const fn new(most_count: usize, most_bytes: usize) -> Self {
        Self {
            sources: BTreeMap::new(),
            turns: VecDeque::new(),
            by_count: BTreeSet::new(),
            by_bytes: BTreeSet::new(),
            count: 0,
            bytes: 0,
            most_count,
            most_bytes,
        }
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<K: Ord + Copy, V> Fair<K, V> {
    /// Adds one. Returns whether something had to go for it, or it itself.
    pub(super) fn push(&mut self, key: K, value: V, bytes: usize) -> bool {
        self.add(key, value, bytes, false);
        let mut dropped = false;
        while self.count > self.most_count || self.bytes > self.most_bytes {
            let by_count = self.count > self.most_count;
            let ranks = if by_count {
                &self.by_count
            } else {
                &self.by_bytes
            };
            let Some(&(most, largest)) = ranks.last() else {
                break;
            };
            // Who comes as the largest gives way: there is nothing in a key to be preferred for.
            let own = self.sources.get(&key).map_or(0, |source| {
                if by_count {
                    source.waiting.len()
                } else {
                    source.bytes
                }
            });
            let loser = if own >= most { key } else { largest };
            dropped |= self.take(loser, false).is_some();
        }
        dropped
    }

    /// Adds one that was taken before, in front of everything.
    pub(super) fn put_back(&mut self, key: K, value: V, bytes: usize) {
        self.add(key, value, bytes, true);
        self.turns.retain(|turn| *turn != key);
        self.turns.push_front(key);
    }

    /// The next one: that of the source whose turn it is.
    pub(super) fn pop(&mut self) -> Option<(K, V)> {
        let key = self.turns.pop_front()?;
        let value = self.take(key, true)?;
        if self.sources.contains_key(&key) {
            self.turns.push_back(key);
        }
        Some((key, value))
    }

    fn add(&mut self, key: K, value: V, bytes: usize, in_front: bool) {
        if !self.sources.contains_key(&key) {
            self.turns.push_back(key);
        }
        self.change(key, |source| {
            if in_front {
                source.waiting.push_front((value, bytes));
            } else {
                source.waiting.push_back((value, bytes));
            }
            source.bytes = source.bytes.saturating_add(bytes);
        });
    }

    fn take(&mut self, key: K, oldest: bool) -> Option<V> {
        let mut taken = None;
        self.change(key, |source| {
            taken = if oldest {
                source.waiting.pop_front()
            } else {
                source.waiting.pop_back()
            };
            let bytes = taken.as_ref().map_or(0, |(_, bytes)| *bytes);
            source.bytes = source.bytes.saturating_sub(bytes);
        });
        if !oldest && !self.sources.contains_key(&key) {
            match self.turns.back() {
                Some(last) if *last == key => drop(self.turns.pop_back()),
                _ => self.turns.retain(|turn| *turn != key),
            }
        }
        taken.map(|(value, _)| value)
    }

    /// Changes one source, and everything that is known of its size.
    fn change(&mut self, key: K, change: impl FnOnce(&mut Source<V>)) {
        let mut source = self.sources.remove(&key).unwrap_or_else(|| Source {
            waiting: VecDeque::new(),
            bytes: 0,
        });
        let before = (source.waiting.len(), source.bytes);
        self.by_count.remove(&(before.0, key));
        self.by_bytes.remove(&(before.1, key));
        change(&mut source);
        let after = (source.waiting.len(), source.bytes);
        self.count = self.count.saturating_sub(before.0).saturating_add(after.0);
        self.bytes = self.bytes.saturating_sub(before.1).saturating_add(after.1);
        if after.0 > 0 {
            self.by_count.insert((after.0, key));
            self.by_bytes.insert((after.1, key));
            self.sources.insert(key, source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn all(queue: &mut Fair<u8, u32>) -> Vec<u32> {
        core::iter::from_fn(|| queue.pop().map(|(_, value)| value)).collect()
    }

    #[test]
    fn sources_take_turns() {
        let mut queue = Fair::new(10, 100);
        for (key, value) in [(1, 10), (1, 11), (1, 12), (2, 20), (3, 30)] {
            assert!(!queue.push(key, value, 1));
        }
        assert_eq!(all(&mut queue), [10, 20, 30, 11, 12]);
        assert!(queue.is_empty());
    }

    #[test]
    fn the_largest_source_gives_way() {
        let mut queue = Fair::new(4, 100);
        for value in 0..9 {
            assert_eq!(queue.push(1, value, 1), value > 3);
        }
        // Others get in, as long as one has more than they have.
        assert!(queue.push(2, 20, 1));
        assert!(queue.push(3, 30, 1));
        assert!(queue.push(2, 21, 1));
        assert!(queue.push(4, 40, 1));
        assert!(queue.push(5, 50, 1));
        assert_eq!(all(&mut queue), [0, 20, 30, 40]);
        // By bytes, too.
        assert!(!queue.push(1, 1, 90));
        assert!(queue.push(2, 2, 91));
        assert!(!queue.push(3, 3, 10));
        assert!(queue.push(4, 4, 10));
        assert_eq!(all(&mut queue), [3, 4]);
        assert_eq!((queue.count, queue.bytes), (0, 0));
        assert!(queue.turns.is_empty() && queue.by_count.is_empty() && queue.by_bytes.is_empty());
    }

    #[test]
    fn what_is_put_back_is_next() {
        let mut queue = Fair::new(4, 100);
        queue.push(1, 10, 1);
        queue.push(2, 20, 1);
        queue.push(2, 21, 1);
        let (key, value) = queue.pop().unwrap();
        queue.pop().unwrap();
        queue.put_back(2, 20, 1);
        queue.put_back(key, value, 1);
        assert_eq!(all(&mut queue), [10, 20, 21]);
    }
}
