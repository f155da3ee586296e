//! Members that run: shipped clients, with and without a clock.

use std::collections::BTreeSet;

use sealmq_client::{
    Acknowledged, Client, Draft, Event, Incoming, Limits, MemberEvent, Options, Output, Qos,
    ReasonCode, Subscription, Time,
};
use sealmq_core::object::Access;
use sealmq_keys::member::Properties;
use sealmq_keys::{ReservedTopic, Store as _, VerifiedNonceAnswer};

use super::broker::Packet;
use super::ledger::Kind;
use super::play::Street;
use super::town::{START, Settler, Town};
use sealmq_testkit::stand_ins::{CountingRng, MemoryStore};

pub(super) struct Resident {
    /// Its place among the residents.
    pub(super) at: usize,
    pub(super) engine: Client,
    pub(super) store: MemoryStore,
    rng: CountingRng,
    pub(super) client: usize,
    pub(super) access: Access,
    pub(super) has_clock: bool,
    validity: u64,
    /// When its credential is due.
    renews_at: u64,
    packet: u16,
    /// The last nonce that it published.
    nonce: Vec<u8>,
    /// Messages that it has shown.
    shown: BTreeSet<u64>,
}

impl Resident {
    pub(super) fn new(at: usize, settler: &Settler, street: &mut Street) -> Self {
        let engine = Client::open(&settler.store, &Options::default()).unwrap();
        let mut resident = Self {
            at,
            engine,
            store: settler.store.clone(),
            rng: CountingRng(settler.rng),
            client: street.broker.client(),
            access: settler.access,
            has_clock: settler.has_clock,
            validity: settler.validity,
            renews_at: 0,
            packet: 0,
            nonce: Vec::new(),
            shown: BTreeSet::new(),
        };
        if settler.access.may_subscribe() {
            let filter = Subscription::new("plant/#".into(), Qos::AtLeastOnce);
            resident.engine.subscribe(vec![filter]);
        }
        resident.note_credential();
        let time = resident.time(street.now);
        resident.engine.connect(time, &mut resident.rng);
        resident.run(street);
        resident
    }

    const fn time(&self, now: u64) -> Time {
        Time {
            uptime: now - START * 1000,
            clock: if self.has_clock { Some(now) } else { None },
        }
    }

    /// A third of its validity is left, milliseconds.
    fn note_credential(&mut self) {
        let end = self.engine.member().credential_not_after();
        self.renews_at = (end - self.validity / 3) * 1000;
    }

    /// Whether it has the keys and the refused list of this epoch, or of a later one.
    pub(super) fn follows(&self, epoch: u64) -> bool {
        let mut groups = self.engine.member().groups();
        groups.all(|group| group.ready && group.epoch.is_some_and(|own| own >= epoch))
    }

    pub(super) fn publish(&mut self, text: u64, street: &mut Street) {
        let topic = format!("plant/{}", self.at);
        let draft = Draft::new(topic, text.to_string().into_bytes().into()).unwrap();
        let time = self.time(street.now);
        self.engine.publish(draft, time);
        self.run(street);
    }

    pub(super) fn time_out(&mut self, street: &mut Street) {
        if street.now >= self.renews_at {
            street
                .ledger
                .begin(Kind::Renewal, self.at as u64, self.renews_at);
        }
        let time = self.time(street.now);
        let due = self.engine.poll_timeout();
        if due.is_some_and(|due| due <= time.uptime) {
            self.engine.handle_timeout(time, &mut self.rng);
            self.run(street);
        }
    }

    pub(super) fn receive(&mut self, packet: &Packet, town: &Town, street: &mut Street) {
        let time = self.time(street.now);
        self.engine.handle_publish(
            Incoming {
                topic: (*packet.topic).into(),
                payload: packet.payload.to_vec().into(),
                retain: packet.retain,
                qos: Qos::AtMostOnce,
                packet: 0,
                properties: Properties::default(),
            },
            time,
        );
        self.run(street);
        let topic = ReservedTopic::parse(&town.prefix, &packet.topic);
        if let Some(ReservedTopic::NonceAnswer(..)) = topic
            && let Ok(answer) = VerifiedNonceAnswer::verify(&packet.payload, &town.delegation)
        {
            let nonce = answer.fields().nonce;
            let own = self.nonce.windows(nonce.len());
            if own.into_iter().any(|window| window == nonce) {
                street.ledger.done(Kind::Nonce, self.at as u64, street.now);
            }
        }
    }

    fn run(&mut self, street: &mut Street) {
        loop {
            let time = self.time(street.now);
            let Some(output) = self.engine.poll_output(time, &mut self.rng) else {
                return;
            };
            self.carry_out(output, time, street);
        }
    }

    fn carry_out(&mut self, output: Output, time: Time, street: &mut Street) {
        self.packet = self.packet % u16::MAX + 1;
        let packet = self.packet;
        match output {
            Output::Commit(changes) => {
                self.store.commit(&changes).unwrap();
                self.engine.committed();
            }
            Output::Connect(_) => self.engine.handle_connected(false, Limits::default(), time),
            Output::Subscribe(wanted) => {
                self.engine.handle_subscribe_written(packet);
                for wanted in &wanted {
                    street.broker.subscribe(self.client, &wanted.filter);
                }
                let granted = vec![Ok(Qos::AtLeastOnce); wanted.len()];
                self.engine.handle_subscribed(packet, &granted, time);
            }
            Output::Unsubscribe(filter) => {
                self.engine.handle_unsubscribe_written(packet);
                street.broker.unsubscribe(self.client, &filter);
                self.engine.handle_unsubscribed(packet);
            }
            Output::Publish(wire) => {
                let kept = wire.qos != Qos::AtMostOnce;
                self.engine
                    .handle_publish_written(if kept { packet } else { 0 });
                self.published(&wire.topic, &wire.payload, street);
                street
                    .broker
                    .publish(&wire.topic, &wire.payload[..], wire.retain);
                if kept {
                    self.engine
                        .handle_acknowledged(packet, Acknowledged::Complete(ReasonCode::SUCCESS));
                }
            }
            Output::Event(event, token) => {
                self.happened(&event, street);
                if let Some(token) = token {
                    self.engine.handle_delivered(token);
                }
            }
            Output::Refused { error, .. } => {
                let error = format!("{error:?}");
                let name = error.split(" {").next().unwrap_or_default();
                street.count(&format!("not sealed: {name}"));
            }
            _ => {}
        }
    }

    fn happened(&mut self, event: &Event, street: &mut Street) {
        match event {
            Event::Message(message) => {
                let text = std::str::from_utf8(&message.payload).unwrap();
                let text: u64 = text.parse().unwrap();
                assert!(self.shown.insert(text), "{text} is shown twice");
                let id = pair(text, self.at);
                street.ledger.done(Kind::Message, id, street.now);
            }
            Event::Key(MemberEvent::Credential { .. }) => {
                let id = self.at as u64;
                street.ledger.done(Kind::Renewal, id, street.now);
                self.note_credential();
            }
            Event::Rejected { reason, .. } => {
                street.count(&format!("rejected: {}", reason.name()));
            }
            Event::Key(MemberEvent::Removed { .. } | MemberEvent::NeedsWelcome { .. }) => {
                street.count("lost its place");
            }
            _ => {}
        }
    }

    /// What others hear, and what has to be answered.
    fn published(&mut self, topic: &str, payload: &[u8], street: &mut Street) {
        let id = self.at as u64;
        match ReservedTopic::parse(&street.prefix, topic) {
            Some(ReservedTopic::Nonce(..)) => {
                street.ledger.begin(Kind::Nonce, id, street.now);
                self.nonce = payload.to_vec();
                street.broker.hear("nonce", topic, payload);
            }
            Some(ReservedTopic::Packages(_)) => {
                street.ledger.begin(Kind::Packages, id, street.now);
                street.broker.hear("packages", topic, payload);
            }
            Some(ReservedTopic::Confirm(_)) => street.broker.hear("confirm", topic, payload),
            Some(_) => {}
            None => street.broker.hear("envelope", topic, payload),
        }
    }
}

/// Names a message at a reader.
pub(super) const fn pair(text: u64, reader: usize) -> u64 {
    (text << 8) | reader as u64
}
