//! Random walks through everything that two senders ever made, against a reader that forgets
//! nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::world::*;
use sealmq_core::open::Rejection;
use sealmq_core::replay::Record;
use sealmq_core::seal::Outgoing;

/// Per credential: events and values on connections 0 (no will yet), 10 and 20.
const CONNECTIONS: [u64; 3] = [0, 10, 20];
const EVENTS: u32 = 160;
const VALUES: u32 = 60;
const WINDOW: u32 = 128;
const TOPICS: u32 = 5;
const SERIALS: [u32; 2] = [1, 2];

/// Place of state of one sender on one topic: credential, connection, will, session, counter.
type Place = (u32, u64, bool, u64, u32);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Event,
    Value,
    KeptWill,
    PassingWill,
}

struct Sent {
    sender: usize,
    serial: u32,
    kind: Kind,
    connection: u64,
    session: u64,
    counter: u32,
    topic: String,
    envelope: Vec<u8>,
}

impl Sent {
    const fn place(&self) -> Option<Place> {
        let is_will = matches!(self.kind, Kind::KeptWill);
        match self.kind {
            Kind::Event | Kind::PassingWill => None,
            Kind::Value | Kind::KeptWill => {
                let (connection, counter) = (self.connection, self.counter);
                Some((self.serial, connection, is_will, self.session, counter))
            }
        }
    }
}

/// All that members 7 and 8 make under two credentials. Numbers start again with the second one:
/// they lost their state.
fn everything(group: &Group, members: &[[Member; 2]; 2]) -> Vec<Sent> {
    let mut all = Vec::new();
    for (sender, credentials) in members.iter().enumerate() {
        for (member, connection) in credentials
            .iter()
            .flat_map(|member| CONNECTIONS.map(|connection| (member, connection)))
        {
            let seed = |n: u64| [sender as u8, member.serial as u8, n as u8];
            let mut add = |kind, session, counter, topic: String, envelope| {
                all.push(Sent {
                    sender,
                    serial: member.serial,
                    kind,
                    connection,
                    session,
                    counter,
                    topic,
                    envelope,
                });
            };
            let name = |i: u32| format!("plant/{}", i % TOPICS);
            if connection > 0 {
                // Now and then one that nobody keeps.
                let retain = connection == 10 || sender == 0;
                let session = group.keep_session_seeded(connection, &seed(connection));
                let name = name(connection as u32 / 10 + member.serial);
                let message = Outgoing {
                    sent_at: Some(NOW),
                    ..Outgoing::new(topic(&name))
                };
                let envelope = seal_will(member, session, &message, retain);
                let kind = if retain {
                    Kind::KeptWill
                } else {
                    Kind::PassingWill
                };
                add(kind, connection, 0, name, envelope);
            }
            let (events, values) = (connection + 1, connection + 2);
            let mut session = group.session_seeded(events, Default::default(), &seed(events));
            for counter in 0..EVENTS {
                let message = Outgoing::new(topic(TOPIC));
                let envelope = member.seal(&mut session, &message, b"x");
                add(Kind::Event, events, counter, TOPIC.into(), envelope);
            }
            let mut session = group.keep_session_seeded(values, &seed(values));
            for counter in 0..VALUES {
                let name = name(counter);
                let message = Outgoing::new(topic(&name));
                let envelope = member.keep(&mut session, &message, connection, b"x");
                add(Kind::Value, values, counter, name, envelope);
            }
        }
    }
    all
}

/// Remembers everything, for ever.
#[derive(Default)]
struct Oracle {
    /// The highest credential of each sender that the reader got to know.
    known: [u32; 2],
    events: BTreeSet<(usize, u32, u64, u32)>,
    /// Where the window of a session stands.
    tops: BTreeMap<(usize, u32, u64), u32>,
    marks: BTreeMap<(usize, String), Place>,
    wills: BTreeMap<usize, (u32, u64)>,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Expected {
    Accepted,
    Replay,
    Revoked,
}

impl Oracle {
    fn judge(&self, sent: &Sent, retained: bool) -> Expected {
        let is_new = match sent.kind {
            Kind::Event if sent.serial < self.known[sent.sender] => return Expected::Revoked,
            Kind::Event => {
                let id = (sent.sender, sent.serial, sent.session, sent.counter);
                let top = self.tops.get(&(sent.sender, sent.serial, sent.session));
                let in_window = top.is_none_or(|top| sent.counter + WINDOW > *top);
                !retained && in_window && !self.events.contains(&id)
            }
            Kind::Value => self.is_in_order(sent, retained),
            Kind::KeptWill => {
                self.is_in_order(sent, retained) && (retained || self.is_newest_will(sent))
            }
            Kind::PassingWill => !retained && self.is_newest_will(sent),
        };
        match is_new {
            true => Expected::Accepted,
            false => Expected::Replay,
        }
    }

    fn is_in_order(&self, sent: &Sent, retained: bool) -> bool {
        let mark = self.marks.get(&(sent.sender, sent.topic.clone())).copied();
        sent.place() > mark || retained && sent.place() == mark
    }

    fn is_newest_will(&self, sent: &Sent) -> bool {
        Some(&(sent.serial, sent.session)) > self.wills.get(&sent.sender)
    }

    fn accept(&mut self, sent: &Sent, retained: bool) {
        let (sender, serial, session) = (sent.sender, sent.serial, sent.session);
        self.known[sender] = self.known[sender].max(serial);
        if sent.kind == Kind::Event {
            assert!(self.events.insert((sender, serial, session, sent.counter)));
            let top = self.tops.entry((sender, serial, session)).or_default();
            *top = sent.counter.max(*top);
        }
        if matches!(sent.kind, Kind::KeptWill | Kind::PassingWill) && !retained {
            self.wills.insert(sender, (serial, session));
        }
        if let Some(place) = sent.place() {
            let mark = self
                .marks
                .entry((sender, sent.topic.clone()))
                .or_insert(place);
            *mark = place.max(*mark);
        }
    }
}

/// Deliveries in any order, with restarts. With room in the tables every verdict is as the spec
/// says; without, nothing is accepted that a reader with room would refuse.
#[test]
fn a_random_walk_against_a_reader_that_forgets_nothing() {
    let group = Group::new(1, 1);
    let members = [7, 8].map(|number| {
        SERIALS.map(|serial| Member {
            serial,
            ..Member::new(number, &group)
        })
    });
    let all = everything(&group, &members);
    let is_will = |sent: &Sent| matches!(sent.kind, Kind::KeptWill | Kind::PassingWill);
    let wills = (0..all.len()).filter(|i| is_will(&all[*i]));
    let wills: Vec<_> = wills.collect();
    let mut tried = BTreeMap::new();
    for seed in 0..48_u64 {
        let mut random = seed;
        let mut next = |n: usize| {
            random = random
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (random >> 33) as usize % n
        };
        let tables = [(16, 64), (16, 3), (1, 8), (2, 2), (1, 1), (0, 4), (1, 0)];
        let (senders, topics) = tables[[0, 0, 1, 2, 3, 4, 5, 6][seed as usize % 8]];
        let roomy = (senders, topics) == (16, 64);
        let mut receiver = receiver_of(senders, topics, 16);
        let mut oracle = Oracle {
            known: [1, 1],
            ..Oracle::default()
        };
        let mut stored = Stored::new();
        let mut at = next(all.len());
        for step in 0..1500 {
            // Mostly near the last one, in either direction.
            at = match next(20) {
                0..2 => next(all.len()),
                2..7 => at.saturating_sub(next(160)),
                7 => wills[next(wills.len())],
                _ => (at + next(12)).min(all.len() - 1),
            };
            let sent = &all[at];
            let request = if next(3) == 0 {
                retained(&sent.topic)
            } else {
                live(&sent.topic)
            };
            let known = |sender: usize| &members[sender][oracle.known[sender] as usize - 1];
            let reader = Reader {
                verifiable: vec![&members[0][1], &members[1][1]],
                older: vec![&members[0][0], &members[1][0]],
                ..Reader::new(&group, &[known(0), known(1)])
            };
            let result = reader.open(&mut receiver, &request, &sent.envelope);
            let actual = match &result {
                Ok(_) => Expected::Accepted,
                Err(Rejection::Replay { .. }) => Expected::Replay,
                Err(Rejection::Revoked { .. }) => Expected::Revoked,
                // An event under a credential that the reader does not know yet.
                Err(Rejection::UnknownSender { .. }) => {
                    assert!(sent.kind == Kind::Event && sent.serial > oracle.known[sent.sender]);
                    if next(4) == 0 {
                        // It arrives.
                        oracle.known[sent.sender] = sent.serial;
                    }
                    continue;
                }
                Err(other) => panic!("seed {seed}, step {step}: {other}"),
            };
            let expected = oracle.judge(sent, request.retained);
            let (kind, place) = (sent.kind, sent.place());
            let context = format!("seed {seed}, step {step}: {kind:?} {place:?}");
            if roomy {
                assert_eq!(actual, expected, "{context}");
            } else if actual == Expected::Accepted {
                assert_eq!(expected, Expected::Accepted, "{context}");
            }
            *tried
                .entry((
                    roomy,
                    format!("{kind:?}"),
                    request.retained,
                    format!("{actual:?}"),
                ))
                .or_insert(0) += 1;
            if actual == Expected::Accepted {
                oracle.accept(sent, request.retained);
            }
            if next(3) == 0 {
                save(&mut receiver, &mut stored);
            }
            if next(50) == 0 {
                save(&mut receiver, &mut stored);
                receiver = receiver_of(senders, topics, 16);
                // A store may list them in any order.
                let mut records: Vec<_> = stored.values().cloned().collect();
                if next(2) == 0 {
                    records.reverse();
                }
                for bytes in &records {
                    receiver.restore(Record::decode(bytes).unwrap());
                }
                save(&mut receiver, &mut stored);
            }
            if !roomy && next(400) == 0 {
                // A full copy, given back while the reader is in use.
                for bytes in stored.values() {
                    receiver.restore(Record::decode(bytes).unwrap());
                }
            }
        }
    }
    for kind in [Kind::Event, Kind::Value, Kind::KeptWill, Kind::PassingWill] {
        for retained in [false, true] {
            let key = |roomy, verdict: &str| (roomy, format!("{kind:?}"), retained, verdict.into());
            let count = |key| tried.get(&key).copied().unwrap_or(0);
            let is_kept = !matches!(kind, Kind::Event | Kind::PassingWill);
            if is_kept || !retained {
                assert!(
                    count(key(true, "Accepted")) > 10,
                    "{kind:?} {retained}: {tried:?}"
                );
                assert!(
                    count(key(false, "Accepted")) > 10,
                    "{kind:?} {retained}: {tried:?}"
                );
            }
            assert!(
                count(key(true, "Replay")) > 10,
                "{kind:?} {retained}: {tried:?}"
            );
        }
    }
}
