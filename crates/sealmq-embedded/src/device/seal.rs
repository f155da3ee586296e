//! Sealing into the caller's buffer.

use core::ops::Range;

use rand_core::TryCryptoRng;
use sealmq_core::crypto::Purpose;
use sealmq_core::seal::{
    Outgoing, Publisher, Room, SealError, SenderSession, SessionLimits, SessionStart, StateSession,
    Value, next_session_number,
};
use sealmq_core::topic::Topic;
use sealmq_core::wire::{Padding, PropertyList};
use sealmq_keys::Obstacle;
use sealmq_keys::standing::Standing;

use super::group::Group;
use super::{Device, moment};
use crate::Clock;
use crate::draw::entropy;
use crate::error::SealRefused;
use crate::records::RecordId;

/// One message to seal, without its payload.
#[derive(Debug, Clone, Copy)]
pub struct Sealing<'a> {
    /// The name on which it is published.
    pub topic: &'a str,
    /// Published with MQTT's retain flag: sealed as state.
    pub retain: bool,
    /// Protected properties.
    pub properties: Option<PropertyList<'a>>,
    /// Number among this device's messages on the topic, from 0 at the start; `None` to not number
    /// them.
    pub sequence: Option<u32>,
    /// Put the credential inside, so that readers need not fetch it; state always has it.
    pub announce: bool,
    /// The short form (spec/envelope.md §12), for events without a credential inside: at most 100
    /// bytes more than the payload. [`Device::poll_transmit`] has a record to publish after
    /// [`Device::prepare`]; until it was [acknowledged](Device::acknowledged), the full form is taken.
    pub short: bool,
}

impl<'a> Sealing<'a> {
    /// An event with nothing but a topic.
    #[must_use]
    pub const fn event(topic: &'a str) -> Self {
        Self {
            topic,
            retain: false,
            properties: None,
            sequence: None,
            announce: false,
            short: false,
        }
    }

    /// A retained value.
    #[must_use]
    pub const fn value(topic: &'a str) -> Self {
        Self {
            retain: true,
            ..Self::event(topic)
        }
    }
}

impl<const G: usize, const S: usize, const T: usize, const K: usize, const O: usize>
    Device<G, S, T, K, O>
{
    /// Whether a message could be sealed now.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, message: &Sealing<'_>, at: Clock) -> Result<(), SealRefused> {
        self.may_seal(message, self.clock(at)).map(drop)
    }

    /// Makes sure that there is a session for a message: call it before [`Device::seal`]. A new
    /// session makes records due, once per epoch, start of the device, or limit of the policy; store
    /// them first.
    ///
    /// # Errors
    /// The message may not be sealed now, or the random number generator failed.
    pub fn prepare(
        &mut self,
        message: &Sealing<'_>,
        at: Clock,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), SealRefused> {
        let at = self.clock(at);
        let place = self.may_seal(message, at)?;
        let group = self.place(place).ok_or(SealRefused::NoGroup)?;
        let is_ready = match message.retain {
            false => group.session.is_some(),
            true => group.state_session.is_some(),
        };
        if message.retain {
            self.ready_connection(at)?;
        }
        match (is_ready, message.retain) {
            (true, _) => {}
            (false, true) => {
                let session = self.begin(place, true, at, rng, StateSession::start)?;
                let group = self.place_mut(place).ok_or(SealRefused::NoGroup)?;
                group.state_session = Some(session);
            }
            (false, false) => {
                let session = self.begin(place, false, at, rng, SenderSession::start)?;
                let group = self.place_mut(place).ok_or(SealRefused::NoGroup)?;
                group.session = Some(session);
                group.own_record = None;
            }
        }
        if message.short && !message.retain && !message.announce {
            self.prepare_record(place, at);
        }
        Ok(())
    }

    /// Begins a session with a number that was never used, and hedged randomness: both are durable
    /// before anything of the session goes out (threat model A22, A23).
    pub(super) fn begin<R>(
        &mut self,
        place: u8,
        state: bool,
        at: Clock,
        rng: &mut impl TryCryptoRng,
        start: impl FnOnce(&SessionStart<'_>) -> Result<R, SealError>,
    ) -> Result<R, SealRefused> {
        let number = next_session_number(self.session_number, at.now);
        let number = number.ok_or(SealRefused::Numbers)?;
        let hedged = self.secret.hedge(&entropy(rng)?, Purpose::Session, number);
        let group = self.place(place).ok_or(SealRefused::NoGroup)?;
        let no_keys = SealRefused::Obstacle(Obstacle::NoKeys);
        let keys = group.state().ok_or(no_keys)?;
        let current = keys.current().ok_or(no_keys)?;
        let policy = keys.policy().copied().unwrap_or_default();
        let of_epoch = current.psk().session();
        let kept = keys.kept();
        let (name, key, psk) = match (state, &kept) {
            (false, _) => (current.hash, &current.group_key, &of_epoch),
            (true, Some(kept)) => (&kept.name, &kept.kept_key, kept.psk),
            (true, None) => return Err(no_keys),
        };
        let end = group.keys_end(&self.delegation);
        let session = start(&SessionStart {
            group: group.id,
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
            now: at.now,
        });
        let session = session.map_err(SealRefused::Session)?;
        self.secret = hedged.next;
        self.session_number = number;
        self.mark(RecordId::Numbers);
        Ok(session)
    }

    /// How much room a payload needs around it in the buffer.
    ///
    /// # Errors
    /// [`SealRefused::NotPrepared`], and as [`Device::check`].
    pub fn room(
        &self,
        message: &Sealing<'_>,
        payload_len: usize,
        at: Clock,
    ) -> Result<Room, SealRefused> {
        let at = self.clock(at);
        let place = self.may_seal(message, at)?;
        let group = self.place(place).ok_or(SealRefused::NoGroup)?;
        let publisher = self.publisher(group)?;
        let outgoing = self.outgoing(message, group, at)?;
        if message.retain {
            let session = group
                .state_session
                .as_ref()
                .ok_or(SealRefused::NotPrepared)?;
            session.room(&publisher, &outgoing, &self.value(), payload_len)
        } else {
            let session = group.session.as_ref().ok_or(SealRefused::NotPrepared)?;
            session.room(&publisher, &outgoing, payload_len)
        }
        .map_err(SealRefused::Session)
    }

    /// Seals in place: `buf[payload]` is the payload, with the [room](Device::room) that it needs on
    /// both sides; returns where the envelope stands. Send it as it is, and again as it is.
    ///
    /// # Errors
    /// Nothing may be sent then. [`SealRefused::NotPrepared`]: the session has ended, or there is
    /// none; [`SealRefused::Uncommitted`]: store what is due first.
    pub fn seal(
        &mut self,
        message: &Sealing<'_>,
        at: Clock,
        buf: &mut [u8],
        payload: Range<usize>,
    ) -> Result<Range<usize>, SealRefused> {
        let at = self.clock(at);
        let place = self.may_seal(message, at)?;
        if self.due != 0 {
            return Err(SealRefused::Uncommitted);
        }
        if message.retain && self.connection.is_due() {
            return Err(SealRefused::NotPrepared);
        }
        // The session stays whatever happens: its counter must not go back.
        let group = self.place_mut(place).ok_or(SealRefused::NoGroup)?;
        let (mut event, mut state) = (group.session.take(), group.state_session.take());
        let result = self.seal_by(place, message, at, |parts| {
            match (message.retain, &mut event, &mut state) {
                (false, Some(session), _) => {
                    session.seal_in_place(&parts.0, &parts.1, at.now, buf, payload)
                }
                (true, _, Some(session)) => {
                    let value = self.value();
                    session.seal_in_place(&parts.0, &parts.1, &value, at.now, buf, payload)
                }
                _ => Err(SealError::SessionNumber),
            }
        });
        let ended = matches!(
            result,
            Err(SealRefused::Session(
                SealError::SessionEnded(_) | SealError::SessionNumber
            ))
        );
        if ended && message.retain {
            state = None;
        } else if ended {
            event = None;
        }
        if let Some(group) = self.place_mut(place) {
            group.session = event;
            group.state_session = state;
        }
        if ended {
            return Err(SealRefused::NotPrepared);
        }
        result
    }

    fn seal_by<'d>(
        &'d self,
        place: u8,
        message: &Sealing<'d>,
        at: Clock,
        seal: impl FnOnce(
            (Publisher<'d, Standing<'d>>, Outgoing<'d>),
        ) -> Result<Range<usize>, SealError>,
    ) -> Result<Range<usize>, SealRefused> {
        let group = self.place(place).ok_or(SealRefused::NoGroup)?;
        let parts = (self.publisher(group)?, self.outgoing(message, group, at)?);
        seal(parts).map_err(SealRefused::Session)
    }

    pub(super) fn publisher<'d>(
        &'d self,
        group: &'d Group,
    ) -> Result<Publisher<'d, Standing<'d>>, SealRefused> {
        let publisher = Publisher::new(&self.identity, self.standing(group));
        publisher.map_err(|_| SealRefused::Obstacle(Obstacle::NotGranted))
    }

    fn value(&self) -> Value<'_> {
        Value {
            connection: self.connection.number(),
            credential: self.own.bytes(),
        }
    }

    pub(super) fn outgoing<'m>(
        &'m self,
        message: &Sealing<'m>,
        group: &Group,
        at: Clock,
    ) -> Result<Outgoing<'m>, SealRefused> {
        let policy = group.state().and_then(|state| state.policy());
        let policy = policy.copied().unwrap_or_default();
        let topic = Topic::new(message.topic).map_err(|_| SealRefused::Topic)?;
        Ok(Outgoing {
            sent_at: at.now,
            sequence: message.sequence,
            properties: message.properties,
            credential: message.announce.then(|| self.own.bytes()),
            padding: match policy.padding {
                1 => Padding::Padme,
                2 => Padding::Bucket(policy.bucket),
                _ => Padding::None,
            },
            short: message.short,
            ..Outgoing::new(topic)
        })
    }

    /// The one group whose filters match the topic, if its rules allow the message now.
    fn may_seal(&self, message: &Sealing<'_>, at: Clock) -> Result<u8, SealRefused> {
        let timed = message
            .properties
            .is_some_and(|p| p.message_expiry().is_some());
        self.may_seal_timed(message, timed, at)
    }

    /// `timed`: it carries an expiry, or is a Last Will.
    pub(super) fn may_seal_timed(
        &self,
        message: &Sealing<'_>,
        timed: bool,
        at: Clock,
    ) -> Result<u8, SealRefused> {
        let topic = Topic::new(message.topic).map_err(|_| SealRefused::Topic)?;
        if self.is_reserved(message.topic) {
            return Err(SealRefused::Topic);
        }
        let mut groups = (0_u8..).zip(&self.groups);
        let covering = groups.find_map(|(place, group)| {
            let group = group.as_ref()?;
            let covers = group.state()?.covers_topic(topic);
            covers.then_some((place, group))
        });
        let (place, group) = covering.ok_or(SealRefused::NoGroup)?;
        let standing = self.standing(group);
        let allowed = standing.may_send(topic, timed, moment(at));
        allowed.map_err(SealRefused::Obstacle)?;
        Ok(place)
    }
}
