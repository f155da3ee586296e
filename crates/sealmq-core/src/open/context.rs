//! What the steps hand on to each other beside their results.

use zeroize::Zeroize;

use super::ReadPolicy;
use crate::crypto::{Digest, SIGNATURE_LEN, SessionSecrets, TAG_LEN};
use crate::ids::GroupId;
use crate::transcript::Aad;
use crate::wire::{Header, SessionFields};

/// What is known of an envelope from outside of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context {
    /// Of the short form, the one that the full form would have.
    pub(crate) header: Header,
    /// In the short form, what its session's full form has said.
    pub(crate) short: Option<SessionFields>,
    pub(crate) group: GroupId,
    pub(crate) epoch: u64,
    pub(crate) announcement: Digest,
    pub(crate) for_state: bool,
    pub(crate) policy: ReadPolicy,
}

/// Splits an envelope into header, ciphertext and tag.
pub(super) fn with_parts<R>(
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
    pub(super) buf: &'b mut [u8],
    /// Where the body starts.
    pub(super) base: usize,
}

impl<'b> Plain<'b> {
    pub(crate) const fn base(&self) -> usize {
        self.base
    }

    #[cfg(feature = "tables")]
    pub(super) const fn bytes(&self) -> &[u8] {
        self.buf
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
