use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use sealmq_keys::{Change, Changes, Store};
use zeroize::Zeroizing;

use crate::{StoreError, limits};

/// A store that lives as long as the value: for tests and for programs that keep no state.
#[derive(Default)]
pub struct MemoryStore {
    records: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            records: BTreeMap::new(),
        }
    }

    /// A copy of the present state, as a restored backup would be. It holds the same secrets.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self {
            records: self.records.clone(),
        }
    }
}

impl Store for MemoryStore {
    type Error = StoreError;

    fn get(&self, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        Ok(self.records.get(key).cloned())
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Zeroizing<Vec<u8>>)>, StoreError> {
        Ok(self
            .records
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        limits::check(changes)?;
        if let Some(conflict) = changes.conflict(|key| self.get(key))? {
            return Err(conflict.into());
        }
        for change in changes {
            match change {
                Change::Put { key, value } => {
                    self.records.insert(key.clone(), value.clone());
                }
                Change::Delete { key } => {
                    self.records.remove(key);
                }
                Change::Expect { .. } => {}
            }
        }
        Ok(())
    }

    fn is_conflict(error: &StoreError) -> bool {
        matches!(error, StoreError::Conflict(_))
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("records", &self.records.len())
            .finish()
    }
}
