//! The run: who is there, and what happens in a second.

use std::collections::BTreeMap;
use std::sync::Arc;

use sealmq_core::GroupId;

use super::broker::Broker;
use super::hostile::{Mob, Scene};
use super::ledger::Kind;
use super::ledger::Ledger;
use super::members::{Resident, pair};
use super::newcomers::Newcomer;
use super::office::Desk;
use super::operator::Operator;
use super::outcome::{Outcome, Sample};
use super::store::Heap;
use super::town::{COALESCE, START, Town};

/// Strangers, and hostile members: so many of each.
pub(super) const HOSTILE: usize = 10;
/// How long a whole run is.
pub const SECONDS: u64 = 600;
/// Milliseconds at a time: the office's looks are as far apart.
const MOMENT: u64 = 250;
/// When the fleet is powered on.
const FLEET: u64 = 60;
/// One more device joins every so many seconds.
const STRAGGLERS: u64 = 5;
/// One more asks for an operator.
const ASKING: u64 = 30;
/// From when on the operator sits down, every how many seconds, and how many members go then. Each
/// time the authority is loaded twice, and all of its outbox read: most of a run's work.
const OPERATOR: (u64, u64, usize) = (90, 180, 5);
/// Every member says something every so many seconds.
const TALK: u64 = 10;
/// Seconds at which the authority's connection breaks.
const RECONNECTS: [u64; 2] = [20, 330];

/// Harm that a check has to notice: what shows that it can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// The run as it is.
    None,
    /// The authority hears no join requests.
    NoJoins,
    /// The authority hears no nonces.
    NoNonces,
    /// The authority hears of no key packages.
    NoPackages,
    /// New credentials get lost.
    NoRenewals,
    /// Refused lists get lost.
    NoRemovals,
    /// The authority does not hear what others do to its objects.
    NoRepairs,
    /// Readers get no messages.
    NoMessages,
    /// The authority's process keeps whatever it hears.
    KeepsAll,
    /// Its store keeps the join requests that it hears.
    StoresAll,
}

/// What a run is like.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Determines what the hostile ones make.
    pub seed: u64,
    /// Virtual seconds.
    pub seconds: u64,
    /// Devices that are powered on together.
    pub fleet: u64,
    /// Whether there are hostile ones.
    pub hostile: bool,
    /// What is spoilt on purpose.
    pub sabotage: Sabotage,
}

/// What everybody shares.
pub(super) struct Street {
    /// Unix milliseconds.
    pub(super) now: u64,
    pub(super) broker: Broker,
    pub(super) ledger: Ledger,
    pub(super) prefix: String,
    pub(super) group: GroupId,
    pub(super) counts: BTreeMap<String, u64>,
    /// What somebody cleared, by topic, with the number of the request that it stands there again.
    pub(super) cleared: BTreeMap<Arc<str>, u64>,
}

impl Street {
    pub(super) fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }
}

struct Crowd<'t> {
    settings: Settings,
    town: &'t Town,
    street: Street,
    desk: Desk,
    residents: Vec<Resident>,
    newcomers: Vec<Newcomer>,
    operator: Operator,
    mob: Mob,
    texts: u64,
    samples: Vec<Sample>,
}

/// Plays it.
///
/// # Panics
/// A device or the authority fails.
#[must_use]
pub fn play(town: &Town, settings: &Settings, heap: Heap) -> Outcome {
    let mut broker = Broker::default();
    let client = broker.client();
    for (topic, object) in town.vault.under("outbox/") {
        let topic = topic.strip_prefix("outbox/").unwrap_or(topic);
        broker.retained.insert(topic.into(), object.clone());
    }
    let mut street = Street {
        now: (START + COALESCE + 1) * 1000,
        broker,
        ledger: Ledger::default(),
        prefix: town.prefix.clone(),
        group: town.group,
        counts: BTreeMap::new(),
        cleared: BTreeMap::new(),
    };
    let vault = town.vault.clone();
    let mut desk = Desk::new(vault, &town.prefix, client, heap, settings.sabotage);
    desk.connect(&mut street.broker, street.now);
    let settlers = town.settlers.iter().enumerate();
    let residents = settlers.map(|(at, settler)| Resident::new(at, settler, &mut street));
    let residents = residents.collect();
    let mut crowd = Crowd {
        settings: *settings,
        town,
        street,
        desk,
        residents,
        newcomers: Vec::new(),
        operator: Operator::new(&town.others),
        mob: Mob::new(settings.seed),
        texts: 0,
        samples: Vec::new(),
    };
    for second in 1..=settings.seconds {
        crowd.second(second);
    }
    crowd.end()
}

impl Crowd<'_> {
    fn second(&mut self, second: u64) {
        if RECONNECTS.contains(&second) {
            self.desk.connect(&mut self.street.broker, self.street.now);
        }
        self.honest(second);
        for _ in 0..1000 / MOMENT {
            self.street.now += MOMENT;
            if self.settings.hostile {
                let scene = Scene {
                    town: self.town,
                    residents: &self.residents,
                };
                self.mob.act(&scene, &mut self.street, MOMENT);
            }
            for resident in &mut self.residents {
                resident.time_out(&mut self.street);
            }
            for newcomer in &mut self.newcomers {
                newcomer.time_out(&mut self.street);
            }
            self.flow();
            self.look_for_repairs();
            self.operator.look(&self.residents, &mut self.street);
            self.newcomers.retain(Newcomer::tries);
        }
        self.samples.push(Sample {
            second,
            store: self.desk.vault.bytes,
            memory: self.desk.held(),
        });
    }

    /// Notes which of the authority's objects are lost, and which stand at the broker again.
    fn look_for_repairs(&mut self) {
        let Street {
            broker,
            ledger,
            cleared,
            now,
            ..
        } = &mut self.street;
        cleared.retain(|topic, id| {
            let wanted = self.desk.vault.at(&format!("outbox/{topic}"));
            let wanted = wanted.filter(|wanted| !wanted.is_empty());
            let stands = wanted.is_none_or(|wanted| broker.retained.get(topic) == Some(wanted));
            if stands {
                ledger.done(Kind::Repair, *id, *now);
            } else {
                ledger.begin(Kind::Repair, *id, *now);
            }
            !stands
        });
    }

    /// What honest devices and people begin in this second.
    fn honest(&mut self, second: u64) {
        if second == FLEET {
            for _ in 0..self.settings.fleet {
                self.newcomer(false);
            }
        }
        if second > 10 && second.is_multiple_of(STRAGGLERS) {
            self.newcomer(false);
        }
        if second > 10 && second.is_multiple_of(ASKING) {
            self.newcomer(true);
        }
        let (from, every, removals) = OPERATOR;
        if second % every == from {
            let (street, newcomers) = (&mut self.street, &mut self.newcomers);
            self.operator
                .sit_down(removals, &mut self.desk, newcomers, street);
        }
        for at in 0..self.residents.len() {
            if second < 10 || !(second + at as u64).is_multiple_of(TALK) {
                continue;
            }
            self.texts += 1;
            let (text, now) = (self.texts, self.street.now);
            for reader in &self.residents {
                if reader.at != at && reader.access.may_subscribe() {
                    let id = pair(text, reader.at);
                    self.street.ledger.begin(Kind::Message, id, now);
                }
            }
            self.residents[at].publish(text, &mut self.street);
        }
    }

    fn newcomer(&mut self, asks: bool) {
        self.texts += 1;
        let new = Newcomer::new(self.texts, asks, self.town, &mut self.street);
        self.newcomers.push(new);
    }

    /// Everything arrives, and what follows from it.
    fn flow(&mut self) {
        loop {
            self.desk.run(&mut self.street.broker, self.street.now);
            let Some(client) = self.street.broker.next_busy() else {
                return;
            };
            let arriving = self.street.broker.arriving(client);
            let resident = self.residents.iter_mut().find(|r| r.client == client);
            let newcomer = self.newcomers.iter_mut().find(|n| n.client == client);
            if client == self.desk.client {
                for packet in arriving {
                    self.desk.receive(&packet, self.street.now);
                    self.desk.run(&mut self.street.broker, self.street.now);
                }
            } else if let Some(resident) = resident {
                for packet in arriving {
                    let hidden = self.settings.sabotage == Sabotage::NoMessages
                        && packet.topic.starts_with("plant/");
                    if !hidden {
                        resident.receive(&packet, self.town, &mut self.street);
                    }
                }
            } else if let Some(newcomer) = newcomer {
                for packet in arriving {
                    newcomer.receive(&packet, &mut self.street);
                }
            }
            for number in self.desk.packages.drain(..) {
                let mut residents = self.residents.iter();
                let of = residents.find(|r| r.engine.member().number() == number);
                if let Some(resident) = of {
                    let (id, now) = (resident.at as u64, self.street.now);
                    self.street.ledger.done(Kind::Packages, id, now);
                }
            }
        }
    }

    fn end(self) -> Outcome {
        let Self {
            street, desk, mob, ..
        } = self;
        let mut counts = street.counts;
        counts.extend(
            desk.events
                .into_iter()
                .map(|(event, times)| (format!("authority: {event}"), times)),
        );
        for (what, times) in mob.deeds().filter(|(_, times)| *times > 0) {
            *counts.entry(format!("hostile: {what}")).or_default() += times;
        }
        Outcome {
            tallies: street.ledger.end(street.now),
            samples: self.samples,
            counts,
        }
    }
}
