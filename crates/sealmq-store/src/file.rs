use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::ReadableTable;
use sealmq_keys::{Change, Changes, Store};
use zeroize::Zeroizing;

use crate::database::{self, Database, Failure, MANIFEST, META, RECORDS, guarded};
use crate::header::Header;
use crate::manifest::{Content, Manifest, Stamp};
use crate::seal::Fingerprint;
use crate::vault::Shared;
use crate::{StoreError, limits};

/// Record key → what its sealed value must look like.
type Index = BTreeMap<String, Fingerprint>;

/// An open store. No other process can open it until this is closed or dropped.
///
/// Reads and commits block the calling thread: a commit returns when the disk has it.
pub struct FileStore {
    shared: Arc<Shared>,
    database: Database,
    index: Index,
    manifest: Manifest,
    failed: AtomicBool,
}

impl FileStore {
    /// Writes header and manifest of a new store. `path` is the file's path for now.
    pub(crate) fn create(
        shared: Arc<Shared>,
        path: &Path,
        database: Database,
        header: &Header,
        after: u64,
    ) -> Result<Self, StoreError> {
        let manifest = Manifest::after(after)?;
        let sealed = manifest.seal(&shared.key)?;
        guarded(path, "write", || {
            let transaction = database.begin_write()?;
            transaction.open_table(RECORDS)?;
            {
                let mut meta = transaction.open_table(META)?;
                meta.insert(database::HEADER, header.to_bytes().as_slice())?;
                meta.insert(MANIFEST, sealed.as_slice())?;
            }
            Ok(transaction.commit()?)
        })?;
        Ok(Self {
            shared,
            database,
            index: Index::new(),
            manifest,
            failed: AtomicBool::new(false),
        })
    }

    /// Opens a store and verifies that its set of records is the committed one.
    pub(crate) fn open(shared: Arc<Shared>) -> Result<Self, StoreError> {
        let database = Database::open(&shared.path)?;
        let (index, manifest) = guarded(&shared.path, "read", || {
            load(&shared, &database.begin_read()?)
        })?;
        shared.see(manifest.stamp())?;
        Ok(Self {
            shared,
            database,
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
        self.database.close()
    }

    fn database(&self) -> Result<&Database, StoreError> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(StoreError::reopen(&self.shared.path));
        }
        Ok(&self.database)
    }

    /// A read that failed below the records leaves redb in an unknown state.
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

    /// One transaction; returns what it does to the index.
    fn write(
        &self,
        database: &Database,
        changes: &Changes,
        manifest: &mut Manifest,
    ) -> Result<BTreeMap<String, Option<Fingerprint>>, Failure> {
        let mut updates: BTreeMap<String, Option<Fingerprint>> = BTreeMap::new();
        let transaction = database.begin_write()?;
        {
            let mut records = transaction.open_table(RECORDS)?;
            for change in changes {
                let key = change.key();
                let fingerprint =
                    |sealed: &[u8]| self.shared.key.fingerprint(key.as_bytes(), sealed);
                let (old, new) = match change {
                    Change::Put { value, .. } => {
                        let sealed = self.shared.key.seal_value(key, value)?;
                        let old = records.insert(key.as_bytes(), sealed.as_slice())?;
                        (
                            old.map(|old| fingerprint(old.value())),
                            fingerprint(&sealed),
                        )
                    }
                    Change::Delete { .. } => {
                        let old = records.remove(key.as_bytes())?;
                        (old.map(|old| fingerprint(old.value())), None)
                    }
                    // Checked before the transaction; this handle holds the lock.
                    Change::Expect { .. } => continue,
                };
                let expected = updates
                    .get(key)
                    .map_or_else(|| self.index.get(key), Option::as_ref)
                    .copied();
                if old != expected.map(Some) {
                    return Err(self.altered(key).into());
                }
                if let Some(old) = &expected {
                    manifest.content.remove(old);
                }
                if let Some(new) = &new {
                    manifest.content.add(new);
                }
                updates.insert(key.clone(), new);
            }
            let mut meta = transaction.open_table(META)?;
            meta.insert(MANIFEST, manifest.seal(&self.shared.key)?.as_slice())?;
        }
        transaction.commit()?;
        Ok(updates)
    }
}

impl Store for FileStore {
    type Error = StoreError;

    fn get(&self, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let database = self.database()?;
        let Some(expected) = self.index.get(key) else {
            return Ok(None);
        };
        self.note(guarded(&self.shared.path, "read", || {
            let transaction = database.begin_read()?;
            let records = database::open_table(&self.shared.path, &transaction, RECORDS)?;
            let sealed = records.get(key.as_bytes())?;
            let sealed = sealed.as_ref().map(|sealed| sealed.value());
            Ok(Some(self.open_record(key, expected, sealed)?))
        }))
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Zeroizing<Vec<u8>>)>, StoreError> {
        let database = self.database()?;
        self.note(guarded(&self.shared.path, "read", || {
            let transaction = database.begin_read()?;
            let records = database::open_table(&self.shared.path, &transaction, RECORDS)?;
            self.index
                .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
                .take_while(|(key, _)| key.starts_with(prefix))
                .map(|(key, expected)| {
                    let sealed = records.get(key.as_bytes())?;
                    let sealed = sealed.as_ref().map(|sealed| sealed.value());
                    Ok((key.clone(), self.open_record(key, expected, sealed)?))
                })
                .collect()
        }))
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        limits::check(changes)?;
        if let Some(conflict) = changes.conflict(|key| self.get(key))? {
            return Err(conflict.into());
        }
        let changes_nothing = |change: &Change| matches!(change, Change::Expect { .. });
        if changes.iter().all(changes_nothing) {
            return self.database().map(drop);
        }
        let mut manifest = self.manifest.next()?;
        let database = self.database()?;
        let written = guarded(&self.shared.path, "write", || {
            self.write(database, changes, &mut manifest)
        });
        let updates = written.inspect_err(|_| {
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
fn load(
    shared: &Shared,
    transaction: &redb::ReadTransaction,
) -> Result<(Index, Manifest), Failure> {
    let path = &shared.path;
    let meta = database::meta(path, transaction)?;
    // Errors about version and role are clearer than those about the key.
    Header::parse(path, &meta.header, shared.key.role())?;
    let manifest = Manifest::open(&shared.key, &meta.manifest)
        .map_err(|_| StoreError::altered(path, "manifest"))?;

    let records = database::open_table(path, transaction, RECORDS)?;
    let (mut index, mut content) = (Index::new(), Content::default());
    for entry in records.iter()? {
        let (key, sealed) = entry?;
        let name = std::str::from_utf8(key.value())
            .map_err(|_| StoreError::corrupt(path, "a key is not UTF-8"))?;
        let fingerprint = shared
            .key
            .fingerprint(key.value(), sealed.value())
            .ok_or_else(|| StoreError::altered(path, name))?;
        // The order also ends a walk in circles.
        if index
            .last_key_value()
            .is_some_and(|(last, _)| last.as_str() >= name)
        {
            return Err(StoreError::corrupt(path, "keys out of order").into());
        }
        content.add(&fingerprint);
        index.insert(name.to_owned(), fingerprint);
    }
    if content != manifest.content {
        // Name the record if it is one that does not even open.
        for entry in records.iter()? {
            let (key, sealed) = entry?;
            let name = String::from_utf8_lossy(key.value());
            if shared.key.open_value(&name, sealed.value()).is_err() {
                return Err(StoreError::altered(path, name).into());
            }
        }
        return Err(StoreError::altered(path, "manifest").into());
    }
    Ok((index, manifest))
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore")
            .field("path", &self.shared.path)
            .field("role", &self.shared.key.role())
            .field("stamp", &self.stamp())
            .field("records", &self.index.len())
            .finish_non_exhaustive()
    }
}
