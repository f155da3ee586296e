//! A log of any length beside the records: what opening costs, and what an attacker changes.

use std::path::Path;

use sealmq_keys::{Changes, Store as _, log_key};

use super::header::Header;
use super::log::SEGMENT_LEN;
use super::seal::{StoreKey, random_secret};
use super::tests::Memory;
use super::{SealedStore, Segment, Shared};
use crate::{StoreError, StoreRole, Unlock};

struct World {
    memory: Memory,
    unlock: Unlock,
    _folder: tempfile::TempDir,
}

type Store = SealedStore<Memory>;

impl World {
    fn new() -> (Self, Store) {
        let folder = tempfile::tempdir().unwrap();
        let key_file = folder.path().join("key");
        crate::create_key_file(&key_file).unwrap();
        let unlock = Unlock::KeyFile(key_file);
        let memory = Memory::default();
        let key = StoreKey::new(random_secret().unwrap(), StoreRole::Authority);
        let header = Header::new(&key, &unlock).unwrap();
        let shared = Shared::new(Path::new("memory"), key);
        let store = SealedStore::create(shared, memory.clone(), &header, 0).unwrap();
        let world = Self {
            memory,
            unlock,
            _folder: folder,
        };
        (world, store)
    }

    /// With so many entries, which were added some at a time, each with the state that it tells of.
    fn with(entries: u64) -> (Self, Store) {
        let (world, mut store) = Self::new();
        extend(&mut store, 0, entries);
        (world, store)
    }

    /// As another process that has only the backend and the key file.
    fn open(&self) -> Result<Store, StoreError> {
        let path = Path::new("memory");
        let header = self.memory.0.borrow().header.clone();
        let key = Header::parse(path, &header, StoreRole::Authority)?.unlock(path, &self.unlock)?;
        SealedStore::open(Shared::new(path, key), self.memory.clone())
    }

    /// Records and segments that this reads.
    fn reads<T>(&self, work: impl FnOnce() -> T) -> (u64, T) {
        let before = self.memory.2.get();
        let done = work();
        (self.memory.2.get() - before, done)
    }

    fn segment(&self, number: u64) -> Segment {
        let segments = self.memory.1.borrow();
        let mut names = segments.keys();
        *names.find(|segment| segment.number == number).unwrap()
    }
}

fn entry(number: u64) -> Vec<u8> {
    format!("entry {number}").into_bytes()
}

fn extend(store: &mut Store, from: u64, to: u64) {
    let mut number = from;
    while number < to {
        let mut changes = Changes::new();
        for next in number..to.min(number + 3) {
            changes.put(log_key(next), entry(next));
        }
        number += 3;
        changes.put("head", number.to_be_bytes());
        store.commit(&changes).unwrap();
    }
}

/// Reads the whole log by pages of a length that fits no segment.
fn walk(store: &Store) -> Result<u64, StoreError> {
    let mut number = 0;
    loop {
        let page = store.log(number, 7)?;
        if page.is_empty() {
            return Ok(number);
        }
        for found in page {
            assert_eq!(*found, entry(number));
            number += 1;
        }
    }
}

#[test]
fn opening_reads_as_much_at_a_hundred_thousand_entries_as_at_ten() {
    let few = World::with(3 * SEGMENT_LEN - 1);
    let many = World::with(100_000 + 3 * SEGMENT_LEN - 1);
    let (reads, store) = few.0.reads(|| few.0.open().unwrap());
    let (reads_of_many, store_of_many) = many.0.reads(|| many.0.open().unwrap());
    assert_eq!(reads_of_many, reads);
    assert_eq!(walk(&store).unwrap(), 3 * SEGMENT_LEN - 1);
    assert_eq!(walk(&store_of_many).unwrap(), 100_000 + 3 * SEGMENT_LEN - 1);
    // What a process keeps in memory is no more either.
    assert_eq!(
        format!("{store:?}").split("records").nth(1),
        format!("{store_of_many:?}").split("records").nth(1)
    );
}

#[test]
fn an_entry_is_read_wherever_it_is() {
    let count = 5 * SEGMENT_LEN + 1;
    let (world, store) = World::with(count);
    drop(store);
    let store = world.open().unwrap();
    let listed = store.list("audit/").unwrap();
    assert_eq!(listed.len() as u64, count);
    for (number, (key, value)) in (0..).zip(&listed) {
        assert_eq!(*key, log_key(number));
        assert_eq!(**value, entry(number));
        let (reads, found) = world.reads(|| store.get(key).unwrap());
        assert_eq!(*found.unwrap(), entry(number));
        assert_eq!(reads, 1);
    }
    assert!(store.get(&log_key(count)).unwrap().is_none());
    // One that is the store's own is nobody's.
    assert!(store.get("audit").unwrap().is_none());
    let all = store.list("").unwrap();
    assert_eq!(all.len() as u64, count + 1);
    assert!(all.is_sorted_by(|(a, _), (b, _)| a < b));
    assert_eq!(store.list("audit/0000000000000000001").unwrap().len(), 10);
    assert!(store.list("audits").unwrap().is_empty());
    // From anywhere, and not beyond the end.
    assert_eq!(store.log(SEGMENT_LEN - 1, 3).unwrap().len(), 3);
    assert_eq!(store.log(count - 2, 3).unwrap().len(), 2);
    assert!(store.log(count, 3).unwrap().is_empty());
    assert!(store.log(u64::MAX, 3).unwrap().is_empty());
}

#[test]
fn a_log_only_grows() {
    let (_world, mut store) = World::with(5 * SEGMENT_LEN);
    for key in [log_key(0), "audit".to_owned()] {
        let mut put = Changes::new();
        put.put(key.as_str(), "other");
        let mut delete = Changes::new();
        delete.delete(key.as_str());
        for changes in [put, delete] {
            let refused = store.commit(&changes);
            assert!(matches!(refused, Err(StoreError::LogStands { record }) if record == key));
        }
    }
    // Entries can be expected, and nothing was harmed.
    let mut changes = Changes::new();
    changes.expect(log_key(0), Some(entry(0)));
    changes.put("a", "b");
    store.commit(&changes).unwrap();
    changes.expect(log_key(1), Some(entry(0)));
    assert!(matches!(
        store.commit(&changes),
        Err(StoreError::Conflict(_))
    ));
    assert_eq!(walk(&store).unwrap(), 5 * SEGMENT_LEN);
}

/// Whatever is done to a segment, the first entry that is wrong is named, and all others are read.
#[test]
fn what_is_altered_in_segments_is_named() {
    let count = 6 * SEGMENT_LEN;
    let (world, mut store) = World::with(count);
    let named = |store: &Store| match walk(store) {
        Err(StoreError::LogEntry {
            number, is_missing, ..
        }) => (number, is_missing),
        other => panic!("{other:?}"),
    };
    let (first, second) = (world.segment(0), world.segment(1));
    let whole = world.memory.1.borrow().clone();
    let put = |segment: &Segment, bytes: &[u8]| {
        let mut segments = world.memory.1.borrow_mut();
        segments.insert(*segment, bytes.to_vec());
    };
    // Each byte, each cut.
    for at in 0..whole[&second].len() {
        let mut bad = whole[&second].clone();
        bad[at] ^= 1;
        put(&second, &bad);
        let (number, is_missing) = named(&store);
        assert!((SEGMENT_LEN..2 * SEGMENT_LEN).contains(&number) && !is_missing);
        put(&second, &whole[&second][..at]);
        assert!(named(&store).0 >= SEGMENT_LEN);
        // The others are there as before.
        assert_eq!(*store.get(&log_key(0)).unwrap().unwrap(), entry(0));
    }
    let mut longer = whole[&second].clone();
    longer.push(0);
    put(&second, &longer);
    assert_eq!(named(&store), (2 * SEGMENT_LEN - 1, false));
    // Reordered: entries of a segment, and segments.
    let bytes = &whole[&second];
    let frame = 4 + entry(SEGMENT_LEN).len() + 16;
    let (salt, frames) = bytes.split_at(32);
    let (one, rest) = frames.split_at(frame);
    let (two, rest) = rest.split_at(frame);
    put(&second, &[salt, two, one, rest].concat());
    assert_eq!(named(&store), (SEGMENT_LEN, false));
    put(&second, &whole[&first]);
    assert_eq!(named(&store), (SEGMENT_LEN, false));
    // Missing.
    world.memory.1.borrow_mut().remove(&second);
    assert_eq!(named(&store), (SEGMENT_LEN, true));
    // The store goes on, and so does its log.
    extend(&mut store, count, count + 3 * SEGMENT_LEN);
    assert_eq!(named(&world.open().unwrap()), (SEGMENT_LEN, true));
    put(&second, bytes);
    assert_eq!(
        walk(&world.open().unwrap()).unwrap(),
        count + 3 * SEGMENT_LEN
    );
    // Those of another store are worth nothing here.
    let other = World::with(count);
    let foreign = other.0.memory.1.borrow()[&other.0.segment(1)].clone();
    put(&second, &foreign);
    assert_eq!(named(&world.open().unwrap()), (SEGMENT_LEN, false));
}

/// The record that says how far the segments go cannot go back by itself, or away.
#[test]
fn the_log_is_bound_by_the_manifest() {
    let (world, mut store) = World::with(3 * SEGMENT_LEN);
    let record = |world: &World| world.memory.0.borrow().records[&b"audit"[..]].clone();
    let old = record(&world);
    extend(&mut store, 3 * SEGMENT_LEN, 5 * SEGMENT_LEN);
    assert_ne!(record(&world), old);
    let set = |value: Option<Vec<u8>>| {
        let records = &mut world.memory.0.borrow_mut().records;
        match value {
            Some(value) => records.insert(b"audit".to_vec(), value),
            None => records.remove(&b"audit"[..]),
        }
    };
    let new = set(Some(old));
    assert!(matches!(world.open(), Err(StoreError::Altered { .. })));
    set(None);
    assert!(matches!(world.open(), Err(StoreError::Altered { .. })));
    set(new);
    assert_eq!(walk(&world.open().unwrap()).unwrap(), 5 * SEGMENT_LEN);
}

/// A store whose log is among its records, as earlier versions wrote it.
#[test]
fn a_log_from_before_segments_moves_with_the_next_commit() {
    let (world, mut store) = World::new();
    let mut changes = Changes::new();
    for number in 0..10 * SEGMENT_LEN + 1 {
        changes.put(log_key(number), entry(number));
    }
    store.commit(&changes).unwrap();
    assert!(world.memory.1.borrow().is_empty());
    assert_eq!(walk(&store).unwrap(), 10 * SEGMENT_LEN + 1);
    let mut changes = Changes::new();
    changes.put("a", "b");
    store.commit(&changes).unwrap();
    assert_eq!(world.memory.1.borrow().len(), 9);
    assert_eq!(walk(&world.open().unwrap()).unwrap(), 10 * SEGMENT_LEN + 1);
    assert!(world.memory.0.borrow().records.len() as u64 <= 2 * SEGMENT_LEN + 2);
}

/// A backup that is put back goes on from where it was, over what was written since.
#[test]
fn a_store_that_was_put_back_has_the_log_of_its_time() {
    let (world, mut store) = World::with(3 * SEGMENT_LEN);
    let old = world.memory.0.borrow().clone();
    extend(&mut store, 3 * SEGMENT_LEN, 9 * SEGMENT_LEN);
    *world.memory.0.borrow_mut() = old;
    let mut store = world.open().unwrap();
    assert_eq!(walk(&store).unwrap(), 3 * SEGMENT_LEN);
    extend(&mut store, 3 * SEGMENT_LEN, 6 * SEGMENT_LEN);
    assert_eq!(walk(&world.open().unwrap()).unwrap(), 6 * SEGMENT_LEN);
}
