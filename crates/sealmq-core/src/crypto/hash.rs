use core::fmt;

use serde::{Deserialize, Serialize};

use super::{Secret, backend};

/// A SHA-256 value, 32 bytes, public.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// 32 zero bytes: stands for "none" in announcements.
    pub const ZERO: Self = Self([0; 32]);
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// SHA-256 over parts that arrive one after the other.
#[derive(Clone, Default)]
pub struct Hasher(backend::Sha256);

impl Hasher {
    /// Starts with nothing hashed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of everything added.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finish())
    }
}

/// SHA-256 of the concatenation of `parts`.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> Digest {
    let mut hasher = Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finish()
}

/// `Expand(key, info)` of spec/envelope.md §1: HKDF-Expand (RFC 5869) to 32 bytes, `info` being
/// the concatenation of the parts.
#[must_use]
pub fn expand(key: &Secret, info: &[&[u8]]) -> Secret {
    Secret::init_with(|out| backend::hkdf_expand(key.expose(), info, out))
}

/// `Extract(salt, ikm)` of spec/envelope.md §1: HKDF-Extract (RFC 5869), `ikm` being the
/// concatenation of the parts.
#[must_use]
pub fn extract(salt: &Secret, ikm: &[&[u8]]) -> Secret {
    Secret::init_with(|out| backend::hkdf_extract(salt.expose(), ikm, out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc5869_case_1() {
        // RFC 5869 A.1 uses a 13-byte salt; HMAC pads a salt with zeros, so 32 bytes with
        // zeros behind give the same PRK.
        let mut salt = [0; 32];
        for (i, byte) in salt.iter_mut().take(13).enumerate() {
            *byte = u8::try_from(i).unwrap();
        }
        let prk = extract(&Secret::new(salt), &[&[0x0b; 22]]);
        assert_eq!(
            hex::encode(prk.expose()),
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"
        );
        let okm = expand(
            &prk,
            &[
                &[0xf0, 0xf1, 0xf2, 0xf3],
                &[0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9],
            ],
        );
        assert_eq!(
            hex::encode(okm.expose()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
        );
    }
}
