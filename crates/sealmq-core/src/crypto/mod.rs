//! The one narrow place where primitives are called. The files here have the types, labels and
//! rules; the algorithms come from a back end, which is one module (`rustcrypto` says what it
//! has to provide), named once: as `backend` below.
//!
//! With the feature `aws-lc` that is AWS-LC, on hosts; no result differs.

mod aead;
#[cfg(feature = "aws-lc")]
mod awslc;
#[cfg(test)]
mod conformance;
mod hash;
mod hedge;
mod kem;
mod recipient;
#[cfg_attr(
    feature = "aws-lc",
    allow(
        dead_code,
        unused_imports,
        reason = "AWS-LC does most of it instead; tests compare"
    )
)]
mod rustcrypto;
mod secret;
mod sign;
mod small_order;
#[cfg(feature = "tables")]
mod tables;
#[cfg(feature = "tables")]
mod together;
mod verifier;

#[cfg(feature = "aws-lc")]
use awslc as backend;
#[cfg(not(feature = "aws-lc"))]
use rustcrypto as backend;

pub use aead::{AeadError, AeadId, MessageKey, NONCE_LEN, TAG_LEN};
pub use hash::{Digest, Hasher, expand, extract, sha256};
pub use hedge::{ChangeContext, DeviceSecret, Entropy, EntropyError, Hedged, Purpose};
pub use kem::{
    ENC_LEN, KemError, KemKeyPair, KemPublicKey, MAC_LEN, SESSION_TAG_LEN, SessionPsk,
    SessionSecrets, session_receiver, session_sender,
};
pub(crate) use kem::{SessionExports, session_exports};
pub use recipient::{
    Enc, KemId, MAX_ENC_LEN, RecipientKey, RecipientKeyPair, XWING_ENC_LEN, XWING_KEY_LEN,
    open_base, seal_base,
};
pub(crate) use recipient::{X25519_ID, XWING_ID};
pub use secret::Secret;
pub use sign::{
    IdentityKey, KeyError, SIGNATURE_LEN, SignatureContext, SignatureError, VerifyingKey,
};
pub use verifier::Verifier;
