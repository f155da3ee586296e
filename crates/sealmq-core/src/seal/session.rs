use core::ops::Range;

use zeroize::Zeroize;

use super::short::Short;
use super::{EndReason, Membership, Outgoing, Publisher, Room, SealError};
use crate::crypto::{
    Digest, ENC_LEN, KemPublicKey, MAC_LEN, SIGNATURE_LEN, Secret, SessionPsk, SessionSecrets,
    SignatureContext, TAG_LEN, session_sender,
};
use crate::ids::{GroupId, KeyId};
use crate::transcript::{Aad, Transcript};
use crate::wire::{
    BodyPrefix, Head, Header, MAX_COUNTER, MAX_SESSION_NUMBER, Padding, ShortHeader, Suite, Writer,
    hint_of, session_age,
};

/// Bytes that every envelope has behind payload and padding: signature and tag.
pub const TAILROOM: usize = SIGNATURE_LEN + TAG_LEN;

/// NIST SP 800-38D: at most 2^39 − 256 bits under one nonce.
const MAX_PLAINTEXT_LEN: u64 = (1 << 36) - 32;

/// Soft limits of a session, from the announcement's policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Messages.
    pub messages: u32,
    /// Bytes of plaintext. A session at the limit takes no further message; one message may
    /// cross it.
    pub bytes: u64,
    /// Seconds, for senders with a clock.
    pub seconds: u32,
}

impl Default for SessionLimits {
    /// The defaults of spec/constants.md §3.
    fn default() -> Self {
        Self {
            messages: 1 << 20,
            bytes: 1 << 36,
            seconds: 86400,
        }
    }
}

/// What a session starts from. Everything but `number`, `seed` and `now` comes from the
/// announcement of the group's current epoch; for state, keys and hash are those of the group's
/// newest kept keys.
#[derive(Debug, Clone, Copy)]
pub struct SessionStart<'a> {
    /// The group.
    pub group: GroupId,
    /// H, the hash of the announcement; for state K' (spec/keys.md §7).
    pub announcement: &'a Digest,
    /// The announcement's suite.
    pub suite: Suite,
    /// The announcement's group key; for state the kept key.
    pub group_key: &'a KemPublicKey,
    /// The psk of the epoch's sessions; for state that of the kept keys.
    pub psk: &'a SessionPsk,
    /// Unix seconds after which nothing may be sealed.
    pub not_after: u64,
    /// Limits of the policy.
    pub limits: SessionLimits,
    /// The session's number, durable before use (spec/envelope.md §6).
    pub number: u64,
    /// The hedged seed of this session ([`crate::crypto::DeviceSecret::hedge`]); never used twice.
    pub seed: &'a Secret,
    /// The sender's clock, Unix milliseconds.
    pub now: Option<u64>,
}

/// A sender's session for events in one epoch of one group. State has sessions of its own:
/// [`super::StateSession`].
///
/// It owns the counter that makes AES-GCM nonces unique, so it cannot be cloned, and sealing
/// takes it exclusively. Using one session from two places does not compile:
///
/// ```compile_fail,E0382
/// use sealmq_core::seal::SenderSession;
/// fn split(session: SenderSession) -> (SenderSession, SenderSession) {
///     (session, session)
/// }
/// ```
///
/// while handing it on does:
///
/// ```
/// use sealmq_core::seal::SenderSession;
/// fn hand_on(session: SenderSession) -> (SenderSession, ()) {
///     (session, ())
/// }
/// ```
#[derive(Debug)]
pub struct SenderSession {
    group: GroupId,
    announcement: Digest,
    suite: Suite,
    key_id: KeyId,
    enc: [u8; ENC_LEN],
    mac: [u8; MAC_LEN],
    secrets: SessionSecrets,
    number: u64,
    /// The next counter; `MAX_COUNTER + 1` when all are used.
    counter: u32,
    bytes: u64,
    limits: SessionLimits,
    started_at: Option<u64>,
    not_after: u64,
    /// Once its record was sealed.
    pub(super) short: Option<Short>,
}

impl SenderSession {
    /// Encapsulates to the group.
    ///
    /// # Errors
    /// [`SealError::SessionNumber`], [`SealError::KeysExpired`] or [`SealError::GroupKey`].
    pub fn start(start: &SessionStart<'_>) -> Result<Self, SealError> {
        if start.number == 0 || start.number > MAX_SESSION_NUMBER {
            return Err(SealError::SessionNumber);
        }
        check_validity(start.now, start.not_after)?;
        let (enc, secrets) =
            session_sender(start.group_key, start.psk, start.announcement, start.seed)
                .map_err(|_| SealError::GroupKey)?;
        Ok(Self {
            group: start.group,
            announcement: *start.announcement,
            suite: start.suite,
            key_id: KeyId::of(start.announcement),
            enc,
            mac: start.psk.mac(&enc),
            secrets,
            number: start.number,
            counter: 0,
            bytes: 0,
            limits: start.limits,
            started_at: start.now,
            not_after: start.not_after,
            short: None,
        })
    }

    /// The group.
    #[must_use]
    pub const fn group(&self) -> GroupId {
        self.group
    }

    /// Hash of the epoch's announcement. A session ends when the epoch changes.
    #[must_use]
    pub const fn announcement(&self) -> &Digest {
        &self.announcement
    }

    /// The session's number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The encapsulated key, public, as it stands in every envelope.
    #[must_use]
    pub const fn enc(&self) -> &[u8; ENC_LEN] {
        &self.enc
    }

    /// How many counters are used, burnt ones included.
    #[must_use]
    pub const fn sealed(&self) -> u32 {
        self.counter
    }

    /// Room around a payload of `payload_len` bytes for sealing it in place now.
    ///
    /// # Errors
    /// [`SealError::Field`] if the message cannot be encoded.
    pub fn room<M: Membership>(
        &self,
        publisher: &Publisher<'_, M>,
        message: &Outgoing<'_>,
        payload_len: usize,
    ) -> Result<Room, SealError> {
        Ok(self
            .layout(publisher, message, Class::Event, payload_len)?
            .room)
    }

    /// Seals in place: `buf[payload]` is the payload; the rest of the envelope is written before
    /// and behind it, and its range in `buf` is returned. The payload is encrypted where it
    /// stands. `now` is the sender's clock in Unix milliseconds.
    ///
    /// # Errors
    /// See [`SealError`]. With [`SealError::Encryption`] a counter was used up and `buf` was wiped;
    /// with every other error nothing has changed.
    pub fn seal_in_place<M: Membership>(
        &mut self,
        publisher: &Publisher<'_, M>,
        message: &Outgoing<'_>,
        now: Option<u64>,
        buf: &mut [u8],
        payload: Range<usize>,
    ) -> Result<Range<usize>, SealError> {
        self.seal_class(publisher, message, Class::Event, now, buf, payload)
    }

    /// Copies `payload` into `out` and seals it there. Returns the envelope's length; it starts
    /// at the first byte of `out`.
    ///
    /// # Errors
    /// As [`SenderSession::seal_in_place`].
    pub fn seal_into<M: Membership>(
        &mut self,
        publisher: &Publisher<'_, M>,
        message: &Outgoing<'_>,
        now: Option<u64>,
        payload: &[u8],
        out: &mut [u8],
    ) -> Result<usize, SealError> {
        self.copy_and_seal(publisher, message, Class::Event, now, payload, |len| {
            out.get_mut(..len)
        })
    }

    /// `out` gives room for an envelope of so many bytes, if there is.
    pub(super) fn copy_and_seal<'o, M: Membership>(
        &mut self,
        publisher: &Publisher<'_, M>,
        message: &Outgoing<'_>,
        class: Class,
        now: Option<u64>,
        payload: &[u8],
        out: impl FnOnce(usize) -> Option<&'o mut [u8]>,
    ) -> Result<usize, SealError> {
        let layout = self.checked_layout(publisher, message, class, now, payload.len())?;
        let no_room = layout.no_room();
        let end = layout.room.headroom.checked_add(payload.len());
        let end = end.ok_or(no_room)?;
        let len = end.checked_add(layout.room.tailroom).ok_or(no_room)?;
        let envelope = out(len).ok_or(no_room)?;
        envelope
            .get_mut(layout.room.headroom..end)
            .ok_or(no_room)?
            .copy_from_slice(payload);
        self.finish(publisher, message, &layout, envelope)?;
        Ok(len)
    }

    pub(super) fn seal_class<M: Membership>(
        &mut self,
        publisher: &Publisher<'_, M>,
        message: &Outgoing<'_>,
        class: Class,
        now: Option<u64>,
        buf: &mut [u8],
        payload: Range<usize>,
    ) -> Result<Range<usize>, SealError> {
        let layout = self.checked_layout(publisher, message, class, now, payload.len())?;
        let (room, no_room) = (layout.room, layout.no_room());
        let start = payload.start.checked_sub(room.headroom).ok_or(no_room)?;
        let end = payload.end.checked_add(room.tailroom).ok_or(no_room)?;
        if payload.start > payload.end {
            return Err(no_room);
        }
        let envelope = buf.get_mut(start..end).ok_or(no_room)?;
        let sealed = self.finish(publisher, message, &layout, envelope);
        if sealed.is_err() {
            buf.zeroize();
        }
        sealed.map(|()| start..end)
    }

    /// Where everything goes, if the message may be sealed.
    fn checked_layout<'m, M: Membership>(
        &self,
        publisher: &Publisher<'_, M>,
        message: &Outgoing<'m>,
        class: Class,
        now: Option<u64>,
        payload_len: usize,
    ) -> Result<Layout<'m>, SealError> {
        let membership = publisher.membership();
        if membership.group() != self.group {
            return Err(SealError::WrongGroup);
        }
        if class != Class::Record && !membership.covers(message.topic) {
            return Err(SealError::NotAllowed);
        }
        check_validity(now, self.not_after)?;
        self.check_limits(now)?;
        self.layout(publisher, message, class, payload_len)
    }

    /// Seals the payload in its place. From here on the counter is used up, whatever happens (threat
    /// model D2, A22).
    fn finish<M: Membership>(
        &mut self,
        publisher: &Publisher<'_, M>,
        message: &Outgoing<'_>,
        layout: &Layout<'_>,
        envelope: &mut [u8],
    ) -> Result<(), SealError> {
        self.counter = self.counter.saturating_add(1);
        if let Some(short) = &mut self.short {
            short.sealed(matches!(layout.head, Head::Short(_)));
        }
        self.bytes = self.bytes.saturating_add(layout.plaintext_len as u64);
        let sealed = self.write(publisher, message, layout, envelope);
        if sealed.is_none() {
            envelope.zeroize();
        }
        sealed.ok_or(SealError::Encryption)
    }

    /// Writes everything around the payload, signs and encrypts. Never `None` in practice, since
    /// `layout` has measured everything.
    fn write<M: Membership>(
        &self,
        publisher: &Publisher<'_, M>,
        message: &Outgoing<'_>,
        layout: &Layout<'_>,
        envelope: &mut [u8],
    ) -> Option<()> {
        let counter = layout.head.counter();
        let (head, rest) = envelope.split_at_mut_checked(layout.head.encoded_len())?;
        layout.head.emit(&mut Writer::new(head)).ok()?;
        let (plaintext, tag) = rest.split_last_chunk_mut::<TAG_LEN>()?;
        layout.prefix.emit(&mut Writer::new(plaintext)).ok()?;
        let (body, signature) = plaintext.split_last_chunk_mut::<SIGNATURE_LEN>()?;
        let padding = body.len().checked_sub(layout.padding)?;
        body.get_mut(padding..)?.fill(0);

        let topic_hash = message.topic.hash();
        let transcript = Transcript {
            suite: self.suite,
            announcement: &self.announcement,
            enc: &self.enc,
            counter,
            topic_hash: &topic_hash,
            credential_hash: &publisher.membership().credential_hash(),
            short: layout.prefix.short.then_some(self.number),
        };
        let digest = transcript.digest(body).ok()?;
        *signature = publisher.key().sign(SignatureContext::Message, &digest);

        let aad = Aad::new(head, &topic_hash).ok()?;
        let nonce = self.secrets.nonce(counter.into());
        *tag = self
            .secrets
            .key
            .seal_in_place(&nonce, aad.as_bytes(), plaintext)
            .ok()?;
        Some(())
    }

    /// The short form if it is wanted, and open to this message.
    fn head<M: Membership>(
        &self,
        publisher: &Publisher<'_, M>,
        message: &Outgoing<'_>,
        class: Class,
    ) -> Head {
        let (suite, counter) = (self.suite, self.counter);
        let wanted = message.short && class == Class::Event && message.credential.is_none();
        let is_sayable = |at| session_age(self.number, at).is_some();
        let short = self.short.as_ref();
        let short = short.filter(|_| wanted && message.sent_at.is_none_or(is_sayable));
        let tag = short.and_then(|s| s.usable(&publisher.membership().credential_hash()));
        match tag {
            Some(tag) => Head::Short(ShortHeader {
                suite,
                tag,
                counter,
            }),
            None => Head::Full(Header {
                suite,
                key_id: self.key_id,
                enc: self.enc,
                mac: self.mac,
                counter,
            }),
        }
    }

    fn check_limits(&self, now: Option<u64>) -> Result<(), SealError> {
        // With a clock that came later, since the second that the number stands for.
        let start = self.started_at.unwrap_or(self.number.saturating_mul(1000));
        let lasted = now.map(|now| now.saturating_sub(start) / 1000);
        let reason = if self.counter > MAX_COUNTER {
            EndReason::Counter
        } else if self.counter >= self.limits.messages {
            EndReason::Messages
        } else if self.bytes >= self.limits.bytes {
            EndReason::Bytes
        } else if lasted.is_some_and(|seconds| seconds >= self.limits.seconds.into()) {
            EndReason::Time
        } else {
            return Ok(());
        };
        Err(SealError::SessionEnded(reason))
    }

    pub(super) fn layout<'m, M: Membership>(
        &self,
        publisher: &Publisher<'_, M>,
        message: &Outgoing<'m>,
        class: Class,
        payload_len: usize,
    ) -> Result<Layout<'m>, SealError> {
        let head = self.head(publisher, message, class);
        let padded = message.padding != Padding::None;
        let prefix = BodyPrefix {
            sender: publisher.membership().member(),
            hint: hint_of(publisher.membership().credential_serial()),
            session_number: self.number,
            sent_at: message.sent_at,
            sequence: message.sequence,
            credential: message.credential,
            properties: message.properties,
            retain: matches!(class, Class::Value { .. } | Class::Will { retain: true }),
            will: matches!(class, Class::Will { .. }),
            connection: match class {
                Class::Value { connection } => connection,
                Class::Event | Class::Record | Class::Will { .. } => 0,
            },
            payload_len: padded.then_some(payload_len),
            short: matches!(head, Head::Short(_)),
        };
        let prefix_len = prefix.encoded_len()?;
        let measure = || {
            let body = prefix_len.checked_add(payload_len)?;
            let padded_body = message.padding.padded_len(body)?;
            let padding = padded_body.checked_sub(body)?;
            Some(Layout {
                head,
                prefix,
                padding,
                plaintext_len: padded_body.checked_add(SIGNATURE_LEN)?,
                room: Room {
                    headroom: head.encoded_len().checked_add(prefix_len)?,
                    tailroom: padding.checked_add(TAILROOM)?,
                },
            })
        };
        measure()
            .filter(|layout| layout.plaintext_len as u64 <= MAX_PLAINTEXT_LEN)
            .ok_or(SealError::TooLong)
    }
}

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Event,
    /// The record of the session, on a topic of key management.
    Record,
    /// A retained value.
    Value {
        connection: u64,
    },
    Will {
        retain: bool,
    },
}

/// Where everything of one envelope goes.
pub(super) struct Layout<'a> {
    head: Head,
    prefix: BodyPrefix<'a>,
    padding: usize,
    plaintext_len: usize,
    pub(super) room: Room,
}

impl Layout<'_> {
    const fn no_room(&self) -> SealError {
        SealError::Room {
            headroom: self.room.headroom,
            tailroom: self.room.tailroom,
        }
    }
}

fn check_validity(now: Option<u64>, not_after: u64) -> Result<(), SealError> {
    match now {
        Some(now) if now / 1000 > not_after => Err(SealError::KeysExpired),
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests;
