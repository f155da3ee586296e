//! What waits to be sent, by what it is for: a broker that is far away takes a few dozen a second,
//! and strangers can cause more than that.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use sealmq_keys::{Publication, ReservedTopic};

/// Answers to nonces that wait: members cause these.
const MOST_ANSWERS: usize = 4096;
/// Courtesies that wait: strangers cause these.
const MOST_COURTESIES: usize = 1024;
/// So many of a lane, and then one of those behind it. Whoever joins needs two objects and an answer.
const IN_A_ROW: [usize; LANES - 1] = [16, 2, 8, 4];

const LANES: usize = 5;
/// Answers to nonces: they name the newest epoch, and count no more once a later one was announced.
const NONCES: usize = 0;
/// What should stand at the broker, in order.
const WANTED: usize = 1;
/// What is sent whatever was confirmed before.
const REPAIRS: usize = 2;
/// Of what should stand there, answers to those who want to join: anybody can.
const DEVICES: usize = 3;
/// Requests that are cleared, refusals that nobody needs, and answers once more.
const COURTESIES: usize = 4;

#[derive(Default)]
pub(super) struct Lanes {
    /// Of the reserved topics.
    prefix: String,
    lanes: [VecDeque<Publication>; LANES],
    /// How many were sent while one behind them waited.
    in_a_row: [usize; LANES],
}

impl Lanes {
    pub(super) fn set_prefix(&mut self, prefix: &str) {
        self.prefix = prefix.into();
    }

    /// Nothing waits any more.
    pub(super) fn clear(&mut self) {
        self.lanes = Default::default();
        self.in_a_row = [0; LANES];
    }

    fn is_for_a_device(&self, entry: &Publication) -> bool {
        let topic = ReservedTopic::parse(&self.prefix, &entry.topic);
        matches!(topic, Some(ReservedTopic::Answer(_)))
    }

    fn push(&mut self, lane: usize, entry: Publication) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.push_back(entry);
        }
    }

    fn lane(&self, lane: usize) -> &VecDeque<Publication> {
        const NONE: &VecDeque<Publication> = &VecDeque::new();
        self.lanes.get(lane).unwrap_or(NONE)
    }

    /// Adds what should stand at the broker.
    pub(super) fn want(&mut self, entries: Vec<Publication>) {
        for entry in entries {
            let lane = match self.is_for_a_device(&entry) {
                true => DEVICES,
                false => WANTED,
            };
            self.push(lane, entry);
        }
    }

    /// Keeps only some of what should stand at the broker.
    pub(super) fn retain_wanted(&mut self, mut keeps: impl FnMut(&Publication) -> bool) {
        for lane in [WANTED, DEVICES] {
            if let Some(lane) = self.lanes.get_mut(lane) {
                lane.retain(&mut keeps);
            }
        }
    }

    /// Adds what is sent once. If too many wait already that strangers or members can cause, they
    /// are left out, and come again with what caused them.
    pub(super) fn once(&mut self, entry: Publication) {
        let is_for_a_device = self.is_for_a_device(&entry);
        if entry.retain && !entry.payload.is_empty() && !is_for_a_device {
            self.push(REPAIRS, entry);
        } else if entry.retain || is_for_a_device {
            if self.lane(COURTESIES).len() < MOST_COURTESIES {
                self.push(COURTESIES, entry);
            }
        } else if self.lane(NONCES).len() < MOST_ANSWERS {
            self.push(NONCES, entry);
        }
    }

    /// Drops what is sent once and was overtaken, by what waits or what `is_newest` tells.
    pub(super) fn drop_overtaken(&mut self, is_newest: impl Fn(&Publication) -> bool) {
        let [_, wanted, repairs, devices, courtesies] = &mut self.lanes;
        if repairs.is_empty() && courtesies.is_empty() {
            return;
        }
        let queued: BTreeSet<&str> = wanted
            .iter()
            .chain(devices.iter())
            .map(|entry| entry.topic.as_str())
            .collect();
        let keeps = |entry: &Publication| {
            !entry.retain || (is_newest(entry) && !queued.contains(entry.topic.as_str()))
        };
        repairs.retain(keeps);
        courtesies.retain(keeps);
    }

    /// The next one, and whether it is sent once only.
    pub(super) fn next(&mut self) -> Option<(Publication, bool)> {
        let waits = |lane: &usize| !self.lane(*lane).is_empty();
        let had_its_turns = |lane: &usize| {
            let most = IN_A_ROW.get(*lane).copied().unwrap_or(usize::MAX);
            self.in_a_row.get(*lane).is_some_and(|sent| *sent >= most)
        };
        let waiting: Vec<usize> = (0..LANES).filter(waits).collect();
        let next = waiting.iter().find(|lane| !had_its_turns(lane));
        let lane = *next.or_else(|| waiting.last())?;
        let is_last = waiting.last() == Some(&lane);
        for (before, sent) in self.in_a_row.iter_mut().enumerate() {
            if before < lane || (before == lane && is_last) {
                *sent = 0;
            } else if before == lane {
                *sent = sent.saturating_add(1);
            }
        }
        let entry = self.lanes.get_mut(lane)?.pop_front()?;
        Some((entry, lane != WANTED && lane != DEVICES))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.iter().all(VecDeque::is_empty)
    }

    /// How many answers to those who want to join wait to be sent, or to be taken back.
    pub(super) fn devices(&self) -> usize {
        self.lane(DEVICES).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use sealmq_core::{GroupId, MemberNumber};
    use sealmq_keys::objects::Fingerprint;

    /// One of each lane: `n` tells them apart.
    fn of(lane: usize, n: u8) -> Publication {
        let topic = match lane {
            NONCES => ReservedTopic::NonceAnswer(MemberNumber(1), GroupId([1; 16])),
            DEVICES => ReservedTopic::Answer(Fingerprint([n; 16])),
            COURTESIES => ReservedTopic::Join(Fingerprint([n; 16])),
            REPAIRS => ReservedTopic::Delegation,
            _ => ReservedTopic::Credential(MemberNumber(n.into())),
        };
        let topic = topic.name("p");
        match lane {
            NONCES => Publication {
                topic,
                payload: [n].into(),
                retain: false,
            },
            COURTESIES => Publication::clear(topic),
            _ => Publication::retained(topic, [n]),
        }
    }

    #[test]
    fn nobody_waits_for_all_of_those_before() {
        let mut lanes = Lanes::default();
        lanes.set_prefix("p");
        for n in 0..200 {
            for lane in [NONCES, REPAIRS, COURTESIES] {
                lanes.once(of(lane, n));
            }
            lanes.want([of(WANTED, n), of(DEVICES, n)].into());
        }
        assert_eq!(lanes.devices(), 200);
        let mut counts = [0_usize; LANES];
        for _ in 0..600 {
            let (entry, once) = lanes.next().unwrap();
            let lane = (0..LANES)
                .find(|lane| (0..200).any(|n| of(*lane, n) == entry))
                .unwrap();
            assert_eq!(once, ![WANTED, DEVICES].contains(&lane));
            counts[lane] += 1;
        }
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
        let rest = core::iter::from_fn(|| lanes.next()).count();
        assert_eq!(rest, 400);
        assert!(lanes.is_empty());
    }

    #[test]
    fn answers_to_nonces_come_before_later_announcements() {
        let mut lanes = Lanes::default();
        lanes.set_prefix("p");
        lanes.want([of(WANTED, 1)].into());
        for n in 0..10 {
            lanes.once(of(NONCES, n));
        }
        let last = core::iter::from_fn(|| lanes.next()).last();
        assert_eq!(last, Some((of(WANTED, 1), false)));
    }

    #[test]
    fn what_strangers_cause_is_bounded() {
        let mut lanes = Lanes::default();
        lanes.set_prefix("p");
        for n in 0..5000_u16 {
            let mut topic = [0; 16];
            topic[..2].copy_from_slice(&n.to_be_bytes());
            lanes.once(Publication::clear(
                ReservedTopic::Join(Fingerprint(topic)).name("p"),
            ));
            lanes.once(Publication {
                topic: ReservedTopic::Answer(Fingerprint(topic)).name("p"),
                payload: format!("{n}").into_bytes(),
                retain: false,
            });
        }
        assert_eq!(
            core::iter::from_fn(|| lanes.next()).count(),
            MOST_COURTESIES
        );
    }
}
