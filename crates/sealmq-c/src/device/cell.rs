//! The caller's place for a device: one call at a time.

use core::cell::{Cell, UnsafeCell};
use core::mem::MaybeUninit;

use super::machine::Machine;
use crate::arguments::Wrong;
use crate::codes::sealmq_status::{self, *};

/// Bytes of RAM that a device takes; all it has between calls.
pub const SEALMQ_DEVICE_SIZE: usize = 36864;

/// A device: a place of the caller's, such as a static, zero before [`sealmq_device_open`](super::sealmq_device_open),
/// and never moved or copied. Nothing in it is the caller's to read.
#[repr(C, align(16))]
pub struct sealmq_device {
    /// Its state, secrets included.
    pub opaque: [u8; SEALMQ_DEVICE_SIZE],
}

/// What stands in the place.
pub(super) struct Shell {
    /// That it was opened.
    open: Cell<u32>,
    busy: Cell<bool>,
    machine: UnsafeCell<MaybeUninit<Machine>>,
}

impl Shell {
    /// Wipes the secrets of an open device. A build for hosts has some of it in memory that it allocated.
    fn end(&self) {
        if self.open.replace(0) == OPEN {
            // SAFETY: nobody uses it: `busy` keeps everybody else out.
            let machine = unsafe { &mut *self.machine.get() };
            // SAFETY: it was made.
            unsafe { machine.assume_init_drop() };
        }
    }
}

const OPEN: u32 = 0x7365_616c;

const _: () = assert!(size_of::<Shell>() <= size_of::<sealmq_device>());
const _: () = assert!(align_of::<Shell>() <= align_of::<sealmq_device>());

/// An open device, or one that is being opened.
///
/// # Safety
/// `device` is null, or points to a place that was zero when it was handed over first.
unsafe fn shell<'a>(device: *mut sealmq_device) -> Result<&'a Shell, Wrong> {
    if device.is_null() {
        return Err(Wrong::null("device"));
    }
    if !device.is_aligned() {
        return Err(Wrong::argument("device", "not aligned"));
    }
    // SAFETY: there, aligned and large enough; `open` and `busy` are valid when zero, and `machine` is
    // not touched before `open` says that it was made.
    Ok(unsafe { &*device.cast::<Shell>() })
}

/// Makes a device in its place.
///
/// # Safety
/// As [`shell`].
pub(super) unsafe fn create(
    device: *mut sealmq_device,
    make: impl FnOnce(*mut Machine) -> Result<(), sealmq_status>,
) -> sealmq_status {
    // SAFETY: as the caller promises.
    let shell = match unsafe { shell(device) } {
        Ok(shell) => shell,
        Err(wrong) => return wrong.status,
    };
    if shell.busy.get() {
        return SEALMQ_ERROR_IN_USE;
    }
    shell.end();
    shell.busy.set(true);
    let made = make(shell.machine.get().cast());
    shell.busy.set(false);
    match made {
        Ok(()) => {
            shell.open.set(OPEN);
            SEALMQ_OK
        }
        Err(status) => status,
    }
}

/// Runs a call with an open device.
///
/// # Safety
/// As [`shell`].
pub(super) unsafe fn enter(
    device: *mut sealmq_device,
    work: impl FnOnce(&mut Machine) -> Result<(), sealmq_status>,
) -> sealmq_status {
    // SAFETY: as the caller promises.
    let shell = match unsafe { shell(device) } {
        Ok(shell) => shell,
        Err(wrong) => return wrong.status,
    };
    if shell.busy.get() {
        return SEALMQ_ERROR_IN_USE;
    }
    if shell.open.get() != OPEN {
        return SEALMQ_ERROR_ENDED;
    }
    shell.busy.set(true);
    // SAFETY: it was made, and `busy` keeps everybody else out.
    let machine = unsafe { &mut *shell.machine.get().cast::<Machine>() };
    let result = work(machine);
    if machine.has_failed() {
        // Memory is ahead of flash.
        shell.end();
    }
    shell.busy.set(false);
    match result {
        Ok(()) => SEALMQ_OK,
        Err(status) => status,
    }
}

impl From<Wrong> for sealmq_status {
    fn from(wrong: Wrong) -> Self {
        wrong.status
    }
}
