//! What a member keeps, as stored records. Internal to one implementation: not on the wire.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use sealmq_core::crypto::{Digest, Secret};
use sealmq_core::{GroupId, MemberNumber};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::MemberError;
use super::kept::Kept;
use crate::store::{Changes, Store, StoredRecord};

/// Version of the records of a store: the first byte of each. A change of any of them is a new
/// version, with a step in `migrate.rs`; `golden.rs` notices one without.
pub(super) const VERSION: u8 = 4;

pub(super) const IDENTITY: &str = "member/identity";
pub(super) const DEVICE: &str = "member/device";
pub(super) const DOMAIN: &str = "member/domain";
pub(super) const CREDENTIAL: &str = "member/credential";
/// Hash of the last request that was refused for good.
pub(super) const REFUSED_REQUEST: &str = "member/refused-request";
/// What the member reports of others, as its confirmations have it.
pub(super) const REPORTS: &str = "member/device-reports";
pub(super) const PACKAGE_PREFIX: &str = "member/package/";
pub(super) const GROUP_PREFIX: &str = "group/";
pub(super) const STATE_SUFFIX: &str = "/state";
pub(super) const REFUSED_SUFFIX: &str = "/refused";
pub(super) const REFUSED_CHUNK_PART: &str = "/refused/";
pub(super) const WELCOME_SUFFIX: &str = "/welcome";
pub(super) const LEFT_OUT_SUFFIX: &str = "/left-out";
pub(super) const RECOVERED_SUFFIX: &str = "/recovered";
pub(super) const KEPT_SUFFIX: &str = "/kept";
pub(super) const ANNOUNCEMENT_PART: &str = "/announcement/";
pub(super) const PEER_PREFIX: &str = "peer/";
pub(super) const PEER_BEFORE_PREFIX: &str = "peer-before/";
pub(super) const REPLAY_PREFIX: &str = "replay/";

pub(super) fn package_key(number: u32) -> String {
    format!("{PACKAGE_PREFIX}{number:010}")
}

pub(super) fn group_state_key(group: &GroupId) -> String {
    format!("{GROUP_PREFIX}{group}{STATE_SUFFIX}")
}

pub(super) fn group_refused_key(group: &GroupId) -> String {
    format!("{GROUP_PREFIX}{group}{REFUSED_SUFFIX}")
}

/// A chunk of that list, by its hash.
pub(super) fn refused_chunk_key(group: &GroupId, hash: &Digest) -> String {
    format!("{GROUP_PREFIX}{group}{REFUSED_CHUNK_PART}{hash}")
}

/// Group of such a key.
pub(super) fn parse_refused_chunk_key(key: &str) -> Option<&str> {
    let (group, _) = key.split_once(REFUSED_CHUNK_PART)?;
    group.strip_prefix(GROUP_PREFIX)
}

pub(super) fn group_welcome_key(group: &GroupId) -> String {
    format!("{GROUP_PREFIX}{group}{WELCOME_SUFFIX}")
}

pub(super) fn group_kept_key(group: &GroupId) -> String {
    format!("{GROUP_PREFIX}{group}{KEPT_SUFFIX}")
}

pub(super) fn recovered_key(group: &GroupId) -> String {
    format!("{GROUP_PREFIX}{group}{RECOVERED_SUFFIX}")
}

pub(super) fn left_out_key(group: &GroupId) -> String {
    format!("{GROUP_PREFIX}{group}{LEFT_OUT_SUFFIX}")
}

/// The epoch is the last part, in decimal.
pub(super) fn announcement_key(group: &GroupId, epoch: u64) -> String {
    format!("{GROUP_PREFIX}{group}{ANNOUNCEMENT_PART}{epoch}")
}

/// Group and epoch of such a key.
pub(super) fn parse_announcement_key(key: &str) -> Option<(&str, u64)> {
    let (group, epoch) = key.split_once(ANNOUNCEMENT_PART)?;
    Some((group.strip_prefix(GROUP_PREFIX)?, epoch.parse().ok()?))
}

pub(super) fn peer_key(member: MemberNumber) -> String {
    format!("{PEER_PREFIX}{member}")
}

/// The credential that was known of a member before.
pub(super) fn peer_before_key(member: MemberNumber) -> String {
    format!("{PEER_BEFORE_PREFIX}{member}")
}

/// 32 secret bytes in a record.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct SecretBytes([u8; 32]);

impl SecretBytes {
    pub(super) const fn of(secret: &[u8; 32]) -> Self {
        Self(*secret)
    }

    pub(super) const fn secret(&self) -> Secret {
        Secret::new(self.0)
    }
}

/// The device's identity, made once.
#[derive(Serialize, Deserialize)]
pub(super) struct IdentityRecord {
    pub(super) seed: SecretBytes,
    /// The enrolment request object, to write it out again and to recognise the answer.
    pub(super) request: Kept,
}

/// What hedges randomness, and the numbers that are never used twice (spec/envelope.md §6).
#[derive(Serialize, Deserialize)]
pub(super) struct DeviceRecord {
    pub(super) secret: SecretBytes,
    /// Highest session number used, in any group.
    pub(super) session: u64,
    /// Highest key package number used.
    pub(super) package: u32,
    /// Number of the newest connection; 0 before the first will under the credential was sealed.
    pub(super) connection: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct DomainRecord {
    pub(super) root_key: [u8; 32],
    pub(super) prefix: String,
    /// The current delegation object.
    pub(super) delegation: Kept,
    /// Older ones under which the newest announcement of some group was signed.
    pub(super) past: Vec<Kept>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CredentialRecord {
    /// The delegation under which the credential was verified.
    pub(super) delegation: Kept,
    pub(super) credential: Kept,
}

/// An unused key package: deleted in the same commit that installs the welcome.
#[derive(Serialize, Deserialize)]
pub(super) struct PackageRecord {
    pub(super) number: u32,
    /// Hash of the key package object.
    pub(super) hash: Digest,
    /// Seed of the one-time key pair.
    pub(super) seed: SecretBytes,
    /// Number of the set that it was published in; 0: in the request.
    pub(super) set: u32,
    /// Unix seconds.
    pub(super) issued_at: u64,
    /// Unix seconds.
    pub(super) not_after: u64,
    /// The object; empty for those of the request, which holds them.
    pub(super) object: Vec<u8>,
    /// The newest epoch of each group that was known when the package was made, or of one that
    /// was heard of later, then.
    pub(super) epochs: Vec<(GroupId, u64)>,
}

/// An epoch without a key for this member: what it knew before it was started again holds.
#[derive(Serialize, Deserialize)]
pub(super) struct LeftOutRecord {
    /// Serial of the delegation under which it was seen; nothing counts under another.
    pub(super) serial: u32,
    pub(super) epoch: u64,
    /// The refused list that its announcement names.
    pub(super) list: Digest,
    /// Whether that list names this member; `None` until the list was there.
    pub(super) removed: Option<bool>,
    /// Number of the newest package set then: if it still is, a new one is due.
    pub(super) set: u32,
}

/// Encodes a record; the intermediate copy is wiped.
pub(super) fn put<T: Serialize>(
    changes: &mut Changes,
    key: impl Into<String>,
    record: &T,
) -> Result<(), MemberError> {
    let key = key.into();
    let Ok(body) = postcard::to_allocvec(record).map(Zeroizing::new) else {
        return Err(MemberError::Record(key));
    };
    put_bytes(changes, key, &body);
    Ok(())
}

/// Stores bytes that have an encoding of their own.
pub(super) fn put_bytes(changes: &mut Changes, key: impl Into<String>, body: &[u8]) {
    let mut value = Vec::with_capacity(body.len().saturating_add(1));
    value.push(VERSION);
    value.extend_from_slice(body);
    changes.put(key, value);
}

/// The body of a stored value.
pub(super) fn body<'a>(key: &str, value: &'a [u8]) -> Result<&'a [u8], MemberError> {
    match value.split_first() {
        Some((&VERSION, body)) => Ok(body),
        _ => Err(MemberError::Record(key.to_string())),
    }
}

pub(super) fn read<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, MemberError> {
    postcard::from_bytes(body(key, value)?).map_err(|_| MemberError::Record(key.to_string()))
}

pub(super) fn get<S: Store>(
    store: &S,
    key: &str,
) -> Result<Option<Zeroizing<Vec<u8>>>, MemberError> {
    store.get(key).map_err(|e| MemberError::Store(Box::new(e)))
}

pub(super) fn list<S: Store>(store: &S, prefix: &str) -> Result<Vec<StoredRecord>, MemberError> {
    store
        .list(prefix)
        .map_err(|e| MemberError::Store(Box::new(e)))
}
