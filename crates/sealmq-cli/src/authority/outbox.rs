//! What the broker has of what it should have.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sealmq_core::crypto::{Digest, sha256};
use sealmq_keys::Publication;

/// Publications on their way at the same time; brokers take at least 20 as a rule.
const MOST_IN_FLIGHT: usize = 16;

/// Publishes differences in order, for one connection.
#[derive(Default)]
pub(super) struct Outbox {
    queue: VecDeque<Publication>,
    /// Sent whatever was confirmed before, after the queue.
    once: VecDeque<Publication>,
    /// Handed to the client, which names their packet identifiers in the same order.
    handed: VecDeque<Sent>,
    in_flight: BTreeMap<u16, Sent>,
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

impl Outbox {
    /// Replaces what should be there.
    pub(super) fn want(&mut self, all: Vec<Publication>) {
        if !self.once.is_empty() {
            // A repair that is overtaken would put the old object back.
            let wanted: BTreeMap<&str, &[u8]> = all
                .iter()
                .map(|entry| (entry.topic.as_str(), entry.payload.as_slice()))
                .collect();
            self.once.retain(|entry| {
                let now = wanted.get(entry.topic.as_str());
                !entry.retain || now.is_none_or(|payload| *payload == entry.payload)
            });
        }
        let wanted = |publication: &Publication| {
            let hash = hash(publication);
            let is_on_its_way =
                |sent: &Sent| !sent.passing && sent.topic == publication.topic && sent.hash == hash;
            self.confirmed.get(&publication.topic) != Some(&hash)
                && !self.handed.iter().any(is_on_its_way)
                && !self.in_flight.values().any(is_on_its_way)
                && !self.refused.contains(&(publication.topic.clone(), hash.0))
        };
        self.queue = all.into_iter().filter(wanted).collect();
    }

    /// Adds what is sent once.
    pub(super) fn once(&mut self, all: Vec<Publication>) {
        self.once.extend(all);
    }

    /// The next one to hand to the client, which has to take it.
    pub(super) fn next(&mut self) -> Option<Publication> {
        if self.handed.len().saturating_add(self.in_flight.len()) >= MOST_IN_FLIGHT {
            return None;
        }
        let (publication, passing) = match self.queue.pop_front() {
            Some(publication) => (publication, false),
            None => (self.once.pop_front()?, true),
        };
        self.handed.push_back(Sent {
            passing,
            hash: hash(&publication),
            clears: publication.payload.is_empty(),
            topic: publication.topic.clone(),
        });
        Some(publication)
    }

    /// The client sent the oldest publication that was handed to it.
    pub(super) fn sent(&mut self, packet: u16) {
        if let Some(sent) = self.handed.pop_front() {
            self.in_flight.insert(packet, sent);
        }
    }

    /// The broker's answer.
    pub(super) fn acknowledged(&mut self, packet: u16, accepted: bool) -> Acknowledged {
        let Some(sent) = self.in_flight.remove(&packet) else {
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
        self.queue.is_empty()
            && self.once.is_empty()
            && self.handed.is_empty()
            && self.in_flight.is_empty()
    }

    /// How many objects the broker has confirmed, and how many it refuses.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.confirmed.len(), self.refused.len())
    }
}

fn hash(publication: &Publication) -> Digest {
    sha256(&[&publication.payload])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication(topic: usize, payload: &[u8]) -> Publication {
        Publication::retained(format!("t/{topic}"), payload)
    }

    #[test]
    fn only_differences_are_sent_and_in_order() {
        let mut outbox = Outbox::default();
        outbox.want((0..40).map(|n| publication(n, b"x")).collect());
        let mut sent = Vec::new();
        let mut packet = 0;
        while !outbox.is_idle() {
            let start = packet;
            while let Some(next) = outbox.next() {
                sent.push(next.topic);
                outbox.sent(packet);
                packet += 1;
            }
            assert!(packet - start <= 16);
            for packet in start..packet {
                assert_eq!(outbox.acknowledged(packet, true), Acknowledged::Stands);
            }
        }
        assert_eq!(sent, (0..40).map(|n| format!("t/{n}")).collect::<Vec<_>>());

        outbox.want((0..40).map(|n| publication(n, b"x")).collect());
        assert!(outbox.is_idle());
        outbox.want(vec![
            publication(7, b"y"),
            publication(8, b"x"),
            publication(9, b""),
        ]);
        assert_eq!(outbox.next(), Some(publication(7, b"y")));
        outbox.sent(100);
        // Wanted again while it is on its way: not sent twice.
        outbox.want(vec![publication(7, b"y"), publication(9, b"")]);
        assert_eq!(outbox.next(), Some(publication(9, b"")));
        assert_eq!(outbox.next(), None);
        outbox.sent(101);
        assert_eq!(
            outbox.acknowledged(101, true),
            Acknowledged::Cleared("t/9".to_owned())
        );
        assert_eq!(outbox.acknowledged(101, true), Acknowledged::Unknown);
        assert_eq!(outbox.acknowledged(100, true), Acknowledged::Stands);
        assert!(outbox.is_idle());
    }

    #[test]
    fn repairs_are_sent_again_but_never_what_is_old() {
        let mut outbox = Outbox::default();
        outbox.want(vec![publication(1, b"x"), publication(2, b"x")]);
        for packet in [1, 2] {
            assert!(outbox.next().is_some());
            outbox.sent(packet);
            assert_eq!(outbox.acknowledged(packet, true), Acknowledged::Stands);
        }
        outbox.once(vec![publication(1, b"x"), publication(2, b"x")]);
        outbox.want(vec![publication(1, b"x"), publication(2, b"y")]);
        assert!(!outbox.is_idle());
        assert_eq!(outbox.next(), Some(publication(2, b"y")));
        assert_eq!(outbox.next(), Some(publication(1, b"x")));
        assert_eq!(outbox.next(), None);
    }

    #[test]
    fn what_is_refused_is_not_sent_again_at_once() {
        let mut outbox = Outbox::default();
        outbox.want(vec![publication(1, b"x")]);
        assert!(outbox.next().is_some());
        outbox.sent(1);
        assert_eq!(
            outbox.acknowledged(1, false),
            Acknowledged::Refused("t/1".to_owned())
        );
        outbox.want(vec![publication(1, b"x")]);
        assert!(outbox.is_idle());
        assert_eq!(outbox.counts(), (0, 1));
        // Another object on the same topic is another question.
        outbox.want(vec![publication(1, b"y")]);
        assert!(outbox.next().is_some());
    }
}
