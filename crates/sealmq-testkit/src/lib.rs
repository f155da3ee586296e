//! Test vectors, fuzz targets and the tests that span the crates of sealmq.

pub mod fuzz;
pub mod sim;
pub mod stand_ins;
mod table;
pub mod vectors;
