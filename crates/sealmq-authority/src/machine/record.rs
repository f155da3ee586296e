//! What the authority keeps, as stored records. Internal to one implementation: not on the wire.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use sealmq_core::crypto::{DeviceSecret, Digest, Secret};
use sealmq_core::object::Access;
use sealmq_core::{DomainId, GroupId, MemberNumber};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{AuthorityError, Schedule};
use sealmq_keys::Policy;
use sealmq_keys::Roles;
use sealmq_keys::{Changes, Store};

/// Version of the records of a store: the first byte of each, but of the outbox and the log, which
/// hold what is published. A change of any of them is a new version, with a step in `migrate.rs`.
pub(super) const VERSION: u8 = 6;

pub(super) const DOMAIN_KEY: &str = "authority/domain";
pub(super) const HEAD_KEY: &str = "authority/head";
pub(super) const GROUP_PREFIX: &str = "authority/group/";
pub(super) const MEMBER_PREFIX: &str = "authority/member/";
pub(crate) const OUTBOX_PREFIX: &str = "outbox/";

/// 32 secret bytes in a record.
#[derive(Serialize, Deserialize, Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct SecretBytes([u8; 32]);

impl SecretBytes {
    pub(super) const fn of(secret: &Secret) -> Self {
        Self(*secret.expose())
    }

    pub(super) const fn of_device(secret: &DeviceSecret) -> Self {
        Self(*secret.expose())
    }

    pub(super) const fn secret(&self) -> Secret {
        Secret::new(self.0)
    }
}

/// A signing key of the authority and what the current delegation lets it do.
#[derive(Serialize, Deserialize, Clone)]
pub(super) struct KeyRecord {
    pub(super) seed: SecretBytes,
    pub(super) roles: Roles,
}

/// The authority's own keys, in the order of the delegation that lists them.
#[derive(Serialize, Deserialize, Clone)]
pub(super) struct KeysRecord {
    pub(super) signing: Vec<KeyRecord>,
    /// Seeds of the KEM keys that receive join requests.
    pub(super) kem: Vec<SecretBytes>,
}

/// The keys that received join requests under an earlier delegation.
#[derive(Serialize, Deserialize, Clone)]
pub(super) struct PreviousKem {
    /// Serial of that delegation.
    pub(super) serial: u32,
    /// Seeds, in its order.
    pub(super) seeds: Vec<SecretBytes>,
}

#[derive(Serialize, Deserialize, Clone)]
pub(super) struct DomainRecord {
    pub(super) domain: DomainId,
    pub(super) root_key: [u8; 32],
    pub(super) prefix: String,
    /// 1 or 2 (spec/keys.md §10).
    pub(super) suite: u8,
    pub(super) keys: KeysRecord,
    /// Keys made for the next delegation, which has not come yet.
    pub(super) next_keys: Option<KeysRecord>,
    /// For join requests that were sealed under the delegation before this one.
    pub(super) previous_kem: Option<PreviousKem>,
    /// Empty until the first one was installed.
    pub(super) delegation: Vec<u8>,
    pub(super) next_member: u32,
    /// The delegation is from before extensions (spec/keys.md §1): nobody else reads it.
    pub(super) is_old: bool,
}

/// What every change of the store has to build upon: two authorities on one store, or one with
/// stale memory, cannot both act.
#[derive(Serialize, Deserialize, Clone, Copy, Default, PartialEq)]
pub(super) struct HeadRecord {
    pub(super) revision: u64,
    pub(super) log_size: u64,
    pub(super) log_head: Digest,
}

impl HeadRecord {
    /// The next head, which a commit puts only if `known` is still there.
    pub(super) fn advance(
        &mut self,
        known: Self,
        changes: &mut Changes,
    ) -> Result<(), AuthorityError> {
        let expected = match known.revision {
            0 => None,
            _ => Some(encode(&known)?),
        };
        changes.expect(HEAD_KEY, expected);
        self.revision = known.revision.saturating_add(1);
        put(changes, HEAD_KEY.into(), self)
    }
}

/// A healing epoch of a generation: enough to walk the ratchet of any node across it.
#[derive(Serialize, Deserialize, Clone)]
pub(super) struct Healing {
    pub(super) epoch: u64,
    pub(super) reader_secret: SecretBytes,
}

#[derive(Serialize, Deserialize, Clone)]
pub(super) struct GenerationRecord {
    pub(super) number: u32,
    pub(super) depth: u8,
    pub(super) first_epoch: u64,
    /// Unix seconds.
    pub(super) started_at: u64,
    /// When it is covered no longer, Unix seconds; 0 while it is the newest.
    pub(super) deadline: u64,
    /// Packages from before it began serve for it, too: nobody could follow the announcement that
    /// began it (spec/keys.md §4).
    pub(super) any_package: bool,
    pub(super) tree_secret: SecretBytes,
    pub(super) healings: Vec<Healing>,
    /// Every leaf removed so far, ascending. Healing covers leave all of them out.
    pub(super) removed: Vec<u32>,
}

/// An announcement that is retained at the broker.
#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) struct Retained {
    pub(super) epoch: u64,
    /// Number of its cover chunks; 0 if the cover is inline.
    pub(super) chunks: u32,
}

/// A chunk of a refused list that stands at the broker.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq)]
pub(super) struct RefusedChunkRecord {
    /// The lowest member number that it can name.
    pub(super) first: u32,
    pub(super) hash: Digest,
}

/// A policy in a record: a field more in announcements is a new version here.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Policy")]
struct PolicyRecord {
    window: u8,
    lease: u32,
    grace: u32,
    freshness: u32,
    skew: u32,
    padding: u8,
    bucket: u32,
    session_messages: u32,
    session_bytes: u64,
    session_seconds: u32,
    will_age: u32,
    kept: u8,
}

/// The kept keys of one kept epoch.
#[derive(Serialize, Deserialize, Clone)]
pub(super) struct KeptRecord {
    pub(super) epoch: u64,
    /// K: hash of its announcement.
    pub(super) kept: Digest,
    pub(super) secret: SecretBytes,
    pub(super) psk: SecretBytes,
    /// Serial of the delegation under which it began.
    pub(super) serial: u32,
}

#[derive(Serialize, Deserialize, Clone)]
pub(super) struct GroupRecord {
    pub(super) id: GroupId,
    pub(super) name: String,
    pub(super) filters: Vec<String>,
    #[serde(with = "PolicyRecord")]
    pub(super) policy: Policy,
    pub(super) schedule: Schedule,
    pub(super) epoch: u64,
    pub(super) announcement: Digest,
    pub(super) healing_epoch: u64,
    pub(super) healing: Digest,
    pub(super) issued_at: u64,
    pub(super) not_after: u64,
    /// When the last heartbeat was signed, Unix seconds; 0 if none was.
    pub(super) heartbeat_at: u64,
    /// When the last healing epoch began, or the group; Unix seconds.
    pub(super) healed_at: u64,
    /// Messages seen in this epoch ([`Authority::count`](super::Authority::count)).
    pub(super) messages: u64,
    /// Since when welcomes wait for the next epoch, Unix seconds.
    pub(super) joins_since: Option<u64>,
    /// When a generation began, or members were last moved to it; Unix seconds.
    pub(super) moved_at: u64,
    /// 1 or 2, ascending by number; members are moved to the last one.
    pub(super) generations: Vec<GenerationRecord>,
    /// Hash of the refused list at the broker; zeros if nobody is refused.
    pub(super) refused: Digest,
    /// Ascending by epoch.
    pub(super) retained: Vec<Retained>,
    /// Newest first: as many as the policy says, and the current ones.
    pub(super) kept: Vec<KeptRecord>,
    /// Serial of the delegation under which the list of kept keys was last published.
    pub(super) kept_under: Option<u32>,
    /// A tree that was covered has ended: the next epoch heals, whatever its reason is.
    pub(super) heals_next: bool,
    /// The chunks of the refused list, ascending; none if its records are in it.
    pub(super) refused_chunks: Vec<RefusedChunkRecord>,
}

/// A welcome that was issued for a leaf.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq)]
pub(super) struct Issued {
    pub(super) package_number: u32,
    pub(super) epoch: u64,
    /// Hash of the welcome.
    pub(super) hash: Digest,
    /// The member has proved that it opened it.
    pub(super) confirmed: bool,
}

/// A member's leaf in one generation of a group.
#[derive(Serialize, Deserialize, Clone)]
pub(super) struct Place {
    pub(super) generation: u32,
    pub(super) leaf: u32,
    pub(super) issued: Issued,
    /// The member's highest package number when the welcome was issued. Packages above it came
    /// since: the member asks for another welcome.
    pub(super) known: u32,
    /// When the welcome was issued, Unix seconds.
    pub(super) at: u64,
    /// How often it was issued again because packages came instead of a confirmation.
    pub(super) again: u8,
}

#[derive(Serialize, Deserialize, Clone)]
pub(super) struct GrantRecord {
    pub(super) group: GroupId,
    pub(super) access: Access,
    pub(super) publish_filter: String,
    /// One per living generation at most, ascending; those of ended ones may still be there.
    pub(super) places: Vec<Place>,
    /// The generation to which the member got its first welcome; 0 before it.
    pub(super) since: u32,
    /// The newest generation that was announced when packages last came. For none that is newer
    /// any of them serves (spec/keys.md §4).
    pub(super) fresh_for: u32,
    /// Packages up to this number were there before the first that came while it was announced.
    pub(super) fresh_above: u32,
}

/// A key package that was verified when it came in.
#[derive(Serialize, Deserialize, Clone)]
pub(super) struct PackageRecord {
    pub(super) number: u32,
    pub(super) hash: Digest,
    pub(super) init_key: Box<[u8]>,
    pub(super) issued_at: u64,
    pub(super) not_after: u64,
}

#[derive(Serialize, Deserialize, Clone)]
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
    /// Seconds that each of its credentials is valid.
    pub(super) validity: u64,
    pub(super) grants: Vec<GrantRecord>,
    /// Packages not used up yet, ascending.
    pub(super) packages: Vec<PackageRecord>,
    /// Highest package number ever seen.
    pub(super) last_package: u32,
    /// Unix seconds of the removal.
    pub(super) removed_at: Option<u64>,
}

impl GroupRecord {
    pub(super) fn key(&self) -> String {
        format!("{GROUP_PREFIX}{}", self.id)
    }

    /// The generation that members are welcomed into.
    pub(super) fn newest(&self) -> Result<&GenerationRecord, AuthorityError> {
        self.generations.last().ok_or(AuthorityError::Record)
    }

    /// The number of that generation; 0 if there is none.
    pub(super) fn newest_number(&self) -> u32 {
        self.generations.last().map_or(0, |newest| newest.number)
    }

    /// The newest generation that members can know of; 0 if there is none.
    pub(super) fn announced_number(&self) -> u32 {
        let announced = self.generations.iter().rev();
        let mut announced = announced.filter(|g| g.first_epoch <= self.epoch);
        announced.next().map_or(0, |newest| newest.number)
    }

    pub(super) fn generation(&self, number: u32) -> Option<&GenerationRecord> {
        self.generations.iter().find(|g| g.number == number)
    }
}

impl GrantRecord {
    pub(super) fn place(&self, generation: u32) -> Option<&Place> {
        self.places.iter().find(|p| p.generation == generation)
    }
}

impl MemberRecord {
    pub(super) fn key(&self) -> String {
        format!("{MEMBER_PREFIX}{}", self.number)
    }

    pub(super) fn is_active(&self) -> bool {
        self.removed_at.is_none()
    }

    pub(super) fn grant(&self, group: &GroupId) -> Option<&GrantRecord> {
        self.grants.iter().find(|g| g.group == *group)
    }
}

pub(super) fn put<T: Serialize>(
    changes: &mut Changes,
    key: String,
    record: &T,
) -> Result<(), AuthorityError> {
    changes.put(key, encode(record)?);
    Ok(())
}

pub(super) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, AuthorityError> {
    // Sized first: a vector that grows would leave copies of secrets behind.
    let size =
        postcard::experimental::serialized_size(record).map_err(|_| AuthorityError::Record)?;
    let mut value = vec![VERSION; size.saturating_add(1)];
    let body = value.get_mut(1..).unwrap_or_default();
    postcard::to_slice(record, body).map_err(|_| AuthorityError::Record)?;
    Ok(value)
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
