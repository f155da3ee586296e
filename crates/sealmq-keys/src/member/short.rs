//! The short form (spec/envelope.md §12): this member's session records, and those of others.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::object::ObjectError;
use sealmq_core::open::{Rejection, Request};
use sealmq_core::seal::{
    Publisher, SealError as SessionError, SenderSession, SessionRecord as RecordParts,
};
use sealmq_core::topic::Topic;
use sealmq_core::wire::SessionTag;
use sealmq_core::{GroupId, MemberNumber};

use super::groups::Group;
use super::outcome::{BadObject, Handled};
use super::own_record::OwnRecord;
use super::send::{Class, no_keys};
use super::types::{Action, Now, OutgoingMessage};
use super::{Member, SealError};
use crate::outputs::Publication;
use crate::reserved::{ReservedTopic, records_filter};
use crate::store::Changes;

/// Around the credential in a record, in bytes.
const AROUND: usize = 170;

type Taken = (SessionTag, Option<Vec<u8>>);

/// The record of a session, to be published before its messages of the short form.
#[derive(Debug)]
#[must_use = "commit `changes`, publish, and say `Member::record_published`"]
pub struct DueRecord {
    /// The group in which the session is.
    pub group: GroupId,
    /// To be committed first; empty unless a session began.
    pub changes: Changes,
    /// To be published, retained, with QoS 1.
    pub publication: Publication,
}

impl Member {
    /// The record that has to be published for a message with [`OutgoingMessage::short`], if one is
    /// due: of a new session; again with each connection; and after ten minutes. Until the broker
    /// has acknowledged the first one ([`Member::record_published`]), the message is of the full
    /// form; so wait a moment while [`Member::awaits_record`] says so.
    ///
    /// # Errors
    /// As [`Member::seal`]; then none is due.
    pub fn record_due(
        &mut self,
        message: &OutgoingMessage<'_>,
        now: Now,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Option<DueRecord>, SealError> {
        let may = message.short && !message.will && !message.retain;
        if !may || message.announce_credential {
            return Ok(None);
        }
        let now = self.clock(now);
        let (id, _) = self.may_seal(message, now)?;
        self.ready_session(id, Class::Event, now, rng)?;
        let topic = ReservedTopic::SessionRecord(id, self.own.member).name(&self.prefix);
        if !self.has_record(id) {
            self.seal_record(id, &topic, now, rng)?;
            self.know_own(id, &topic, now);
        }
        let group = self.groups.get_mut(&id).ok_or_else(|| no_keys(id))?;
        let record = group.record.as_mut();
        let due = record.and_then(|record| record.due.take(now).then_some(&**record));
        Ok(due.map(|record| DueRecord {
            group: id,
            publication: Publication::retained(topic, record.payload.clone()),
            changes: core::mem::take(&mut self.unsaved),
        }))
    }

    /// Whether messages on this topic should wait: the record of their session is on its way to the
    /// broker for the first time. The group.
    #[must_use]
    pub fn awaits_record(&self, topic: &str) -> Option<GroupId> {
        let (id, group) = self.group_on(Topic::new(topic).ok()?)?;
        let record = group.record.as_ref()?;
        let session = group.session.as_ref()?;
        (record.number == session.number() && !record.is_published).then_some(id)
    }

    /// The broker has acknowledged a record. The group, if it is one of this member's newest
    /// session there: its messages may be of the short form now.
    pub fn record_published(&mut self, topic: &str, payload: &[u8]) -> Option<GroupId> {
        let topic = ReservedTopic::parse(&self.prefix, topic)?;
        let ReservedTopic::SessionRecord(id, member) = topic else {
            return None;
        };
        let group = self.groups.get_mut(&id)?;
        let record = group.record.as_mut()?;
        if member != self.own.member || record.payload != payload {
            return None;
        }
        record.is_published = true;
        if let Some(session) = &mut group.session
            && session.number() == record.number
        {
            session.record_published();
        }
        Some(id)
    }

    /// Whether the record of the session in use is there.
    fn has_record(&self, id: GroupId) -> bool {
        let group = self.groups.get(&id);
        let sessions = group.and_then(|g| g.session.as_ref().zip(g.record.as_ref()));
        // A credential of before is told by the session: it seals no other record.
        sessions.is_some_and(|(session, record)| session.number() == record.number)
    }

    fn seal_record(
        &mut self,
        id: GroupId,
        topic: &str,
        now: Now,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), SealError> {
        match self.seal_record_once(id, topic, now) {
            Err(SealError::Message(SessionError::SessionEnded(_))) => {
                self.renew_session(id, Class::Event, now, rng)?;
                self.seal_record_once(id, topic, now)
            }
            result => result,
        }
    }

    fn seal_record_once(&mut self, id: GroupId, topic: &str, now: Now) -> Result<(), SealError> {
        let group = self.groups.get_mut(&id).ok_or_else(|| no_keys(id))?;
        let mut session = group.session.take().ok_or_else(|| no_keys(id))?;
        let sealed = self.seal_record_in(id, topic, &mut session, now);
        if let Some(group) = self.groups.get_mut(&id) {
            if let Ok(payload) = &sealed {
                let record = OwnRecord::new(session.number(), payload.clone());
                group.record = Some(Box::new(record));
            }
            // The session stays whatever happens: its counter must not go back.
            group.session = Some(session);
        }
        sealed.map(drop)
    }

    fn seal_record_in(
        &self,
        id: GroupId,
        topic: &str,
        session: &mut SenderSession,
        now: Now,
    ) -> Result<Vec<u8>, SealError> {
        let group = self.groups.get(&id).ok_or_else(|| no_keys(id))?;
        let state = group.state.as_deref().ok_or_else(|| no_keys(id))?;
        let psk = state.current().ok_or_else(|| no_keys(id))?.psk().session();
        let publisher = Publisher::new(&self.identity, self.standing(id, group));
        let publisher = publisher.map_err(|_| SealError::Message(SessionError::NotAllowed))?;
        let record = RecordParts {
            topic: Topic::new(topic).map_err(SealError::Topic)?,
            psk: &psk,
            credential: self.own.bytes(),
            sent_at: now,
        };
        let mut out = vec![0; self.own.bytes().len().saturating_add(AROUND)];
        let len = session
            .seal_record_into(&publisher, &record, now, &mut out)
            .map_err(SealError::Message)?;
        out.truncate(len);
        Ok(out)
    }

    /// Own messages that come back are known as such, without asking for records.
    fn know_own(&mut self, id: GroupId, topic: &str, now: Now) {
        let record = self.groups.get(&id).and_then(|g| g.record.as_ref());
        if let Some(payload) = record.map(|record| record.payload.clone()) {
            // A member that may publish only opens nothing.
            let _opened = self.open_record(topic, self.own.member, &payload, now);
        }
    }

    /// A connection began: records are published again with the next message.
    pub(super) fn records_on_connection(&mut self) {
        self.session_records.ask_again();
        for group in self.groups.values_mut() {
            if let Some(record) = &mut group.record {
                record.due.connected();
            }
        }
    }

    /// The own credential was renewed: the short form does not say under which one it is.
    pub(super) fn end_recorded_sessions(&mut self) {
        for group in self.groups.values_mut() {
            if group.record.take().is_some() {
                group.session = None;
            }
        }
    }

    /// Asks for the records of others, if messages wait for one and it is time.
    pub(super) fn ask_for_records(&mut self, now: Now, actions: &mut Vec<Action>) {
        let now = now.or(self.uptime);
        let waits = |cause: &Rejection| matches!(cause, Rejection::UnknownSession { .. });
        if self.session_records.is_due(now) && !self.pending.waiting_for(waits).is_empty() {
            self.session_records.asked(now);
            actions.push(Action::Subscribe(records_filter(&self.prefix)));
        }
    }

    /// A record that is of no use now is dropped: while messages wait for it, it is asked for.
    pub(super) fn handle_session_record(
        &mut self,
        topic: ReservedTopic,
        sender: MemberNumber,
        payload: &[u8],
        now: Now,
        actions: &mut Vec<Action>,
    ) -> Result<Handled, BadObject> {
        let ReservedTopic::SessionRecord(id, _) = topic else {
            return Ok(Handled::Ignored);
        };
        if !self.groups.get(&id).is_some_and(Group::is_started) {
            return Ok(Handled::Ignored);
        }
        let name = topic.name(&self.prefix);
        let taken = self.open_record(&name, sender, payload, now);
        let (tag, credential) = match taken {
            None => return Ok(Handled::Ignored),
            Some(Ok(taken)) => taken,
            Some(Err(rejection)) if rejection.may_wait() => return Ok(Handled::Kept),
            Some(Err(_)) => return Err(ObjectError::Signature.into()),
        };
        if let Some(credential) = credential {
            let mut changes = Changes::new();
            let learned = self.learn(sender, &credential, &mut changes);
            if !changes.is_empty() {
                actions.push(Action::Commit(changes));
            }
            self.tell_learned(sender, learned, actions);
        }
        self.retry(now, actions, |cause| {
            *cause == Rejection::UnknownSession { tag }
        });
        Ok(Handled::Installed)
    }

    /// What a record tells, and the credential in it if that is a new one; `None` if its session is
    /// known.
    fn open_record(
        &mut self,
        topic: &str,
        sender: MemberNumber,
        payload: &[u8],
        now: Now,
    ) -> Option<Result<Taken, Rejection>> {
        let request = Request {
            retained: true,
            now,
            uptime: self.uptime,
            ..Request::new(Topic::new(topic).ok()?)
        };
        self.with_view(None, now, |view, receiver| {
            if receiver.knows_record(sender, view, payload) {
                return None;
            }
            let mut buffer = payload.to_vec();
            let recorded = receiver.open_record(&request, sender, view, view, &mut buffer);
            Some(recorded.map(|recorded| {
                let credential = recorded.credential().map(<[u8]>::to_vec);
                (recorded.tag(), credential)
            }))
        })
    }
}
