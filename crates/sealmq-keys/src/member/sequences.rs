//! Numbers of messages on topics (spec/envelope.md §8).

use alloc::collections::BTreeMap;
use alloc::string::String;

/// Most topics whose messages are numbered; messages on further topics carry no sequence.
const MAX_SEQUENCES: usize = 65_536;

/// Numbers of the messages on each topic (spec/envelope.md §8).
#[derive(Default)]
pub(super) struct Sequences(BTreeMap<String, u32>);

impl Sequences {
    /// The number of the next message; `None` when too many topics are numbered already.
    pub(super) fn next(&self, topic: &str) -> Option<u32> {
        match self.0.get(topic) {
            Some(next) => Some(*next),
            None => (self.0.len() < MAX_SEQUENCES).then_some(0),
        }
    }

    pub(super) fn advance(&mut self, topic: &str) {
        if let Some(next) = self.0.get_mut(topic) {
            *next = next.wrapping_add(1) & ((1 << 21) - 1);
        } else if self.0.len() < MAX_SEQUENCES {
            self.0.insert(topic.into(), 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn sequences_wrap_and_are_bounded() {
        let mut sequences = Sequences::default();
        assert_eq!(sequences.next("a"), Some(0));
        assert_eq!(sequences.next("a"), Some(0));
        sequences.advance("a");
        assert_eq!(
            (sequences.next("a"), sequences.next("b")),
            (Some(1), Some(0))
        );
        sequences.0.insert("a".into(), (1 << 21) - 1);
        sequences.advance("a");
        assert_eq!(sequences.next("a"), Some(0));
        for i in 1..MAX_SEQUENCES {
            sequences.advance(&format!("t/{i}"));
        }
        assert_eq!(sequences.next("t/1"), Some(1));
        assert_eq!(sequences.next("one more"), None);
        sequences.advance("one more");
        assert_eq!(sequences.0.len(), MAX_SEQUENCES);
    }
}
