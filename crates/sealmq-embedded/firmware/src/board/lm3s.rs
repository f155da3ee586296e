//! lm3s6965evb: Cortex-M3 with 256 KiB of flash and 64 KiB of RAM, PL011 UART 0.

pub use super::cortex::{idle, semihost};

const UART: *mut u32 = 0x4000_c000 as *mut u32;

pub fn begin() {
    super::cortex::begin(12_500);
    // SAFETY: the registers of UART 0, which nothing else uses: 8 bits, FIFOs, then both ways on.
    unsafe {
        UART.add(11).write_volatile(0x70);
        UART.add(12).write_volatile(0x301);
    }
}

pub fn read() -> Option<u8> {
    // SAFETY: as above; bit 4 of the flags says that nothing is there.
    unsafe { (UART.add(6).read_volatile() & 0x10 == 0).then(|| UART.read_volatile() as u8) }
}

pub fn write(byte: u8) -> bool {
    // SAFETY: as above; bit 5 of the flags says that there is no room.
    unsafe {
        let room = UART.add(6).read_volatile() & 0x20 == 0;
        if room {
            UART.write_volatile(byte.into());
        }
        room
    }
}
