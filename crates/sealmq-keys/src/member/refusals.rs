//! The refused list of one group at a member (spec/keys.md §7), as much of it as is needed: of a
//! long one the chunks that may name a sender of whom something came.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use sealmq_core::crypto::{Digest, sha256};
use sealmq_core::object::ObjectError;
use sealmq_core::{DomainId, GroupId, MemberNumber};

use super::Member;
use super::records;
use super::types::{Action, Now};
use crate::asking::Asking;
use crate::refused::{Lowest, Refusal, RefusedChunk, RefusedList, RefusedRun};
use crate::reserved::ReservedTopic;
use crate::store::Changes;

/// Most refused lists that wait for the announcement that names them.
const MAX_LISTS: usize = 4;
/// Most chunks that are kept, of 8216 bytes at most; the one that came first makes room.
const MAX_KEPT: usize = 512;
/// Most chunks that are fetched at a time: each is a subscription, and brokers count those.
const MAX_FETCHED: usize = 8;

/// What the list is called, and whose it is.
pub(super) type Named = (DomainId, GroupId, Digest);

#[derive(Default)]
pub(super) struct Refusals {
    /// The list that the newest announcement names; zeros if nobody is refused.
    hash: Digest,
    /// `None` while it is missing.
    list: Option<Content>,
    /// Verified lists that no announcement names yet.
    waiting: Vec<(Digest, Vec<u8>)>,
    /// By their hash, so that what a new list has in common with the one before it stays.
    chunks: BTreeMap<Digest, Chunk>,
    /// How many chunks came.
    came: u64,
    /// Topics that nothing waits for any more.
    ended: Vec<MemberNumber>,
    pub(super) asking: Asking,
}

#[derive(Default)]
struct Content {
    run: Vec<Refusal>,
    chunks: Vec<RefusedChunk>,
}

struct Chunk {
    of: RefusedChunk,
    /// `None` while it is missing.
    run: Option<(u64, Vec<Refusal>)>,
    asking: Asking,
}

impl Content {
    fn of(list: &RefusedList<'_>) -> Self {
        Self {
            run: list.run().map(collect).unwrap_or_default(),
            chunks: list.chunks().collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.run.is_empty() && self.chunks.is_empty()
    }

    fn find(&self, member: MemberNumber) -> Lowest {
        let before = |chunk: &RefusedChunk| chunk.first <= member;
        let at = self.chunks.partition_point(before).checked_sub(1);
        let chunk = at.and_then(|at| self.chunks.get(at));
        match chunk.filter(|chunk| chunk.holds(member)) {
            Some(chunk) => Lowest::InChunk(*chunk),
            None => Lowest::Serial(lowest_in(&self.run, member)),
        }
    }
}

fn collect(run: RefusedRun<'_>) -> Vec<Refusal> {
    run.iter().collect()
}

fn lowest_in(run: &[Refusal], member: MemberNumber) -> u32 {
    let at = run.binary_search_by_key(&member, |refusal| refusal.member);
    let found = at.ok().and_then(|at| run.get(at));
    found.map_or(0, |refusal| refusal.lowest_serial)
}

impl Refusals {
    /// Whether the list that the newest announcement names is there, its chunks or not.
    pub(super) const fn is_known(&self) -> bool {
        self.list.is_some()
    }

    /// Nothing of it is left.
    pub(super) fn forget(&mut self, id: &GroupId, changes: &mut Changes) {
        self.drop_all(id, changes);
        self.waiting.clear();
        self.hash = Digest::ZERO;
    }

    fn drop_all(&mut self, id: &GroupId, changes: &mut Changes) {
        changes.delete(records::group_refused_key(id));
        self.list = None;
        self.asking.reset();
        self.drop_chunks(id, changes, |_| false);
    }

    fn drop_chunks(
        &mut self,
        id: &GroupId,
        changes: &mut Changes,
        mut stays: impl FnMut(&Digest) -> bool,
    ) {
        let ended = &mut self.ended;
        self.chunks.retain(|hash, chunk| {
            let stays = stays(hash);
            if !stays && chunk.run.is_some() {
                changes.delete(records::refused_chunk_key(id, hash));
            } else if !stays {
                ended.push(chunk.of.first);
            }
            stays
        });
    }

    /// Lists that no announcement names yet count no more.
    pub(super) fn forget_waiting(&mut self) {
        self.waiting.clear();
    }

    /// The lowest credential serial that is accepted of a member: 0 if the list does not name it,
    /// `None` while the list, or the chunk of it that tells, is missing.
    pub(super) fn lowest_serial(&self, member: MemberNumber) -> Option<u32> {
        self.resolve(self.list.as_ref()?.find(member), member)
    }

    /// The same by any list that was verified.
    pub(super) fn lowest_serial_in(&self, named: &Named, member: MemberNumber) -> Option<u32> {
        self.resolve(self.find_in(named, member)?, member)
    }

    fn find_in(&self, named: &Named, member: MemberNumber) -> Option<Lowest> {
        let (domain, group, hash) = named;
        if *hash == Digest::ZERO {
            return Some(Lowest::Serial(0));
        }
        if *hash == self.hash && self.is_known() {
            return Some(self.list.as_ref()?.find(member));
        }
        let (_, bytes) = self.waiting.iter().find(|(known, _)| known == hash)?;
        let list = RefusedList::named(bytes, domain, group, hash).ok()?;
        Some(list.lowest_serial(member))
    }

    fn resolve(&self, found: Lowest, member: MemberNumber) -> Option<u32> {
        match found {
            Lowest::Serial(lowest) => Some(lowest),
            Lowest::InChunk(chunk) => {
                let (_, run) = self.chunks.get(&chunk.hash)?.run.as_ref()?;
                Some(lowest_in(run, member))
            }
        }
    }

    /// The chunk that tells of this member is needed, if it is one that tells.
    pub(super) fn want(&mut self, member: MemberNumber) {
        if let Some(Lowest::InChunk(chunk)) = self.list.as_ref().map(|list| list.find(member)) {
            self.want_chunk(chunk);
        }
    }

    /// The same by any list that was verified.
    pub(super) fn want_in(&mut self, named: &Named, member: MemberNumber) {
        if let Some(Lowest::InChunk(chunk)) = self.find_in(named, member) {
            self.want_chunk(chunk);
        }
    }

    fn want_chunk(&mut self, of: RefusedChunk) {
        self.chunks.entry(of.hash).or_insert_with(|| Chunk {
            of,
            run: None,
            asking: Asking::default(),
        });
    }

    /// Chunks to subscribe now: the first few that are missing, at once and then again.
    pub(super) fn fetch_due(&mut self, now: Now) -> Vec<MemberNumber> {
        let missing = self.chunks.values_mut().filter(|chunk| chunk.run.is_none());
        let due = missing.take(MAX_FETCHED).filter_map(|chunk| {
            let due = if chunk.asking.has_begun() {
                chunk.asking.is_due(now)
            } else {
                chunk.asking.asked(now);
                true
            };
            due.then_some(chunk.of.first)
        });
        due.collect()
    }

    /// Chunks to unsubscribe now.
    pub(super) fn take_ended(&mut self) -> Vec<MemberNumber> {
        let mut ended = core::mem::take(&mut self.ended);
        ended.retain(|first| !self.fetched().any(|fetched| fetched == *first));
        ended
    }

    /// Those that are being fetched.
    pub(super) fn fetched(&self) -> impl Iterator<Item = MemberNumber> {
        let missing = self.chunks.values().filter(|chunk| chunk.run.is_none());
        let asked = missing.filter(|chunk| chunk.asking.has_begun());
        asked.map(|chunk| chunk.of.first)
    }

    pub(super) fn misses_chunks(&self) -> bool {
        self.chunks.values().any(|chunk| chunk.run.is_none())
    }

    /// Takes a chunk that was asked for; `None` if nobody did.
    pub(super) fn offer(
        &mut self,
        id: &GroupId,
        first: MemberNumber,
        bytes: &[u8],
        changes: &mut Changes,
    ) -> Option<Result<(), ObjectError>> {
        let mut asked = self.chunks.values();
        if !asked.any(|chunk| chunk.of.first == first && chunk.run.is_none()) {
            return None;
        }
        let hash = sha256(&[bytes]);
        let chunk = self.chunks.get_mut(&hash);
        let chunk = chunk.filter(|chunk| chunk.of.first == first);
        let Some(chunk) = chunk else {
            return Some(Err(ObjectError::Serial));
        };
        if chunk.run.is_some() {
            return None;
        }
        let run = match chunk.of.run(bytes) {
            Ok(run) => collect(run),
            Err(error) => return Some(Err(error)),
        };
        chunk.run = Some((self.came, run));
        self.came = self.came.saturating_add(1);
        self.ended.push(first);
        records::put_bytes(changes, records::refused_chunk_key(id, &hash), bytes);
        self.make_room(id, changes);
        Some(Ok(()))
    }

    fn make_room(&mut self, id: &GroupId, changes: &mut Changes) {
        let kept = self.chunks.values().filter(|chunk| chunk.run.is_some());
        if kept.count() <= MAX_KEPT {
            return;
        }
        let came = |chunk: &Chunk| chunk.run.as_ref().map(|(came, _)| *came);
        let oldest = self
            .chunks
            .iter()
            .filter_map(|(hash, c)| Some((came(c)?, *hash)));
        if let Some((_, oldest)) = oldest.min() {
            self.drop_chunks(id, changes, |hash| *hash != oldest);
        }
    }

    /// Installs the list that the newest announcement names, if it is missing and this is it.
    pub(super) fn take_missing(
        &mut self,
        named: Option<Named>,
        bytes: &[u8],
        changes: &mut Changes,
    ) -> bool {
        if self.list.is_some() {
            return false;
        }
        let Some((domain, group, hash)) = named else {
            return false;
        };
        let Ok(list) = RefusedList::named(bytes, &domain, &group, &hash) else {
            return false;
        };
        self.list = Some(Content::of(&list));
        self.asking.reset();
        records::put_bytes(changes, records::group_refused_key(&group), bytes);
        self.follow_chunks(&(domain, group, hash), changes);
        true
    }

    /// After another list came into force: chunks that it has, too, stay, and of those that were
    /// here the ones in their place are fetched, so that their senders' messages do not wait.
    fn follow_chunks(&mut self, named: &Named, changes: &mut Changes) {
        let (domain, id, _) = named;
        let Some(list) = &self.list else { return };
        let mut wanted = Vec::new();
        let mut staying = Vec::new();
        for (hash, chunk) in &mut self.chunks {
            if let Some(same) = list.chunks.iter().find(|same| same.hash == *hash) {
                // Its bounds may have moved, though its records did not.
                chunk.of = *same;
                staying.push(*hash);
                continue;
            }
            let mut others = self.waiting.iter();
            let is_to_come = others.any(|(name, bytes)| {
                let list = RefusedList::named(bytes, domain, id, name);
                list.is_ok_and(|list| list.chunks().any(|chunk| chunk.hash == *hash))
            });
            if is_to_come {
                staying.push(*hash);
            }
            let in_place = list.chunks.iter();
            let in_place = in_place.filter(|c| c.first < chunk.of.end && chunk.of.first < c.end);
            wanted.extend(in_place.copied());
        }
        self.drop_chunks(id, changes, |hash| staying.contains(hash));
        for chunk in wanted {
            self.want_chunk(chunk);
        }
    }

    /// Takes what was stored of the list in force.
    pub(super) fn load_chunk(&mut self, bytes: &[u8]) {
        let hash = sha256(&[bytes]);
        let list = self.list.as_ref();
        let of = list.and_then(|list| list.chunks.iter().find(|chunk| chunk.hash == hash));
        if let Some(of) = of
            && let Ok(run) = of.run(bytes)
        {
            let chunk = Chunk {
                of: *of,
                run: Some((self.came, collect(run))),
                asking: Asking::default(),
            };
            self.came = self.came.saturating_add(1);
            self.chunks.insert(hash, chunk);
        }
    }

    /// Whether this is the list that is in force: it is published again with each heartbeat.
    pub(super) fn has_list(&self, named: Option<Named>, id: &GroupId, bytes: &[u8]) -> bool {
        self.list.as_ref().is_some_and(|list| !list.is_empty())
            && named
                .is_some_and(|(d, g, h)| g == *id && RefusedList::named(bytes, &d, &g, &h).is_ok())
    }

    /// Keeps a verified list for the announcement that will name it.
    pub(super) fn keep_list(&mut self, hash: Digest, bytes: &[u8]) {
        if self.waiting.iter().all(|(known, _)| *known != hash) {
            if self.waiting.len() >= MAX_LISTS {
                self.waiting.remove(0);
            }
            self.waiting.push((hash, bytes.to_vec()));
        }
    }

    /// After a new epoch: keeps the list if it is still the one that the announcement names, or
    /// takes it from those waiting.
    pub(super) fn settle(&mut self, named: Option<Named>, changes: &mut Changes) {
        let Some((_, id, hash)) = named else {
            return;
        };
        if self.hash == hash && self.list.is_some() {
            return;
        }
        self.hash = hash;
        self.list = None;
        self.asking.reset();
        if hash == Digest::ZERO {
            // Nobody is refused: there is no list.
            self.drop_all(&id, changes);
            self.list = Some(Content::default());
        } else if let Some(at) = self.waiting.iter().position(|(known, _)| *known == hash) {
            let (_, bytes) = self.waiting.remove(at);
            self.take_missing(named, &bytes, changes);
        }
    }
}

impl Member {
    pub(super) fn fetch_refused(&mut self, id: GroupId, now: Now, actions: &mut Vec<Action>) {
        if let Some(group) = self.groups.get_mut(&id) {
            fetch_refused(&self.prefix, id, &mut group.refusals, now, actions);
        }
    }
}

/// Subscribes the chunks of a refused list that are missing, and no others.
pub(super) fn fetch_refused(
    prefix: &str,
    id: GroupId,
    refusals: &mut Refusals,
    now: Now,
    actions: &mut Vec<Action>,
) {
    let topic = |first| ReservedTopic::RefusedChunk(id, first).name(prefix);
    let ended = refusals.take_ended().into_iter().map(topic);
    actions.extend(ended.map(Action::Unsubscribe));
    let missing = refusals.fetch_due(now).into_iter().map(topic);
    actions.extend(missing.map(Action::Subscribe));
}

#[cfg(test)]
#[path = "refusals_tests.rs"]
mod tests;
