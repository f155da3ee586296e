//! The primitives by RustCrypto, dalek and hpke.
//!
//! A back end is a module with these items, and nothing beside `crypto` sees it: bytes in, bytes
//! out, no labels, no formats. Whatever it is made of, its results are the same, bit for bit.
//!
//! | item | what it promises |
//! |---|---|
//! | [`Sha256`], [`hkdf_expand`], [`hkdf_extract`] | FIPS 180-4, RFC 5869 |
//! | [`Aes256Gcm`] | in place; what is left of a text that is refused, nobody sees |
//! | [`Ed25519Private`] | made of a seed only, wiped on drop |
//! | [`Ed25519Public`] | takes canonical keys only that are not of small order; a signature counts if S is below L, and R canonical and not of small order (ed25519-dalek's `verify_strict`) |
//! | `Table` | made by `table` of a key: the results of its `verify`, sooner |
//! | `Expected` | made by `expected` of a key or its table: the results of `verify`, for many at once |
//! | [`X25519Private`], [`XWingPrivate`] | DeriveKeyPair of the KEM; wiped on drop |
//! | [`psk_sender`], [`psk_receiver`] | HPKE in psk mode, for what it exports; low-order keys are refused |
//! | [`base_sender`], `open` of the private keys | HPKE in base mode, one text, in place |
//!
//! Whatever a library would draw comes from the caller: exactly as many bytes as are given, or
//! nothing comes of it.

mod aead;
#[cfg(feature = "tables")]
mod comb;
mod ed25519;
#[cfg(feature = "tables")]
mod expected;
mod hash;
mod hpke;
pub(super) mod seed_rng;
#[cfg(feature = "tables")]
mod table;

/// A key that is none, or bytes that do not verify or open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused;

pub(super) use aead::Aes256Gcm;
pub(super) use ed25519::{Ed25519Private, Ed25519Public};
pub(super) use hash::{Sha256, hkdf_expand, hkdf_extract};
#[cfg(test)]
pub(super) use hpke::x25519;
pub(super) use hpke::{Export, X25519Private, base_sender, psk_receiver, psk_sender};
#[cfg(feature = "suite2")]
pub(super) use hpke::{XWingPrivate, is_xwing_key};
#[cfg(feature = "tables")]
pub(super) use {expected::Expected, table::Table};
