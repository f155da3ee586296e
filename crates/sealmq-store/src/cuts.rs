//! Power that fails at each single write of the database file: what is there afterwards opens, and
//! has all of a commit or nothing of it, whichever writes the disk had not been told to finish.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use redb::StorageBackend;
use sealmq_keys::{Changes, Store as _, log_key};

use crate::redb::RedbFile;
use crate::redb::Segments;
use crate::redb::database::Database;
use crate::sealed::header::Header;
use crate::sealed::log::SEGMENT_LEN;
use crate::sealed::seal::{StoreKey, random_secret};
use crate::sealed::{Backend, Reading, SealedStore, Segment, Shared, Writing};
use crate::{StoreError, StoreRole, Unlock, Vault, create_key_file};

type Records = BTreeMap<String, Vec<u8>>;

/// Entries of the log that each commit adds: more than a segment has.
const ADDED: u64 = SEGMENT_LEN + 2;

/// What happens to the file.
#[derive(Clone)]
enum Step {
    Write(usize, Vec<u8>),
    SetLen(usize),
    /// Everything before is on the disk from here on.
    Sync,
    /// A part of the log was put beside the file: whole or not at all.
    Segment(Segment, Vec<u8>),
    /// Those are on the disk from here on.
    SyncSegments,
    /// A commit has returned.
    Committed,
}

/// A file that remembers how it became what it is.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<(Vec<u8>, Vec<Step>)>>);

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    fn steps(&self) -> Vec<Step> {
        self.0.lock().unwrap().1.clone()
    }

    fn note(&self, step: Step) {
        let mut inner = self.0.lock().unwrap();
        apply(&mut inner.0, &step);
        inner.1.push(step);
    }
}

impl StorageBackend for Recorder {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().0.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = offset as usize;
        out.copy_from_slice(&self.0.lock().unwrap().0[offset..offset + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.note(Step::SetLen(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.note(Step::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.note(Step::Write(offset as usize, data.to_vec()));
        Ok(())
    }
}

fn apply(file: &mut Vec<u8>, step: &Step) {
    match step {
        Step::Write(at, data) => {
            let end = at + data.len();
            if file.len() < end {
                file.resize(end, 0);
            }
            file[*at..end].copy_from_slice(data);
        }
        Step::SetLen(len) => file.resize(*len, 0),
        Step::Sync | Step::Committed | Step::Segment(..) | Step::SyncSegments => {}
    }
}

/// Segments beside the file.
type Beside = BTreeMap<Segment, Vec<u8>>;

/// A file whose segments are remembered, too.
struct Recorded(RedbFile, Recorder);

impl Backend for Recorded {
    fn read(
        &self,
        work: &mut dyn FnMut(&dyn Reading) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.0.read(work)
    }

    fn write(
        &self,
        work: &mut dyn FnMut(&mut dyn Writing) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.0.write(work)
    }

    fn write_segment(&self, segment: &Segment, bytes: &[u8]) -> Result<(), StoreError> {
        self.1.note(Step::Segment(*segment, bytes.to_vec()));
        self.0.write_segment(segment, bytes)
    }

    fn sync_segments(&self, log: [u8; 8]) -> Result<(), StoreError> {
        self.1.note(Step::SyncSegments);
        self.0.sync_segments(log)
    }

    fn read_segment(&self, segment: &Segment) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.read_segment(segment)
    }

    fn remove_segments(&self, log: [u8; 8]) -> Result<(), StoreError> {
        self.0.remove_segments(log)
    }

    fn place_of(&self, segment: &Segment) -> PathBuf {
        self.0.place_of(segment)
    }

    fn close(self) -> Result<(), StoreError> {
        self.0.close()
    }
}

/// A new store, then commits that add, replace, delete and grow, and that add to a log.
fn history() -> Vec<Records> {
    let mut states = vec![Records::new()];
    for round in 0..3_u8 {
        let mut records = states.last().unwrap().clone();
        for i in 0..6_u8 {
            records.insert(
                format!("record/{}", (round * 3 + i) % 10),
                vec![round; 60 + usize::from(i)],
            );
        }
        records.remove(&format!("record/{}", (round * 3 + 7) % 10));
        for i in 0..ADDED {
            let number = u64::from(round) * ADDED + i;
            records.insert(log_key(number), vec![round; 50]);
        }
        if round == 1 {
            records.insert("large".into(), vec![round; 9_000]);
        }
        if round == 2 {
            records.remove("large");
        }
        states.push(records);
    }
    states
}

fn between(old: &Records, new: &Records) -> Changes {
    let mut changes = Changes::new();
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        changes.delete(key.as_str());
    }
    for (key, value) in new
        .iter()
        .filter(|(key, value)| old.get(*key) != Some(value))
    {
        changes.put(key.as_str(), value.clone());
    }
    changes
}

fn records<B: Backend>(store: &SealedStore<B>) -> Records {
    let all = store.list("").unwrap().into_iter();
    all.map(|(key, value)| (key, value.to_vec())).collect()
}

/// Opens what is left, and goes on with it.
fn after_power_failed(path: &Path, unlock: &Unlock, file: &[u8], beside: &Beside) -> Records {
    fs::write(path, file).unwrap();
    let segments = Segments::beside(path);
    for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    for (segment, bytes) in beside {
        let path = segments.path(segment);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let vault = Vault::unlock(path, StoreRole::Member, unlock).unwrap();
    let mut store = vault.open().unwrap();
    let found = records(&store);
    let mut changes = Changes::new();
    changes.put("next", "life");
    store.commit(&changes).unwrap();
    store.close().unwrap();
    let mut next = records(&vault.open().unwrap());
    assert_eq!(next.remove("next").as_deref(), Some(&b"life"[..]));
    assert_eq!(next, found);
    found
}

/// What the disk may have if power fails now: everything, nothing of what was not synced, all or
/// nothing but one write of it, and half of the last one.
fn left(synced: &[u8], open: &[Step]) -> Vec<Vec<u8>> {
    let with = |steps: &mut dyn Iterator<Item = Step>| {
        let mut file = synced.to_vec();
        steps.for_each(|step| apply(&mut file, &step));
        file
    };
    let mut files = vec![with(&mut open.iter().cloned())];
    if open.is_empty() {
        return files;
    }
    files.push(synced.to_vec());
    let all = open.iter().cloned().enumerate();
    for one in 0..open.len() {
        let others = all.clone().filter(|(at, _)| *at != one);
        files.push(with(&mut others.map(|(_, step)| step)));
        files.push(with(&mut open.iter().skip(one).take(1).cloned()));
    }
    if let Some(Step::Write(at, data)) = open.last() {
        let (first, second) = data.split_at(data.len() / 2);
        for half in [
            Step::Write(*at, first.to_vec()),
            Step::Write(at + first.len(), second.to_vec()),
        ] {
            let before = open.iter().take(open.len() - 1).cloned();
            files.push(with(&mut before.chain([half])));
        }
    }
    files
}

#[test]
fn power_that_fails_at_any_write_leaves_a_commit_whole_or_undone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    create_key_file(&folder.path().join("key")).unwrap();
    let unlock = Unlock::KeyFile(folder.path().join("key"));
    let key = StoreKey::new(random_secret().unwrap(), StoreRole::Member);
    let header = Header::new(&key, &unlock).unwrap();
    let recorder = Recorder::default();
    let database = Database::create_on(&path, || Ok(recorder.clone())).unwrap();
    let backend = Recorded(RedbFile::new(&path, database), recorder.clone());
    let mut store = SealedStore::create(Shared::new(&path, key), backend, &header, 0).unwrap();
    recorder.note(Step::Committed);
    let states = history();
    for pair in states.windows(2) {
        store.commit(&between(&pair[0], &pair[1])).unwrap();
        recorder.note(Step::Committed);
    }
    store.close().unwrap();

    let mut synced = Vec::new();
    // Of the segments, those on the disk, and all.
    let (mut kept, mut all) = (Beside::new(), Beside::new());
    let mut open: Vec<Step> = Vec::new();
    // Commits that have returned: the one that made the store, and those of the history.
    let mut returned = 0;
    let (mut old, mut new) = (0, 0);
    for step in recorder.steps() {
        match step {
            Step::Sync => {
                open.iter().for_each(|step| apply(&mut synced, step));
                open.clear();
            }
            Step::Committed => returned += 1,
            Step::Segment(segment, bytes) => drop(all.insert(segment, bytes)),
            Step::SyncSegments => kept.clone_from(&all),
            other => open.push(other),
        }
        // A store that is not complete has no name yet.
        if returned == 0 {
            continue;
        }
        let besides = if kept == all {
            &[&kept][..]
        } else {
            &[&kept, &all][..]
        };
        let files = left(&synced, &open);
        for (file, beside) in files
            .iter()
            .flat_map(|file| besides.iter().map(move |b| (file, b)))
        {
            let found = after_power_failed(&path, &unlock, file, beside);
            if found == states[returned - 1] {
                old += 1;
            } else {
                assert_eq!(
                    Some(&found),
                    states.get(returned),
                    "neither before nor after"
                );
                new += 1;
            }
        }
    }
    assert_eq!(returned, states.len());
    assert!(old > 30 && new > 3, "{old} before, {new} after");
    assert!(all.len() > 1, "the log was never moved");
}
