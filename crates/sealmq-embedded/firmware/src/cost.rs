//! With the feature `cost`: what sealing and opening take, in instructions, beside what they cannot do
//! without. For mps2 in an emulator that gives each instruction a nanosecond (`-icount shift=0`).

#[cfg(feature = "cost")]
use aes_gcm::{Aes256Gcm, KeyInit, aead::AeadInOut};
#[cfg(feature = "cost")]
use ed25519_dalek::{Signer, SigningKey};
#[cfg(feature = "cost")]
use sha2::{Digest, Sha256};

/// Counts from here on.
pub struct Count {
    #[cfg(feature = "cost")]
    since: u32,
}

impl Count {
    pub fn begin() -> Self {
        Self {
            #[cfg(feature = "cost")]
            since: crate::board::ticks(),
        }
    }

    /// Says how many instructions it took.
    #[cfg(feature = "cost")]
    pub fn end(self, what: &str) {
        // A tick of 25 MHz is 40 of them, and the timer has 24 bits.
        let ticks = self.since.wrapping_sub(crate::board::ticks()) & 0xff_ffff;
        crate::say!("cost {what} {}", ticks * 40);
    }

    #[cfg(not(feature = "cost"))]
    pub fn end(self, _: &str) {}
}

#[cfg(not(feature = "cost"))]
pub fn bare() {}

/// The primitives alone, for 64 bytes: a signature over a digest, strict verification, AES-256-GCM with
/// an expanded key, and SHA-256 over as much as a transcript has.
#[cfg(feature = "cost")]
pub fn bare() {
    use core::hint::black_box;

    let key = SigningKey::from_bytes(black_box(&[7; 32]));
    let message = black_box([9; 64]);
    let count = Count::begin();
    let signature = black_box(key.sign(&message));
    count.end("sign");
    let public = black_box(key.verifying_key());
    let count = Count::begin();
    let verified = black_box(public.verify_strict(&message, &signature).is_ok());
    count.end("verify");
    let cipher = Aes256Gcm::new(black_box(&[3; 32]).into());
    let mut text = black_box([0; 64]);
    let count = Count::begin();
    let sealed = cipher.encrypt_inout_detached((&[5; 12]).into(), &[1; 80], (&mut text[..]).into());
    count.end("aes-gcm");
    let transcript = black_box([2; 145 + 64]);
    let count = Count::begin();
    black_box(Sha256::digest(transcript));
    count.end("transcript");
    assert!(verified && sealed.is_ok());
}
