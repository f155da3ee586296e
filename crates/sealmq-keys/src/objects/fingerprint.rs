use core::fmt;

use sealmq_core::crypto::{VerifyingKey, sha256};

/// A key's fingerprint (spec/keys.md §9): the first 16 bytes of the SHA-256 of an identity key.
/// Shown as 32 hex digits, as topics have it; [`crate::fingerprint`] is the form for people.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    /// The fingerprint of an identity key.
    #[must_use]
    pub fn of(key: &VerifyingKey) -> Self {
        Self::of_bytes(key.as_bytes())
    }

    /// The same for the bytes of a public key.
    #[must_use]
    pub fn of_bytes(key: &[u8; 32]) -> Self {
        let hash = sha256(&[key]);
        let mut first = [0; 16];
        for (to, from) in first.iter_mut().zip(hash.0) {
            *to = from;
        }
        Self(first)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A key's fingerprint, for people to compare: 16 bytes of its SHA-256 in groups of four hex digits.
///
/// ```
/// let shown = sealmq_keys::fingerprint(&[7; 32]);
/// assert_eq!(shown.len(), 39);
/// assert!(shown.split(' ').all(|group| group.len() == 4));
/// let topic_level = sealmq_keys::Fingerprint::of_bytes(&[7; 32]).to_string();
/// assert_eq!(shown.replace(' ', ""), topic_level);
/// ```
#[cfg(feature = "alloc")]
#[must_use]
pub fn fingerprint(key: &[u8; 32]) -> alloc::string::String {
    use core::fmt::Write as _;

    let mut text = alloc::string::String::with_capacity(39);
    for pair in Fingerprint::of_bytes(key).0.chunks(2) {
        if !text.is_empty() {
            text.push(' ');
        }
        for byte in pair {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
    }
    text
}
