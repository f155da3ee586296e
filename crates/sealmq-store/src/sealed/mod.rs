//! A store whose values are sealed, over whatever keeps bytes: a [`Backend`] sees keys, sealed
//! values, the header and the manifest, and makes a write whole or undone.

mod backend;
pub(crate) mod header;
pub(crate) mod manifest;
pub(crate) mod seal;
mod store;
#[cfg(test)]
mod tests;
pub(crate) mod unlock;

pub use backend::{Backend, Meta, MetaEntry, Reading, Visit, Writing};
pub use store::SealedStore;
pub(crate) use store::Shared;
