//! A map for what comes in ascending order and leaves in about the same: unlike a tree it allocates
//! nothing for a message that is the only one in it.

use alloc::collections::VecDeque;

/// A key that is a number.
pub trait Numbered: Ord {
    /// It.
    fn number(&self) -> u64;
}

impl Numbered for u64 {
    fn number(&self) -> u64 {
        *self
    }
}

/// Entries by key, ascending. To put one in at the end and to take one from the beginning is cheap.
#[derive(Debug)]
pub struct InOrder<K, V>(VecDeque<(K, V)>);

impl<K, V> Default for InOrder<K, V> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<K: Numbered, V> InOrder<K, V> {
    /// Where a key stands, or would.
    fn place(&self, key: &K) -> Result<usize, usize> {
        let Some((first, _)) = self.0.front() else {
            return Err(0);
        };
        // Where none is missing in between.
        let distance = key.number().wrapping_sub(first.number());
        let place = usize::try_from(distance).unwrap_or(usize::MAX);
        if self.0.get(place).is_some_and(|(there, _)| there == key) {
            return Ok(place);
        }
        if self.0.back().is_some_and(|(last, _)| last < key) {
            return Err(self.0.len());
        }
        self.0.binary_search_by(|(other, _)| other.cmp(key))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one with the lowest key.
    #[must_use]
    pub fn first(&self) -> Option<&(K, V)> {
        self.0.front()
    }

    /// The one with this key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        let place = self.place(key).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    /// The one with this key, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = self.place(key).ok()?;
        self.0.get_mut(place).map(|(_, value)| value)
    }

    /// Whether there is one with this key.
    #[must_use]
    pub fn contains(&self, key: &K) -> bool {
        self.place(key).is_ok()
    }

    /// Puts one in, in the place of one with the same key.
    pub fn insert(&mut self, key: K, value: V) {
        match self.place(&key) {
            Ok(place) => {
                if let Some(there) = self.0.get_mut(place) {
                    there.1 = value;
                }
            }
            Err(place) if place == self.0.len() => self.0.push_back((key, value)),
            Err(place) => self.0.insert(place, (key, value)),
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let removed = match self.place(key).ok()? {
            0 => self.0.pop_front(),
            place => self.0.remove(place),
        };
        removed.map(|(_, value)| value)
    }

    /// Keeps those of which this is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        self.0.retain(|(key, value)| keep(key, value));
    }

    /// Takes all keys out, ascending.
    pub fn take_keys(&mut self) -> impl Iterator<Item = K> {
        self.0.drain(..).map(|(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn it_is_a_map_in_order() {
        let mut map = InOrder::default();
        for key in [5_u64, 9, 7, 1, 9] {
            map.insert(key, key * 10);
        }
        map.insert(7, 8);
        assert_eq!((map.len(), map.first()), (4, Some(&(1, 10))));
        assert_eq!((map.get(&7), map.get(&8)), (Some(&8), None));
        assert!(map.contains(&9) && !map.contains(&10));
        assert_eq!((map.remove(&5), map.remove(&5)), (Some(50), None));
        map.insert(0, 3);
        map.retain(|key, _| *key != 1);
        *map.get_mut(&9).unwrap() = 4;
        assert_eq!(map.get(&9), Some(&4));
        assert_eq!(map.take_keys().collect::<Vec<_>>(), [0, 7, 9]);
        assert!(map.is_empty());
    }
}
