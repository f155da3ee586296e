//! Why a call failed, and the text of the last one.

use core::cell::RefCell;
use core::ffi::c_char;
use core::fmt::Display;
use std::ffi::CString;

use sealmq_client::{ClientError, OpenError, SealError};
use sealmq_keys::member::MemberError;

use crate::arguments::Wrong;
pub use crate::codes::{sealmq_status, sealmq_strerror};
use sealmq_status::*;

/// A call that did not work.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: sealmq_status,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(status: sealmq_status, text: impl Display) -> Self {
        Self {
            status,
            text: text.to_string(),
        }
    }

    pub(crate) fn null(what: &str) -> Self {
        Self::new(
            SEALMQ_ERROR_NULL,
            format_args!("`{what}` is a null pointer"),
        )
    }

    pub(crate) fn argument(what: &str, why: impl Display) -> Self {
        Self::new(SEALMQ_ERROR_ARGUMENT, format_args!("`{what}`: {why}"))
    }

    /// Keeps the text for [`sealmq_last_error`].
    pub(crate) fn keep(self) -> sealmq_status {
        LAST.set(text(&self.text));
        self.status
    }
}

impl From<Wrong> for Failure {
    fn from(wrong: Wrong) -> Self {
        let Wrong { status, what, why } = wrong;
        Self::new(status, format_args!("`{what}`: {why}"))
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Member(error) => error.into(),
            other => Self::new(SEALMQ_ERROR_ARGUMENT, other),
        }
    }
}

impl From<MemberError> for Failure {
    fn from(error: MemberError) -> Self {
        let status = match error {
            MemberError::Store(_) => SEALMQ_ERROR_STORE,
            MemberError::Random => SEALMQ_ERROR_RANDOM,
            MemberError::Name(_)
            | MemberError::Packages { .. }
            | MemberError::TokenName { .. }
            | MemberError::Prefix(_)
            | MemberError::RootKey => SEALMQ_ERROR_ARGUMENT,
            _ => SEALMQ_ERROR_MEMBER,
        };
        Self::new(status, error)
    }
}

impl From<&SealError> for sealmq_status {
    fn from(error: &SealError) -> Self {
        match error {
            SealError::NoKeysYet { .. }
            | SealError::KeysExpired { .. }
            | SealError::AwaitsAnnouncement { .. }
            | SealError::AwaitsCredential { .. }
            | SealError::LeaseExpired { .. }
            | SealError::NoLease { .. } => SEALMQ_ERROR_NO_KEYS,
            SealError::Reserved
            | SealError::NoGroup
            | SealError::NotGranted { .. }
            | SealError::Removed { .. }
            | SealError::NeedsLeases { .. }
            | SealError::CredentialExpired { .. }
            | SealError::SessionNumbersUsedUp => SEALMQ_ERROR_NOT_ALLOWED,
            SealError::Random => SEALMQ_ERROR_RANDOM,
            _ => SEALMQ_ERROR_ARGUMENT,
        }
    }
}

impl From<&ClientError> for sealmq_status {
    fn from(error: &ClientError) -> Self {
        match error {
            ClientError::Seal(error) => error.into(),
            ClientError::TooLarge { .. }
            | ClientError::QosNotSupported { .. }
            | ClientError::RetainNotSupported => SEALMQ_ERROR_BROKER,
            ClientError::Closed => SEALMQ_ERROR_ENDED,
            ClientError::Reserved | ClientError::NotMapped => SEALMQ_ERROR_NOT_ALLOWED,
            _ => SEALMQ_ERROR_ARGUMENT,
        }
    }
}

/// A text for C: it ends where a zero byte stands.
pub(crate) fn text(text: &str) -> CString {
    let whole = text.split('\0').next().unwrap_or_default();
    CString::new(whole).unwrap_or_default()
}

/// Writes a text with its zero byte; nothing, if the place is null.
///
/// # Safety
/// `pointer` is null, or `capacity` bytes may be written there.
pub(crate) unsafe fn put_text(
    pointer: *mut c_char,
    capacity: usize,
    text: &str,
) -> Result<(), Failure> {
    if pointer.is_null() {
        return Ok(());
    }
    let text = self::text(text);
    let bytes = text.as_bytes_with_nul();
    if bytes.len() > capacity {
        return Err(Failure::new(
            SEALMQ_ERROR_BUFFER,
            format_args!("{capacity} bytes, and {} are needed", bytes.len()),
        ));
    }
    // SAFETY: both are of this length at least, and the caller's is not the own one.
    unsafe { pointer.copy_from_nonoverlapping(bytes.as_ptr().cast(), bytes.len()) };
    Ok(())
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// What the last failed call of this thread says: what happened, and what helps. Empty if none
/// failed. Never null. Valid until the next call of this library that fails in this thread.
#[unsafe(no_mangle)]
pub extern "C" fn sealmq_last_error() -> *const c_char {
    LAST.with_borrow(|last| last.as_ptr())
}
