#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
//! sealmq key management, sans-IO: no clock, no socket, no random number generator of its own.
//!
//! The normative text is `spec/keys.md`. Without the feature `alloc` this crate holds what a
//! device needs to follow a group; with it (the default) the member machine. The authority is
//! the crate `sealmq-authority`.
//!
//! | room | what it holds |
//! |---|---|
//! | [`objects`] | what travels: signed objects, requests, tokens, files |
//! | [`tree`] | node keys: who gets an epoch's secret |
//! | [`group`] | a member's keys of one group, without an allocator |
//! | [`standing`] | whether a member may send or read now |
//! | [`package_age`] | when one-time keys are replaced |
//! | [`asking`] | when something that is missing is asked for again |
//! | [`session_records`] | the short form: when records of sessions are asked for and published |
//! | [`member`] | the member machine |

#[cfg(feature = "alloc")]
extern crate alloc;

pub mod asking;
mod clock;
mod epoch;
pub mod group;
mod kept;
pub mod objects;
pub mod package_age;
mod reserved;
pub mod session_records;
pub mod standing;
pub mod tree;

#[cfg(feature = "alloc")]
pub mod member;
#[cfg(feature = "alloc")]
mod outputs;
#[cfg(feature = "alloc")]
mod store;

// Inside of the crate they go by their own names.
use objects::{
    announcement, chain, confirmation, cursor, heartbeat, key_package, nonce, nonce_answer,
    package_set, signed, welcome,
};
#[cfg(feature = "alloc")]
use objects::{armour, delegation, enrolment, join_refusal, refused, token};

pub use clock::{RELEASED_AT, real_clock};
pub use kept::{KeptAccess, KeptKey, KeptPsk, KeptSecret, KeptSet, kept_name};
#[cfg(feature = "alloc")]
pub use outputs::Publication;
pub use reserved::{MAX_PREFIX_LEN, PrefixError, ReservedTopic, check_prefix, is_reserved};
#[cfg(feature = "alloc")]
pub use reserved::{
    announcements_filter, authority_filters, default_prefix, member_filter, retained_by_others,
};
#[cfg(feature = "alloc")]
pub use store::{
    Change, Changes, Conflict, LOG_PREFIX, SharedError, SharedStore, Store, StoredRecord, log_key,
    log_number,
};

// Everything by its name alone: the paths from before there were rooms.
#[doc(hidden)]
pub use {
    group::*,
    objects::*,
    standing::{Holding, Issued, Moment, Obstacle, Standing},
};
