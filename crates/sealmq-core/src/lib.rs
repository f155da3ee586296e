#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
//! The sealmq envelope: suites, sessions, replay windows and identities.
//!
//! No std, no allocator, no clock, no random number generator: time, entropy and bytes come in
//! as arguments. The normative text is `spec/envelope.md`.

pub mod crypto;
pub mod object;

mod credential;
mod ids;
mod name;
pub mod topic;

pub use credential::{Credential, Grant, MAX_CREDENTIAL_LEN, MAX_GRANTS, VerifiedCredential};
pub use ids::{DomainId, GroupId, KeyId, MemberNumber};
pub use name::{MAX_NAME_LEN, NameError, check_name};
