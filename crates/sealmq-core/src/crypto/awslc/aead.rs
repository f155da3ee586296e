use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::Refused;

/// A key with its schedule, expanded once. `None`: there was no memory for it.
pub(in crate::crypto) struct Aes256Gcm(Option<LessSafeKey>);

impl Aes256Gcm {
    pub(in crate::crypto) fn new(key: &[u8; 32]) -> Self {
        Self(
            UnboundKey::new(&AES_256_GCM, key)
                .ok()
                .map(LessSafeKey::new),
        )
    }

    pub(in crate::crypto) fn seal(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; 16], Refused> {
        let key = self.0.as_ref().ok_or(Refused)?;
        key.seal_in_place_separate_tag(nonce.into(), Aad::from(aad), text)
            .map_err(|_| Refused)?
            .as_ref()
            .try_into()
            .map_err(|_| Refused)
    }

    pub(in crate::crypto) fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        text: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), Refused> {
        let key = self.0.as_ref().ok_or(Refused)?;
        key.open_in_place_separate_tag(Nonce::from(nonce), Aad::from(aad), tag, text)
            .map(|_| ())
            .map_err(|_| Refused)
    }
}
