//! What the authority keeps, as stored records. Internal to one implementation: not on the wire.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use sealmq_core::crypto::{Digest, Secret};
use sealmq_core::object::Access;
use sealmq_core::{DomainId, GroupId, MemberNumber};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::AuthorityError;
use crate::announcement::Policy;
use crate::store::{Changes, Store};

/// Version of the records; the first byte of each.
const VERSION: u8 = 1;

pub(super) const DOMAIN_KEY: &str = "authority/domain";
pub(super) const GROUP_PREFIX: &str = "authority/group/";
pub(super) const MEMBER_PREFIX: &str = "authority/member/";
pub(super) const OUTBOX_PREFIX: &str = "outbox/";

/// 32 secret bytes in a record.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct SecretBytes([u8; 32]);

impl SecretBytes {
    pub(super) const fn of(secret: &Secret) -> Self {
        Self(*secret.expose())
    }

    pub(super) const fn secret(&self) -> Secret {
        Secret::new(self.0)
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct DomainRecord {
    pub(super) domain: DomainId,
    pub(super) root_key: [u8; 32],
    pub(super) prefix: String,
    /// Seed of the authority's signing key, which has all roles.
    pub(super) signing_seed: SecretBytes,
    pub(super) delegation: Vec<u8>,
    pub(super) next_member: u32,
}

/// A healing epoch of a generation: enough to walk the ratchet of any node across it.
#[derive(Serialize, Deserialize)]
pub(super) struct Healing {
    pub(super) epoch: u64,
    pub(super) reader_secret: SecretBytes,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Generation {
    pub(super) number: u32,
    pub(super) depth: u8,
    pub(super) first_epoch: u64,
    pub(super) tree_secret: SecretBytes,
    pub(super) healings: Vec<Healing>,
    /// Every leaf removed so far, ascending. Healing covers leave all of them out.
    pub(super) removed: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct GroupRecord {
    pub(super) id: GroupId,
    pub(super) name: String,
    pub(super) filters: Vec<String>,
    pub(super) policy: Policy,
    /// Seconds that an announcement is valid.
    pub(super) validity: u64,
    /// Seconds between scheduled rotations.
    pub(super) rotate_every: u64,
    pub(super) epoch: u64,
    pub(super) announcement: Digest,
    pub(super) healing_epoch: u64,
    pub(super) healing: Digest,
    pub(super) issued_at: u64,
    pub(super) not_after: u64,
    /// Welcomes were issued for the next epoch.
    pub(super) joins_waiting: bool,
    pub(super) generation: Generation,
    /// Hash of the refused list at the broker; zeros if nobody is refused.
    pub(super) refused: Digest,
    /// Epochs whose announcements are retained at the broker, ascending.
    pub(super) retained: Vec<u64>,
}

#[derive(Serialize, Deserialize, Clone)]
pub(super) struct GrantRecord {
    pub(super) group: GroupId,
    pub(super) access: Access,
    pub(super) publish_filter: String,
    pub(super) leaf: u32,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PackageRecord {
    pub(super) number: u32,
    pub(super) object: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct MemberRecord {
    pub(super) number: MemberNumber,
    pub(super) name: String,
    pub(super) key: [u8; 32],
    pub(super) request: Digest,
    pub(super) credential_serial: u32,
    pub(super) issued_at: u64,
    pub(super) not_after: u64,
    /// The latest expiry of any of its credentials: a removal is remembered until then.
    pub(super) latest_expiry: u64,
    pub(super) grants: Vec<GrantRecord>,
    /// The domain that its packages name: zeros when the device did not know it.
    pub(super) package_domain: DomainId,
    /// Packages not used yet, ascending.
    pub(super) packages: Vec<PackageRecord>,
    pub(super) last_package: u32,
    /// Unix seconds of the removal.
    pub(super) removed_at: Option<u64>,
}

impl GroupRecord {
    pub(super) fn key(&self) -> String {
        format!("{GROUP_PREFIX}{}", self.id)
    }
}

impl MemberRecord {
    pub(super) fn key(&self) -> String {
        format!("{MEMBER_PREFIX}{}", self.number)
    }
}

pub(super) fn put<T: Serialize>(
    changes: &mut Changes,
    key: String,
    record: &T,
) -> Result<(), AuthorityError> {
    // Sized first: a vector that grows would leave copies of secrets behind.
    let size =
        postcard::experimental::serialized_size(record).map_err(|_| AuthorityError::Record)?;
    let mut value = vec![VERSION; size.saturating_add(1)];
    let body = value.get_mut(1..).unwrap_or_default();
    postcard::to_slice(record, body).map_err(|_| AuthorityError::Record)?;
    changes.put(key, value);
    Ok(())
}

pub(super) fn read<T: DeserializeOwned>(value: &[u8]) -> Result<T, AuthorityError> {
    let (version, body) = value.split_first().ok_or(AuthorityError::Record)?;
    if *version != VERSION {
        return Err(AuthorityError::Record);
    }
    postcard::from_bytes(body).map_err(|_| AuthorityError::Record)
}

pub(super) fn read_all<T: DeserializeOwned, S: Store>(
    store: &S,
    prefix: &str,
) -> Result<Vec<T>, super::LoadError<S::Error>> {
    let records = store.list(prefix).map_err(super::LoadError::Store)?;
    records
        .iter()
        .map(|(_, value)| read(value).map_err(super::LoadError::Authority))
        .collect()
}
