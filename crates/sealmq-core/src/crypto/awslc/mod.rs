//! The primitives by AWS-LC, for hosts: Ed25519, X25519 and HPKE over it, HKDF, SHA-256, AES-GCM.
//! X-Wing is [`rustcrypto`]'s. The items and what they promise are listed there.
//!
//! AWS-LC reports a failure where nothing can fail but an allocation. What cannot be done then is
//! done by `rustcrypto`, whose results are the same, or refused.

mod aead;
mod ed25519;
mod hash;
mod hpke;

use super::rustcrypto;

pub(super) use aead::Aes256Gcm;
pub(super) use ed25519::{Ed25519Private, Ed25519Public};
pub(super) use hash::{Sha256, hkdf_expand, hkdf_extract};
#[cfg(test)]
pub(super) use hpke::x25519;
pub(super) use hpke::{X25519Private, base_sender, psk_receiver, psk_sender};
#[cfg(feature = "tables")]
pub(super) use rustcrypto::{Expected, Table};
pub(super) use rustcrypto::{Export, Refused};
#[cfg(feature = "suite2")]
pub(super) use rustcrypto::{XWingPrivate, is_xwing_key};
