//! What the benchmarks share: a group with one sender and one reader, the same work done by the
//! primitives alone, and a way to compare the two.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a benchmark that cannot run as meant has to stop"
)]

mod domain;
mod engine;
mod floor;
mod group;
mod growth;
mod measure;
mod objects;
mod scale;
mod site;

pub use domain::{CountingRng, Domain, NOW};
pub use engine::Engine;
pub use floor::Floor;
pub use group::{Group, HEADROOM, Message, Reader, SenderNumbers};
pub use growth::{Allocator, Cost, Costs, Scene};
pub use measure::{Paired, Stopwatch, paired, per_call};
pub use objects::ObjectSizes;
pub use scale::{Change, Fleet, Follower, fan_out};
pub use site::{Device, Site};

/// Payload sizes that the table shows.
pub const SIZES: [usize; 5] = [64, 256, 1024, 16 * 1024, 1024 * 1024];
