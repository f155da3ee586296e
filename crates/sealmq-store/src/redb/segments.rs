//! Segments of a log as files: `audit-<16 hex digits>/<number, 12 digits>` beside the store.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::sealed::Segment;
use crate::sealed::log::MAX_SEGMENT_LEN;
use crate::{StoreError, files};

/// The folder of a store, in which its logs have folders of their own.
#[derive(Debug)]
pub(crate) struct Segments {
    folder: PathBuf,
}

impl Segments {
    /// Beside the file itself, should the store's path be a symbolic link.
    pub(crate) fn beside(store: &Path) -> Self {
        let real = store.canonicalize().unwrap_or_else(|_| store.to_path_buf());
        Self {
            folder: files::folder(&real).to_path_buf(),
        }
    }

    fn log(&self, log: [u8; 8]) -> PathBuf {
        let name = format!("audit-{:016x}", u64::from_be_bytes(log));
        self.folder.join(name)
    }

    pub(crate) fn path(&self, segment: &Segment) -> PathBuf {
        self.log(segment.log)
            .join(format!("{:012}", segment.number))
    }

    pub(crate) fn write(&self, segment: &Segment, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(segment);
        files::create_folders(&path)?;
        let draft = path.with_extension("new");
        // Left by a process that died.
        let _none = fs::remove_file(&draft);
        let mut file = files::create_new(&draft)?;
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(|e| StoreError::io(&draft, "write", e))?;
        fs::rename(&draft, &path).map_err(|e| StoreError::io(&path, "replace", e))
    }

    pub(crate) fn sync(&self, log: [u8; 8]) -> Result<(), StoreError> {
        files::sync_folder_of(&self.log(log).join("segment"))
    }

    pub(crate) fn read(&self, segment: &Segment) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(segment);
        let says = |e| StoreError::io(&path, "read", e);
        let file = match File::open(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(says)?,
        };
        let most = u64::try_from(MAX_SEGMENT_LEN).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        file.take(most.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(says)?;
        if bytes.len() > MAX_SEGMENT_LEN {
            return Err(StoreError::corrupt(&path, "too long for a part of a log"));
        }
        Ok(Some(bytes))
    }

    pub(crate) fn remove(&self, log: [u8; 8]) -> Result<(), StoreError> {
        let folder = self.log(log);
        match fs::remove_dir_all(&folder) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(StoreError::io(&folder, "remove", e)),
            _ => Ok(()),
        }
    }
}
