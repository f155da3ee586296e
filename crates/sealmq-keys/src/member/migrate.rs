//! Brings a store that an earlier version wrote to the records of this one.

use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::GroupId;
use sealmq_core::crypto::Digest;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::kept::Kept;
use super::records::{
    self, ANNOUNCEMENT_PART, CredentialRecord, DomainRecord, GROUP_PREFIX, IdentityRecord,
    PACKAGE_PREFIX, PEER_PREFIX, PackageRecord, REFUSED_SUFFIX, SecretBytes, VERSION,
    WELCOME_SUFFIX,
};
use super::{Member, MemberError};
use crate::store::{Changes, Store};

/// Objects had no extensions.
const V2: u8 = 2;

#[derive(Deserialize)]
struct IdentityV2 {
    seed: SecretBytes,
    request: Vec<u8>,
}

#[derive(Deserialize)]
struct DomainV2 {
    root_key: [u8; 32],
    prefix: String,
    delegation: Vec<u8>,
    past: Vec<Vec<u8>>,
}

#[derive(Deserialize)]
struct CredentialV2 {
    delegation: Vec<u8>,
    credential: Vec<u8>,
}

#[derive(Deserialize)]
struct PackageV2 {
    number: u32,
    hash: Digest,
    seed: SecretBytes,
    #[expect(dead_code, reason = "not carried over")]
    set: u32,
    issued_at: u64,
    not_after: u64,
    #[expect(dead_code, reason = "not carried over")]
    object: Vec<u8>,
    epochs: Vec<(GroupId, u64)>,
}

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
    /// # Errors
    /// The store cannot be read, is damaged, of a later version, or holds only a request that an
    /// earlier one made.
    pub fn migration<S: Store>(store: &S) -> Result<Option<Changes>, MemberError> {
        match version(store)? {
            None | Some(VERSION) => Ok(None),
            Some(V2) => from_v2(store).map(Some),
            Some(other) if other > VERSION => Err(MemberError::NewerStore),
            Some(_) => Err(MemberError::Record(records::IDENTITY.into())),
        }
    }
}

/// The version of the records; `None` in an empty store.
fn version<S: Store>(store: &S) -> Result<Option<u8>, MemberError> {
    let identity = records::get(store, records::IDENTITY)?;
    let damaged = || MemberError::Record(records::IDENTITY.into());
    let version = |value: Zeroizing<Vec<u8>>| value.first().copied().ok_or_else(damaged);
    identity.map(version).transpose()
}

/// Refuses a store that was not brought forward.
pub(super) fn check_version<S: Store>(store: &S) -> Result<(), MemberError> {
    match version(store)? {
        None | Some(VERSION) => Ok(()),
        Some(other) if other > VERSION => Err(MemberError::NewerStore),
        Some(_) => Err(MemberError::OldStore),
    }
}

fn from_v2<S: Store>(store: &S) -> Result<Changes, MemberError> {
    if records::get(store, records::CREDENTIAL)?.is_none() {
        return Err(MemberError::OldRequest);
    }
    let mut changes = Changes::new();
    for (key, value) in records::list(store, "")? {
        let damaged = || MemberError::Record(key.clone());
        let Some((&V2, body)) = value.split_first() else {
            return Err(damaged());
        };
        match key.as_str() {
            records::IDENTITY => {
                let old: IdentityV2 = decode(body).ok_or_else(damaged)?;
                let new = IdentityRecord {
                    seed: old.seed,
                    request: Kept::old(old.request),
                };
                records::put(&mut changes, key, &new)?;
            }
            records::DOMAIN => {
                let old: DomainV2 = decode(body).ok_or_else(damaged)?;
                let new = DomainRecord {
                    root_key: old.root_key,
                    prefix: old.prefix,
                    delegation: Kept::old(old.delegation),
                    past: old.past.into_iter().map(Kept::old).collect(),
                };
                records::put(&mut changes, key, &new)?;
            }
            records::CREDENTIAL => {
                let old: CredentialV2 = decode(body).ok_or_else(damaged)?;
                let new = CredentialRecord {
                    delegation: Kept::old(old.delegation),
                    credential: Kept::old(old.credential),
                };
                records::put(&mut changes, key, &new)?;
            }
            package if package.starts_with(PACKAGE_PREFIX) => {
                // Its key serves as long as the authority knows it; the object is not shown again.
                let old: PackageV2 = decode(body).ok_or_else(damaged)?;
                let new = PackageRecord {
                    number: old.number,
                    hash: old.hash,
                    seed: old.seed,
                    set: 0,
                    issued_at: old.issued_at,
                    not_after: old.not_after,
                    object: Vec::new(),
                    epochs: old.epochs,
                };
                records::put(&mut changes, key, &new)?;
            }
            unread if is_object(unread) => changes.delete(key),
            _ => records::put_bytes(&mut changes, key, body),
        }
    }
    Ok(changes)
}

fn decode<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    postcard::from_bytes(body).ok()
}

/// Records that are a signed object: of another member, or one that the group's state came from.
/// The next announcement names another refused list; until then no message counts anyway.
fn is_object(key: &str) -> bool {
    let of_group = key.starts_with(GROUP_PREFIX);
    let unread = [REFUSED_SUFFIX, WELCOME_SUFFIX];
    key.starts_with(PEER_PREFIX)
        || of_group
            && (key.contains(ANNOUNCEMENT_PART) || unread.iter().any(|part| key.ends_with(part)))
}
