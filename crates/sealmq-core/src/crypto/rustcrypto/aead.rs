use aes_gcm::KeyInit;
use aes_gcm::aead::AeadInOut;

use super::Refused;

/// A key with its schedule, expanded once.
pub(in crate::crypto) struct Aes256Gcm(aes_gcm::Aes256Gcm);

impl Aes256Gcm {
    pub(in crate::crypto) fn new(key: &[u8; 32]) -> Self {
        Self(aes_gcm::Aes256Gcm::new(key.into()))
    }

    /// Encrypts in place; refuses texts that are longer than AES-GCM allows.
    pub(in crate::crypto) fn seal(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; 16], Refused> {
        self.0
            .encrypt_inout_detached(nonce.into(), aad, text.into())
            .map(Into::into)
            .map_err(|_| Refused)
    }

    /// Verifies the tag, then decrypts in place.
    pub(in crate::crypto) fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        text: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), Refused> {
        self.0
            .decrypt_inout_detached(nonce.into(), aad, text.into(), tag.into())
            .map_err(|_| Refused)
    }
}
