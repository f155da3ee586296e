//! Sealing (spec/envelope.md §6, §7).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::GroupId;
use sealmq_core::crypto::Purpose;
use sealmq_core::seal::{
    Outgoing, Publisher, PublisherError, SealError as SessionError, SenderSession, SessionLimits,
    SessionStart, next_session_number,
};
use sealmq_core::topic::Topic;
use sealmq_core::wire::Padding;

use super::draw::entropy;
use super::groups::Group;
use super::types::{Now, OutgoingMessage, Sealed};
use super::{Member, SealError, seconds};
use crate::reserved::is_reserved;
use crate::standing::{Moment, Obstacle, Standing};

/// Most topics whose messages are numbered; messages on further topics carry no sequence.
const MAX_SEQUENCES: usize = 65_536;

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
        let (id, topic) = self.may_seal(message, now)?;
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

    /// Whether a message could be sealed now: what [`Member::seal`] would say, without sealing and
    /// without using anything up.
    ///
    /// # Errors
    /// As there, but for what only sealing can show.
    pub fn check(&self, message: &OutgoingMessage<'_>, now: Now) -> Result<(), SealError> {
        message.properties.check().map_err(SealError::Properties)?;
        self.may_seal(message, now).map(drop)
    }

    /// Whether this member may publish on a topic at all, whatever the time: that lets it clear a
    /// retained message. [`SealError::NoGroup`] is certain: with a group whose filters are not
    /// known yet it is [`SealError::NoKeysYet`].
    ///
    /// # Errors
    /// Why not.
    pub fn check_topic(&self, topic: &str) -> Result<(), SealError> {
        let (standing, topic) = self.standing_on(topic)?;
        let allowed = standing.may_publish_on(topic);
        allowed.map_err(|obstacle| self.obstacle(&standing, obstacle))
    }

    /// The one group whose filters match a topic, and its epoch and window: what has to be sealed
    /// again for readers who keep no older keys.
    #[must_use]
    pub fn epoch_on(&self, topic: &str) -> Option<(u64, u8)> {
        let topic = Topic::new(topic).ok()?;
        let (_, group) = self.group_on(topic)?;
        Some((group.current()?.epoch, group.policy().window))
    }

    fn may_seal<'t>(
        &self,
        message: &OutgoingMessage<'t>,
        now: Now,
    ) -> Result<(GroupId, Topic<'t>), SealError> {
        let (standing, topic) = self.standing_on(message.topic)?;
        let at = Moment {
            now: seconds(now),
            uptime: self.uptime,
        };
        let timed = message.will || message.properties.expiry.is_some();
        match standing.may_send(topic, timed, at) {
            Ok(()) => Ok((standing.group, topic)),
            Err(obstacle) => Err(self.obstacle(&standing, obstacle)),
        }
    }

    /// This member in the group of a topic.
    fn standing_on<'t>(&self, topic: &'t str) -> Result<(Standing<'_>, Topic<'t>), SealError> {
        let name = Topic::new(topic).map_err(SealError::Topic)?;
        if is_reserved(&self.prefix, topic) {
            return Err(SealError::Reserved);
        }
        if let Some((id, group)) = self.group_on(name) {
            return Ok((self.standing(id, group), name));
        }
        let unknown: Vec<GroupId> = self.groups_without_keys().collect();
        Err(if unknown.is_empty() {
            SealError::NoGroup
        } else {
            SealError::NoKeysYet { groups: unknown }
        })
    }

    /// Filters of different groups do not overlap.
    fn group_on(&self, topic: Topic<'_>) -> Option<(GroupId, &Group)> {
        let mut groups = self.groups.iter();
        let found = groups.find(|(_, group)| group.covers(topic));
        found.map(|(id, group)| (*id, group))
    }

    fn standing<'m>(&'m self, id: GroupId, group: &'m Group) -> Standing<'m> {
        Standing {
            group: id,
            state: group.state.as_deref(),
            keys_end: self.past.end_of(group, &self.delegation),
            removed: group.is_left_out() == Some(true),
            holding: self.own.holding(&id, self.own_end()),
        }
    }

    fn obstacle(&self, standing: &Standing<'_>, obstacle: Obstacle) -> SealError {
        let group = standing.state.map_or("", |state| state.name()).into();
        let serial = self.delegation.serial();
        match obstacle {
            Obstacle::AwaitsAnnouncement => SealError::AwaitsAnnouncement { group, serial },
            Obstacle::AwaitsCredential => SealError::AwaitsCredential { serial },
            Obstacle::NotGranted => SealError::NotGranted { group },
            Obstacle::Removed => SealError::Removed { group },
            Obstacle::NeedsClock => SealError::NeedsClock,
            Obstacle::CredentialExpired { not_after } => SealError::CredentialExpired { not_after },
            Obstacle::NoKeys => SealError::NoKeysYet {
                groups: vec![standing.group],
            },
            Obstacle::NeedsLeases => SealError::NeedsLeases { group },
            Obstacle::NoLease => SealError::NoLease {
                group,
                uptime: self.uptime.is_some(),
            },
            Obstacle::KeysExpired { not_after } => SealError::KeysExpired { group, not_after },
            Obstacle::LeaseExpired { good_until } => SealError::LeaseExpired { group, good_until },
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
            suite: self.delegation.suite().data_path(),
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
        let standing = self.standing(id, group);
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
