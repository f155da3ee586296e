//! A sealed store over another backend: two maps in memory, which an attacker changes at will.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sealmq_keys::{Changes, Store as _};

use super::header::Header;
use super::seal::{StoreKey, random_secret};
use super::{Backend, Meta, MetaEntry, Reading, SealedStore, Segment, Shared, Visit, Writing};
use crate::{StoreError, StoreRole, Unlock};

#[derive(Default, Clone)]
pub(super) struct Maps {
    pub(super) records: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) header: Vec<u8>,
    manifest: Vec<u8>,
}

/// Maps, segments, and how many records and segments were read.
#[derive(Default, Clone)]
pub(super) struct Memory(
    pub(super) Rc<RefCell<Maps>>,
    pub(super) Rc<RefCell<BTreeMap<Segment, Vec<u8>>>>,
    pub(super) Rc<Cell<u64>>,
);

impl Memory {
    fn count(&self, reads: usize) {
        self.2.set(self.2.get() + reads as u64);
    }
}

impl Backend for Memory {
    fn read(
        &self,
        work: &mut dyn FnMut(&dyn Reading) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let counted = Counted(&self.0.borrow(), Cell::new(0));
        let done = work(&counted);
        self.count(counted.1.get());
        done
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

    fn write_segment(&self, segment: &Segment, bytes: &[u8]) -> Result<(), StoreError> {
        self.1.borrow_mut().insert(*segment, bytes.to_vec());
        Ok(())
    }

    fn sync_segments(&self, _: [u8; 8]) -> Result<(), StoreError> {
        Ok(())
    }

    fn read_segment(&self, segment: &Segment) -> Result<Option<Vec<u8>>, StoreError> {
        self.count(1);
        Ok(self.1.borrow().get(segment).cloned())
    }

    fn remove_segments(&self, log: [u8; 8]) -> Result<(), StoreError> {
        self.1.borrow_mut().retain(|segment, _| segment.log != log);
        Ok(())
    }

    fn place_of(&self, segment: &Segment) -> PathBuf {
        PathBuf::from(format!("segment {}", segment.number))
    }

    fn close(self) -> Result<(), StoreError> {
        Ok(())
    }
}

struct Counted<'m>(&'m Maps, Cell<usize>);

impl Reading for Counted<'_> {
    fn meta(&self) -> Result<Meta, StoreError> {
        Ok(Meta {
            header: self.0.header.clone(),
            manifest: self.0.manifest.clone(),
        })
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.1.set(self.1.get() + 1);
        Ok(self.0.records.get(key).cloned())
    }

    fn each(&self, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.1.set(self.1.get() + self.0.records.len());
        self.0.records.iter().try_for_each(|(k, v)| visit(k, v))
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
