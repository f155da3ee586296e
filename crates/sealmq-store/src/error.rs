use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use sealmq_keys::Conflict;

use crate::{MAX_KEY_LEN, MAX_VALUE_LEN, StoreRole, UnlockMethod};

/// Why a store could not be created, opened, read or written.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no file at this path.
    NotFound {
        /// The store or key file.
        path: PathBuf,
    },
    /// Creating never replaces a file.
    AlreadyExists {
        /// The store or key file.
        path: PathBuf,
    },
    /// The passphrase or key file does not open the header, or the header is damaged: the two
    /// cannot be told apart.
    WrongKey {
        /// The store.
        path: PathBuf,
        /// What was tried.
        method: UnlockMethod,
    },
    /// The store was made with another way to unlock it.
    OtherMethod {
        /// The store.
        path: PathBuf,
        /// What it needs.
        needs: UnlockMethod,
    },
    /// An empty passphrase was given for a new store.
    EmptyPassphrase,
    /// The store holds another kind of state.
    WrongRole {
        /// The store.
        path: PathBuf,
        /// What it is.
        found: StoreRole,
        /// What was asked for.
        expected: StoreRole,
    },
    /// The store was written by another version of the format.
    Version {
        /// The store.
        path: PathBuf,
        /// Its format version.
        found: u8,
    },
    /// The file is no store, or is damaged below the level of records.
    Corrupt {
        /// The store.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A record does not verify: it was changed, exchanged, removed or put back by something else
    /// than this program.
    Altered {
        /// The store.
        path: PathBuf,
        /// The record's key, or `manifest` for the set of all records.
        record: String,
    },
    /// An entry of the log is not what was written, or is not there with all the rest of its file.
    LogEntry {
        /// The file, one of those beside the store.
        path: PathBuf,
        /// The entry's number.
        number: u64,
        /// There is no such file.
        is_missing: bool,
    },
    /// A log only grows.
    LogStands {
        /// The entry that was to be changed or removed.
        record: String,
    },
    /// The store is older than this process has already seen it.
    RolledBack {
        /// The store.
        path: PathBuf,
    },
    /// Another process has the store open.
    Busy {
        /// The store.
        path: PathBuf,
    },
    /// Another process acted since the state was read that these changes come from
    /// ([`sealmq_keys::Changes::expect`]). Nothing was written; the store can be used on.
    Conflict(Conflict),
    /// Another process runs on this folder ([`crate::RunLock`]).
    Running {
        /// The lock file.
        path: PathBuf,
        /// Its process id, if the file says it.
        process: Option<u32>,
    },
    /// An earlier error left this handle unusable. The last commit may or may not have happened.
    Reopen {
        /// The store.
        path: PathBuf,
    },
    /// Others can access the key file: more than its owner, and one group of this user for reading.
    KeyFilePermissions {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file does not hold a key.
    KeyFileFormat {
        /// The key file.
        path: PathBuf,
    },
    /// A record's key is longer than [`MAX_KEY_LEN`].
    KeyTooLong {
        /// Length in bytes.
        len: usize,
    },
    /// A value is longer than [`MAX_VALUE_LEN`].
    ValueTooLong {
        /// The record's key.
        record: String,
        /// Length in bytes.
        len: usize,
    },
    /// The platform's random number generator failed.
    Random {
        /// What it said.
        reason: String,
    },
    /// A cryptographic function refused input that was checked before: a bug.
    Crypto {
        /// What it said.
        reason: String,
    },
    /// There is not enough memory for Argon2id.
    OutOfMemory {
        /// Bytes needed.
        bytes: usize,
    },
    /// The operating system refused.
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, for example `open`.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl StoreError {
    pub(crate) fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path },
            io::ErrorKind::AlreadyExists => Self::AlreadyExists { path },
            _ => Self::Io {
                path,
                action,
                source,
            },
        }
    }

    pub(crate) fn corrupt(path: &Path, reason: impl Into<String>) -> Self {
        Self::Corrupt {
            path: path.to_path_buf(),
            reason: reason.into(),
        }
    }

    pub(crate) fn altered(path: &Path, record: impl Into<String>) -> Self {
        Self::Altered {
            path: path.to_path_buf(),
            record: record.into(),
        }
    }

    pub(crate) fn reopen(path: &Path) -> Self {
        Self::Reopen {
            path: path.to_path_buf(),
        }
    }
}

impl From<Conflict> for StoreError {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

const RESTORE: &str = "stop using it and restore a backup, or enrol again";

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { path } => {
                write!(
                    f,
                    "{} does not exist: check the path, or create it first",
                    path.display()
                )
            }
            Self::AlreadyExists { path } => write!(
                f,
                "{} already exists and is not replaced: choose another path, or move it away",
                path.display()
            ),
            Self::WrongKey { path, method } => write!(
                f,
                "wrong {method} for store {}, or its header is damaged (the two look the same): \
                 try the right {method}, then a backup",
                path.display()
            ),
            Self::OtherMethod { path, needs } => {
                write!(
                    f,
                    "store {} is unlocked with a {needs}: give that",
                    path.display()
                )
            }
            Self::EmptyPassphrase => {
                f.write_str("the passphrase is empty: choose one, or use a key file")
            }
            Self::WrongRole {
                path,
                found,
                expected,
            } => write!(
                f,
                "store {} is of kind \"{found}\", but \"{expected}\" is needed: check the path",
                path.display()
            ),
            Self::Version { path, found } => write!(
                f,
                "store {} has format version {found}, this program knows version {}: use the \
                 program that wrote it",
                path.display(),
                crate::sealed::seal::VERSION
            ),
            Self::Corrupt { path, reason } => {
                write!(
                    f,
                    "{} is no sealmq store or is damaged ({reason}): {RESTORE}",
                    path.display()
                )
            }
            Self::Altered { path, record } => write!(
                f,
                "record {record:?} of store {} was altered, or the store's key was changed since \
                 it was unlocked: unlock it again; if that fails, {RESTORE}",
                path.display()
            ),
            Self::LogEntry {
                path,
                number,
                is_missing,
            } => write!(
                f,
                "entry {number} of the log {}: put {} back from a backup of the store's folder",
                if *is_missing {
                    "is missing, with others"
                } else {
                    "was altered"
                },
                path.display()
            ),
            Self::LogStands { record } => write!(
                f,
                "record {record:?} is an entry of a log, which only grows, or says where it is: nothing was written"
            ),
            Self::RolledBack { path } => write!(
                f,
                "store {} is older than this process has seen it, as if a backup was put back: \
                 stop everything that uses it before you restart",
                path.display()
            ),
            Self::Busy { path } => write!(
                f,
                "another sealmq process has it open: store {}; stop that process, or try again \
                 when it is done",
                path.display()
            ),
            Self::Conflict(conflict) => fmt::Display::fmt(conflict, f),
            Self::Running { path, process } => {
                f.write_str("another sealmq process")?;
                if let Some(process) = process {
                    write!(f, " (id {process})")?;
                }
                write!(
                    f,
                    " runs on this folder and holds {}: let that one do the work, or stop it first",
                    path.display()
                )
            }
            Self::Reopen { path } => write!(
                f,
                "an earlier error left store {} in doubt: close it, open it again and read its \
                 state afresh",
                path.display()
            ),
            Self::KeyFilePermissions { path, mode } => write!(
                f,
                "others can access key file {} (mode {mode:04o}): run chmod 600 on it (or 640, for a \
                 group of yours), and make a new key if they may have read it",
                path.display()
            ),
            Self::KeyFileFormat { path } => write!(
                f,
                "{} holds no sealmq store key: check the path, or restore the file",
                path.display()
            ),
            Self::KeyTooLong { len } => {
                write!(
                    f,
                    "a record's key has {len} bytes, at most {MAX_KEY_LEN} are allowed: shorten it"
                )
            }
            Self::ValueTooLong { record, len } => write!(
                f,
                "record {record:?} has {len} bytes, at most {MAX_VALUE_LEN} are allowed: split it"
            ),
            Self::Random { reason } => write!(
                f,
                "the random number generator failed ({reason}): nothing was written; check the \
                 platform's RNG"
            ),
            Self::Crypto { reason } => {
                write!(
                    f,
                    "a cryptographic function failed ({reason}): please report this as a bug"
                )
            }
            Self::OutOfMemory { bytes } => write!(
                f,
                "unlocking needs {} MiB of memory that are not free: stop other programs, or use \
                 a key file",
                bytes >> 20
            ),
            Self::Io {
                path,
                action,
                source,
            } => {
                let advice = match source.kind() {
                    io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::FileTooLarge => "the disk or quota is full: free some space",
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                        "check who owns it and its permissions"
                    }
                    _ => "check the disk and the file system",
                };
                write!(f, "cannot {action} {}: {source}; {advice}", path.display())
            }
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
