//! Checks test vectors on an emulated board: the first argument is a file with one vector in each line,
//! whose fixtures are resolved. What checks them is what checks them on a host, taken in here without
//! std; the memory that it allocates is the emulator's, beside what a device has.
#![no_std]
#![no_main]
#![feature(prelude_import)]
#![allow(internal_features, dead_code, unused_imports)]

#[macro_use]
extern crate alloc;

mod board;
mod semihosting;
#[path = "../../../sealmq-testkit/src/stand_ins.rs"]
mod stand_ins;
#[path = "../../../sealmq-testkit/src/table.rs"]
mod table;
#[path = "../../../sealmq-testkit/src/vectors/mod.rs"]
mod vectors;

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering};

#[cfg(not(feature = "virt"))]
use cortex_m_rt::entry;
#[cfg(feature = "virt")]
use riscv_rt::entry;

use semihosting::{File, command_line};

/// What std has in scope.
mod in_scope {
    pub use alloc::borrow::ToOwned;
    pub use alloc::boxed::Box;
    pub use alloc::string::{String, ToString};
    pub use alloc::vec::Vec;
    pub use core::prelude::rust_2024::*;
}
#[prelude_import]
use in_scope::*;

/// Writes a line to the console.
#[macro_export]
macro_rules! say {
    ($($part:tt)*) => {{
        let _ = core::fmt::Write::write_fmt(&mut $crate::semihosting::Log, format_args!($($part)*));
        let _ = core::fmt::Write::write_str(&mut $crate::semihosting::Log, "\n");
    }};
}

/// Memory that is taken from the front and given back all at once, after each vector.
struct Heap {
    used: AtomicUsize,
}

#[global_allocator]
static HEAP: Heap = Heap {
    used: AtomicUsize::new(0),
};

#[cfg(feature = "virt")]
const MEMORY: (usize, usize) = (0x8200_0000, 64 << 20);
/// PSRAM.
#[cfg(not(feature = "virt"))]
const MEMORY: (usize, usize) = (0x2100_0000, 16 << 20);

impl Heap {
    fn grow(&self, len: usize) {
        self.used.store(len, Ordering::Relaxed);
    }
}

// SAFETY: one core without interrupts; what is handed out is aligned, and not handed out again
// before `main` takes all back.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let from = self
            .used
            .load(Ordering::Relaxed)
            .next_multiple_of(layout.align());
        let end = from.saturating_add(layout.size());
        if end > MEMORY.1 {
            return core::ptr::null_mut();
        }
        self.grow(end);
        core::ptr::without_provenance_mut(MEMORY.0 + from)
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        let from = place.addr() - MEMORY.0;
        // The last one.
        if from + layout.size() == self.used.load(Ordering::Relaxed) {
            self.grow(from);
        }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        let from = place.addr() - MEMORY.0;
        let is_last = from + layout.size() == self.used.load(Ordering::Relaxed);
        if is_last && from + len <= MEMORY.1 {
            self.grow(from + len);
            return place;
        }
        // SAFETY: as `alloc`; the new place has room for what is copied.
        unsafe {
            let layout_there = Layout::from_size_align_unchecked(len, layout.align());
            let there = self.alloc(layout_there);
            if !there.is_null() {
                core::ptr::copy_nonoverlapping(place, there, layout.size().min(len));
            }
            there
        }
    }
}

#[entry]
fn main() -> ! {
    board::begin();
    semihosting::exit(u32::from(run().is_none()))
}

/// `None`: not all is good.
fn run() -> Option<()> {
    let mut line = [0; 256];
    let path = command_line(&mut line).split_ascii_whitespace().nth(1)?;
    let mut file = File::open(path, false)?;
    let (mut good, mut bad) = (0_u32, 0_u32);
    let mut len = [0; 8];
    // Eight digits, the vector.
    while file.read(&mut len) == len.len() {
        let len = core::str::from_utf8(&len).ok()?.trim().parse().ok()?;
        match check(&mut file, len) {
            Ok(()) => good += 1,
            Err(fault) => {
                bad += 1;
                say!("fault {fault}");
            }
        }
        HEAP.grow(0);
    }
    say!("vectors {good} good, {bad} bad");
    (bad == 0 && good > 0).then_some(())
}

fn check(file: &mut File, len: usize) -> Result<(), String> {
    let mut text = vec![0; len];
    if file.read(&mut text) != len {
        return Err("the file is short".into());
    }
    let text = String::from_utf8(text).map_err(|error| error.to_string())?;
    vectors::check_file(&text).map(drop)
}

#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    say!("fault {info}");
    semihosting::exit(101)
}
