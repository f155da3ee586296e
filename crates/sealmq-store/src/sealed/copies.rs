//! From one store into another.

use sealmq_keys::{Changes, Store as _, log_key, log_number};

use super::backend::Backend;
use super::log::RECORD;
use super::store::SealedStore;
use crate::StoreError;

/// Entries of a log that a copy reads and commits together.
const AT_A_TIME: usize = 8192;

impl<B: Backend> SealedStore<B> {
    /// Everything of another store, under this one's key. What the log's segments hold stays where
    /// it is.
    pub(crate) fn take_over(&mut self, old: &Self) -> Result<(), StoreError> {
        let log = old.log.rekeyed()?;
        let mut changes = Changes::new();
        for key in old.index.keys() {
            // Every key of the index has a record, or this says that it was altered.
            let value = match old.record(key)? {
                Some(_) if key == RECORD => Some(log.encode()),
                other => other,
            };
            if let Some(mut value) = value {
                changes.put(key.as_str(), core::mem::take(&mut *value));
            }
        }
        self.apply(changes.iter(), log)
    }

    /// Puts everything that is here into another store, which is empty or has other records: first
    /// the log, some entries at a time, then all records in one commit.
    ///
    /// # Errors
    /// Something cannot be read or written; a part of the log may be there.
    pub fn copy_into(&self, copy: &mut Self) -> Result<(), StoreError> {
        let mut number = 0;
        loop {
            let mut changes = Changes::new();
            for mut entry in self.log(number, AT_A_TIME)? {
                changes.put(log_key(number), core::mem::take(&mut *entry));
                number = number.saturating_add(1);
            }
            if changes.is_empty() {
                break;
            }
            copy.commit(&changes)?;
        }
        let mut changes = Changes::new();
        let is_copied = |key: &str| key == RECORD || log_number(key).is_some();
        for key in self.index.keys().filter(|key| !is_copied(key)) {
            if let Some(mut value) = self.record(key)? {
                changes.put(key.as_str(), core::mem::take(&mut *value));
            }
        }
        copy.commit(&changes)
    }

    /// Removes what belongs to this store beside its records, because another one has taken its
    /// place: the segments of its log.
    ///
    /// # Errors
    /// Some of it may be left.
    pub fn discard_log(&self) -> Result<(), StoreError> {
        self.log
            .id()
            .map_or(Ok(()), |log| self.backend.remove_segments(log))
    }
}
