//! Brings a store that an earlier version wrote to the records of this one.

#[cfg(test)]
mod tests;
mod v2;
mod v3;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::records::{self, VERSION};
use super::{Member, MemberError};
use crate::store::{Changes, Store};

/// Objects had no extensions.
const V2: u8 = 2;
/// Events and state had the same keys.
const V3: u8 = 3;

impl Member {
    /// What to commit before anything else is done with a store that an earlier version wrote:
    /// `None` if this version did, or nobody. Afterwards the earlier version cannot read it.
    ///
    /// Version 2 (objects without extensions) → 3: the member keeps its identity, number, key
    /// states, replay state, and the private keys of its packages. It takes and gives no message
    /// before the domain has a new delegation, and it a credential of that; both come by
    /// themselves. It forgets other members' credentials and the objects that its epochs were
    /// built on, which nobody reads any more, and makes new packages.
    ///
    /// Version 3 (state had no keys of its own) → 4: everything stays but announcements and
    /// welcomes, which nobody reads any more, and what was remembered of retained values, which
    /// opens for nobody any more. Events go on. State waits for kept keys: the authority's next
    /// epoch brings them.
    ///
    /// # Errors
    /// The store cannot be read, is damaged, of a later version, or holds only a request that
    /// version 2 made.
    pub fn migration<S: Store>(store: &S) -> Result<Option<Changes>, MemberError> {
        let bodies = match version(store)? {
            None | Some(VERSION) => return Ok(None),
            Some(V2) => v3::bring(v2::bring(Bodies::read(store, V2)?)?)?,
            Some(V3) => v3::bring(Bodies::read(store, V3)?)?,
            Some(other) if other > VERSION => return Err(MemberError::NewerStore),
            Some(_) => return Err(damaged(records::IDENTITY)),
        };
        Ok(Some(bodies.changes()))
    }
}

/// The version of the records; `None` in an empty store.
fn version<S: Store>(store: &S) -> Result<Option<u8>, MemberError> {
    let identity = records::get(store, records::IDENTITY)?;
    let version = |value: Zeroizing<Vec<u8>>| value.first().copied();
    identity
        .map(|value| version(value).ok_or_else(|| damaged(records::IDENTITY)))
        .transpose()
}

/// Refuses a store that was not brought forward.
pub(super) fn check_version<S: Store>(store: &S) -> Result<(), MemberError> {
    match version(store)? {
        None | Some(VERSION) => Ok(()),
        Some(other) if other > VERSION => Err(MemberError::NewerStore),
        Some(_) => Err(MemberError::OldStore),
    }
}

fn damaged(key: &str) -> MemberError {
    MemberError::Record(key.into())
}

/// A whole store on its way from one version to the next: the records without the version.
struct Bodies {
    stay: BTreeMap<String, Zeroizing<Vec<u8>>>,
    gone: Vec<String>,
}

impl Bodies {
    fn read<S: Store>(store: &S, version: u8) -> Result<Self, MemberError> {
        let mut stay = BTreeMap::new();
        for (key, value) in records::list(store, "")? {
            match value.split_first() {
                Some((of, body)) if *of == version => {
                    stay.insert(key, Zeroizing::new(body.to_vec()));
                }
                _ => return Err(damaged(&key)),
            }
        }
        Ok(Self {
            stay,
            gone: Vec::new(),
        })
    }

    fn has(&self, key: &str) -> bool {
        self.stay.contains_key(key)
    }

    /// Every record becomes what `step` makes of it.
    fn each(
        mut self,
        step: impl Fn(&str, &[u8]) -> Result<Fate, MemberError>,
    ) -> Result<Self, MemberError> {
        for (key, body) in core::mem::take(&mut self.stay) {
            match step(&key, &body)? {
                Fate::Stays => drop(self.stay.insert(key, body)),
                Fate::Becomes(new) => drop(self.stay.insert(key, new)),
                Fate::Moves(to, new) => {
                    self.gone.push(key);
                    self.stay.insert(to, new);
                }
                Fate::Goes => self.gone.push(key),
            }
        }
        Ok(self)
    }

    fn changes(self) -> Changes {
        let mut changes = Changes::new();
        for key in self.gone {
            changes.delete(key);
        }
        for (key, body) in self.stay {
            records::put_bytes(&mut changes, key, &body);
        }
        changes
    }
}

/// What becomes of a record.
enum Fate {
    Stays,
    Becomes(Zeroizing<Vec<u8>>),
    /// The same under another key.
    Moves(String, Zeroizing<Vec<u8>>),
    Goes,
}

impl Fate {
    /// Reads a record as it was and writes it as it is.
    fn recast<'b, T: Deserialize<'b>, U: Serialize>(
        key: &str,
        body: &'b [u8],
        new: impl FnOnce(T) -> U,
    ) -> Result<Self, MemberError> {
        let old = postcard::from_bytes(body).map_err(|_| damaged(key))?;
        let body = postcard::to_allocvec(&new(old)).map_err(|_| damaged(key))?;
        Ok(Self::Becomes(Zeroizing::new(body)))
    }
}

/// The object records of a group whose names end like this, or that hold an announcement.
fn of_group(key: &str, suffixes: &[&str]) -> bool {
    let ends = suffixes.iter().any(|suffix| key.ends_with(suffix));
    key.starts_with(records::GROUP_PREFIX) && (key.contains(records::ANNOUNCEMENT_PART) || ends)
}
