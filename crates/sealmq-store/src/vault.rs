use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::files::{self, Draft};
use crate::redb::{self, RedbFile};
use crate::sealed::Shared;
use crate::sealed::header::Header;
use crate::sealed::manifest::{Manifest, Stamp};
use crate::sealed::seal::{StoreKey, random_secret};
use crate::{FileStore, Stamps, StoreError, StoreRole, Unlock, UnlockMethod};

/// An unlocked store: keeps the store's key (wiped on drop), so that Argon2id runs once, and
/// opens the file only for as long as it is needed. Cheap to share by reference between threads.
///
/// Processes take turns: each opens, reads, commits and closes.
pub struct Vault {
    shared: Arc<Shared>,
}

impl Vault {
    /// Creates an empty store under a new key, complete or not at all, with mode 0600. Missing
    /// folders are made with mode 0700. In a folder that is there, its name is that of its
    /// [role](StoreRole::file_name).
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`], [`StoreError::EmptyPassphrase`], those of reading the key
    /// file, [`StoreError::Io`].
    pub fn create(path: &Path, role: StoreRole, unlock: &Unlock) -> Result<Self, StoreError> {
        let path = &role.find(path);
        let shared = Shared::new(path, StoreKey::new(random_secret()?, role));
        // Before anything is made, and before the seconds of Argon2id.
        if path.symlink_metadata().is_ok() {
            return Err(StoreError::AlreadyExists {
                path: path.to_path_buf(),
            });
        }
        let header = Header::new(&shared.key, unlock)?;
        files::create_folders(path)?;
        let (draft, file) = Draft::new(path)?;
        let backend = RedbFile::create(draft.temporary(), file)?;
        FileStore::create(Arc::clone(&shared), backend, &header, 0)?.close()?;
        draft.publish()?;
        Ok(Self { shared })
    }

    /// Unlocks a store: a file, or the one of this role in a folder. This is what takes Argon2id's
    /// time (about 0.15 s) and memory (64 MiB).
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Busy`], [`StoreError::WrongRole`],
    /// [`StoreError::Version`], [`StoreError::OtherMethod`], [`StoreError::WrongKey`],
    /// [`StoreError::Corrupt`], those of reading the key file, [`StoreError::Io`].
    pub fn unlock(path: &Path, role: StoreRole, unlock: &Unlock) -> Result<Self, StoreError> {
        Self::unlock_wait(path, role, unlock, Duration::ZERO)
    }

    /// Like [`Vault::unlock`], but waits while another process has the store open.
    ///
    /// # Errors
    /// As [`Vault::unlock`]; [`StoreError::Busy`] after `timeout`.
    pub fn unlock_wait(
        path: &Path,
        role: StoreRole,
        unlock: &Unlock,
        timeout: Duration,
    ) -> Result<Self, StoreError> {
        let path = &role.find(path);
        let meta = retry(timeout, || redb::read_meta(path))?;
        let key = Header::parse(path, &meta.header, role)?.unlock(path, unlock)?;
        Ok(Self {
            shared: Shared::new(path, key),
        })
    }

    /// What unlocks a store: whoever asks for it need not guess. Nothing vouches for it before the
    /// store is unlocked.
    ///
    /// # Errors
    /// As [`Vault::unlock_wait`], without those of the key.
    pub fn method(
        path: &Path,
        role: StoreRole,
        timeout: Duration,
    ) -> Result<UnlockMethod, StoreError> {
        let meta = retry(timeout, || redb::read_meta(path))?;
        Ok(Header::parse(path, &meta.header, role)?.method())
    }

    /// The store's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// The store's role.
    #[must_use]
    pub fn role(&self) -> StoreRole {
        self.shared.key.role()
    }

    /// Opens the store and verifies the whole file; a crash's traces are repaired.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Corrupt`], [`StoreError::Altered`],
    /// [`StoreError::RolledBack`], [`StoreError::NotFound`], [`StoreError::Io`].
    pub fn open(&self) -> Result<FileStore, StoreError> {
        let backend = RedbFile::open(&self.shared.path)?;
        FileStore::open(Arc::clone(&self.shared), backend)
    }

    /// Like [`Vault::open`], but waits while another process has the store open. Blocks the
    /// thread.
    ///
    /// # Errors
    /// As [`Vault::open`]; [`StoreError::Busy`] after `timeout`.
    pub fn open_wait(&self, timeout: Duration) -> Result<FileStore, StoreError> {
        retry(timeout, || self.open())
    }

    /// Seals everything anew under a new store key and a new passphrase or key file, in a new
    /// file that takes the old one's place: a crash leaves the old or the new one. Deleted values
    /// and the old wrapping stay behind in the old file's blocks on the disk, outside of the
    /// store. Of a log, the entries in segments stay as they are, and what is added later gets a new
    /// secret. Other processes that have the store unlocked must unlock it again.
    ///
    /// # Errors
    /// As [`Vault::open`] and [`Vault::create`].
    pub fn rekey(self, unlock: &Unlock) -> Result<Self, StoreError> {
        let path = &self.shared.path;
        let shared = Shared::new(path, StoreKey::new(random_secret()?, self.role()));
        let header = Header::new(&shared.key, unlock)?;
        let old = self.open()?;
        // Beside the file itself, should the path be a symbolic link.
        let target = path
            .canonicalize()
            .map_err(|e| StoreError::io(path, "find", e))?;
        let (draft, file) = Draft::new(&target)?;
        let backend = RedbFile::create(draft.temporary(), file)?;
        let after = old.stamp().counter();
        let mut new = FileStore::create(Arc::clone(&shared), backend, &header, after)?;
        new.take_over(&old)?;
        new.close()?;
        draft.replace()?;
        // Held until here, so that nobody commits to the file that goes away.
        drop(old);
        Ok(Self { shared })
    }
}

impl Stamps for Vault {
    /// Read from the file without a change to it.
    fn stamp(&self) -> Result<Stamp, StoreError> {
        let meta = redb::peek(&self.shared.path)?;
        Manifest::open(&self.shared.key, &meta.manifest)
            .map(|manifest| manifest.stamp())
            .map_err(|_| StoreError::altered(&self.shared.path, "manifest"))
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("path", &self.shared.path)
            .field("role", &self.shared.key.role())
            .finish_non_exhaustive()
    }
}

/// Repeats while the store is busy.
fn retry<T>(
    timeout: Duration,
    mut attempt: impl FnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        match attempt() {
            Err(StoreError::Busy { path }) => {
                let left = timeout.saturating_sub(start.elapsed());
                if left.is_zero() {
                    return Err(StoreError::Busy { path });
                }
                thread::sleep(pause.min(left));
                // Short, because holders close within milliseconds.
                pause = pause.saturating_mul(2).min(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}
