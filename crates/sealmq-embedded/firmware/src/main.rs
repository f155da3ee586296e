//! A sealmq sensor for emulated boards. `run` beside this folder shows what it does. `vectors.rs` is a
//! program of its own.
//!
//! | room | what it holds |
//! |---|---|
//! | `board` | a file for each board: UART, sleeping |
//! | `semihosting` | what the emulator gives: time, randomness, a file as flash, a console |
//! | `memory` | places for what is large; how deep the stack was |
//! | `transport` | the UART as a byte stream; an executor of one task |
//! | `client` | a device over an MQTT client: what an application takes |
//! | `commands` | what is sent to it; `no_commands` in a program that only publishes |
//! | `join` | the first start |
//! | `cost` | instructions, for the table in docs/device.md |
//! | `sensor` | the application |
#![no_std]
#![no_main]

mod board;
mod client;
#[cfg_attr(feature = "publish", path = "no_commands.rs")]
mod commands;
mod cost;
mod join;
mod memory;
mod semihosting;
mod sensor;
mod transport;

use core::panic::PanicInfo;

#[cfg(not(feature = "virt"))]
use cortex_m_rt::entry;
#[cfg(feature = "virt")]
use riscv_rt::entry;

/// Writes a line to the console.
#[macro_export]
macro_rules! say {
    ($($part:tt)*) => {{
        let _ = core::fmt::Write::write_fmt(&mut $crate::semihosting::Log, format_args!($($part)*));
        let _ = core::fmt::Write::write_str(&mut $crate::semihosting::Log, "\n");
    }};
}

#[entry]
fn main() -> ! {
    let stack = memory::Stack::paint();
    board::begin();
    let code = match sensor::run(stack) {
        Ok(()) => 0,
        Err(failure) => failure as u32,
    };
    say!("ended: {code}");
    semihosting::exit(code)
}

#[panic_handler]
fn panicked(_: &PanicInfo<'_>) -> ! {
    semihosting::exit(101)
}
