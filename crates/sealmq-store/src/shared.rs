use std::time::Duration;

use sealmq_keys::SharedStore;

use crate::{FileStore, Stamp, Stamps as _, StoreError, Vault};

/// A file that processes share: it is open for moments only, so that others can work beside this
/// one.
#[derive(Debug)]
pub struct SharedVault {
    vault: Vault,
    patience: Duration,
    seen: Option<Stamp>,
}

impl SharedVault {
    /// A store that waits so long while another process has the file open.
    #[must_use]
    pub const fn new(vault: Vault, patience: Duration) -> Self {
        Self {
            vault,
            patience,
            seen: None,
        }
    }
}

impl SharedStore for SharedVault {
    type Store = FileStore;

    fn has_changed(&mut self) -> Result<Option<bool>, StoreError> {
        let Some(seen) = &self.seen else {
            return Ok(Some(true));
        };
        match self.vault.changed_since(seen) {
            Ok(changed) => Ok(Some(changed)),
            Err(StoreError::Busy { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn with<T>(&mut self, work: impl FnOnce(&mut FileStore) -> T) -> Result<Option<T>, StoreError> {
        let mut store = match self.vault.open_wait(self.patience) {
            // A store that cannot be read at the start is a reason to end.
            Err(StoreError::Busy { .. }) if self.seen.is_some() => return Ok(None),
            opened => opened?,
        };
        let done = work(&mut store);
        self.seen = Some(store.stamp());
        store.close()?;
        Ok(Some(done))
    }
}
