//! mps2-an386: Cortex-M4, CMSDK UART 0.

#[cfg(feature = "cost")]
pub use super::cortex::ticks;
pub use super::cortex::{idle, semihost};

const UART: *mut u32 = 0x4000_4000 as *mut u32;

pub fn begin() {
    super::cortex::begin(25_000);
    // SAFETY: the registers of UART 0, which nothing else uses: baud rate divider, then both ways on.
    unsafe {
        UART.add(4).write_volatile(16);
        UART.add(2).write_volatile(3);
    }
}

pub fn read() -> Option<u8> {
    // SAFETY: as above; bit 1 of the state says that a byte is there.
    unsafe { (UART.add(1).read_volatile() & 2 != 0).then(|| UART.read_volatile() as u8) }
}

pub fn write(byte: u8) -> bool {
    // SAFETY: as above; bit 0 of the state says that there is no room.
    unsafe {
        let room = UART.add(1).read_volatile() & 1 == 0;
        if room {
            UART.write_volatile(byte.into());
        }
        room
    }
}
