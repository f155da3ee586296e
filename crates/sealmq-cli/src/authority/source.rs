use getrandom::SysRng;
use sealmq_keys::authority::{Authority, AuthorityEvent};
use sealmq_keys::{Publication, Store as _};
use sealmq_store::{Stamp, StoreError, Vault};

use super::folder::commit;
use crate::clock;
use crate::failure::Failure;
use crate::unlock::PATIENCE;

/// The authority's store as something to publish from. It is open for moments only, so that other
/// commands work beside it.
pub(crate) struct Source {
    vault: Vault,
    seen: Option<Stamp>,
    next_due: Option<u64>,
}

/// What should stand at the broker now.
pub(crate) struct Desired {
    /// Retained objects, and empty ones for what has to be cleared, in the order of publishing.
    pub(crate) publications: Vec<Publication>,
    /// What was done because it was due.
    pub(crate) events: Vec<AuthorityEvent>,
    /// The prefix of the reserved topics.
    pub(crate) prefix: String,
}

impl Source {
    pub(crate) const fn new(vault: Vault) -> Self {
        Self {
            vault,
            seen: None,
            next_due: None,
        }
    }

    /// Does what is due, and returns everything that should stand at the broker. `None` while
    /// nothing changed since the last call.
    pub(crate) fn poll(&mut self) -> Result<Option<Desired>, Failure> {
        let now = clock::seconds();
        let is_due = self.next_due.is_some_and(|due| due <= now);
        if let (Some(seen), false) = (&self.seen, is_due) {
            match self.vault.changed_since(seen) {
                // Another command is at work: what it commits is seen next time.
                Ok(false) | Err(StoreError::Busy { .. }) => return Ok(None),
                Ok(true) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut store = match self.vault.open_wait(PATIENCE) {
            Err(StoreError::Busy { .. }) if self.seen.is_some() => return Ok(None),
            opened => opened?,
        };
        let mut authority = Authority::load(&store)?;
        let plan = authority.tick(now, &mut SysRng)?;
        commit(&mut store, &plan)?;
        let desired = Desired {
            publications: authority.outbox(&store)?,
            events: plan.events,
            prefix: authority.prefix().to_owned(),
        };
        self.next_due = authority.next_due();
        self.seen = Some(store.stamp());
        store.close()?;
        Ok(Some(desired))
    }

    /// Forgets topics that the broker has cleared, unless something was put there since.
    pub(crate) fn cleared(&mut self, topics: &[String]) -> Result<(), Failure> {
        let mut store = match self.vault.open_wait(PATIENCE) {
            // They are cleared again at the next connection, which does no harm.
            Err(StoreError::Busy { .. }) => return Ok(()),
            opened => opened?,
        };
        let authority = Authority::load(&store)?;
        let outbox = authority.outbox(&store)?;
        for topic in topics {
            if outbox
                .iter()
                .any(|entry| entry.topic == *topic && entry.payload.is_empty())
            {
                store.commit(&Authority::cleared(topic))?;
            }
        }
        // `seen` stays: changes of other commands between the two are still to be noticed.
        Ok(store.close()?)
    }
}
