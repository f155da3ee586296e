use std::time::Duration;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem, X25519HkdfSha256};
use hpke::{Deserializable as _, OpModeR, OpModeS, Serializable as _};

use crate::{MEMBERS, Peer, timed};

type Key<K> = (<K as Kem>::PrivateKey, <K as Kem>::PublicKey);

/// HPKE anew for each message, to a key that the group shares, and a signature over the ciphertext.
pub(crate) struct OneShot {
    group: Key<X25519HkdfSha256>,
    signing: SigningKey,
    verifying: VerifyingKey,
}

impl OneShot {
    pub(crate) fn new() -> Self {
        let signing = SigningKey::from_bytes(&[1; 32]);
        Self {
            group: X25519HkdfSha256::derive_keypair(&[2; 32]),
            verifying: signing.verifying_key(),
            signing,
        }
    }

    fn sealed(&self, payload: &[u8]) -> Vec<u8> {
        let (enc, text) = hpke::single_shot_seal::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &self.group.1,
            b"info",
            payload,
            b"aad",
        )
        .unwrap();
        let mut all = enc.to_bytes().to_vec();
        all.extend(text);
        all
    }
}

impl Peer for OneShot {
    fn name(&self) -> String {
        "HPKE per message, Ed25519 (RustCrypto)".into()
    }

    fn seal(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut all = self.sealed(payload);
        let signature = self.signing.sign(&all).to_bytes();
        all.extend(signature);
        all
    }

    fn open(&mut self, sealed: &[u8]) -> usize {
        let (all, signature) = sealed.split_last_chunk::<64>().unwrap();
        self.verifying
            .verify_strict(all, &Signature::from_bytes(signature))
            .unwrap();
        let (enc, text) = all.split_at(32);
        let enc = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(enc).unwrap();
        hpke::single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.group.0,
            &enc,
            b"info",
            text,
            b"aad",
        )
        .unwrap()
        .len()
    }

    /// A new group key for each other member, and a signature.
    fn rekey(&mut self) -> Option<(Duration, usize)> {
        timed(|| {
            let all: Vec<u8> = (1..MEMBERS).flat_map(|_| self.sealed(&[7; 32])).collect();
            all.len() + self.signing.sign(&all).to_bytes().len()
        })
    }
}
