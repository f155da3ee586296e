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

// What functions call that save and restore registers, instead of a dozen instructions in each of them
// (`+save-restore` in `build`): the routines that a C compiler's library has, as the RISC-V ABI's
// toolchain conventions name them. The return address is in t0.
global_asm!(
    ".pushsection .text.save_restore, \"ax\", @progbits",
    ".global __riscv_save_12, __riscv_save_11, __riscv_save_10, __riscv_save_9, __riscv_save_8",
    ".global __riscv_save_7, __riscv_save_6, __riscv_save_5, __riscv_save_4",
    ".global __riscv_save_3, __riscv_save_2, __riscv_save_1, __riscv_save_0",
    "__riscv_save_12:",
    "addi sp, sp, -64",
    "li t1, 0",
    "sw s11, 12(sp)",
    "j 1f",
    "__riscv_save_11:",
    "__riscv_save_10:",
    "__riscv_save_9:",
    "__riscv_save_8:",
    "addi sp, sp, -64",
    "li t1, 16",
    "1:",
    "sw s10, 16(sp)",
    "sw s9, 20(sp)",
    "sw s8, 24(sp)",
    "sw s7, 28(sp)",
    "j 2f",
    "__riscv_save_7:",
    "__riscv_save_6:",
    "__riscv_save_5:",
    "__riscv_save_4:",
    "addi sp, sp, -64",
    "li t1, 32",
    "2:",
    "sw s6, 32(sp)",
    "sw s5, 36(sp)",
    "sw s4, 40(sp)",
    "sw s3, 44(sp)",
    "sw s2, 48(sp)",
    "sw s1, 52(sp)",
    "sw s0, 56(sp)",
    "sw ra, 60(sp)",
    "add sp, sp, t1",
    "jr t0",
    "__riscv_save_3:",
    "__riscv_save_2:",
    "__riscv_save_1:",
    "__riscv_save_0:",
    "addi sp, sp, -16",
    "sw s2, 0(sp)",
    "sw s1, 4(sp)",
    "sw s0, 8(sp)",
    "sw ra, 12(sp)",
    "jr t0",
    ".global __riscv_restore_12, __riscv_restore_11, __riscv_restore_10, __riscv_restore_9",
    ".global __riscv_restore_8, __riscv_restore_7, __riscv_restore_6, __riscv_restore_5",
    ".global __riscv_restore_4, __riscv_restore_3, __riscv_restore_2, __riscv_restore_1",
    ".global __riscv_restore_0",
    "__riscv_restore_12:",
    "lw s11, 12(sp)",
    "addi sp, sp, 16",
    "__riscv_restore_11:",
    "__riscv_restore_10:",
    "__riscv_restore_9:",
    "__riscv_restore_8:",
    "lw s10, 0(sp)",
    "lw s9, 4(sp)",
    "lw s8, 8(sp)",
    "lw s7, 12(sp)",
    "addi sp, sp, 16",
    "__riscv_restore_7:",
    "__riscv_restore_6:",
    "__riscv_restore_5:",
    "__riscv_restore_4:",
    "lw s6, 0(sp)",
    "lw s5, 4(sp)",
    "lw s4, 8(sp)",
    "lw s3, 12(sp)",
    "addi sp, sp, 16",
    "__riscv_restore_3:",
    "__riscv_restore_2:",
    "__riscv_restore_1:",
    "__riscv_restore_0:",
    "lw s2, 0(sp)",
    "lw s1, 4(sp)",
    "lw s0, 8(sp)",
    "lw ra, 12(sp)",
    "addi sp, sp, 16",
    "ret",
    ".popsection",
);
