use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

/// Header and topic hash.
const AAD_LEN: usize = 42 + 32;
/// Everything of a transcript before the body.
const PREFIX_LEN: usize = 145;
const SIGNATURE_LEN: usize = 64;
const TAG_LEN: usize = 16;

/// The primitives that no sealing or opening can do without, called bare through the same crates
/// with the same lengths: SHA-256 of the transcript, Ed25519 over 64 bytes, AES-256-GCM of body
/// and signature.
pub struct Floor {
    signing: SigningKey,
    verifying: VerifyingKey,
    aead: Aes256Gcm,
    nonce: [u8; 12],
    aad: [u8; AAD_LEN],
    prefix: [u8; PREFIX_LEN],
}

impl Floor {
    /// Keys expanded once, like ours.
    #[must_use]
    pub fn new() -> Self {
        let signing = SigningKey::from_bytes(&[1; 32]);
        Self {
            verifying: signing.verifying_key(),
            signing,
            aead: Aes256Gcm::new(&[2; 32].into()),
            nonce: [3; 12],
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
        let mut hasher = Sha256::new();
        hasher.update(self.prefix);
        hasher.update(body);
        let mut signed = [6; 64];
        signed[32..].copy_from_slice(&hasher.finalize());
        signed
    }

    /// Hash, signature, encryption.
    pub fn seal(&self, buf: &mut [u8]) {
        let (plaintext, tag) = buf.split_last_chunk_mut::<TAG_LEN>().unwrap();
        let (body, signature) = plaintext.split_last_chunk_mut::<SIGNATURE_LEN>().unwrap();
        *signature = self.signing.sign(&self.digest(body)).to_bytes();
        let nonce = (&self.nonce).into();
        let sealed = self
            .aead
            .encrypt_inout_detached(nonce, &self.aad, plaintext.into());
        *tag = sealed.unwrap().into();
    }

    /// Decryption, hash, verification.
    pub fn open(&self, buf: &mut [u8]) {
        let (plaintext, tag) = buf.split_last_chunk_mut::<TAG_LEN>().unwrap();
        let nonce = (&self.nonce).into();
        let tag = (&*tag).into();
        self.aead
            .decrypt_inout_detached(nonce, &self.aad, plaintext.into(), tag)
            .unwrap();
        let (body, signature) = plaintext.split_last_chunk::<SIGNATURE_LEN>().unwrap();
        let signed = self.digest(body);
        self.verifying
            .verify_strict(&signed, &Signature::from_bytes(signature))
            .unwrap();
    }
}

impl Default for Floor {
    fn default() -> Self {
        Self::new()
    }
}
