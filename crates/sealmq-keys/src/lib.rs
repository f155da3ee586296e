#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
//! sealmq key management, sans-IO: no clock, no socket, no random number generator of its own.
//!
//! The normative text is `spec/keys.md`. Without the feature `alloc` this crate holds what a
//! device needs to follow a group; with it (the default) the member and authority machines.

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "alloc")]
mod armour;
#[cfg(feature = "alloc")]
mod outputs;
#[cfg(feature = "alloc")]
mod reserved;
#[cfg(feature = "alloc")]
mod store;

#[cfg(feature = "alloc")]
pub use armour::{
    ArmourError, CredentialFile, MAX_FILE_LEN, decode_credential_file, decode_request,
    encode_credential_file, encode_request, fingerprint,
};
#[cfg(feature = "alloc")]
pub use outputs::Publication;
#[cfg(feature = "alloc")]
pub use reserved::{
    MAX_PREFIX_LEN, PrefixError, ReservedTopic, announcements_filter, check_prefix, default_prefix,
    is_reserved, member_filter,
};
#[cfg(feature = "alloc")]
pub use store::{Change, Changes, Store};
