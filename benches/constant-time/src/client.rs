//! Requests to Valgrind (valgrind.h, memcheck.h), on x86-64.

use std::arch::asm;

const RUNNING_ON_VALGRIND: usize = 0x1001;
const MAKE_MEM_UNDEFINED: usize = 0x4d43_0001;
const MAKE_MEM_DEFINED: usize = 0x4d43_0002;

fn request(number: usize, start: usize, len: usize) -> usize {
    let arguments: [usize; 6] = [number, start, len, 0, 0, 0];
    let mut result = 0_usize;
    // SAFETY: four rotations by 128 bits in all and an exchange of a register with itself change
    // nothing on a processor; Valgrind takes them for a request, reads the arguments, and answers in
    // rdx.
    unsafe {
        asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") &raw const arguments,
            inout("rdx") result,
        );
    }
    result
}

/// Whether Valgrind runs this.
pub(crate) fn is_there() -> bool {
    request(RUNNING_ON_VALGRIND, 0, 0) > 0
}

/// From now on nobody may branch on these, or use them as an index.
pub(crate) fn secret(bytes: &mut [u8]) {
    request(MAKE_MEM_UNDEFINED, bytes.as_mut_ptr() as usize, bytes.len());
}

/// What went out, or may be known.
pub(crate) fn public(bytes: &mut [u8]) {
    request(MAKE_MEM_DEFINED, bytes.as_mut_ptr() as usize, bytes.len());
}
