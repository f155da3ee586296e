//! Clients in virtual time: no socket, no clock, no waiting.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod crash;
mod doubt;
mod expiry;
mod isolation;
mod joining;
mod limits;
mod node;
mod order;
mod outcomes;
mod persistent;
mod sessions;
mod short;
mod standing;
mod state;
mod state_attacks;
mod waiting;
mod wills;
mod world;
