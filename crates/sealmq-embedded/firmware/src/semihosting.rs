//! What an emulated board has from its host: time, random numbers, a file as flash, a console.

use core::fmt::{self, Write};

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use rand_core::{TryCryptoRng, TryRng};
use sealmq_core::crypto::sha256;

use crate::board::semihost;

const OPEN: usize = 0x01;
const CLOSE: usize = 0x02;
const WRITE0: usize = 0x04;
const WRITE: usize = 0x05;
const READ: usize = 0x06;
const SEEK: usize = 0x0a;
const TIME: usize = 0x11;
const COMMAND_LINE: usize = 0x15;
const EXIT: usize = 0x20;
const ELAPSED: usize = 0x30;

const BINARY_READ: usize = 1;
const BINARY_CHANGE: usize = 3;

fn call<const N: usize>(operation: usize, arguments: &[usize; N]) -> usize {
    // SAFETY: each operation gets a block of the length that it reads, and buffers that outlive it.
    unsafe { semihost(operation, arguments.as_ptr() as usize) }
}

/// Unix milliseconds.
pub fn now() -> u64 {
    call(TIME, &[0]) as u32 as u64 * 1000
}

/// Microseconds since the start.
pub fn uptime() -> u64 {
    let mut ticks = [0_u32; 2];
    // SAFETY: the operation writes two words.
    unsafe { semihost(ELAPSED, ticks.as_mut_ptr() as usize) };
    (u64::from(ticks[1]) << 32 | u64::from(ticks[0])) / 1000
}

pub fn exit(code: u32) -> ! {
    call(EXIT, &[0x20026, code as usize]);
    loop {
        core::hint::spin_loop();
    }
}

/// The words that follow the program's name.
pub fn command_line(buffer: &mut [u8]) -> &str {
    let arguments = [buffer.as_mut_ptr() as usize, buffer.len()];
    call(COMMAND_LINE, &arguments);
    let end = buffer.iter().position(|byte| *byte == 0).unwrap_or(0);
    core::str::from_utf8(&buffer[..end]).unwrap_or_default()
}

/// A file of the host.
pub struct File(usize);

impl File {
    pub fn open(path: &str, to_change: bool) -> Option<Self> {
        let mut name = [0; 200];
        name.get_mut(..path.len())?.copy_from_slice(path.as_bytes());
        let mode = if to_change {
            BINARY_CHANGE
        } else {
            BINARY_READ
        };
        let handle = call(OPEN, &[name.as_ptr() as usize, mode, path.len()]);
        (handle != usize::MAX).then_some(Self(handle))
    }

    /// How many bytes were read.
    pub fn read(&mut self, out: &mut [u8]) -> usize {
        let left = call(READ, &[self.0, out.as_mut_ptr() as usize, out.len()]);
        out.len().saturating_sub(left)
    }

    fn write(&mut self, bytes: &[u8]) -> bool {
        call(WRITE, &[self.0, bytes.as_ptr() as usize, bytes.len()]) == 0
    }

    fn seek(&mut self, position: u32) -> bool {
        call(SEEK, &[self.0, position as usize]) == 0
    }
}

impl Drop for File {
    fn drop(&mut self) {
        call(CLOSE, &[self.0]);
    }
}

/// The console.
pub struct Log;

impl Write for Log {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for chunk in text.as_bytes().chunks(63) {
            let mut line = [0; 64];
            line[..chunk.len()].copy_from_slice(chunk);
            // SAFETY: it ends with a zero.
            unsafe { semihost(WRITE0, line.as_ptr() as usize) };
        }
        Ok(())
    }
}

/// A file of 64 KiB as NOR flash: what was written is there after the emulator was killed. Words
/// go out one by one, so that it can be killed between two.
pub struct Flash(pub File);

#[derive(Debug, Clone, Copy)]
pub struct Broken;

impl NorFlashError for Broken {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl ErrorType for Flash {
    type Error = Broken;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 4;

    fn read(&mut self, offset: u32, out: &mut [u8]) -> Result<(), Broken> {
        let done = self.0.seek(offset) && self.0.read(out) == out.len();
        done.then_some(()).ok_or(Broken)
    }

    fn capacity(&self) -> usize {
        64 * 1024
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Broken> {
        for at in (from..to).step_by(256) {
            let done = self.0.seek(at) && self.0.write(&[0xff; 256]);
            done.then_some(()).ok_or(Broken)?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Broken> {
        let mut done = self.0.seek(offset);
        for word in bytes.chunks(4) {
            done = done && self.0.write(word);
        }
        done.then_some(()).ok_or(Broken)
    }
}

/// The host's random numbers seed it, SHA-256 draws them out. A board has a peripheral for this.
pub struct Random {
    seed: [u8; 32],
    count: u64,
}

impl Random {
    pub fn seeded() -> Option<Self> {
        let mut seed = [0; 32];
        let len = File::open("/dev/urandom", false)?.read(&mut seed);
        (len == seed.len()).then_some(Self { seed, count: 0 })
    }
}

impl TryRng for Random {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.try_next_u64()? as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        for chunk in out.chunks_mut(32) {
            self.count += 1;
            let block = sha256(&[b"draw", &self.seed, &self.count.to_le_bytes()]).0;
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        self.seed = sha256(&[b"next", &self.seed]).0;
        Ok(())
    }
}

impl TryCryptoRng for Random {}
