//! The board: one file each. What they share of the emulator is in `semihosting`.

#[cfg(not(feature = "virt"))]
mod cortex;
#[cfg(feature = "lm3s")]
mod lm3s;
#[cfg(feature = "mps2")]
mod mps2;
#[cfg(feature = "virt")]
mod virt;

#[cfg(feature = "lm3s")]
pub use lm3s::*;
#[cfg(feature = "mps2")]
pub use mps2::*;
#[cfg(feature = "virt")]
pub use virt::*;
