//! Files that were altered: an error or the right data, never wrong data, never the process's end.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::all::common::{Fixture, META, RECORDS, put, raw};
use sealmq_keys::{Changes, Store as _};
use sealmq_store::{Stamps as _, StoreError, StoreRole, Vault};

fn insert(transaction: &redb::WriteTransaction, key: &str, value: &[u8]) {
    transaction
        .open_table(RECORDS)
        .unwrap()
        .insert(key.as_bytes(), value)
        .unwrap();
}

fn assert_altered(fixture: &Fixture, record: &str) {
    match fixture.vault.open() {
        Err(StoreError::Altered { record: found, .. }) => assert_eq!(found, record),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_altered_value_names_its_record() {
    let fixture = Fixture::with(&[("a", "1"), ("b", "2"), ("c", "3")]);
    let sealed = raw(&fixture.store(), RECORDS, "b");
    for at in [0, sealed.len() - 1] {
        let mut bad = sealed.clone();
        bad[at] ^= 1;
        fixture.tamper(|t| insert(t, "b", &bad));
        assert_altered(&fixture, "b");
    }
    fixture.tamper(|t| insert(t, "b", b"short"));
    assert_altered(&fixture, "b");

    // The ciphertext alone is looked at when it is read.
    let mut bad = sealed.clone();
    bad[32] ^= 1;
    fixture.tamper(|t| insert(t, "b", &bad));
    let store = fixture.vault.open().unwrap();
    assert_eq!(**store.get("a").unwrap().unwrap(), *b"1");
    let named = |error| matches!(error, StoreError::Altered { record, .. } if record == "b");
    assert!(named(store.get("b").unwrap_err()));
    assert!(named(store.list("").unwrap_err()));
    drop(store);

    fixture.tamper(|t| insert(t, "b", &sealed));
    fixture.vault.open().unwrap();
}

#[test]
fn values_cannot_change_places() {
    let fixture = Fixture::with(&[("a", "1"), ("b", "2")]);
    let (a, b) = (
        raw(&fixture.store(), RECORDS, "a"),
        raw(&fixture.store(), RECORDS, "b"),
    );
    fixture.tamper(|t| {
        insert(t, "a", &b);
        insert(t, "b", &a);
    });
    assert_altered(&fixture, "a");
}

#[test]
fn one_record_cannot_go_back_go_away_or_come_from_elsewhere() {
    let fixture = Fixture::with(&[("counter", "1"), ("other", "x")]);
    let old = raw(&fixture.store(), RECORDS, "counter");
    put(&mut fixture.vault.open().unwrap(), &[("counter", "2")]);
    let new = raw(&fixture.store(), RECORDS, "counter");

    fixture.tamper(|t| insert(t, "counter", &old));
    assert_altered(&fixture, "manifest");
    fixture.tamper(|t| {
        t.open_table(RECORDS)
            .unwrap()
            .remove(&b"counter"[..])
            .unwrap();
    });
    assert_altered(&fixture, "manifest");
    fixture.tamper(|t| insert(t, "counter", &new));
    fixture.vault.open().unwrap();

    fixture.tamper(|t| insert(t, "more", &new));
    assert_altered(&fixture, "more");

    // A deleted record does not come back.
    fixture.tamper(|t| {
        t.open_table(RECORDS).unwrap().remove(&b"more"[..]).unwrap();
    });
    let mut changes = Changes::new();
    changes.delete("counter");
    fixture.vault.open().unwrap().commit(&changes).unwrap();
    fixture.tamper(|t| insert(t, "counter", &new));
    assert_altered(&fixture, "manifest");
}

#[test]
fn header_and_manifest_belong_to_their_store() {
    let (one, two) = (Fixture::with(&[("a", "1")]), Fixture::with(&[("a", "1")]));
    let manifest = raw(&one.store(), META, "manifest");
    two.tamper(|t| {
        t.open_table(META)
            .unwrap()
            .insert(&b"manifest"[..], manifest.as_slice())
            .unwrap();
    });
    assert_altered(&two, "manifest");
    two.tamper(|t| {
        t.open_table(META)
            .unwrap()
            .remove(&b"manifest"[..])
            .unwrap();
    });
    assert!(matches!(two.vault.open(), Err(StoreError::Corrupt { .. })));
}

#[test]
fn every_altered_bit_of_the_header_is_refused() {
    let fixture = Fixture::with(&[("a", "1")]);
    let header = raw(&fixture.store(), META, "header");
    let write = |bytes: &[u8]| {
        fixture.tamper(|t| {
            t.open_table(META)
                .unwrap()
                .insert(&b"header"[..], bytes)
                .unwrap();
        });
        Vault::unlock(&fixture.store(), StoreRole::Member, &fixture.unlock())
    };
    for byte in 0..header.len() {
        let mut bad = header.clone();
        bad[byte] ^= 1 << (byte % 8);
        let error = write(&bad).unwrap_err();
        match byte {
            16 => assert!(matches!(error, StoreError::Version { found, .. } if found == bad[16])),
            ..46 => assert!(
                matches!(error, StoreError::Corrupt { .. }),
                "{byte}: {error}"
            ),
            _ => assert!(
                matches!(error, StoreError::WrongKey { .. }),
                "{byte}: {error}"
            ),
        }
    }
    for len in [0, 16, 17, 46, header.len() - 1] {
        let error = write(&header[..len]).unwrap_err();
        assert!(
            matches!(error, StoreError::Corrupt { .. }),
            "{len}: {error}"
        );
    }
    let long = [&header[..], &[0]].concat();
    assert!(matches!(write(&long), Err(StoreError::Corrupt { .. })));
    // Costs that a damaged header might ask for: 4 TiB, for a century.
    let mut bad = header.clone();
    bad[17] = 1;
    for at in [34, 38, 42] {
        bad[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    }
    assert!(matches!(write(&bad), Err(StoreError::Corrupt { .. })));
    write(&header).unwrap();
}

/// What every version of the file may show: the committed records.
type Records = BTreeMap<String, Vec<u8>>;

fn filled() -> (Fixture, Records) {
    let fixture = Fixture::new();
    let mut store = fixture.vault.open().unwrap();
    let mut records = Records::new();
    // Some history, so that the file has free pages, an inner node, and a value of many pages.
    for round in 0..3_u8 {
        let mut changes = Changes::new();
        for i in 0..60_usize {
            let (key, value) = (format!("record/{i:03}"), vec![round; 100 + i]);
            changes.put(key.clone(), value.clone());
            records.insert(key, value);
        }
        let value = vec![round; 30_000];
        changes.put("large", value.clone());
        records.insert("large".into(), value);
        store.commit(&changes).unwrap();
    }
    store.close().unwrap();
    (fixture, records)
}

/// Whether the file at `path` still gives its data; panics if it gives other data.
fn survives(path: &Path, fixture: &Fixture, records: &Records) -> bool {
    let check = || -> Result<(), StoreError> {
        let vault = Vault::unlock(path, StoreRole::Member, &fixture.unlock())?;
        let mut store = vault.open()?;
        for (key, value) in records {
            assert_eq!(store.get(key)?.as_deref(), Some(value), "{key}");
        }
        let listed: Records = store
            .list("")?
            .into_iter()
            .map(|(key, value)| (key, value.to_vec()))
            .collect();
        assert_eq!(listed, *records);
        // Writing on top must not make wrong data either.
        let mut changes = Changes::new();
        changes.put("new", "value");
        changes.delete("large");
        store.commit(&changes)?;
        store.close()?;
        let store = vault.open()?;
        assert_eq!(store.list("")?.len(), records.len());
        assert!(store.get("large")?.is_none());
        Ok(())
    };
    match check() {
        Ok(()) => true,
        Err(
            StoreError::Corrupt { .. }
            | StoreError::Altered { .. }
            | StoreError::WrongKey { .. }
            | StoreError::Io { .. },
        ) => false,
        Err(error) => panic!("{error:?}"),
    }
}

fn flip(bits: impl Iterator<Item = usize>, good: &[u8], mut check: impl FnMut(&[u8])) {
    for bit in bits {
        let mut bad = good.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        check(&bad);
    }
}

/// redb's own header, where a bit matters most.
fn header_bits(step: usize) -> impl Iterator<Item = usize> {
    (0..320 * 8).step_by(step)
}

/// Some bits of the pages that were ever used.
fn page_bits(good: &[u8], count: usize) -> impl Iterator<Item = usize> + use<> {
    let used: Vec<usize> = (4096..good.len()).filter(|at| good[*at] != 0).collect();
    let step = used.len() / count;
    used.into_iter()
        .step_by(step)
        .enumerate()
        .map(|(i, at)| at * 8 + i % 8)
}

fn flipped_bits(bits: impl Iterator<Item = usize>, fixture: &Fixture, records: &Records) {
    let good = fs::read(fixture.store()).unwrap();
    let path = fixture.folder.path().join("damaged");
    let (mut survived, mut refused) = (0, 0);
    flip(bits, &good, |bad| {
        fs::write(&path, bad).unwrap();
        if survives(&path, fixture, records) {
            survived += 1;
        } else {
            refused += 1;
        }
    });
    // Unused parts may hold anything; others may not.
    assert!(
        survived > 20 && refused > 20,
        "{survived} survived, {refused} refused"
    );
}

#[test]
fn flipped_bits_of_the_first_page_give_an_error_or_the_data() {
    let (fixture, records) = filled();
    flipped_bits(header_bits(17), &fixture, &records);
}

#[test]
fn flipped_bits_of_other_pages_give_an_error_or_the_data() {
    let (fixture, records) = filled();
    let good = fs::read(fixture.store()).unwrap();
    flipped_bits(page_bits(&good, 130), &fixture, &records);
}

#[test]
fn stamps_of_damaged_files_never_end_the_process() {
    // Reading a stamp verifies no pages, and redb panics at some of these.
    let (fixture, _) = filled();
    let good = fs::read(fixture.store()).unwrap();
    let mut refused = 0;
    flip(header_bits(7).chain(page_bits(&good, 700)), &good, |bad| {
        fs::write(fixture.store(), bad).unwrap();
        match fixture.vault.stamp() {
            Ok(_) => {}
            Err(
                StoreError::Corrupt { .. } | StoreError::Altered { .. } | StoreError::Io { .. },
            ) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    });
    assert!(refused > 20, "{refused}");
}

#[test]
fn overwritten_pages_give_an_error_or_the_data() {
    let (fixture, records) = filled();
    let good = fs::read(fixture.store()).unwrap();
    let path = fixture.folder.path().join("damaged");
    let mut refused = 0;
    let pages: Vec<usize> = (0..good.len())
        .step_by(4096)
        .filter(|p| good[*p..p + 4096].iter().any(|b| *b != 0))
        .collect();
    for page in &pages {
        for fill in [0, 2] {
            let mut bad = good.clone();
            bad[*page..page + 4096].fill(fill);
            fs::write(&path, &bad).unwrap();
            refused += usize::from(!survives(&path, &fixture, &records));
        }
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn cut_files_and_garbage_are_refused() {
    let (fixture, records) = filled();
    let good = fs::read(fixture.store()).unwrap();
    let path = fixture.folder.path().join("damaged");
    let unlock = || Vault::unlock(&path, StoreRole::Member, &fixture.unlock());
    for len in [
        0,
        1,
        9,
        100,
        320,
        4095,
        4096,
        4097,
        8192,
        good.len() / 2,
        good.len() - 4096,
        good.len() - 1,
    ] {
        fs::write(&path, &good[..len]).unwrap();
        assert!(!survives(&path, &fixture, &records), "{len}");
    }
    let noise: Vec<u8> = (0..100_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for garbage in [&noise[..], b"hello", b"SQLite format 3\0", &[0; 100_000]] {
        fs::write(&path, garbage).unwrap();
        assert!(matches!(unlock(), Err(StoreError::Corrupt { .. })));
        // And it is left as it is.
        assert_eq!(fs::read(&path).unwrap(), garbage);
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    // A folder stands for the store in it.
    assert!(matches!(unlock(), Err(StoreError::NotFound { .. })));
}

#[test]
fn a_redb_database_of_something_else_is_refused() {
    let fixture = Fixture::new();
    let path = fixture.folder.path().join("other");
    drop(redb::Database::create(&path).unwrap());
    crate::all::common::tamper(&path, |_| {});
    let error = Vault::unlock(&path, StoreRole::Member, &fixture.unlock()).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}
