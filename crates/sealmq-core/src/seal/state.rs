//! Sessions for state: retained values and Last Wills, which the broker keeps (spec/envelope.md §7).

use core::ops::Range;

use super::session::Class;
use super::{Membership, Outgoing, Publisher, Room, SealError, SenderSession, SessionStart};
use crate::crypto::{Digest, ENC_LEN};
use crate::ids::GroupId;

/// What a retained value has beside an event.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    /// Number of the connection on which it is sealed, below 2^35: the session number of the
    /// connection's will, or one that was taken for a connection without a will. 0 as long as the
    /// sender has never sealed a will under its credential (spec/envelope.md §8).
    pub connection: u64,
    /// The sender's credential object, at most 4096 bytes: readers verify the value with it when
    /// the sender has another one.
    pub credential: &'a [u8],
}

/// A sender's session for state, under the kept keys of one group.
///
/// State and events have keys of their own, so they have sessions of their own. Sealing a retained
/// value in a session for events does not compile:
///
/// ```compile_fail,E0308
/// use sealmq_core::seal::{Membership, Outgoing, Publisher, SealError, SenderSession, Value};
/// fn keep<M: Membership>(session: &mut SenderSession, me: &Publisher<'_, M>, message: &Outgoing<'_>,
///     value: &Value<'_>, payload: &[u8], out: &mut [u8]) -> Result<usize, SealError> {
///     session.seal_into(me, message, value, None, payload, out)
/// }
/// ```
///
/// while in one for state it does:
///
/// ```
/// use sealmq_core::seal::{Membership, Outgoing, Publisher, SealError, StateSession, Value};
/// fn keep<M: Membership>(session: &mut StateSession, me: &Publisher<'_, M>, message: &Outgoing<'_>,
///     value: &Value<'_>, payload: &[u8], out: &mut [u8]) -> Result<usize, SealError> {
///     session.seal_into(me, message, value, None, payload, out)
/// }
/// ```
#[derive(Debug)]
pub struct StateSession(pub(super) SenderSession);

impl StateSession {
    /// Encapsulates to the group's kept key.
    ///
    /// # Errors
    /// As [`SenderSession::start`].
    pub fn start(start: &SessionStart<'_>) -> Result<Self, SealError> {
        SenderSession::start(start).map(Self)
    }

    /// The group.
    #[must_use]
    pub const fn group(&self) -> GroupId {
        self.0.group()
    }

    /// K': the session ends when the kept epoch changes.
    #[must_use]
    pub const fn kept(&self) -> &Digest {
        self.0.announcement()
    }

    /// The session's number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.0.number()
    }

    /// The encapsulated key, public, as it stands in every envelope.
    #[must_use]
    pub const fn enc(&self) -> &[u8; ENC_LEN] {
        self.0.enc()
    }

    /// How many counters are used, burnt ones included.
    #[must_use]
    pub const fn sealed(&self) -> u32 {
        self.0.sealed()
    }

    /// Room around a payload of `payload_len` bytes for sealing it in place now.
    ///
    /// # Errors
    /// [`SealError::Field`] if the message cannot be encoded.
    pub fn room<M: Membership>(
        &self,
        publisher: &Publisher<'_, M>,
        message: &Outgoing<'_>,
        value: &Value<'_>,
        payload_len: usize,
    ) -> Result<Room, SealError> {
        let (message, class) = value.parts(message);
        Ok(self.0.layout(publisher, &message, class, payload_len)?.room)
    }

    /// Room around the payload of a will ([`StateSession::seal_will_into`]).
    ///
    /// # Errors
    /// As [`StateSession::room`].
    pub fn room_for_will<M: Membership>(
        &self,
        publisher: &Publisher<'_, M>,
        message: &Outgoing<'_>,
        retain: bool,
        payload_len: usize,
    ) -> Result<Room, SealError> {
        let class = Class::Will { retain };
        Ok(self.0.layout(publisher, message, class, payload_len)?.room)
    }

    /// Seals a value that is published with MQTT's retain flag, in place: as
    /// [`SenderSession::seal_in_place`].
    ///
    /// # Errors
    /// As there.
    pub fn seal_in_place<M: Membership>(
        &mut self,
        publisher: &Publisher<'_, M>,
        message: &Outgoing<'_>,
        value: &Value<'_>,
        now: Option<u64>,
        buf: &mut [u8],
        payload: Range<usize>,
    ) -> Result<Range<usize>, SealError> {
        let (message, class) = value.parts(message);
        self.0
            .seal_class(publisher, &message, class, now, buf, payload)
    }

    /// Copies `payload` into `out` and seals it there: as [`SenderSession::seal_into`].
    ///
    /// # Errors
    /// As there.
    pub fn seal_into<M: Membership>(
        &mut self,
        publisher: &Publisher<'_, M>,
        message: &Outgoing<'_>,
        value: &Value<'_>,
        now: Option<u64>,
        payload: &[u8],
        out: &mut [u8],
    ) -> Result<usize, SealError> {
        let (message, class) = value.parts(message);
        self.0
            .copy_and_seal(publisher, &message, class, now, payload, |len| {
                out.get_mut(..len)
            })
    }

    /// Seals a Last Will, which takes a session of its own (threat model A25): the session is used up.
    /// Call it at CONNECT, with the time in `message.sent_at` and the sender's credential object in
    /// `message.credential`; the session's number is the number of the connection from then on.
    /// `retain` is the will's retain flag. A will from earlier on is superseded with the
    /// connection.
    ///
    /// # Errors
    /// [`SealError::WillNeedsOwnSession`] if the session has sealed before,
    /// [`SealError::WillNeedsTime`], [`SealError::Field`] without a credential, or as
    /// [`SenderSession::seal_in_place`].
    pub fn seal_will_into<M: Membership>(
        self,
        publisher: &Publisher<'_, M>,
        message: &Outgoing<'_>,
        retain: bool,
        now: Option<u64>,
        payload: &[u8],
        out: &mut [u8],
    ) -> Result<usize, SealError> {
        self.seal_will(publisher, message, retain, now, payload, |len| {
            out.get_mut(..len)
        })
    }

    pub(super) fn seal_will<'o, M: Membership>(
        mut self,
        publisher: &Publisher<'_, M>,
        message: &Outgoing<'_>,
        retain: bool,
        now: Option<u64>,
        payload: &[u8],
        out: impl FnOnce(usize) -> Option<&'o mut [u8]>,
    ) -> Result<usize, SealError> {
        if self.0.sealed() != 0 {
            return Err(SealError::WillNeedsOwnSession);
        }
        if message.sent_at.is_none() {
            return Err(SealError::WillNeedsTime);
        }
        let class = Class::Will { retain };
        self.0
            .copy_and_seal(publisher, message, class, now, payload, out)
    }
}

impl<'a> Value<'a> {
    pub(super) const fn parts<'m>(&self, message: &Outgoing<'m>) -> (Outgoing<'m>, Class)
    where
        'a: 'm,
    {
        let message = Outgoing {
            credential: Some(self.credential),
            ..*message
        };
        let connection = self.connection;
        (message, Class::Value { connection })
    }
}

#[cfg(test)]
mod tests;
