//! A value that was delivered as retained is not accepted live afterwards (spec/envelope.md §9,
//! Threat model B2), and nothing honest is lost for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::world::*;
use sealmq_core::MemberNumber;
use sealmq_core::open::{Rejection, Request};
use sealmq_core::seal::{Outgoing, SenderSession};

const ALICE: MemberNumber = MemberNumber(7);
const REPLAY: Rejection = Rejection::Replay { member: ALICE };

/// Values of Alice in one session, and a reader of them.
struct Scene {
    group: Group,
    alice: Member,
    receiver: HostReceiver,
}

impl Scene {
    fn new(senders: usize, topics: usize) -> Self {
        let group = Group::new(1, 1);
        let alice = Member::new(7, &group);
        Self {
            group,
            alice,
            receiver: receiver_of(senders, topics, 16),
        }
    }

    fn values<const N: usize>(&self, session: u64) -> [Vec<u8>; N] {
        let mut session = self.group.session(session);
        [(); N].map(|()| self.alice.seal(&mut session, &kept(), b"value"))
    }

    fn open(&mut self, request: &Request<'_>, envelope: &[u8]) -> Result<bool, Rejection> {
        let reader = Reader::new(&self.group, &[&self.alice]);
        let opened = reader.open(&mut self.receiver, request, envelope);
        opened.map(|message| message.retained)
    }

    fn live(&mut self, envelope: &[u8]) -> Result<bool, Rejection> {
        self.open(&live(TOPIC), envelope)
    }

    fn retained(&mut self, envelope: &[u8]) -> Result<bool, Rejection> {
        self.open(&retained(TOPIC), envelope)
    }

    fn restart(&mut self, senders: usize, topics: usize) {
        let mut stored = Stored::new();
        for record in state(&self.receiver) {
            let mut bytes = vec![0; sealmq_core::replay::Record::<2>::MAX_LEN];
            let len = record.encode(&mut bytes).unwrap();
            bytes.truncate(len);
            stored.insert(record.key(), bytes);
        }
        self.receiver = receiver_of(senders, topics, 16);
        load(&mut self.receiver, &stored);
    }
}

#[test]
fn a_value_that_was_shown_is_not_accepted_live() {
    let mut scene = Scene::new(16, 16);
    let [first, second, third] = scene.values(9);
    // Nothing is known of the session yet.
    assert_eq!(scene.retained(&second), Ok(true));
    assert_eq!(scene.live(&second), Err(REPLAY));
    assert_eq!(scene.retained(&second), Ok(true), "again, marked as such");
    scene.restart(16, 16);
    assert_eq!(scene.live(&second), Err(REPLAY), "nor after a restart");
    assert_eq!(scene.live(&first), Ok(false), "what came before it counts");
    assert_eq!(scene.live(&third), Ok(false), "and what comes after it");
    for value in [&first, &second, &third] {
        assert_eq!(scene.live(value), Err(REPLAY));
    }
    assert_eq!(scene.retained(&third), Ok(true), "seen live, then retained");
}

#[test]
fn nor_after_newer_ones_took_its_place() {
    for shown in [false, true] {
        let mut scene = Scene::new(16, 16);
        let [first, second] = scene.values(9);
        let [later] = scene.values(10);
        assert_eq!(scene.retained(&first), Ok(true));
        for newer in [&second, &later] {
            let newest = if shown {
                scene.retained(newer)
            } else {
                scene.live(newer)
            };
            assert_eq!(newest, Ok(shown));
            scene.restart(16, 16);
            assert_eq!(scene.live(&first), Err(REPLAY));
            assert_eq!(scene.live(newer), Err(REPLAY));
        }
        assert_eq!(scene.live(&second), Err(REPLAY));
    }
}

/// A reader that comes back subscribes, sees the newest value as retained, and then gets the queue
/// that waited for it: longer than any window.
#[test]
fn a_long_queue_behind_a_shown_value_is_delivered() {
    let mut scene = Scene::new(16, 16);
    let queue: [Vec<u8>; 400] = scene.values(9);
    assert_eq!(scene.retained(&queue[399]), Ok(true));
    for (i, value) in queue[..399].iter().enumerate() {
        assert_eq!(scene.live(value), Ok(false), "{i}");
        if i == 200 {
            scene.restart(16, 16);
        }
    }
    assert_eq!(scene.live(&queue[399]), Err(REPLAY));
}

#[test]
fn tables_that_are_full_forget_no_shown_value() {
    for (senders, topics) in [(1, 1), (4, 1), (1, 4), (0, 4), (4, 0), (0, 0)] {
        let mut scene = Scene::new(senders, topics);
        let mut session = scene.group.session(9);
        let mut shown = Vec::new();
        for i in 0..8 {
            let name = format!("plant/{i}");
            let message = Outgoing {
                retain: true,
                ..Outgoing::new(topic(&name))
            };
            let value = scene.alice.seal(&mut session, &message, b"value");
            assert_eq!(scene.open(&retained(&name), &value), Ok(true));
            shown.push((name, value));
        }
        // Others take the places.
        for number in 20..24 {
            let other = Member::new(number, &scene.group);
            let value = other.seal(&mut scene.group.session(number.into()), &kept(), b"value");
            let reader = Reader::new(&scene.group, &[&other]);
            let opened = reader.open(&mut scene.receiver, &retained(TOPIC), &value);
            assert!(opened.is_ok());
        }
        for _ in 0..2 {
            for (name, value) in &shown {
                assert!(
                    scene.open(&live(name), value).is_err(),
                    "{senders} {topics}"
                );
            }
            scene.restart(senders, topics);
        }
        // Smaller ones, too.
        scene.restart(1, 1);
        for (name, value) in &shown {
            assert!(scene.open(&live(name), value).is_err());
        }
    }
}

#[test]
fn a_new_credential_starts_with_nothing_shown() {
    let mut scene = Scene::new(16, 16);
    let [old] = scene.values(9);
    assert_eq!(scene.retained(&old), Ok(true));
    scene.alice.serial = 2;
    let [first, second] = scene.values(3);
    assert_eq!(scene.live(&first), Ok(false));
    assert_eq!(scene.retained(&second), Ok(true));
    assert_eq!(scene.live(&second), Err(REPLAY));
    scene.alice.serial = 1;
    assert!(scene.live(&old).is_err());
}

/// What was made for a random walk.
struct Sent {
    sender: usize,
    session: u64,
    counter: u32,
    topic: String,
    retain: bool,
    envelope: Vec<u8>,
}

const SESSIONS: u64 = 3;
const COUNTERS: u32 = 300;
const WINDOW: u32 = 128;

fn everything(group: &Group, members: &[Member]) -> Vec<Sent> {
    let mut all = Vec::new();
    for (sender, member) in members.iter().enumerate() {
        for number in 1..=SESSIONS {
            let seed = [number as u8, sender as u8];
            let mut session: SenderSession =
                group.session_seeded(number, Default::default(), &seed);
            for counter in 0..COUNTERS {
                let name = format!("plant/{}", counter % 5);
                let message = Outgoing {
                    retain: counter % 3 != 0,
                    ..Outgoing::new(topic(&name))
                };
                all.push(Sent {
                    sender,
                    session: number,
                    counter,
                    retain: message.retain,
                    envelope: member.seal(&mut session, &message, b"x"),
                    topic: name,
                });
            }
        }
    }
    all
}

/// Remembers everything, for ever.
#[derive(Default)]
struct Oracle {
    live: BTreeSet<(usize, u64, u32)>,
    shown: BTreeSet<(usize, u64, u32)>,
    /// The highest value per sender and topic, and whether it was shown first.
    marks: BTreeMap<(usize, String), (u64, u32, bool)>,
    /// Where the window of a session stands.
    tops: BTreeMap<(usize, u64), u32>,
}

impl Oracle {
    fn seen(&self, sent: &Sent) -> bool {
        let id = (sent.sender, sent.session, sent.counter);
        self.live.contains(&id) || self.shown.contains(&id)
    }

    fn in_window(&self, sent: &Sent) -> bool {
        let top = self.tops.get(&(sent.sender, sent.session));
        top.is_none_or(|top| sent.counter + WINDOW > *top)
    }

    fn slide(&mut self, sender: usize, session: u64, counter: u32) {
        let top = self.tops.entry((sender, session)).or_default();
        *top = counter.max(*top);
    }

    fn accept(&mut self, sent: &Sent, retained: bool) {
        let id = (sent.sender, sent.session, sent.counter);
        if retained {
            self.shown.insert(id);
        } else {
            assert!(self.live.insert(id));
            self.slide(sent.sender, sent.session, sent.counter);
        }
        if sent.retain {
            let key = (sent.sender, sent.topic.clone());
            let old = self.marks.get(&key).copied();
            let order = (sent.session, sent.counter);
            if old.is_none_or(|(session, counter, _)| order > (session, counter)) {
                self.marks.insert(key, (order.0, order.1, retained));
                if let Some((session, counter, true)) = old {
                    self.slide(sent.sender, session, counter);
                }
            }
        }
    }
}

/// Deliveries in any order, with restarts: nothing is accepted live twice, or after it was shown,
/// and with room in the tables everything else within its window is delivered.
#[test]
fn a_random_walk_against_a_reader_that_forgets_nothing() {
    let group = Group::new(1, 1);
    let members = [Member::new(7, &group), Member::new(8, &group)];
    let reader = Reader::new(&group, &[&members[0], &members[1]]);
    let all = everything(&group, &members);
    let mut shown_then_live = 0;
    for seed in 0..40_u64 {
        let mut random = seed;
        let mut next = |n: usize| {
            random = random
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (random >> 33) as usize % n
        };
        let (senders, topics) = [(16, 64), (16, 3), (1, 8), (2, 2)][seed as usize % 4];
        let roomy = (senders, topics) == (16, 64);
        let (mut receiver, mut oracle) = (receiver_of(senders, topics, 16), Oracle::default());
        let mut stored = Stored::new();
        let mut at = next(all.len());
        for step in 0..1500 {
            // Mostly near the last one, in either direction.
            at = match next(10) {
                0 => next(all.len()),
                1..4 => at.saturating_sub(next(160)),
                _ => (at + next(12)).min(all.len() - 1),
            };
            let sent = &all[at];
            let request = if next(3) == 0 {
                retained(&sent.topic)
            } else {
                live(&sent.topic)
            };
            let result = reader.open(&mut receiver, &request, &sent.envelope);
            if request.retained {
                if result.is_ok() {
                    assert!(sent.retain);
                    let mark = oracle.marks.get(&(sent.sender, sent.topic.clone()));
                    let older = mark.is_some_and(|(session, counter, _)| {
                        (sent.session, sent.counter) < (*session, *counter)
                    });
                    assert!(!older, "seed {seed}, step {step}: went back");
                }
            } else if result.is_ok() {
                assert!(!oracle.seen(sent), "seed {seed}, step {step}: seen before");
            } else if roomy && !oracle.seen(sent) {
                assert!(!oracle.in_window(sent), "seed {seed}, step {step}: lost");
            }
            let id = (sent.sender, sent.session, sent.counter);
            shown_then_live += u32::from(!request.retained && oracle.shown.contains(&id));
            if result.is_ok() {
                oracle.accept(sent, request.retained);
            }
            save(&mut receiver, &mut stored);
            if next(50) == 0 {
                receiver = receiver_of(senders, topics, 16);
                load(&mut receiver, &stored);
                save(&mut receiver, &mut stored);
            }
        }
    }
    assert!(shown_then_live > 200, "tried {shown_then_live} times");
}
