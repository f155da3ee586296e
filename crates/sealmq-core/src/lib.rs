#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test"))]
//! The sealmq envelope: suites, sessions, replay windows and identities.
//!
//! No std, no allocator, no clock, no random number generator: time, entropy and bytes come in
//! as arguments. The normative text is `spec/envelope.md`.

pub mod crypto;
pub mod object;
pub mod open;
pub mod replay;
pub mod seal;

mod credential;
mod ids;
mod name;
mod transcript;
pub mod topic;
pub mod wire;

pub use credential::{Credential, Grant, MAX_CREDENTIAL_LEN, MAX_GRANTS, VerifiedCredential};
pub use ids::{DomainId, GroupId, KeyId, MemberNumber};
pub use name::{MAX_NAME_LEN, NameError, check_name};
