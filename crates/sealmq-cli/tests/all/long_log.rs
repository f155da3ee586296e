//! A log of many segments and pieces: the commands beside it, its copy in pieces, and recovery.

use std::fs;
use std::path::{Path, PathBuf};

use sealmq_authority::{AuditLog, AuditPiece, Authority, What};
use sealmq_core::GroupId;
use sealmq_keys::{Changes, Store as _};
use sealmq_store::{StoreRole, Unlock, Vault};

use crate::common::PATIENCE;
use crate::common::domain::Domain;

const ENTRIES: u64 = 20_000;

/// Takes a number of postcard from the front.
fn number(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    number
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// Adds entries as the authority does: each commit brings the head that it makes.
fn grow(domain: &Domain, entries: u64) {
    let path = domain.path().join("sealmq-authority");
    let unlock = Unlock::KeyFile(domain.path().join("stores.key"));
    let vault = Vault::unlock_wait(&path, StoreRole::Authority, &unlock, PATIENCE).unwrap();
    let mut store = vault.open_wait(PATIENCE).unwrap();
    let mut log = Authority::load(&store).unwrap().audit_head();
    let head = store.get("authority/head").unwrap().unwrap();
    let mut rest = &head[1..];
    let mut revision = number(&mut rest);
    assert_eq!(number(&mut rest), log.size);
    let end = log.size + entries;
    while log.size < end {
        let mut changes = Changes::new();
        for _ in 0..1000.min(end - log.size) {
            // Of a group that there is not: it does nothing when it is replayed.
            let what = What::Generation {
                group: GroupId([9; 16]),
                number: 2,
                epoch: log.size,
            };
            let appended = log.append(1_800_000_000, what).unwrap();
            changes.put(appended.key, appended.bytes);
        }
        revision += 1;
        let record = [
            &head[..1],
            &varint(revision),
            &varint(log.size),
            &log.head.0,
        ];
        changes.put("authority/head", record.concat());
        store.commit(&changes).unwrap();
    }
    store.close().unwrap();
}

/// The folders with the older part of the log.
fn older_parts(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (entry, to) = (
            entry.as_ref().unwrap(),
            to.join(entry.as_ref().unwrap().file_name()),
        );
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_lost_authority_comes_back_from_a_long_log_in_pieces() {
    let domain = Domain::new();
    domain.enrol("gone", &["--subscribe", "plant"]);
    grow(&domain, ENTRIES);
    let folder = domain.path().join("sealmq-authority");
    assert!(domain.ok(&["audit", "verify"]).stdout.contains("is whole"));
    // Small pieces in one file; the next copy takes its place.
    let export = |args: &[&str]| domain.try_run(&[&["audit", "export"][..], args].concat());
    export(&["-o", "audit.log", "--piece-entries", "100"]).expect(0);
    domain.ok(&["audit", "verify", "audit.log"]);
    let text = fs::read_to_string(domain.path().join("audit.log")).unwrap();
    assert!(
        text.matches("-----BEGIN SEALMQ AUDIT LOG PIECE-----")
            .count()
            > 200
    );
    // Backups have all of it, and leave nothing of the one before.
    for _ in 0..2 {
        domain.ok(&["authority", "backup", "backup"]);
        assert_eq!(older_parts(&domain.path().join("backup")).len(), 1);
    }
    domain.ok(&["member", "remove", "gone"]);
    grow(&domain, 1500);
    export(&["-o", "audit.log"]).expect(0);
    domain.ok(&["audit", "verify", "audit.log"]);
    export(&["-o", "pieces", "--split", "--piece-entries", "1000"]).expect(0);
    export(&["-o", "pieces", "--split"]).complains(1, &["exists already"]);
    let said = domain.ok(&["audit", "verify", "pieces"]).stdout;
    assert!(said.contains("of this authority"), "{said}");
    harmed_copies(&domain);

    // A part of the log is missing: it is named, and everything else goes on.
    let [parts] = older_parts(&folder).try_into().unwrap();
    let part = parts.join("000000000007");
    fs::rename(&part, domain.path().join("part")).unwrap();
    let about = ["entry 3584 of the log is missing", "000000000007"];
    domain.try_run(&["audit", "verify"]).complains(4, &about);
    domain.ok(&["rotate", "plant"]);
    fs::rename(domain.path().join("part"), &part).unwrap();
    domain.ok(&["audit", "verify"]);

    // Lost, but for the root, the backup and the copy.
    fs::rename(&folder, domain.path().join("lost")).unwrap();
    copy_folder(&domain.path().join("backup"), &folder);
    let root = domain.path().join("lost/root.store");
    fs::copy(root, folder.join("root.store")).unwrap();
    domain.ok(&[
        "authority",
        "request-delegation",
        "--new-keys",
        "-o",
        "resume.req",
    ]);
    domain.ok(&["root", "delegate", "resume.req", "-o", "resume.pem"]);
    let resume = [
        "authority",
        "resume",
        "--delegation",
        "resume.pem",
        "--audit-log",
    ];
    let resume = |copy: &str| domain.try_run(&[&resume[..], &[copy]].concat());
    resume("harmed").complains(1, &["piece 3", "entries 2000 to 2999 are missing"]);
    let said = resume("pieces").expect(0).stdout;
    assert!(said.contains("gone: removed after the backup"), "{said}");
    let said = domain.ok(&["audit", "verify"]).stdout;
    assert!(said.contains("is whole"), "{said}");
}

/// Copies that are damaged, or of which something is missing.
fn harmed_copies(domain: &Domain) {
    let (good, bad) = (domain.path().join("pieces"), domain.path().join("harmed"));
    copy_folder(&good, &bad);
    let verify = || domain.try_run(&["audit", "verify", "harmed"]);
    let name = |first: u64| format!("audit-{first:020}.log");
    let put_back = |first| fs::copy(good.join(name(first)), bad.join(name(first))).unwrap();
    // One byte of an entry.
    let mut piece =
        AuditPiece::decode(&fs::read_to_string(good.join(name(3000))).unwrap()).unwrap();
    piece.entries[17][33] ^= 1;
    fs::write(bad.join(name(3000)), piece.encode().unwrap()).unwrap();
    verify().complains(1, &["piece 4", "entry 3018"]);
    let text = fs::read_to_string(good.join(name(3000))).unwrap();
    fs::write(bad.join(name(3000)), &text[..text.len() / 2]).unwrap();
    verify().complains(2, &["piece 4", "entry 3000", "copy it again"]);
    // Of another log.
    let mut other = AuditLog::EMPTY;
    let what = What::Generation {
        group: GroupId([9; 16]),
        number: 2,
        epoch: 3,
    };
    piece.entries = (0..1000)
        .map(|_| other.append(1, what).unwrap().bytes)
        .collect();
    fs::write(bad.join(name(3000)), piece.encode().unwrap()).unwrap();
    verify().complains(1, &["piece 4", "of another log"]);
    put_back(3000);
    // The last one is missing, and then the third.
    let mut names: Vec<_> = fs::read_dir(&bad)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    names.sort();
    fs::remove_file(names.last().unwrap()).unwrap();
    verify().complains(1, &["are missing", "21000 to"]);
    put_back(21_000);
    fs::remove_file(bad.join(name(2000))).unwrap();
    verify().complains(1, &["piece 3", "entries 2000 to 2999 are missing"]);
}
