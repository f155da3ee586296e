//! Chunks of covers, and when they are asked for again.

use sealmq_keys::group::GroupState;

use super::{Device, Event};
use crate::Clock;
use crate::error::Refused;

impl<const G: usize, const S: usize, const T: usize, const K: usize, const O: usize>
    Device<G, S, T, K, O>
{
    pub(super) fn handle_chunk(
        &mut self,
        place: u8,
        epoch: u64,
        number: u32,
        payload: &[u8],
    ) -> Result<Option<Event>, Refused> {
        if let Some(group) = self.place_mut(place)
            && let Some(leaf) = group.state().map(GroupState::leaf)
        {
            let read = group.chunks.read((epoch, number), leaf, payload);
            read.map_err(Refused::Follow)?;
        }
        Ok(None)
    }

    /// Asks again for what did not come.
    pub(super) fn ask_for_chunks(&mut self, at: Clock) {
        for group in self.groups.iter_mut().flatten() {
            group.ask.announcements |= group.chunks.tick(at.uptime.or(at.now));
        }
    }
}
