use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::StoreError;

const FILE_NAME: &str = "running.lock";

/// Says that a long-running process works on a folder, so that a second one ends at once instead
/// of doing the same work again. Advisory: it does not guard the stores in the folder, which lock
/// themselves for each step, so that other commands still work beside a running process.
///
/// Held until dropped; the operating system releases it when the process dies, however that
/// happens. The file stays: removing it could let two processes hold a lock each.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct RunLock {
    _file: File,
    path: PathBuf,
}

impl RunLock {
    /// Takes the lock of an existing folder: the file `running.lock` in it, mode 0600, never
    /// through a symbolic link. Holds this process's id for whoever finds it taken.
    ///
    /// # Errors
    /// [`StoreError::Running`] with the other process's id, [`StoreError::NotFound`] without the
    /// folder, [`StoreError::Io`].
    pub fn acquire(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE_NAME);
        let io = |action| {
            let path = &path;
            move |e| StoreError::io(path, action, e)
        };
        let mut file = open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let process = read_process(&mut file);
                return Err(StoreError::Running { path, process });
            }
            Err(TryLockError::Error(e)) => return Err(io("lock")(e)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(io("write"))?;
        Ok(Self { _file: file, path })
    }

    /// The lock file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn open(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // A named pipe must not hang us.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        options.mode(0o600).custom_flags(flags);
    }
    let file = options
        .open(path)
        .map_err(|e| StoreError::io(path, "open", e))?;
    let metadata = file
        .metadata()
        .map_err(|e| StoreError::io(path, "examine", e))?;
    if !metadata.is_file() {
        return Err(StoreError::corrupt(path, "not a regular file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // Whoever can open it can lock it, and keep us from running.
        file.set_permissions(fs::Permissions::from_mode(0o600))
            .map_err(|e| StoreError::io(path, "set the permissions of", e))?;
    }
    Ok(file)
}

/// What the holder wrote; nothing if it has not yet, or the platform's locks forbid reading.
fn read_process(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
