use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use aws_lc_rs::hmac::{self, HMAC_SHA256};

use super::rustcrypto;

#[derive(Clone)]
pub(in crate::crypto) struct Sha256(Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Sha256 {
    pub(in crate::crypto) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(in crate::crypto) fn finish(self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.0.finish().as_ref());
        hash
    }
}

/// HKDF-Expand to 32 bytes, `info` being the concatenation of the parts.
pub(in crate::crypto) fn hkdf_expand(prk: &[u8; 32], info: &[&[u8]], out: &mut [u8; 32]) {
    let filled = Prk::new_less_safe(HKDF_SHA256, prk)
        .expand(info, HKDF_SHA256)
        .and_then(|okm| okm.fill(out));
    if filled.is_err() {
        rustcrypto::hkdf_expand(prk, info, out);
    }
}

/// HKDF-Extract, `ikm` being the concatenation of the parts: HMAC(salt, ikm).
pub(in crate::crypto) fn hkdf_extract(salt: &[u8; 32], ikm: &[&[u8]], out: &mut [u8; 32]) {
    let mut mac = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, salt));
    for part in ikm {
        mac.update(part);
    }
    out.copy_from_slice(mac.sign().as_ref());
}
