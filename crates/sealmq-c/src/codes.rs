//! Numbers of errors, for both headers.

use core::ffi::{CStr, c_char};

/// What a call says. The numbers stay as they are; new ones may be added.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum sealmq_status {
    /// It worked.
    SEALMQ_OK = 0,
    /// A pointer that must not be null is null.
    SEALMQ_ERROR_NULL = 1,
    /// An argument makes no sense: no UTF-8, no topic, no filter, a length, a number. The text says
    /// which.
    SEALMQ_ERROR_ARGUMENT = 2,
    /// The buffer is too small; the length that is needed was told.
    SEALMQ_ERROR_BUFFER = 3,
    /// The handle is in another call: of another thread, or this call comes from one of its own
    /// callbacks. Use a handle in one thread at a time.
    SEALMQ_ERROR_IN_USE = 4,
    /// An earlier call with this handle failed halfway: free it, and open it again.
    SEALMQ_ERROR_POISONED = 5,
    /// The machine has ended: free the handle.
    SEALMQ_ERROR_ENDED = 6,
    /// The call does not fit what came before; the text says what is expected.
    SEALMQ_ERROR_ORDER = 7,
    /// A callback of the store failed. Nothing more comes out: repair the store, and open it again.
    SEALMQ_ERROR_STORE = 8,
    /// The random number generator failed.
    SEALMQ_ERROR_RANDOM = 9,
    /// The store holds no member, or not such a one; the text says what it holds.
    SEALMQ_ERROR_MEMBER = 10,
    /// Keys have not come yet, or have expired. Waiting may help: nothing is sent in clear instead.
    SEALMQ_ERROR_NO_KEYS = 11,
    /// This member may not do this: no group covers the topic, no grant, or it was removed.
    SEALMQ_ERROR_NOT_ALLOWED = 12,
    /// What the broker says that it takes excludes this: size, quality of service, retain.
    SEALMQ_ERROR_BROKER = 13,
    /// A message was refused: forged, replayed, too old, or of somebody who was removed.
    SEALMQ_ERROR_REJECTED = 14,
    /// The device does not become a member; the text says why.
    SEALMQ_ERROR_JOIN = 15,
    /// A bug of this library, and no fault of the caller's: please report the text.
    SEALMQ_ERROR_BUG = 16,
}

/// What a number of [`sealmq_status`] means, in a few words. Never null, and valid for ever; a
/// number that is not among them is "unknown".
#[unsafe(no_mangle)]
pub extern "C" fn sealmq_strerror(status: i32) -> *const c_char {
    strerror(status).as_ptr()
}

fn strerror(status: i32) -> &'static CStr {
    const TEXTS: [&CStr; 17] = [
        c"no error",
        c"null pointer",
        c"argument makes no sense",
        c"buffer too small",
        c"handle in use by another call",
        c"an earlier call failed halfway",
        c"the machine has ended",
        c"call out of order",
        c"the store failed",
        c"the random number generator failed",
        c"no usable member in the store",
        c"no keys, or expired ones",
        c"not allowed for this member",
        c"not possible at this broker",
        c"message rejected",
        c"not admitted to the domain",
        c"bug in sealmq",
    ];
    let place = usize::try_from(status).unwrap_or(usize::MAX);
    TEXTS.get(place).copied().unwrap_or(c"unknown")
}
