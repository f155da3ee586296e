//! The factory's folder: images and drafts, each written whole or not at all, and private.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::image::{Image, Layout};
use crate::failure::{Exit, Failure};

/// Held by one process at a time: another one would replace drafts whose keys are enrolled.
const LOCK: &str = "factory.lock";

pub(super) struct Folder {
    path: PathBuf,
    layout: Layout,
    _lock: File,
}

impl Folder {
    /// Makes it if it is not there.
    pub(super) fn open(path: &Path, layout: Layout) -> Result<Self, Failure> {
        make(path).map_err(|error| failure(path, &error))?;
        let lock = path.join(LOCK);
        let file = private().create(true).truncate(false).open(&lock);
        let file = file.map_err(|error| failure(&lock, &error))?;
        file.try_lock().map_err(|_| {
            Failure::refused(format_args!(
                "{} is in use by another `sealmq factory`: wait until it has ended",
                path.display()
            ))
        })?;
        Ok(Self {
            path: path.to_owned(),
            layout,
            _lock: file,
        })
    }

    /// Flash as it comes.
    pub(super) fn blank(&self) -> Result<Box<dyn Image>, Failure> {
        self.layout.blank()
    }

    /// The image of a device.
    pub(super) fn image(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.flash"))
    }

    /// The keys of a device that is being enrolled.
    pub(super) fn draft(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.draft"))
    }

    /// The list of all images.
    pub(super) fn list(&self) -> PathBuf {
        self.path.join("devices.csv")
    }

    /// What stands there, if anything does.
    pub(super) fn read(&self, path: &Path) -> Result<Option<Box<dyn Image>>, Failure> {
        let size = self.layout.size;
        let bytes = match fs::metadata(path).and_then(|there| match there.len() {
            len if len == u64::from(size) => fs::read(path),
            _ => Err(io::Error::other(format!(
                "it has not the {size} bytes of --flash-size"
            ))),
        }) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            bytes => Zeroizing::new(bytes.map_err(|error| failure(path, &error))?),
        };
        self.layout.open(bytes).map(Some)
    }

    /// Puts it there, whole, even if the machine stops meanwhile.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let new = PathBuf::from(new);
        let put = || {
            gone(fs::remove_file(&new))?;
            let mut file = private().create_new(true).open(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, path)?;
            self.sync()
        };
        put().map_err(|error| failure(path, &error))
    }

    pub(super) fn remove(&self, path: &Path) -> Result<(), Failure> {
        gone(fs::remove_file(path)).map_err(|error| failure(path, &error))
    }

    fn sync(&self) -> io::Result<()> {
        if cfg!(unix) {
            File::open(&self.path)?.sync_all()?;
        }
        Ok(())
    }
}

fn make(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// For files with keys.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Exit::Refused,
        format!("{}: {error}; check the folder", path.display()),
    )
}
