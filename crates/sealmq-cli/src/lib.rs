//! The sealmq program.
