//! What one message costs at a site of some size: processor time, allocations, bytes.

use std::alloc::System;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use sealmq_core::object::Access;
use sealmq_keys::member::OutgoingMessage;
use stats_alloc::{Region, StatsAlloc};

use crate::domain::{CountingRng, NOW};
use crate::measure::Stopwatch;
use crate::site::{Device, Site};

const PAYLOAD: [u8; 256] = [0x5a; 256];

/// The allocator that counts.
pub type Allocator = &'static StatsAlloc<System>;

/// A site with a publisher and a reader of every group.
pub struct Scene {
    site: Site,
    sender: Device,
    reader: Device,
}

impl Scene {
    /// With so many groups of so many filters each, and trees of this depth.
    #[must_use]
    pub fn new(groups: usize, filters: usize, depth: u8) -> Self {
        let mut site = Site::new(groups, filters, depth);
        let mut sender = site.enrol("sender", Access::PUBLISH);
        let mut reader = site.enrol("reader", Access::BOTH);
        site.tick();
        site.catch_up(&mut sender);
        site.catch_up(&mut reader);
        // Who it is, and its session.
        site.introduce(&site.topic("first"), &mut sender, &mut reader);
        Self {
            site,
            sender,
            reader,
        }
    }

    /// More senders, by their numbers, of each of which the reader opens a message.
    pub fn add_senders(&mut self, senders: Range<usize>) {
        let site = &mut self.site;
        let enrol = |n| site.enrol(&format!("sender{n}"), Access::PUBLISH);
        let others: Vec<Device> = senders.map(enrol).collect();
        self.site.tick();
        self.site.catch_up(&mut self.sender);
        self.site.catch_up(&mut self.reader);
        let topic = self.site.topic("first");
        for mut other in others {
            self.site.catch_up(&mut other);
            self.site.introduce(&topic, &mut other, &mut self.reader);
        }
    }

    /// More topics, by their numbers, on each of which a message goes.
    pub fn add_topics(&mut self, topics: Range<usize>) {
        let mut rng = CountingRng::new(9);
        for topic in topics {
            let topic = self.site.topic(&topic.to_string());
            let message = OutgoingMessage::new(&topic, &PAYLOAD);
            let envelope = self.sender.seal(&message, &mut rng);
            self.reader.open(&topic, &envelope);
        }
    }

    /// The reader starts again: how long loading takes, and the bytes that it holds then.
    #[must_use]
    pub fn load(&self, allocator: Allocator) -> (Duration, usize) {
        let start = Stopwatch::start();
        let member = self.reader.reload();
        let loading = start.elapsed();
        let region = Region::new(allocator);
        drop(member);
        (loading, region.change().bytes_deallocated)
    }

    /// The bytes that the reader holds which has heard all senders, sessions included; then it
    /// starts again.
    pub fn held(&mut self, allocator: Allocator) -> usize {
        let reloaded = self.reader.reload();
        let heard = std::mem::replace(&mut self.reader.member, reloaded);
        let region = Region::new(allocator);
        drop(heard);
        region.change().bytes_deallocated
    }

    /// What one message costs in the steady state, by so many rounds of so many messages.
    pub fn costs(&mut self, rounds: usize, messages: usize, allocator: Allocator) -> Costs {
        let topic = self.site.topic("temperature");
        let message = OutgoingMessage::new(&topic, &PAYLOAD);
        let mut rng = CountingRng::new(8);
        let (sender, reader) = (&mut self.sender, &mut self.reader);
        // The topic and the session are known.
        let envelope = sender.seal(&message, &mut rng);
        reader.open(&topic, &envelope);
        let now = Some(NOW * 1000);
        let mut envelopes = Vec::with_capacity(messages);
        let mut costs = [(); 3].map(|()| Cost::default());
        let [check, seal, open] = &mut costs;
        for _ in 0..rounds {
            check.add(messages, allocator, || {
                for _ in 0..messages {
                    sender.member.check(&message, now).unwrap();
                }
            });
            envelopes.clear();
            seal.add(messages, allocator, || {
                for _ in 0..messages {
                    envelopes.push(sender.seal(&message, &mut rng));
                }
            });
            open.add(messages, allocator, || {
                for envelope in &envelopes {
                    reader.open(&topic, envelope);
                }
            });
        }
        let [check, seal, open] = costs;
        Costs { check, seal, open }
    }
}

/// What one call costs.
#[derive(Debug, Default)]
pub struct Cost {
    times: Vec<Duration>,
    calls: usize,
    allocations: usize,
    bytes: usize,
}

impl Cost {
    fn add(&mut self, calls: usize, allocator: Allocator, round: impl FnOnce()) {
        let region = Region::new(allocator);
        let start = Stopwatch::start();
        round();
        let time = start.elapsed();
        let change = region.change();
        self.times.push(time / u32::try_from(calls).unwrap());
        self.calls += calls;
        self.allocations += change.allocations + change.reallocations;
        self.bytes += change.bytes_allocated;
    }

    fn micros(&self) -> f64 {
        let mut times = self.times.clone();
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1e6
    }

    /// Allocations of a thousand calls.
    #[must_use]
    pub const fn allocations(&self) -> usize {
        self.allocations * 1000 / self.calls
    }

    /// Bytes that a call allocates.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes / self.calls
    }
}

/// What a message costs.
#[derive(Debug)]
pub struct Costs {
    /// Asking whether it may be sealed.
    pub check: Cost,
    /// Sealing it.
    pub seal: Cost,
    /// Opening it, what has to be stored included.
    pub open: Cost,
}

impl Costs {
    /// The heads of the columns that it prints.
    pub const HEADS: &str = "check | seal | open | allocations | bytes allocated |";
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [&self.check, &self.seal, &self.open];
        for cost in all {
            write!(f, "{:.1} µs | ", cost.micros())?;
        }
        let [a, b, c] = all.map(Cost::allocations);
        let tenths = |n: usize| format!("{}.{}", n / 1000, n % 1000 / 100);
        write!(f, "{} + {} + {} | ", tenths(a), tenths(b), tenths(c))?;
        let [a, b, c] = all.map(Cost::bytes);
        write!(f, "{a} + {b} + {c} |")
    }
}
