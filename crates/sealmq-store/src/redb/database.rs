//! The edge to redb: opening, its errors in our words, and its panics contained.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{
    ReadOnlyTable, ReadTransaction, ReadableDatabase, StorageBackend, TableDefinition,
    WriteTransaction,
};

use crate::{StoreError, files};

/// Record key → sealed value. Bytes, because redb panics on a damaged `&str`.
pub(crate) const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");
/// The two entries below.
pub(crate) const META: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("meta");
pub(crate) const HEADER: &[u8] = b"header";
pub(crate) const MANIFEST: &[u8] = b"manifest";

pub(crate) type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// State is small; redb's default of 1 GiB is for others.
const CACHE_LEN: usize = 16 << 20;

/// What goes wrong inside [`guarded`].
pub(crate) enum Failure {
    Redb(redb::Error),
    Ours(StoreError),
}

macro_rules! from_redb {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Redb(error.into())
            }
        }
    )*};
}
from_redb!(
    redb::DatabaseError,
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError
);

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Ours(error)
    }
}

impl Failure {
    /// In our words.
    pub(crate) fn explain(self, path: &Path, action: &'static str) -> StoreError {
        match self {
            Self::Ours(error) => error,
            Self::Redb(error) => translate(path, action, error),
        }
    }
}

/// Runs database code. redb says that it may panic on a file that was altered outside of it
/// (`Database::open`); no file may end the process, so a panic becomes [`StoreError::Corrupt`].
pub(crate) fn guarded<T>(
    path: &Path,
    action: &'static str,
    run: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, StoreError> {
    // Unwind safe: after an error the caller does not use the database again.
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(failure)) => Err(failure.explain(path, action)),
        Err(panic) => {
            let reason = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("the database panicked");
            Err(StoreError::corrupt(path, reason))
        }
    }
}

fn translate(path: &Path, action: &'static str, error: redb::Error) -> StoreError {
    match error {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => StoreError::Busy {
            path: path.to_path_buf(),
        },
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => StoreError::reopen(path),
        redb::Error::Io(error) => match error.kind() {
            // Not a database; pages beyond the end.
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                StoreError::corrupt(path, error.to_string())
            }
            _ => StoreError::io(path, action, error),
        },
        error => StoreError::corrupt(path, error.to_string()),
    }
}

fn builder() -> redb::Builder {
    let mut builder = redb::Builder::new();
    builder.set_cache_size(CACHE_LEN);
    builder
}

/// An open database, closed on drop. `path` is for errors.
pub(crate) struct Database {
    redb: Option<redb::Database>,
    path: PathBuf,
}

impl Database {
    /// Makes a database in an empty file.
    pub(crate) fn create(path: &Path, file: File) -> Result<Self, StoreError> {
        Self::create_on(path, || Ok(FileBackend::new(file)?))
    }

    pub(crate) fn create_on<B: StorageBackend>(
        path: &Path,
        backend: impl FnOnce() -> Result<B, Failure>,
    ) -> Result<Self, StoreError> {
        let redb = guarded(path, "create", || {
            Ok(builder().create_with_backend(backend()?)?)
        })?;
        Ok(Self {
            redb: Some(redb),
            path: path.to_path_buf(),
        })
    }

    /// Opens for writing, verifies every page, and repairs what a crash left.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let before = examine(path)?;
        let redb = guarded(path, "open", || {
            Ok(builder().set_check_integrity_on_open(true).open(path)?)
        })?;
        let database = Self {
            redb: Some(redb),
            path: path.to_path_buf(),
        };
        // It may have been replaced (`Vault::rekey`) between open and lock.
        if files::is_at(&before, path) {
            Ok(database)
        } else {
            Err(StoreError::Busy {
                path: path.to_path_buf(),
            })
        }
    }

    pub(crate) fn begin_read(&self) -> Result<ReadTransaction, Failure> {
        Ok(self.redb()?.begin_read()?)
    }

    /// Begins a write that is durable when it returns from its commit. With two phases, damage to
    /// the newest commit is an error; with one it would silently bring back the commit before.
    pub(crate) fn begin_write(&self) -> Result<WriteTransaction, Failure> {
        let mut transaction = self.redb()?.begin_write()?;
        transaction.set_two_phase_commit(true);
        Ok(transaction)
    }

    pub(crate) fn close(mut self) -> Result<(), StoreError> {
        self.finish()
    }

    fn redb(&self) -> Result<&redb::Database, StoreError> {
        self.redb
            .as_ref()
            .ok_or_else(|| StoreError::reopen(&self.path))
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        match self.redb.take() {
            // On a damaged file closing can panic as well.
            Some(redb) => guarded(&self.path, "close", || Ok(redb.close()?)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The next opening repairs what closing left; nobody is here to hear of it.
        let _ = self.finish();
    }
}

fn examine(path: &Path) -> Result<fs::Metadata, StoreError> {
    let metadata = fs::metadata(path).map_err(|e| StoreError::io(path, "open", e))?;
    if !metadata.is_file() {
        return Err(StoreError::corrupt(path, "not a regular file"));
    }
    Ok(metadata)
}

/// Reads without a change to the file and without verifying its pages; `None` if a crash left it
/// so that it has to be repaired first.
pub(crate) fn read_only<T>(
    path: &Path,
    read: impl FnOnce(&ReadTransaction) -> Result<T, Failure>,
) -> Result<Option<T>, StoreError> {
    examine(path)?;
    guarded(path, "open", || {
        let database = match builder().open_read_only(path) {
            Ok(database) => database,
            Err(redb::DatabaseError::RepairAborted) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        read(&database.begin_read()?).map(Some)
    })
}

pub(crate) fn open_table(
    path: &Path,
    transaction: &ReadTransaction,
    definition: TableDefinition<'static, &'static [u8], &'static [u8]>,
) -> Result<Table, Failure> {
    transaction
        .open_table(definition)
        .map_err(|error| match error {
            redb::TableError::Storage(error) => error.into(),
            error => StoreError::corrupt(path, error.to_string()).into(),
        })
}
