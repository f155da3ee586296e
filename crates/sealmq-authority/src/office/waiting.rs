//! What arrived and waits for the authority. Anybody can send it, so that little is kept that
//! nobody has verified.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::object::Kind;
use sealmq_keys::ReservedTopic;

/// Bytes that wait unverified.
const UNVERIFIED: usize = 64 << 10;
/// Bytes that wait in all.
const MOST_BYTES: usize = 256 << 10;
/// What one costs besides its own bytes.
const OVERHEAD: usize = 64;
/// Own topics that wait to be put right.
pub(super) const MOST_WRONG: usize = 1024;

/// Whether somebody of this domain can have signed that for this topic; without any cost.
pub(super) fn is_plausible(topic: &ReservedTopic, payload: &[u8]) -> bool {
    let kind = match topic {
        ReservedTopic::Delegation => Kind::Delegation,
        ReservedTopic::Announcement(..) => Kind::Announcement,
        ReservedTopic::RefusedList(_) => Kind::RefusedList,
        ReservedTopic::Heartbeat(_) => Kind::Heartbeat,
        ReservedTopic::RefusedChunk(..) => return payload.len() <= topic.max_len(),
        // They prove nothing.
        _ => return false,
    };
    payload.len() <= topic.max_len() && payload.get(1) == Some(&(kind as u8))
}

/// What arrived on a reserved topic.
pub(super) struct Input {
    /// Those with a lower one come first.
    turn: u8,
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
}

/// Why something is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeftOut {
    /// It is of no use.
    Useless,
    /// There is no room.
    Genuine,
}

/// In the order in which they are taken.
#[derive(Default)]
pub(super) struct Inputs {
    all: VecDeque<Input>,
    bytes: usize,
}

impl Input {
    pub(super) fn new(turn: u8, topic: &str, payload: &[u8]) -> Self {
        Self {
            turn,
            topic: topic.into(),
            payload: payload.into(),
        }
    }

    fn size(&self) -> usize {
        let bytes = self.topic.len().saturating_add(self.payload.len());
        bytes.saturating_add(OVERHEAD)
    }
}

impl Inputs {
    /// Keeps one, unless it is left out. `is_genuine` is asked when much waits already; then the
    /// first of each topic is enough, and the others come again.
    pub(super) fn push(
        &mut self,
        input: Input,
        is_genuine: impl FnOnce() -> bool,
    ) -> Option<LeftOut> {
        let bytes = self.bytes.saturating_add(input.size());
        if bytes > UNVERIFIED {
            let mut of_topic = self.all.iter().filter(|known| known.topic == input.topic);
            if of_topic.any(|known| known.payload == input.payload) || !is_genuine() {
                return Some(LeftOut::Useless);
            }
            if bytes > MOST_BYTES {
                return Some(LeftOut::Genuine);
            }
        }
        self.bytes = bytes;
        self.all.push_back(input);
        None
    }

    /// Those of lower turns first.
    pub(super) fn sort(&mut self) {
        let all = self.all.make_contiguous();
        all.sort_by_key(|input| input.turn);
    }

    pub(super) fn first(&self) -> Option<&Input> {
        self.all.front()
    }

    /// Forgets the first one.
    pub(super) fn pop(&mut self) {
        let size = self.all.pop_front().map_or(0, |input| input.size());
        self.bytes = self.bytes.saturating_sub(size);
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is no more room for what was not verified.
    pub(super) const fn is_full(&self) -> bool {
        self.bytes >= UNVERIFIED / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_kept_that_nobody_has_verified() {
        let mut inputs = Inputs::default();
        let large = |n: u8| Input::new(0, "t", &[n; 16_000]);
        let left_out = (0..100).map(|n| inputs.push(large(n), || false));
        let kept = left_out.filter(Option::is_none).count();
        assert_eq!(kept, UNVERIFIED / 16_065);
        let bytes = inputs.bytes();
        assert_eq!(inputs.push(large(200), || true), None);
        assert_eq!(inputs.push(large(200), || true), Some(LeftOut::Useless));
        let kept = (0..200).filter(|n| {
            let topic = alloc::format!("t/{n}");
            inputs
                .push(Input::new(0, &topic, &[1; 16_000]), || true)
                .is_none()
        });
        assert!(kept.count() > 8 && bytes < inputs.bytes());
        assert!(inputs.bytes() <= MOST_BYTES);
        assert_eq!(
            inputs.push(Input::new(0, "u", &[2; 64]), || false),
            Some(LeftOut::Useless)
        );
        while inputs.first().is_some() {
            inputs.pop();
        }
        assert_eq!((inputs.len(), inputs.bytes()), (0, 0));
    }
}
