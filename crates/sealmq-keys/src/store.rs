use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

/// One change of a store.
pub enum Change {
    /// Set a record.
    Put {
        /// Path-like key, for example `group/<hex>/state`. Keys are not secret.
        key: String,
        /// The value; stores encrypt it.
        value: Zeroizing<Vec<u8>>,
    },
    /// Remove a record; removing what is not there is no error.
    Delete {
        /// The record's key.
        key: String,
    },
}

/// Changes that become durable together or not at all.
#[derive(Default)]
#[must_use = "commit the changes before anything that depends on them goes out"]
pub struct Changes(Vec<Change>);

impl Changes {
    /// No changes.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Sets a record.
    pub fn put(&mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.0.push(Change::Put {
            key: key.into(),
            value: Zeroizing::new(value.into()),
        });
    }

    /// Removes a record.
    pub fn delete(&mut self, key: impl Into<String>) {
        self.0.push(Change::Delete { key: key.into() });
    }

    /// Adds later changes; they win over earlier ones of the same key.
    pub fn append(&mut self, mut later: Self) {
        self.0.append(&mut later.0);
    }

    /// In the order in which they apply.
    pub fn iter(&self) -> core::slice::Iter<'_, Change> {
        self.0.iter()
    }

    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { key, .. } => write!(f, "Put({key})"),
            Self::Delete { key } => write!(f, "Delete({key})"),
        }
    }
}

impl fmt::Debug for Changes {
    /// Keys only: values are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl<'a> IntoIterator for &'a Changes {
    type Item = &'a Change;
    type IntoIter = core::slice::Iter<'a, Change>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A record's key and value.
pub type StoredRecord = (String, Zeroizing<Vec<u8>>);

/// Where a machine keeps its state: a map from keys to secret values with atomic, durable commits.
///
/// The machines of this crate never write by themselves: they return [`Changes`], the caller
/// commits them, and only then sends what depends on them.
pub trait Store {
    /// What can go wrong: says what happened and what to do.
    type Error: core::error::Error + Send + Sync + 'static;

    /// One record.
    ///
    /// # Errors
    /// The store cannot be read, or the record was altered.
    fn get(&self, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Self::Error>;

    /// All records whose key starts with `prefix`, in ascending order of key.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn list(&self, prefix: &str) -> Result<Vec<StoredRecord>, Self::Error>;

    /// Applies all changes, or none, durably: after a crash the old or the new state is there.
    ///
    /// # Errors
    /// Nothing was changed.
    fn commit(&mut self, changes: &Changes) -> Result<(), Self::Error>;
}
