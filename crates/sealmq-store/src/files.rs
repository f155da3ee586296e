//! Files and folders for secrets: private whatever the umask, never through a symbolic link,
//! never replacing anything by accident, durable in their folder.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::StoreError;

/// Makes a new file with mode 0600.
pub(crate) fn create_new(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600).custom_flags(libc::O_NOFOLLOW);
    }
    let file = options
        .open(path)
        .map_err(|e| StoreError::io(path, "create", e))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // The umask may have taken bits that the owner needs.
        file.set_permissions(fs::Permissions::from_mode(0o600))
            .map_err(|e| StoreError::io(path, "set the permissions of", e))?;
    }
    Ok(file)
}

/// The folder that holds `path`.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Makes the missing folders above `path`, with mode 0700.
pub(crate) fn create_folders(path: &Path) -> Result<(), StoreError> {
    let missing: Vec<&Path> = folder(path)
        .ancestors()
        .take_while(|p| !exists(p))
        .collect();
    for folder in missing.into_iter().rev() {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt as _;
            builder.mode(0o700);
        }
        match builder.create(folder) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::AlreadyExists => continue,
            Err(e) => return Err(StoreError::io(folder, "create", e)),
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
                .map_err(|e| StoreError::io(folder, "set the permissions of", e))?;
        }
        sync_folder_of(folder)?;
    }
    Ok(())
}

fn exists(path: &Path) -> bool {
    path == Path::new("") || path.exists()
}

/// Makes a new or changed directory entry durable.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), StoreError> {
    #[cfg(unix)]
    {
        let folder = folder(path);
        File::open(folder)
            .and_then(|f| f.sync_all())
            .map_err(|e| StoreError::io(folder, "sync", e))?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Whether `file` is still the file at `path`, not one that was moved away or replaced.
pub(crate) fn is_at(file: &fs::Metadata, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(path).is_ok_and(|now| now.ino() == file.ino() && now.dev() == file.dev())
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

/// A new file beside its final path; removed again unless it is put there.
pub(crate) struct Draft {
    temporary: PathBuf,
    path: PathBuf,
}

impl Draft {
    pub(crate) fn new(path: &Path) -> Result<(Self, File), StoreError> {
        let mut random = [0; 8];
        crate::sealed::seal::random(&mut random)?;
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{:016x}.new", u64::from_be_bytes(random)));
        let draft = Self {
            temporary: path.with_file_name(name),
            path: path.to_path_buf(),
        };
        let file = create_new(&draft.temporary)?;
        Ok((draft, file))
    }

    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Puts the file to its path, where nothing may be.
    pub(crate) fn publish(self) -> Result<(), StoreError> {
        // A link, because a rename would replace what is there.
        fs::hard_link(&self.temporary, &self.path)
            .map_err(|e| StoreError::io(&self.path, "create", e))?;
        fs::remove_file(&self.temporary)
            .map_err(|e| StoreError::io(&self.temporary, "remove", e))?;
        sync_folder_of(&self.path)
    }

    /// Replaces the file at the path.
    pub(crate) fn replace(self) -> Result<(), StoreError> {
        fs::rename(&self.temporary, &self.path)
            .map_err(|e| StoreError::io(&self.path, "replace", e))?;
        sync_folder_of(&self.path)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After publishing there is nothing left to remove; otherwise the first error matters.
        let _ = fs::remove_file(&self.temporary);
    }
}
