//! What spans the crates: vectors, corpora, the threat model's evidence, the simulation.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod absence;
mod corpora;
mod cuts;
mod json;
mod simulation;
mod simulation_sabotage;
mod threat_model;
mod vectors;
mod xwing;
