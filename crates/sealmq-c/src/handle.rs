//! Handles: one call at a time, and no panic gets out.

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::{Mutex, TryLockError};

use crate::arguments::{Place, structure};
use crate::status::Failure;
use crate::status::sealmq_status::{self, *};

/// What C holds by a pointer.
pub(crate) trait Handle: Sized {
    /// What is inside.
    type Inner;

    fn new(inner: Mutex<Self::Inner>) -> Self;
    fn inner(&self) -> &Mutex<Self::Inner>;
}

/// Runs a call.
pub(crate) fn run(work: impl FnOnce() -> Result<(), Failure>) -> sealmq_status {
    // Whatever a panic leaves behind is behind a lock, which it poisons.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => SEALMQ_OK,
        Ok(Err(failure)) => failure.keep(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Failure::new(SEALMQ_ERROR_BUG, text.unwrap_or("a panic without a text")).keep()
        }
    }
}

/// Makes a handle.
pub(crate) fn create<H: Handle>(place: &Place<*mut H>, inner: H::Inner) {
    place.put(Box::into_raw(Box::new(H::new(Mutex::new(inner)))));
}

/// Runs a call with a handle.
///
/// # Safety
/// `handle` is null, or came from the function that makes such handles and was not freed.
pub(crate) unsafe fn enter<H: Handle>(
    handle: *const H,
    work: impl FnOnce(&mut H::Inner) -> Result<(), Failure>,
) -> sealmq_status {
    run(|| {
        // SAFETY: the caller's promise is the same.
        let handle = unsafe { structure(handle, "handle") }?;
        match handle.inner().try_lock() {
            Ok(mut inner) => work(&mut inner),
            Err(TryLockError::WouldBlock) => Err(in_use()),
            Err(TryLockError::Poisoned(_)) => Err(Failure::new(
                SEALMQ_ERROR_POISONED,
                "an earlier call with this handle failed halfway: free it, and open it again",
            )),
        }
    })
}

/// Frees a handle, and sets it to null.
///
/// # Safety
/// `place` is null, or holds null or a handle as [`enter`] wants it.
pub(crate) unsafe fn free<H: Handle>(place: *mut *mut H) -> sealmq_status {
    run(|| {
        if place.is_null() {
            return Ok(());
        }
        // SAFETY: not null, and of this type, as the caller promises.
        let handle = unsafe { *place };
        if handle.is_null() {
            return Ok(());
        }
        // SAFETY: the caller's promise is the same.
        let borrowed = unsafe { structure(handle, "handle") }?;
        if matches!(borrowed.inner().try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(in_use());
        }
        // SAFETY: as above. Null from now on, so that nobody frees it again by this place.
        unsafe { place.write(core::ptr::null_mut()) };
        // SAFETY: `create` made it by `Box::into_raw`, and nobody else is using it.
        drop(unsafe { Box::from_raw(handle) });
        Ok(())
    })
}

fn in_use() -> Failure {
    Failure::new(
        SEALMQ_ERROR_IN_USE,
        "the handle is in another call, of another thread or of which this one is a callback: use it in one place at a time",
    )
}
