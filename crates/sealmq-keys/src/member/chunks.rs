//! Chunks of covers (spec/keys.md §5): fetched one by one, for announcements that wait for them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use sealmq_core::GroupId;
use sealmq_core::crypto::{Digest, sha256};
use sealmq_core::object::ObjectError;

use super::Member;
use super::outcome::{BadObject, Handled};
use super::types::{Action, Now};
use crate::asking::Asking;
use crate::reserved::ReservedTopic;

/// Most chunks that a group waits for or keeps, of 8216 bytes at most. An epoch is followed as
/// soon as its chunk is there, so that one is the rule.
const MAX_CHUNKS: usize = 8;

/// The chunks that announcements asked for, by epoch: a member needs one of each.
#[derive(Default)]
pub(super) struct Chunks(BTreeMap<u64, Chunk>);

struct Chunk {
    number: u32,
    hash: Digest,
    bytes: Option<Vec<u8>>,
    asking: Asking,
}

impl Chunks {
    /// Asks for a chunk; `true` if that is new.
    pub(super) fn want(&mut self, epoch: u64, number: u32, hash: Digest) -> bool {
        let same = |chunk: &Chunk| (chunk.number, chunk.hash) == (number, hash);
        let known = self.0.get(&epoch);
        if known.is_some_and(same) || (known.is_none() && self.0.len() >= MAX_CHUNKS) {
            return false;
        }
        let chunk = Chunk {
            number,
            hash,
            bytes: None,
            asking: Asking::default(),
        };
        self.0.insert(epoch, chunk);
        true
    }

    pub(super) fn get(&self, epoch: u64) -> Option<&[u8]> {
        self.0.get(&epoch)?.bytes.as_deref()
    }

    /// `None` if nobody asked for it.
    fn offer(&mut self, epoch: u64, number: u32, bytes: &[u8]) -> Option<Result<(), ObjectError>> {
        let chunk = self.0.get_mut(&epoch);
        let chunk = chunk.filter(|chunk| chunk.number == number && chunk.bytes.is_none())?;
        if sha256(&[bytes]) != chunk.hash {
            return Some(Err(ObjectError::Serial));
        }
        chunk.bytes = Some(bytes.to_vec());
        Some(Ok(()))
    }

    /// Epoch and number of those that are still missing.
    pub(super) fn missing(&self) -> impl Iterator<Item = (u64, u32)> {
        let missing = self.0.iter().filter(|(_, chunk)| chunk.bytes.is_none());
        missing.map(|(epoch, chunk)| (*epoch, chunk.number))
    }

    /// Those to ask for (again) now.
    pub(super) fn due(&mut self, now: Now) -> Vec<(u64, u32)> {
        let missing = self.0.iter_mut().filter(|(_, chunk)| chunk.bytes.is_none());
        let due = missing.filter_map(|(epoch, chunk)| {
            let due = chunk.asking.is_due(now);
            due.then_some((*epoch, chunk.number))
        });
        due.collect()
    }

    /// Ends the wait for all chunks but those of some epochs, and returns what ended.
    pub(super) fn keep(&mut self, wanted: impl Fn(u64) -> bool) -> Vec<(u64, u32)> {
        let mut ended = Vec::new();
        self.0.retain(|epoch, chunk| {
            let kept = wanted(*epoch);
            if !kept {
                ended.push((*epoch, chunk.number));
            }
            kept
        });
        ended
    }
}

impl Member {
    pub(super) fn handle_chunk(
        &mut self,
        id: GroupId,
        epoch: u64,
        number: u32,
        payload: &[u8],
        now: Now,
        actions: &mut Vec<Action>,
    ) -> Result<Handled, BadObject> {
        let group = self.groups.get_mut(&id);
        match group.and_then(|group| group.chunks.offer(epoch, number, payload)) {
            None => Ok(Handled::Ignored),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(())) => {
                self.follow_candidates(id, now, actions);
                Ok(Handled::Installed)
            }
        }
    }

    /// Unsubscribes chunks that nothing waits for any more.
    pub(super) fn end_chunks(&mut self, id: GroupId, actions: &mut Vec<Action>) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let candidates = &group.candidates;
        let ended = group.chunks.keep(|epoch| candidates.contains(epoch));
        let topic = |(epoch, n)| ReservedTopic::Chunk(id, epoch, n).name(&self.prefix);
        actions.extend(ended.into_iter().map(topic).map(Action::Unsubscribe));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_bounded_and_only_the_right_one_is_taken() {
        let mut chunks = Chunks::default();
        let hash = sha256(&[b"chunk"]);
        assert!(chunks.want(5, 2, hash));
        assert!(!chunks.want(5, 2, hash), "asked for once");
        assert!(chunks.offer(5, 1, b"chunk").is_none());
        assert!(chunks.offer(6, 2, b"chunk").is_none());
        let wrong = chunks.offer(5, 2, b"another");
        assert_eq!(wrong, Some(Err(ObjectError::Serial)));
        assert_eq!(chunks.missing().collect::<Vec<_>>(), [(5, 2)]);
        assert_eq!(chunks.offer(5, 2, b"chunk"), Some(Ok(())));
        assert_eq!(chunks.get(5), Some(&b"chunk"[..]));
        assert_eq!(chunks.missing().count(), 0);
        for epoch in 6..=12 {
            assert!(chunks.want(epoch, 0, hash));
        }
        assert!(!chunks.want(13, 0, hash));
        assert_eq!(chunks.keep(|epoch| epoch != 5), [(5, 2)]);
        assert!(chunks.want(13, 0, hash));
    }
}
