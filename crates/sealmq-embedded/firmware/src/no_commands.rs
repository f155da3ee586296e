//! For a program that only publishes: it has no places for senders, and opens nothing.

use sealmq_embedded::Device;
use sealmq_embedded::flash::FlashStore;

use crate::client::{Failure, Text};
use crate::semihosting::Flash;

/// One group.
pub type Sensor = Device<1, 0, 0, 0, 512>;
pub type Store = FlashStore<Flash, 41>;

pub struct Commands;

impl Commands {
    pub const fn new() -> Self {
        Self
    }

    pub fn topics(_: &str) -> impl Iterator<Item = Text> {
        core::iter::empty()
    }

    pub fn handle(
        &mut self,
        _: &mut Sensor,
        _: &mut Store,
        _: (&str, bool, &mut [u8]),
    ) -> Result<(), Failure> {
        Ok(())
    }

    pub fn try_waiting(&mut self, _: &mut Sensor, _: &mut Store) -> Result<(), Failure> {
        Ok(())
    }
}
