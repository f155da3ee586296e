//! The authority's process: what a driver does for the shipped office, with what it holds counted.

use std::collections::BTreeMap;
use std::time::Duration;

use sealmq_authority::AuthorityEvent;
use sealmq_authority::office::{Moment, Office, OfficeEvent, Transmit};
use sealmq_core::MemberNumber;
use sealmq_keys::{Publication, ReservedTopic};

use super::broker::{Broker, Packet};
use super::play::Sabotage;
use super::store::{Heap, Vault};
use super::town::START;
use sealmq_testkit::stand_ins::CountingRng;

/// Bytes that are kept of each input, if that is to be noticed.
const BALLAST: usize = 60_000;

pub(super) struct Desk {
    office: Option<Office>,
    pub(super) vault: Vault,
    rng: CountingRng,
    pub(super) client: usize,
    prefix: String,
    /// Bytes on the heap that its calls took, net and without the store.
    held: i64,
    heap: Heap,
    sabotage: Sabotage,
    /// What it keeps if it is told to keep everything.
    hoard: Vec<Vec<u8>>,
    /// What happened there.
    pub(super) events: BTreeMap<String, u64>,
    /// Members whose new key packages it has taken.
    pub(super) packages: Vec<MemberNumber>,
}

pub(super) const fn moment(now: u64) -> Moment {
    Moment {
        elapsed: Duration::from_millis(now - START * 1000),
        unix: now / 1000,
    }
}

impl Desk {
    pub(super) fn new(
        vault: Vault,
        prefix: &str,
        client: usize,
        heap: Heap,
        sabotage: Sabotage,
    ) -> Self {
        let mut desk = Self {
            office: None,
            vault,
            rng: CountingRng(1 << 42),
            client,
            prefix: prefix.to_owned(),
            held: 0,
            heap,
            sabotage,
            hoard: Vec::new(),
            events: BTreeMap::new(),
            packages: Vec::new(),
        };
        desk.vault.on_heap = 0;
        desk.counted(|desk| desk.office = Some(Office::new()));
        desk
    }

    /// What it holds now, in bytes.
    pub(super) const fn held(&self) -> i64 {
        self.held
    }

    /// A call of the office, or the end of something that it gave away.
    fn counted<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = (self.heap)() - self.vault.on_heap;
        let done = work(self);
        self.held += (self.heap)() - self.vault.on_heap - before;
        done
    }

    fn called<T>(&mut self, call: impl FnOnce(&mut Office) -> T) -> T {
        self.counted(|desk| call(desk.office.as_mut().unwrap()))
    }

    pub(super) fn connect(&mut self, broker: &mut Broker, now: u64) {
        broker.disconnect(self.client);
        self.called(|office| office.handle_connected(moment(now)));
    }

    pub(super) fn receive(&mut self, packet: &Packet, now: u64) {
        let topic = ReservedTopic::parse(&self.prefix, &packet.topic);
        match (self.sabotage, topic) {
            (Sabotage::NoJoins, Some(ReservedTopic::Join(_)))
            | (Sabotage::NoNonces, Some(ReservedTopic::Nonce(..)))
            | (Sabotage::NoPackages, Some(ReservedTopic::Packages(_))) => return,
            (Sabotage::NoRepairs, Some(topic)) if topic.is_of_authority() => return,
            (Sabotage::KeepsAll, _) => {
                self.counted(|desk| desk.hoard.push(vec![0; BALLAST]));
            }
            (Sabotage::StoresAll, Some(ReservedTopic::Join(_))) => {
                let key = format!("garbage/{}", self.vault.bytes);
                self.vault.put(&key, &[0; BALLAST]);
            }
            _ => {}
        }
        self.called(|office| {
            office.handle_publish(moment(now), &packet.topic, &packet.payload, packet.retain);
        });
    }

    /// Does what is due, as a driver does.
    pub(super) fn run(&mut self, broker: &mut Broker, now: u64) {
        let due = |office: &mut Office| office.poll_timeout();
        if self
            .called(due)
            .is_some_and(|due| due <= moment(now).elapsed)
        {
            self.counted(|desk| {
                let Self {
                    office, vault, rng, ..
                } = desk;
                let office = office.as_mut().unwrap();
                office.handle_timeout(moment(now), vault, rng).unwrap();
            });
        }
        while let Some(event) = self.called(Office::poll_event) {
            let (name, times) = match &event {
                OfficeEvent::Authority(event) => (format!("{event:?}"), 1),
                OfficeEvent::MoreRefused(more) => ("Refused".into(), *more as u64),
                other => (format!("{other:?}"), 1),
            };
            if let OfficeEvent::Authority(AuthorityEvent::Packages { member, .. }) = &event {
                self.packages.push(*member);
            }
            let name = name.split([' ', '(', '{']).next().unwrap_or_default();
            *self.events.entry(name.to_owned()).or_default() += times;
            self.counted(|_| drop(event));
        }
        while let Some(transmit) = self.called(|office| office.poll_transmit(moment(now))) {
            match &transmit {
                Transmit::Subscribe { filters, .. } => {
                    for filter in filters {
                        broker.subscribe(self.client, filter);
                    }
                    self.called(|office| office.handle_subscribed(moment(now), None));
                }
                Transmit::Publish { token, publication } => {
                    self.send(broker, publication, now);
                    self.called(|office| office.handle_ack(*token, None));
                }
            }
            self.counted(|_| drop(transmit));
        }
    }

    fn send(&self, broker: &mut Broker, publication: &Publication, now: u64) {
        let topic = &publication.topic;
        let of = ReservedTopic::parse(&self.prefix, topic);
        let begun = now > (START + 10) * 1000;
        let is_lost = match of {
            Some(ReservedTopic::Credential(_)) => self.sabotage == Sabotage::NoRenewals,
            Some(ReservedTopic::RefusedList(_)) => self.sabotage == Sabotage::NoRemovals,
            _ => false,
        };
        if is_lost && begun {
            return;
        }
        match of {
            Some(ReservedTopic::Announcement(..)) => {
                broker.hear("announcement", topic, &publication.payload);
            }
            Some(ReservedTopic::RefusedList(_)) if !publication.payload.is_empty() => {
                broker.hear("list", topic, &publication.payload);
            }
            _ => {}
        }
        broker.publish(topic, publication.payload.as_slice(), publication.retain);
    }
}
