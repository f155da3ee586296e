//! Objects, and groups of a tiny authority that knows every secret.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod announcements;
mod chunks;
mod following;
mod forks;
mod generations;
mod group_state;
mod leases;
mod not_followed;
mod objects;
mod pooled;
mod random_walk;
mod replacing;
mod sim;
mod small_objects;
mod suite2;
mod tokens;
mod welcomes;
