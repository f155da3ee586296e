use aes_gcm::KeyInit;
use aes_gcm::aead::AeadInOut;

use super::Refused;

/// A key with its schedule, expanded once; without the feature `fast` expanded for each message, which
/// is little beside its signature, and keeps about 0.4 KiB of RAM free for each key.
#[cfg(feature = "fast")]
pub(in crate::crypto) struct Aes256Gcm(aes_gcm::Aes256Gcm);
#[cfg(not(feature = "fast"))]
pub(in crate::crypto) struct Aes256Gcm(zeroize::Zeroizing<[u8; 32]>);

impl Aes256Gcm {
    #[cfg(feature = "fast")]
    pub(in crate::crypto) fn new(key: &[u8; 32]) -> Self {
        Self(aes_gcm::Aes256Gcm::new(key.into()))
    }

    #[cfg(feature = "fast")]
    const fn expanded(&self) -> &aes_gcm::Aes256Gcm {
        &self.0
    }

    #[cfg(not(feature = "fast"))]
    pub(in crate::crypto) fn new(key: &[u8; 32]) -> Self {
        Self(zeroize::Zeroizing::new(*key))
    }

    #[cfg(not(feature = "fast"))]
    fn expanded(&self) -> aes_gcm::Aes256Gcm {
        aes_gcm::Aes256Gcm::new((&*self.0).into())
    }

    /// Encrypts in place; refuses texts that are longer than AES-GCM allows.
    pub(in crate::crypto) fn seal(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; 16], Refused> {
        self.expanded()
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
        self.expanded()
            .decrypt_inout_detached(nonce.into(), aad, text.into(), tag.into())
            .map_err(|_| Refused)
    }
}
