//! Sealing and opening, by insiders, over restarts, in any order.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod ahead;
mod delegations;
mod durability;
mod flood;
mod forged_state;
mod insiders;
mod nonces;
mod replay;
mod round_trip;
mod short;
mod state;
mod state_credentials;
mod state_forgotten;
mod tampering;
mod walk;
mod world;
