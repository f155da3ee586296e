//! Opening: what arrives on the application's topics (spec/envelope.md §9).

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::take;

use sealmq_core::open::{Missing, Rejection, Request, Staleness};
use sealmq_core::topic::Topic;
use sealmq_core::wire::SessionTag;
use sealmq_core::{GroupId, MemberNumber};

use super::fetching::Ask;
use super::groups::Group;
use super::peers::PeerUpdate;
use super::pending::Waiting;
use super::types::{Action, Delivery, Now, Properties, Received};
use super::{Member, Name};
use crate::store::Changes;

impl Member {
    /// Opens what arrived on one of the application's topics; `retain` is the retain flag with
    /// which the broker delivered it. A message whose key or sender is not known yet waits, and an
    /// action of this or a later call ends the wait.
    pub fn open(
        &mut self,
        topic: &str,
        envelope: &[u8],
        retain: bool,
        now: Now,
    ) -> (Delivery, Vec<Action>) {
        self.open_taking(&mut topic.to_owned(), envelope, retain, now)
    }

    /// As [`Member::open`], but of a message that is not rejected the topic is taken, which leaves
    /// an empty one.
    pub fn open_taking(
        &mut self,
        topic: &mut String,
        envelope: &[u8],
        retain: bool,
        now: Now,
    ) -> (Delivery, Vec<Action>) {
        let now = self.clock(now);
        let mut actions = Vec::new();
        let mut buffer = envelope.to_vec();
        let opened = self.open_buffer(topic, &mut buffer, retain, now, &mut actions, u64::MAX);
        let cause = match opened.0 {
            Ok(opened) => {
                let tickets = self.waiting_for_session(opened.new_session);
                let received = opened.with_buffer(take(topic), buffer);
                self.retry_tickets(tickets, now, &mut actions);
                return (Delivery::Message(received), actions);
            }
            Err(rejection) if self.is_worth_waiting(&rejection, now) => rejection,
            Err(rejection) => {
                self.count_rejection(&rejection);
                return (Delivery::Rejected(rejection), actions);
            }
        };
        let waiting = Waiting {
            topic: topic.clone(),
            envelope: buffer,
            retain,
            since: now.or(self.uptime),
            cause,
            is_known: self.is_of_known(&cause),
        };
        let (ticket, dropped) = self.pending.push(waiting);
        if ticket.is_some() {
            self.stats.waited = self.stats.waited.saturating_add(1);
            self.ask_for(&cause, now, &mut actions);
        }
        for (ticket, waiting) in dropped {
            self.give_up(ticket, waiting, &mut actions);
        }
        self.count_waiting();
        match ticket {
            Some(ticket) => {
                topic.clear();
                (Delivery::Waiting(ticket), actions)
            }
            None => {
                self.count_rejection(&cause);
                (Delivery::Rejected(cause), actions)
            }
        }
    }

    /// Verifies signatures of messages that came together, each with its topic and its retain flag,
    /// together ([`Receiver::verify_ahead`]). Each is opened afterwards, with the same result as
    /// without this, and sooner.
    ///
    /// [`Receiver::verify_ahead`]: sealmq_core::open::Receiver::verify_ahead
    pub fn verify_ahead<'m>(
        &mut self,
        messages: impl IntoIterator<Item = (&'m str, &'m [u8], bool)>,
        now: Now,
    ) {
        let now = self.clock(now);
        let requests: Vec<_> = messages
            .into_iter()
            .filter_map(|(topic, envelope, retained)| {
                let topic = Topic::new(topic).ok()?;
                Some((self.opening(topic, retained, now), envelope))
            })
            .collect();
        self.with_view(None, now, |view, receiver| {
            receiver.verify_ahead(requests, view, view)
        });
    }

    /// Tries what waits for a credential of this sender: one was installed.
    pub(super) fn retry_sender(
        &mut self,
        member: MemberNumber,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        let tickets = self.waiting_for_credential(member);
        self.retry_tickets(tickets, now, actions);
    }

    /// Tries the waiting messages whose cause fits once more, oldest first.
    pub(super) fn retry(
        &mut self,
        now: Now,
        actions: &mut Vec<Action>,
        fits: impl Fn(&Rejection) -> bool,
    ) {
        let tickets = self.pending.waiting_for(fits);
        self.retry_tickets(tickets, now, actions);
    }

    fn retry_tickets(&mut self, tickets: Vec<u64>, now: Now, actions: &mut Vec<Action>) {
        let mut tickets: BTreeSet<u64> = tickets.into_iter().collect();
        while let Some(ticket) = tickets.pop_first() {
            let Some(mut waiting) = self.pending.take(ticket) else {
                continue;
            };
            let Waiting {
                topic,
                envelope,
                retain,
                ..
            } = &mut waiting;
            let (opened, heard) = self.open_buffer(topic, envelope, *retain, now, actions, ticket);
            if let Some(member) = heard {
                // What came before was tried; this is for what came after.
                tickets.extend(self.waiting_for_credential(member));
            }
            match opened {
                Ok(opened) => {
                    tickets.extend(self.waiting_for_session(opened.new_session));
                    let received = opened.with_buffer(waiting.topic, waiting.envelope);
                    actions.push(Action::Message(ticket, Box::new(received)));
                }
                Err(rejection) if self.is_worth_waiting(&rejection, now) => {
                    if rejection != waiting.cause || rejection.awaited_list().is_some() {
                        self.ask_for(&rejection, now, actions);
                    }
                    waiting.cause = rejection;
                    waiting.is_known = self.is_of_known(&rejection);
                    self.pending.insert(ticket, waiting);
                }
                Err(rejection) => {
                    self.count_rejection(&rejection);
                    actions.push(Action::Rejected(ticket, waiting.topic, rejection));
                }
            }
        }
        self.count_waiting();
    }

    /// Drops the keys of epochs that left the window: forward secrecy ends with them.
    pub(super) fn forget_old_sessions(&mut self) {
        for group in self.groups.values_mut() {
            let current = group.current().map(|current| *current.hash);
            if group
                .session
                .as_ref()
                .is_some_and(|s| Some(*s.announcement()) != current)
            {
                group.session = None;
            }
            let kept = group.state.as_ref().and_then(|state| state.kept());
            let kept = kept.map(|kept| kept.name);
            let session = group.state_session.as_ref();
            if session.is_some_and(|session| Some(*session.kept()) != kept) {
                group.state_session = None;
            }
        }
        let groups = &self.groups;
        let in_window = |hash: &_| {
            groups.values().any(|group| {
                let mut kept = group.all_state_keys();
                group.reading_psk(hash).is_some() || kept.any(|keys| keys.name == *hash)
            })
        };
        self.reader.receiver.retain_epochs(in_window);
    }

    /// Opens a message that came after all that wait with tickets below `ticket`; whose credential
    /// became known by it, if one did.
    fn open_buffer(
        &mut self,
        topic: &str,
        buffer: &mut [u8],
        retained: bool,
        now: Now,
        actions: &mut Vec<Action>,
        ticket: u64,
    ) -> (Result<OpenedParts, Rejection>, Option<MemberNumber>) {
        let mut inside = None;
        let opened = self.try_open(topic, buffer, retained, now, actions, &mut inside);
        let Some((member, credential)) = inside else {
            return (opened, None);
        };
        // It has the credential that others wait for, and an authority vouches for that, as it does
        // on the credential's topic. What came before is opened before.
        let is_new = self.heard(member, &credential, actions);
        let before = self.waiting_for_credential(member);
        let before = before.into_iter().filter(|this| *this < ticket).collect();
        self.retry_tickets(before, now, actions);
        let opened = self.try_open(topic, buffer, retained, now, actions, &mut None);
        (opened, is_new.then_some(member))
    }

    /// Takes the credential of a member that messages wait for; whether it is a new one.
    fn heard(
        &mut self,
        member: MemberNumber,
        credential: &[u8],
        actions: &mut Vec<Action>,
    ) -> bool {
        let mut changes = Changes::new();
        let learned = self.learn(member, credential, &mut changes);
        if !changes.is_empty() {
            actions.push(Action::Commit(changes));
        }
        self.tell_learned(member, learned, actions);
        learned.is_some()
    }

    pub(super) fn tell_learned(
        &mut self,
        member: MemberNumber,
        learned: Option<bool>,
        actions: &mut Vec<Action>,
    ) {
        if learned == Some(true) {
            actions.push(self.sender_known(member));
        }
        self.ask_peers(actions);
    }

    fn waiting_for_credential(&self, member: MemberNumber) -> Vec<u64> {
        let fits = |cause: &Rejection| cause.awaited_credential() == Some(member);
        self.pending.waiting_for(fits)
    }

    fn waiting_for_session(&self, tag: Option<SessionTag>) -> Vec<u64> {
        let Some(tag) = tag else {
            return Vec::new();
        };
        let waits = Rejection::UnknownSession { tag };
        self.pending.waiting_for(|cause| *cause == waits)
    }

    fn try_open(
        &mut self,
        topic: &str,
        buffer: &mut [u8],
        retained: bool,
        now: Now,
        actions: &mut Vec<Action>,
        inside: &mut Option<(MemberNumber, Vec<u8>)>,
    ) -> Result<OpenedParts, Rejection> {
        // A broker that delivers on a name that is none has made it up.
        let topic = Topic::new(topic).map_err(|_| Rejection::Rejected)?;
        let request = self.opening(topic, retained, now);
        let near = self.topics.group_of(topic);
        let (opened, credential, told) = self.with_view(near, now, |view, receiver| {
            let opened = receiver.open(&request, view, view, buffer);
            let opened = opened.map_err(|rejection| view.explain(rejection));
            (opened, view.inside.take(), view.told.take())
        });
        let opened = match opened {
            Ok(opened) => opened,
            Err(rejection) => {
                *inside = credential;
                told.inspect(|sighting| self.notice(sighting, now, actions));
                return Err(rejection);
            }
        };
        let sighting = *opened.sighting();
        let member = opened.sender();
        let credential = opened.credential().map(<[u8]>::to_vec);
        let group = opened.group();
        let new_session = opened.new_session();
        let mut received = Received {
            topic: String::new(),
            sender: member,
            sender_name: Name::default(),
            group,
            group_name: self.name_of_group(group),
            epoch: opened.epoch(),
            session: opened.session_number(),
            counter: opened.counter().into(),
            sent_at: opened.sent_at(),
            gap: opened.gap(),
            retained: opened.is_retained_delivery(),
            retain: opened.retain(),
            will: opened.is_will(),
            properties: Properties::from_wire(opened.properties()),
            buffer: Vec::new(),
            range: opened.payload_range(),
        };
        let mut changes = self.reader.accepted(now).unwrap_or_default();
        let learned = credential.and_then(|c| self.learn(member, &c, &mut changes));
        if !changes.is_empty() {
            actions.push(Action::Commit(changes));
        }
        self.tell_learned(member, learned, actions);
        self.notice(&sighting, now, actions);
        received.sender_name = self.name_of(member);
        self.stats.opened = self.stats.opened.saturating_add(1);
        Ok(OpenedParts {
            received,
            new_session,
        })
    }

    fn opening<'t>(&self, topic: Topic<'t>, retained: bool, now: Now) -> Request<'t> {
        Request {
            topic,
            retained,
            now,
            uptime: self.uptime,
            drop_own: (!self.options.accept_own).then_some(self.own.member),
            report_gaps: self.options.report_gaps,
        }
    }

    /// Keeps a credential that came inside a message which verified under it, if it is a new one:
    /// whether the sender was not known.
    pub(super) fn learn(
        &mut self,
        member: MemberNumber,
        credential: &[u8],
        changes: &mut Changes,
    ) -> Option<bool> {
        if member == self.number() {
            return None;
        }
        let update = self
            .peers
            .learn(member, credential, &self.delegation, changes);
        match update {
            Ok(PeerUpdate::Installed { first }) => Some(first),
            _ => None,
        }
    }

    fn name_of_group(&mut self, group: GroupId) -> Name {
        let group = self.groups.get_mut(&group);
        group.map(Group::shared_name).unwrap_or_default()
    }

    fn is_worth_waiting(&self, rejection: &Rejection, now: Now) -> bool {
        match rejection {
            // A publish-only member never gets a key to read with.
            Rejection::UnknownKey { key_id } => {
                let known = self.groups.values().find(|group| group.has_key(key_id));
                // Known, but its lease has to be proven first, or an announcement has to vouch for it.
                known.is_none_or(|group| {
                    let may_come = group.awaits_answer() || self.awaits_announcement(group);
                    group.reads(key_id) && may_come
                })
            }
            // By the clock a newer announcement is due, and may be on its way. Without one it is a
            // lease that ended: what that waits for stands above.
            Rejection::Stale(Staleness::Keys) => now.is_some(),
            // No credential ever has such a number.
            Rejection::UnknownSender {
                member,
                missing: Missing::Credential,
                ..
            } => member.is_valid(),
            other => other.may_wait(),
        }
    }

    /// Whether a message that decrypted names a sender that there is.
    fn is_of_known(&self, cause: &Rejection) -> bool {
        let member = match cause {
            Rejection::UnknownSender { member, .. }
            | Rejection::Stale(Staleness::CredentialOfState { member }) => *member,
            _ => return false,
        };
        member == self.number() || self.peers.is_known(member)
    }

    fn ask_for(&mut self, cause: &Rejection, now: Now, actions: &mut Vec<Action>) {
        if matches!(cause, Rejection::UnknownSession { .. }) {
            self.ask_for_records(now, actions);
        }
        if let Some(member) = cause.awaited_credential() {
            self.peers.want(member);
            self.ask_peers(actions);
        }
        if let Some((id, member)) = cause.awaited_list()
            && let Some(group) = self.groups.get_mut(&id)
        {
            group.refusals.want(member);
            self.fetch_refused(id, now, actions);
        }
    }

    /// Carries out what is to be subscribed for credentials.
    pub(super) fn ask_peers(&mut self, actions: &mut Vec<Action>) {
        for ask in self.peers.take_asks() {
            actions.push(match ask {
                Ask::Begin(whose) => Action::Subscribe(self.credential_filter(whose)),
                Ask::End(whose) => Action::Unsubscribe(self.credential_filter(whose)),
            });
        }
    }

    pub(super) fn give_up(&mut self, ticket: u64, waiting: Waiting, actions: &mut Vec<Action>) {
        let cause = waiting.cause;
        self.count_rejection(&cause);
        actions.push(Action::Rejected(ticket, waiting.topic, cause));
        if let Some(member) = cause.awaited_credential() {
            let same = |other: &Rejection| other.awaited_credential() == Some(member);
            // An insider can make up senders: nobody waits for this one any more.
            if self.pending.waiting_for(same).is_empty() {
                self.peers.forget_want(member);
                self.ask_peers(actions);
            }
        }
    }

    fn count_rejection(&mut self, rejection: &Rejection) {
        let count = self.stats.rejected.entry(rejection.name()).or_default();
        *count = count.saturating_add(1);
    }

    pub(super) fn count_waiting(&mut self) {
        self.stats.waiting = self.pending.len();
        self.stats.waiting_bytes = self.pending.bytes();
    }
}

struct OpenedParts {
    /// Without its topic and buffer.
    received: Received,
    /// What waits for this session can be opened now.
    new_session: Option<SessionTag>,
}

impl OpenedParts {
    fn with_buffer(self, topic: String, buffer: Vec<u8>) -> Received {
        Received {
            topic,
            buffer,
            ..self.received
        }
    }
}
