//! What the board provides.

use core::ffi::{c_int, c_void};

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use rand_core::{TryCryptoRng, TryRng};
use sealmq_embedded::Clock;

use crate::arguments::Wrong;
use crate::random::{Fill, RandomFailed, fill, next_u32, next_u64};

/// Bytes that are erased together: pages of a board may be smaller, if a whole number of them makes
/// one of these.
pub const SEALMQ_FLASH_PAGE: u32 = 4096;
/// Bytes that are programmed together: a multiple of what the flash is programmed by.
pub const SEALMQ_FLASH_WORD: u32 = 8;
/// Bytes of flash that are enough for years.
pub const SEALMQ_FLASH_SIZE: u32 = 16 * SEALMQ_FLASH_PAGE;

/// What the board provides. Callbacks must return, are not called from interrupts, and must not call
/// the device that calls them. All but `device_key` and `context` must be there.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct sealmq_board {
    /// Given to all callbacks.
    pub context: *mut c_void,
    /// Bytes of flash, a multiple of `SEALMQ_FLASH_PAGE`; `SEALMQ_FLASH_SIZE` are enough. Addresses
    /// count from 0, wherever the region is on the board.
    pub flash_size: u32,
    /// Reads `len` bytes from `at` on. Returns 0, or an error.
    pub flash_read: Option<
        unsafe extern "C" fn(context: *mut c_void, at: u32, bytes: *mut u8, len: usize) -> c_int,
    >,
    /// Programs `len` bytes from `at` on, both multiples of `SEALMQ_FLASH_WORD`, where all was erased
    /// before. **Durable** when it returns 0. Power may fail at any byte.
    pub flash_program: Option<
        unsafe extern "C" fn(context: *mut c_void, at: u32, bytes: *const u8, len: usize) -> c_int,
    >,
    /// Erases from `from` up to `to`, both multiples of `SEALMQ_FLASH_PAGE`. Returns 0, or an error.
    pub flash_erase:
        Option<unsafe extern "C" fn(context: *mut c_void, from: u32, to: u32) -> c_int>,
    /// Writes milliseconds since the start of the device, which never go back, to `*uptime_ms`, and the
    /// time in milliseconds since 1970 to `*unix_ms`: 0 if it is not known. Groups then need leases.
    pub now:
        Option<unsafe extern "C" fn(context: *mut c_void, uptime_ms: *mut u64, unix_ms: *mut u64)>,
    /// Fills `len` bytes at `bytes` with random numbers, and returns 0; anything else: it cannot. A
    /// weak generator is helped out by a secret that the device keeps; a stuck one is refused.
    pub random:
        Option<unsafe extern "C" fn(context: *mut c_void, bytes: *mut u8, len: usize) -> c_int>,
    /// 32 bytes that cannot be read from outside, always the same, which encrypt what is in flash; or
    /// null.
    pub device_key: *const u8,
}

type Read = unsafe extern "C" fn(*mut c_void, u32, *mut u8, usize) -> c_int;
type Program = unsafe extern "C" fn(*mut c_void, u32, *const u8, usize) -> c_int;
type Erase = unsafe extern "C" fn(*mut c_void, u32, u32) -> c_int;
type Now = unsafe extern "C" fn(*mut c_void, *mut u64, *mut u64);

/// Clock and generator, which are there.
#[derive(Clone, Copy)]
pub(super) struct Board {
    context: *mut c_void,
    now: Now,
    random: Fill,
}

impl Board {
    pub(super) fn new(given: &sealmq_board) -> Result<Self, Wrong> {
        Ok(Self {
            context: given.context,
            now: given.now.ok_or(Wrong::null("now"))?,
            random: given.random.ok_or(Wrong::null("random"))?,
        })
    }

    pub(super) fn clock(&self) -> Clock {
        let (mut uptime, mut unix) = (0, 0);
        // SAFETY: the caller's own function, with its context and places for both numbers.
        unsafe { (self.now)(self.context, &raw mut uptime, &raw mut unix) };
        Clock {
            now: Some(unix).filter(|unix| *unix != 0),
            uptime: Some(uptime),
        }
    }

    pub(super) const fn random(&self) -> Random {
        Random(*self)
    }
}

pub(super) struct Random(Board);

impl TryRng for Random {
    type Error = RandomFailed;

    fn try_next_u32(&mut self) -> Result<u32, RandomFailed> {
        next_u32(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, RandomFailed> {
        next_u64(self)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), RandomFailed> {
        fill(self.0.random, self.0.context, out)
    }
}

impl TryCryptoRng for Random {}

/// The flash, whose callbacks are there.
pub(super) struct Flash {
    context: *mut c_void,
    size: u32,
    read: Read,
    program: Program,
    erase: Erase,
}

/// A callback did not return 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct DriverFailed;

impl NorFlashError for DriverFailed {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

const fn check(code: c_int) -> Result<(), DriverFailed> {
    match code {
        0 => Ok(()),
        _ => Err(DriverFailed),
    }
}

impl Flash {
    pub(super) fn new(given: &sealmq_board) -> Result<Self, Wrong> {
        Ok(Self {
            context: given.context,
            size: given.flash_size,
            read: given.flash_read.ok_or(Wrong::null("flash_read"))?,
            program: given.flash_program.ok_or(Wrong::null("flash_program"))?,
            erase: given.flash_erase.ok_or(Wrong::null("flash_erase"))?,
        })
    }
}

impl ErrorType for Flash {
    type Error = DriverFailed;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), DriverFailed> {
        // SAFETY: the caller's own function, with its context and a buffer of this length.
        check(unsafe { (self.read)(self.context, offset, bytes.as_mut_ptr(), bytes.len()) })
    }

    fn capacity(&self) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX)
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = SEALMQ_FLASH_WORD as usize;
    const ERASE_SIZE: usize = SEALMQ_FLASH_PAGE as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), DriverFailed> {
        // SAFETY: the caller's own function, with its context.
        check(unsafe { (self.erase)(self.context, from, to) })
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), DriverFailed> {
        // SAFETY: the caller's own function, with its context and so many bytes.
        check(unsafe { (self.program)(self.context, offset, bytes.as_ptr(), bytes.len()) })
    }
}
