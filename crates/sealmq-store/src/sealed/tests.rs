//! A sealed store over another backend: two maps in memory, which an attacker changes at will.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use sealmq_keys::{Changes, Store as _};

use super::header::Header;
use super::seal::{StoreKey, random_secret};
use super::{Backend, Meta, MetaEntry, Reading, SealedStore, Shared, Visit, Writing};
use crate::{StoreError, StoreRole, Unlock};

#[derive(Default, Clone)]
struct Maps {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    header: Vec<u8>,
    manifest: Vec<u8>,
}

#[derive(Default, Clone)]
struct Memory(Rc<RefCell<Maps>>);

impl Backend for Memory {
    fn read(
        &self,
        work: &mut dyn FnMut(&dyn Reading) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        work(&*self.0.borrow())
    }

    fn write(
        &self,
        work: &mut dyn FnMut(&mut dyn Writing) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut draft = self.0.borrow().clone();
        work(&mut draft)?;
        *self.0.borrow_mut() = draft;
        Ok(())
    }

    fn close(self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Reading for Maps {
    fn meta(&self) -> Result<Meta, StoreError> {
        Ok(Meta {
            header: self.header.clone(),
            manifest: self.manifest.clone(),
        })
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.records.get(key).cloned())
    }

    fn each(&self, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.records.iter().try_for_each(|(k, v)| visit(k, v))
    }
}

impl Writing for Maps {
    fn put(&mut self, key: &[u8], sealed: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.records.insert(key.to_vec(), sealed.to_vec()))
    }

    fn remove(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.records.remove(key))
    }

    fn set_meta(&mut self, entry: MetaEntry, bytes: &[u8]) -> Result<(), StoreError> {
        match entry {
            MetaEntry::Header => self.header = bytes.to_vec(),
            MetaEntry::Manifest => self.manifest = bytes.to_vec(),
        }
        Ok(())
    }
}

fn put(store: &mut SealedStore<Memory>, key: &str, value: &[u8]) {
    let mut changes = Changes::new();
    changes.put(key, value);
    store.commit(&changes).unwrap();
}

#[test]
fn another_backend_keeps_a_store_and_what_it_alters_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("key");
    crate::create_key_file(&key_file).unwrap();
    let unlock = Unlock::KeyFile(key_file);
    let path = Path::new("memory");
    let memory = Memory::default();
    let key = StoreKey::new(random_secret().unwrap(), StoreRole::Member);
    let header = Header::new(&key, &unlock).unwrap();
    let shared = Shared::new(path, key);
    let mut store = SealedStore::create(shared, memory.clone(), &header, 0).unwrap();
    put(&mut store, "a", b"old");
    put(&mut store, "b", b"value");
    let old = memory.0.borrow().records[&b"a"[..]].clone();
    put(&mut store, "a", b"new");
    drop(store);

    // As another process that has only the backend and the key file.
    let open = || {
        let header = memory.0.borrow().header.clone();
        let header = Header::parse(path, &header, StoreRole::Member)?;
        let key = header.unlock(path, &unlock)?;
        SealedStore::open(Shared::new(path, key), memory.clone())
    };
    let store = open().unwrap();
    assert_eq!(store.get("a").unwrap().unwrap().as_slice(), b"new");
    assert_eq!(store.list("").unwrap().len(), 2);

    let whole = memory.0.borrow().clone();
    let harm: [fn(&mut Maps, Vec<u8>); 4] = [
        |maps, old| drop(maps.records.insert(b"a".to_vec(), old)),
        |maps, _| drop(maps.records.remove(&b"b"[..])),
        |maps, old| drop(maps.records.insert(b"c".to_vec(), old)),
        |maps, _| maps.manifest[40] ^= 1,
    ];
    for harm in harm {
        harm(&mut memory.0.borrow_mut(), old.clone());
        assert!(matches!(open(), Err(StoreError::Altered { .. })));
        *memory.0.borrow_mut() = whole.clone();
    }
    // The same under an open store.
    let harmed = memory.0.borrow_mut().records.insert(b"a".to_vec(), old);
    drop(harmed);
    assert!(matches!(store.get("a"), Err(StoreError::Altered { .. })));
}
