//! One group at a member: its key state, the refused list, and announcements that wait for others.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use sealmq_core::crypto::{Digest, SessionPsk};
use sealmq_core::seal::{SenderSession, StateSession};
use sealmq_core::{GroupId, KeyId};

use super::MemberError;
use super::Name;
use super::candidates::{Candidates, Wanted};
use super::chunks::Chunks;
use super::event::MemberEvent;
use super::evidence::Evidence;
use super::leases::Leases;
use super::left_out::LeftOut;
use super::older::{Older, OlderRecord};
use super::own_record::OwnRecord;
use super::records;
use super::refusals::{Named, Refusals};
use super::topics::Topics;
use super::types::Action;
use super::untold::Untold;
use crate::announcement::{MAX_WINDOW, Policy};
use crate::asking::Asking;
use crate::group::{EpochView, Fork, GroupState};
use crate::package_age::Listed;
use crate::store::{Changes, Store};

#[derive(Default)]
pub(super) struct Group {
    /// `None` until a welcome was installed.
    pub(super) state: Option<Box<GroupState>>,
    pub(super) refusals: Refusals,
    pub(super) evidence: Evidence,
    pub(super) leases: Leases,
    pub(super) chunks: Chunks,
    psks: Vec<(Digest, SessionPsk)>,
    pub(super) candidates: Candidates,
    pub(super) wanted: Option<Wanted>,
    pub(super) asking_wanted: Asking,
    // Boxed, because a map has room for eleven groups.
    pub(super) session: Option<Box<SenderSession>>,
    pub(super) state_session: Option<Box<StateSession>>,
    /// The record of `session`, once it was sealed.
    pub(super) record: Option<Box<OwnRecord>>,
    pub(super) older: Older,
    /// A list of kept keys whose newest ones are not known yet.
    pub(super) kept_list: Option<Vec<u8>>,
    pub(super) left_out: Option<LeftOut>,
    pub(super) untold: Option<Box<Untold>>,
    /// What the newest announcement says that a key of the current delegation has signed.
    pub(super) listed: Option<Listed>,
    pub(super) asking_welcome: Asking,
    pub(super) asking_successor: Asking,
    /// Serial of the delegation under which packages were published for want of a welcome.
    pub(super) packages_under: u32,
    shared_name: Name,
}

impl Group {
    pub(super) fn current(&self) -> Option<EpochView<'_>> {
        self.state.as_ref()?.current()
    }

    /// Whether an announcement was followed.
    pub(super) fn is_started(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.is_started())
    }

    pub(super) fn current_epoch(&self) -> u64 {
        self.state.as_ref().map_or(0, |state| state.current_epoch())
    }

    pub(super) fn name(&self) -> &str {
        self.state.as_ref().map_or("", |state| state.name())
    }

    pub(super) fn shared_name(&mut self) -> Name {
        if self.shared_name != *self.name() {
            self.shared_name = self.name().into();
        }
        self.shared_name.clone()
    }

    pub(super) fn filters(&self) -> Vec<String> {
        let filters = self.state.iter().flat_map(|state| state.filters());
        filters.map(|filter| filter.as_str().to_string()).collect()
    }

    pub(super) fn policy(&self) -> Policy {
        self.state
            .as_ref()
            .and_then(|state| state.policy())
            .copied()
            .unwrap_or_default()
    }

    /// Whether the group goes on under this delegation without a welcome for this member, and
    /// nothing was done about it yet.
    pub(super) fn lacks_welcome(&self, serial: u32) -> bool {
        self.state.is_none() && !self.candidates.is_empty() && self.packages_under != serial
    }

    /// If a newer epoch has no key for this member: whether it was removed, as far as known.
    pub(super) fn is_left_out(&self) -> Option<bool> {
        let left_out = self.left_out.as_ref()?;
        left_out
            .removed
            .filter(|_| left_out.epoch > self.current_epoch())
    }

    /// A refused list by the hash that an announcement of this group names.
    pub(super) fn list_named(&self, id: &GroupId, list: &Digest) -> Option<Named> {
        Some((*self.state.as_ref()?.domain(), *id, *list))
    }

    /// A fork with both objects.
    pub(super) fn fork_event(&self, id: GroupId, fork: &Fork, other: &[u8]) -> Action {
        Action::Event(MemberEvent::Fork {
            group: id,
            epoch: fork.epoch,
            known: fork.known,
            other: fork.other,
            installed: self.evidence.known(fork).to_vec(),
            evidence: other.to_vec(),
        })
    }

    /// Under a new delegation nothing counts that only keys of older ones vouch for
    /// (spec/keys.md §3). `true` if anything has to be asked for again.
    pub(super) fn forget_unfollowed(&mut self) -> bool {
        let some = !self.candidates.is_empty() || self.left_out.is_some();
        self.candidates.clear();
        self.wanted = None;
        self.asking_wanted.reset();
        self.refusals.forget_waiting();
        self.leases.forget_claims();
        self.left_out = None;
        self.list_followed();
        some
    }

    /// The refused list that the newest announcement names.
    pub(super) fn named(&self) -> Option<Named> {
        let state = self.state.as_ref()?;
        Some((*state.domain(), *state.group(), *state.refused()?))
    }

    pub(super) const fn refused_is_known(&self) -> bool {
        self.refusals.is_known()
    }

    /// After a new epoch: its refused list is the one that counts.
    pub(super) fn settle_lists(&mut self, changes: &mut Changes) {
        let named = self.named();
        self.refusals.settle(named, changes);
    }

    /// The psk of the sessions of an epoch that this member can read.
    pub(super) fn reading_psk(&self, announcement: &Digest) -> Option<&SessionPsk> {
        let found = self.psks.iter().find(|(hash, _)| hash == announcement);
        found.map(|(_, psk)| psk)
    }

    /// Whether the epoch with this key id is in the window.
    pub(super) fn has_key(&self, id: &KeyId) -> bool {
        let state = self.state.as_ref();
        state.is_some_and(|state| state.by_key_id(id).is_some()) || self.knows_state(id)
    }

    /// Whether this member can read that epoch: one that only publishes never gets the keys.
    pub(super) fn reads(&self, id: &KeyId) -> bool {
        self.psks.iter().any(|(hash, _)| KeyId::of(hash) == *id) || self.state_keys(id).is_some()
    }

    /// After a welcome replaced the state: nothing of the old one is left.
    pub(super) fn started_again(&mut self, id: &GroupId, changes: &mut Changes) {
        self.refusals.forget(id, changes);
        changes.delete(records::left_out_key(id));
        self.evidence.heartbeat.clear();
        self.session = None;
        self.forget_kept(id, changes);
        self.forget_unfollowed();
    }

    /// After the state changed: derives the psks of the window once, not for each message.
    pub(super) fn refresh(&mut self) {
        self.psks.clear();
        let Some(state) = &self.state else { return };
        let current = state.current_epoch();
        for epoch in current.saturating_sub(u64::from(MAX_WINDOW))..=current {
            if let Some(hash) = state.announcement_hash(epoch)
                && let Some(view) = state.by_key_id(&KeyId::of(hash))
                && view.key_pair.is_some()
            {
                self.psks.push((*hash, view.psk().session()));
            }
        }
    }

    /// Whether a kept announcement may be followed now ([`Candidates::is_ready`]).
    pub(super) fn is_ready(&self, epoch: u64) -> Option<Option<Digest>> {
        let state = self.state.as_ref()?;
        let base = state.base_epoch();
        let followed = |epoch| epoch < base || state.announcement_hash(epoch).is_some();
        let has_chunk = |epoch| self.chunks.get(epoch).is_some();
        self.candidates
            .is_ready(epoch, self.wanted, followed, has_chunk)
    }

    pub(super) fn put_state(&self, changes: &mut Changes) {
        if let Some(state) = &self.state
            // Fails for states only that cannot be.
            && let Ok(bytes) = state.to_bytes()
        {
            records::put_bytes(changes, records::group_state_key(state.group()), &bytes);
        }
    }
}

/// Which group each topic belongs to.
pub(super) fn topics(groups: &BTreeMap<GroupId, Group>) -> Topics {
    let mut topics = Topics::default();
    for (id, group) in groups {
        topics.set(*id, group.state.as_deref());
    }
    topics
}

/// All groups in a store, of a member that has the delegation of this serial.
pub(super) fn load<S: Store>(
    store: &S,
    serial: u32,
) -> Result<BTreeMap<GroupId, Group>, MemberError> {
    let mut groups: BTreeMap<GroupId, Group> = BTreeMap::new();
    let mut others = Vec::new();
    for (key, value) in records::list(store, records::GROUP_PREFIX)? {
        let body = records::body(&key, &value)?;
        if key.ends_with(records::STATE_SUFFIX) {
            let damaged = || MemberError::Record(key.clone());
            let state = Box::new(GroupState::decode(body).map_err(|_| damaged())?);
            let id = *state.group();
            groups.entry(id).or_default().state = Some(state);
        } else {
            others.push((key, body.to_vec()));
        }
    }
    for (id, group) in &mut groups {
        let name = id.to_string();
        for (key, body) in &others {
            let announcement = records::parse_announcement_key(key);
            let intact = match announcement.filter(|(group, _)| *group == name) {
                Some((_, epoch)) => group.evidence.load_announcement(epoch, body),
                None if *key == records::group_welcome_key(id) => group.evidence.load_welcome(body),
                None => true,
            };
            if !intact {
                return Err(MemberError::Record(key.clone()));
            }
        }
        if let Some(record) = records::get(store, &records::left_out_key(id))? {
            let record = records::read(&records::left_out_key(id), &record)?;
            group.left_out = LeftOut::load(&record, serial);
        }
        let key = records::recovered_key(id);
        if let Some(record) = records::get(store, &key)? {
            let record = records::read(&key, &record)?;
            let told = false;
            group.untold = Some(Box::new(Untold { record, told }));
        }
        let key = records::group_kept_key(id);
        if let Some(list) = records::get(store, &key)? {
            let list: Vec<OlderRecord> = records::read(&key, &list)?;
            group.older = Older::load(&list);
        }
        group.refresh();
        group.list_followed();
        let mut scratch = Changes::new();
        group.settle_lists(&mut scratch);
        // A list that the newest announcement does not name is of no use; the right one is
        // retained at the broker.
        let key = records::group_refused_key(id);
        if let Some((_, list)) = others.iter().find(|(list, _)| *list == key) {
            let named = group.named();
            group.refusals.take_missing(named, list, &mut scratch);
        }
        for (key, chunk) in &others {
            if records::parse_refused_chunk_key(key) == Some(name.as_str()) {
                group.refusals.load_chunk(chunk);
            }
        }
    }
    Ok(groups)
}
