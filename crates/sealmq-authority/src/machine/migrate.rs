//! Brings a store that an earlier version wrote to the records of this one.

mod v3;
mod v4;
mod v5;

use alloc::string::String;
use alloc::vec::Vec;

use sealmq_keys::{Changes, Store, StoredRecord};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::record::{self, DOMAIN_KEY, OUTBOX_PREFIX, VERSION};
use super::{Authority, AuthorityError, LoadError};
use crate::audit::AuditLog;

/// Objects had no extensions.
const V3: u8 = 3;
/// Events and state had the same keys.
const V4: u8 = 4;
/// Refused lists had no chunks.
const V5: u8 = 5;

impl Authority {
    /// What to commit before anything else is done with a store that an earlier version wrote:
    /// `None` if this version did, or nobody. Afterwards the earlier version cannot read it.
    ///
    /// Version 3 (objects without extensions) → 4: keys, groups, members, tokens and the log
    /// stay. What was published is taken back, because nobody reads it any more, and requests that
    /// wait for an operator are dropped: the devices ask again. Nothing can be done before
    /// [`Authority::install_delegation`], which issues everything anew
    /// ([`Authority::check_delegation`]).
    ///
    /// Version 4 (state had no keys of its own) → 5: everything stays but announcements and
    /// welcomes, which nobody reads any more. The next [`Authority::tick`] begins an epoch of each
    /// group, which heals and brings its first kept keys, and a generation, by which members come
    /// along that missed an epoch of before.
    ///
    /// Version 5 (refused lists of 64 KiB at most) → 6: everything stays. Groups that refuse
    /// somebody begin an epoch with the next [`Authority::tick`], which names a list as it is now.
    ///
    /// # Errors
    /// The store cannot be read, is damaged, or of a later version.
    pub fn migration<S: Store>(store: &S) -> Result<Option<Changes>, LoadError<S::Error>> {
        let of = match version(store)? {
            None | Some(VERSION) => return Ok(None),
            Some(of @ (V3 | V4 | V5)) => of,
            Some(other) if other > VERSION => {
                return Err(LoadError::Authority(AuthorityError::NewerStore));
            }
            Some(_) => return Err(LoadError::Authority(AuthorityError::Record)),
        };
        let all = store.list("").map_err(LoadError::Store)?;
        let changes = bring(of, all).map_err(LoadError::Authority)?;
        Ok(Some(changes))
    }
}

/// The version of the records; `None` in an empty store.
fn version<S: Store>(store: &S) -> Result<Option<u8>, LoadError<S::Error>> {
    let domain = store.get(DOMAIN_KEY).map_err(LoadError::Store)?;
    let damaged = LoadError::Authority(AuthorityError::Record);
    match domain {
        Some(value) => value.first().copied().map(Some).ok_or(damaged),
        None => Ok(None),
    }
}

/// Refuses a store that was not brought forward.
pub(super) fn check_version<S: Store>(store: &S) -> Result<(), LoadError<S::Error>> {
    let error = match version(store)? {
        None | Some(VERSION) => return Ok(()),
        Some(other) if other > VERSION => AuthorityError::NewerStore,
        Some(_) => AuthorityError::OldStore,
    };
    Err(LoadError::Authority(error))
}

fn bring(of: u8, all: Vec<StoredRecord>) -> Result<Changes, AuthorityError> {
    let mut changes = Changes::new();
    let domain = all.iter().find(|(key, _)| key == DOMAIN_KEY);
    // Whoever else brings it forward comes too late.
    changes.expect(DOMAIN_KEY, domain.map(|(_, value)| value.to_vec()));
    let mut records = Vec::new();
    for (key, value) in all {
        if key.starts_with(AuditLog::PREFIX) {
            continue;
        }
        if let Some(topic) = key.strip_prefix(OUTBOX_PREFIX) {
            records.push(Record {
                kind: Kind::Published(topic.into()),
                body: value,
                key,
            });
            continue;
        }
        match value.split_first() {
            Some((version, body)) if *version == of => records.push(Record {
                kind: Kind::Own,
                body: Zeroizing::new(body.to_vec()),
                key,
            }),
            _ => return Err(AuthorityError::Record),
        }
    }
    if of == V3 {
        v3::bring(&mut records, &mut changes)?;
    }
    if of <= V4 {
        v4::bring(&mut records)?;
    }
    v5::bring(&mut records)?;
    for Record { key, kind, body } in records {
        let mut value = Vec::with_capacity(body.len().saturating_add(1));
        if matches!(kind, Kind::Own) {
            value.push(VERSION);
        }
        value.extend_from_slice(&body);
        changes.put(key, value);
    }
    Ok(changes)
}

/// A record on its way from one version to the next.
struct Record {
    key: String,
    kind: Kind,
    /// Without the version.
    body: Zeroizing<Vec<u8>>,
}

enum Kind {
    Own,
    /// What stands at the broker on this topic; empty: it has to be cleared there, unless something
    /// takes its place.
    Published(String),
}

impl Record {
    /// Reads it as it was and writes it as it is.
    fn recast<T: DeserializeOwned, U: Serialize>(
        &mut self,
        new: impl FnOnce(T) -> U,
    ) -> Result<(), AuthorityError> {
        let old = postcard::from_bytes(&self.body).map_err(|_| AuthorityError::Record)?;
        let value = Zeroizing::new(record::encode(&new(old))?);
        let body = value.get(1..).unwrap_or_default();
        self.body = Zeroizing::new(body.to_vec());
        Ok(())
    }
}
