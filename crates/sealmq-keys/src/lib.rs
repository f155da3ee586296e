#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
//! sealmq key management, sans-IO: no clock, no socket, no random number generator of its own.
//!
//! The normative text is `spec/keys.md`. Without the feature `alloc` this crate holds what a
//! device needs to follow a group; with it (the default) the member and authority machines.

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "alloc")]
mod store;

#[cfg(feature = "alloc")]
pub use store::{Change, Changes, Store};
