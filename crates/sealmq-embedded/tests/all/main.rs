//! The device machine against the real authority machine and the host's member, in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "an overflow or a panic fails the test"
)]

#[allow(unreachable_pub, reason = "shared by the tests of this binary")]
mod net;
#[allow(unreachable_pub, reason = "shared by the tests of this binary")]
mod nor;
#[allow(unreachable_pub, reason = "shared by the tests of this binary")]
mod stand_ins;

mod chunks;
mod clockless;
mod cuts;
mod flash;
mod following;
mod joining;
mod messages;
mod sizes;
