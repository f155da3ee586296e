//! Objects on reserved topics. Whatever is bad is counted and changes nothing (spec/keys.md §9).

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use sealmq_core::crypto::RecipientKeyPair;
use sealmq_core::object::{ObjectError, kem_of};
use sealmq_core::{GroupId, MemberNumber};

use super::enrol::DEFAULT_SKEW;
use super::event::MemberEvent;
use super::groups::Group;
use super::holder::Holder;
use super::kept::Kept;
use super::older::Before;
use super::outcome::{BadObject, Handled};
use super::peers::PeerUpdate;
use super::records::{self, CredentialRecord, DomainRecord};
use super::types::{Action, Now};
use super::untold::{RecoveredRecord, Untold};
use super::{Member, seconds};
use crate::delegation::VerifiedDelegation;
use crate::group::{GroupState, InstallError, Installed};
use crate::objects::signed::named_serial;
use crate::refused::RefusedList;
use crate::reserved::ReservedTopic;
use crate::store::Changes;
use crate::welcome::VerifiedWelcome;

impl Member {
    /// Takes what arrived on a reserved topic, live or retained. Bad content changes nothing.
    pub fn handle_reserved(&mut self, topic: &str, payload: &[u8], now: Now) -> Vec<Action> {
        self.stirred = true;
        let now = self.clock(now);
        let mut actions = Vec::new();
        let Some(parsed) = ReservedTopic::parse(&self.prefix, topic) else {
            self.stats.reserved_ignored = self.stats.reserved_ignored.saturating_add(1);
            return actions;
        };
        let result = if payload.is_empty() {
            // A cleared topic never deletes anything here (threat model B4).
            Ok(Handled::Ignored)
        } else if payload.len() > parsed.max_len() {
            Err(ObjectError::TooLarge.into())
        } else {
            self.dispatch(parsed, payload, now, &mut actions)
        };
        let stats = &mut self.stats;
        match result {
            Ok(Handled::Ignored | Handled::Kept) => {
                stats.reserved_ignored = stats.reserved_ignored.saturating_add(1);
            }
            Ok(Handled::Installed) => {
                stats.reserved_installed = stats.reserved_installed.saturating_add(1);
                // What this epoch or welcome ends does not wait for the next tick.
                self.end_stale_packages(now, &mut actions);
            }
            // What a broker keeps of before a renewal: of removed members, of groups that were left, and
            // what is replaced in a moment. Whoever signed it has no say any more, and nobody waits for it.
            Err(error) if error.is_role() && is_replaced(parsed, payload, &self.delegation) => {
                stats.reserved_ignored = stats.reserved_ignored.saturating_add(1);
            }
            Err(error) => {
                stats.reserved_refused = stats.reserved_refused.saturating_add(1);
                if self.reported_bad.is_due(&format!("{topic}: {error}"), now) {
                    actions.push(Action::Event(MemberEvent::BadReserved {
                        topic: topic.to_owned(),
                        error: error.to_string(),
                    }));
                }
            }
        }
        let forks = &mut self.reported_forks;
        actions.retain(|action| match action {
            Action::Event(MemberEvent::Fork { group, other, .. }) => {
                forks.is_due(&format!("{group}: {other}"), now)
            }
            _ => true,
        });
        actions
    }

    fn dispatch(
        &mut self,
        topic: ReservedTopic,
        payload: &[u8],
        now: Now,
        actions: &mut Vec<Action>,
    ) -> Result<Handled, BadObject> {
        if topic == ReservedTopic::Delegation {
            return self.handle_delegation(payload, now, actions);
        }
        // What this member publishes itself comes back with `/m/<member>/#`.
        if let ReservedTopic::Confirm(_) | ReservedTopic::Packages(_) = topic {
            return Ok(Handled::Ignored);
        }
        // A delegation that has expired gives no key a role any more (spec/keys.md §3).
        if seconds(now).is_some_and(|now| now > self.delegation.not_after()) {
            return Err(ObjectError::Expired.into());
        }
        match topic {
            ReservedTopic::Delegation => Ok(Handled::Ignored),
            ReservedTopic::Credential(member) if member == self.number() => {
                self.handle_own_credential(payload, now, actions)
            }
            ReservedTopic::Credential(member) => {
                self.handle_credential(member, payload, now, actions)
            }
            ReservedTopic::Welcome(member, group) if member == self.number() => {
                self.handle_welcome(group, payload, now, actions)
            }
            ReservedTopic::Welcome(..) => Ok(Handled::Ignored),
            ReservedTopic::Announcement(group, epoch) => {
                self.handle_announcement(group, epoch, payload, now, actions)
            }
            ReservedTopic::RefusedList(group) => {
                self.handle_refused_list(group, payload, now, actions)
            }
            ReservedTopic::RefusedChunk(group, first) => {
                self.handle_refused_chunk(group, first, payload, now, actions)
            }
            ReservedTopic::SessionRecord(_, member) => {
                self.handle_session_record(topic, member, payload, now, actions)
            }
            ReservedTopic::KeptKeys(group) => self.handle_kept_keys(group, payload, now, actions),
            ReservedTopic::Heartbeat(group) => self.handle_heartbeat(group, payload, now, actions),
            ReservedTopic::NonceAnswer(member, group) if member == self.number() => {
                self.handle_nonce_answer(group, payload, now, actions)
            }
            ReservedTopic::Chunk(group, epoch, n) => {
                self.handle_chunk(group, epoch, n, payload, now, actions)
            }
            _ => Ok(Handled::Ignored),
        }
    }

    /// Reports a verified object that is older than the installed one. Brokers deliver twice, so
    /// that this is done rarely.
    pub(super) fn report_rollback(
        &mut self,
        topic: ReservedTopic,
        installed: &[u8],
        older: &[u8],
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        let topic = topic.name(&self.prefix);
        if self.reported.is_due(&topic, now) {
            actions.push(Action::Event(MemberEvent::Rollback {
                topic,
                installed: installed.to_vec(),
                older: older.to_vec(),
            }));
        }
    }

    fn handle_delegation(
        &mut self,
        payload: &[u8],
        now: Now,
        actions: &mut Vec<Action>,
    ) -> Result<Handled, BadObject> {
        if payload == self.delegation_object.bytes() {
            return Ok(Handled::Ignored);
        }
        let delegation = VerifiedDelegation::verify(payload, &self.root)?;
        match delegation.supersedes(&self.delegation) {
            Ok(true) => {}
            Ok(false) => return Ok(Handled::Ignored),
            Err(error) => {
                let installed = self.delegation_object.bytes().to_vec();
                let topic = ReservedTopic::Delegation;
                self.report_rollback(topic, &installed, payload, now, actions);
                return Err(error.into());
            }
        }
        if seconds(now).is_some_and(|now| !delegation.is_valid_at(now, DEFAULT_SKEW)) {
            return Err(ObjectError::Expired.into());
        }
        let past = self.past_under(&delegation);
        let mut changes = Changes::new();
        let record = DomainRecord {
            root_key: *self.root.as_bytes(),
            prefix: self.prefix.clone(),
            delegation: Kept::new(payload.to_vec()),
            past: past.objects(),
        };
        records::put(&mut changes, records::DOMAIN, &record).map_err(|_| ObjectError::Encoding)?;
        for (id, group) in &mut self.groups {
            group.end_kept(id, |serial| delegation.continues(serial), &mut changes);
        }
        self.peers.delegation_changed(&delegation);
        actions.push(Action::Commit(changes));
        actions.push(Action::Event(MemberEvent::Delegation {
            serial: delegation.serial(),
        }));
        self.delegation = delegation;
        self.delegation_object = Kept::new(payload.to_vec());
        self.past = past;
        self.forget_old_sessions();
        let groups: Vec<GroupId> = self.groups.keys().copied().collect();
        for id in groups {
            let again = self
                .groups
                .get_mut(&id)
                .is_some_and(Group::forget_unfollowed);
            self.end_chunks(id, actions);
            if again {
                let filters = self.group_subscriptions(&id);
                actions.extend(filters.into_iter().map(Action::Subscribe));
            }
        }
        self.report_awaited(actions);
        self.ask_peers(actions);
        Ok(Handled::Installed)
    }

    fn handle_own_credential(
        &mut self,
        payload: &[u8],
        now: Now,
        actions: &mut Vec<Action>,
    ) -> Result<Handled, BadObject> {
        if self.own.bytes() == payload {
            return Ok(Handled::Ignored);
        }
        let credential = Holder::verify(payload.to_vec(), &self.delegation)?;
        if credential.member != self.number() {
            return Err(ObjectError::Field("member").into());
        }
        if credential.credential().key() != self.own.credential().key() {
            return Err(ObjectError::Field("key").into());
        }
        let serial = credential.serial;
        // One that an older delegation's key signed does not stand in the way of a new one.
        let same_delegation = credential.delegation_serial == self.own.delegation_serial;
        if same_delegation && serial <= self.own.serial {
            let topic = ReservedTopic::Credential(self.number());
            let installed = self.own.bytes().to_vec();
            self.report_rollback(topic, &installed, payload, now, actions);
            return Err(ObjectError::Serial.into());
        }
        self.connection.renewed();
        let mut changes = self.put_device().map_err(|_| ObjectError::Encoding)?;
        let record = CredentialRecord {
            delegation: self.delegation_object.clone(),
            credential: Kept::new(payload.to_vec()),
        };
        records::put(&mut changes, records::CREDENTIAL, &record)
            .map_err(|_| ObjectError::Encoding)?;
        let before = self.group_ids();
        self.own = credential;
        self.own_issuer = self.delegation.clone();
        self.asking_credential.reset();
        self.end_recorded_sessions();
        for group in self.groups.values_mut() {
            // What it sealed under the one before ranks below all that follows.
            group.state_session = None;
        }
        actions.push(Action::Commit(changes));
        actions.push(Action::Event(MemberEvent::Credential { serial }));
        self.subscribe_new_groups(&before, actions);
        let own = self.number();
        self.retry_sender(own, now, actions);
        Ok(Handled::Installed)
    }

    fn handle_credential(
        &mut self,
        member: MemberNumber,
        payload: &[u8],
        now: Now,
        actions: &mut Vec<Action>,
    ) -> Result<Handled, BadObject> {
        let mut changes = Changes::new();
        match self
            .peers
            .offer(member, payload, &self.delegation, &mut changes)?
        {
            PeerUpdate::Ignored => Ok(Handled::Ignored),
            PeerUpdate::Installed { first } => {
                actions.push(Action::Commit(changes));
                if first {
                    actions.push(self.sender_known(member));
                }
                self.ask_peers(actions);
                self.retry_sender(member, now, actions);
                Ok(Handled::Installed)
            }
        }
    }

    pub(super) fn sender_known(&self, member: MemberNumber) -> Action {
        let name = self
            .peers
            .get(member, &self.delegation)
            .map(|c| c.name.to_string());
        Action::Event(MemberEvent::SenderKnown {
            member,
            name: name.unwrap_or_default(),
        })
    }

    fn handle_welcome(
        &mut self,
        id: GroupId,
        payload: &[u8],
        now: Now,
        actions: &mut Vec<Action>,
    ) -> Result<Handled, BadObject> {
        let welcome = VerifiedWelcome::verify(payload, &self.delegation)?;
        let fields = *welcome.fields();
        if fields.member != self.number() {
            return Err(ObjectError::Field("member").into());
        }
        if fields.group != id {
            return Err(ObjectError::Field("group").into());
        }
        let state = self.groups.get(&id).and_then(|group| group.state.as_ref());
        if state.is_some_and(|state| !state.is_newer(&fields)) {
            return Ok(Handled::Ignored);
        }
        let Some(package) = self.packages.get(&fields.package_number) else {
            // Used already: a second install must never reset anything (threat model B5). Or its time
            // was over: with new packages the authority can issue another welcome.
            return if fields.package_number <= self.package_number {
                self.replenish |= self.unusable.insert((id, fields.package_number));
                Ok(Handled::Ignored)
            } else {
                Err(BadObject::Package)
            };
        };
        if package.hash != fields.package {
            return Err(BadObject::Package);
        }
        let opened = welcome
            .open(&RecipientKeyPair::derive(
                kem_of(welcome.suite())?,
                &package.seed,
            ))
            .map_err(BadObject::Sealed)?;

        let mut changes = Changes::new();
        let groups = self.group_ids();
        let group = self.groups.entry(id).or_default();
        let mut event = MemberEvent::Joined {
            group: id,
            epoch: fields.epoch,
        };
        let mut replaced = false;
        let before = Before::of(group.state.as_deref());
        let brought = opened.kept();
        match &mut group.state {
            Some(state) => match state.reinstall(opened) {
                Ok(Installed::Moved) => {}
                Ok(Installed::Replaced { contradiction }) => {
                    let record = RecoveredRecord {
                        epoch: fields.epoch,
                        replaced: group.evidence.known(&contradiction).to_vec(),
                        welcome: payload.to_vec(),
                    };
                    // Durable until it was told.
                    records::put(&mut changes, records::recovered_key(&id), &record)
                        .map_err(|_| ObjectError::Encoding)?;
                    event = record.event(id);
                    let told = true;
                    group.untold = Some(Box::new(Untold { record, told }));
                    replaced = true;
                }
                Err(InstallError::Fork(fork)) => {
                    actions.push(group.fork_event(id, &fork, payload));
                    return Err(BadObject::Install(InstallError::Fork(fork)));
                }
                Err(error) => {
                    // It came too late. The authority issues another one to new packages.
                    if error == InstallError::TooOld {
                        self.unusable.insert((id, fields.package_number));
                        self.end_package(fields.package_number, actions);
                    }
                    return Err(BadObject::Install(error));
                }
            },
            None => group.state = Some(Box::new(GroupState::install(opened))),
        }
        if let Some(state) = &group.state {
            group.evidence.installed(state, payload, &mut changes);
        }
        if replaced {
            group.started_again(&id, &mut changes);
        } else {
            brought.map(|kept| group.older.vouch(&kept, fields.serial));
            group.settle_kept(&id, before, &mut changes);
        }
        group.refresh();
        self.topics.set(id, group.state.as_deref());
        group.candidates.try_again();
        group.put_state(&mut changes);
        changes.delete(records::package_key(fields.package_number));
        self.packages.remove(&fields.package_number);
        self.replenish = true;
        actions.push(Action::Commit(changes));
        actions.push(Action::Event(event));
        actions.extend(self.confirmation().map(Action::Publish));
        if replaced {
            let filters = self.group_subscriptions(&id);
            actions.extend(filters.into_iter().map(Action::Subscribe));
        } else {
            self.subscribe_new_groups(&groups, actions);
        }
        if replaced {
            self.forget_old_sessions();
        }
        self.follow_candidates(id, now, actions);
        Ok(Handled::Installed)
    }

    fn handle_refused_list(
        &mut self,
        id: GroupId,
        payload: &[u8],
        now: Now,
        actions: &mut Vec<Action>,
    ) -> Result<Handled, BadObject> {
        let Some(group) = self.groups.get_mut(&id) else {
            return Ok(Handled::Ignored);
        };
        let mut changes = Changes::new();
        let named = group.named();
        if group.refusals.take_missing(named, payload, &mut changes) {
            actions.push(Action::Commit(changes));
            self.retry_refused(id, now, actions);
            return Ok(Handled::Installed);
        }
        if group.refusals.has_list(named, &id, payload) {
            return Ok(Handled::Ignored);
        }
        let list = RefusedList::verify(payload, &self.delegation)?;
        if *list.group() != id {
            return Err(ObjectError::Field("group").into());
        }
        if let Some(newest) = group.evidence.replaced_list(list.hash()) {
            let newest = newest.to_vec();
            let topic = ReservedTopic::RefusedList(id);
            self.report_rollback(topic, &newest, payload, now, actions);
            return Ok(Handled::Ignored);
        }
        group.refusals.keep_list(*list.hash(), payload);
        self.judge_left_out(id, actions);
        self.fetch_refused(id, now, actions);
        Ok(Handled::Kept)
    }

    fn handle_refused_chunk(
        &mut self,
        id: GroupId,
        first: MemberNumber,
        payload: &[u8],
        now: Now,
        actions: &mut Vec<Action>,
    ) -> Result<Handled, BadObject> {
        let Some(group) = self.groups.get_mut(&id) else {
            return Ok(Handled::Ignored);
        };
        let mut changes = Changes::new();
        match group.refusals.offer(&id, first, payload, &mut changes) {
            None => Ok(Handled::Ignored),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(())) => {
                actions.push(Action::Commit(changes));
                self.judge_left_out(id, actions);
                self.retry_refused(id, now, actions);
                Ok(Handled::Installed)
            }
        }
    }

    pub(super) fn retry_refused(&mut self, id: GroupId, now: Now, actions: &mut Vec<Action>) {
        self.fetch_refused(id, now, actions);
        if self
            .groups
            .get(&id)
            .is_some_and(super::Group::refused_is_known)
        {
            self.retry(now, actions, |cause| {
                cause.awaited_list().is_some_and(|(group, _)| group == id)
            });
        }
    }
}

/// Whether a credential or welcome says that it is of an older delegation.
fn is_replaced(topic: ReservedTopic, object: &[u8], current: &VerifiedDelegation) -> bool {
    matches!(
        topic,
        ReservedTopic::Credential(_) | ReservedTopic::Welcome(..)
    ) && named_serial(object).is_some_and(|serial| serial < current.serial())
}
