//! A member on a microcontroller: no std, no allocator, everything in one place of the caller's.

mod asking;
mod board;
mod calls;
mod cell;
mod joining;
mod machine;
mod message;
mod packets;

pub use board::*;
pub use calls::*;
pub use cell::*;
pub use message::*;
pub use packets::*;

/// Where a panic would end. There is none in this library: what could panic is refused by its lints,
/// and the firmware's build may take the way out (`-Cpanic=immediate-abort`).
#[cfg(all(not(feature = "host"), not(test)))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn sealmq_device_fault() -> !;
    }
    // SAFETY: the firmware's own function, which does not return.
    unsafe { sealmq_device_fault() }
}
