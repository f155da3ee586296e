use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::audit::{AuditError, AuditLog};
use sealmq_core::crypto::{EntropyError, KemError};
use sealmq_core::object::{ObjectError, Role};
use sealmq_core::{MemberNumber, NameError};

use sealmq_keys::objects::TokenError;

/// Why the authority refused to act. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorityError {
    /// A stored record does not decode.
    Record,
    /// An earlier version wrote the store: what [`Authority::migration`](super::Authority::migration)
    /// says has not been committed.
    OldStore,
    /// A later version wrote the store.
    NewerStore,
    /// The delegation is one of an earlier version, which nobody reads any more.
    OldDelegation {
        /// Its serial.
        serial: u32,
    },
    /// Only digits: it could not be told from a member's number.
    NumericName,
    /// None of this authority's keys has the role that is needed.
    NoRole(Role),
    /// The domain waits for its first delegation.
    NoDelegation,
    /// A delegation cannot be installed.
    Delegation(&'static str),
    /// The store is older than what was published, or a backup: nothing may be done with it.
    Suspended {
        /// The highest delegation serial that was seen.
        serial: u32,
    },
    /// There is nothing to resume.
    NotSuspended,
    /// A copy of the audit log cannot be used.
    Log(AuditError),
    /// The copy of the audit log does not contain what heartbeats prove.
    LogIncomplete {
        /// Entries that are missing at its end; 0 if it only differs.
        missing: u64,
        /// The logs that it would have to contain and that were not named
        /// ([`ResumeOptions::heads`](super::ResumeOptions)).
        heads: Vec<AuditLog>,
    },
    /// The copy of the audit log goes on behind everything that heartbeats prove.
    LogUnproven {
        /// How far it is proven.
        proven: AuditLog,
        /// Its end.
        end: AuditLog,
    },
    /// There is no domain in this store yet.
    NotInitialised,
    /// A name is not in the closed alphabet.
    Name(NameError),
    /// No group has this name.
    NoSuchGroup(String),
    /// The name is taken by another group.
    GroupExists(String),
    /// A topic filter is not valid for a group.
    Filter(String),
    /// The filter overlaps with a filter of another group, so a topic would have two groups.
    FilterOverlap {
        /// The new filter.
        filter: String,
        /// The filter it overlaps with.
        other: String,
        /// The group that has the other filter.
        group: String,
    },
    /// A policy value is out of the range of spec/constants.md §3.
    Policy(ObjectError),
    /// A setting of a group is out of its range.
    Setting(&'static str),
    /// No member has this name or number.
    NoSuchMember(String),
    /// It was removed before, which is for good.
    RemovedMember {
        /// Its number.
        number: MemberNumber,
        /// Its name, which is free again.
        name: String,
    },
    /// A member with this name is enrolled.
    MemberExists(String),
    /// The key was enrolled before; keys are never enrolled twice, removed ones included.
    KeyEnrolled(MemberNumber),
    /// The request is damaged, forged, or not for this domain.
    Request(ObjectError),
    /// The request was made for a join token, whose grants it asks for.
    RequestForToken,
    /// A grant makes no sense.
    Grant(String),
    /// The request brings fewer one-time keys than the grants need.
    Packages {
        /// One per group.
        needed: usize,
    },
    /// Every leaf of the half was assigned once: a new generation is needed.
    TreeFull(String),
    /// Every leaf of a key tree belongs to somebody removed: there is nobody to cover.
    NobodyLeft(String),
    /// A change of generation is under way in the group; a third tree would be one too many.
    Moving(String),
    /// All numbers of members, of epochs or of generations are used up.
    NumbersUsedUp,
    /// An object could not be made.
    Object(ObjectError),
    /// A one-time key of the request is unusable.
    Kem(KemError),
    /// The random number generator failed.
    Random,
    /// The delegation of this authority's key has expired.
    DelegationExpired,
    /// A topic prefix is not usable.
    Prefix(String),
    /// A join token cannot be written.
    Token(TokenError),
    /// No join token has this id.
    NoSuchToken,
    /// No request of a device with this fingerprint waits for an operator.
    NoSuchRequest(String),
}

impl fmt::Display for AuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record => f.write_str("a record of the authority's store is damaged or from a newer version: restore a backup"),
            Self::OldStore => f.write_str("an earlier version wrote this store: it has to be brought forward before it is used"),
            Self::NewerStore => f.write_str("a later version wrote this store: update this program"),
            Self::OldDelegation { serial } => write!(f, "the store is from an earlier version, whose delegation nobody reads any more: let the root sign one with a serial above {serial} for the same keys (`sealmq authority request-delegation`, `sealmq root delegate`, `sealmq authority install-delegation`); everything is then issued anew"),
            Self::NumericName => f.write_str("a member's name cannot be only digits, it would look like a member number: choose another name"),
            Self::NoRole(role) => write!(f, "no key of this authority has the role `{}`: the root has to delegate it", match role { Role::Issue => "issue", Role::Groups => "groups", Role::Heartbeat => "heartbeat" }),
            Self::NoDelegation => f.write_str("the domain has no delegation yet: let the root sign this authority's delegation request (`sealmq root delegate`), then install what it signed"),
            Self::Delegation(why) => write!(f, "the delegation was not installed: {why}"),
            Self::Suspended { serial } => write!(f, "this store is older than what the domain has published, or a backup that was put back: acting on it would fork epochs and forget removals. Let the root sign a delegation with a serial above {serial}, then run `sealmq authority resume` with it and the newest copy of the audit log"),
            Self::NotSuspended => f.write_str("the authority is not suspended: install the delegation as usual"),
            Self::Log(e) => write!(f, "this copy of the audit log does not continue the one in the store: {e}"),
            Self::LogIncomplete { missing, heads } => {
                write!(f, "the broker has a heartbeat that proves another end of the audit log: ")?;
                match missing {
                    0 => f.write_str("this copy is not of that log")?,
                    1 => f.write_str("1 entry is missing at the end of this copy")?,
                    _ => write!(f, "{missing} entries are missing at the end of this copy")?,
                }
                f.write_str(". Removals in what is missing would be forgotten: look for a newer copy. If there is none, or if somebody else made the heartbeat, name it to go on without:")?;
                heads.iter().try_for_each(|head| write!(f, " {head}"))
            }
            Self::LogUnproven { proven, end } => write!(f, "this copy of the audit log goes {} entries behind everything that a heartbeat at the broker proves: compare them with what you know was done. If they are right, name the end of the copy, {end}; if not, name what is proven, {proven}", end.size.saturating_sub(proven.size)),
            Self::NotInitialised => f.write_str("the store holds no domain yet: run `sealmq init` first"),
            Self::Name(e) => write!(f, "{e}"),
            Self::NoSuchGroup(name) => write!(f, "no group is called `{name}`: `sealmq group list` shows them"),
            Self::GroupExists(name) => write!(f, "a group called `{name}` exists already"),
            Self::Filter(filter) => write!(f, "`{filter}` cannot be a group's topic filter: it must be a valid MQTT filter that does not start with `$` and does not match the reserved topics"),
            Self::FilterOverlap { filter, other, group } => write!(f, "`{filter}` overlaps with `{other}` of group `{group}`: a topic must belong to one group only"),
            Self::Policy(e) => write!(f, "the policy cannot be used: {e}"),
            Self::Setting(what) => f.write_str(what),
            Self::NoSuchMember(name) => write!(f, "no member `{name}`: `sealmq member list` shows them"),
            Self::RemovedMember { number, name } => write!(f, "member {number} {name} was removed before, which is for good: `sealmq member list` shows when; the device can join again with a new store"),
            Self::MemberExists(name) => write!(f, "a member called `{name}` exists already: choose another name"),
            Self::KeyEnrolled(number) => write!(f, "this key was enrolled before as member {number}: the device has to make new keys"),
            Self::Request(e) => write!(f, "the enrolment request was refused: {e}"),
            Self::RequestForToken => f.write_str("this request was made for a join token: the device joins with it over MQTT, or makes a request for a file in a new store"),
            Self::Grant(why) => write!(f, "the grant is not possible: {why}"),
            Self::Packages { needed } => write!(f, "the request brings too few one-time keys, {needed} are needed: make a new request with more"),
            Self::TreeFull(group) => write!(f, "the key tree of group `{group}` has no free leaf left: a new generation with a deeper tree is needed"),
            Self::NobodyLeft(group) => write!(f, "every leaf of a key tree of group `{group}` belongs to a removed member: the group needs a new generation"),
            Self::Moving(group) => write!(f, "group `{group}` is moving to a new generation already: wait until the old one has ended (`sealmq group show {group}`)"),
            Self::NumbersUsedUp => f.write_str("all numbers of a kind were used (members, epochs or generations): a new domain is needed"),
            Self::Object(e) => write!(f, "an object could not be made: {e}"),
            Self::Kem(e) => write!(f, "a one-time key of the request is unusable: {e}"),
            Self::Random => f.write_str("the random number generator failed: nothing was changed, check the platform's RNG"),
            Self::DelegationExpired => f.write_str("the authority's delegation has expired: the root has to sign a new one"),
            Self::Prefix(prefix) => write!(f, "`{prefix}` cannot be the prefix of the reserved topics: a valid topic name without a leading `$` or a trailing `/` is needed"),
            Self::Token(e) => write!(f, "{e}"),
            Self::NoSuchToken => f.write_str("no join token has this id: it was revoked, or has expired"),
            Self::NoSuchRequest(device) => write!(f, "no request of device {device} waits: it was answered, or came more than 7 days ago"),
        }
    }
}

impl core::error::Error for AuthorityError {}

impl From<ObjectError> for AuthorityError {
    fn from(error: ObjectError) -> Self {
        Self::Object(error)
    }
}

impl From<KemError> for AuthorityError {
    fn from(error: KemError) -> Self {
        Self::Kem(error)
    }
}

impl From<EntropyError> for AuthorityError {
    fn from(_: EntropyError) -> Self {
        Self::Random
    }
}

impl From<NameError> for AuthorityError {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

/// Loading failed: in the store, or in what it holds.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError<E> {
    /// The store could not be read.
    Store(E),
    /// Its content cannot be used.
    Authority(AuthorityError),
    /// The store has changed since the authority was loaded from it: load it again.
    Stale,
}

impl<E: fmt::Display> fmt::Display for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(e) => e.fmt(f),
            Self::Authority(e) => e.fmt(f),
            Self::Stale => {
                f.write_str("the authority's store has changed since it was loaded: load it again")
            }
        }
    }
}

impl<E: core::error::Error> core::error::Error for LoadError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Store(e) => e.source(),
            Self::Authority(e) => e.source(),
            Self::Stale => None,
        }
    }
}
