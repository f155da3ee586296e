//! Processes that are killed, run out of space, or meet each other. This file starts itself.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on has failed"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sealmq_keys::{Changes, Store as _};
use sealmq_store::{
    FileStore, RunLock, Stamps as _, StoreError, StoreRole, Unlock, Vault, create_key_file,
};

const TESTS: [(&str, fn()); 8] = [
    (
        "a_killed_writer_leaves_the_old_or_the_new_state",
        killed_writer,
    ),
    ("a_killed_creator_leaves_a_store_or_nothing", killed_creator),
    ("a_killed_rekey_leaves_the_old_or_the_new_key", killed_rekey),
    ("a_full_disk_is_an_error_and_changes_nothing", full_disk),
    ("two_processes_take_turns", turns),
    ("stale_plans_of_two_processes_lose_nothing", stale_plans),
    ("one_process_runs_on_a_folder", one_runs),
    ("modes_do_not_depend_on_the_umask", umask),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().unwrap_or_default();
    if first == "--child" {
        let role = arguments.next().unwrap();
        let folder = PathBuf::from(arguments.next().unwrap());
        return match role.as_str() {
            "write" => write_pairs(&folder),
            "create" => create_stores(&folder),
            "rekey" => rekey_for_ever(&folder),
            "fill" => fill(&folder),
            "count" => count(&folder),
            "plan" => plan(&folder),
            "run" => run(&folder),
            "make" => make(&folder),
            _ => panic!("{role}"),
        };
    }
    // What cargo passes that concerns us: --list, and a filter.
    let list = std::env::args().any(|argument| argument == "--list");
    let filter = std::env::args()
        .skip(1)
        .find(|a| !a.starts_with('-'))
        .unwrap_or_default();
    for (name, test) in TESTS.iter().filter(|(name, _)| name.contains(&filter)) {
        if list {
            println!("{name}: test");
        } else {
            let start = Instant::now();
            test();
            println!("test {name} ... ok ({} ms)", start.elapsed().as_millis());
        }
    }
}

// --- helpers ---

fn key(folder: &Path) -> Unlock {
    Unlock::KeyFile(folder.join("key"))
}

fn new_store() -> (tempfile::TempDir, Vault) {
    let folder = tempfile::tempdir().unwrap();
    create_key_file(&folder.path().join("key")).unwrap();
    let vault = Vault::create(
        &folder.path().join("store"),
        StoreRole::Member,
        &key(folder.path()),
    )
    .unwrap();
    (folder, vault)
}

fn unlock(folder: &Path) -> Vault {
    let wait = Duration::from_secs(20);
    Vault::unlock_wait(&folder.join("store"), StoreRole::Member, &key(folder), wait).unwrap()
}

fn child(role: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--child", role])
        .arg(folder)
        .stdout(Stdio::piped());
    command
}

/// The same below a shell that sets limits first.
fn child_after(setup: &str, role: &str, folder: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("{setup}; exec \"$0\" --child {role} \"$1\""));
    command
        .arg(std::env::current_exe().unwrap())
        .arg(folder)
        .stdout(Stdio::piped());
    command
}

/// Kills the child (SIGKILL) some time after its first line; returns its last complete line.
fn kill_after(mut child: Child, delay: Duration) -> u64 {
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    output.read_line(&mut text).unwrap();
    thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
    output.read_to_string(&mut text).unwrap();
    let complete = text.rsplit_once('\n').unwrap().0;
    complete.rsplit('\n').next().unwrap().parse().unwrap()
}

fn say(number: u64) {
    println!("{number}");
    std::io::stdout().flush().unwrap();
}

fn number(store: &FileStore, key: &str) -> u64 {
    store
        .get(key)
        .unwrap()
        .map_or(0, |v| u64::from_be_bytes(v[..8].try_into().unwrap()))
}

/// Delays that hit different moments of a loop whose rounds take milliseconds.
fn delay(round: u64) -> Duration {
    Duration::from_micros(500 + round * 7919 % 40_000)
}

// --- killed in the middle of commits ---

fn write_pairs(folder: &Path) {
    let mut store = unlock(folder).open().unwrap();
    let mut i = number(&store, "left");
    loop {
        i += 1;
        let mut changes = Changes::new();
        let value = i.to_be_bytes().repeat(1 + (i % 700) as usize);
        changes.put("left", value.clone());
        changes.put(format!("n/{}", i % 16), i.to_be_bytes());
        changes.delete(format!("n/{}", (i + 8) % 16));
        changes.put("right", value);
        store.commit(&changes).unwrap();
        say(i);
    }
}

fn killed_writer() {
    let (folder, vault) = new_store();
    let mut last = 0;
    for round in 0..20 {
        let said = kill_after(child("write", folder.path()).spawn().unwrap(), delay(round));
        // The stamp too has to work before anything repaired the file.
        let stamp = vault.stamp().unwrap();
        let store = vault.open().unwrap();
        assert_eq!(store.stamp(), stamp);
        let (left, right) = (number(&store, "left"), number(&store, "right"));
        assert_eq!(left, right);
        assert_eq!(stamp.counter(), left + 1);
        // What was reported is there; at most one more commit was.
        assert!(
            said > last && (left == said || left == said + 1),
            "{said} {left}"
        );
        let listed = store.list("n/").unwrap();
        assert_eq!(listed.len() as u64, left.min(8));
        for (key, value) in listed {
            let i = u64::from_be_bytes(value[..].try_into().unwrap());
            assert!(i <= left && i + 8 > left && key == format!("n/{}", i % 16));
        }
        last = left;
    }
}

// --- killed while creating ---

fn create_stores(folder: &Path) {
    for i in 0_u64.. {
        Vault::create(
            &folder.join(format!("store-{i}")),
            StoreRole::Member,
            &key(folder),
        )
        .unwrap();
        say(i);
    }
}

fn killed_creator() {
    for round in 0..10 {
        let (folder, _) = new_store();
        let said = kill_after(
            child("create", folder.path()).spawn().unwrap(),
            delay(round),
        );
        for i in 0..=said + 1 {
            let path = folder.path().join(format!("store-{i}"));
            match Vault::unlock(&path, StoreRole::Member, &key(folder.path())) {
                Ok(vault) => assert!(vault.open().unwrap().list("").unwrap().is_empty()),
                Err(StoreError::NotFound { .. }) => assert_eq!(i, said + 1),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

// --- killed while changing the key ---

fn rekey_for_ever(folder: &Path) {
    let (mut vault, mut next) = open_with_either(folder);
    for i in 0_u64.. {
        let name = ["key", "other"][next];
        vault = vault.rekey(&Unlock::KeyFile(folder.join(name))).unwrap();
        next = 1 - next;
        say(i);
    }
}

/// The vault, and which key is not in use.
fn open_with_either(folder: &Path) -> (Vault, usize) {
    let open = |name: &str| {
        let unlock = Unlock::KeyFile(folder.join(name));
        Vault::unlock(&folder.join("store"), StoreRole::Member, &unlock)
    };
    match (open("key"), open("other")) {
        (Ok(vault), Err(StoreError::WrongKey { .. })) => (vault, 1),
        (Err(StoreError::WrongKey { .. }), Ok(vault)) => (vault, 0),
        other => panic!("{other:?}"),
    }
}

fn killed_rekey() {
    let (folder, vault) = new_store();
    create_key_file(&folder.path().join("other")).unwrap();
    let mut changes = Changes::new();
    changes.put("a", [7; 100_000]);
    vault.open().unwrap().commit(&changes).unwrap();
    for round in 0..10 {
        kill_after(child("rekey", folder.path()).spawn().unwrap(), delay(round));
        let store = open_with_either(folder.path()).0.open().unwrap();
        assert_eq!(**store.get("a").unwrap().unwrap(), [7; 100_000]);
    }
}

// --- no space left ---

fn fill(folder: &Path) {
    let mut store = unlock(folder).open().unwrap();
    for i in 0_u64.. {
        let mut changes = Changes::new();
        changes.put(format!("n/{i:06}"), vec![1; 100_000]);
        changes.put("count", (i + 1).to_be_bytes());
        match store.commit(&changes) {
            Ok(()) => say(i + 1),
            Err(error) => {
                assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
                let text = error.to_string();
                assert!(
                    text.contains("the disk or quota is full: free some space"),
                    "{text}"
                );
                assert!(text.contains("store"), "{text}");
                // This handle says so from now on, instead of showing one of two states.
                assert!(matches!(store.get("count"), Err(StoreError::Reopen { .. })));
                assert!(matches!(
                    store.commit(&changes),
                    Err(StoreError::Reopen { .. })
                ));
                return;
            }
        }
    }
}

fn full_disk() {
    let (folder, vault) = new_store();
    // A limit on the size of files (8192 blocks of 512 bytes or 1 KiB) acts like a full disk.
    let output = child_after("trap '' XFSZ; ulimit -f 8192", "fill", folder.path())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let said: u64 = text.lines().last().unwrap().parse().unwrap();
    let mut store = vault.open().unwrap();
    let count = number(&store, "count");
    assert!(
        said > 5 && (count == said || count == said + 1),
        "{said} {count}"
    );
    assert_eq!(store.list("n/").unwrap().len() as u64, count);
    // With space again, it goes on.
    let mut changes = Changes::new();
    changes.put("n/more", vec![1; 1 << 20]);
    store.commit(&changes).unwrap();
}

// --- two at once ---

const TURNS: u64 = 40;

fn count(folder: &Path) {
    let vault = unlock(folder);
    for _ in 0..TURNS {
        let mut store = vault.open_wait(Duration::from_secs(20)).unwrap();
        let mut changes = Changes::new();
        changes.put("count", (number(&store, "count") + 1).to_be_bytes());
        store.commit(&changes).unwrap();
        store.close().unwrap();
    }
    say(TURNS);
}

fn turns() {
    let (folder, vault) = new_store();
    let before = vault.stamp().unwrap();

    // Held here, it is busy there.
    let held = vault.open().unwrap();
    let mut children: Vec<Child> = (0..2)
        .map(|_| child("count", folder.path()).spawn().unwrap())
        .collect();
    thread::sleep(Duration::from_millis(100));
    assert!(
        children
            .iter_mut()
            .all(|child| child.try_wait().unwrap().is_none())
    );
    held.close().unwrap();

    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let store = vault.open().unwrap();
    assert_eq!(number(&store, "count"), 2 * TURNS);
    assert_eq!(store.stamp().counter(), before.counter() + 2 * TURNS);
    drop(store);
    assert!(vault.changed_since(&before).unwrap());
}

/// Reads, forgets the store for a while, and commits only if nobody was faster.
fn plan(folder: &Path) {
    let vault = unlock(folder);
    let wait = Duration::from_secs(20);
    let mut done = 0;
    while done < TURNS {
        let store = vault.open_wait(wait).unwrap();
        let (before, next) = (store.get("count").unwrap(), number(&store, "count") + 1);
        store.close().unwrap();
        let mut changes = Changes::new();
        changes.expect("count", before.map(|value| value.to_vec()));
        changes.put("count", next.to_be_bytes());
        let mut store = vault.open_wait(wait).unwrap();
        match store.commit(&changes) {
            Ok(()) => done += 1,
            Err(error) => assert!(FileStore::is_conflict(&error), "{error}"),
        }
        store.close().unwrap();
    }
    say(TURNS);
}

fn stale_plans() {
    let (folder, vault) = new_store();
    let children: Vec<Child> = (0..2)
        .map(|_| child("plan", folder.path()).spawn().unwrap())
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(number(&vault.open().unwrap(), "count"), 2 * TURNS);
}

// --- one that runs ---

fn run(folder: &Path) {
    let _lock = RunLock::acquire(folder).unwrap();
    say(1);
    thread::sleep(Duration::from_secs(600));
}

fn one_runs() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let mut runs = child("run", folder.path()).spawn().unwrap();
        let mut line = String::new();
        let output = runs.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let error = RunLock::acquire(folder.path()).unwrap_err();
        let id = runs.id();
        assert!(
            matches!(&error, StoreError::Running { process, .. } if *process == Some(id)),
            "{error}"
        );
        assert!(error.to_string().contains(&id.to_string()), "{error}");
        runs.kill().unwrap();
        runs.wait().unwrap();
        // The system released it; the next round's process takes it over.
    }
    let lock = RunLock::acquire(folder.path()).unwrap();
    assert!(RunLock::acquire(folder.path()).is_err());
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let mode = std::fs::metadata(lock.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        std::fs::write(other.path().join("victim"), "precious").unwrap();
        symlink(
            other.path().join("victim"),
            other.path().join("running.lock"),
        )
        .unwrap();
        assert!(RunLock::acquire(other.path()).is_err());
        let kept = std::fs::read_to_string(other.path().join("victim")).unwrap();
        assert_eq!(kept, "precious");
    }
    drop(lock);
    drop(RunLock::acquire(folder.path()).unwrap());
}

// --- umask ---

fn make(folder: &Path) {
    create_key_file(&folder.join("deep").join("key")).unwrap();
    let unlock = Unlock::KeyFile(folder.join("deep").join("key"));
    Vault::create(
        &folder.join("deep").join("store"),
        StoreRole::Member,
        &unlock,
    )
    .unwrap();
    say(0);
}

#[cfg(unix)]
fn umask() {
    use std::os::unix::fs::PermissionsExt as _;
    for umask in ["000", "022", "777"] {
        let folder = tempfile::tempdir().unwrap();
        let output = child_after(&format!("umask {umask}"), "make", folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{umask}");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let deep = folder.path().join("deep");
        assert_eq!(mode(&deep), 0o700);
        assert_eq!(mode(&deep.join("key")), 0o600);
        assert_eq!(mode(&deep.join("store")), 0o600);
    }
}

#[cfg(not(unix))]
fn umask() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    assert!(
        fs::metadata(folder.path().join("deep").join("store"))
            .unwrap()
            .is_file()
    );
}
