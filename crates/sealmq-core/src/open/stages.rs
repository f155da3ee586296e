//! Steps 1 to 5: from bytes to something that decrypts, which proves nothing about its sender.

use super::context::{Context, Plain, with_parts};
use super::keys::KeyPlace;
use super::verify::Decrypted;
use super::{ReadingEpoch, Rejection, Request, time};
use crate::crypto::SessionSecrets;
use crate::transcript::Aad;
use crate::wire::{BodyFields, Header, flags};

/// An envelope whose header was read (step 1).
#[derive(Debug)]
pub struct Parsed<'b> {
    buf: &'b mut [u8],
    header: Header,
}

impl<'b> Parsed<'b> {
    /// Reads the header. The buffer holds exactly one MQTT payload.
    ///
    /// # Errors
    /// [`Rejection::NotSealed`], [`Rejection::Unsupported`] or [`Rejection::Malformed`].
    pub fn parse(buf: &'b mut [u8]) -> Result<Self, Rejection> {
        let header = Header::parse(buf)?;
        Ok(Self { buf, header })
    }

    /// What everybody can read.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Step 2, behind the look-up: suite and validity of the epoch.
    pub(crate) fn check_epoch(
        &self,
        epoch: &ReadingEpoch<'_>,
        request: &Request<'_>,
    ) -> Result<(), Rejection> {
        if epoch.suite != self.header.suite {
            return Err(Rejection::Rejected);
        }
        time::check_keys(request.now, epoch.not_after, &epoch.policy).map_err(Rejection::Stale)
    }

    /// Step 3 is done: the session's keys stand at `place`.
    pub(crate) fn with_keys(self, epoch: &ReadingEpoch<'_>, place: KeyPlace) -> Keyed<'b> {
        let context = Context {
            header: self.header,
            place,
            group: epoch.group,
            epoch: epoch.epoch,
            announcement: epoch.announcement,
            for_state: epoch.for_state,
            policy: epoch.policy,
        };
        Keyed {
            buf: self.buf,
            context,
        }
    }
}

/// An envelope whose session keys are known (step 3).
#[derive(Debug)]
pub struct Keyed<'b> {
    buf: &'b mut [u8],
    context: Context,
}

impl<'b> Keyed<'b> {
    pub(crate) const fn place(&self) -> KeyPlace {
        self.context.place
    }

    /// Steps 4 and 5: AEAD, and the parts of the plaintext.
    pub(crate) fn decrypt(
        self,
        secrets: &SessionSecrets,
        request: &Request<'_>,
    ) -> Result<Decrypted<'b>, Rejection> {
        let header = &self.context.header;
        let topic_hash = request.topic.hash();
        let nonce = secrets.nonce(header.counter.into());
        let base = header.encoded_len();
        let decrypted = with_parts(self.buf, base, |head, text, tag| {
            let aad = Aad::new(head, &topic_hash).ok()?;
            secrets
                .key
                .open_in_place(&nonce, aad.as_bytes(), text, tag)
                .ok()
        });
        decrypted.ok_or(Rejection::Rejected)?;
        let plain = Plain {
            buf: self.buf,
            base,
        };
        let fields = plain.body().and_then(|body| BodyFields::parse(body).ok());
        let fields = fields.ok_or(Rejection::Rejected)?;
        // A Will is sealed in a session of its own, so it is that session's first message.
        if fields.has(flags::WILL) && header.counter != 0 {
            return Err(Rejection::Rejected);
        }
        // State and events have keys of their own.
        if fields.is_state() != self.context.for_state {
            return Err(Rejection::Rejected);
        }
        Ok(Decrypted {
            plain,
            fields,
            topic_hash,
            context: self.context,
        })
    }
}
