//! Sealing (spec/envelope.md §6, §7).

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::GroupId;
use sealmq_core::crypto::{Digest, Purpose};
use sealmq_core::seal::{
    Outgoing, Publisher, PublisherError, SealError as SessionError, SenderSession, SessionLimits,
    SessionStart, StateSession, Value, next_session_number,
};
use sealmq_core::topic::Topic;
use sealmq_core::wire::Padding;

use super::draw::entropy;
use super::groups::Group;
use super::types::{Now, OutgoingMessage, Sealed};
use super::{Member, SealError, seconds};
use crate::Changes;
use crate::reserved::is_reserved;
use crate::standing::{Moment, Obstacle, Standing};

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
        let mut payload = Vec::new();
        let group = self.seal_to(message, now, rng, &mut payload)?;
        Ok(Sealed {
            changes: core::mem::take(&mut self.unsaved),
            payload,
            group,
            epoch: self.current_epoch(group)?,
        })
    }

    /// As [`Member::seal`], errors included, into a buffer of the caller's, which then holds the
    /// envelope and nothing else: what has to be durable before it goes out.
    ///
    /// # Errors
    /// As there. What the buffer holds then means nothing.
    pub fn seal_into(
        &mut self,
        message: &OutgoingMessage<'_>,
        now: Now,
        rng: &mut impl TryCryptoRng,
        envelope: &mut Vec<u8>,
    ) -> Result<Changes, SealError> {
        self.seal_to(message, now, rng, envelope)?;
        Ok(core::mem::take(&mut self.unsaved))
    }

    fn seal_to(
        &mut self,
        message: &OutgoingMessage<'_>,
        now: Now,
        rng: &mut impl TryCryptoRng,
        out: &mut Vec<u8>,
    ) -> Result<GroupId, SealError> {
        let now = self.clock(now);
        let (id, topic) = self.may_seal(message, now)?;
        if message.will {
            let session = self.begin(id, Class::State, now, rng, StateSession::start)?;
            let number = session.number();
            self.seal_will(session, id, topic, message, now, out)?;
            self.connection.will(number);
            self.save_device()?;
            self.stats.sealed = self.stats.sealed.saturating_add(1);
            return Ok(id);
        }
        let class = if message.retain {
            self.ready_connection(now)?;
            Class::State
        } else {
            Class::Event
        };
        self.ready_session(id, class, now, rng)?;
        match self.seal_once(id, class, topic, message, now, out) {
            Err(SealError::Message(SessionError::SessionEnded(_))) => {
                self.renew_session(id, class, now, rng)?;
                self.seal_once(id, class, topic, message, now, out)?;
            }
            result => result?,
        }
        self.stats.sealed = self.stats.sealed.saturating_add(1);
        Ok(id)
    }

    /// Whether a message could be sealed now: what [`Member::seal`] would say, without sealing and
    /// without using anything up.
    ///
    /// # Errors
    /// As there, but for what only sealing can show.
    pub fn check(&self, message: &OutgoingMessage<'_>, now: Now) -> Result<(), SealError> {
        self.may_seal(message, self.clock(now))?;
        message.properties.check().map_err(SealError::Properties)
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

    /// Names the newest kept keys of the one group whose filters match a topic (K'): what was
    /// sealed as state under others is to be sealed again. `None` while there are none.
    #[must_use]
    pub fn kept_on(&self, topic: &str) -> Option<Digest> {
        let topic = Topic::new(topic).ok()?;
        let (_, group) = self.group_on(topic)?;
        Some(group.state.as_ref()?.kept()?.name)
    }

    /// Seconds after which readers find a Will on this topic too old, by the group's policy.
    #[must_use]
    pub fn will_age_on(&self, topic: &str) -> Option<u32> {
        let topic = Topic::new(topic).ok()?;
        let (_, group) = self.group_on(topic)?;
        Some(group.policy().will_age)
    }

    pub(super) fn may_seal<'t>(
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
    fn standing_on<'s, 't: 's>(
        &'s self,
        topic: &'t str,
    ) -> Result<(Standing<'s>, Topic<'t>), SealError> {
        let name = Topic::new(topic).map_err(SealError::Topic)?;
        if is_reserved(&self.prefix, topic) {
            return Err(SealError::Reserved);
        }
        if let Some((id, group)) = self.group_on(name) {
            let standing = Standing {
                covered: Some(name),
                ..self.standing(id, group)
            };
            return Ok((standing, name));
        }
        let unknown: Vec<GroupId> = self.groups_without_keys().collect();
        Err(if unknown.is_empty() {
            SealError::NoGroup
        } else {
            SealError::NoKeysYet { groups: unknown }
        })
    }

    pub(super) fn group_on(&self, topic: Topic<'_>) -> Option<(GroupId, &Group)> {
        let id = self.topics.group_of(topic)?;
        Some((id, self.groups.get(&id)?))
    }

    pub(super) fn standing<'m>(&'m self, id: GroupId, group: &'m Group) -> Standing<'m> {
        Standing {
            group: id,
            state: group.state.as_deref(),
            keys_end: self.past.end_of(group, &self.delegation),
            removed: group.is_left_out() == Some(true),
            holding: self.own.holding(&id, self.own_end()),
            covered: None,
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

    fn current_epoch(&self, id: GroupId) -> Result<u64, SealError> {
        let current = self.groups.get(&id).and_then(Group::current);
        current
            .map(|current| current.epoch)
            .ok_or_else(|| no_keys(id))
    }

    /// A number for the connection, if one is due. It waits in `unsaved` as sessions do.
    fn ready_connection(&mut self, now: Now) -> Result<(), SealError> {
        if self.connection.is_due() {
            let number = self.next_number(now)?;
            self.session_number = number;
            self.connection.take(number);
            self.save_device()?;
        }
        Ok(())
    }

    fn next_number(&self, now: Now) -> Result<u64, SealError> {
        next_session_number(self.session_number, now).ok_or(SealError::SessionNumbersUsedUp)
    }

    /// Makes sure that the group has a session of its current epoch, or of its newest kept keys.
    pub(super) fn ready_session(
        &mut self,
        id: GroupId,
        class: Class,
        now: Now,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), SealError> {
        if self.is_session_ready(id, class)? {
            return Ok(());
        }
        self.renew_session(id, class, now, rng)
    }

    pub(super) fn renew_session(
        &mut self,
        id: GroupId,
        class: Class,
        now: Now,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), SealError> {
        match class {
            Class::Event => {
                let session = self.begin(id, class, now, rng, SenderSession::start)?;
                if let Some(group) = self.groups.get_mut(&id) {
                    group.session = Some(Box::new(session));
                }
            }
            Class::State => {
                let session = self.begin(id, class, now, rng, StateSession::start)?;
                if let Some(group) = self.groups.get_mut(&id) {
                    group.state_session = Some(Box::new(session));
                }
            }
        }
        Ok(())
    }

    /// Begins a session with a number that was never used, and hedged randomness. Both wait in
    /// `unsaved` until something is sealed, whichever call that is, so that they are durable
    /// before anything of the session goes out (threat model A22, A23).
    fn begin<T>(
        &mut self,
        id: GroupId,
        class: Class,
        now: Now,
        rng: &mut impl TryCryptoRng,
        start: impl FnOnce(&SessionStart<'_>) -> Result<T, SessionError>,
    ) -> Result<T, SealError> {
        let number = self.next_number(now)?;
        let entropy = entropy(rng).map_err(|_| SealError::Random)?;
        let hedged = self.device.hedge(&entropy, Purpose::Session, number);
        let group = self.groups.get(&id).ok_or_else(|| no_keys(id))?;
        let state = group.state.as_deref().ok_or_else(|| no_keys(id))?;
        let current = state.current().ok_or_else(|| no_keys(id))?;
        let kept = state.kept();
        let of_epoch = current.psk().session();
        let (name, key, psk) = match (class, &kept) {
            (Class::Event, _) => (current.hash, &current.group_key, &of_epoch),
            (Class::State, Some(kept)) => (&kept.name, &kept.kept_key, kept.psk),
            (Class::State, None) => return Err(no_keys(id)),
        };
        let policy = group.policy();
        let end = self.past.end_of(group, &self.delegation);
        let session = start(&SessionStart {
            group: id,
            announcement: name,
            suite: self.delegation.suite().data_path(),
            group_key: key,
            psk,
            not_after: current.not_after.min(end.unwrap_or_default()),
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
        self.save_device()?;
        self.stats.sessions = self.stats.sessions.saturating_add(1);
        Ok(session)
    }

    fn save_device(&mut self) -> Result<(), SealError> {
        let changes = self.put_device();
        self.unsaved = changes.map_err(|_| SealError::Message(SessionError::TooLong))?;
        Ok(())
    }

    pub(super) fn seal_once(
        &mut self,
        id: GroupId,
        class: Class,
        topic: Topic<'_>,
        message: &OutgoingMessage<'_>,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let sequence = if self.options.sequence {
            self.sequences.next(message.topic)
        } else {
            None
        };
        let group = self.groups.get_mut(&id).ok_or_else(|| no_keys(id))?;
        // The session stays whatever happens: its counter must not go back.
        let result = match class {
            Class::Event => {
                let mut session = group.session.take().ok_or_else(|| no_keys(id))?;
                let result =
                    self.sealed_by(id, topic, message, now, sequence, out, |parts, out| {
                        let (publisher, outgoing) = (&parts.publisher, &parts.outgoing);
                        session.seal_into_vec(publisher, outgoing, now, parts.payload, out)
                    });
                if let Some(group) = self.groups.get_mut(&id) {
                    group.session = Some(session);
                }
                result
            }
            Class::State => {
                let mut session = group.state_session.take().ok_or_else(|| no_keys(id))?;
                let value = Value {
                    connection: self.connection.number(),
                    credential: self.own.bytes(),
                };
                let result =
                    self.sealed_by(id, topic, message, now, sequence, out, |parts, out| {
                        let (publisher, outgoing) = (&parts.publisher, &parts.outgoing);
                        session.seal_into_vec(publisher, outgoing, &value, now, parts.payload, out)
                    });
                if let Some(group) = self.groups.get_mut(&id) {
                    group.state_session = Some(session);
                }
                result
            }
        };
        if result.is_ok() {
            self.sequences.advance(message.topic);
        }
        result
    }

    fn seal_will(
        &self,
        session: StateSession,
        id: GroupId,
        topic: Topic<'_>,
        message: &OutgoingMessage<'_>,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let retain = message.retain;
        self.sealed_by(id, topic, message, now, None, out, |parts, out| {
            let (publisher, outgoing) = (&parts.publisher, &parts.outgoing);
            session.seal_will_into_vec(publisher, outgoing, retain, now, parts.payload, out)
        })
    }

    /// Sets up publisher and message, and lets `seal` fill the envelope.
    #[allow(clippy::too_many_arguments, reason = "what a message is sealed with")]
    fn sealed_by(
        &self,
        id: GroupId,
        topic: Topic<'_>,
        message: &OutgoingMessage<'_>,
        now: Now,
        sequence: Option<u32>,
        out: &mut Vec<u8>,
        seal: impl FnOnce(&Parts<'_>, &mut Vec<u8>) -> Result<(), SessionError>,
    ) -> Result<(), SealError> {
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
            properties: message
                .properties
                .encode(&mut properties)
                .map_err(SealError::Properties)?,
            // A will is state, too.
            credential: (message.announce_credential || message.will).then(|| self.own.bytes()),
            padding: match policy.padding {
                1 => Padding::Padme,
                2 => Padding::Bucket(policy.bucket),
                _ => Padding::None,
            },
            short: message.short,
            ..Outgoing::new(topic)
        };
        let parts = Parts {
            publisher,
            outgoing,
            payload: message.payload,
        };
        seal(&parts, out).map_err(SealError::Message)
    }
}

/// What a session seals.
struct Parts<'a> {
    publisher: Publisher<'a, Standing<'a>>,
    outgoing: Outgoing<'a>,
    payload: &'a [u8],
}

pub(super) fn no_keys(id: GroupId) -> SealError {
    SealError::NoKeysYet { groups: vec![id] }
}

/// By which keys a message is sealed (spec/envelope.md §7).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Event,
    State,
}
