use std::fs::File;
use std::path::{Path, PathBuf};

use redb::ReadableTable as _;

use super::database::{self, Database, Failure, META, RECORDS, Table, guarded};
use super::segments::Segments;
use crate::StoreError;
use crate::sealed::{Backend, Meta, MetaEntry, Reading, Segment, Visit, Writing};

/// An open database file, and the segments of a log beside it; no other process can open it
/// meanwhile.
#[derive(Debug)]
pub struct RedbFile {
    database: Database,
    path: PathBuf,
    segments: Segments,
}

impl RedbFile {
    /// Makes a database in an empty file.
    pub(crate) fn create(path: &Path, file: File) -> Result<Self, StoreError> {
        Database::create(path, file).map(|database| Self::new(path, database))
    }

    /// Opens for writing, verifies every page, and repairs what a crash left.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        Database::open(path).map(|database| Self::new(path, database))
    }

    pub(crate) fn new(path: &Path, database: Database) -> Self {
        Self {
            database,
            path: path.to_path_buf(),
            segments: Segments::beside(path),
        }
    }
}

impl Backend for RedbFile {
    fn read(
        &self,
        work: &mut dyn FnMut(&dyn Reading) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let path = &self.path;
        guarded(path, "read", || {
            let transaction = self.database.begin_read()?;
            let reading = ReadingFile {
                path,
                records: database::open_table(path, &transaction, RECORDS)?,
                meta: database::open_table(path, &transaction, META)?,
            };
            Ok(work(&reading)?)
        })
    }

    fn write(
        &self,
        work: &mut dyn FnMut(&mut dyn Writing) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let path = &self.path;
        guarded(path, "write", || {
            let transaction = self.database.begin_write()?;
            let mut writing = WritingFile {
                path,
                records: transaction.open_table(RECORDS)?,
                meta: transaction.open_table(META)?,
            };
            work(&mut writing)?;
            drop(writing);
            Ok(transaction.commit()?)
        })
    }

    fn write_segment(&self, segment: &Segment, bytes: &[u8]) -> Result<(), StoreError> {
        self.segments.write(segment, bytes)
    }

    fn sync_segments(&self, log: [u8; 8]) -> Result<(), StoreError> {
        self.segments.sync(log)
    }

    fn read_segment(&self, segment: &Segment) -> Result<Option<Vec<u8>>, StoreError> {
        self.segments.read(segment)
    }

    fn remove_segments(&self, log: [u8; 8]) -> Result<(), StoreError> {
        self.segments.remove(log)
    }

    fn place_of(&self, segment: &Segment) -> PathBuf {
        self.segments.path(segment)
    }

    fn close(self) -> Result<(), StoreError> {
        self.database.close()
    }
}

/// Reads header and manifest without a change to the file and without verifying its pages.
pub(crate) fn peek(path: &Path) -> Result<Meta, StoreError> {
    let read = database::read_only(path, |transaction| {
        meta(path, &database::open_table(path, transaction, META)?)
    })?;
    match read {
        Some(meta) => Ok(meta),
        // A crash left it; opening for writing repairs it.
        None => read_meta(path),
    }
}

/// Reads header and manifest of a file that nobody has verified yet.
pub(crate) fn read_meta(path: &Path) -> Result<Meta, StoreError> {
    let database = Database::open(path)?;
    let read = guarded(path, "read", || {
        let transaction = database.begin_read()?;
        meta(path, &database::open_table(path, &transaction, META)?)
    })?;
    database.close()?;
    Ok(read)
}

fn meta(path: &Path, table: &Table) -> Result<Meta, Failure> {
    let read = |key: &'static [u8]| -> Result<Vec<u8>, Failure> {
        match table.get(key)? {
            Some(value) => Ok(value.value().to_vec()),
            None => Err(StoreError::corrupt(path, "no sealmq header").into()),
        }
    };
    Ok(Meta {
        header: read(database::HEADER)?,
        manifest: read(database::MANIFEST)?,
    })
}

struct ReadingFile<'a> {
    path: &'a Path,
    records: Table,
    meta: Table,
}

impl ReadingFile<'_> {
    fn says(&self, failure: impl Into<Failure>) -> StoreError {
        failure.into().explain(self.path, "read")
    }
}

impl Reading for ReadingFile<'_> {
    fn meta(&self) -> Result<Meta, StoreError> {
        meta(self.path, &self.meta).map_err(|failure| self.says(failure))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.records.get(key).map_err(|error| self.says(error))?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    fn each(&self, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        for entry in self.records.iter().map_err(|error| self.says(error))? {
            let (key, value) = entry.map_err(|error| self.says(error))?;
            visit(key.value(), value.value())?;
        }
        Ok(())
    }
}

struct WritingFile<'a> {
    path: &'a Path,
    records: redb::Table<'a, &'static [u8], &'static [u8]>,
    meta: redb::Table<'a, &'static [u8], &'static [u8]>,
}

impl WritingFile<'_> {
    fn says(path: &Path, failure: impl Into<Failure>) -> StoreError {
        failure.into().explain(path, "write")
    }
}

impl Writing for WritingFile<'_> {
    fn put(&mut self, key: &[u8], sealed: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let old = self.records.insert(key, sealed);
        let old = old.map_err(|error| Self::says(self.path, error))?;
        Ok(old.map(|old| old.value().to_vec()))
    }

    fn remove(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let old = self.records.remove(key);
        let old = old.map_err(|error| Self::says(self.path, error))?;
        Ok(old.map(|old| old.value().to_vec()))
    }

    fn set_meta(&mut self, entry: MetaEntry, bytes: &[u8]) -> Result<(), StoreError> {
        let key = match entry {
            MetaEntry::Header => database::HEADER,
            MetaEntry::Manifest => database::MANIFEST,
        };
        let set = self.meta.insert(key, bytes);
        set.map_err(|error| Self::says(self.path, error))?;
        Ok(())
    }
}
