use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sealmq_keys::{Change, Changes, Store};
use zeroize::Zeroizing;

use super::backend::{Backend, MetaEntry, Reading};
use super::header::Header;
use super::manifest::{Content, Manifest, Stamp};
use super::seal::{Fingerprint, StoreKey};
use crate::{StoreError, limits};

/// Record key → what its sealed value must look like.
type Index = BTreeMap<String, Fingerprint>;

/// What a commit does to the index.
type Updates = BTreeMap<String, Option<Fingerprint>>;

/// What a vault and its open store have in common.
pub(crate) struct Shared {
    pub(crate) path: PathBuf,
    pub(crate) key: StoreKey,
    /// The newest commit that this process knows of.
    seen: Mutex<Option<Stamp>>,
}

impl Shared {
    pub(crate) fn new(path: &Path, key: StoreKey) -> Arc<Self> {
        Arc::new(Self {
            path: path.to_path_buf(),
            key,
            seen: Mutex::new(None),
        })
    }

    /// Notes a commit; refuses one from before the newest.
    pub(crate) fn see(&self, stamp: Stamp) -> Result<(), StoreError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_some_and(|seen| !seen.can_precede(&stamp)) {
            return Err(StoreError::RolledBack {
                path: self.path.clone(),
            });
        }
        *seen = Some(stamp);
        Ok(())
    }
}

/// An open store. No other process can open it until this is closed or dropped.
///
/// Reads and commits block the calling thread: a commit returns when the disk has it.
pub struct SealedStore<B> {
    shared: Arc<Shared>,
    backend: B,
    index: Index,
    manifest: Manifest,
    failed: AtomicBool,
}

impl<B: Backend> SealedStore<B> {
    /// Writes header and manifest of a new store.
    pub(crate) fn create(
        shared: Arc<Shared>,
        backend: B,
        header: &Header,
        after: u64,
    ) -> Result<Self, StoreError> {
        let manifest = Manifest::after(after)?;
        let sealed = manifest.seal(&shared.key)?;
        backend.write(&mut |writing| {
            writing.set_meta(MetaEntry::Header, &header.to_bytes())?;
            writing.set_meta(MetaEntry::Manifest, &sealed)
        })?;
        Ok(Self {
            shared,
            backend,
            index: Index::new(),
            manifest,
            failed: AtomicBool::new(false),
        })
    }

    /// Verifies that the set of records is the committed one.
    pub(crate) fn open(shared: Arc<Shared>, backend: B) -> Result<Self, StoreError> {
        let mut loaded = None;
        backend.read(&mut |reading| {
            loaded = Some(load(&shared, reading)?);
            Ok(())
        })?;
        let (index, manifest) =
            loaded.ok_or_else(|| StoreError::corrupt(&shared.path, "nothing was read"))?;
        shared.see(manifest.stamp())?;
        Ok(Self {
            shared,
            backend,
            index,
            manifest,
            failed: AtomicBool::new(false),
        })
    }

    /// Which commit the store stands at.
    #[must_use]
    pub const fn stamp(&self) -> Stamp {
        self.manifest.stamp()
    }

    /// Keys of all records, in ascending order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.index.keys().map(String::as_str)
    }

    /// Closes the store; dropping it does the same but hides errors. Commits are durable before.
    ///
    /// # Errors
    /// [`StoreError::Io`]: the next opening repairs the file.
    pub fn close(self) -> Result<(), StoreError> {
        self.backend.close()
    }

    fn backend(&self) -> Result<&B, StoreError> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(StoreError::reopen(&self.shared.path));
        }
        Ok(&self.backend)
    }

    /// A read that failed below the records leaves the backend in an unknown state.
    fn note<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if matches!(
            result,
            Err(StoreError::Corrupt { .. } | StoreError::Io { .. })
        ) {
            self.failed.store(true, Ordering::Relaxed);
        }
        result
    }

    fn altered(&self, record: &str) -> StoreError {
        StoreError::altered(&self.shared.path, record)
    }

    fn open_record(
        &self,
        record: &str,
        expected: &Fingerprint,
        sealed: Option<&[u8]>,
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let sealed = sealed.ok_or_else(|| self.altered(record))?;
        if self
            .shared
            .key
            .fingerprint(record.as_bytes(), sealed)
            .as_ref()
            != Some(expected)
        {
            return Err(self.altered(record));
        }
        self.shared
            .key
            .open_value(record, sealed)
            .map_err(|_| self.altered(record))
    }

    /// One write; returns what it does to the index.
    fn write(&self, changes: &Changes, manifest: &mut Manifest) -> Result<Updates, StoreError> {
        let mut updates = Updates::new();
        self.backend()?.write(&mut |writing| {
            for change in changes {
                let key = change.key();
                let fingerprint =
                    |sealed: &[u8]| self.shared.key.fingerprint(key.as_bytes(), sealed);
                let (old, new) = match change {
                    Change::Put { value, .. } => {
                        let sealed = self.shared.key.seal_value(key, value)?;
                        let old = writing.put(key.as_bytes(), &sealed)?;
                        (old.map(|old| fingerprint(&old)), fingerprint(&sealed))
                    }
                    Change::Delete { .. } => {
                        let old = writing.remove(key.as_bytes())?;
                        (old.map(|old| fingerprint(&old)), None)
                    }
                    // Checked before; this handle holds the lock.
                    Change::Expect { .. } => continue,
                };
                let expected = updates
                    .get(key)
                    .map_or_else(|| self.index.get(key), Option::as_ref)
                    .copied();
                if old != expected.map(Some) {
                    return Err(self.altered(key));
                }
                if let Some(old) = &expected {
                    manifest.content.remove(old);
                }
                if let Some(new) = &new {
                    manifest.content.add(new);
                }
                updates.insert(key.clone(), new);
            }
            writing.set_meta(MetaEntry::Manifest, &manifest.seal(&self.shared.key)?)
        })?;
        Ok(updates)
    }
}

impl<B: Backend> Store for SealedStore<B> {
    type Error = StoreError;

    fn get(&self, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let backend = self.backend()?;
        let Some(expected) = self.index.get(key) else {
            return Ok(None);
        };
        let mut found = None;
        self.note(backend.read(&mut |reading| {
            let sealed = reading.get(key.as_bytes())?;
            found = Some(self.open_record(key, expected, sealed.as_deref())?);
            Ok(())
        }))?;
        Ok(found)
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Zeroizing<Vec<u8>>)>, StoreError> {
        let backend = self.backend()?;
        let mut found = Vec::new();
        self.note(backend.read(&mut |reading| {
            let from = (Bound::Included(prefix), Bound::Unbounded);
            let records = self.index.range::<str, _>(from);
            for (key, expected) in records.take_while(|(key, _)| key.starts_with(prefix)) {
                let sealed = reading.get(key.as_bytes())?;
                let value = self.open_record(key, expected, sealed.as_deref())?;
                found.push((key.clone(), value));
            }
            Ok(())
        }))?;
        Ok(found)
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        limits::check(changes)?;
        if let Some(conflict) = changes.conflict(|key| self.get(key))? {
            return Err(conflict.into());
        }
        let changes_nothing = |change: &Change| matches!(change, Change::Expect { .. });
        if changes.iter().all(changes_nothing) {
            return self.backend().map(drop);
        }
        let mut manifest = self.manifest.next()?;
        self.backend()?;
        let updates = self.write(changes, &mut manifest).inspect_err(|_| {
            // Whether the disk has it is unknown after an error in the last step.
            self.failed.store(true, Ordering::Relaxed);
        })?;
        for (key, fingerprint) in updates {
            match fingerprint {
                Some(fingerprint) => self.index.insert(key, fingerprint),
                None => self.index.remove(&key),
            };
        }
        self.manifest = manifest;
        self.shared.see(self.manifest.stamp())
    }

    fn is_conflict(error: &StoreError) -> bool {
        matches!(error, StoreError::Conflict(_))
    }
}

/// Reads the index and compares it with the manifest.
fn load(shared: &Shared, reading: &dyn Reading) -> Result<(Index, Manifest), StoreError> {
    let path = &shared.path;
    let meta = reading.meta()?;
    // Errors about version and role are clearer than those about the key.
    Header::parse(path, &meta.header, shared.key.role())?;
    let manifest = Manifest::open(&shared.key, &meta.manifest)
        .map_err(|_| StoreError::altered(path, "manifest"))?;

    let (mut index, mut content) = (Index::new(), Content::default());
    reading.each(&mut |key, sealed| {
        let name = std::str::from_utf8(key)
            .map_err(|_| StoreError::corrupt(path, "a key is not UTF-8"))?;
        let fingerprint = shared
            .key
            .fingerprint(key, sealed)
            .ok_or_else(|| StoreError::altered(path, name))?;
        // The order also ends a walk in circles.
        if index
            .last_key_value()
            .is_some_and(|(last, _)| last.as_str() >= name)
        {
            return Err(StoreError::corrupt(path, "keys out of order"));
        }
        content.add(&fingerprint);
        index.insert(name.to_owned(), fingerprint);
        Ok(())
    })?;
    if content != manifest.content {
        // Name the record if it is one that does not even open.
        reading.each(&mut |key, sealed| {
            let name = String::from_utf8_lossy(key);
            match shared.key.open_value(&name, sealed) {
                Ok(_) => Ok(()),
                Err(_) => Err(StoreError::altered(path, name)),
            }
        })?;
        return Err(StoreError::altered(path, "manifest"));
    }
    Ok((index, manifest))
}

impl<B: Backend> fmt::Debug for SealedStore<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedStore")
            .field("path", &self.shared.path)
            .field("role", &self.shared.key.role())
            .field("stamp", &self.stamp())
            .field("records", &self.index.len())
            .finish_non_exhaustive()
    }
}
