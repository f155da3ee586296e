//! What the broker has of what it should have.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use sealmq_core::crypto::{Digest, sha256};
use sealmq_keys::Publication;

use super::lanes::Lanes;

/// Publications on their way at the same time; brokers take at least 20 as a rule.
const MOST_IN_FLIGHT: usize = 16;
/// Answers to those who want to join that wait to be sent.
const MOST_DEVICES: usize = 256;

/// Publishes differences in order, for one connection.
#[derive(Default)]
pub(super) struct Differences {
    /// Hashes of what should be there; of nothing, for what is to be cleared.
    wanted: BTreeMap<String, Digest>,
    lanes: Lanes,
    on_its_way: BTreeMap<u64, Sent>,
    /// Never given twice, over all connections.
    next_token: u64,
    /// What the broker has: it was seen there after the connection was made, or was acknowledged.
    confirmed: BTreeMap<String, Digest>,
    refused: BTreeSet<(String, [u8; 32])>,
    /// Topics on which the broker has what should be there.
    standing: usize,
}

struct Sent {
    topic: String,
    hash: Digest,
    clears: bool,
    at: Duration,
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
        let mut lanes = core::mem::take(&mut self.lanes);
        lanes.clear();
        *self = Self {
            lanes,
            next_token: self.next_token,
            ..Self::default()
        };
    }

    /// Of the reserved topics.
    pub(super) fn set_prefix(&mut self, prefix: &str) {
        self.lanes.set_prefix(prefix);
    }

    /// Asks again for what was refused, with the next [`Differences::want`].
    pub(super) fn forget_refusals(&mut self) {
        self.refused.clear();
    }

    /// What stands on a topic after the connection was made. Only what should be there counts.
    pub(super) fn saw(&mut self, topic: &str, hash: Digest) {
        if self.wanted.contains_key(topic) {
            self.confirm(topic.to_owned(), hash);
        }
    }

    fn confirm(&mut self, topic: String, hash: Digest) {
        self.recounted(&topic.clone(), |this| {
            this.confirmed.insert(topic, hash);
        });
    }

    fn stands(&self, topic: &str) -> bool {
        let confirmed = self.confirmed.get(topic);
        confirmed.is_some_and(|hash| self.is_wanted(topic, hash) && *hash != nothing())
    }

    /// Changes what is known of one topic.
    fn recounted(&mut self, topic: &str, change: impl FnOnce(&mut Self)) {
        let before = usize::from(self.stands(topic));
        change(self);
        let after = usize::from(self.stands(topic));
        self.standing = self.standing.saturating_add(after).saturating_sub(before);
    }

    /// Whether anything should stand on a topic, or is to be cleared there.
    pub(super) fn is_own(&self, topic: &str) -> bool {
        self.wanted.contains_key(topic)
    }

    /// Whether this is what should stand on a topic.
    pub(super) fn is_wanted(&self, topic: &str, hash: &Digest) -> bool {
        self.wanted.get(topic) == Some(hash)
    }

    /// Replaces what should be there.
    pub(super) fn want(&mut self, all: Vec<Publication>) {
        let hashes = all.iter().map(|entry| (entry.topic.clone(), hash(entry)));
        self.wanted = hashes.collect();
        let wanted = &self.wanted;
        self.confirmed.retain(|topic, _| wanted.contains_key(topic));
        let topics = self.confirmed.keys();
        self.standing = topics.filter(|topic| self.stands(topic)).count();
        let missing = self.missing(all);
        self.lanes.retain_wanted(|_| false);
        self.lanes.want(missing);
        self.drop_overtaken();
    }

    /// As [`Differences::want`], but all other topics are to stay as they are: what it costs does
    /// not depend on their number.
    pub(super) fn want_changed(&mut self, changed: Vec<Publication>, gone: &[String]) {
        if changed.is_empty() && gone.is_empty() {
            return;
        }
        for topic in gone {
            self.recounted(topic, |this| {
                this.wanted.remove(topic);
                this.confirmed.remove(topic);
            });
        }
        for entry in &changed {
            self.recounted(&entry.topic, |this| {
                this.wanted.insert(entry.topic.clone(), hash(entry));
            });
        }
        let topics = changed.iter().map(|entry| &entry.topic).chain(gone);
        let topics: BTreeSet<&String> = topics.collect();
        self.lanes
            .retain_wanted(|entry| !topics.contains(&entry.topic));
        let missing = self.missing(changed);
        self.lanes.want(missing);
        self.drop_overtaken();
    }

    /// Those of them that the broker does not have, and that nobody is about to send.
    fn missing(&self, entries: Vec<Publication>) -> Vec<Publication> {
        let on_its_way: BTreeSet<(&str, &[u8; 32])> = self
            .on_its_way
            .values()
            .filter(|sent| !sent.passing)
            .map(|sent| (sent.topic.as_str(), &sent.hash.0))
            .collect();
        let missing = |entry: &Publication| {
            let Some(hash) = self.wanted.get(&entry.topic) else {
                return false;
            };
            self.confirmed.get(&entry.topic) != Some(hash)
                && !on_its_way.contains(&(entry.topic.as_str(), &hash.0))
                && !self.refused.contains(&(entry.topic.clone(), hash.0))
        };
        entries.into_iter().filter(missing).collect()
    }

    /// A repair that is overtaken would put the old object back.
    fn drop_overtaken(&mut self) {
        let wanted = &self.wanted;
        self.lanes.drop_overtaken(|entry| {
            let now = wanted.get(&entry.topic);
            now.is_none_or(|now| *now == hash(entry))
        });
    }

    /// Adds what is sent once, whatever the broker has.
    pub(super) fn once(&mut self, all: Vec<Publication>) {
        for entry in all {
            self.lanes.once(entry);
        }
    }

    /// Whether so many answers to those who want to join wait to be sent that no more should be
    /// given: anybody can cause them.
    pub(super) fn is_behind(&self) -> bool {
        self.lanes.devices() >= MOST_DEVICES
    }

    /// The next one to send, with a token for its acknowledgement.
    pub(super) fn next(&mut self, now: Duration) -> Option<(u64, Publication)> {
        if self.on_its_way.len() >= MOST_IN_FLIGHT {
            return None;
        }
        let (publication, passing) = self.lanes.next()?;
        let token = self.next_token;
        self.next_token = token.wrapping_add(1);
        let sent = Sent {
            passing,
            hash: hash(&publication),
            clears: publication.payload.is_empty(),
            at: now,
            topic: publication.topic.clone(),
        };
        self.on_its_way.insert(token, sent);
        Some((token, publication))
    }

    /// Since when the oldest has been waiting for its answer.
    pub(super) fn on_its_way_since(&self) -> Option<Duration> {
        self.on_its_way.first_key_value().map(|(_, sent)| sent.at)
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
        self.confirm(sent.topic.clone(), sent.hash);
        if sent.clears {
            Acknowledged::Cleared(sent.topic)
        } else {
            Acknowledged::Stands
        }
    }

    /// Whether everything was answered.
    pub(super) fn is_idle(&self) -> bool {
        self.lanes.is_empty() && self.on_its_way.is_empty()
    }

    pub(super) fn has_refusals(&self) -> bool {
        !self.refused.is_empty()
    }

    /// How many objects stand at the broker as they should, and how many it refuses.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.standing, self.refused.len())
    }
}

fn nothing() -> Digest {
    sha256(&[])
}

fn hash(publication: &Publication) -> Digest {
    sha256(&[&publication.payload])
}

#[cfg(test)]
#[path = "differences_tests.rs"]
mod tests;
