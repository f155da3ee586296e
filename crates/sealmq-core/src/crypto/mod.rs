//! The one narrow place where primitives are called: another backend with the same results would replace these files.

mod aead;
mod hash;
mod hedge;
mod kem;
mod recipient;
mod secret;
mod seed_rng;
mod sign;

pub use aead::{AeadError, AeadId, MessageKey, NONCE_LEN, TAG_LEN};
pub use hash::{Digest, Hasher, expand, extract, sha256};
pub use hedge::{ChangeContext, DeviceSecret, Entropy, EntropyError, Hedged, Purpose};
pub use kem::{
    ENC_LEN, KemError, KemKeyPair, KemPublicKey, SessionPsk, SessionSecrets, session_receiver,
    session_sender,
};
pub use recipient::{
    Enc, KemId, MAX_ENC_LEN, RecipientKey, RecipientKeyPair, XWING_ENC_LEN, XWING_KEY_LEN,
    open_base, seal_base,
};
pub use secret::Secret;
pub use sign::{
    IdentityKey, KeyError, SIGNATURE_LEN, SignatureContext, SignatureError, VerifyingKey,
};
