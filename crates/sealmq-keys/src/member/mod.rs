//! The member machine: follows its groups, seals, opens, and says what to persist, subscribe and
//! publish. Sans-IO: time and randomness are arguments.
//!
//! The caller
//! 1. subscribes [`Member::reserved_subscriptions`] after every (re)connect, *before* its own
//!    topics, so that keys arrive before messages;
//! 2. gives messages on topics for which [`Member::is_reserved`] to [`Member::handle_reserved`],
//!    all others to [`Member::open`];
//! 3. carries out the [`Action`]s in order; a [`Action::Commit`] that fails ends the `Member`:
//!    memory is then ahead of the store, so drop it and load it again;
//! 4. calls [`Member::tick`] and [`Member::maintain`] when [`Member::next_due`] says so, or about
//!    once a second, [`Member::connected`] once per connection, and commits [`Member::flush`] at
//!    shutdown;
//! 5. without a clock, tells [`Member::set_uptime`] how long the device has been running.

mod candidates;
mod chunks;
mod clock;
mod clones;
mod draw;
mod due;
mod enrol;
mod error;
mod event;
mod evidence;
mod fetching;
mod follow;
mod freshness;
#[cfg(test)]
mod golden;
mod groups;
mod handle;
mod holder;
mod join;
mod kept;
mod lease;
mod leases;
mod left_out;
mod migrate;
mod name;
mod older;
mod open;
mod outcome;
mod own_record;
mod packages;
mod peer;
mod peers;
mod pending;
mod properties;
mod ready;
mod records;
mod refusals;
mod replay;
mod reports;
mod seal_error;
mod send;
mod sequences;
mod shares;
mod short;
mod snapshots;
mod state;
mod succession;
mod table;
mod tick;
mod topics;
mod types;
mod untold;
mod view;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use sealmq_core::crypto::{DeviceSecret, IdentityKey, VerifyingKey};
use sealmq_core::object::{Extensions, List};
use sealmq_core::seal::Connection;
use sealmq_core::{DomainId, GroupId, MemberNumber};

#[doc(hidden)]
pub use clones::{Clones, Sign as ClonesSign};
pub use enrol::{EnrolledAs, MAX_PACKAGES};
pub use error::MemberError;
pub use event::{MemberEvent, SentMessage};
pub use join::{GroupTitle, JoinAction, JoinOptions, JoinWay, Joiner};
pub use name::Name;
#[doc(hidden)]
pub use older::{Before as KeptBefore, Older as OlderKept, WentBack};
pub use peers::MAX_WANTED;
pub use seal_error::SealError;
pub use short::DueRecord;
pub use types::{
    Action, Delivery, GroupStatus, MemberOptions, Now, OutgoingMessage, Properties, Received,
    Sealed, Stats,
};

use crate::announcement::UnverifiedAnnouncement;
use crate::asking::Asking;
use crate::delegation::VerifiedDelegation;
use crate::reserved::{
    ReservedTopic, announcements_filter, credentials_filter, group_filter, is_reserved,
    member_filter, records_filter,
};
use crate::session_records::Wanted;
use crate::store::{Changes, Store};
use evidence::Reported;
use fetching::Whose;
use groups::Group;
use holder::Holder;
use kept::Kept;
use packages::Package;
use peers::Peers;
use pending::Pending;
use records::{CredentialRecord, DeviceRecord, DomainRecord, PackageRecord};
use replay::Reader;
use reports::Reports;
use sequences::Sequences;
use succession::Past;
use topics::Topics;

/// Members of more groups have fewer filters for each: brokers in the cloud allow 50 subscriptions
/// of a connection, and some deliver what is retained on a topic only to a filter without wildcards.
const FEW_GROUPS: usize = 8;

/// A member of one domain, loaded into memory.
pub struct Member {
    identity: IdentityKey,
    device: DeviceSecret,
    /// Highest session number used, in any group.
    session_number: u64,
    connection: Connection,
    /// Highest key package number used.
    package_number: u32,
    prefix: String,
    root: VerifyingKey,
    delegation: VerifiedDelegation,
    delegation_object: Kept,
    past: Past,
    own: Holder,
    /// The delegation under which the own credential was signed.
    own_issuer: VerifiedDelegation,
    asking_credential: Asking,
    /// Session records of others.
    session_records: Wanted,
    packages: BTreeMap<u32, Package>,
    /// New key packages are due.
    replenish: bool,
    /// The older ones end with it: a welcome came too late.
    end_older: bool,
    random_failed: bool,
    /// It was told that the clock is none.
    without_clock: bool,
    /// Something came since the last [`Member::maintain`].
    stirred: bool,
    /// Welcomes to packages that are no longer there.
    unusable: BTreeSet<(GroupId, u32)>,
    /// Milliseconds that a device without a clock has been running.
    uptime: Option<u64>,
    reported: Reported,
    /// Apart from the former: anybody can write bad objects, and must not silence an alarm.
    reported_bad: Reported,
    reported_forks: Reported,
    groups: BTreeMap<GroupId, Group>,
    topics: Topics,
    peers: Peers,
    reader: Reader,
    clones: Clones,
    reports: Reports,
    pending: Pending,
    sequences: Sequences,
    /// Records of sessions that began and have sealed nothing yet.
    unsaved: Changes,
    options: MemberOptions,
    stats: Stats,
}

impl Member {
    /// Loads an enrolled member from its store. One process at a time: two that share a store
    /// would use the same session numbers. First, [`Member::migration`].
    ///
    /// # Errors
    /// The store cannot be read, holds no enrolment, is of another version, or is damaged.
    pub fn load<S: Store>(store: &S, options: MemberOptions) -> Result<Self, MemberError> {
        migrate::check_version(store)?;
        let identity = enrol::load_identity(store)?;
        let damaged = |key: &str| MemberError::Record(key.to_string());
        let device = records::get(store, records::DEVICE)?;
        let device = device.ok_or_else(|| damaged(records::DEVICE))?;
        let device: DeviceRecord = records::read(records::DEVICE, &device)?;
        let domain = records::get(store, records::DOMAIN)?.ok_or(MemberError::NotEnrolled)?;
        let domain: DomainRecord = records::read(records::DOMAIN, &domain)?;
        let own = records::get(store, records::CREDENTIAL)?.ok_or(MemberError::NotEnrolled)?;
        let own: CredentialRecord = records::read(records::CREDENTIAL, &own)?;

        let root = VerifyingKey::from_bytes(&domain.root_key);
        let root = root.map_err(|_| damaged(records::DOMAIN))?;
        let delegation = domain.delegation.delegation(&root);
        let delegation = delegation.map_err(|_| damaged(records::DOMAIN))?;
        let past = Past::load(&domain.past, &root).map_err(|_| damaged(records::DOMAIN))?;
        let issuer = own.delegation.delegation(&root);
        let issuer = issuer.map_err(|_| damaged(records::CREDENTIAL))?;
        let own = own.credential.credential(&issuer);
        let own = own.map_err(|_| damaged(records::CREDENTIAL))?;

        let mut packages = BTreeMap::new();
        for (key, value) in records::list(store, records::PACKAGE_PREFIX)? {
            let record: PackageRecord = records::read(&key, &value)?;
            let (number, package) = Package::of_record(record);
            packages.insert(number, package);
        }
        let mut peers = Peers::default();
        for (key, value) in records::list(store, records::PEER_PREFIX)? {
            peers.load(&key, &value, &delegation)?;
        }
        for (key, value) in records::list(store, records::PEER_BEFORE_PREFIX)? {
            peers.load_before(records::body(&key, &value)?, &delegation);
        }
        let groups = groups::load(store, delegation.serial())?;
        let reader = Reader::load(store, &options)?;
        let reports = Reports::load(store, own.member)?;
        let mut member = Self {
            identity: IdentityKey::from_seed(&identity.seed.secret()),
            device: DeviceSecret::new(device.secret.secret()),
            session_number: device.session,
            connection: Connection::of(device.connection),
            package_number: device.package,
            prefix: domain.prefix,
            root,
            delegation,
            delegation_object: domain.delegation,
            past,
            own,
            own_issuer: issuer,
            asking_credential: Asking::default(),
            session_records: Wanted::NONE,
            packages,
            replenish: false,
            end_older: false,
            random_failed: false,
            without_clock: false,
            stirred: true,
            unusable: BTreeSet::new(),
            uptime: None,
            reported: Reported::default(),
            reported_bad: Reported::default(),
            reported_forks: Reported::default(),
            topics: groups::topics(&groups),
            groups,
            peers,
            reader,
            clones: Clones::default(),
            reports,
            pending: Pending::new(&options),
            sequences: Sequences::default(),
            unsaved: Changes::new(),
            options,
            stats: Stats::default(),
        };
        member.replenish = member.set_was_due() || member.welcome_was_due();
        member.spare_subscriptions();
        Ok(member)
    }

    /// This member's number.
    #[must_use]
    pub fn number(&self) -> MemberNumber {
        self.own.member
    }

    /// This member's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.own.name
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> DomainId {
        DomainId::of_root(&self.root)
    }

    /// The pinned root key.
    #[must_use]
    pub fn root_key(&self) -> &[u8; 32] {
        self.root.as_bytes()
    }

    /// Prefix of the reserved topics.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// End of this member's credential, Unix seconds. Not beyond the delegation under which it
    /// was signed; 0 while only one of the current delegation counts, and that has not come.
    #[must_use]
    pub fn credential_not_after(&self) -> u64 {
        self.own_end().unwrap_or_default()
    }

    /// Hash of the own credential, under which messages are sealed.
    #[must_use]
    pub const fn credential_hash(&self) -> &sealmq_core::crypto::Digest {
        self.own.credential().hash()
    }

    /// Key packages that are left: each new group needs one.
    #[must_use]
    pub fn packages_left(&self) -> usize {
        self.packages.len()
    }

    /// How this member was configured.
    #[must_use]
    pub const fn options(&self) -> &MemberOptions {
        &self.options
    }

    /// Counters.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The groups that the credential grants, and those whose keys are still there.
    pub fn groups(&self) -> impl Iterator<Item = GroupStatus> + '_ {
        self.group_ids().into_iter().map(|id| self.group_status(id))
    }

    fn group_status(&self, id: GroupId) -> GroupStatus {
        let grant = self.own.grant(&id);
        let group = self.groups.get(&id);
        let current = group.and_then(Group::current);
        // Nothing outlives the delegation that it was signed under.
        let end = group.and_then(|group| self.past.end_of(group, &self.delegation));
        let end = end.unwrap_or_default();
        GroupStatus {
            id,
            name: group.map(|g| g.name().to_string()).unwrap_or_default(),
            filters: group.map(Group::filters).unwrap_or_default(),
            access: grant.map(|g| g.access),
            publish_filter: grant
                .map(|g| g.publish_filter.to_string())
                .unwrap_or_default(),
            epoch: current.as_ref().map(|c| c.epoch),
            not_after: current.as_ref().map(|c| c.not_after.min(end)),
            window: group.map_or(0, |g| g.policy().window),
            good_until: current.as_ref().map(|c| c.good_until.min(end)),
            awaits_delegation: group.is_some_and(|g| self.awaits_announcement(g)),
            removed: group.is_some_and(|g| g.is_left_out() == Some(true)),
            needs_welcome: group.is_some_and(|g| g.is_left_out() == Some(false)),
            ready: group.is_some_and(Group::refused_is_known),
        }
    }

    /// What the newest announcement that was followed of a group carries beyond the fields that
    /// this version knows: fields that a later version adds to the policy, each read by its id
    /// ([`List::read`]). They hold until [`MemberEvent::Epoch`] tells of the next one; none means
    /// the fields' defaults.
    #[must_use]
    pub fn policy_extensions(&self, group: &GroupId) -> Extensions<'_> {
        let group = self.groups.get(group);
        let newest = group.and_then(|group| group.evidence.announcement(group.current_epoch()));
        // Verified when it was followed.
        let newest = newest.and_then(|bytes| UnverifiedAnnouncement::decode(bytes).ok());
        newest.map_or(List::EMPTY, |announcement| *announcement.extensions())
    }

    /// Filters to subscribe with QoS 1 after every (re)connect, before the application's own.
    #[must_use]
    pub fn reserved_subscriptions(&self) -> Vec<String> {
        let mut filters = alloc::vec![
            ReservedTopic::Delegation.name(&self.prefix),
            member_filter(&self.prefix, self.number()),
        ];
        for group in self.group_ids() {
            filters.extend(self.group_subscriptions(&group));
            let chunks = self.groups.get(&group).into_iter();
            let chunks = chunks.flat_map(|group| group.chunks.missing());
            let topic = |(epoch, n)| ReservedTopic::Chunk(group, epoch, n).name(&self.prefix);
            filters.extend(chunks.map(topic));
            let refused = self.groups.get(&group).into_iter();
            let refused = refused.flat_map(|group| group.refusals.fetched());
            let topic = |first| ReservedTopic::RefusedChunk(group, first).name(&self.prefix);
            filters.extend(refused.map(topic));
        }
        let credentials = self.peers.subscribed();
        filters.extend(credentials.map(|whose| self.credential_filter(whose)));
        let records = self.session_records.is_on();
        filters.extend(records.then(|| records_filter(&self.prefix)));
        filters
    }

    /// Filters that this member may have subscribed before, at a broker that kept the session, and
    /// has no use for now.
    #[must_use]
    pub fn ended_subscriptions(&self) -> Vec<String> {
        let in_use = self.peers.subscribed().any(|whose| whose == Whose::All);
        let ended = (!in_use).then(|| self.credential_filter(Whose::All));
        ended.into_iter().collect()
    }

    fn credential_filter(&self, whose: Whose) -> String {
        match whose {
            Whose::One(member) => ReservedTopic::Credential(member).name(&self.prefix),
            Whose::All => credentials_filter(&self.prefix),
        }
    }

    fn group_subscriptions(&self, group: &GroupId) -> Vec<String> {
        match self.group_ids().len() > FEW_GROUPS {
            true => self.short_subscriptions(group).into(),
            false => self.full_subscriptions(group).into(),
        }
    }

    /// The refused list first, which says what an announcement without a key means, and the
    /// heartbeat last, because it names the newest announcement.
    fn full_subscriptions(&self, group: &GroupId) -> [String; 4] {
        [
            ReservedTopic::RefusedList(*group).name(&self.prefix),
            announcements_filter(&self.prefix, group),
            ReservedTopic::KeptKeys(*group).name(&self.prefix),
            ReservedTopic::Heartbeat(*group).name(&self.prefix),
        ]
    }

    /// The same topics by half as many filters.
    fn short_subscriptions(&self, group: &GroupId) -> [String; 2] {
        [
            announcements_filter(&self.prefix, group),
            group_filter(&self.prefix, group),
        ]
    }

    /// Subscribes what groups need that were not there `before`. With one group too many for
    /// filters of their own, those of the others give way.
    fn subscribe_new_groups(&mut self, before: &[GroupId], actions: &mut Vec<Action>) {
        let groups = self.group_ids();
        let shortens = before.len() <= FEW_GROUPS && groups.len() > FEW_GROUPS;
        self.spare_subscriptions();
        for group in groups {
            if !before.contains(&group) {
                let filters = self.group_subscriptions(&group);
                actions.extend(filters.into_iter().map(Action::Subscribe));
            } else if shortens {
                let short = self.short_subscriptions(&group);
                let full = self.full_subscriptions(&group);
                let ended = full.into_iter().filter(|filter| !short.contains(filter));
                actions.extend(ended.map(Action::Unsubscribe));
                actions.extend(short.map(Action::Subscribe));
            }
        }
    }

    /// With many groups few subscriptions are left for credentials.
    fn spare_subscriptions(&mut self) {
        let few = self.group_ids().len() <= FEW_GROUPS;
        self.peers.spare_subscriptions(!few);
    }

    /// Whether a topic belongs to key management: for [`Member::handle_reserved`], not for
    /// [`Member::open`].
    #[must_use]
    pub fn is_reserved(&self, topic: &str) -> bool {
        is_reserved(&self.prefix, topic)
    }

    /// Granted groups and groups with keys, ascending.
    fn group_ids(&self) -> Vec<GroupId> {
        let mut ids: Vec<GroupId> = self.own.grants.iter().map(|g| g.group).collect();
        ids.extend(self.groups.keys().copied());
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Granted groups whose filters are not known yet.
    fn groups_without_keys(&self) -> impl Iterator<Item = GroupId> + '_ {
        let counts = |g: &Group| g.current().is_some() && !self.awaits_announcement(g);
        let known = move |id: &GroupId| self.groups.get(id).is_some_and(counts);
        self.group_ids().into_iter().filter(move |id| !known(id))
    }
}

/// Whole seconds.
fn seconds(now: Now) -> Option<u64> {
    now.map(|ms| ms / 1000)
}
