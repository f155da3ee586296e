use core::fmt;

use super::{Digest, Secret, backend};

/// Length of an Ed25519 signature in bytes.
pub const SIGNATURE_LEN: usize = 64;

/// One label per kind of signed message (spec/constants.md §1). There is no way to sign without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureContext {
    /// A message in an envelope.
    Message,
    /// A delegation, by the root.
    Delegation,
    /// A credential.
    Credential,
    /// A member's one-time key.
    KeyPackage,
    /// A welcome.
    Welcome,
    /// An announcement.
    Announcement,
    /// A refused list.
    RefusedList,
    /// A heartbeat.
    Heartbeat,
    /// An answer to the nonce of a device without a clock.
    NonceAnswer,
    /// A device's request to be enrolled.
    EnrolmentRequest,
    /// A member's statement of the welcomes that it installed.
    Confirmation,
    /// A refused request to join.
    JoinRefusal,
    /// Keys of kept epochs.
    KeptKeys,
    /// The nonce of a device without a clock.
    Nonce,
}

impl SignatureContext {
    /// Every context, for tests that check that no two share a label.
    pub const ALL: [Self; 14] = [
        Self::Message,
        Self::Delegation,
        Self::Credential,
        Self::KeyPackage,
        Self::Welcome,
        Self::Announcement,
        Self::RefusedList,
        Self::Heartbeat,
        Self::NonceAnswer,
        Self::EnrolmentRequest,
        Self::Confirmation,
        Self::JoinRefusal,
        Self::KeptKeys,
        Self::Nonce,
    ];

    /// The label as it stands in the spec.
    #[must_use]
    pub const fn label(self) -> &'static [u8] {
        match self {
            Self::Message => b"sealmq/1 message",
            Self::Delegation => b"sealmq/1 delegation",
            Self::Credential => b"sealmq/1 credential",
            Self::KeyPackage => b"sealmq/1 key package",
            Self::Welcome => b"sealmq/1 welcome",
            Self::Announcement => b"sealmq/1 announcement",
            Self::RefusedList => b"sealmq/1 refused list",
            Self::Heartbeat => b"sealmq/1 heartbeat",
            Self::NonceAnswer => b"sealmq/1 nonce answer",
            Self::EnrolmentRequest => b"sealmq/1 enrolment request",
            Self::Confirmation => b"sealmq/1 confirmation",
            Self::JoinRefusal => b"sealmq/1 join refusal",
            Self::KeptKeys => b"sealmq/1 kept keys",
            Self::Nonce => b"sealmq/1 nonce",
        }
    }

    /// The 64 bytes that Ed25519 signs: the label, zero-padded to 32 bytes, and the digest.
    #[must_use]
    pub fn signed_bytes(self, digest: &Digest) -> [u8; 64] {
        let mut bytes = [0; 64];
        let (label, tail) = bytes.split_at_mut(32);
        for (to, from) in label.iter_mut().zip(self.label()) {
            *to = *from;
        }
        tail.copy_from_slice(&digest.0);
        bytes
    }
}

/// A long-term Ed25519 key (RFC 8032). Wiped on drop; made from its seed only, so that a public
/// key that does not belong to it can never be used with it (RUSTSEC-2022-0093).
pub struct IdentityKey(backend::Ed25519Private);

impl IdentityKey {
    /// Derives the key from its 32-byte seed.
    #[must_use]
    pub fn from_seed(seed: &Secret) -> Self {
        Self(backend::Ed25519Private::from_seed(seed.expose()))
    }

    /// The seed, for encrypted storage.
    #[must_use]
    pub fn seed(&self) -> Secret {
        Secret::new(*self.0.seed())
    }

    /// The public half.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.public())
    }

    /// Signs a digest under one context.
    #[must_use]
    pub fn sign(&self, context: SignatureContext, digest: &Digest) -> [u8; SIGNATURE_LEN] {
        self.0.sign(&context.signed_bytes(digest))
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IdentityKey")
            .field(&self.verifying_key())
            .finish()
    }
}

/// An Ed25519 public key that is canonical and not of small order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(backend::Ed25519Public);

/// The 32 bytes are no point, a non-canonical one, or one of small order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyError;

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an acceptable Ed25519 public key: make a new key pair")
    }
}

impl core::error::Error for KeyError {}

/// The signature is not by this key over this message and context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureError;

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("signature verification failed")
    }
}

impl core::error::Error for SignatureError {}

impl VerifyingKey {
    #[cfg(feature = "tables")]
    pub(super) const fn backend(&self) -> &backend::Ed25519Public {
        &self.0
    }

    /// Length in bytes.
    pub const LEN: usize = 32;

    /// Decompresses a public key.
    ///
    /// # Errors
    /// Weak and non-canonical keys are refused: with them one signature fits many messages.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = backend::Ed25519Public::from_bytes(bytes);
        key.map(Self).map_err(|_| KeyError)
    }

    /// The 32 bytes of RFC 8032.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Verifies strictly (no small-order or non-canonical R, no S ≥ L), one signature at a time.
    ///
    /// # Errors
    /// The signature does not fit.
    pub fn verify(
        &self,
        context: SignatureContext,
        digest: &Digest,
        signature: &[u8; SIGNATURE_LEN],
    ) -> Result<(), SignatureError> {
        self.0
            .verify(&context.signed_bytes(digest), signature)
            .map_err(|_| SignatureError)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Digest(*self.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_unique_and_fit() {
        for (i, a) in SignatureContext::ALL.iter().enumerate() {
            assert!(a.label().len() <= 32);
            for b in &SignatureContext::ALL[i + 1..] {
                assert_ne!(a.signed_bytes(&Digest::ZERO), b.signed_bytes(&Digest::ZERO));
            }
        }
    }

    #[test]
    fn a_context_does_not_verify_as_another() {
        let key = IdentityKey::from_seed(&Secret::new([1; 32]));
        for a in SignatureContext::ALL {
            let signature = key.sign(a, &Digest([3; 32]));
            for b in SignatureContext::ALL {
                let result = key.verifying_key().verify(b, &Digest([3; 32]), &signature);
                assert_eq!(result.is_ok(), a == b);
            }
        }
    }

    #[test]
    fn weak_and_non_canonical_keys_are_refused() {
        let identity = {
            let mut bytes = [0; 32];
            bytes[0] = 1;
            bytes
        };
        let mut non_canonical = [0xff; 32]; // y = p + 1, i.e. the identity again
        non_canonical[0] = 0xee;
        non_canonical[31] = 0x7f;
        for bytes in [[0; 32], identity, non_canonical] {
            assert_eq!(VerifyingKey::from_bytes(&bytes), Err(KeyError));
        }
    }
}
