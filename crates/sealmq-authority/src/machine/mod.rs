//! The authority machine: owns the domain's groups and members, and says what to persist and
//! what to publish. Sans-IO: time and randomness are arguments.

mod announce;
mod answers;
mod applicant;
mod arrivals;
mod current;
mod delegation;
mod domain;
mod draft;
mod draws;
mod error;
mod extensions;
mod fair;
mod generation;
#[cfg(test)]
mod golden;
mod groups;
mod heartbeat;
mod index;
mod intake;
mod joining;
mod judge;
mod kept;
mod limits;
mod log;
mod members;
mod migrate;
mod news;
mod nonces;
mod observe;
mod pace;
mod packages;
mod pending;
mod plan;
mod record;
mod refusals;
mod refused;
mod removal;
mod repairs;
mod replay;
mod reported;
mod resume;
mod schedule;
mod suspended;
mod tick;
mod tokens;
mod tree;
mod welcomes;

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::crypto::{IdentityKey, Secret, VerifyingKey};
use sealmq_core::object::{Role, Signer};
use sealmq_core::{DomainId, GroupId, MemberNumber};

pub use delegation::DelegationInfo;
pub use domain::{DomainOptions, NewDomain, PreparedAuthority};
pub use error::{AuthorityError, LoadError};
pub use groups::{DEFAULT_DEPTH, GenerationInfo, GroupInfo, NewGroup, depth_for};
pub use members::{Enrolled, GrantSpec, MemberInfo};
pub use pending::{MAX_PENDING, PendingInfo};
pub use plan::{AuthorityEvent, EpochReason, GenerationReason, Plan};
pub use reported::TwoDevices;
pub use resume::ResumeOptions;
pub use schedule::{DEFAULT_VALIDITY, Schedule};
pub use suspended::{Evidence, EvidenceKind, Suspension};
pub use tokens::{TokenInfo, TokenSpec};

use current::Before;
use draft::{Slot, Table};
use draws::HEDGE_KEY;
use extensions::Extended;
use index::Index;
use intake::Intake;
use joining::Joining;
use judge::SeenChunks;
pub(crate) use record::OUTBOX_PREFIX;
use record::{
    DOMAIN_KEY, DomainRecord, GROUP_PREFIX, GroupRecord, HEAD_KEY, HeadRecord, MEMBER_PREFIX,
    MemberRecord, SecretBytes,
};
use repairs::Repairs;
use reported::{REPORTED_PREFIX, ReportedRecord};
use sealmq_keys::Publication;
use sealmq_keys::ReservedTopic;
use sealmq_keys::VerifiedDelegation;
use sealmq_keys::{Changes, Store};
use suspended::{SUSPENDED_KEY, SuspendedRecord};
use tree::KeyCache;

/// The authority of one domain, loaded into memory.
///
/// Every call that changes something returns a [`Plan`]. When its commit fails, drop the
/// `Authority` and load it again: memory is then ahead of the store. A call that fails by itself
/// has changed nothing.
pub struct Authority {
    domain: Slot<DomainRecord>,
    /// In the order of the delegation.
    signing_keys: Slot<Vec<IdentityKey>>,
    delegation: Slot<VerifiedDelegation>,
    groups: Table<GroupId, GroupRecord>,
    /// What the newest announcement of each names as coming before it.
    before: Table<GroupId, Before>,
    members: Table<MemberNumber, MemberRecord>,
    reported: Table<MemberNumber, ReportedRecord>,
    index: Index,
    joining: Joining,
    /// No draft: what a call was refused for counts, too.
    intake: Intake,
    /// Node keys of the newest covers, so that rotations need not walk the ratchet from its start.
    cache: KeyCache,
    /// What the next change builds upon.
    head: Slot<HeadRecord>,
    /// Mixed into whatever is drawn.
    hedge: Slot<SecretBytes>,
    /// The store is old, or marked as a backup.
    suspended: Slot<Option<SuspendedRecord>>,
    /// When the delegation's end was last told of.
    warned_at: Slot<Option<u64>>,
    /// Of what it signs.
    extensions: Extended,
    /// What was published again because of what the broker had.
    repairs: Repairs,
    /// Memory only: what was seen of refused lists that the store does not have.
    listed: SeenChunks,
}

impl Authority {
    /// Loads the authority from its store.
    ///
    /// # Errors
    /// The store cannot be read, holds no domain, is of another version
    /// ([`Authority::migration`]), or is damaged.
    pub fn load<S: Store>(store: &S) -> Result<Self, LoadError<S::Error>> {
        migrate::check_version(store)?;
        let domain = store.get(DOMAIN_KEY).map_err(LoadError::Store)?;
        let domain = domain.ok_or(LoadError::Authority(AuthorityError::NotInitialised))?;
        let domain: DomainRecord = record::read(&domain).map_err(LoadError::Authority)?;
        if domain.delegation.is_empty() {
            return Err(LoadError::Authority(AuthorityError::NoDelegation));
        }
        let head = store.get(HEAD_KEY).map_err(LoadError::Store)?;
        let head = head.ok_or(LoadError::Authority(AuthorityError::Record))?;
        let head = record::read(&head).map_err(LoadError::Authority)?;
        let hedge = store.get(HEDGE_KEY).map_err(LoadError::Store)?;
        let hedge = hedge.ok_or(LoadError::Authority(AuthorityError::Record))?;
        let hedge = record::read(&hedge).map_err(LoadError::Authority)?;
        let groups = record::read_all(store, GROUP_PREFIX)?;
        let members = record::read_all(store, MEMBER_PREFIX)?;
        let authority = Self::assemble(domain, head, hedge, groups, members);
        let mut authority = authority.map_err(LoadError::Authority)?;
        let suspended = store.get(SUSPENDED_KEY).map_err(LoadError::Store)?;
        let suspended = suspended.map(|value| record::read(&value)).transpose();
        authority.suspended = Slot::new(suspended.map_err(LoadError::Authority)?);
        authority.joining = Joining::load(store)?;
        let reported = record::read_all::<ReportedRecord, _>(store, REPORTED_PREFIX)?;
        authority.reported = reported.into_iter().map(|r| (r.member, r)).collect();
        authority.load_before(store)?;
        Ok(authority)
    }

    fn assemble(
        domain: DomainRecord,
        head: HeadRecord,
        hedge: SecretBytes,
        groups: Vec<GroupRecord>,
        members: Vec<MemberRecord>,
    ) -> Result<Self, AuthorityError> {
        let root =
            VerifyingKey::from_bytes(&domain.root_key).map_err(|_| AuthorityError::Record)?;
        let delegation = match domain.is_old {
            true => VerifiedDelegation::verify_kept(&domain.delegation, &root)?,
            false => VerifiedDelegation::verify(&domain.delegation, &root)?,
        };
        Ok(Self {
            signing_keys: Slot::new(domain.keys.identities()),
            delegation: Slot::new(delegation),
            domain: Slot::new(domain),
            index: Index::of(&groups, &members),
            cache: KeyCache::default(),
            groups: groups.into_iter().map(|g| (g.id, g)).collect(),
            before: Table::default(),
            reported: Table::default(),
            joining: Joining::default(),
            intake: Intake::default(),
            members: members.into_iter().map(|m| (m.number, m)).collect(),
            head: Slot::new(head),
            hedge: Slot::new(hedge),
            suspended: Slot::default(),
            warned_at: Slot::default(),
            extensions: Extended::default(),
            repairs: Repairs::default(),
            listed: SeenChunks::default(),
        })
    }

    /// How many changes the store has seen, this authority's included: it only rises.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.head.revision
    }

    /// Whether the store is as this authority has loaded, or left, it.
    ///
    /// # Errors
    /// The store cannot be read, or is damaged.
    pub fn is_current<S: Store>(&self, store: &S) -> Result<bool, LoadError<S::Error>> {
        let head = store.get(HEAD_KEY).map_err(LoadError::Store)?;
        let head = head.ok_or(LoadError::Authority(AuthorityError::Record))?;
        let head: HeadRecord = record::read(&head).map_err(LoadError::Authority)?;
        Ok(head == *self.head)
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> DomainId {
        self.domain.domain
    }

    /// The prefix of the reserved topics.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.domain.prefix
    }

    /// The root's public key, which members pin.
    #[must_use]
    pub fn root_key(&self) -> &[u8; 32] {
        &self.domain.root_key
    }

    /// The current delegation object.
    #[must_use]
    pub fn delegation(&self) -> &[u8] {
        &self.domain.delegation
    }

    /// Everything that should stand retained at the broker, and what should be cleared there, in
    /// the order in which members can use it. The same bytes at every call, so that publishing
    /// again after a crash forks nothing. Nothing while the authority is suspended: what stands at
    /// the broker may be newer. So after each connection, [`Authority::observe`] first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn outbox<S: Store>(&self, store: &S) -> Result<Vec<Publication>, S::Error> {
        if self.suspended.is_some() || self.domain.is_old {
            return Ok(Vec::new());
        }
        let mut all: Vec<Publication> = store
            .list(OUTBOX_PREFIX)?
            .into_iter()
            .filter_map(|(key, payload)| {
                let topic = key.strip_prefix(OUTBOX_PREFIX)?;
                Some(Publication::retained(topic, payload.to_vec()))
            })
            .collect();
        all.sort_by_cached_key(|publication| self.order(publication));
        Ok(all)
    }

    /// The same of these topics alone.
    pub(crate) fn outbox_of<S: Store>(
        &self,
        store: &S,
        topics: &BTreeSet<String>,
    ) -> Result<Vec<Publication>, S::Error> {
        let mut all = Vec::new();
        for topic in topics {
            let payload = store.get(&format!("{OUTBOX_PREFIX}{topic}"))?;
            let entry = payload.map(|payload| Publication::retained(topic, payload.to_vec()));
            all.extend(entry);
        }
        all.sort_by_cached_key(|publication| self.order(publication));
        Ok(all)
    }

    /// Whether [`Authority::handle`] would look at what arrives there: members and groups that
    /// there are not write nothing.
    pub(crate) fn reads(&self, topic: &ReservedTopic) -> bool {
        let is_active = |number| self.members.get(number).is_some_and(|m| m.is_active());
        match topic {
            ReservedTopic::Join(_) => true,
            ReservedTopic::Confirm(member) | ReservedTopic::Packages(member) => is_active(member),
            ReservedTopic::Nonce(group, member) => {
                is_active(member) && self.groups.contains_key(group)
            }
            _ => false,
        }
    }

    /// Forgets that a topic had to be cleared, once the broker has confirmed it. The commit is
    /// refused as a conflict if something was put there since, or it was forgotten already.
    pub fn cleared(topic: &str) -> Changes {
        let key = format!("{OUTBOX_PREFIX}{topic}");
        let mut changes = Changes::new();
        changes.expect(key.as_str(), Some(Vec::new()));
        changes.delete(key);
        changes
    }

    fn in_order(&self, plan: &mut Plan) {
        plan.publications
            .sort_by_cached_key(|publication| self.order(publication));
    }

    /// Order of publishing (spec/keys.md §9): delegation, credentials, answers, refused lists, their
    /// chunks; by epoch its welcomes, chunks and announcement; kept keys, heartbeats, clears. A
    /// welcome moves its member's base, so what was announced before its epoch comes before it.
    fn order(&self, publication: &Publication) -> (u8, u64, u8) {
        if publication.payload.is_empty() {
            return (9, 0, 0);
        }
        match ReservedTopic::parse(&self.domain.prefix, &publication.topic) {
            Some(ReservedTopic::Delegation) => (0, 0, 0),
            Some(ReservedTopic::Credential(_)) => (1, 0, 0),
            Some(ReservedTopic::Answer(_)) => (2, 0, 0),
            Some(ReservedTopic::RefusedList(_)) => (3, 0, 0),
            Some(ReservedTopic::RefusedChunk(..)) => (4, 0, 0),
            Some(ReservedTopic::Welcome(member, group)) => {
                (5, self.welcomed_for(member, &group).unwrap_or(0), 0)
            }
            Some(ReservedTopic::Chunk(_, epoch, _)) => (5, epoch, 1),
            Some(ReservedTopic::Announcement(_, epoch)) => (5, epoch, 2),
            Some(ReservedTopic::KeptKeys(_)) => (6, 0, 0),
            Some(ReservedTopic::Heartbeat(_)) => (7, 0, 0),
            _ => (8, 0, 0),
        }
    }

    /// The epoch of a member's newest welcome.
    fn welcomed_for(&self, member: MemberNumber, group: &GroupId) -> Option<u64> {
        let grant = self.members.get(&member)?.grant(group)?;
        Some(grant.places.last()?.issued.epoch)
    }

    fn check_usable(&self) -> Result<(), AuthorityError> {
        self.check_not_suspended()?;
        self.check_delegation()
    }

    /// That the delegation is one that this version's members read: it is not after
    /// [`Authority::migration`] from an earlier one, and nothing can be done before
    /// [`Authority::install_delegation`].
    ///
    /// # Errors
    /// [`AuthorityError::OldDelegation`].
    pub fn check_delegation(&self) -> Result<(), AuthorityError> {
        match self.domain.is_old {
            true => Err(AuthorityError::OldDelegation {
                serial: self.delegation.serial(),
            }),
            false => Ok(()),
        }
    }

    fn check_not_suspended(&self) -> Result<(), AuthorityError> {
        match &*self.suspended {
            Some(record) => Err(AuthorityError::Suspended {
                serial: self.highest_serial(record),
            }),
            None => Ok(()),
        }
    }

    /// One call: what it changes stays when it succeeds, and is put back when it fails.
    fn attempt<T, E>(&mut self, call: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let result = call(self);
        if result.is_ok() {
            self.keep();
        } else {
            self.undo();
        }
        result
    }

    fn keep(&mut self) {
        self.domain.keep();
        self.signing_keys.keep();
        self.delegation.keep();
        self.groups.keep();
        self.before.keep();
        self.members.keep();
        self.reported.keep();
        self.index.keep();
        self.joining.keep();
        self.head.keep();
        self.hedge.keep();
        self.suspended.keep();
        self.warned_at.keep();
        self.repairs.keep();
    }

    fn undo(&mut self) {
        self.domain.undo();
        self.signing_keys.undo();
        self.delegation.undo();
        if self.groups.undo() {
            // It may know trees that there never were.
            self.cache = KeyCache::default();
        }
        self.before.undo();
        self.members.undo();
        self.reported.undo();
        self.index.undo();
        self.joining.undo();
        self.head.undo();
        self.hedge.undo();
        self.suspended.undo();
        self.warned_at.undo();
        self.repairs.undo();
    }

    /// Ends a call: its changes build on the head that was loaded.
    fn settle(&mut self, mut plan: Plan, now: u64) -> Result<Plan, AuthorityError> {
        if plan.changes.is_empty() {
            return Ok(plan);
        }
        let mut head = *self.head;
        log::write(&mut head, &mut plan, &self.domain.prefix, now)?;
        head.advance(*self.head, &mut plan.changes)?;
        self.head.set(head);
        Ok(plan)
    }

    /// The key that signs for a role, and its index in the delegation.
    fn signer(&self, role: Role) -> Result<(u8, Signer<'_>), AuthorityError> {
        let signing = &self.domain.keys.signing;
        let (index, key) = (0..)
            .zip(signing.iter().zip(self.signing_keys.iter()))
            .find(|(_, (record, _))| record.roles.has(role))
            .map(|(index, (_, key))| (index, key))
            .ok_or(AuthorityError::NoRole(role))?;
        Ok((index, Signer::with_encoded(key, self.extensions.of_all())?))
    }

    fn group_by_name(&self, name: &str) -> Result<GroupId, AuthorityError> {
        self.groups
            .values()
            .find(|group| group.name == name)
            .map(|group| group.id)
            .ok_or_else(|| AuthorityError::NoSuchGroup(name.into()))
    }
}

/// 32 fresh bytes; an RNG that fails or gives only zeros is an error.
fn draw(rng: &mut impl TryCryptoRng) -> Result<Secret, AuthorityError> {
    let mut failed = false;
    let secret = Secret::init_with(|out| failed = rng.try_fill_bytes(out).is_err());
    if failed || *secret.expose() == [0; 32] {
        return Err(AuthorityError::Random);
    }
    Ok(secret)
}

/// 16 or 32 fresh public bytes.
fn draw_public<const N: usize>(rng: &mut impl TryCryptoRng) -> Result<[u8; N], AuthorityError> {
    let mut out = [0; N];
    rng.try_fill_bytes(&mut out)
        .map_err(|_| AuthorityError::Random)?;
    if out == [0; N] {
        return Err(AuthorityError::Random);
    }
    Ok(out)
}
