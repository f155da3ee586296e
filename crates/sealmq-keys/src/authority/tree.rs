use rand_core::TryCryptoRng;
use sealmq_core::GroupId;
use sealmq_core::object::Access;

use super::record::Generation;
use super::{Authority, AuthorityError, draw_public};
use crate::epoch::ReaderSecret;
use crate::tree::{Half, HealSecret, NodeKey, PathKeys, half_of, leaves};

/// The heal secret of each half for one healing epoch.
struct HealedEpoch {
    epoch: u64,
    readers: HealSecret,
    publishers: HealSecret,
}

/// Walks the ratchet of a generation's nodes up to one epoch.
pub(super) struct NodeKeys<'a> {
    generation: &'a Generation,
    healed: alloc::vec::Vec<HealedEpoch>,
    epoch: u64,
}

impl<'a> NodeKeys<'a> {
    pub(super) fn at(generation: &'a Generation, epoch: u64) -> Self {
        let healed = generation
            .healings
            .iter()
            .filter(|healing| healing.epoch < epoch)
            .map(|healing| {
                let secret = ReaderSecret::new(healing.reader_secret.secret());
                HealedEpoch {
                    epoch: healing.epoch,
                    readers: secret.heal(),
                    publishers: secret.psk().heal(),
                }
            })
            .collect();
        Self {
            generation,
            healed,
            epoch,
        }
    }

    /// N[node, epoch].
    pub(super) fn key(&self, node: u32) -> NodeKey {
        let mut key = NodeKey::first(&self.generation.tree_secret.secret(), node);
        let mut healed = self.healed.iter().peekable();
        for epoch in self.generation.first_epoch..self.epoch {
            key = match healed.next_if(|h| h.epoch == epoch) {
                None => key.ratchet(),
                Some(h) if half_of(node) == Some(Half::Readers) => key.heal(&h.readers),
                Some(h) => key.heal(&h.publishers),
            };
        }
        key
    }

    /// The keys on the path of a leaf.
    pub(super) fn path(&self, leaf: u32) -> Option<PathKeys> {
        PathKeys::from_fn(self.generation.depth, leaf, |node| self.key(node))
    }
}

impl Authority {
    /// A random leaf that was never assigned in the newest generation: random, so that covers do not
    /// show the order of enrolment.
    pub(super) fn free_leaf(
        &self,
        group: &GroupId,
        access: Access,
        rng: &mut impl TryCryptoRng,
    ) -> Result<u32, AuthorityError> {
        let half = if access.may_subscribe() {
            Half::Readers
        } else {
            Half::Publishers
        };
        let record = self.groups.get(group);
        let record =
            record.ok_or_else(|| AuthorityError::NoSuchGroup(alloc::format!("{group}")))?;
        let newest = record.newest()?;
        let range = leaves(newest.depth, half);
        let size = range.end.saturating_sub(range.start);
        let random = u64::from_be_bytes(draw_public(rng)?);
        let random = random
            .checked_rem(u64::from(size))
            .and_then(|r| u32::try_from(r).ok());
        let start = range.start.saturating_add(random.unwrap_or(0));
        (start..range.end)
            .chain(range.start..start)
            .find(|leaf| !self.index.is_taken(group, newest.number, *leaf))
            .ok_or_else(|| AuthorityError::TreeFull(record.name.clone()))
    }
}
