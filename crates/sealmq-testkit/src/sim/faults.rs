//! What goes wrong on purpose: the broker's lasting faults, and a thief with the authority's keys.

use sealmq_authority::Authority;
use sealmq_keys::{ReservedTopic, Store as _};

use super::Sabotage;
use super::world::{OFFICE, World};

/// Somebody who has copies of the authority's store.
#[derive(Default)]
pub(super) struct Thief {
    /// Announcements under the stolen key.
    pub(super) forged: Vec<Vec<u8>>,
    topics: Vec<String>,
    /// The root has replaced the keys.
    pub(super) recovered: bool,
}

impl Thief {
    fn is_known(&self) -> bool {
        !self.forged.is_empty()
    }
}

impl World {
    pub(super) fn misbehave(&mut self, step: u64) {
        let device = self.dice.index(self.devices.len());
        let client = self.devices[device].client;
        match self.dice.below(50) {
            0 | 1 => {
                let until = step + 5 + self.dice.below(60);
                self.trace
                    .note(&format!("{device} gets no keys until {until}"));
                self.broker.clients[client].withheld = until;
            }
            2 => {
                let until = step + 5 + self.dice.below(60);
                self.trace
                    .note(&format!("the authority hears nothing until {until}"));
                self.broker.clients[OFFICE].withheld = until;
            }
            3..=5 => {
                let until = step + 5 + self.dice.below(40);
                self.trace
                    .note(&format!("{device} sees old state until {until}"));
                self.broker.clients[client].forked = until;
                self.connect(device);
            }
            6..=8 => {
                let (dice, seen) = (&mut self.dice, &mut self.seen);
                self.broker.clear(dice, seen);
            }
            9..=34 => {
                let (dice, seen) = (&mut self.dice, &mut self.seen);
                self.broker.replay(client, dice, seen);
            }
            35 if self.settings.thief => self.forge(step),
            36 | 37 => self.reader_publishes(),
            38 if self.settings.floods && self.dice.one_in(4) => self.flood(device),
            _ => {}
        }
    }

    /// A thief with a fresh copy of the store starts an epoch of its own, and the broker shows it
    /// to some members instead of the authority's.
    fn forge(&mut self, step: u64) {
        let copy = self.store.clone();
        let mut twin = Authority::load(&copy).unwrap();
        let now = self.now / 1000;
        // Perhaps some epochs ahead of the authority.
        let mut publications = Vec::new();
        for _ in 0..=self.dice.below(3) {
            let plan = twin.rotate("plant", now, &mut self.rng).unwrap();
            publications.extend(plan.publications);
        }
        let prefix = self.authority.prefix().to_owned();
        let announced = publications.into_iter().filter(|publication| {
            let topic = ReservedTopic::parse(&prefix, &publication.topic);
            matches!(topic, Some(ReservedTopic::Announcement(..)))
        });
        let announced: Vec<_> = announced.filter(|p| !p.payload.is_empty()).collect();
        self.trace.note("the thief starts an epoch");
        self.seen.fault("forged epoch");
        for publication in announced {
            for device in 0..self.devices.len() {
                let client = self.devices[device].client;
                if self.broker.clients[client].online && self.dice.one_in(2) {
                    let (topic, payload) = (&publication.topic, &publication.payload);
                    self.broker.inject(client, topic, payload, false);
                    self.broker.clients[client].withheld = step + self.dice.below(10);
                }
            }
            self.thief.topics.push(publication.topic);
            self.thief.forged.push(publication.payload);
        }
    }

    /// The broker becomes honest, everybody connects, and stolen keys are replaced.
    pub(super) fn behave(&mut self) {
        self.trace.note("the broker behaves");
        self.broker.behave();
        self.closed = 0;
        self.connect_office();
        if !self.acts() && !self.thief.is_known() {
            self.resume(u64::MAX);
        }
        let forged = self.thief.topics.iter().zip(&self.thief.forged).next_back();
        if let Some((topic, payload)) = forged.map(|(t, p)| (t.clone(), p.clone())) {
            if self.dice.one_in(2) {
                let now = self.now / 1000;
                let plan = self.authority.observe(&self.store, &topic, &payload, now);
                let plan = plan.unwrap();
                plan.events
                    .iter()
                    .for_each(|e| self.seen.authority_event(e));
                self.store.commit(&plan.changes).unwrap();
            }
            // Its process may die on the way.
            while !self.thief.recovered {
                self.recover();
            }
        }
        for device in 0..self.devices.len() {
            self.devices[device].asleep = 0;
            self.connect(device);
        }
        self.replace_devices();
        if self.settings.sabotage == Sabotage::Withholding {
            let client = self.devices[self.honest()[0]].client;
            self.broker.clients[client].withheld = u64::MAX;
        }
        self.calm_since = Some(self.now);
    }
}
