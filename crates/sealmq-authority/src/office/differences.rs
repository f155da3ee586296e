//! What the broker has of what it should have.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::crypto::{Digest, sha256};
use sealmq_keys::Publication;

/// Publications on their way at the same time; brokers take at least 20 as a rule.
const MOST_IN_FLIGHT: usize = 16;

/// Publishes differences in order, for one connection.
#[derive(Default)]
pub(super) struct Differences {
    /// Hashes of what should be there; of nothing, for what is to be cleared.
    wanted: BTreeMap<String, Digest>,
    queue: VecDeque<Publication>,
    /// Sent whatever was confirmed before, after the queue.
    once: VecDeque<Publication>,
    on_its_way: BTreeMap<u64, Sent>,
    /// Never given twice, over all connections.
    next_token: u64,
    /// What the broker has: it was seen there after the connection was made, or was acknowledged.
    confirmed: BTreeMap<String, Digest>,
    refused: BTreeSet<(String, [u8; 32])>,
}

struct Sent {
    topic: String,
    hash: Digest,
    clears: bool,
    /// Not a part of what should stand there.
    passing: bool,
}

/// What an acknowledgement meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Acknowledged {
    /// The object stands at the broker.
    Stands,
    /// The topic is cleared.
    Cleared(String),
    /// The broker did not take it.
    Refused(String),
    /// Not one of ours.
    Unknown,
}

impl Differences {
    /// A new connection: what the broker has is unknown.
    pub(super) fn start_over(&mut self) {
        *self = Self {
            next_token: self.next_token,
            ..Self::default()
        };
    }

    /// Asks again for what was refused, with the next [`Differences::want`].
    pub(super) fn forget_refusals(&mut self) {
        self.refused.clear();
    }

    /// What stands on a topic after the connection was made. Only what should be there counts.
    pub(super) fn saw(&mut self, topic: &str, hash: Digest) {
        if self.wanted.contains_key(topic) {
            self.confirmed.insert(topic.to_owned(), hash);
        }
    }

    /// Whether this is what should stand on a topic.
    pub(super) fn is_wanted(&self, topic: &str, hash: &Digest) -> bool {
        self.wanted.get(topic) == Some(hash)
    }

    /// Replaces what should be there.
    pub(super) fn want(&mut self, all: Vec<Publication>) {
        let hashes = all.iter().map(|entry| (entry.topic.clone(), hash(entry)));
        self.wanted = hashes.collect();
        let Self {
            wanted,
            confirmed,
            on_its_way,
            refused,
            ..
        } = self;
        confirmed.retain(|topic, _| wanted.contains_key(topic));
        let on_its_way: BTreeSet<(&str, &[u8; 32])> = on_its_way
            .values()
            .filter(|sent| !sent.passing)
            .map(|sent| (sent.topic.as_str(), &sent.hash.0))
            .collect();
        let missing = |entry: &Publication| {
            let Some(hash) = wanted.get(&entry.topic) else {
                return false;
            };
            confirmed.get(&entry.topic) != Some(hash)
                && !on_its_way.contains(&(entry.topic.as_str(), &hash.0))
                && !refused.contains(&(entry.topic.clone(), hash.0))
        };
        self.queue = all.into_iter().filter(missing).collect();
        if !self.once.is_empty() {
            // A repair that is overtaken would put the old object back.
            let queued: BTreeSet<&str> = self.queue.iter().map(|e| e.topic.as_str()).collect();
            self.once.retain(|entry| {
                let now = self.wanted.get(&entry.topic);
                let is_newest = now.is_none_or(|now| *now == hash(entry));
                !entry.retain || (is_newest && !queued.contains(entry.topic.as_str()))
            });
        }
    }

    /// Adds what is sent once.
    pub(super) fn once(&mut self, all: Vec<Publication>) {
        self.once.extend(all);
    }

    /// The next one to send, with a token for its acknowledgement.
    pub(super) fn next(&mut self) -> Option<(u64, Publication)> {
        if self.on_its_way.len() >= MOST_IN_FLIGHT {
            return None;
        }
        let (publication, passing) = match self.queue.pop_front() {
            Some(publication) => (publication, false),
            None => (self.once.pop_front()?, true),
        };
        let token = self.next_token;
        self.next_token = token.wrapping_add(1);
        let sent = Sent {
            passing,
            hash: hash(&publication),
            clears: publication.payload.is_empty(),
            topic: publication.topic.clone(),
        };
        self.on_its_way.insert(token, sent);
        Some((token, publication))
    }

    /// The broker's answer.
    pub(super) fn acknowledged(&mut self, token: u64, accepted: bool) -> Acknowledged {
        let Some(sent) = self.on_its_way.remove(&token) else {
            return Acknowledged::Unknown;
        };
        if sent.passing {
            return if accepted {
                Acknowledged::Stands
            } else {
                Acknowledged::Refused(sent.topic)
            };
        }
        if !accepted {
            self.refused.insert((sent.topic.clone(), sent.hash.0));
            return Acknowledged::Refused(sent.topic);
        }
        self.confirmed.insert(sent.topic.clone(), sent.hash);
        if sent.clears {
            Acknowledged::Cleared(sent.topic)
        } else {
            Acknowledged::Stands
        }
    }

    /// Whether everything was answered.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.once.is_empty() && self.on_its_way.is_empty()
    }

    pub(super) fn has_refusals(&self) -> bool {
        !self.refused.is_empty()
    }

    /// How many objects stand at the broker as they should, and how many it refuses.
    pub(super) fn counts(&self) -> (usize, usize) {
        let nothing = sha256(&[]);
        let stands =
            |(topic, hash): &(&String, &Digest)| **hash != nothing && self.is_wanted(topic, hash);
        (
            self.confirmed.iter().filter(stands).count(),
            self.refused.len(),
        )
    }
}

fn hash(publication: &Publication) -> Digest {
    sha256(&[&publication.payload])
}

#[cfg(test)]
#[path = "differences_tests.rs"]
mod tests;
