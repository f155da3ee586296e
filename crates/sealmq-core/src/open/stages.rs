//! Steps 1 to 5: from bytes to something that decrypts, which proves nothing about its sender.

use super::context::{Context, Plain, with_parts};
#[cfg(feature = "tables")]
use super::decrypted::DecryptedAhead;
use super::verify::Decrypted;
use super::{ReadingEpoch, Rejection, Request, time};
use crate::crypto::SessionSecrets;
#[cfg(feature = "tables")]
use crate::topic::Topic;
use crate::transcript::Aad;
use crate::wire::{BodyFields, Head, Header, SessionFields, flags};

/// An envelope whose header was read (step 1).
#[derive(Debug)]
pub struct Parsed<'b> {
    buf: &'b mut [u8],
    head: Head,
}

impl<'b> Parsed<'b> {
    /// Reads the header. The buffer holds exactly one MQTT payload.
    ///
    /// # Errors
    /// [`Rejection::NotSealed`], [`Rejection::Unsupported`] or [`Rejection::Malformed`].
    pub fn parse(buf: &'b mut [u8]) -> Result<Self, Rejection> {
        let head = Head::parse(buf)?;
        Ok(Self { buf, head })
    }

    /// What everybody can read.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Step 3 is done: the session's keys are there. `header` is the envelope's, or, in the
    /// short form, follows from what is known of the session.
    pub(crate) fn with_keys(
        self,
        epoch: &ReadingEpoch<'_>,
        header: Header,
        short: Option<SessionFields>,
    ) -> Keyed<'b> {
        let context = Context {
            header,
            short,
            group: epoch.group,
            epoch: epoch.epoch,
            announcement: epoch.announcement,
            for_state: epoch.for_state,
            policy: epoch.policy,
        };
        Keyed {
            parsed: self,
            context,
        }
    }
}

/// Step 2, behind the look-up: suite and validity of the epoch.
pub(super) fn check_epoch(
    header: &Header,
    epoch: &ReadingEpoch<'_>,
    request: &Request<'_>,
) -> Result<(), Rejection> {
    if epoch.suite != header.suite {
        return Err(Rejection::Rejected);
    }
    time::check_keys(request.now, epoch.not_after, &epoch.policy).map_err(Rejection::Stale)
}

/// An envelope whose session keys are known (step 3).
#[derive(Debug)]
pub struct Keyed<'b> {
    parsed: Parsed<'b>,
    context: Context,
}

impl<'b> Keyed<'b> {
    /// Steps 4 and 5 of what was decrypted before.
    #[cfg(feature = "tables")]
    pub(super) fn decrypted_before(
        &mut self,
        ahead: &mut DecryptedAhead,
        topic: Topic<'_>,
    ) -> Option<Decrypted<'b>> {
        let (fields, topic_hash) = ahead.take(topic, &self.context, self.parsed.buf)?;
        let plain = Plain {
            base: self.parsed.head.encoded_len(),
            buf: core::mem::take(&mut self.parsed.buf),
        };
        Some(Decrypted {
            plain,
            fields,
            topic_hash,
            context: self.context,
        })
    }

    /// Steps 4 and 5: AEAD, and the parts of the plaintext.
    pub(crate) fn decrypt(
        self,
        secrets: &SessionSecrets,
        request: &Request<'_>,
    ) -> Result<Decrypted<'b>, Rejection> {
        let Self { parsed, context } = self;
        let counter = context.header.counter;
        let topic_hash = request.topic.hash();
        let nonce = secrets.nonce(counter.into());
        let base = parsed.head.encoded_len();
        let decrypted = with_parts(parsed.buf, base, |head, text, tag| {
            let aad = Aad::new(head, &topic_hash).ok()?;
            secrets
                .key
                .open_in_place(&nonce, aad.as_bytes(), text, tag)
                .ok()
        });
        decrypted.ok_or(Rejection::Rejected)?;
        let plain = Plain {
            buf: parsed.buf,
            base,
        };
        let parse = |body| match context.short {
            Some(session) => BodyFields::parse_short(body, session),
            None => BodyFields::parse(body),
        };
        let fields = plain.body().and_then(|body| parse(body).ok());
        let fields = fields.ok_or(Rejection::Rejected)?;
        // A Will is sealed in a session of its own, so it is that session's first message.
        if fields.has(flags::WILL) && counter != 0 {
            return Err(Rejection::Rejected);
        }
        // State and events have keys of their own.
        if fields.is_state() != context.for_state {
            return Err(Rejection::Rejected);
        }
        Ok(Decrypted {
            plain,
            fields,
            topic_hash,
            context,
        })
    }
}
