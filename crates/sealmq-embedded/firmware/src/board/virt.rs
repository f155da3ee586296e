//! virt: RISC-V 32, 16550 UART, CLINT.

use core::arch::{asm, global_asm};

const UART: *mut u8 = 0x1000_0000 as *mut u8;
const TIME: *mut u32 = 0x0200_bff8 as *mut u32;
const COMPARE: *mut u32 = 0x0200_4000 as *mut u32;

pub fn begin() {
    // SAFETY: wakes `wfi` by the timer; no interrupt is taken, because they stay off globally.
    unsafe { riscv::register::mie::set_mtimer() };
}

/// Sleeps for a millisecond at most: the timer has 10 MHz.
pub fn idle() {
    // SAFETY: the CLINT's registers, which nothing else uses.
    unsafe {
        let next = TIME.read_volatile().wrapping_add(10_000);
        COMPARE.add(1).write_volatile(TIME.add(1).read_volatile());
        COMPARE.write_volatile(next);
    }
    riscv::asm::wfi();
}

pub fn read() -> Option<u8> {
    // SAFETY: the UART's registers, which nothing else uses; bit 0: a byte is there.
    unsafe { (UART.add(5).read_volatile() & 1 != 0).then(|| UART.read_volatile()) }
}

pub fn write(byte: u8) -> bool {
    // SAFETY: as above; bit 5: there is room.
    unsafe {
        let room = UART.add(5).read_volatile() & 0x20 != 0;
        if room {
            UART.write_volatile(byte);
        }
        room
    }
}

// The three instructions have to stand in one page, and uncompressed.
global_asm!(
    ".pushsection .text.semihost",
    ".balign 16",
    ".option push",
    ".option norvc",
    ".global sensor_semihost",
    "sensor_semihost:",
    "slli x0, x0, 0x1f",
    "ebreak",
    "srai x0, x0, 7",
    "ret",
    ".option pop",
    ".popsection",
);

/// # Safety
/// `argument` is what the operation wants.
pub unsafe fn semihost(operation: usize, argument: usize) -> usize {
    let result;
    // SAFETY: the caller's; the call changes nothing but what a C function may.
    unsafe {
        asm!("call sensor_semihost", inout("a0") operation => result, in("a1") argument,
            clobber_abi("C"));
    }
    result
}
