//! The board: one file each. What they share of the emulator is in `semihosting`.

#[cfg(not(feature = "virt"))]
mod cortex;
#[cfg(feature = "mps2")]
mod mps2;
#[cfg(feature = "virt")]
mod virt;

#[cfg(feature = "mps2")]
pub use mps2::*;
#[cfg(feature = "virt")]
pub use virt::*;
