//! Test vectors, virtual clock, hostile broker and integration tests of sealmq.

pub mod fuzz;
pub mod vectors;
