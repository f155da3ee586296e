//! Values under the device's own key.

use sealmq_core::crypto::{MessageKey, NONCE_LEN, Secret, TAG_LEN, expand};
use zeroize::Zeroize;

const KEY: &[u8] = b"sealmq/1 flash";
const NONCE: &[u8] = b"sealmq/1 flash nonce";

/// What a wrapped value has more than the value.
pub(super) const OVERHEAD: usize = NONCE_LEN + TAG_LEN;

/// Encrypts with AES-256-GCM under a nonce that is made of the value: no counter that a power cut
/// could put back, no randomness; who reads the flash sees only whether a slot has the same value
/// again.
pub(super) struct Wrap {
    key: MessageKey,
    nonces: Secret,
}

impl Wrap {
    pub(super) fn new(device_key: &Secret) -> Self {
        Self {
            key: MessageKey::new(&expand(device_key, &[KEY])),
            nonces: expand(device_key, &[NONCE]),
        }
    }

    /// Wraps the first `len` bytes of `buf`; returns how many it has then. `None`: no room, and
    /// `buf` was wiped.
    pub(super) fn wrap(&self, slot: u8, len: usize, buf: &mut [u8]) -> Option<usize> {
        let wrapped = len.checked_add(OVERHEAD)?;
        let done = self.wrap_in(slot, len, buf.get_mut(..wrapped));
        if done.is_none() {
            buf.zeroize();
        }
        done.map(|()| wrapped)
    }

    fn wrap_in(&self, slot: u8, len: usize, buf: Option<&mut [u8]>) -> Option<()> {
        let buf = buf?;
        let nonce = *expand(&self.nonces, &[NONCE, &[slot], buf.get(..len)?]).expose();
        let nonce = nonce.first_chunk::<NONCE_LEN>()?;
        buf.copy_within(..len, NONCE_LEN);
        let (head, rest) = buf.split_first_chunk_mut::<NONCE_LEN>()?;
        *head = *nonce;
        let (text, end) = rest.split_last_chunk_mut::<TAG_LEN>()?;
        *end = self.key.seal_in_place(nonce, &[slot], text).ok()?;
        Some(())
    }

    /// Unwraps `buf` in place; returns how many bytes at its start are the value.
    pub(super) fn unwrap(&self, slot: u8, buf: &mut [u8]) -> Option<usize> {
        let (nonce, rest) = buf.split_first_chunk_mut::<NONCE_LEN>()?;
        let (text, tag) = rest.split_last_chunk_mut::<TAG_LEN>()?;
        self.key.open_in_place(nonce, &[slot], text, tag).ok()?;
        let len = text.len();
        buf.copy_within(NONCE_LEN..NONCE_LEN.checked_add(len)?, 0);
        Some(len)
    }
}
