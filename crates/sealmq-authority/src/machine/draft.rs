//! State that a call changes as a draft: kept when the call succeeds, put back when it fails. Only
//! what was changed is copied, and there is no way to change it without that.

use alloc::collections::{BTreeMap, BTreeSet, btree_map};

/// One value.
pub(super) struct Slot<T> {
    now: T,
    before: Option<T>,
}

impl<T> Slot<T> {
    pub(super) const fn new(now: T) -> Self {
        Self { now, before: None }
    }

    pub(super) fn set(&mut self, value: T) {
        let old = core::mem::replace(&mut self.now, value);
        self.before.get_or_insert(old);
    }

    pub(super) fn keep(&mut self) {
        self.before = None;
    }

    pub(super) fn undo(&mut self) {
        if let Some(before) = self.before.take() {
            self.now = before;
        }
    }
}

impl<T: Clone> Slot<T> {
    pub(super) fn change(&mut self) -> &mut T {
        let now = &self.now;
        self.before.get_or_insert_with(|| now.clone());
        &mut self.now
    }
}

impl<T: Default> Default for Slot<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> core::ops::Deref for Slot<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.now
    }
}

/// Records by key.
pub(super) struct Table<K, V> {
    now: BTreeMap<K, V>,
    /// What the records that were changed had been; `None` if they had not been there.
    before: BTreeMap<K, Option<V>>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            now: BTreeMap::new(),
            before: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Clone, V> Table<K, V> {
    /// Puts a record; the old one is gone.
    pub(super) fn insert(&mut self, key: K, value: V) {
        let old = self.now.insert(key.clone(), value);
        self.before.entry(key).or_insert(old);
    }

    /// Removes a record; whether there was one.
    pub(super) fn delete(&mut self, key: &K) -> bool {
        let Some((key, old)) = self.now.remove_entry(key) else {
            return false;
        };
        self.before.entry(key).or_insert(Some(old));
        true
    }

    /// Removes those records that are not to stay.
    pub(super) fn delete_unless(&mut self, stays: impl Fn(&K, &V) -> bool) {
        let gone = self.now.iter().filter(|(key, value)| !stays(key, value));
        let gone: alloc::vec::Vec<K> = gone.map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.delete(&key);
        }
    }

    pub(super) fn keep(&mut self) {
        self.before.clear();
    }

    /// Whether there was anything to put back.
    pub(super) fn undo(&mut self) -> bool {
        let any = !self.before.is_empty();
        for (key, old) in core::mem::take(&mut self.before) {
            match old {
                Some(old) => drop(self.now.insert(key, old)),
                None => drop(self.now.remove(&key)),
            }
        }
        any
    }

    /// A record that changes outside of any call that could fail.
    pub(super) fn amend(&mut self, key: &K) -> Option<&mut V> {
        self.now.get_mut(key)
    }
}

impl<K: Ord + Clone, V: Clone> Table<K, V> {
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let now = self.now.get_mut(key)?;
        if !self.before.contains_key(key) {
            self.before.insert(key.clone(), Some(now.clone()));
        }
        Some(now)
    }

    /// Takes a record out, to be put back changed.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let (key, now) = self.now.remove_entry(key)?;
        self.before.entry(key).or_insert_with(|| Some(now.clone()));
        Some(now)
    }
}

impl<K: Ord, V> core::ops::Deref for Table<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &BTreeMap<K, V> {
        &self.now
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Table<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(all: I) -> Self {
        Self {
            now: all.into_iter().collect(),
            before: BTreeMap::new(),
        }
    }
}

/// A set of small keys.
pub(super) struct Set<T> {
    now: BTreeSet<T>,
    /// Whether those that were changed had been in it.
    before: BTreeMap<T, bool>,
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self {
            now: BTreeSet::new(),
            before: BTreeMap::new(),
        }
    }
}

impl<T: Ord + Clone> Set<T> {
    /// Whether it is new.
    pub(super) fn insert(&mut self, value: T) -> bool {
        let is_new = self.now.insert(value.clone());
        if is_new {
            self.before.entry(value).or_insert(false);
        }
        is_new
    }

    pub(super) fn remove<Q: Ord + ?Sized>(&mut self, value: &Q)
    where
        T: core::borrow::Borrow<Q>,
    {
        if let Some(value) = self.now.take(value) {
            self.before.entry(value).or_insert(true);
        }
    }

    pub(super) fn keep(&mut self) {
        self.before.clear();
    }

    pub(super) fn undo(&mut self) {
        for (value, was_there) in core::mem::take(&mut self.before) {
            if was_there {
                self.now.insert(value);
            } else {
                self.now.remove(&value);
            }
        }
    }
}

impl<T> core::ops::Deref for Set<T> {
    type Target = BTreeSet<T>;

    fn deref(&self) -> &BTreeSet<T> {
        &self.now
    }
}

/// A table of things that are drafts themselves, such as sets.
pub(super) struct Tree<K, V> {
    now: BTreeMap<K, V>,
    /// Whole things that were made or removed.
    before: BTreeMap<K, Option<V>>,
}

/// Something that keeps or puts back what was changed in it.
pub(super) trait Draft {
    fn keep(&mut self);
    fn undo(&mut self);
}

impl<K, V> Default for Tree<K, V> {
    fn default() -> Self {
        Self {
            now: BTreeMap::new(),
            before: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Clone, V: Draft + Default> Tree<K, V> {
    /// Made if there is none. What changes in it is its own draft.
    pub(super) fn entry(&mut self, key: K) -> &mut V {
        match self.now.entry(key) {
            btree_map::Entry::Occupied(found) => found.into_mut(),
            btree_map::Entry::Vacant(free) => {
                self.before.entry(free.key().clone()).or_insert(None);
                free.insert(V::default())
            }
        }
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.now.get_mut(key)
    }

    /// Removes those that are not to stay.
    pub(super) fn delete_unless(&mut self, stays: impl Fn(&K) -> bool) {
        let gone = self.now.keys().filter(|key| !stays(key)).cloned();
        let gone: alloc::vec::Vec<K> = gone.collect();
        for key in gone {
            let old = self.now.remove(&key);
            self.before.entry(key).or_insert(old);
        }
    }

    pub(super) fn keep(&mut self) {
        self.before.clear();
        self.now.values_mut().for_each(Draft::keep);
    }

    pub(super) fn undo(&mut self) {
        for (key, old) in core::mem::take(&mut self.before) {
            match old {
                Some(old) => drop(self.now.insert(key, old)),
                None => drop(self.now.remove(&key)),
            }
        }
        self.now.values_mut().for_each(Draft::undo);
    }
}

impl<K: Ord, V> core::ops::Deref for Tree<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &BTreeMap<K, V> {
        &self.now
    }
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
