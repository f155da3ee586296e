//! The bundled broker, with clients of its own and of Mosquitto.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod access;
mod common;
mod delivery;
mod failing;
mod figures;
mod hostile;
mod lifecycle;
mod limits;
mod mosquitto;
mod permissions;
mod persistence;
mod raw;
mod refusals;
mod reload;
mod websocket;
