//! The one narrow place where primitives are called: another backend with the same results would replace these files.

mod aead;
mod hash;
mod hedge;
mod kem;
mod secret;
mod sign;

pub use aead::{AeadError, MessageKey, NONCE_LEN, TAG_LEN};
pub use hash::{Digest, Hasher, expand, extract, sha256};
pub use hedge::{DeviceSecret, Entropy, EntropyError, Hedged, Purpose};
pub use kem::{
    ENC_LEN, KemError, KemKeyPair, KemPublicKey, SessionSecrets, open_base, seal_base,
    session_receiver, session_sender,
};
pub use secret::Secret;
pub use sign::{
    IdentityKey, KeyError, SIGNATURE_LEN, SignatureContext, SignatureError, VerifyingKey,
};
