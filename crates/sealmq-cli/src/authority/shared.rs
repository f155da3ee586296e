use sealmq_authority::office::SharedStore;
use sealmq_store::{FileStore, Stamp, Stamps as _, StoreError, Vault};

use crate::unlock::PATIENCE;

/// The authority's store for the running office. It is open for moments only, so that other
/// commands work beside it.
pub(crate) struct SharedVault {
    vault: Vault,
    seen: Option<Stamp>,
}

impl SharedVault {
    pub(crate) const fn new(vault: Vault) -> Self {
        Self { vault, seen: None }
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
        let mut store = match self.vault.open_wait(PATIENCE) {
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
