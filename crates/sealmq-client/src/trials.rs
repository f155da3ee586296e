//! Which filters a broker ends the connection at. Some do beyond a number of subscriptions, at long
//! topics, or at things that they do not like, without a word: AWS IoT Core and others. Without
//! this a client would subscribe the same for ever, and get nothing.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use crate::subscription::Subscription;
use crate::wire::Qos;

/// Filters per SUBSCRIBE: AWS IoT Core cuts off the connection at a ninth.
pub(crate) const FILTERS_PER_PACKET: usize = 8;
/// So often has one filter, alone, to end a connection on which others were answered; or so many
/// filters at the same number of granted ones.
const ENOUGH: usize = 3;

/// What is not subscribed any more.
pub(crate) struct LeftOut {
    pub(crate) filters: Vec<String>,
    pub(crate) granted: usize,
}

/// A filter whose SUBSCRIBE was not answered when the connection ended is a suspect: it goes out
/// alone, after the others, until the broker answers it, or has ended the connection often enough.
#[derive(Default)]
pub(crate) struct Trials {
    suspects: BTreeMap<String, Suspect>,
    given_up: BTreeSet<String>,
    /// Suspects that have their turn on this connection when nothing is unanswered.
    queue: VecDeque<Subscription>,
    /// Packets that are not answered.
    open: usize,
    answers: usize,
    /// Filters granted on this connection, and before it if the broker kept them.
    granted: usize,
}

#[derive(Default)]
struct Suspect {
    /// How often it ended a connection.
    strikes: usize,
    /// What was granted then.
    granted: usize,
}

impl Trials {
    /// The packets for these filters that may be sent now, and how many will be sent in all.
    pub(crate) fn packets(
        &mut self,
        filters: Vec<Subscription>,
    ) -> (Vec<Vec<Subscription>>, usize) {
        let mut good = Vec::new();
        let before = self.queue.len();
        for wanted in filters {
            if self.given_up.contains(&wanted.filter) {
                continue;
            }
            if self.suspects.contains_key(&wanted.filter) {
                self.queue.retain(|other| other.filter != wanted.filter);
                self.queue.push_back(wanted);
            } else {
                good.push(wanted);
            }
        }
        let packets = good.chunks(FILTERS_PER_PACKET).map(<[_]>::to_vec);
        let packets: Vec<_> = packets.collect();
        self.open = self.open.saturating_add(packets.len());
        let alone = self.queue.len().saturating_sub(before);
        let all = packets.len().saturating_add(alone);
        (packets, all)
    }

    /// The broker still has so many of before this connection.
    pub(crate) const fn kept(&mut self, count: usize) {
        self.granted = self.granted.saturating_add(count);
    }

    /// The next suspect whose turn has come: those that ended fewer connections first.
    pub(crate) fn next(&mut self) -> Option<Subscription> {
        if self.open > 0 {
            return None;
        }
        let strikes = |filter: &str| self.suspects.get(filter).map_or(0, |s| s.strikes);
        let turns = self.queue.iter().enumerate();
        let turn = turns.min_by_key(|(_, wanted)| strikes(&wanted.filter));
        let turn = turn.map(|(at, _)| at)?;
        self.open = 1;
        self.queue.remove(turn)
    }

    /// One packet was answered.
    pub(crate) fn answered(&mut self, filters: &[String], answers: &[Result<Qos, u8>]) {
        self.open = self.open.saturating_sub(1);
        self.answers = self.answers.saturating_add(1);
        let granted = answers.iter().filter(|answer| answer.is_ok()).count();
        self.granted = self.granted.saturating_add(granted);
        for filter in filters {
            self.suspects.remove(filter);
        }
    }

    /// It is wanted no more, or again.
    pub(crate) fn forgive(&mut self, filter: &str) {
        self.given_up.remove(filter);
        self.suspects.remove(filter);
        self.queue.retain(|wanted| wanted.filter != filter);
    }

    /// The broker refuses it in a way that ends the connection.
    pub(crate) fn give_up(&mut self, filter: &str) {
        self.suspects.remove(filter);
        self.given_up.insert(filter.into());
    }

    /// Whether everything is answered that goes out on this connection.
    pub(crate) fn is_idle(&self) -> bool {
        self.open == 0 && self.queue.is_empty()
    }

    /// The connection is gone, and these were not answered.
    pub(crate) fn ended(&mut self, unanswered: Vec<String>) -> Option<LeftOut> {
        let (answers, granted) = (self.answers, self.granted);
        (self.open, self.answers, self.granted) = (0, 0, 0);
        self.queue.clear();
        // A broker that ends every connection says nothing about filters.
        let alone = unanswered.len() == 1 && answers > 0;
        let culprit = alone.then(|| unanswered.first().cloned()).flatten();
        for filter in unanswered {
            self.suspects.entry(filter).or_default();
        }
        let culprit = culprit?;
        let suspect = self.suspects.get_mut(&culprit)?;
        suspect.strikes = suspect.strikes.saturating_add(1);
        suspect.granted = granted;
        let often = suspect.strikes >= ENOUGH;
        let struck = |suspect: &&Suspect| suspect.strikes > 0 && suspect.granted == granted;
        let filters: Vec<String> = if self.suspects.values().filter(struck).count() >= ENOUGH {
            // It is their number.
            core::mem::take(&mut self.suspects).into_keys().collect()
        } else if often {
            self.suspects.remove(&culprit);
            alloc::vec![culprit]
        } else {
            return None;
        };
        self.given_up.extend(filters.iter().cloned());
        Some(LeftOut { filters, granted })
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may fail loudly")]
mod tests {
    use super::*;
    use alloc::format;

    fn wanted(count: usize) -> Vec<Subscription> {
        let filter = |n| Subscription::new(format!("f/{n}"), Qos::AtLeastOnce);
        (0..count).map(filter).collect()
    }

    /// Connections until nothing is unanswered, and what was given up. `takes`: whether the broker
    /// answers a filter, with so many granted before.
    fn play(all: usize, takes: impl Fn(&str, usize) -> bool) -> (usize, Vec<String>) {
        let mut trials = Trials::default();
        let mut given_up = Vec::new();
        for connection in 1..100 {
            let (mut packets, _) = trials.packets(wanted(all));
            let mut granted = 0;
            let mut dead = None;
            loop {
                if packets.is_empty() {
                    packets.extend(trials.next().map(|wanted| alloc::vec![wanted]));
                }
                if packets.is_empty() {
                    break;
                }
                let packet = packets.remove(0);
                assert!(packet.len() <= 8);
                let names: Vec<_> = packet.iter().map(|w| w.filter.clone()).collect();
                let mut fine = true;
                for name in &names {
                    fine &= takes(name, granted);
                    granted += 1;
                }
                if !fine {
                    dead = Some(names);
                    break;
                }
                trials.answered(&names, &alloc::vec![Ok(Qos::AtLeastOnce); names.len()]);
            }
            let Some(mut unanswered) = dead else {
                return (connection, given_up);
            };
            unanswered.extend(packets.into_iter().flatten().map(|wanted| wanted.filter));
            let gave = trials.ended(unanswered);
            given_up.extend(gave.into_iter().flat_map(|gave| gave.filters));
        }
        panic!("it never ends");
    }

    #[test]
    fn what_a_broker_ends_connections_at_is_left_out() {
        assert_eq!(play(20, |_, _| true), (1, Vec::new()));
        let (connections, given_up) = play(20, |filter, _| filter != "f/7");
        assert_eq!((connections, given_up), (5, alloc::vec!["f/7".into()]));
        let two = |filter: &str, _| filter != "f/7" && filter != "f/15";
        let (connections, mut given_up) = play(20, two);
        given_up.sort();
        assert_eq!(given_up, ["f/15", "f/7"]);
        assert!(connections <= 8, "{connections}");
    }

    #[test]
    fn more_subscriptions_than_a_broker_allows_are_left_out_at_once() {
        let (connections, given_up) = play(60, |_, granted| granted < 50);
        assert_eq!((connections, given_up.len()), (5, 10));
    }

    #[test]
    fn a_broker_that_ends_everything_is_no_reason_to_give_up() {
        let mut trials = Trials::default();
        for _ in 0..20 {
            let (packets, _) = trials.packets(wanted(3));
            let alone = trials.next();
            let sent = packets.into_iter().flatten().chain(alone);
            let unanswered = sent.map(|wanted| wanted.filter).collect();
            assert!(trials.ended(unanswered).is_none());
        }
    }
}
