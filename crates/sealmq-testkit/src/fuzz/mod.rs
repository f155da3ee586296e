//! The bodies of the fuzz targets in `fuzz/`: ordinary functions, so that `cargo test` replays
//! every corpus with the same code. A broken invariant is a panic.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a panic is how a fuzz target reports a finding"
)]

mod chunk;
mod files;
mod follow;
mod input;
mod join;
mod kept;
mod kept_keys;
mod objects;
mod open;
mod seeds;
mod signed;
mod small;
mod state;
mod topics;
mod wire;
pub(crate) mod world;

pub use chunk::chunk;
pub use files::{armour, audit_entry, reserved_topic, token};
pub use follow::follow;
pub use join::join_request;
pub use kept::{kept, kept_state};
pub use kept_keys::kept_keys;
pub use objects::{credential, delegation, enrolment_request, key_package};
pub use open::open;
pub use seeds::{Seed, seeds};
pub use signed::{announcement, refused_list, welcome};
pub use small::{confirmation, heartbeat, join_refusal, nonce_answer, package_set};
pub use state::{group_state, replay_record};
pub use topics::topics;
pub use wire::{body, envelope_header, properties, varint};

/// One fuzz target: takes any bytes, panics if something is wrong, and says whether the bytes
/// were accepted (or, for a script of actions, whether it got somewhere).
pub type Target = fn(&[u8]) -> bool;

/// Every target by the name of its file in `fuzz/fuzz_targets` and of its folder in `fuzz/corpus`.
pub const TARGETS: &[(&str, Target)] = &[
    ("varint", varint),
    ("envelope_header", envelope_header),
    ("body", body),
    ("properties", properties),
    ("topics", topics),
    ("delegation", delegation),
    ("credential", credential),
    ("key_package", key_package),
    ("enrolment_request", enrolment_request),
    ("welcome", welcome),
    ("announcement", announcement),
    ("refused_list", refused_list),
    ("chunk", chunk),
    ("heartbeat", heartbeat),
    ("nonce_answer", nonce_answer),
    ("confirmation", confirmation),
    ("package_set", package_set),
    ("join_request", join_request),
    ("join_refusal", join_refusal),
    ("kept_keys", kept_keys),
    ("group_state", group_state),
    ("kept_state", kept_state),
    ("replay_record", replay_record),
    ("armour", armour),
    ("token", token),
    ("audit_entry", audit_entry),
    ("reserved_topic", reserved_topic),
    ("open", open),
    ("follow", follow),
    ("kept", kept),
];
