//! Time and randomness: the caller's, or the operating system's.

use core::ffi::{c_int, c_void};
use core::ptr;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use getrandom::SysRng;
use rand_core::{TryCryptoRng, TryRng};
use sealmq_client::Time;

use crate::arguments::structure;
use crate::random::{RandomFailed, fill, next_u32, next_u64};
use crate::status::Failure;

/// A moment.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct sealmq_time {
    /// Milliseconds since any moment; they never go back.
    pub uptime_ms: u64,
    /// Milliseconds since 1970, UTC; 0 if the device does not know the time.
    pub unix_ms: u64,
}

/// Where time and randomness come from. All zero: from the operating system.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct sealmq_platform {
    /// Given to both callbacks.
    pub context: *mut c_void,
    /// Writes the time to `*now`. Null: the operating system's clocks.
    pub now: Option<unsafe extern "C" fn(context: *mut c_void, now: *mut sealmq_time)>,
    /// Fills `len` bytes at `bytes` with random numbers that nobody can guess, and returns 0;
    /// anything else says that it cannot. Null: the operating system's generator.
    pub random:
        Option<unsafe extern "C" fn(context: *mut c_void, bytes: *mut u8, len: usize) -> c_int>,
}

/// A platform in use.
pub(crate) struct Platform {
    callbacks: sealmq_platform,
    started: Instant,
}

impl Platform {
    /// Whoever gives callbacks promises that they do what they are to do as long as the handle lives.
    pub(crate) fn new(callbacks: sealmq_platform) -> Self {
        Self {
            callbacks,
            started: Instant::now(),
        }
    }

    pub(crate) fn time(&self) -> Time {
        let Some(now) = self.callbacks.now else {
            let uptime = self.started.elapsed().as_millis();
            // Before 1970 there is no time that could be compared with anything signed.
            let clock = SystemTime::now().duration_since(UNIX_EPOCH).ok();
            return Time {
                uptime: u64::try_from(uptime).unwrap_or(u64::MAX),
                clock: clock.and_then(|since| u64::try_from(since.as_millis()).ok()),
            };
        };
        let mut time = sealmq_time::default();
        // SAFETY: the caller's own function, with the context that it gave for it.
        unsafe { now(self.callbacks.context, &raw mut time) };
        Time {
            uptime: time.uptime_ms,
            clock: Some(time.unix_ms).filter(|ms| *ms != 0),
        }
    }

    pub(crate) const fn random(&self) -> Random {
        Random(self.callbacks)
    }
}

/// The generator.
pub(crate) struct Random(sealmq_platform);

impl TryRng for Random {
    type Error = RandomFailed;

    fn try_next_u32(&mut self) -> Result<u32, RandomFailed> {
        next_u32(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, RandomFailed> {
        next_u64(self)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), RandomFailed> {
        match self.0.random {
            Some(random) => fill(random, self.0.context, out),
            None => SysRng.try_fill_bytes(out).map_err(|_| RandomFailed),
        }
    }
}

impl TryCryptoRng for Random {}

/// # Safety
/// `given` is null, or points to callbacks that do what they are to do as long as the handle lives.
pub(crate) unsafe fn platform(given: *const sealmq_platform) -> Result<Platform, Failure> {
    let callbacks = match given.is_null() {
        true => sealmq_platform {
            context: ptr::null_mut(),
            now: None,
            random: None,
        },
        // SAFETY: as the caller promises.
        false => *unsafe { structure(given, "platform") }?,
    };
    Ok(Platform::new(callbacks))
}
