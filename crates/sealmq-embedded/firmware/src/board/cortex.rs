//! What Cortex-M boards share.

use core::arch::asm;

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{Peripherals, SCB};

/// Wakes `wfi` every millisecond; no interrupt is taken, because they stay off. With the feature `cost`
/// the timer runs through all that it has, and nobody waits.
pub fn begin(ticks: u32) {
    let ticks = if cfg!(feature = "cost") {
        0xff_ffff
    } else {
        ticks
    };
    cortex_m::interrupt::disable();
    if let Some(mut peripherals) = Peripherals::take() {
        peripherals.SYST.set_clock_source(SystClkSource::Core);
        peripherals.SYST.set_reload(ticks);
        peripherals.SYST.clear_current();
        peripherals.SYST.enable_interrupt();
        peripherals.SYST.enable_counter();
    }
}

pub fn idle() {
    if cfg!(not(feature = "cost")) {
        cortex_m::asm::wfi();
        SCB::clear_pendst();
    }
}

/// What the timer has, counting down.
#[cfg(feature = "cost")]
pub fn ticks() -> u32 {
    cortex_m::peripheral::SYST::get_current()
}

/// # Safety
/// `argument` is what the operation wants.
pub unsafe fn semihost(operation: usize, argument: usize) -> usize {
    let result;
    // SAFETY: the caller's.
    unsafe { asm!("bkpt 0xab", inout("r0") operation => result, in("r1") argument) };
    result
}
