//! Everything of a client except the connection itself: what commands, packets and time do.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{ConnAck, Filter, Publish};
use tokio::sync::mpsc::Permit;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::client::Command;
use super::log::log;
use super::sending::Parked;
use super::settle::Settling;
use super::state::States;
use super::subscriptions::Subscriptions;
use super::{Event, PollError, convert};
use crate::engine::{Draft, Engine, Output, Token};
use crate::error::StoreFailure;
use crate::ledger::Ledger;
use crate::options::SealOptions;
use crate::outbox::Outbox;

/// Filters per SUBSCRIBE: keeps the packet below every broker's limit.
const FILTERS_PER_PACKET: usize = 16;
/// A broker that does not take DISCONNECT keeps nobody.
const GOODBYE_WITHIN: Duration = Duration::from_secs(5);

pub(super) struct Core {
    pub(super) engine: Engine,
    pub(super) outbox: Outbox,
    pub(super) ledger: Ledger,
    pub(super) subscriptions: Subscriptions,
    pub(super) states: States,
    /// Requests to rumqttc; its queue is never full.
    pub(super) mqtt: rumqttc::v5::AsyncClient,
    pub(super) connection: Option<Connection>,
    pub(super) connections: u64,
    /// Publishes are held back.
    pub(super) settling: Option<Settling>,
    /// When waiting for what an earlier process left behind ends.
    pub(super) resume_until: Option<Instant>,
    /// For the application, each with what is acknowledged when it was handed over.
    pub(super) out: VecDeque<(Result<Event, PollError>, Option<Token>)>,
    /// Messages whose keys have not arrived.
    pub(super) parked: VecDeque<Parked>,
    pub(super) wait_for_keys: Duration,
    pub(super) mqtt_events: bool,
    /// And seconds that the broker waits before it publishes it.
    pub(super) will: Option<(Draft, Option<u32>)>,
    /// Epoch of the Will of this connection.
    pub(super) will_epoch: Option<u64>,
    /// DISCONNECT was sent in order to connect again with a new Will;
    /// until then the broker may close the connection.
    pub(super) renewing: Option<Instant>,
    goodbye: Option<Goodbye>,
    pub(super) done: bool,
}

pub(super) struct Connection {
    pub(super) number: u64,
    pub(super) connack: ConnAck,
}

struct Goodbye {
    reply: oneshot::Sender<()>,
    until: Instant,
}

impl Core {
    pub(super) fn new(
        engine: Engine,
        mqtt: rumqttc::v5::AsyncClient,
        options: &SealOptions,
        most_inflight: u16,
    ) -> Self {
        Self {
            engine,
            outbox: Outbox::default(),
            ledger: Ledger::default(),
            subscriptions: Subscriptions::default(),
            states: States::new(most_inflight),
            mqtt,
            connection: None,
            connections: 0,
            settling: None,
            resume_until: None,
            out: VecDeque::new(),
            parked: VecDeque::new(),
            wait_for_keys: options.wait_for_keys,
            mqtt_events: options.mqtt_events,
            // Its topic was checked when the engine was opened.
            will: options
                .will
                .as_ref()
                .and_then(|will| Some((will.draft().ok()?, will.delay))),
            will_epoch: None,
            renewing: None,
            goodbye: None,
            done: false,
        }
    }

    pub(super) fn outstanding(&self) -> Arc<AtomicUsize> {
        self.ledger.count()
    }

    pub(super) const fn is_closing(&self) -> bool {
        self.goodbye.is_some()
    }

    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Publish(request) => self.publish(request),
            Command::Subscribe(filters) => {
                for filter in &filters {
                    self.subscriptions.add(filter.clone());
                }
                self.engine.set_shared(self.subscriptions.shared());
                self.send_subscribe(filters);
            }
            Command::Unsubscribe(filter) => {
                self.subscriptions.remove(&filter);
                self.engine.set_shared(self.subscriptions.shared());
                self.send_unsubscribe(filter);
            }
            Command::Flush(reply) => self.ledger.wait(reply),
            Command::Disconnect(reply) => self.say_goodbye(reply),
        }
    }

    /// Snapshots and timeouts.
    pub(super) async fn tick(&mut self) -> Result<(), StoreFailure> {
        let outputs = self.engine.tick().await?;
        self.apply(outputs);
        let now = Instant::now();
        if self.resume_until.is_some_and(|until| until <= now) {
            self.resume_until = None;
            self.outbox.abandon_orphans();
        }
        self.done |= self
            .goodbye
            .as_ref()
            .is_some_and(|goodbye| goodbye.until <= now);
        if self.parked.iter().any(|parked| parked.until <= now) {
            self.retry_parked();
        }
        Ok(())
    }

    /// Hands the next event to the application, and acknowledges it to the broker.
    pub(super) fn deliver(&mut self, permit: Permit<'_, Result<Event, PollError>>) {
        if let Some((event, token)) = self.out.pop_front() {
            log(&event);
            permit.send(event);
            if let Some(token) = token {
                self.acknowledge(token);
            }
        }
    }

    pub(super) fn event(&mut self, event: Event) {
        self.out.push_back((Ok(event), None));
    }

    pub(super) fn apply(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Notice(notice, token) => self.out.push_back((Ok(notice.into()), token)),
                Output::Acknowledge(token) => self.acknowledge(token),
                Output::Subscribe(filter) => self.send_subscribe(vec![reserved(filter)]),
                Output::Unsubscribe(filter) => self.send_unsubscribe(filter),
                Output::Publish(publication) => self.publish_object(publication),
            }
        }
    }

    fn acknowledge(&mut self, token: Token) {
        if self
            .connection
            .as_ref()
            .is_some_and(|c| c.number == token.connection)
        {
            let qos = convert::qos_to(token.qos);
            let delivery = Publish {
                pkid: token.packet,
                qos,
                ..Publish::default()
            };
            let _connection_lost = self.mqtt.try_ack(&delivery);
        }
    }

    /// Key management first, so that keys arrive before messages.
    pub(super) fn restore_subscriptions(&mut self, session_present: bool) {
        let member = self.engine.member();
        let reserved: Vec<Filter> = member
            .reserved_subscriptions()
            .into_iter()
            .map(reserved)
            .collect();
        let packets = reserved.len().div_ceil(FILTERS_PER_PACKET);
        self.settling = Some(Settling::begin(packets));
        self.send_subscribe(reserved);
        let (missing, ended) = self.subscriptions.connected(session_present);
        self.send_subscribe(missing);
        for filter in ended {
            self.send_unsubscribe(filter);
        }
    }

    fn send_subscribe(&mut self, filters: Vec<Filter>) {
        if self.connection.is_none() {
            return; // it is done when there is one
        }
        for chunk in filters.chunks(FILTERS_PER_PACKET) {
            if self.mqtt.try_subscribe_many(chunk.to_vec()).is_ok() {
                self.outbox.use_identifier();
                self.subscriptions
                    .hand(chunk.iter().map(|filter| filter.path.clone()).collect());
            }
        }
    }

    fn send_unsubscribe(&mut self, filter: String) {
        if self.connection.is_some() && self.mqtt.try_unsubscribe(filter.clone()).is_ok() {
            self.outbox.use_identifier();
            self.subscriptions.hand_end(filter);
        }
    }

    fn say_goodbye(&mut self, reply: oneshot::Sender<()>) {
        let now = Instant::now();
        let until = now.checked_add(GOODBYE_WITHIN).unwrap_or(now);
        self.goodbye = Some(Goodbye { reply, until });
        self.done |= self.connection.is_none() || self.mqtt.try_disconnect().is_err();
    }

    /// The last events, when nothing is sent or received any more.
    pub(super) fn end(&mut self, result: Result<(), StoreFailure>) {
        self.parked.clear();
        self.ledger.close();
        if let Err(error) = result {
            self.out.push_back((Err(PollError::Store(error)), None));
        } else if self.goodbye.is_some() {
            self.event(Event::Disconnected);
        }
        if let Some(goodbye) = self.goodbye.take() {
            let _caller_left = goodbye.reply.send(());
        }
    }
}

fn reserved(filter: String) -> Filter {
    Filter::new(filter, rumqttc::v5::mqttbytes::QoS::AtLeastOnce)
}
