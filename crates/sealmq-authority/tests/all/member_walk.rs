//! Random walks: devices come and go, crash, rotate; the broker repeats, reorders and loses. No
//! message is ever accepted twice or by somebody removed, and in the end everybody talks again.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::TestRng;
use crate::net::Net;
use rand_core::TryRng;
use sealmq_core::object::Access;
use sealmq_keys::Publication;
use sealmq_keys::member::{MemberOptions, OutgoingMessage};

struct Walk {
    net: Net,
    rng: TestRng,
    seed: u64,
    /// What each device has accepted.
    accepted: BTreeMap<usize, BTreeSet<String>>,
    /// Who was removed, and the epoch that shut it out. Senders that have not learned of that
    /// epoch may still be heard: this is the delay that a broker can cause.
    removed: BTreeMap<usize, u64>,
    next: u64,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut net = Net::new();
        // Strict: a crash forgets nothing that was accepted.
        let options = MemberOptions {
            replay_persist_every: 1,
            ..MemberOptions::default()
        };
        let kinds = [
            Access::BOTH,
            Access::BOTH,
            Access::SUBSCRIBE,
            Access::PUBLISH,
            Access::BOTH,
        ];
        for (index, access) in kinds.into_iter().enumerate() {
            net.join_with(&format!("device-{index}"), access, options.clone());
        }
        Self {
            net,
            rng: TestRng::new(1000 + seed),
            seed,
            accepted: BTreeMap::new(),
            removed: BTreeMap::new(),
            next: 0,
        }
    }

    fn random(&mut self, below: usize) -> usize {
        self.rng.try_next_u32().unwrap() as usize % below
    }

    fn send(&mut self, device: usize) {
        let text = format!("{}-{device}", self.next);
        self.next += 1;
        let topic = format!("plant/{}", self.next % 3);
        let Ok(envelope) = self
            .net
            .seal(device, &OutgoingMessage::new(&topic, text.as_bytes()))
        else {
            return;
        };
        self.net.publish(Publication {
            topic,
            payload: envelope,
            retain: false,
        });
    }

    fn step(&mut self) {
        let device = self.random(self.net.devices.len());
        match self.random(20) {
            0..=8 => self.send(device),
            9 => self.net.rotate(),
            10 => self.net.heal(),
            11 => self.net.disconnect(device),
            12 | 13 => self.connect(device),
            14 => self.net.crash(device),
            15 | 16 => {
                // A replay of anything that was ever published, live or as retained.
                let index = self.random(self.net.log.len());
                let Publication { topic, payload, .. } = self.net.log[index].clone();
                let retain = self.random(2) == 0;
                self.net.deliver(device, &topic, &payload, retain);
            }
            17 => {
                // The broker loses something that it should retain.
                let index = self.random(self.net.retained.len());
                let (topic, payload) = self.net.retained.iter().nth(index).unwrap();
                let (topic, payload) = (topic.clone(), payload.clone());
                self.net.retained.remove(&topic);
                let other = self.random(self.net.devices.len());
                self.connect(other);
                self.net.retained.insert(topic, payload);
            }
            18 => {
                self.net.now += 1_500;
                (0..self.net.devices.len()).for_each(|d| self.net.tick(d));
            }
            _ if self.removed.is_empty() && self.next > 20 => {
                self.net.remove(4);
                let epoch = self.net.authority.groups().next().unwrap().epoch;
                self.removed.insert(4, epoch);
            }
            _ => {}
        }
        self.check();
    }

    fn connect(&mut self, device: usize) {
        self.net.connect(device);
        self.net.subscribe(device, "plant/#");
    }

    fn check(&mut self) {
        for device in 0..self.net.devices.len() {
            for message in self.net.inbox(device) {
                let text = String::from_utf8(message.payload().to_vec()).unwrap();
                let (seed, step) = (self.seed, self.next);
                if let Some(shut_out) = self.removed.get(&device) {
                    assert!(
                        message.epoch < *shut_out,
                        "seed {seed}, {step}: {device} reads on"
                    );
                }
                let new = self
                    .accepted
                    .entry(device)
                    .or_default()
                    .insert(text.clone());
                assert!(new, "seed {seed}, {step}: {device} accepted {text} twice");
            }
        }
    }

    /// Everybody online, everything retained: everybody who belongs there hears everybody.
    fn settle(&mut self) {
        for device in 0..self.net.devices.len() {
            self.connect(device);
        }
        self.net.rotate();
        self.check();
        let before = self.accepted.clone();
        for sender in [0, 1, 3] {
            self.send(sender);
        }
        self.check();
        for (reader, expected) in [(0, 2), (1, 2), (2, 3)] {
            let heard = self.accepted.get(&reader).map_or(0, BTreeSet::len)
                - before.get(&reader).map_or(0, BTreeSet::len);
            assert_eq!(heard, expected, "seed {}: reader {reader}", self.seed);
        }
    }
}

#[test]
fn random_walks_end_in_conversation() {
    for seed in 0..12 {
        let mut walk = Walk::new(seed);
        for _ in 0..160 {
            walk.step();
        }
        walk.settle();
        assert!(
            walk.accepted.values().map(BTreeSet::len).sum::<usize>() > 30,
            "seed {seed}"
        );
    }
}
