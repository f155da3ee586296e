//! What both stores promise, checked by the same code.
use sealmq_keys::{Changes, Store};
use sealmq_store::{
    FileStore, MAX_KEY_LEN, MAX_VALUE_LEN, MemoryStore, StoreError, StoreRole, Unlock, Vault,
    create_key_file,
};
use tempfile::TempDir;

type Step = fn(&mut dyn Store<Error = StoreError>);

fn both(step: Step) {
    step(&mut MemoryStore::new());
    let folder = TempDir::new().unwrap();
    let vault = new_vault(&folder);
    step(&mut vault.open().unwrap());
    // And what it left is readable afterwards.
    drop(vault.open().unwrap());
}

fn new_vault(folder: &TempDir) -> Vault {
    let key = folder.path().join("key");
    create_key_file(&key).unwrap();
    Vault::create(
        &folder.path().join("store"),
        StoreRole::Member,
        &Unlock::KeyFile(key),
    )
    .unwrap()
}

fn put(pairs: &[(&str, &str)]) -> Changes {
    let mut changes = Changes::new();
    for (key, value) in pairs {
        changes.put(*key, *value);
    }
    changes
}

fn keys(store: &dyn Store<Error = StoreError>, prefix: &str) -> Vec<String> {
    store
        .list(prefix)
        .unwrap()
        .into_iter()
        .map(|(key, _)| key)
        .collect()
}

fn text(store: &dyn Store<Error = StoreError>, key: &str) -> Option<String> {
    store
        .get(key)
        .unwrap()
        .map(|value| String::from_utf8(value.to_vec()).unwrap())
}

#[test]
fn an_empty_store_has_nothing() {
    both(|store| {
        assert!(store.get("a").unwrap().is_none());
        assert!(store.get("").unwrap().is_none());
        assert!(store.list("").unwrap().is_empty());
    });
}

#[test]
fn lists_are_in_order_of_key_and_only_of_the_prefix() {
    both(|store| {
        let all = [
            "",
            "a",
            "a/",
            "a/1",
            "a/10",
            "a/2",
            "a0",
            "b/1",
            "é",
            "\u{10ffff}",
        ];
        let mut shuffled: Vec<_> = all.iter().map(|key| (*key, *key)).collect();
        shuffled.reverse();
        shuffled.rotate_left(3);
        store.commit(&put(&shuffled)).unwrap();
        let mut sorted = all;
        sorted.sort_unstable();
        assert_eq!(keys(store, ""), sorted);
        assert_eq!(keys(store, "a/"), ["a/", "a/1", "a/10", "a/2"]);
        assert_eq!(keys(store, "a/1"), ["a/1", "a/10"]);
        assert_eq!(keys(store, "é"), ["é"]);
        assert!(keys(store, "c").is_empty());
        for (key, value) in store.list("").unwrap() {
            assert_eq!(key.as_bytes(), value.as_slice());
        }
    });
}

#[test]
fn the_last_change_of_a_key_wins() {
    both(|store| {
        let mut changes = put(&[("a", "1"), ("b", "1"), ("a", "2")]);
        changes.delete("b");
        changes.delete("c");
        changes.put("c", "3");
        changes.append(put(&[("a", "4")]));
        store.commit(&changes).unwrap();
        assert_eq!(text(store, "a").as_deref(), Some("4"));
        assert_eq!(text(store, "b"), None);
        assert_eq!(text(store, "c").as_deref(), Some("3"));
        assert_eq!(keys(store, ""), ["a", "c"]);
    });
}

#[test]
fn values_are_replaced_and_deleted() {
    both(|store| {
        store
            .commit(&put(&[("a", "a long first value"), ("b", "1")]))
            .unwrap();
        store.commit(&put(&[("a", "")])).unwrap();
        assert_eq!(text(store, "a").as_deref(), Some(""));
        assert_eq!(text(store, "b").as_deref(), Some("1"));
        for _ in 0..2 {
            let mut changes = Changes::new();
            changes.delete("a");
            store.commit(&changes).unwrap();
            assert_eq!(text(store, "a"), None);
            assert_eq!(keys(store, ""), ["b"]);
        }
    });
}

#[test]
fn no_changes_change_nothing() {
    both(|store| {
        store.commit(&put(&[("a", "1")])).unwrap();
        store.commit(&Changes::new()).unwrap();
        assert_eq!(keys(store, ""), ["a"]);
    });
}

#[test]
fn large_values_and_long_keys_fit() {
    both(|store| {
        let value: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();
        let key = "k".repeat(MAX_KEY_LEN);
        let mut changes = Changes::new();
        changes.put(key.clone(), value.clone());
        store.commit(&changes).unwrap();
        assert_eq!(*store.get(&key).unwrap().unwrap(), value);
    });
}

#[test]
fn a_refused_commit_changes_nothing() {
    both(|store| {
        store.commit(&put(&[("a", "1")])).unwrap();
        let mut changes = put(&[("a", "2"), ("b", "2")]);
        changes.put("k".repeat(MAX_KEY_LEN + 1), "");
        assert!(matches!(
            store.commit(&changes),
            Err(StoreError::KeyTooLong { len }) if len == MAX_KEY_LEN + 1
        ));
        let mut changes = put(&[("a", "2"), ("b", "2")]);
        changes.put("big", vec![0; MAX_VALUE_LEN + 1]);
        assert!(matches!(
            store.commit(&changes),
            Err(StoreError::ValueTooLong { record, len }) if record == "big" && len == MAX_VALUE_LEN + 1
        ));
        assert_eq!(text(store, "a").as_deref(), Some("1"));
        assert_eq!(keys(store, ""), ["a"]);
        // And the store is still usable.
        store.commit(&put(&[("a", "3")])).unwrap();
        assert_eq!(text(store, "a").as_deref(), Some("3"));
    });
}

#[test]
fn many_random_commits_agree_with_a_map() {
    both(|store| {
        let mut model = std::collections::BTreeMap::new();
        let mut seed = 1_u64;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        for _ in 0..60 {
            let mut changes = Changes::new();
            for _ in 0..next(20) {
                let key = format!("k/{}", next(40));
                if next(3) == 0 {
                    changes.delete(key.clone());
                    model.remove(&key);
                } else {
                    let value = vec![7; next(6000) as usize];
                    changes.put(key.clone(), value.clone());
                    model.insert(key, value);
                }
            }
            store.commit(&changes).unwrap();
            let listed: Vec<_> = store
                .list("k/")
                .unwrap()
                .into_iter()
                .map(|(k, v)| (k, v.to_vec()))
                .collect();
            assert_eq!(listed, model.clone().into_iter().collect::<Vec<_>>());
        }
    });
}

#[test]
fn unmet_expectations_change_nothing() {
    both(|store| {
        store.commit(&put(&[("revision", "1")])).unwrap();
        let plan = |expected: Option<&str>| {
            let mut changes = put(&[("revision", "2"), ("new", "x")]);
            // Last, and of a record that the plan changes: it is about what was before.
            changes.expect("revision", expected);
            changes
        };
        for wrong in [None, Some("2"), Some("11"), Some("")] {
            let error = store.commit(&plan(wrong)).unwrap_err();
            assert!(MemoryStore::is_conflict(&error) && FileStore::is_conflict(&error));
            assert!(error.to_string().contains("revision"), "{error}");
            assert_eq!(text(store, "revision").as_deref(), Some("1"));
            assert_eq!(text(store, "new"), None);
        }
        store.commit(&plan(Some("1"))).unwrap();
        assert_eq!(text(store, "revision").as_deref(), Some("2"));

        let mut absent = put(&[("other", "1")]);
        absent.expect("none", None::<&str>);
        store.commit(&absent).unwrap();
        let mut only = Changes::new();
        only.expect("other", Some("1"));
        store.commit(&only).unwrap();
        only.expect("none", Some("1"));
        assert!(store.commit(&only).is_err());
        // Any other error is none.
        let error = store
            .commit(&put(&[(&"k".repeat(MAX_KEY_LEN + 1), "")]))
            .unwrap_err();
        assert!(!FileStore::is_conflict(&error));
    });
}

/// Two processes read the same state and decide; the one that comes second is told so.
#[test]
fn a_stale_plan_is_refused_and_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let one = new_vault(&folder);
    let key = Unlock::KeyFile(folder.path().join("key"));
    let two = Vault::unlock(one.path(), StoreRole::Member, &key).unwrap();
    one.open().unwrap().commit(&put(&[("r", "1")])).unwrap();
    let plan = |vault: &Vault, what: &str| {
        let read = vault.open().unwrap().get("r").unwrap();
        let next = read.as_ref().unwrap()[0] + 1;
        let mut changes = put(&[(what, "done")]);
        changes.expect("r", read.map(|value| value.to_vec()));
        changes.put("r", [next]);
        changes
    };
    let (first, second) = (plan(&one, "remove"), plan(&two, "enrol"));
    one.open().unwrap().commit(&first).unwrap();
    let mut store = two.open().unwrap();
    let before = store.stamp();
    let error = store.commit(&second).unwrap_err();
    assert!(FileStore::is_conflict(&error), "{error}");
    assert_eq!(store.stamp(), before);
    assert_eq!(keys(&store, ""), ["r", "remove"]);
    drop(store);
    let again = plan(&two, "enrol");
    two.open().unwrap().commit(&again).unwrap();
    assert_eq!(keys(&one.open().unwrap(), ""), ["enrol", "r", "remove"]);
}

#[test]
fn a_duplicate_of_a_memory_store_stands_still() {
    let mut store = MemoryStore::new();
    store.commit(&put(&[("a", "1")])).unwrap();
    let backup = store.duplicate();
    store.commit(&put(&[("a", "2")])).unwrap();
    assert_eq!(text(&backup, "a").as_deref(), Some("1"));
    assert_eq!(text(&store, "a").as_deref(), Some("2"));
}

#[test]
fn stores_can_move_between_threads_and_print_no_secret() {
    const fn shareable<T: Send + Sync>() {}
    shareable::<MemoryStore>();
    shareable::<FileStore>();
    shareable::<Vault>();
    shareable::<StoreError>();

    let folder = TempDir::new().unwrap();
    let vault = new_vault(&folder);
    let mut file = vault.open().unwrap();
    let mut memory = MemoryStore::new();
    file.commit(&put(&[("a", "canary")])).unwrap();
    memory.commit(&put(&[("a", "canary")])).unwrap();
    let unlock = Unlock::Passphrase("canary".to_owned().into());
    for shown in [
        format!("{file:?}"),
        format!("{memory:?}"),
        format!("{vault:?}"),
        format!("{unlock:?}"),
    ] {
        // Neither as text nor as a list of bytes.
        assert!(
            !shown.contains("canary") && !shown.contains("99, 97"),
            "{shown}"
        );
    }
}
