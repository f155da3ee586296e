use hkdf::{Hkdf, HkdfExtract};
use sha2::Digest as _;

#[derive(Clone, Default)]
pub(in crate::crypto) struct Sha256(sha2::Sha256);

impl Sha256 {
    pub(in crate::crypto) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(in crate::crypto) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// HKDF-Expand to 32 bytes, `info` being the concatenation of the parts.
pub(in crate::crypto) fn hkdf_expand(prk: &[u8; 32], info: &[&[u8]], out: &mut [u8; 32]) {
    // Fails only for a key below 32 or an output above 8160 bytes: both are 32 here.
    if let Ok(hkdf) = Hkdf::<sha2::Sha256>::from_prk(prk) {
        let _ = hkdf.expand_multi_info(info, out);
    }
}

/// HKDF-Extract, `ikm` being the concatenation of the parts.
pub(in crate::crypto) fn hkdf_extract(salt: &[u8; 32], ikm: &[&[u8]], out: &mut [u8; 32]) {
    let mut hkdf = HkdfExtract::<sha2::Sha256>::new(Some(salt));
    for part in ikm {
        hkdf.input_ikm(part);
    }
    let (prk, _) = hkdf.finalize();
    out.copy_from_slice(&prk);
}
