//! The primitives that no sealing or opening can do without, called bare with our lengths: SHA-256 of
//! a transcript, Ed25519 over 64 bytes, AES-256-GCM. Opening by AWS-LC verifies with its own rule,
//! which takes what ours refuses; by dalek with `verify_strict`.

use std::time::Duration;

use aes_gcm::KeyInit as _;
use aes_gcm::aead::AeadInOut as _;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::Digest as _;

use crate::Peer;

const AAD: [u8; 78] = [4; 78];
const PREFIX: [u8; 145] = [5; 145];
const NONCE: [u8; 12] = [3; 12];

fn signed(hash: &[u8]) -> [u8; 64] {
    let mut bytes = [6; 64];
    bytes[32..].copy_from_slice(hash);
    bytes
}

fn buffer(payload: &[u8], signature: &[u8]) -> Vec<u8> {
    let mut buf = Vec::with_capacity(payload.len() + 80);
    buf.extend_from_slice(payload);
    buf.extend_from_slice(signature);
    buf
}

pub(crate) struct AwsLc {
    pair: Ed25519KeyPair,
    key: LessSafeKey,
}

impl AwsLc {
    pub(crate) fn new() -> Self {
        Self {
            pair: Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap(),
            key: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[2; 32]).unwrap()),
        }
    }

    fn hash(body: &[u8]) -> [u8; 64] {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&PREFIX);
        hash.update(body);
        signed(hash.finish().as_ref())
    }
}

impl Peer for AwsLc {
    fn name(&self) -> String {
        "floor: AWS-LC".into()
    }

    fn seal(&mut self, payload: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&Self::hash(payload));
        let mut buf = buffer(payload, signature.as_ref());
        let (nonce, aad) = (Nonce::assume_unique_for_key(NONCE), Aad::from(&AAD[..]));
        let tag = self.key.seal_in_place_separate_tag(nonce, aad, &mut buf);
        buf.extend_from_slice(tag.unwrap().as_ref());
        buf
    }

    fn open(&mut self, sealed: &[u8]) -> usize {
        let mut buf = sealed.to_vec();
        let (nonce, aad) = (Nonce::assume_unique_for_key(NONCE), Aad::from(&AAD[..]));
        let plain = self.key.open_in_place(nonce, aad, &mut buf).unwrap();
        let (body, signature) = plain.split_last_chunk::<64>().unwrap();
        UnparsedPublicKey::new(&ED25519, self.pair.public_key().as_ref())
            .verify(&Self::hash(body), signature)
            .unwrap();
        body.len()
    }

    fn rekey(&mut self) -> Option<(Duration, usize)> {
        None
    }
}

pub(crate) struct Dalek {
    signing: SigningKey,
    verifying: VerifyingKey,
    key: aes_gcm::Aes256Gcm,
}

impl Dalek {
    pub(crate) fn new() -> Self {
        let signing = SigningKey::from_bytes(&[1; 32]);
        Self {
            verifying: signing.verifying_key(),
            signing,
            key: aes_gcm::Aes256Gcm::new(&[2; 32].into()),
        }
    }

    fn hash(body: &[u8]) -> [u8; 64] {
        let hash = sha2::Sha256::new().chain_update(PREFIX).chain_update(body);
        signed(&hash.finalize())
    }
}

impl Peer for Dalek {
    fn name(&self) -> String {
        "floor: dalek, RustCrypto".into()
    }

    fn seal(&mut self, payload: &[u8]) -> Vec<u8> {
        let signature = self.signing.sign(&Self::hash(payload)).to_bytes();
        let mut buf = buffer(payload, &signature);
        let nonce = (&NONCE).into();
        let tag = self
            .key
            .encrypt_inout_detached(nonce, &AAD, (&mut buf[..]).into());
        buf.extend_from_slice(&tag.unwrap());
        buf
    }

    fn open(&mut self, sealed: &[u8]) -> usize {
        let mut buf = sealed.to_vec();
        let (plain, tag) = buf.split_last_chunk_mut::<16>().unwrap();
        let (nonce, tag) = ((&NONCE).into(), (&*tag).into());
        let opened = self
            .key
            .decrypt_inout_detached(nonce, &AAD, (&mut plain[..]).into(), tag);
        opened.unwrap();
        let (body, signature) = plain.split_last_chunk::<64>().unwrap();
        self.verifying
            .verify_strict(&Self::hash(body), &Signature::from_bytes(signature))
            .unwrap();
        body.len()
    }

    fn rekey(&mut self) -> Option<(Duration, usize)> {
        None
    }
}
