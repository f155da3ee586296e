//! The boundary, as far as Rust can see it. `check` plays the rest from C, under valgrind.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    reason = "a test may fail loudly, and plays the caller in C"
)]

mod boundary;
mod header;
