use core::fmt;

use serde::{Deserialize, Serialize};

use crate::crypto::{Digest, VerifyingKey, sha256};

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub [u8; $len]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

hex_id!(
    /// A domain: everything under one root key. 16 bytes, shown as hex (spec/keys.md §2).
    DomainId,
    16
);
hex_id!(
    /// A group: one set of topics under one key schedule. 16 random bytes, shown as hex.
    GroupId,
    16
);
hex_id!(
    /// The first 8 bytes of an announcement's hash: names group and epoch in every envelope.
    KeyId,
    8
);

impl DomainId {
    /// The domain of a root key (spec/keys.md §2).
    #[must_use]
    pub fn of_root(root: &VerifyingKey) -> Self {
        let hash = sha256(&[b"sealmq/1 domain", root.as_bytes()]);
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(hash.0) {
            *to = from;
        }
        Self(id)
    }
}

impl KeyId {
    /// The key id of an announcement's hash (spec/keys.md §5).
    #[must_use]
    pub const fn of(announcement: &Digest) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = announcement.0;
        Self([a, b, c, d, e, f, g, h])
    }
}

/// A member's number, 1 to 2^28 − 1, bound to its key for life (spec/keys.md §4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemberNumber(pub u32);

impl MemberNumber {
    /// The highest number.
    pub const MAX: Self = Self((1 << 28) - 1);

    /// Whether the number may be assigned.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        self.0 != 0 && self.0 <= Self::MAX.0
    }
}

impl fmt::Display for MemberNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
