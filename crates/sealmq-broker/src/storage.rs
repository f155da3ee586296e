use std::fs::DirBuilder;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use mqtt5::broker::storage::QueueLimits;
use mqtt5::broker::{DynamicStorage, FileBackend, MemoryBackend};
use tracing::warn;

use crate::error::BrokerError;

/// mqtt5 stops waiting for its writer after five seconds without saying so.
const FLUSH_GIVES_UP: Duration = Duration::from_millis(4_900);
const FLUSH_AT_MOST: Duration = Duration::from_secs(60);

/// Bytes of the file that shows whether others can be written.
const PROBE: usize = 64 * 1024;

/// Below this a disk is full.
const DISK_SPARE: u64 = 64 * 1024 * 1024;

/// Opens the folder, or memory. Sessions need one of them, even while the broker runs.
pub(crate) async fn open(
    folder: Option<&Path>,
    limits: QueueLimits,
) -> Result<DynamicStorage, BrokerError> {
    let Some(folder) = folder else {
        return Ok(DynamicStorage::Memory(MemoryBackend::with_queue_limits(
            limits,
        )));
    };
    create(folder).map_err(|source| BrokerError::DataFolder {
        folder: folder.to_owned(),
        source,
    })?;
    match FileBackend::with_queue_limits(folder, limits).await {
        Ok(backend) => Ok(DynamicStorage::File(backend)),
        Err(error) => {
            let reason = error.to_string();
            let folder = folder.to_owned();
            Err(if reason.contains("already in use") {
                BrokerError::DataFolderInUse { folder }
            } else {
                BrokerError::Storage { folder, reason }
            })
        }
    }
}

/// Only the last component: a missing parent is a typing error or a disk that is not mounted.
fn create(folder: &Path) -> io::Result<()> {
    match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder)
}

/// A disk, as its system tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk {
    pub(crate) free: u64,
    pub(crate) size: u64,
}

impl Disk {
    pub(crate) fn of(folder: &Path) -> Option<Self> {
        #[cfg(unix)]
        {
            let found = rustix::fs::statvfs(folder).ok()?;
            Some(Self {
                free: found.f_bavail.saturating_mul(found.f_frsize),
                size: found.f_blocks.saturating_mul(found.f_frsize),
            })
        }
        #[cfg(not(unix))]
        {
            let _ = folder;
            None
        }
    }

    /// Below 64 MiB, or a twentieth of a small disk. One that `was` full needs twice as much before it
    /// has room again, so that it does not go to and fro.
    pub(crate) fn is_full(self, was: bool) -> bool {
        let spare = DISK_SPARE.min(self.size / 20);
        self.free < if was { spare.saturating_mul(2) } else { spare }
    }
}

/// Whether a file of some size can be written there, to the disk.
pub(crate) async fn takes_a_file(folder: &Path) -> bool {
    use tokio::io::AsyncWriteExt as _;
    let path = folder.join(".probe");
    let written = async {
        let mut file = tokio::fs::File::create(&path).await?;
        file.write_all(&[0x5a; PROBE]).await?;
        file.sync_all().await
    };
    let written = written.await.is_ok();
    // It may be all that the disk has room for.
    let _gone = tokio::fs::remove_file(&path).await;
    written
}

/// Returns when everything accepted so far is written, or after a minute.
pub(crate) async fn flush(storage: &DynamicStorage) {
    let begun = Instant::now();
    loop {
        let attempt = Instant::now();
        if let Err(error) = storage.shutdown().await {
            warn!(%error, "the data folder was not written completely");
            return;
        }
        if attempt.elapsed() < FLUSH_GIVES_UP {
            return;
        }
        if begun.elapsed() >= FLUSH_AT_MOST {
            warn!("the data folder was not written within a minute; queued messages may be lost");
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_full_before_it_is() {
        const MIB: u64 = 1024 * 1024;
        let full = |free, size, was| Disk { free, size }.is_full(was);
        assert!(full(63 * MIB, 100_000 * MIB, false) && !full(65 * MIB, 100_000 * MIB, false));
        assert!(full(127 * MIB, 100_000 * MIB, true) && !full(129 * MIB, 100_000 * MIB, true));
        // A small one has less to spare.
        assert!(!full(30 * MIB, 100 * MIB, false) && full(4 * MIB, 100 * MIB, false));
        let here = Disk::of(Path::new(".")).unwrap();
        assert!(here.size > 0 && here.free <= here.size);
    }
}
