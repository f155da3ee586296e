use ed25519_dalek::{Signature, SigningKey, VerifyingKey};

#[cfg(feature = "aws-lc")]
use awslc as library;
#[cfg(not(feature = "aws-lc"))]
use rustcrypto as library;

/// Header and topic hash.
const AAD_LEN: usize = 42 + 32;
/// Everything of a transcript before the body.
const PREFIX_LEN: usize = 145;
const SIGNATURE_LEN: usize = 64;
const TAG_LEN: usize = 16;

/// The primitives that no sealing or opening can do without, called bare through the same library
/// with the same lengths: SHA-256 of the transcript, Ed25519 over 64 bytes, AES-256-GCM of body
/// and signature. Verification is dalek's `verify_strict` whatever the library: AWS-LC has none that
/// refuses the same.
pub struct Floor {
    signing: library::Signing,
    verifying: VerifyingKey,
    aead: library::Aead,
    aad: [u8; AAD_LEN],
    prefix: [u8; PREFIX_LEN],
}

impl Floor {
    /// For the table.
    pub const LIBRARY: &str = library::NAME;

    /// Keys expanded once, like ours.
    #[must_use]
    pub fn new() -> Self {
        let seed = [1; 32];
        Self {
            verifying: SigningKey::from_bytes(&seed).verifying_key(),
            signing: library::Signing::new(&seed),
            aead: library::Aead::new(&[2; 32]),
            aad: [4; AAD_LEN],
            prefix: [5; PREFIX_LEN],
        }
    }

    /// Buffer for a body of `len` bytes.
    #[must_use]
    pub fn buffer(len: usize) -> Vec<u8> {
        vec![0x5a; len + SIGNATURE_LEN + TAG_LEN]
    }

    fn digest(&self, body: &[u8]) -> [u8; 64] {
        let mut signed = [6; 64];
        signed[32..].copy_from_slice(&library::sha256(&self.prefix, body));
        signed
    }

    /// Hash, signature, encryption.
    pub fn seal(&self, buf: &mut [u8]) {
        let (plaintext, tag) = buf.split_last_chunk_mut::<TAG_LEN>().unwrap();
        let (body, signature) = plaintext.split_last_chunk_mut::<SIGNATURE_LEN>().unwrap();
        *signature = self.signing.sign(&self.digest(body));
        *tag = self.aead.seal(&self.aad, plaintext);
    }

    /// Decryption, hash, verification.
    pub fn open(&self, buf: &mut [u8]) {
        let (plaintext, tag) = buf.split_last_chunk_mut::<TAG_LEN>().unwrap();
        self.aead.open(&self.aad, plaintext, tag);
        let (body, signature) = plaintext.split_last_chunk::<SIGNATURE_LEN>().unwrap();
        let signed = self.digest(body);
        self.verifying
            .verify_strict(&signed, &Signature::from_bytes(signature))
            .unwrap();
    }

    /// Hash and encryption alone.
    pub fn hash_and_encrypt(&self, buf: &mut [u8]) {
        let (plaintext, tag) = buf.split_last_chunk_mut::<TAG_LEN>().unwrap();
        std::hint::black_box(self.digest(plaintext));
        *tag = self.aead.seal(&self.aad, plaintext);
    }
}

impl Default for Floor {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(not(feature = "aws-lc"))]
mod rustcrypto {
    use aes_gcm::aead::AeadInOut;
    use aes_gcm::{Aes256Gcm, KeyInit};
    use ed25519_dalek::{Signer, SigningKey};
    use sha2::{Digest as _, Sha256};

    pub(super) const NAME: &str = "RustCrypto and dalek";
    const NONCE: [u8; 12] = [3; 12];

    pub(super) fn sha256(prefix: &[u8], body: &[u8]) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(prefix);
        hasher.update(body);
        hasher.finalize().into()
    }

    pub(super) struct Signing(SigningKey);

    impl Signing {
        pub(super) fn new(seed: &[u8; 32]) -> Self {
            Self(SigningKey::from_bytes(seed))
        }

        pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
            self.0.sign(message).to_bytes()
        }
    }

    pub(super) struct Aead(Aes256Gcm);

    impl Aead {
        pub(super) fn new(key: &[u8; 32]) -> Self {
            Self(Aes256Gcm::new(key.into()))
        }

        pub(super) fn seal(&self, aad: &[u8], text: &mut [u8]) -> [u8; 16] {
            let nonce = (&NONCE).into();
            let sealed = self.0.encrypt_inout_detached(nonce, aad, text.into());
            sealed.unwrap().into()
        }

        pub(super) fn open(&self, aad: &[u8], text: &mut [u8], tag: &[u8; 16]) {
            let (nonce, tag) = ((&NONCE).into(), tag.into());
            self.0
                .decrypt_inout_detached(nonce, aad, text.into(), tag)
                .unwrap();
        }
    }
}

#[cfg(feature = "aws-lc")]
mod awslc {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    use aws_lc_rs::digest::{Context, SHA256};
    use aws_lc_rs::signature::Ed25519KeyPair;

    pub(super) const NAME: &str = "AWS-LC";
    const NONCE: [u8; 12] = [3; 12];

    pub(super) fn sha256(prefix: &[u8], body: &[u8]) -> [u8; 32] {
        let mut hasher = Context::new(&SHA256);
        hasher.update(prefix);
        hasher.update(body);
        hasher.finish().as_ref().try_into().unwrap()
    }

    pub(super) struct Signing(Ed25519KeyPair);

    impl Signing {
        pub(super) fn new(seed: &[u8; 32]) -> Self {
            Self(Ed25519KeyPair::from_seed_unchecked(seed).unwrap())
        }

        pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
            self.0.sign(message).as_ref().try_into().unwrap()
        }
    }

    pub(super) struct Aead(LessSafeKey);

    impl Aead {
        pub(super) fn new(key: &[u8; 32]) -> Self {
            Self(LessSafeKey::new(
                UnboundKey::new(&AES_256_GCM, key).unwrap(),
            ))
        }

        pub(super) fn seal(&self, aad: &[u8], text: &mut [u8]) -> [u8; 16] {
            let tag = self
                .0
                .seal_in_place_separate_tag(Nonce::from(&NONCE), Aad::from(aad), text);
            tag.unwrap().as_ref().try_into().unwrap()
        }

        pub(super) fn open(&self, aad: &[u8], text: &mut [u8], tag: &[u8; 16]) {
            self.0
                .open_in_place_separate_tag(Nonce::from(&NONCE), Aad::from(aad), tag, text)
                .unwrap();
        }
    }
}
