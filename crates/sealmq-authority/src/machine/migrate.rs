//! Brings a store that an earlier version wrote to the records of this one.

use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::DomainId;
use sealmq_keys::{Changes, Store, StoredRecord};
use serde::Deserialize;

use super::joining::ANSWER_PREFIX;
use super::pending::PENDING_PREFIX;
use super::record::{
    self, DOMAIN_KEY, DomainRecord, GROUP_PREFIX, GroupRecord, KeysRecord, OUTBOX_PREFIX,
    PreviousKem, VERSION,
};
use super::{Authority, AuthorityError, LoadError};
use crate::audit::AuditLog;

/// Objects had no extensions.
const V3: u8 = 3;

#[derive(Deserialize)]
struct DomainV3 {
    domain: DomainId,
    root_key: [u8; 32],
    prefix: String,
    suite: u8,
    keys: KeysRecord,
    next_keys: Option<KeysRecord>,
    previous_kem: Option<PreviousKem>,
    delegation: Vec<u8>,
    next_member: u32,
}

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
    /// # Errors
    /// The store cannot be read, is damaged, or of a later version.
    pub fn migration<S: Store>(store: &S) -> Result<Option<Changes>, LoadError<S::Error>> {
        match version(store)? {
            None | Some(VERSION) => Ok(None),
            Some(V3) => {
                let all = store.list("").map_err(LoadError::Store)?;
                let changes = from_v3(all).map_err(LoadError::Authority)?;
                Ok(Some(changes))
            }
            Some(other) if other > VERSION => Err(LoadError::Authority(AuthorityError::NewerStore)),
            Some(_) => Err(LoadError::Authority(AuthorityError::Record)),
        }
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

fn from_v3(all: Vec<StoredRecord>) -> Result<Changes, AuthorityError> {
    let mut changes = Changes::new();
    for (key, value) in all {
        if key.starts_with(AuditLog::PREFIX) {
            continue;
        }
        if key.starts_with(OUTBOX_PREFIX) {
            // To be cleared at the broker, unless something takes its place.
            changes.put(key, Vec::new());
            continue;
        }
        let Some((&V3, body)) = value.split_first() else {
            return Err(AuthorityError::Record);
        };
        match key.as_str() {
            DOMAIN_KEY => {
                let old: DomainV3 = decode(body)?;
                let new = DomainRecord {
                    is_old: !old.delegation.is_empty(),
                    domain: old.domain,
                    root_key: old.root_key,
                    prefix: old.prefix,
                    suite: old.suite,
                    keys: old.keys,
                    next_keys: old.next_keys,
                    previous_kem: old.previous_kem,
                    delegation: old.delegation,
                    next_member: old.next_member,
                };
                // Whoever else brings it forward comes too late.
                changes.expect(DOMAIN_KEY, Some(value.to_vec()));
                record::put(&mut changes, key, &new)?;
            }
            group if group.starts_with(GROUP_PREFIX) => {
                let old: GroupRecord = decode(body)?;
                let new = GroupRecord {
                    retained: Vec::new(),
                    ..old
                };
                record::put(&mut changes, key, &new)?;
            }
            asked if asked.starts_with(PENDING_PREFIX) || asked.starts_with(ANSWER_PREFIX) => {
                changes.delete(key);
            }
            _ => {
                let mut new = Vec::with_capacity(value.len());
                new.push(VERSION);
                new.extend_from_slice(body);
                changes.put(key, new);
            }
        }
    }
    Ok(changes)
}

fn decode<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, AuthorityError> {
    postcard::from_bytes(body).map_err(|_| AuthorityError::Record)
}
