//! Where state is kept: callbacks of the caller.

use core::ffi::{c_char, c_int, c_void};
use core::fmt;
use core::ops::Bound;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::ptr;

use sealmq_keys::{Change, Changes, Conflict, Store, StoredRecord};
use zeroize::Zeroizing;

use crate::arguments::{array, structure, text};
use crate::handle::run;
use crate::status::{Failure, sealmq_status};

/// One change of a store.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct sealmq_change {
    /// The record's key: printable ASCII, at most 255 bytes, for example `group/…/state`. Not secret.
    pub key: *const c_char,
    /// The record's new value, **secret**; null if the record is to be removed.
    pub value: *const u8,
    /// Its length in bytes; 0 is a length as any other.
    pub value_len: usize,
    /// The record is to be removed. One that is not there is no error.
    pub remove: bool,
}

/// Takes the records that a store holds, while it is loaded.
pub struct sealmq_loader {
    records: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

/// A store of the caller's: a map from keys to secret values. One handle at a time works with one
/// store: two would use the same numbers twice.
///
/// The records are what makes the device the member that it is. Who reads them can act as it, so
/// keep them from others (a file of mode 0600; better, encrypted). Never put back an old copy.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct sealmq_store {
    /// Given to both callbacks.
    pub context: *mut c_void,
    /// Gives every record to `loader`, by [`sealmq_loader_add`]; none, if the store is new. Called
    /// when a handle is made. Returns 0, or any other number if the store cannot be read.
    pub load:
        Option<unsafe extern "C" fn(context: *mut c_void, loader: *mut sealmq_loader) -> c_int>,
    /// Carries out `count` changes, in their order: all of them or none, and **durably** when it
    /// returns 0: after a power cut they are there. Any other number says that nothing was changed;
    /// the handle then has ended. The changes are gone when the call returns.
    pub commit: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            changes: *const sealmq_change,
            count: usize,
        ) -> c_int,
    >,
}

/// Gives one record to whoever loads a store: its `key`, zero-terminated, and `len` bytes at
/// `value`. Both are copied.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (the key is no UTF-8).
///
/// # Safety
/// `loader` is the one that `load` was called with, during that call; `len` bytes stand at `value`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_loader_add(
    loader: *mut sealmq_loader,
    key: *const c_char,
    value: *const u8,
    len: usize,
) -> sealmq_status {
    run(|| {
        // SAFETY: as the caller promises; `load` hands it out and uses it for nothing else meanwhile.
        let loader = unsafe { loader.as_mut() }.ok_or_else(|| Failure::null("loader"))?;
        // SAFETY: as the caller promises.
        let key = unsafe { text(key, "key") }?;
        // SAFETY: as the caller promises.
        let value = unsafe { array(value, len, "value") }?;
        let value = Zeroizing::new(value.to_vec());
        loader.records.insert(key.to_owned(), value);
        Ok(())
    })
}

/// The callbacks, which are there.
#[derive(Clone, Copy)]
pub(crate) struct Callbacks(sealmq_store);

impl Callbacks {
    /// # Safety
    /// `store` is null, or points to a store whose callbacks do what they are to do as long as the
    /// handle lives.
    pub(crate) unsafe fn new(store: *const sealmq_store) -> Result<Self, Failure> {
        // SAFETY: as the caller promises.
        let store = unsafe { structure(store, "store") }?;
        match (store.load, store.commit) {
            (Some(_), Some(_)) => Ok(Self(*store)),
            (None, _) => Err(Failure::null("store.load")),
            (_, None) => Err(Failure::null("store.commit")),
        }
    }

    pub(crate) fn load(self) -> Result<Loaded, CallbackFailed> {
        let mut loader = sealmq_loader {
            records: BTreeMap::new(),
        };
        if let Some(load) = self.0.load {
            // SAFETY: the caller's own function, with its context and a loader that lives for the call.
            let code = unsafe { load(self.0.context, &raw mut loader) };
            check(code, "load")?;
        }
        Ok(Loaded {
            records: loader.records,
            callbacks: self,
        })
    }

    pub(crate) fn commit(self, changes: &Changes) -> Result<(), CallbackFailed> {
        if changes.iter().any(|c| matches!(c, Change::Expect { .. })) {
            self.load()?.check_expected(changes)?;
        }
        let keys: Vec<_> = changes.iter().map(|change| text_of(change.key())).collect();
        let listed = changes.iter().zip(&keys).filter_map(|(change, key)| {
            let (value, value_len, remove) = match change {
                Change::Put { value, .. } => (value.as_ptr(), value.len(), false),
                Change::Delete { .. } => (ptr::null(), 0, true),
                Change::Expect { .. } => return None,
            };
            Some(sealmq_change {
                key: key.as_ptr(),
                value,
                value_len,
                remove,
            })
        });
        let listed: Vec<_> = listed.collect();
        if listed.is_empty() {
            return Ok(());
        }
        let Some(commit) = self.0.commit else {
            return Ok(()); // was checked
        };
        // SAFETY: the caller's own function, with its context; keys and values live for the call.
        let code = unsafe { commit(self.0.context, listed.as_ptr(), listed.len()) };
        check(code, "commit")
    }
}

fn text_of(key: &str) -> CString {
    crate::status::text(key)
}

const fn check(code: c_int, call: &'static str) -> Result<(), CallbackFailed> {
    match code {
        0 => Ok(()),
        code => Err(CallbackFailed::Code(call, code)),
    }
}

/// What a store holds, in memory for as long as a machine is made.
pub(crate) struct Loaded {
    records: BTreeMap<String, Zeroizing<Vec<u8>>>,
    callbacks: Callbacks,
}

impl Loaded {
    fn check_expected(&self, changes: &Changes) -> Result<(), CallbackFailed> {
        match changes.conflict(|key| self.get(key))? {
            Some(conflict) => Err(CallbackFailed::Conflict(conflict)),
            None => Ok(()),
        }
    }
}

impl Store for Loaded {
    type Error = CallbackFailed;

    fn get(&self, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, CallbackFailed> {
        Ok(self.records.get(key).cloned())
    }

    fn list(&self, prefix: &str) -> Result<Vec<StoredRecord>, CallbackFailed> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let records = self.records.range::<str, _>(from);
        let records = records.take_while(|(key, _)| key.starts_with(prefix));
        Ok(records.map(|(k, v)| (k.clone(), v.clone())).collect())
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), CallbackFailed> {
        self.callbacks.commit(changes)?;
        for change in changes {
            match change {
                Change::Put { key, value } => {
                    self.records.insert(key.clone(), value.clone());
                }
                Change::Delete { key } => {
                    self.records.remove(key);
                }
                Change::Expect { .. } => {}
            }
        }
        Ok(())
    }

    fn is_conflict(error: &CallbackFailed) -> bool {
        matches!(error, CallbackFailed::Conflict(_))
    }
}

/// A callback of the store said no.
#[derive(Debug)]
pub(crate) enum CallbackFailed {
    Code(&'static str, c_int),
    Conflict(Conflict),
}

impl fmt::Display for CallbackFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(call, code) => write!(
                f,
                "the store's `{call}` returned {code}: repair the store, and open it again"
            ),
            Self::Conflict(conflict) => conflict.fmt(f),
        }
    }
}

impl core::error::Error for CallbackFailed {}

impl From<CallbackFailed> for Failure {
    fn from(error: CallbackFailed) -> Self {
        Self::new(sealmq_status::SEALMQ_ERROR_STORE, error)
    }
}
