use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use subtle::ConstantTimeEq as _;
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
    /// Commit only if the record had this value before the commit.
    Expect {
        /// The record's key.
        key: String,
        /// The value; `None` if there must be no such record.
        value: Option<Zeroizing<Vec<u8>>>,
    },
}

impl Change {
    /// The key of the record that is set, removed or expected.
    #[must_use]
    pub const fn key(&self) -> &String {
        match self {
            Self::Put { key, .. } | Self::Delete { key } | Self::Expect { key, .. } => key,
        }
    }
}

/// A record has not the value that [`Changes::expect`] asked for: another process acted since
/// the state was read. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The record's key.
    pub key: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "another process changed the store meanwhile (record {:?}), so nothing was written: read the state again and repeat",
            self.key
        )
    }
}

impl core::error::Error for Conflict {}

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

    /// Lets the commit apply only if the record has exactly this value (`None`: does not exist)
    /// *before* the commit, whatever the other changes do and wherever this stands among them.
    /// A plan that was made from a state that another process changed meanwhile is so refused.
    pub fn expect(&mut self, key: impl Into<String>, value: Option<impl Into<Vec<u8>>>) {
        self.0.push(Change::Expect {
            key: key.into(),
            value: value.map(|value| Zeroizing::new(value.into())),
        });
    }

    /// For implementations of [`Store::commit`]: the first expectation that the records do not
    /// meet. `get` reads a record as it was before the commit.
    ///
    /// # Errors
    /// Those of `get`.
    pub fn conflict<E>(
        &self,
        get: impl Fn(&str) -> Result<Option<Zeroizing<Vec<u8>>>, E>,
    ) -> Result<Option<Conflict>, E> {
        for change in &self.0 {
            let Change::Expect { key, value } = change else {
                continue;
            };
            let met = match (get(key)?, value) {
                (Some(found), Some(value)) => bool::from(found.ct_eq(value)),
                (found, value) => found.is_none() && value.is_none(),
            };
            if !met {
                return Ok(Some(Conflict { key: key.clone() }));
            }
        }
        Ok(None)
    }

    /// Adds later changes; they win over earlier ones of the same key. Expectations of both are
    /// about the state before the whole commit.
    pub fn append(&mut self, mut later: Self) {
        self.0.append(&mut later.0);
    }

    /// Adds changes that were made from the state after these, as if each were committed by itself:
    /// what they expect of a record that these set or remove is met by that.
    pub fn follow(&mut self, later: Self) {
        for change in later.0 {
            if !self.meets(&change) {
                self.0.push(change);
            }
        }
    }

    /// Whether this is an expectation that holds after these changes.
    fn meets(&self, change: &Change) -> bool {
        let Change::Expect { key, value } = change else {
            return false;
        };
        let mut of_key = self.0.iter().rev().filter(|known| known.key() == key);
        match of_key.find(|known| !matches!(known, Change::Expect { .. })) {
            Some(Change::Put { value: found, .. }) => value
                .as_ref()
                .is_some_and(|value| bool::from(found.ct_eq(value))),
            Some(Change::Delete { .. }) => value.is_none(),
            _ => false,
        }
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
            Self::Expect { key, .. } => write!(f, "Expect({key})"),
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

/// Prefix of the records that are a log: it only grows, each entry under the next [`log_key`].
pub const LOG_PREFIX: &str = "audit/";

/// The key of a log's entry: 20 digits, so that a listing is in order.
#[must_use]
pub fn log_key(number: u64) -> String {
    format!("{LOG_PREFIX}{number:020}")
}

/// The number of the log's entry that has this key.
#[must_use]
pub fn log_number(key: &str) -> Option<u64> {
    let number = key.strip_prefix(LOG_PREFIX)?.parse().ok()?;
    (log_key(number) == key).then_some(number)
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

    /// Entries of the log from this number on, at most so many: fewer only where the log ends. A
    /// log may be far longer than what fits into memory, and is read page by page.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn log(&self, from: u64, most: usize) -> Result<Vec<Zeroizing<Vec<u8>>>, Self::Error> {
        let mut entries = Vec::new();
        let mut numbers = from..=u64::MAX;
        while entries.len() < most
            && let Some(number) = numbers.next()
            && let Some(entry) = self.get(&log_key(number))?
        {
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Applies all changes, or none, durably: after a crash the old or the new state is there.
    /// Checks every [`Change::Expect`] first, under the same lock ([`Changes::conflict`]).
    ///
    /// # Errors
    /// Nothing was changed. [`Store::is_conflict`] of an error tells an expectation that was not
    /// met from failures.
    fn commit(&mut self, changes: &Changes) -> Result<(), Self::Error>;

    /// Whether a commit was refused because of a [`Change::Expect`]: another process acted since
    /// the state was read, and reading it again and repeating the step is all that is needed.
    fn is_conflict(error: &Self::Error) -> bool
    where
        Self: Sized;
}

/// What can go wrong with the store behind a [`SharedStore`].
pub type SharedError<S> = <<S as SharedStore>::Store as Store>::Error;

/// A store that others act on, too, such as commands beside the authority's running office, or
/// another office that stands by. It is open for one piece of work at a time.
pub trait SharedStore {
    /// The store itself, while it is open.
    type Store: Store;

    /// Whether anything was committed since the last [`SharedStore::with`] returned, by anybody.
    /// `None` while somebody else is at work: nobody can say.
    ///
    /// # Errors
    /// The store cannot be read.
    fn has_changed(&mut self) -> Result<Option<bool>, SharedError<Self>>;

    /// Opens the store for one piece of work, and closes it. `None`, and nothing was done, if
    /// somebody else has it open for too long.
    ///
    /// # Errors
    /// The store cannot be opened or closed.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Self::Store) -> T,
    ) -> Result<Option<T>, SharedError<Self>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is expected of the state before both.
    fn expected(changes: &Changes) -> Vec<&str> {
        let expected = changes.iter().filter_map(|change| match change {
            Change::Expect { key, .. } => Some(key.as_str()),
            _ => None,
        });
        expected.collect()
    }

    #[test]
    fn what_follows_is_met_by_what_was_before() {
        let later = |value: Option<&[u8]>| {
            let mut later = Changes::new();
            later.expect("a", value);
            later.put("a", b"3".to_vec());
            later
        };
        let mut changes = Changes::new();
        changes.expect("a", Some(b"1".to_vec()));
        changes.put("a", b"2".to_vec());
        changes.follow(later(Some(b"2")));
        assert_eq!(expected(&changes), ["a"]);
        changes.follow(later(Some(b"3")));
        assert_eq!(expected(&changes), ["a"]);
        // Not what these make of it, or nothing that they touch: the commit decides.
        changes.follow(later(Some(b"1")));
        changes.follow(later(None));
        assert_eq!(expected(&changes), ["a", "a", "a"]);
        changes.delete("a");
        changes.follow(later(None));
        assert_eq!(expected(&changes), ["a", "a", "a"]);
        let mut other = Changes::new();
        other.expect("b", None::<Vec<u8>>);
        changes.follow(other);
        assert_eq!(expected(&changes), ["a", "a", "a", "b"]);
    }
}
