//! Sealing (spec/envelope.md §6, §7).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::crypto::{Digest, Purpose, VerifyingKey};
use sealmq_core::object::Access;
use sealmq_core::seal::{
    Membership, Outgoing, Publisher, PublisherError, SealError as SessionError, SenderSession,
    SessionLimits, SessionStart, next_session_number,
};
use sealmq_core::topic::{Filter, Topic, matches_grant};
use sealmq_core::wire::{Padding, Suite};
use sealmq_core::{GroupId, MemberNumber};

use super::enrol::entropy;
use super::groups::Group;
use super::holder::Holder;
use super::types::{Now, OutgoingMessage, Sealed};
use super::{Member, SealError, seconds};
use crate::reserved::is_reserved;

/// Most topics whose messages are numbered; messages on further topics carry no sequence.
const MAX_SEQUENCES: usize = 65_536;

/// What credential and announcement of a member say about one group.
pub(super) struct Standing<'a> {
    pub(super) group: GroupId,
    pub(super) holder: &'a Holder,
    pub(super) topics: &'a Group,
}

impl Standing<'_> {
    fn may(&self, what: impl Fn(Access) -> bool) -> bool {
        let grant = self.holder.grant(&self.group);
        grant.is_some_and(|grant| what(grant.access))
    }
}

impl Membership for Standing<'_> {
    fn group(&self) -> GroupId {
        self.group
    }

    fn member(&self) -> MemberNumber {
        self.holder.member
    }

    fn key(&self) -> &VerifyingKey {
        self.holder.credential().key()
    }

    fn credential_hash(&self) -> Digest {
        *self.holder.credential().hash()
    }

    fn credential_serial(&self) -> u32 {
        self.holder.serial
    }

    fn may_publish(&self) -> bool {
        self.may(Access::may_publish)
    }

    fn may_subscribe(&self) -> bool {
        self.may(Access::may_subscribe)
    }

    fn covers(&self, topic: Topic<'_>) -> bool {
        let grant = self.holder.grant(&self.group);
        let Some(grant) = grant.filter(|grant| grant.access.may_publish()) else {
            return false;
        };
        let narrowed = grant.publish_filter.is_empty()
            || Filter::new(&grant.publish_filter)
                .is_ok_and(|filter| matches_grant(filter, &self.holder.name, topic));
        narrowed && self.topics.covers(topic)
    }
}

impl Member {
    /// Seals a message for the group that covers its topic. Begins a session when one is needed:
    /// then `changes` holds what has to be durable before the payload goes out. If that commit
    /// fails, drop the payload and this `Member`.
    ///
    /// # Errors
    /// Nothing was sealed, and no counter was used up.
    pub fn seal(
        &mut self,
        message: &OutgoingMessage<'_>,
        now: Now,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Sealed, SealError> {
        let topic = Topic::new(message.topic).map_err(SealError::Topic)?;
        if is_reserved(&self.prefix, message.topic) {
            return Err(SealError::Reserved);
        }
        let id = self.group_for(topic)?;
        let needs_clock = message.will || message.properties.expiry.is_some();
        if needs_clock && now.is_none() {
            return Err(SealError::NeedsClock);
        }
        self.check_own_credential(now)?;
        self.check_lease(&id, now)?;
        let epoch = if message.will {
            let session = self.begin_session(id, now, rng)?;
            let (payload, epoch) = self.seal_will(session, id, topic, message, now)?;
            return Ok(self.sealed(payload, id, epoch));
        } else {
            self.ready_session(id, now, rng)?
        };
        let payload = match self.seal_once(id, topic, message, now) {
            Err(SealError::Message(SessionError::SessionEnded(_))) => {
                let session = self.begin_session(id, now, rng)?;
                self.set_session(id, session);
                self.seal_once(id, topic, message, now)?
            }
            result => result?,
        };
        Ok(self.sealed(payload, id, epoch))
    }

    fn sealed(&mut self, payload: Vec<u8>, group: GroupId, epoch: u64) -> Sealed {
        self.stats.sealed = self.stats.sealed.saturating_add(1);
        Sealed {
            changes: core::mem::take(&mut self.unsaved),
            payload,
            group,
            epoch,
        }
    }

    /// The one group whose filters match; filters of different groups do not overlap.
    fn group_for(&self, topic: Topic<'_>) -> Result<GroupId, SealError> {
        let found = self.groups.iter().find(|(_, group)| group.covers(topic));
        let Some((id, group)) = found else {
            let unknown: Vec<GroupId> = self.groups_without_keys().collect();
            return Err(if unknown.is_empty() {
                SealError::NoGroup
            } else {
                SealError::NoKeysYet { groups: unknown }
            });
        };
        let standing = Standing {
            group: *id,
            holder: &self.own,
            topics: group,
        };
        let name = || group.name().into();
        // What an older delegation's objects say is not final.
        self.check_announcement_counts(group)?;
        if self.own_end().is_none() {
            return Err(self.no_credential());
        }
        if !standing.covers(topic) {
            return Err(SealError::NotGranted { group: name() });
        }
        if group.is_left_out() == Some(true) {
            return Err(SealError::Removed { group: name() });
        }
        Ok(*id)
    }

    const fn no_credential(&self) -> SealError {
        SealError::AwaitsCredential {
            serial: self.delegation.serial(),
        }
    }

    /// What runs out, as [`Member::seal`] judges it: the own credential, the keys of the group
    /// that covers the topic, and their lease (spec/keys.md §8).
    ///
    /// # Errors
    /// What `seal` would say.
    pub fn check_times(&self, topic: &str, now: Now) -> Result<(), SealError> {
        let topic = Topic::new(topic).map_err(SealError::Topic)?;
        let id = self.group_for(topic)?;
        self.check_own_credential(now)?;
        self.check_lease(&id, now)
    }

    fn check_own_credential(&self, now: Now) -> Result<(), SealError> {
        let not_after = self.own_end().ok_or_else(|| self.no_credential())?;
        match seconds(now) {
            Some(now) if now > not_after => Err(SealError::CredentialExpired { not_after }),
            _ => Ok(()),
        }
    }

    /// Makes sure that the group has a session of its current epoch; returns the epoch.
    fn ready_session(
        &mut self,
        id: GroupId,
        now: Now,
        rng: &mut impl TryCryptoRng,
    ) -> Result<u64, SealError> {
        let no_keys = || SealError::NoKeysYet { groups: vec![id] };
        let group = self.groups.get(&id).ok_or_else(no_keys)?;
        let current = group.current().ok_or_else(no_keys)?;
        let (epoch, hash) = (current.epoch, *current.hash);
        if group
            .session
            .as_ref()
            .is_none_or(|session| *session.announcement() != hash)
        {
            let session = self.begin_session(id, now, rng)?;
            self.set_session(id, session);
        }
        Ok(epoch)
    }

    fn set_session(&mut self, id: GroupId, session: SenderSession) {
        if let Some(group) = self.groups.get_mut(&id) {
            group.session = Some(session);
        }
    }

    /// Begins a session with a number that was never used, and hedged randomness. Both wait in
    /// `unsaved` until something is sealed, whichever call that is, so that they are durable
    /// before anything of the session goes out (ATTACKS A22, A23).
    fn begin_session(
        &mut self,
        id: GroupId,
        now: Now,
        rng: &mut impl TryCryptoRng,
    ) -> Result<SenderSession, SealError> {
        let no_keys = || SealError::NoKeysYet { groups: vec![id] };
        let group = self.groups.get(&id).ok_or_else(no_keys)?;
        let current = group.current().ok_or_else(no_keys)?;
        let number =
            next_session_number(self.session_number, now).ok_or(SealError::SessionNumbersUsedUp)?;
        let entropy = entropy(rng).map_err(|_| SealError::Random)?;
        let hedged = self.device.hedge(&entropy, Purpose::Session, number);
        let policy = group.policy();
        let session = SenderSession::start(&SessionStart {
            group: id,
            announcement: current.hash,
            suite: Suite::One,
            group_key: &current.group_key,
            psk: &current.psk.session(),
            not_after: current.not_after.min(
                self.past
                    .end_of(group, &self.delegation)
                    .unwrap_or_default(),
            ),
            limits: SessionLimits {
                messages: policy.session_messages,
                bytes: policy.session_bytes,
                seconds: policy.session_seconds,
            },
            number,
            seed: &hedged.seed,
            now,
        })
        .map_err(SealError::Message)?;
        self.device = hedged.next;
        self.session_number = number;
        self.unsaved = self
            .put_device()
            .map_err(|_| SealError::Message(SessionError::TooLong))?;
        self.stats.sessions = self.stats.sessions.saturating_add(1);
        Ok(session)
    }

    fn seal_once(
        &mut self,
        id: GroupId,
        topic: Topic<'_>,
        message: &OutgoingMessage<'_>,
        now: Now,
    ) -> Result<Vec<u8>, SealError> {
        let no_keys = || SealError::NoKeysYet { groups: vec![id] };
        let group = self.groups.get_mut(&id).ok_or_else(no_keys)?;
        let mut session = group.session.take().ok_or_else(no_keys)?;
        let sequence = if self.options.sequence {
            self.sequences.next(message.topic)
        } else {
            None
        };
        let result = self.sealed_by(id, topic, message, now, sequence, |parts, out| {
            parts.make_room(&session, out)?;
            session.seal_into(&parts.publisher, &parts.outgoing, now, parts.payload, out)
        });
        // The session stays whatever happened: its counter must not go back.
        self.set_session(id, session);
        if result.is_ok() {
            self.sequences.advance(message.topic);
        }
        result
    }

    fn seal_will(
        &self,
        session: SenderSession,
        id: GroupId,
        topic: Topic<'_>,
        message: &OutgoingMessage<'_>,
        now: Now,
    ) -> Result<(Vec<u8>, u64), SealError> {
        let current = self.groups.get(&id).and_then(Group::current);
        let epoch = current.ok_or_else(|| SealError::NoKeysYet { groups: vec![id] })?;
        let epoch = epoch.epoch;
        let payload = self.sealed_by(id, topic, message, now, None, |parts, out| {
            parts.make_room(&session, out)?;
            session.seal_will_into(&parts.publisher, &parts.outgoing, now, parts.payload, out)
        })?;
        Ok((payload, epoch))
    }

    /// Sets up publisher and message, and lets `seal` fill the envelope.
    fn sealed_by(
        &self,
        id: GroupId,
        topic: Topic<'_>,
        message: &OutgoingMessage<'_>,
        now: Now,
        sequence: Option<u32>,
        seal: impl FnOnce(&Parts<'_>, &mut Vec<u8>) -> Result<usize, SessionError>,
    ) -> Result<Vec<u8>, SealError> {
        let group = self.groups.get(&id);
        let group = group.ok_or_else(|| SealError::NoKeysYet { groups: vec![id] })?;
        let standing = Standing {
            group: id,
            holder: &self.own,
            topics: group,
        };
        let publisher = Publisher::new(&self.identity, standing).map_err(|error| match error {
            PublisherError::ReadOnly => SealError::NotGranted {
                group: group.name().into(),
            },
            _ => SealError::Message(SessionError::NotAllowed),
        })?;
        let policy = group.policy();
        let mut properties = Vec::new();
        let outgoing = Outgoing {
            sent_at: now,
            sequence,
            retain: message.retain,
            properties: message
                .properties
                .encode(&mut properties)
                .map_err(SealError::Properties)?,
            credential: message.announce_credential.then(|| self.own.bytes()),
            padding: match policy.padding {
                1 => Padding::Padme,
                2 => Padding::Bucket(policy.bucket),
                _ => Padding::None,
            },
            ..Outgoing::new(topic)
        };
        let parts = Parts {
            publisher,
            outgoing,
            payload: message.payload,
        };
        let mut envelope = Vec::new();
        let len = seal(&parts, &mut envelope).map_err(SealError::Message)?;
        envelope.truncate(len);
        Ok(envelope)
    }
}

/// What a session seals.
struct Parts<'a> {
    publisher: Publisher<'a, Standing<'a>>,
    outgoing: Outgoing<'a>,
    payload: &'a [u8],
}

impl Parts<'_> {
    fn make_room(&self, session: &SenderSession, out: &mut Vec<u8>) -> Result<(), SessionError> {
        let len = self.payload.len();
        let room = session.room(&self.publisher, &self.outgoing, len)?;
        let around = room.headroom.saturating_add(room.tailroom);
        out.resize(len.saturating_add(around), 0);
        Ok(())
    }
}

/// Numbers of the messages on each topic (spec/envelope.md §8).
#[derive(Default)]
pub(super) struct Sequences(BTreeMap<String, u32>);

impl Sequences {
    /// The number of the next message; `None` when too many topics are numbered already.
    fn next(&self, topic: &str) -> Option<u32> {
        match self.0.get(topic) {
            Some(next) => Some(*next),
            None => (self.0.len() < MAX_SEQUENCES).then_some(0),
        }
    }

    fn advance(&mut self, topic: &str) {
        if let Some(next) = self.0.get_mut(topic) {
            *next = next.wrapping_add(1) & ((1 << 21) - 1);
        } else if self.0.len() < MAX_SEQUENCES {
            self.0.insert(topic.into(), 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn sequences_wrap_and_are_bounded() {
        let mut sequences = Sequences::default();
        assert_eq!(sequences.next("a"), Some(0));
        assert_eq!(sequences.next("a"), Some(0));
        sequences.advance("a");
        assert_eq!(
            (sequences.next("a"), sequences.next("b")),
            (Some(1), Some(0))
        );
        sequences.0.insert("a".into(), (1 << 21) - 1);
        sequences.advance("a");
        assert_eq!(sequences.next("a"), Some(0));
        for i in 1..MAX_SEQUENCES {
            sequences.advance(&format!("t/{i}"));
        }
        assert_eq!(sequences.next("t/1"), Some(1));
        assert_eq!(sequences.next("one more"), None);
        sequences.advance("one more");
        assert_eq!(sequences.0.len(), MAX_SEQUENCES);
    }
}
