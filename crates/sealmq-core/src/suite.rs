//! The suites: everything that differs between them stands here (spec/keys.md §10).

use crate::crypto::{AeadId, KemId, X25519_ID, XWING_ID};

/// Which set of algorithms a domain uses. It is fixed when the domain is made, by the form of its
/// delegations, and never negotiated (spec/keys.md §10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Suite {
    /// DHKEM(X25519), HKDF-SHA256, AES-256-GCM, Ed25519, SHA-256.
    One = 1,
    /// The same data path; key packages, welcomes and join requests with X-Wing (ML-KEM-768 and
    /// X25519). Needs the feature `suite2`.
    Two = 2,
}

impl Suite {
    /// All of them, whether this build has their algorithms or not.
    pub const ALL: [Self; 2] = [Self::One, Self::Two];

    const VERSION_1: u8 = 0x10;

    /// The first byte of objects that depend on the suite, and of full-form envelopes of this data
    /// path.
    #[must_use]
    pub const fn form(self) -> u8 {
        Self::VERSION_1 | self.number()
    }

    /// The suite whose objects begin with this byte.
    #[must_use]
    pub fn of_form(form: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.form() == form)
    }

    /// The suite's number, as it enters the transcript, tokens and delegation requests.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The suite with this number.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.number() == number)
    }

    /// The suite whose algorithms messages are sealed with: what envelopes and transcripts name.
    #[must_use]
    pub const fn data_path(self) -> Self {
        match self {
            Self::One | Self::Two => Self::One,
        }
    }

    /// The KEM of key packages, welcomes and join requests; `None` if this build has it not.
    #[must_use]
    pub const fn kem(self) -> Option<KemId> {
        match self {
            Self::One => Some(KemId::X25519),
            #[cfg(feature = "suite2")]
            Self::Two => Some(KemId::XWing),
            #[cfg(not(feature = "suite2"))]
            Self::Two => None,
        }
    }

    /// The id of that KEM in HPKE's registry, whether this build has it or not.
    #[must_use]
    pub const fn kem_id(self) -> u16 {
        match self {
            Self::One => X25519_ID,
            Self::Two => XWING_ID,
        }
    }

    /// The suite with the KEM of this id.
    #[must_use]
    pub fn of_kem_id(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.kem_id() == id)
    }

    /// The AEAD of messages, welcomes and stored values.
    #[must_use]
    pub const fn aead(self) -> AeadId {
        match self {
            Self::One | Self::Two => AeadId::Aes256Gcm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_forms_and_ids_name_one_suite_each() {
        for suite in Suite::ALL {
            assert_eq!(Suite::of_form(suite.form()), Some(suite));
            assert_eq!(Suite::of_number(suite.number()), Some(suite));
            assert_eq!(Suite::of_kem_id(suite.kem_id()), Some(suite));
            assert!(suite.kem().is_none_or(|kem| kem.id() == suite.kem_id()));
        }
        assert_eq!((Suite::of_form(0x13), Suite::of_form(1)), (None, None));
        assert_eq!((Suite::of_number(0), Suite::of_number(3)), (None, None));
        assert_eq!(Suite::of_kem_id(0x0010), None);
    }
}
