//! Creating, unlocking, opening; what each refusal says.

use std::fs;
use std::time::{Duration, Instant};

use crate::all::common::{Fixture, META, get, put, raw};
use sealmq_store::{
    Stamps as _, StoreError, StoreRole, Unlock, UnlockMethod, Vault, create_key_file,
};

fn passphrase(text: &str) -> Unlock {
    Unlock::Passphrase(text.to_owned().into())
}

#[test]
fn a_passphrase_unlocks_and_another_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let vault = Vault::create(&path, StoreRole::Authority, &passphrase("correct horse")).unwrap();
    put(&mut vault.open().unwrap(), &[("a", "1")]);

    let vault = Vault::unlock(&path, StoreRole::Authority, &passphrase("correct horse")).unwrap();
    assert_eq!(get(&vault.open().unwrap(), "a").as_deref(), Some("1"));

    let error =
        Vault::unlock(&path, StoreRole::Authority, &passphrase("correct horsf")).unwrap_err();
    assert!(matches!(
        error,
        StoreError::WrongKey {
            method: UnlockMethod::Passphrase,
            ..
        }
    ));
    assert!(
        error.to_string().starts_with("wrong passphrase for store"),
        "{error}"
    );
    assert!(
        error.to_string().contains("or its header is damaged"),
        "{error}"
    );

    let key = folder.path().join("key");
    create_key_file(&key).unwrap();
    let error = Vault::unlock(&path, StoreRole::Authority, &Unlock::KeyFile(key)).unwrap_err();
    assert!(matches!(
        error,
        StoreError::OtherMethod {
            needs: UnlockMethod::Passphrase,
            ..
        }
    ));
}

#[test]
fn an_empty_passphrase_makes_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    assert!(matches!(
        Vault::create(&path, StoreRole::Member, &passphrase("")),
        Err(StoreError::EmptyPassphrase)
    ));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn another_key_file_does_not_unlock() {
    let fixture = Fixture::new();
    let other = fixture.folder.path().join("other");
    create_key_file(&other).unwrap();
    let error =
        Vault::unlock(&fixture.store(), StoreRole::Member, &Unlock::KeyFile(other)).unwrap_err();
    assert!(matches!(
        error,
        StoreError::WrongKey {
            method: UnlockMethod::KeyFile,
            ..
        }
    ));
    let error = Vault::unlock(&fixture.store(), StoreRole::Member, &passphrase("x")).unwrap_err();
    assert!(matches!(
        error,
        StoreError::OtherMethod {
            needs: UnlockMethod::KeyFile,
            ..
        }
    ));
}

#[test]
fn a_store_is_not_opened_as_another_role() {
    let fixture = Fixture::new();
    let error =
        Vault::unlock(&fixture.store(), StoreRole::Authority, &fixture.unlock()).unwrap_err();
    assert!(matches!(
        error,
        StoreError::WrongRole {
            found: StoreRole::Member,
            expected: StoreRole::Authority,
            ..
        }
    ));
    // Nor when the header is changed to say so: the role is bound to the wrapped key.
    let mut header = raw(&fixture.store(), META, "header");
    let mut role = [0; 16];
    role[..9].copy_from_slice(b"authority");
    header[18..34].copy_from_slice(&role);
    fixture.tamper(|t| {
        t.open_table(META)
            .unwrap()
            .insert(&b"header"[..], header.as_slice())
            .unwrap();
    });
    assert!(matches!(
        Vault::unlock(&fixture.store(), StoreRole::Authority, &fixture.unlock()),
        Err(StoreError::WrongKey { .. })
    ));
}

#[test]
fn what_is_missing_or_already_there_is_said() {
    let fixture = Fixture::new();
    let missing = fixture.folder.path().join("missing");
    assert!(matches!(
        Vault::unlock(&missing, StoreRole::Member, &fixture.unlock()),
        Err(StoreError::NotFound { path }) if path == missing
    ));
    assert!(matches!(
        Vault::unlock(&fixture.store(), StoreRole::Member, &Unlock::KeyFile(missing.clone())),
        Err(StoreError::NotFound { path }) if path == missing
    ));
    let before = fs::read(fixture.store()).unwrap();
    assert!(matches!(
        Vault::create(&fixture.store(), StoreRole::Member, &fixture.unlock()),
        Err(StoreError::AlreadyExists { path }) if path == fixture.store()
    ));
    assert_eq!(fs::read(fixture.store()).unwrap(), before);
    let key = fixture.folder.path().join("key");
    let before = fs::read(&key).unwrap();
    assert!(matches!(
        create_key_file(&key),
        Err(StoreError::AlreadyExists { .. })
    ));
    assert_eq!(fs::read(&key).unwrap(), before);
    // A failed creation leaves nothing behind.
    assert_eq!(fs::read_dir(fixture.folder.path()).unwrap().count(), 2);
}

#[test]
fn a_vanished_store_is_said_at_opening() {
    let fixture = Fixture::new();
    fs::remove_file(fixture.store()).unwrap();
    assert!(matches!(
        fixture.vault.open(),
        Err(StoreError::NotFound { .. })
    ));
    assert!(matches!(
        fixture.vault.stamp(),
        Err(StoreError::NotFound { .. })
    ));
}

#[test]
fn an_open_store_is_busy() {
    let fixture = Fixture::new();
    let open = fixture.vault.open().unwrap();
    let error = fixture.vault.open().unwrap_err();
    assert!(matches!(&error, StoreError::Busy { path } if *path == fixture.store()));
    assert!(
        error
            .to_string()
            .starts_with("another sealmq process has it open"),
        "{error}"
    );
    assert!(matches!(
        Vault::unlock(&fixture.store(), StoreRole::Member, &fixture.unlock()),
        Err(StoreError::Busy { .. })
    ));
    assert!(matches!(
        fixture.vault.stamp(),
        Err(StoreError::Busy { .. })
    ));

    let start = Instant::now();
    let waited = fixture.vault.open_wait(Duration::from_millis(100));
    assert!(matches!(waited, Err(StoreError::Busy { .. })));
    assert!(start.elapsed() >= Duration::from_millis(100));
    assert!(start.elapsed() < Duration::from_secs(5));

    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(50));
            open.close().unwrap();
        });
        fixture.vault.open_wait(Duration::from_secs(10)).unwrap();
    });
}

#[test]
fn stamps_tell_commits_apart_and_nothing_else() {
    let fixture = Fixture::with(&[("a", "1")]);
    let first = fixture.vault.stamp().unwrap();
    assert!(!fixture.vault.changed_since(&first).unwrap());
    let mut store = fixture.vault.open().unwrap();
    assert_eq!(store.stamp(), first);
    get(&store, "a");
    drop(store);
    assert!(
        !fixture.vault.changed_since(&first).unwrap(),
        "opening is no change"
    );

    // Another process: a vault of its own.
    let other = Vault::unlock(&fixture.store(), StoreRole::Member, &fixture.unlock()).unwrap();
    store = other.open().unwrap();
    put(&mut store, &[("a", "1")]);
    let second = store.stamp();
    drop(store);
    assert!(fixture.vault.changed_since(&first).unwrap());
    assert_eq!(fixture.vault.stamp().unwrap(), second);
    assert_eq!(second.counter(), first.counter() + 1);
    assert_eq!(fixture.vault.open().unwrap().stamp(), second);
}

#[test]
fn a_backup_put_back_is_noticed_by_who_saw_more() {
    let fixture = Fixture::with(&[("a", "1")]);
    let backup = fs::read(fixture.store()).unwrap();
    put(&mut fixture.vault.open().unwrap(), &[("a", "2")]);
    let seen = fixture.vault.stamp().unwrap();
    fs::write(fixture.store(), &backup).unwrap();
    assert!(fixture.vault.changed_since(&seen).unwrap());
    assert!(matches!(
        fixture.vault.open(),
        Err(StoreError::RolledBack { .. })
    ));

    // Also when it took another way to the same number of commits.
    let other = Vault::unlock(&fixture.store(), StoreRole::Member, &fixture.unlock()).unwrap();
    put(&mut other.open().unwrap(), &[("a", "3")]);
    assert_eq!(other.stamp().unwrap().counter(), seen.counter());
    assert!(matches!(
        fixture.vault.open(),
        Err(StoreError::RolledBack { .. })
    ));
}

#[test]
fn a_new_key_keeps_the_records_and_shuts_the_old_one_out() {
    let fixture = Fixture::with(&[("a", "1"), ("b", "2")]);
    let old = Vault::unlock(&fixture.store(), StoreRole::Member, &fixture.unlock()).unwrap();
    let before = old.stamp().unwrap();
    let vault = Vault::unlock(&fixture.store(), StoreRole::Member, &fixture.unlock()).unwrap();
    let vault = vault.rekey(&passphrase("new")).unwrap();

    let store = vault.open().unwrap();
    assert_eq!(get(&store, "a").as_deref(), Some("1"));
    assert_eq!(get(&store, "b").as_deref(), Some("2"));
    assert!(store.stamp().counter() > before.counter());
    drop(store);
    Vault::unlock(&fixture.store(), StoreRole::Member, &passphrase("new")).unwrap();

    assert!(matches!(
        Vault::unlock(&fixture.store(), StoreRole::Member, &fixture.unlock()),
        Err(StoreError::OtherMethod { .. })
    ));
    assert!(matches!(old.open(), Err(StoreError::Altered { record, .. }) if record == "manifest"));
    assert_eq!(fs::read_dir(fixture.folder.path()).unwrap().count(), 2);
}

#[test]
fn a_store_in_use_gets_no_new_key() {
    let fixture = Fixture::with(&[("a", "1")]);
    let open = fixture.vault.open().unwrap();
    let other = fixture.folder.path().join("other");
    create_key_file(&other).unwrap();
    // A vault of another process, unlocked before.
    drop(open);
    let vault = Vault::unlock(&fixture.store(), StoreRole::Member, &fixture.unlock()).unwrap();
    let open = fixture.vault.open().unwrap();
    assert!(matches!(
        vault.rekey(&Unlock::KeyFile(other)),
        Err(StoreError::Busy { .. })
    ));
    assert_eq!(get(&open, "a").as_deref(), Some("1"));
}

#[test]
fn no_secret_stands_in_the_file() {
    let canary = "canary-7f3a91c2-canary-7f3a91c2-canary";
    let fixture = Fixture::with(&[("visible-key", canary)]);
    put(
        &mut fixture.vault.open().unwrap(),
        &[("visible-key", "gone"), ("b", canary)],
    );
    let bytes = fs::read(fixture.store()).unwrap();
    let contains = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    // The search works: keys are not secret.
    assert!(contains(b"visible-key"));
    for part in canary.as_bytes().windows(12) {
        assert!(!contains(part));
    }
    // Nor the key that unlocks it.
    let pem = fs::read(fixture.folder.path().join("key")).unwrap();
    let mut key = [0; 32];
    pem_rfc7468::decode(&pem, &mut key).unwrap();
    for part in key.windows(8) {
        assert!(!contains(part));
    }
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn files_and_new_folders_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a").join("b");
        create_key_file(&deep.join("key")).unwrap();
        let unlock = Unlock::KeyFile(deep.join("key"));
        let vault = Vault::create(&deep.join("store"), StoreRole::Member, &unlock).unwrap();
        put(&mut vault.open().unwrap(), &[("a", "1")]);
        let vault = vault.rekey(&unlock).unwrap();
        put(&mut vault.open().unwrap(), &[("a", "1")]);
        assert_eq!(mode(&deep.join("key")), 0o600);
        assert_eq!(mode(&deep.join("store")), 0o600);
        assert_eq!(mode(&deep), 0o700);
        assert_eq!(mode(&folder.path().join("a")), 0o700);
    }

    #[test]
    fn folders_that_exist_keep_their_mode() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        create_key_file(&folder.path().join("key")).unwrap();
        assert_eq!(mode(folder.path()), 0o755);
    }

    #[test]
    fn symbolic_links_are_not_followed_at_creation() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        create_key_file(&key).unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        symlink(&target, &link).unwrap();
        assert!(matches!(
            create_key_file(&link),
            Err(StoreError::AlreadyExists { .. })
        ));
        assert!(matches!(
            Vault::create(&link, StoreRole::Member, &Unlock::KeyFile(key)),
            Err(StoreError::AlreadyExists { .. })
        ));
        assert!(!target.exists());
    }

    #[test]
    fn a_link_to_a_store_stays_one() {
        let fixture = Fixture::with(&[("a", "1")]);
        let link = fixture.folder.path().join("link");
        symlink(fixture.store(), &link).unwrap();
        let vault = Vault::unlock(&link, StoreRole::Member, &fixture.unlock()).unwrap();
        let vault = vault.rekey(&fixture.unlock()).unwrap();
        assert_eq!(get(&vault.open().unwrap(), "a").as_deref(), Some("1"));
        assert!(link.symlink_metadata().unwrap().is_symlink());
        Vault::unlock(&fixture.store(), StoreRole::Member, &fixture.unlock()).unwrap();
    }

    #[test]
    fn a_key_file_that_others_can_access_is_refused() {
        let fixture = Fixture::new();
        let key = fixture.folder.path().join("key");
        for bits in [0o604, 0o620, 0o601, 0o644, 0o660, 0o650, 0o444] {
            fs::set_permissions(&key, fs::Permissions::from_mode(bits)).unwrap();
            let error =
                Vault::unlock(&fixture.store(), StoreRole::Member, &fixture.unlock()).unwrap_err();
            assert!(matches!(&error, StoreError::KeyFilePermissions { mode, .. } if *mode == bits));
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        // The last two: as secrets are mounted, for a group that this user is in.
        for bits in [0o400, 0o440, 0o640] {
            fs::set_permissions(&key, fs::Permissions::from_mode(bits)).unwrap();
            Vault::unlock(&fixture.store(), StoreRole::Member, &fixture.unlock()).unwrap();
        }
        // Another group: only root can give a file away.
        if std::os::unix::fs::chown(&key, None, Some(54_321)).is_ok() {
            let error =
                Vault::unlock(&fixture.store(), StoreRole::Member, &fixture.unlock()).unwrap_err();
            assert!(matches!(error, StoreError::KeyFilePermissions { .. }));
        }
    }

    #[test]
    fn a_folder_stands_for_the_store_in_it() {
        let fixture = Fixture::new();
        let folder = fixture.folder.path().join("device");
        fs::create_dir(&folder).unwrap();
        let unlock = fixture.unlock();
        let vault = Vault::create(&folder, StoreRole::Member, &unlock).unwrap();
        assert_eq!(vault.path(), folder.join("member.store"));
        let opened = Vault::unlock(&folder, StoreRole::Member, &unlock).unwrap();
        assert_eq!(opened.path(), vault.path());
        // Of another role there is none.
        assert!(matches!(
            Vault::unlock(&folder, StoreRole::Authority, &unlock),
            Err(StoreError::NotFound { .. })
        ));
    }

    #[test]
    fn what_is_no_key_file_is_refused() {
        let fixture = Fixture::new();
        let key = fixture.folder.path().join("key");
        let pem = fs::read_to_string(&key).unwrap();
        let bad = [
            String::new(),
            "0".repeat(64),
            pem[..pem.len() / 2].to_owned(),
            pem.replace("STORE", "OTHER"),
            // 33 bytes.
            pem.replacen("KEY-----\n", "KEY-----\nAAAA", 1),
            "A".repeat(1 << 20),
        ];
        for content in bad {
            fs::write(&key, &content).unwrap();
            let error =
                Vault::unlock(&fixture.store(), StoreRole::Member, &fixture.unlock()).unwrap_err();
            assert!(matches!(error, StoreError::KeyFileFormat { .. }), "{error}");
        }
        fs::remove_file(&key).unwrap();
        fs::create_dir(&key).unwrap();
        assert!(matches!(
            Vault::unlock(&fixture.store(), StoreRole::Member, &fixture.unlock()),
            Err(StoreError::KeyFileFormat { .. })
        ));
    }
}
