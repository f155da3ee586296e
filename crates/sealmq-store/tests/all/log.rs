//! A log in files beside the store.

use std::fs;
use std::path::{Path, PathBuf};

use sealmq_keys::{Changes, Store as _, log_key};
use sealmq_store::{FileStore, StoreError, StoreRole, Vault};

use crate::all::common::Fixture;

/// Segments have four entries in these tests.
const COUNT: u64 = 22;

fn entry(number: u64) -> String {
    format!("entry {number}")
}

fn extend(store: &mut FileStore, from: u64, to: u64) {
    for number in from..to {
        let mut changes = Changes::new();
        changes.put(log_key(number), entry(number));
        store.commit(&changes).unwrap();
    }
}

fn with_log() -> Fixture {
    let fixture = Fixture::new();
    extend(&mut fixture.vault.open().unwrap(), 0, COUNT);
    fixture
}

fn walk(vault: &Vault) -> Result<u64, StoreError> {
    let store = vault.open()?;
    let mut number = 0;
    loop {
        let page = store.log(number, 5)?;
        if page.is_empty() {
            return Ok(number);
        }
        for found in page {
            assert_eq!(*found, entry(number).into_bytes());
            number += 1;
        }
    }
}

/// The folders of logs beside a store.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let entries = entries.map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

fn only_folder(fixture: &Fixture) -> PathBuf {
    let [folder] = folders(fixture.folder.path()).try_into().unwrap();
    folder
}

#[test]
fn a_log_goes_into_private_files_of_the_owner() {
    let fixture = with_log();
    let folder = only_folder(&fixture);
    let name = folder.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("audit-") && name.len() == 22, "{name}");
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|f| f.unwrap()).collect();
    names.sort_by_key(fs::DirEntry::file_name);
    assert_eq!(names.len(), 4);
    for (number, file) in names.iter().enumerate() {
        assert_eq!(file.file_name().to_str().unwrap(), format!("{number:012}"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
            assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        }
        let text = fs::read(file.path()).unwrap();
        assert!(!text.windows(5).any(|part| part == b"entry"));
    }
    assert_eq!(walk(&fixture.vault).unwrap(), COUNT);
}

#[test]
fn folders_move_as_a_whole_and_a_store_without_its_log_says_so() {
    let fixture = with_log();
    let log = only_folder(&fixture);
    let elsewhere = fixture.folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::copy(fixture.store(), elsewhere.join("store")).unwrap();
    let path = elsewhere.join("store");
    let vault = Vault::unlock(&path, StoreRole::Member, &fixture.unlock()).unwrap();
    let missing = |found| {
        matches!(
            found,
            Err(StoreError::LogEntry {
                number: 0,
                is_missing: true,
                ..
            })
        )
    };
    assert!(missing(walk(&vault)));
    // It goes on, beside what is missing.
    extend(&mut vault.open().unwrap(), COUNT, COUNT + 10);
    assert!(missing(walk(&vault)));
    for file in fs::read_dir(&log).unwrap() {
        let file = file.unwrap();
        let to = elsewhere
            .join(log.file_name().unwrap())
            .join(file.file_name());
        // As it was when it was copied: the copy has gone on.
        fs::copy(file.path(), to).unwrap();
    }
    assert_eq!(walk(&vault).unwrap(), COUNT + 10);
}

#[cfg(unix)]
#[test]
fn the_log_is_where_the_file_is_not_where_a_link_is() {
    let fixture = with_log();
    let links = tempfile::tempdir().unwrap();
    let link = links.path().join("store");
    std::os::unix::fs::symlink(fixture.store(), &link).unwrap();
    let vault = Vault::unlock(&link, StoreRole::Member, &fixture.unlock()).unwrap();
    extend(&mut vault.open().unwrap(), COUNT, COUNT + 10);
    assert_eq!(walk(&vault).unwrap(), COUNT + 10);
    assert!(folders(links.path()).is_empty());
}

#[test]
fn a_rekey_keeps_the_log_and_later_entries_need_the_new_key() {
    let fixture = with_log();
    let old = fs::read(fixture.store()).unwrap();
    let unlock = fixture.unlock();
    let vault = Vault::unlock(&fixture.store(), StoreRole::Member, &unlock).unwrap();
    let vault = vault.rekey(&unlock).unwrap();
    assert_eq!(walk(&vault).unwrap(), COUNT);
    extend(&mut vault.open().unwrap(), COUNT, 2 * COUNT);
    assert_eq!(walk(&vault).unwrap(), 2 * COUNT);
    let log = only_folder(&fixture);
    // Who has the old file and its key reads what it had, and nothing that came later: here the
    // first segment that was filled under the new key stands in the place of one of before.
    let store = fixture.folder.path().join("old");
    fs::write(&store, old).unwrap();
    let vault = Vault::unlock(&store, StoreRole::Member, &unlock).unwrap();
    assert_eq!(walk(&vault).unwrap(), COUNT);
    extend(&mut vault.open().unwrap(), COUNT, COUNT + 1);
    fs::copy(log.join("000000000005"), log.join("000000000003")).unwrap();
    let refused = walk(&vault);
    assert!(matches!(
        refused,
        Err(StoreError::LogEntry { number: 12, .. })
    ));
}

#[test]
fn what_a_replaced_store_leaves_is_removed() {
    let fixture = with_log();
    let other = fixture.folder.path().join("audit-of-something-else");
    fs::create_dir(&other).unwrap();
    let store = fixture.vault.open().unwrap();
    store.discard_log().unwrap();
    store.discard_log().unwrap();
    assert_eq!(folders(fixture.folder.path()), [other]);
    // One without a log has nothing to remove.
    Fixture::new().vault.open().unwrap().discard_log().unwrap();
}

#[test]
fn a_segment_that_a_process_left_half_written_is_written_again() {
    let fixture = with_log();
    let log = only_folder(&fixture);
    fs::write(log.join("000000000004.new"), b"half").unwrap();
    fs::write(log.join("000000000004"), b"of a commit that was undone").unwrap();
    extend(&mut fixture.vault.open().unwrap(), COUNT, COUNT + 4);
    assert!(!log.join("000000000004.new").exists());
    assert_eq!(walk(&fixture.vault).unwrap(), COUNT + 4);
}

/// Nothing is lost when the log cannot be written: the commit fails, and works again later.
#[test]
fn a_log_that_cannot_be_written_fails_the_commit() {
    let fixture = Fixture::new();
    let mut store = fixture.vault.open().unwrap();
    extend(&mut store, 0, 9);
    store.close().unwrap();
    // A file where the folder would have to be.
    let log = only_folder(&fixture);
    let moved = fixture.folder.path().join("moved");
    fs::rename(&log, &moved).unwrap();
    fs::write(&log, b"").unwrap();
    let mut store = fixture.vault.open().unwrap();
    extend(&mut store, 9, 12);
    let mut changes = Changes::new();
    changes.put("a", "b");
    assert!(store.commit(&changes).is_err());
    assert!(store.get("a").unwrap().is_none());
    fs::remove_file(&log).unwrap();
    fs::rename(&moved, &log).unwrap();
    store.commit(&changes).unwrap();
    assert_eq!(store.log(0, 100).unwrap().len(), 12);
}
