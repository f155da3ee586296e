//! Steps 1 to 5: from bytes to something that decrypts, which proves nothing about its sender.

use zeroize::Zeroize;

use super::keys::KeyPlace;
use super::verify::Decrypted;
use super::{ReadPolicy, ReadingEpoch, Rejection, Request, time};
use crate::crypto::{Digest, SIGNATURE_LEN, SessionSecrets, TAG_LEN};
use crate::ids::GroupId;
use crate::transcript::Aad;
use crate::wire::{BodyFields, Header, flags};

/// An envelope whose header was read (step 1).
#[derive(Debug)]
pub struct Parsed<'b> {
    buf: &'b mut [u8],
    header: Header,
}

/// What is known of an envelope from outside of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context {
    pub(crate) header: Header,
    pub(crate) place: KeyPlace,
    pub(crate) group: GroupId,
    pub(crate) epoch: u64,
    pub(crate) announcement: Digest,
    pub(crate) policy: ReadPolicy,
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
        Ok(Decrypted {
            plain,
            fields,
            topic_hash,
            context: self.context,
        })
    }
}

/// Splits an envelope into header, ciphertext and tag.
fn with_parts<R>(
    buf: &mut [u8],
    base: usize,
    run: impl FnOnce(&[u8], &mut [u8], &mut [u8; TAG_LEN]) -> Option<R>,
) -> Option<R> {
    let (head, rest) = buf.split_at_mut_checked(base)?;
    let (text, tag) = rest.split_last_chunk_mut()?;
    run(head, text, tag)
}

/// A buffer that holds plaintext nobody may see yet: wiped unless it is released.
pub(crate) struct Plain<'b> {
    buf: &'b mut [u8],
    /// Where the body starts.
    base: usize,
}

impl<'b> Plain<'b> {
    pub(crate) const fn base(&self) -> usize {
        self.base
    }

    pub(crate) fn body(&self) -> Option<&[u8]> {
        let end = self
            .buf
            .len()
            .checked_sub(TAG_LEN)?
            .checked_sub(SIGNATURE_LEN)?;
        self.buf.get(self.base..end)
    }

    pub(crate) fn signature(&self) -> Option<&[u8; SIGNATURE_LEN]> {
        let end = self.buf.len().checked_sub(TAG_LEN)?;
        self.buf.get(..end)?.last_chunk()
    }

    pub(crate) fn release(mut self) -> &'b [u8] {
        let released: &'b mut [u8] = core::mem::take(&mut self.buf);
        released
    }

    /// Encrypts again what was decrypted. The same plaintext under the same nonce gives the same
    /// envelope, so this discloses nothing, and the caller can keep the message without a copy.
    pub(crate) fn put_back(mut self, secrets: &SessionSecrets, counter: u32, topic_hash: &Digest) {
        let nonce = secrets.nonce(counter.into());
        let sealed = with_parts(self.buf, self.base, |head, text, tag| {
            let aad = Aad::new(head, topic_hash).ok()?;
            *tag = secrets
                .key
                .seal_in_place(&nonce, aad.as_bytes(), text)
                .ok()?;
            Some(())
        });
        if sealed.is_some() {
            // Nothing left to wipe.
            self.buf = &mut [];
        }
    }
}

impl Drop for Plain<'_> {
    fn drop(&mut self) {
        self.buf.zeroize();
    }
}
