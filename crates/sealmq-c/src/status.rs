//! Numbers of errors, and the text of the last one.

use core::cell::RefCell;
use core::ffi::{CStr, c_char};
use core::fmt::Display;
use std::ffi::CString;

use sealmq_client::{ClientError, OpenError, SealError};
use sealmq_keys::member::MemberError;

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

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// What the last failed call of this thread says: what happened, and what helps. Empty if none
/// failed. Never null. Valid until the next call of this library that fails in this thread.
#[unsafe(no_mangle)]
pub extern "C" fn sealmq_last_error() -> *const c_char {
    LAST.with_borrow(|last| last.as_ptr())
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
