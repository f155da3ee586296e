use core::fmt;

use zeroize::Zeroize;

use super::{Secret, backend};

/// Length of an AES-GCM nonce in bytes.
pub const NONCE_LEN: usize = 12;
/// Length of an AES-GCM tag in bytes.
pub const TAG_LEN: usize = 16;

/// An AEAD, by its HPKE id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum AeadId {
    /// AES-256-GCM: keys of 32 bytes, nonces of 12, tags of 16.
    Aes256Gcm = 0x0002,
}

impl fmt::Display for AeadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aes256Gcm => f.write_str("AES-256-GCM"),
        }
    }
}

/// An AES-256-GCM key with its key schedule, expanded once.
pub struct MessageKey(backend::Aes256Gcm);

/// The tag does not fit, or the input is longer than AES-GCM allows (2^36 − 32 bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AeadError;

impl fmt::Display for AeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "authenticated decryption failed: the bytes were altered or the key is another one",
        )
    }
}

impl core::error::Error for AeadError {}

impl MessageKey {
    /// Expands the key schedule.
    #[must_use]
    pub fn new(key: &Secret) -> Self {
        Self(backend::Aes256Gcm::new(key.expose()))
    }

    /// Encrypts `text` in place and returns the tag. The caller never uses a nonce twice.
    ///
    /// # Errors
    /// The text is longer than AES-GCM allows.
    pub fn seal_in_place(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; TAG_LEN], AeadError> {
        self.0.seal(nonce, aad, text).map_err(|_| AeadError)
    }

    /// Verifies the tag and decrypts `text` in place. On failure `text` is wiped.
    ///
    /// # Errors
    /// The tag does not fit.
    pub fn open_in_place(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), AeadError> {
        self.0.open(nonce, aad, text, tag).map_err(|_| {
            // Some back ends decrypt before they compare.
            text.zeroize();
            AeadError
        })
    }
}

impl fmt::Debug for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageKey(..)")
    }
}
