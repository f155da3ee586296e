//! The vectors in `test-vectors/`: how they are made, and how they are checked with the real code.
//!
//! [`files`] makes them. Nothing here reads a clock or draws random numbers, so the same source
//! makes the same bytes; the program `vectors` writes them, or compares. [`check_file`] checks a
//! file, however it came about. `test-vectors/README.md` defines the format, and the Python program
//! beside it checks the same files without any of this code.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a program for this repository only: what cannot be made or checked has to stop it"
)]

mod check;
mod craft;
mod envelope;
mod fields;
mod file;
mod group;
mod hpke;
pub mod json;
mod keys;
mod world;

/// What nearly every file here needs.
mod prelude {
    pub(crate) use sealmq_core::crypto::{Digest, Secret, sha256};
    pub(crate) use sealmq_core::object::{Kind, List};
    pub(crate) use sealmq_core::wire::Suite;
    pub(crate) use sealmq_core::{DomainId, GroupId, MemberNumber};

    pub(crate) use super::craft::{blob, varint};
    pub(crate) use super::file::{Series, Vector, VectorFile};
    pub(crate) use super::json::{Json, object};
    pub(crate) use super::world::*;
    pub(crate) use crate::table::{stories, table};
}

/// The group that vectors are about, for fuzz targets.
pub(crate) mod kept {
    pub(crate) use super::check::kept::{Keys, member_keys};
    pub(crate) use super::group::Group;
    pub(crate) use super::world::{Authority, NOW, authority, continuing, domain, hash};
}

pub use check::{Counts, check_file};

/// Every file with its name, each made when it is asked for.
pub fn files() -> impl Iterator<Item = (&'static str, String)> {
    let make: [(_, fn() -> String); 2] =
        [("envelope.json", envelope::file), ("keys.json", keys::file)];
    make.into_iter().map(|(name, file)| (name, file()))
}
