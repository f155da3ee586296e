//! A table for the receiver that grows with its entries and never moves one, so that no message
//! waits for it.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use sealmq_core::replay::Table;

/// Places that are made at a time.
const PAGE: usize = 16;

/// How many are looked at to find the one that makes room.
const RIVALS: usize = 64;

/// A [`Table`] of at most so many places.
pub(super) struct Growing<T> {
    pages: Vec<Vec<T>>,
    /// The entries' hashes and places.
    index: BTreeSet<(u64, u32)>,
    /// Places that had an entry.
    freed: Vec<u32>,
    most: usize,
}

impl<T> Growing<T> {
    pub(super) const fn new(most: usize) -> Self {
        Self {
            pages: Vec::new(),
            index: BTreeSet::new(),
            freed: Vec::new(),
            most,
        }
    }
}

impl<T: Default> Growing<T> {
    fn new_place(&mut self) -> Option<usize> {
        let place = self.places();
        if place >= self.most {
            return None;
        }
        match self.pages.last_mut().filter(|page| page.len() < PAGE) {
            Some(page) => page.push(T::default()),
            None => {
                let mut page = Vec::with_capacity(PAGE);
                page.push(T::default());
                self.pages.push(page);
            }
        }
        Some(place)
    }
}

impl<T: Default> Table<T> for Growing<T> {
    fn places(&self) -> usize {
        let last = self.pages.last().map_or(PAGE, Vec::len);
        let whole = self.pages.len().saturating_mul(PAGE);
        whole.saturating_add(last).saturating_sub(PAGE)
    }

    fn get(&self, place: usize) -> Option<&T> {
        self.pages.get(place / PAGE)?.get(place % PAGE)
    }

    fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.pages.get_mut(place / PAGE)?.get_mut(place % PAGE)
    }

    fn candidates(&self, hash: u64) -> impl Iterator<Item = usize> {
        let same = self.index.range((hash, 0)..=(hash, u32::MAX));
        same.filter_map(number)
    }

    fn rivals(&self, hash: u64) -> impl Iterator<Item = usize> {
        let above = self.index.range((hash, 0)..);
        let others = above.chain(self.index.range(..(hash, 0)));
        others.take(RIVALS).filter_map(number)
    }

    fn free(&mut self, hash: u64, _: impl Fn(&T) -> bool) -> Option<usize> {
        let freed = self.freed.pop().and_then(|place| place.try_into().ok());
        let place = freed.or_else(|| self.new_place())?;
        self.index.insert((hash, u32::try_from(place).ok()?));
        Some(place)
    }

    fn replaced(&mut self, place: usize, before: u64, hash: u64) {
        if let Ok(place) = u32::try_from(place)
            && self.index.remove(&(before, place))
        {
            self.index.insert((hash, place));
        }
    }

    fn freed(&mut self, place: usize, hash: u64) {
        if let Ok(place) = u32::try_from(place)
            && self.index.remove(&(hash, place))
        {
            self.freed.push(place);
        }
    }
}

fn number((_, place): &(u64, u32)) -> Option<usize> {
    usize::try_from(*place).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry is its hash.
    fn put(table: &mut Growing<Option<u64>>, hash: u64) -> Option<usize> {
        let place = table.free(hash, Option::is_none)?;
        *table.get_mut(place)? = Some(hash);
        Some(place)
    }

    fn find(table: &Growing<Option<u64>>, hash: u64) -> Vec<usize> {
        let found: Vec<usize> = table.candidates(hash).collect();
        for place in &found {
            assert_eq!(table.get(*place), Some(&Some(hash)));
        }
        found
    }

    #[test]
    fn entries_keep_their_places_while_it_grows() {
        let mut table = Growing::new(1000);
        for n in 0..500_u64 {
            // Two of each hash.
            for twin in 0..2 {
                assert_eq!(put(&mut table, n << 50), Some((2 * n + twin) as usize));
            }
        }
        assert_eq!((table.places(), put(&mut table, 1)), (1000, None));
        for n in 0..500_usize {
            assert_eq!(find(&table, (n as u64) << 50), [2 * n, 2 * n + 1]);
        }
        assert_eq!(table.rivals(499 << 50).count(), RIVALS, "around the end");
    }

    #[test]
    fn places_are_used_again() {
        let mut table = Growing::new(2);
        assert_eq!([put(&mut table, 7), put(&mut table, 8)], [Some(0), Some(1)]);
        table.replaced(1, 8, 9);
        *table.get_mut(1).unwrap() = Some(9);
        assert_eq!((find(&table, 8), find(&table, 9)), (Vec::new(), [1].into()));
        *table.get_mut(0).unwrap() = None;
        table.freed(0, 7);
        table.freed(0, 7);
        assert_eq!(find(&table, 7), [0; 0]);
        assert_eq!((put(&mut table, 9), put(&mut table, 3)), (Some(0), None));
        assert_eq!(find(&table, 9), [0, 1]);
        assert_eq!(table.places(), 2);
    }

    #[test]
    fn without_places_there_is_nothing() {
        let mut table = Growing::new(0);
        assert_eq!((put(&mut table, 1), table.places()), (None, 0));
        assert_eq!((table.rivals(1).count(), table.get(0)), (0, None));
    }
}
