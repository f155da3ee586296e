#![forbid(unsafe_code)]
//! Stores for sealmq state: in memory, and an encrypted embedded database.
//!
//! Both implement [`sealmq_keys::Store`], whose commits apply together or not at all.
//!
//! * [`MemoryStore`]: for tests and for programs that keep no state.
//! * [`FileStore`]: a [redb](https://docs.rs/redb) database in one file, every value encrypted:
//!   a [`SealedStore`] over the [`Backend`] [`RedbFile`].
//!   A [`Vault`] unlocks it (Argon2id or a key file) once per process and opens it as often as
//!   needed; a store is open in one process at a time, or in turns: [`SharedVault`].
//! * [`RunLock`]: keeps a second long-running process from doing the same work.
//!
//! ```
//! use sealmq_keys::{Changes, Store};
//! use sealmq_store::{StoreRole, Unlock, Vault, create_key_file};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let folder = folder.path();
//! create_key_file(&folder.join("store.key"))?;
//! let unlock = Unlock::KeyFile(folder.join("store.key"));
//! let vault = Vault::create(&folder.join("member.store"), StoreRole::Member, &unlock)?;
//!
//! let mut store = vault.open()?;
//! let mut changes = Changes::new();
//! changes.put("identity/seed", [7; 32]);
//! store.commit(&changes)?;
//! assert_eq!(store.get("identity/seed")?.as_deref(), Some(&vec![7; 32]));
//! store.close()?;
//! # Ok::<(), sealmq_store::StoreError>(())
//! ```
//!
//! # What the file protects
//!
//! Each value is sealed with AES-256-GCM under a key of its own, bound to the format version, the
//! store's role and the record's key. A sealed manifest binds the set of records, so that a record
//! which was removed, or put back to an earlier value, is noticed when the store is opened. Record
//! keys and lengths of values are visible. A whole file that was put back to an earlier state
//! cannot be told from the genuine one after a restart (within a process it is:
//! [`StoreError::RolledBack`]). Deleted values stay in unused parts of the file, sealed, until they
//! are overwritten; [`Vault::rekey`] leaves them behind. The format is in `spec/store.md`.
//!
//! A damaged file can make the database panic; this crate turns that into
//! [`StoreError::Corrupt`], so programs that open stores must not be built with `panic = "abort"`.

#[cfg(test)]
mod cuts;
mod error;
mod files;
mod limits;
mod memory;
mod redb;
mod role;
mod running;
mod sealed;
mod shared;
mod vault;

pub use self::redb::RedbFile;
pub use error::StoreError;
pub use limits::{MAX_KEY_LEN, MAX_VALUE_LEN};
pub use memory::MemoryStore;
pub use role::StoreRole;
pub use running::RunLock;
pub use sealed::manifest::{Stamp, Stamps};
pub use sealed::unlock::{Unlock, UnlockMethod, create_key_file};
pub use sealed::{Backend, Meta, MetaEntry, Reading, SealedStore, Segment, Visit, Writing};
pub use shared::SharedVault;
pub use vault::Vault;

/// A sealed store in one file.
pub type FileStore = SealedStore<RedbFile>;

// Tests through the public interface, in the binary of the unit tests: each binary links everything.
#[cfg(test)]
extern crate self as sealmq_store;
#[cfg(test)]
#[path = "../tests/all/mod.rs"]
mod all;
