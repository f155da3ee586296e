#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};

use redb::{Database, TableDefinition};
use sealmq_keys::{Changes, Store as _};
use sealmq_store::{FileStore, StoreRole, Unlock, Vault, create_key_file};
use tempfile::TempDir;

/// The file's tables, as spec/store.md names them.
pub(crate) const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");
pub(crate) const META: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("meta");

pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) vault: Vault,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        create_key_file(&folder.path().join("key")).unwrap();
        let vault = Vault::create(
            &folder.path().join("store"),
            StoreRole::Member,
            &unlock(&folder),
        )
        .unwrap();
        Self { folder, vault }
    }

    pub(crate) fn with(pairs: &[(&str, &str)]) -> Self {
        let fixture = Self::new();
        put(&mut fixture.vault.open().unwrap(), pairs);
        fixture
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub(crate) fn unlock(&self) -> Unlock {
        unlock(&self.folder)
    }

    /// Changes the file below the store, as an attacker or a bug would.
    pub(crate) fn tamper(&self, change: impl FnOnce(&redb::WriteTransaction)) {
        tamper(&self.store(), change);
    }
}

fn unlock(folder: &TempDir) -> Unlock {
    Unlock::KeyFile(folder.path().join("key"))
}

pub(crate) fn tamper(path: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}

pub(crate) fn raw(
    path: &Path,
    table: TableDefinition<'static, &[u8], &[u8]>,
    key: &str,
) -> Vec<u8> {
    use redb::ReadableDatabase as _;
    let database = Database::open(path).unwrap();
    let table = database.begin_read().unwrap().open_table(table).unwrap();
    table.get(key.as_bytes()).unwrap().unwrap().value().to_vec()
}

pub(crate) fn put(store: &mut FileStore, pairs: &[(&str, &str)]) {
    let mut changes = Changes::new();
    for (key, value) in pairs {
        changes.put(*key, *value);
    }
    store.commit(&changes).unwrap();
}

pub(crate) fn get(store: &FileStore, key: &str) -> Option<String> {
    store
        .get(key)
        .unwrap()
        .map(|value| String::from_utf8(value.to_vec()).unwrap())
}
