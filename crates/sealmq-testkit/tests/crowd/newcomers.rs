//! Devices on their way in: a fleet that is powered on together, stragglers, and some that wait for
//! an operator.

use sealmq_client::{JoinError, JoinOutput, Joining, Time};
use sealmq_keys::member::{JoinOptions, JoinWay};
use sealmq_keys::{Fingerprint, ReservedTopic, Store as _, Token};

use super::broker::Packet;
use super::ledger::Kind;
use super::play::Street;
use super::town::{START, Town};
use sealmq_testkit::stand_ins::{CountingRng, MemoryStore};

pub(super) struct Newcomer {
    id: u64,
    store: MemoryStore,
    rng: CountingRng,
    pub(super) client: usize,
    /// It has no token.
    asks: bool,
    joining: Option<Joining>,
    /// What it shows to the operator.
    pub(super) waits: Option<Fingerprint>,
    told: bool,
}

impl Newcomer {
    pub(super) fn new(id: u64, asks: bool, town: &Town, street: &mut Street) -> Self {
        let way = if asks {
            JoinWay::Root {
                root_key: town.root_key,
                prefix: Some(town.prefix.clone()),
                suite: None,
                serial: 0,
            }
        } else {
            JoinWay::Token(Box::new(Token::parse(&town.token).unwrap()))
        };
        let options = JoinOptions {
            name: format!("newcomer-{id}"),
            way,
            packages: 2,
            extensions: Vec::new(),
        };
        let store = MemoryStore::default();
        let mut rng = CountingRng((1 << 43) | (id << 24));
        let mut joining = Joining::begin(&store, options, &mut rng).unwrap();
        joining.handle_connected();
        let mut newcomer = Self {
            id,
            store,
            rng,
            client: street.broker.client(),
            asks,
            joining: Some(joining),
            waits: None,
            told: false,
        };
        newcomer.run(street);
        newcomer
    }

    /// Whether it still tries.
    pub(super) const fn tries(&self) -> bool {
        self.joining.is_some()
    }

    pub(super) fn approved(&mut self, street: &mut Street) {
        self.waits = None;
        street.ledger.begin(Kind::Approval, self.id, street.now);
    }

    const fn time(now: u64) -> Time {
        Time::new(now - START * 1000, now)
    }

    pub(super) fn time_out(&mut self, street: &mut Street) {
        let time = Self::time(street.now);
        let Some(joining) = &mut self.joining else {
            return;
        };
        if joining.poll_timeout().is_some_and(|due| due <= time.uptime) {
            joining.handle_timeout(time);
            self.run(street);
        }
    }

    pub(super) fn receive(&mut self, packet: &Packet, street: &mut Street) {
        let time = Self::time(street.now);
        let Some(joining) = &mut self.joining else {
            return;
        };
        match joining.handle_publish(&packet.topic, &packet.payload, time, &mut self.rng) {
            Ok(()) => self.run(street),
            Err(error) => {
                let refused = matches!(error, JoinError::Refused { .. });
                assert!(refused, "{error}");
                street.count(&format!("an honest device is refused: {error}"));
                self.leave(street);
            }
        }
    }

    fn run(&mut self, street: &mut Street) {
        while let Some(output) = self.joining.as_mut().and_then(Joining::poll_output) {
            let joining = self.joining.as_mut().unwrap();
            match output {
                JoinOutput::Commit(changes) => {
                    self.store.commit(&changes).unwrap();
                    joining.committed();
                }
                JoinOutput::Subscribe(wanted) => {
                    for wanted in wanted {
                        street.broker.subscribe(self.client, &wanted.filter);
                    }
                    joining.handle_subscribed(true).unwrap();
                }
                JoinOutput::Publish(wire) => {
                    let topic = ReservedTopic::parse(&street.prefix, &wire.topic);
                    let asks = matches!(topic, Some(ReservedTopic::Join(_)));
                    if asks && !wire.payload.is_empty() {
                        let kind = if self.asks { Kind::Waiting } else { Kind::Join };
                        // It may ask again when it was told to wait.
                        if !self.told {
                            street.ledger.begin(kind, self.id, street.now);
                        }
                        street.broker.hear("join", &wire.topic, &wire.payload);
                    }
                    street
                        .broker
                        .publish(&wire.topic, &wire.payload[..], wire.retain);
                }
                JoinOutput::Waiting(device) => {
                    (self.waits, self.told) = (Some(device), true);
                    street.ledger.done(Kind::Waiting, self.id, street.now);
                }
                JoinOutput::Joined(joined) => {
                    if !joined.is_ready(&street.group) {
                        street.count("a device is in before its keys are in use");
                    }
                    let kind = if self.asks {
                        Kind::Approval
                    } else {
                        Kind::Join
                    };
                    street.ledger.done(kind, self.id, street.now);
                    self.leave(street);
                }
                JoinOutput::Ignored { error, .. } => {
                    street.count(&format!("ignored by a newcomer: {error:?}"));
                }
            }
        }
    }

    fn leave(&mut self, street: &mut Street) {
        self.joining = None;
        street.broker.disconnect(self.client);
    }
}
