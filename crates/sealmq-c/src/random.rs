//! A generator behind a callback.

use core::ffi::{c_int, c_void};
use core::fmt;

use rand_core::TryRng;

/// Fills a buffer, and returns 0.
pub(crate) type Fill =
    unsafe extern "C" fn(context: *mut c_void, bytes: *mut u8, len: usize) -> c_int;

pub(crate) fn fill(random: Fill, context: *mut c_void, out: &mut [u8]) -> Result<(), RandomFailed> {
    // SAFETY: the caller's own function, with the context that it gave for it, and a buffer of this
    // length.
    match unsafe { random(context, out.as_mut_ptr(), out.len()) } {
        0 => Ok(()),
        _ => Err(RandomFailed),
    }
}

pub(crate) fn next_u32<R: TryRng>(rng: &mut R) -> Result<u32, R::Error> {
    let mut bytes = [0; 4];
    rng.try_fill_bytes(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

pub(crate) fn next_u64<R: TryRng>(rng: &mut R) -> Result<u64, R::Error> {
    let mut bytes = [0; 8];
    rng.try_fill_bytes(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// It gave nothing.
#[derive(Debug)]
pub(crate) struct RandomFailed;

impl fmt::Display for RandomFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the random number generator failed")
    }
}

impl core::error::Error for RandomFailed {}
