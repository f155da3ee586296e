//! Test vectors, fuzz targets and the tests that span the crates of sealmq.

// The firmware's program `vectors` takes `vectors` in, without std.
extern crate alloc;

pub mod fuzz;
pub mod sim;
pub mod stand_ins;
mod table;
pub mod vectors;
