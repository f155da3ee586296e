use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::GroupId;
use sealmq_core::object::Access;

use super::record::{GenerationRecord, GroupRecord};
use super::{Authority, AuthorityError, draw_public};
use sealmq_keys::group::ReaderSecret;
use sealmq_keys::objects::CoverKey;
use sealmq_keys::tree::{Half, HealSecret, NodeKey, PathKeys, half_of, leaves};

/// Most node keys that are kept of one generation, about 5 MiB.
const MAX_CACHED: usize = 65536;

/// The heal secret of each half for one healing epoch.
struct HealedEpoch {
    epoch: u64,
    readers: HealSecret,
    publishers: HealSecret,
}

/// Walks the ratchet of a generation's nodes up to one epoch.
pub(super) struct NodeKeys<'a> {
    generation: &'a GenerationRecord,
    healed: Vec<HealedEpoch>,
    epoch: u64,
}

impl<'a> NodeKeys<'a> {
    pub(super) fn at(generation: &'a GenerationRecord, epoch: u64) -> Self {
        Self::between(generation, generation.first_epoch, epoch)
    }

    /// For walks that begin at `from` or later.
    fn between(generation: &'a GenerationRecord, from: u64, epoch: u64) -> Self {
        let healed = generation
            .healings
            .iter()
            .filter(|healing| (from..epoch).contains(&healing.epoch))
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
        let first = NodeKey::first(&self.generation.tree_secret.secret(), node);
        self.walk(node, self.generation.first_epoch, first)
    }

    /// N[node, epoch] from N[node, from].
    fn walk(&self, node: u32, from: u64, mut key: NodeKey) -> NodeKey {
        let passed = self.healed.partition_point(|healed| healed.epoch < from);
        let mut healed = self.healed.iter().skip(passed).peekable();
        for epoch in from..self.epoch {
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

/// Keys of the nodes that covers were made of, so that the next cover costs a few steps of the
/// ratchet for each node and not one for each epoch of the generation. Wiped on drop; nothing
/// depends on it but speed.
#[derive(Default)]
pub(super) struct KeyCache(BTreeMap<(GroupId, u32), BTreeMap<u32, CachedKey>>);

struct CachedKey {
    epoch: u64,
    key: NodeKey,
}

impl KeyCache {
    /// The keys of a cover's nodes at an epoch.
    pub(super) fn cover_keys(
        &mut self,
        group: &GroupId,
        generation: &GenerationRecord,
        epoch: u64,
        nodes: &[u32],
    ) -> Vec<CoverKey> {
        let known = self.0.entry((*group, generation.number)).or_default();
        let start = |node: &u32| known.get(node).filter(|cached| cached.epoch <= epoch);
        let oldest = nodes
            .iter()
            .map(|node| start(node).map_or(generation.first_epoch, |cached| cached.epoch));
        let oldest = oldest.min().unwrap_or(epoch);
        let walk = NodeKeys::between(generation, oldest, epoch);
        let keys: Vec<CoverKey> = nodes
            .iter()
            .map(|node| CoverKey {
                node: *node,
                key: match start(node) {
                    Some(from) => walk.walk(*node, from.epoch, from.key.duplicate()),
                    None => walk.key(*node),
                },
            })
            .collect();
        // A healing cover takes the place of the one before; the two nodes of an ordinary one
        // stand beside it.
        if nodes.len() > Half::ALL.len() {
            known.retain(|node, _| half_roots().any(|root| root == *node));
        }
        let cached = keys.iter().take(MAX_CACHED).map(|of| {
            let key = of.key.duplicate();
            (of.node, CachedKey { epoch, key })
        });
        known.extend(cached);
        keys
    }

    /// Forgets the generations of a group that have ended.
    pub(super) fn forget_generations(&mut self, group: &GroupRecord) {
        let lives = |id: &GroupId, number| *id != group.id || group.generation(number).is_some();
        self.0.retain(|(id, number), _| lives(id, *number));
    }
}

fn half_roots() -> impl Iterator<Item = u32> {
    Half::ALL.into_iter().map(Half::root)
}

/// The half that a member's access puts it into.
pub(super) const fn half_for(access: Access) -> Half {
    if access.may_subscribe() {
        Half::Readers
    } else {
        Half::Publishers
    }
}

/// Leaves of a half.
pub(super) fn half_len(depth: u8, half: Half) -> usize {
    leaves(depth, half).len()
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
        let record = self.groups.get(group);
        let record =
            record.ok_or_else(|| AuthorityError::NoSuchGroup(alloc::format!("{group}")))?;
        self.free_leaf_of(record, access, rng)
    }

    pub(super) fn free_leaf_of(
        &self,
        group: &GroupRecord,
        access: Access,
        rng: &mut impl TryCryptoRng,
    ) -> Result<u32, AuthorityError> {
        let newest = group.newest()?;
        let half = half_for(access);
        let range = leaves(newest.depth, half);
        // Probing a full half would visit all of it.
        if self.index.count_taken(&group.id, newest.number, half) >= range.len() {
            return Err(AuthorityError::TreeFull(group.name.clone()));
        }
        let size = range.end.saturating_sub(range.start);
        let random = u64::from_be_bytes(draw_public(rng)?);
        let random = random
            .checked_rem(u64::from(size))
            .and_then(|r| u32::try_from(r).ok());
        let start = range.start.saturating_add(random.unwrap_or(0));
        (start..range.end)
            .chain(range.start..start)
            .find(|leaf| !self.index.is_taken(&group.id, newest.number, *leaf))
            .ok_or_else(|| AuthorityError::TreeFull(group.name.clone()))
    }
}
