//! The backend of [`FileStore`](crate::FileStore): a redb database in one file.

mod backend;
pub(crate) mod database;
mod segments;

pub use backend::RedbFile;
pub(crate) use backend::{peek, read_meta};
#[cfg(test)]
pub(crate) use segments::Segments;
