use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use pem_rfc7468::LineEnding;
use sealmq_core::crypto::Secret;
use zeroize::{Zeroize, Zeroizing};

use super::seal;
use crate::{StoreError, files};

/// What unlocks a store.
pub enum Unlock {
    /// A passphrase, stretched with Argon2id. Its bytes count as they are: no Unicode
    /// normalization.
    Passphrase(Zeroizing<String>),
    /// A file made by [`create_key_file`], readable by its owner only.
    KeyFile(PathBuf),
}

/// The two ways to unlock a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnlockMethod {
    /// See [`Unlock::Passphrase`].
    Passphrase,
    /// See [`Unlock::KeyFile`].
    KeyFile,
}

impl Unlock {
    /// Which of the two this is.
    #[must_use]
    pub const fn method(&self) -> UnlockMethod {
        match self {
            Self::Passphrase(_) => UnlockMethod::Passphrase,
            Self::KeyFile(_) => UnlockMethod::KeyFile,
        }
    }

    /// The secret that, with the header's salt, wraps the store key.
    pub(crate) fn secret(&self, cost: &Cost, salt: &[u8]) -> Result<Secret, StoreError> {
        match self {
            Self::Passphrase(passphrase) => stretch(passphrase, cost, salt),
            Self::KeyFile(path) => read_key_file(path),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Passphrase(passphrase) if passphrase.is_empty())
    }
}

impl fmt::Debug for Unlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passphrase(_) => f.write_str("Passphrase(..)"),
            Self::KeyFile(path) => f.debug_tuple("KeyFile").field(path).finish(),
        }
    }
}

impl fmt::Display for UnlockMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passphrase => "passphrase",
            Self::KeyFile => "key file",
        })
    }
}

/// Argon2id parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

impl Cost {
    /// For new stores (RFC 9106 §4, second recommendation, with one lane).
    pub(crate) const NEW: Self = Self {
        memory_kib: 64 << 10,
        passes: 3,
        lanes: 1,
    };
    /// Where no passphrase is stretched.
    pub(crate) const NONE: Self = Self {
        memory_kib: 0,
        passes: 0,
        lanes: 0,
    };

    /// A damaged header must not make us take all memory, or compute for ever.
    pub(crate) const fn is_acceptable(&self) -> bool {
        matches!(self.memory_kib, 1024..=0x4_0000)
            && matches!(self.passes, 1..=16)
            && matches!(self.lanes, 1..=4)
    }
}

fn stretch(passphrase: &str, cost: &Cost, salt: &[u8]) -> Result<Secret, StoreError> {
    let params =
        Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(Secret::LEN)).map_err(failed)?;
    let count = params.block_count();
    let mut blocks = Zeroizing::new(Vec::new());
    blocks
        .try_reserve_exact(count)
        .map_err(|_| StoreError::OutOfMemory {
            bytes: count.saturating_mul(Block::SIZE),
        })?;
    blocks.resize_with(count, Block::new);
    let mut result = Ok(());
    let secret = Secret::init_with(|out| {
        result = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(passphrase.as_bytes(), salt, out, &mut **blocks);
    });
    result.map_err(failed)?;
    Ok(secret)
}

/// Only for a passphrase above 4 GiB: salt, output and parameters are fixed or checked before.
fn failed(error: argon2::Error) -> StoreError {
    StoreError::Crypto {
        reason: format!("Argon2id: {error}"),
    }
}

const PEM_LABEL: &str = "SEALMQ STORE KEY";
/// Longest key file that is read, in bytes; one has 110.
const MAX_KEY_FILE_LEN: usize = 1024;

/// Makes a key file: 32 random bytes in PEM, mode 0600, durable. Missing folders are made with
/// mode 0700.
///
/// # Errors
/// [`StoreError::AlreadyExists`], [`StoreError::Random`], [`StoreError::Io`].
pub fn create_key_file(path: &Path) -> Result<(), StoreError> {
    let key = seal::random_secret()?;
    let mut pem = Zeroizing::new([0; MAX_KEY_FILE_LEN]);
    let pem =
        pem_rfc7468::encode(PEM_LABEL, LineEnding::LF, key.expose(), &mut *pem).map_err(|_| {
            StoreError::KeyFileFormat {
                path: path.to_path_buf(),
            }
        })?;
    files::create_folders(path)?;
    let mut file = files::create_new(path)?;
    let written = file
        .write_all(pem.as_bytes())
        .and_then(|()| file.sync_all());
    if let Err(e) = written {
        // Half a key file would only be in the way.
        let _ = fs::remove_file(path);
        return Err(StoreError::io(path, "write", e));
    }
    files::sync_folder_of(path)
}

/// What service managers and orchestrators give to one service (0440, 0640): its owner, who is root
/// or this user, and one group, which this user is in, may read it, and nobody else anything.
#[cfg(unix)]
fn is_mounted_secret(mode: u32, owner: u32, group: u32) -> bool {
    use rustix::process::{getegid, geteuid, getgroups};
    let own_group = || {
        getegid().as_raw() == group
            || getgroups().is_ok_and(|groups| groups.iter().any(|own| own.as_raw() == group))
    };
    mode & 0o037 == 0 && (owner == 0 || owner == geteuid().as_raw()) && own_group()
}

fn read_key_file(path: &Path) -> Result<Secret, StoreError> {
    let format = || StoreError::KeyFileFormat {
        path: path.to_path_buf(),
    };
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // A named pipe must not hang us.
        options.custom_flags(libc::O_NONBLOCK);
    }
    let file = options
        .open(path)
        .map_err(|e| StoreError::io(path, "open", e))?;
    // Of the open file, so that it cannot be exchanged after the check.
    let metadata = file
        .metadata()
        .map_err(|e| StoreError::io(path, "examine", e))?;
    if !metadata.is_file() {
        return Err(format());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 != 0 && !is_mounted_secret(mode, metadata.uid(), metadata.gid()) {
            return Err(StoreError::KeyFilePermissions {
                path: path.to_path_buf(),
                mode,
            });
        }
    }
    let mut pem = Zeroizing::new(Vec::with_capacity(MAX_KEY_FILE_LEN));
    file.take(MAX_KEY_FILE_LEN as u64)
        .read_to_end(&mut pem)
        .map_err(|e| StoreError::io(path, "read", e))?;
    let mut bytes = Zeroizing::new([0; Secret::LEN]);
    // Decodes in constant time.
    match pem_rfc7468::decode(&pem, &mut *bytes) {
        Ok((PEM_LABEL, key)) if key.len() == Secret::LEN => {}
        _ => return Err(format()),
    }
    let secret = Secret::new(*bytes);
    bytes.zeroize();
    Ok(secret)
}
