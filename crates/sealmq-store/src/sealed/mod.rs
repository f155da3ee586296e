//! A store whose values are sealed, over whatever keeps bytes: a [`Backend`] sees keys, sealed
//! values, the header and the manifest, and makes a write whole or undone.

mod backend;
mod copies;
pub(crate) mod header;
pub(crate) mod log;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]
mod log_tests;
pub(crate) mod manifest;
pub(crate) mod seal;
mod segments;
mod store;
#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests;
pub(crate) mod unlock;

pub use backend::{Backend, Meta, MetaEntry, Reading, Segment, Visit, Writing};
pub use store::SealedStore;
pub(crate) use store::Shared;
