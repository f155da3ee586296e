use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use core::time::Duration;

use sealmq_core::crypto::Digest;

/// What comes later is no echo: somebody else has published the same.
const ECHO: Duration = Duration::from_secs(30);

/// What was sent on own topics and has not come back yet: no news.
#[derive(Default)]
pub(super) struct Echoes(BTreeMap<String, VecDeque<(Duration, Digest)>>);

impl Echoes {
    pub(super) fn sent(&mut self, topic: &str, hash: Digest, now: Duration) {
        let of_topic = self.0.entry(topic.into()).or_default();
        of_topic.push_back((now, hash));
    }

    /// Whether this was sent from here. A broker keeps the order: what was sent before it does
    /// not come any more, and is news if it does.
    pub(super) fn take(&mut self, topic: &str, hash: &Digest, now: Duration) -> bool {
        let Some(of_topic) = self.0.get_mut(topic) else {
            return false;
        };
        let is_young = |at: Duration| now.saturating_sub(at) < ECHO;
        let mut sent = of_topic.iter();
        let found = sent.position(|(at, sent)| sent == hash && is_young(*at));
        if let Some(found) = found {
            of_topic.drain(..=found);
        }
        if of_topic.is_empty() {
            self.0.remove(topic);
        }
        found.is_some()
    }

    /// Forgets what has waited for too long.
    pub(super) fn forget_old(&mut self, now: Duration) {
        self.0.retain(|_, sent| {
            sent.retain(|(at, _)| now.saturating_sub(*at) < ECHO);
            !sent.is_empty()
        });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sent_and_in_its_order() {
        let at = Duration::from_secs;
        let (one, two) = (Digest([1; 32]), Digest([2; 32]));
        let mut echoes = Echoes::default();
        echoes.sent("t", one, at(0));
        echoes.sent("t", two, at(0));
        assert!(!echoes.take("u", &one, at(1)));
        assert!(echoes.take("t", &two, at(1)));
        // The first one was overtaken, so this is somebody else's.
        assert!(!echoes.take("t", &one, at(1)));
        echoes.sent("t", one, at(2));
        assert!(!echoes.take("t", &one, at(32)), "too late");
        echoes.forget_old(at(32));
        assert!(echoes.0.is_empty());
    }
}
