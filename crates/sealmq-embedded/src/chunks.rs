//! Covers in chunks (spec/keys.md §7, step 6), without keeping an announcement: of the chunk the one
//! entry that is for this device is kept, and then the broker delivers the announcement again.

use sealmq_core::GroupId;
use sealmq_keys::ReservedTopic;
use sealmq_keys::asking::Asking;
use sealmq_keys::group::{FollowError, GroupState};
use sealmq_keys::objects::{ChunkEntry, ChunkRef};

/// Epochs that are remembered behind the one that waits: they are asked for one by one. Who was away
/// for more removals asks for all announcements once for each so many.
const BEHIND: usize = 8;

/// What is missing to follow an epoch.
#[derive(Clone, Copy)]
enum Missing {
    Chunk(ChunkRef),
    /// And what its chunk says, if it has chunks and was there before.
    Announcement(Option<ChunkEntry>),
}

#[derive(Clone, Copy)]
struct Waiting {
    epoch: u64,
    missing: Missing,
    due: bool,
    /// On this connection.
    asked: bool,
    asking: Asking,
}

/// The epoch of a group that waits for a chunk. Only announcements that verified, and that nothing
/// else stands in the way of, bring one about.
#[derive(Default)]
pub(crate) struct Chunks {
    waiting: Option<Waiting>,
    /// Epochs that wait for a healing one, the lowest that were seen; 0 for none.
    behind: [u64; BEHIND],
}

impl Chunks {
    pub(crate) const NONE: Self = Self {
        waiting: None,
        behind: [0; BEHIND],
    };

    fn wait(&mut self, epoch: u64, missing: Missing) {
        self.waiting = Some(Waiting {
            epoch,
            missing,
            due: true,
            asked: false,
            asking: Asking::NEVER,
        });
    }

    /// What the chunk of this epoch says.
    pub(crate) fn entry(&self, epoch: u64) -> Option<ChunkEntry> {
        match self.waiting?.missing {
            Missing::Announcement(entry) if self.waiting?.epoch == epoch => entry,
            _ => None,
        }
    }

    /// An epoch can be followed with this chunk. One at a time, and the newest first.
    pub(crate) fn needs(&mut self, epoch: u64, chunk: ChunkRef) {
        match &mut self.waiting {
            Some(waiting) if waiting.epoch > epoch => return self.wait_behind(epoch),
            Some(waiting) if waiting.needs(epoch, &chunk) => {
                waiting.due |= !waiting.asked;
                return;
            }
            _ => {}
        }
        let before = self.waiting.filter(|before| before.epoch != epoch);
        self.wait(epoch, Missing::Chunk(chunk));
        if let Some(before) = before {
            self.wait_behind(before.epoch);
        }
    }

    /// An epoch needs a healing one, behind which it is asked for. `true` if that is the one that
    /// waits, or one after it.
    pub(crate) fn blocks(&mut self, epoch: u64, healing: u64) -> bool {
        self.wait_behind(epoch);
        // It was thought to be the next one.
        self.waiting.take_if(|waiting| waiting.epoch == epoch);
        self.waiting.is_some_and(|waiting| waiting.epoch <= healing)
    }

    fn wait_behind(&mut self, epoch: u64) {
        if self.behind.contains(&epoch) {
            return;
        }
        // A free place, or that of the highest one.
        let rank = |epoch: u64| if epoch == 0 { u64::MAX } else { epoch };
        let place = self.behind.iter_mut().max_by_key(|other| rank(**other));
        if let Some(place) = place.filter(|other| rank(**other) > epoch) {
            *place = epoch;
        }
    }

    /// An announcement was refused. `true` if it was the next one: it counts only if a later one
    /// refers to it.
    pub(crate) fn refused(&mut self, epoch: u64) -> bool {
        let is_next = self.waiting.take_if(|waiting| {
            waiting.epoch == epoch && matches!(waiting.missing, Missing::Announcement(None))
        });
        is_next.is_some()
    }

    /// An epoch has no entry for this device.
    pub(crate) fn left_out(&mut self, epoch: u64) {
        if self.waiting.is_some_and(|waiting| waiting.epoch == epoch) {
            *self = Self::NONE;
        }
    }

    /// An epoch was followed. `true` if that ended a wait, this one or `ended`, and which epoch comes
    /// next is not known.
    pub(crate) fn followed(&mut self, state: &GroupState, ended: bool) -> bool {
        let lacks = |epoch| epoch >= state.base_epoch() && state.announcement_hash(epoch).is_none();
        let waited = self.waiting.take_if(|waiting| !lacks(waiting.epoch));
        for epoch in &mut self.behind {
            if !lacks(*epoch) {
                *epoch = 0;
            }
        }
        if self.waiting.is_some() || (waited.is_none() && !ended) {
            return false;
        }
        let next = self.behind.iter_mut().filter(|epoch| **epoch != 0).min();
        let Some(next) = next.map(core::mem::take) else {
            return true;
        };
        self.wait(next, Missing::Announcement(None));
        false
    }

    /// With a connection all announcements come, and show again what is missing.
    pub(crate) fn connected(&mut self) {
        if let Some(waiting) = &mut self.waiting {
            (waiting.due, waiting.asked) = (false, false);
            waiting.asking.reset();
        }
    }

    /// Asks again for what did not come. `true`: all announcements are to be asked for, because one
    /// that was seen before is not there any more.
    pub(crate) fn tick(&mut self, now: Option<u64>) -> bool {
        let Some(waiting) = &mut self.waiting else {
            return false;
        };
        if !waiting.asking.is_due(now) {
            return false;
        }
        waiting.due = true;
        let is_gone = matches!(waiting.missing, Missing::Announcement(None));
        if is_gone {
            *self = Self::NONE;
        }
        is_gone
    }

    /// Takes the chunk that is missing; any other one changes nothing.
    pub(crate) fn read(
        &mut self,
        (epoch, number): (u64, u32),
        leaf: u32,
        bytes: &[u8],
    ) -> Result<(), FollowError> {
        if let Some(waiting) = &self.waiting
            && let Missing::Chunk(chunk) = waiting.missing
            && (waiting.epoch, chunk.number) == (epoch, number)
        {
            let entry = chunk.read(leaf, bytes).map_err(FollowError::of_chunk)?;
            self.wait(epoch, Missing::Announcement(Some(entry)));
        }
        Ok(())
    }

    /// The topic of what is missing.
    pub(crate) fn topic(&self, group: GroupId) -> Option<ReservedTopic> {
        Some(self.waiting.as_ref()?.topic(group))
    }

    /// What to subscribe.
    pub(crate) fn poll(&mut self, group: GroupId) -> Option<ReservedTopic> {
        let waiting = self.waiting.as_mut().filter(|waiting| waiting.due)?;
        (waiting.due, waiting.asked) = (false, true);
        Some(waiting.topic(group))
    }
}

impl Waiting {
    fn needs(&self, epoch: u64, chunk: &ChunkRef) -> bool {
        let same = matches!(&self.missing, Missing::Chunk(known) if known == chunk);
        same && self.epoch == epoch
    }

    const fn topic(&self, group: GroupId) -> ReservedTopic {
        match self.missing {
            Missing::Chunk(chunk) => ReservedTopic::Chunk(group, self.epoch, chunk.number),
            Missing::Announcement(_) => ReservedTopic::Announcement(group, self.epoch),
        }
    }
}
