//! Stores as their users see them, also when files are damaged.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod behaviour;
mod common;
mod damage;
mod log;
mod vault;
