//! What a caller in C gives, checked. Which memory a pointer points to, only the caller can know:
//! that is what `# Safety` asks for.

use core::ffi::{CStr, c_char};
use core::slice;

use crate::codes::sealmq_status::{self, *};

/// An argument that cannot be used.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "host"),
    allow(dead_code, reason = "devices have no place for words")
)]
pub(crate) struct Wrong {
    pub(crate) status: sealmq_status,
    pub(crate) what: &'static str,
    pub(crate) why: &'static str,
}

impl Wrong {
    pub(crate) const fn null(what: &'static str) -> Self {
        Self {
            status: SEALMQ_ERROR_NULL,
            what,
            why: "a null pointer",
        }
    }

    pub(crate) const fn argument(what: &'static str, why: &'static str) -> Self {
        Self {
            status: SEALMQ_ERROR_ARGUMENT,
            what,
            why,
        }
    }
}

/// A text that must be there.
///
/// # Safety
/// `pointer` is null, or a zero-terminated string that stays as it is for `'a`.
pub(crate) unsafe fn text<'a>(
    pointer: *const c_char,
    what: &'static str,
) -> Result<&'a str, Wrong> {
    // SAFETY: the caller's promise is the same.
    let text = unsafe { optional_text(pointer, what) }?;
    text.ok_or_else(|| Wrong::null(what))
}

/// A text, or none.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn optional_text<'a>(
    pointer: *const c_char,
    what: &'static str,
) -> Result<Option<&'a str>, Wrong> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: not null, and zero-terminated, as the caller promises.
    let text = unsafe { CStr::from_ptr(pointer) };
    let text = text.to_str();
    text.map(Some)
        .map_err(|_| Wrong::argument(what, "not valid UTF-8"))
}

/// An array; empty if `len` is 0, whatever the pointer.
///
/// # Safety
/// `pointer` is null, or `len` elements stand there and stay as they are for `'a`.
pub(crate) unsafe fn array<'a, T>(
    pointer: *const T,
    len: usize,
    what: &'static str,
) -> Result<&'a [T], Wrong> {
    if len == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(Wrong::null(what));
    }
    if !pointer.is_aligned() {
        return Err(Wrong::argument(what, "not aligned"));
    }
    let bytes = len.checked_mul(size_of::<T>());
    if bytes.is_none_or(|bytes| isize::try_from(bytes).is_err()) {
        return Err(Wrong::argument(what, "a length that no memory has"));
    }
    // SAFETY: not null, aligned, of a size that memory can have, and there, as the caller promises.
    Ok(unsafe { slice::from_raw_parts(pointer, len) })
}

/// A structure that must be there.
///
/// # Safety
/// `pointer` is null, or points to a `T` that stays as it is for `'a`.
pub(crate) unsafe fn structure<'a, T>(
    pointer: *const T,
    what: &'static str,
) -> Result<&'a T, Wrong> {
    if !pointer.is_null() && !pointer.is_aligned() {
        return Err(Wrong::argument(what, "not aligned"));
    }
    // SAFETY: null, or aligned and there, as the caller promises.
    unsafe { pointer.as_ref() }.ok_or_else(|| Wrong::null(what))
}

/// A place for a result, which is checked before anything is done.
pub(crate) struct Place<T>(*mut T);

impl<T> Place<T> {
    /// # Safety
    /// `pointer` is null, or a `T` may be written there until the call ends.
    pub(crate) unsafe fn new(pointer: *mut T, what: &'static str) -> Result<Self, Wrong> {
        if pointer.is_null() {
            return Err(Wrong::null(what));
        }
        if !pointer.is_aligned() {
            return Err(Wrong::argument(what, "not aligned"));
        }
        Ok(Self(pointer))
    }

    /// # Safety
    /// As [`Place::new`]; null: the caller does not want to know.
    #[cfg(feature = "host")]
    pub(crate) unsafe fn optional(
        pointer: *mut T,
        what: &'static str,
    ) -> Result<Option<Self>, Wrong> {
        if pointer.is_null() {
            return Ok(None);
        }
        // SAFETY: the caller's promise is the same.
        unsafe { Self::new(pointer, what) }.map(Some)
    }

    pub(crate) fn put(&self, value: T) {
        // SAFETY: whoever made this place promised that a `T` may be written there. What stood
        // there needs no drop: C has none.
        unsafe { self.0.write(value) }
    }
}
