use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, Range};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sealmq_keys::{Change, Changes, LOG_PREFIX, Store, log_key, log_number};

use super::backend::{Backend, MetaEntry, Reading, Segment};
use super::header::Header;
use super::log::{self, Log};
use super::manifest::{Content, Manifest, Stamp};
use super::seal::{Fingerprint, StoreKey};
use super::segments::{self, Value};
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
    pub(super) backend: B,
    pub(super) index: Index,
    manifest: Manifest,
    pub(super) log: Log,
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
            log: Log::default(),
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
        let mut store = Self {
            shared,
            backend,
            index,
            manifest,
            log: Log::default(),
            failed: AtomicBool::new(false),
        };
        if let Some(record) = store.record(log::RECORD)? {
            store.log = Log::decode(&record).ok_or_else(|| store.altered(log::RECORD))?;
        }
        Ok(store)
    }

    /// Which commit the store stands at.
    #[must_use]
    pub const fn stamp(&self) -> Stamp {
        self.manifest.stamp()
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
    ) -> Result<Value, StoreError> {
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

    /// A record, the store's own included.
    pub(super) fn record(&self, key: &str) -> Result<Option<Value>, StoreError> {
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

    /// Entries of the log that are in one segment.
    fn read_segment(
        &self,
        segment: &Segment,
        numbers: &Range<u64>,
    ) -> Result<Vec<Value>, StoreError> {
        let role = self.shared.key.role();
        segments::read(self.backend()?, &self.log, role, segment, numbers)
    }

    /// Writes changes, after which this is the log.
    pub(super) fn apply<'c>(
        &mut self,
        changes: impl Iterator<Item = &'c Change> + Clone,
        log: Log,
    ) -> Result<(), StoreError> {
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
        self.log = log;
        self.shared.see(self.manifest.stamp())
    }

    /// One write; returns what it does to the index.
    fn write<'c>(
        &self,
        changes: impl Iterator<Item = &'c Change> + Clone,
        manifest: &mut Manifest,
    ) -> Result<Updates, StoreError> {
        let mut updates = Updates::new();
        self.backend()?.write(&mut |writing| {
            for change in changes.clone() {
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

    fn get(&self, key: &str) -> Result<Option<Value>, StoreError> {
        match log_number(key) {
            Some(number) if number < self.log.moved() => {
                let segment = self.log.segment_of(number);
                let entries = self.read_segment(&segment, &(number..number.saturating_add(1)))?;
                Ok(entries.into_iter().next())
            }
            _ if key == log::RECORD => Ok(None),
            _ => self.record(key),
        }
    }

    /// The log's entries are among them, however many there are: [`Store::log`] reads page by
    /// page.
    fn list(&self, prefix: &str) -> Result<Vec<(String, Value)>, StoreError> {
        let backend = self.backend()?;
        let mut found = Vec::new();
        self.note(backend.read(&mut |reading| {
            let from = (Bound::Included(prefix), Bound::Unbounded);
            let records = self.index.range::<str, _>(from);
            for (key, expected) in records.take_while(|(key, _)| key.starts_with(prefix)) {
                if key == log::RECORD {
                    continue;
                }
                let sealed = reading.get(key.as_bytes())?;
                let value = self.open_record(key, expected, sealed.as_deref())?;
                found.push((key.clone(), value));
            }
            Ok(())
        }))?;
        if LOG_PREFIX.starts_with(prefix) || prefix.starts_with(LOG_PREFIX) {
            let mut number = 0;
            while number < self.log.moved() {
                let segment = self.log.segment_of(number);
                let numbers = Log::entries_of(&segment);
                let entries = self.read_segment(&segment, &numbers)?;
                number = numbers.end;
                let entries = numbers.map(log_key).zip(entries);
                found.extend(entries.filter(|(key, _)| key.starts_with(prefix)));
            }
            found.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        Ok(found)
    }

    fn log(&self, from: u64, most: usize) -> Result<Vec<Value>, StoreError> {
        let mut entries = Vec::new();
        let end = from.saturating_add(u64::try_from(most).unwrap_or(u64::MAX));
        let mut number = from;
        while number < end.min(self.log.moved()) {
            let segment = self.log.segment_of(number);
            entries.extend(self.read_segment(&segment, &(number..end))?);
            number = Log::entries_of(&segment).end;
        }
        while number < end {
            let Some(entry) = self.record(&log_key(number))? else {
                break;
            };
            entries.push(entry);
            number = number.saturating_add(1);
        }
        Ok(entries)
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        limits::check(changes)?;
        if let Some(conflict) = changes.conflict(|key| self.get(key))? {
            return Err(conflict.into());
        }
        let is_change = |change: &&Change| !matches!(change, Change::Expect { .. });
        if !changes.iter().any(|change| is_change(&change)) {
            return self.backend().map(drop);
        }
        let is_there = |key: &str| self.index.contains_key(key);
        let record = |key: &str| self.record(key)?.ok_or_else(|| self.altered(key));
        let role = self.shared.key.role();
        let (log, moved) = segments::fill(self.backend()?, &self.log, role, is_there, record)?;
        let stands = |change: &&Change| {
            let key = change.key();
            key == log::RECORD || log_number(key).is_some_and(|number| number < log.moved())
        };
        if let Some(change) = changes.iter().filter(is_change).find(stands) {
            return Err(StoreError::LogStands {
                record: change.key().clone(),
            });
        }
        self.apply(moved.iter().chain(changes), log)
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
