//! The authority's store: in memory, its bytes counted, quickly copied.

use std::collections::BTreeMap;
use std::sync::Arc;

use sealmq_keys::{Change, Changes, Conflict, SharedStore, Store};
use zeroize::Zeroizing;

/// Bytes on the heap now, by the test's allocator.
pub type Heap = fn() -> i64;

#[derive(Clone)]
pub(super) struct Vault {
    records: BTreeMap<Arc<str>, Arc<[u8]>>,
    /// Keys and values.
    pub(super) bytes: usize,
    /// Bytes on the heap that commits took, net: they are not the office's.
    pub(super) on_heap: i64,
    /// A command has acted on it since the office's last look.
    pub(super) changed: bool,
    heap: Heap,
}

impl Vault {
    pub(super) const fn new(heap: Heap) -> Self {
        Self {
            records: BTreeMap::new(),
            bytes: 0,
            on_heap: 0,
            changed: true,
            heap,
        }
    }

    pub(super) fn put(&mut self, key: &str, value: &[u8]) {
        self.delete(key);
        self.bytes += key.len() + value.len();
        self.records.insert(key.into(), value.into());
    }

    fn delete(&mut self, key: &str) {
        if let Some(old) = self.records.remove(key) {
            self.bytes -= key.len() + old.len();
        }
    }

    pub(super) fn at(&self, key: &str) -> Option<&Arc<[u8]>> {
        self.records.get(key)
    }

    /// What stands there, by key.
    pub(super) fn under(&self, prefix: &str) -> impl Iterator<Item = (&str, &Arc<[u8]>)> {
        let from = self.records.range(Arc::from(prefix)..);
        let all = from.map(|(key, value)| (&**key, value));
        all.take_while(move |(key, _)| key.starts_with(prefix))
    }
}

impl Store for Vault {
    type Error = Conflict;

    fn get(&self, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Conflict> {
        let value = self.records.get(key);
        Ok(value.map(|value| Zeroizing::new(value.to_vec())))
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Zeroizing<Vec<u8>>)>, Conflict> {
        let all = self.under(prefix);
        Ok(all
            .map(|(key, value)| (key.to_owned(), Zeroizing::new(value.to_vec())))
            .collect())
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), Conflict> {
        if let Some(conflict) = changes.conflict(|key| self.get(key))? {
            return Err(conflict);
        }
        let before = (self.heap)();
        for change in changes {
            match change {
                Change::Put { key, value } => self.put(key, value),
                Change::Delete { key } => self.delete(key),
                Change::Expect { .. } => {}
            }
        }
        self.on_heap += (self.heap)() - before;
        Ok(())
    }

    fn is_conflict(_: &Conflict) -> bool {
        true
    }
}

impl SharedStore for Vault {
    type Store = Self;

    fn has_changed(&mut self) -> Result<Option<bool>, Conflict> {
        Ok(Some(self.changed))
    }

    fn with<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> Result<Option<T>, Conflict> {
        let done = work(self);
        self.changed = false;
        Ok(Some(done))
    }
}
