//! The authority's process: what a driver does for an office, over a store on which commands act,
//! too, and which may be put back.

use std::fmt;
use std::mem::take;
use std::time::Duration;

use sealmq_authority::office::{Moment, Office, OfficeError, OfficeEvent, SharedStore, Transmit};
use sealmq_keys::{Changes, Conflict, Store};
use zeroize::Zeroizing;

use super::broker::Delivery;
use super::world::{OFFICE, START, World};
use super::{Dies, Sabotage};
use crate::fuzz::world::CountingRng;

/// The store as the office's process sees it, which may die at any of its commits, or find that a
/// command was faster.
struct Shared<'a>(&'a mut World);

/// Why a commit came to nothing.
#[derive(Debug)]
pub(super) enum Failed {
    Conflict,
    /// The process is gone.
    Died,
}

impl SharedStore for Shared<'_> {
    type Store = Self;

    fn has_changed(&mut self) -> Result<Option<bool>, Failed> {
        Ok(Some(self.0.store_changed))
    }

    fn with<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> Result<Option<T>, Failed> {
        let done = work(self);
        self.0.store_changed = false;
        Ok(Some(done))
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Failed {}

impl From<Conflict> for Failed {
    fn from(_: Conflict) -> Self {
        Self::Conflict
    }
}

impl Store for Shared<'_> {
    type Error = Failed;

    fn get(&self, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Failed> {
        Ok(self.0.store.get(key)?)
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Zeroizing<Vec<u8>>)>, Failed> {
        Ok(self.0.store.list(prefix)?)
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), Failed> {
        let world = &mut *self.0;
        // Nor does anybody act on a store that was put back before the office has read the broker.
        let reads_back = world.broker.clients[OFFICE].favoured;
        let calm = world.calm_since.is_some() || !world.settings.hostile || reads_back;
        if !calm && world.dice.one_in(200) {
            world
                .seen
                .total("commands between an office's look and its commit");
            world.read_store();
            world.rotate();
        }
        if changes.conflict(|key| world.store.get(key))?.is_some() {
            return Err(Failed::Conflict);
        }
        let dies = world.cut(OFFICE, changes);
        if dies != Some(Dies::Before) {
            world.store.commit(changes)?;
        }
        match dies {
            None => Ok(()),
            Some(Dies::Later) => {
                world.office_ends = true;
                Ok(())
            }
            Some(_) => Err(Failed::Died),
        }
    }

    fn is_conflict(error: &Failed) -> bool {
        matches!(error, Failed::Conflict)
    }
}

impl World {
    fn moment(&self) -> Moment {
        Moment {
            elapsed: Duration::from_millis(self.now - START * 1000),
            unix: self.now / 1000,
        }
    }

    /// A new process, not connected yet; a third of them of a later version.
    pub(super) fn start_office(&mut self) {
        self.set_version();
        self.office = Office::new();
        self.office.set_extensions(&self.extensions);
        self.office_ends = false;
        self.broker.disconnect(OFFICE);
        self.read_store();
    }

    pub(super) fn connect_office(&mut self) {
        self.broker.disconnect(OFFICE);
        self.broker.clients[OFFICE].online = true;
        self.office.handle_connected(self.moment());
    }

    /// Gives the authority what arrived.
    pub(super) fn receive(&mut self, delivery: &Delivery) {
        let Delivery {
            topic,
            payload,
            retain,
            ..
        } = delivery;
        let blind = self.settings.sabotage == Sabotage::Forking && *retain;
        if !blind {
            let now = self.moment();
            self.office.handle_publish(now, topic, payload, *retain);
        }
    }

    /// Does what is due, as a driver does.
    pub(super) fn run_office(&mut self) {
        if !self.broker.clients[OFFICE].online {
            return;
        }
        let now = self.moment();
        let mut office = take(&mut self.office);
        let mut rng = std::mem::replace(&mut self.office_rng, CountingRng(0));
        let done = office.handle_timeout(now, &mut Shared(self), &mut rng);
        (self.office, self.office_rng) = (office, rng);
        while let Some(event) = self.office.poll_event() {
            match event {
                OfficeEvent::Authority(event) => self.note_done(&event),
                OfficeEvent::StorePutBack => self.seen.total("an office notices an older store"),
                _ => {}
            }
        }
        if !self.authority.is_current(&self.store).unwrap() {
            self.read_store();
        }
        match done {
            Ok(()) => {}
            Err(OfficeError::Suspended(_) | OfficeError::Store(Failed::Died)) => {
                return self.start_office();
            }
            Err(error) => panic!("the office: {error:?}"),
        }
        while let Some(transmit) = self.office.poll_transmit(now) {
            match transmit {
                Transmit::Subscribe { filters, .. } => {
                    for filter in filters {
                        let (dice, seen) = (&mut self.dice, &mut self.seen);
                        self.broker.subscribe(OFFICE, &filter, dice, seen);
                    }
                    self.office.handle_subscribed(now, None);
                }
                Transmit::Publish { token, publication } => {
                    self.follows();
                    self.check_published(&publication);
                    self.publish(publication);
                    self.office.handle_ack(token, None);
                }
            }
            if self.office_ends {
                break;
            }
        }
        if self.office_ends {
            self.start_office();
        }
    }
}
