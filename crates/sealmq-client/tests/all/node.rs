//! A client with its store, and the broker's side of its connection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use rand_core::TryCryptoRng;
use sealmq_client::{
    Acknowledged, Client, ClientError, DeliveryId, Draft, Ending, Event, FlushId, GivenUp,
    Incoming, Limits, Options, Output, Properties, PublishId, PublishResult, Qos, ReasonCode,
    Resume, SealedWill, Subscription, Time, Wire,
};
use sealmq_keys::Store as _;
use sealmq_store::MemoryStore;

use crate::all::world::{World, matches};

#[derive(Clone)]
pub struct Message {
    pub topic: String,
    pub payload: Bytes,
    pub retain: bool,
    pub qos: Qos,
}

/// How the broker treats it, and what came of it.
#[allow(clippy::struct_excessive_bools, reason = "each says what it is")]
pub struct Node {
    pub client: Client,
    pub store: MemoryStore,
    pub has_clock: bool,
    pub online: bool,
    pub connect_at: Option<u64>,
    /// How connections end.
    pub ending: Ending,
    pub limits: Limits,
    /// The broker keeps the session when the connection breaks.
    pub keeps_session: bool,
    /// The broker can be reached.
    pub reachable: bool,
    /// The broker answers at all.
    pub answers: bool,
    /// A publish on this topic ends the connection.
    pub poison: Option<String>,
    /// The broker takes the application's publishes.
    pub takes: bool,
    /// What it says to them, in PUBACK or PUBREC.
    pub says: ReasonCode,
    /// What it says to the records of sessions; `None`: nothing.
    pub says_to_records: Option<ReasonCode>,
    /// The broker closes the connection after DISCONNECT.
    pub hangs_up: bool,
    /// DISCONNECT gets into the socket.
    pub writes_goodbye: bool,
    /// The application takes events.
    pub takes_events: bool,
    pub filters: BTreeSet<(String, Qos)>,
    pub inbox: VecDeque<Message>,
    /// Subscriptions and publishes that the broker has not answered.
    unanswered: Vec<(u16, Vec<Subscription>)>,
    pub unacknowledged: Vec<(u16, Wire)>,
    identifier: u16,
    pub events: Vec<Event>,
    pub held: Vec<DeliveryId>,
    /// Deliveries, with their packet identifiers.
    pub delivered: Vec<(u16, Message)>,
    pub acknowledged: Vec<u16>,
    pub accepted: Vec<PublishId>,
    pub refused: Vec<ClientError>,
    pub done: Vec<(PublishId, Result<PublishResult, GivenUp>)>,
    pub flushed: Vec<FlushId>,
    /// The application's.
    pub sent: Vec<Wire>,
    pub resumed: Vec<Resume>,
    pub wills: Vec<Option<SealedWill>>,
    pub pauses: Vec<Duration>,
    pub goodbyes: usize,
    pub closed: bool,
    pub commits: usize,
    /// So many outputs are carried out before the process dies.
    pub dies_after: Option<usize>,
}

impl Node {
    pub fn open(store: MemoryStore, options: &Options) -> Self {
        Self {
            client: Client::open(&store, options).unwrap(),
            store,
            has_clock: true,
            online: false,
            connect_at: None,
            ending: Ending::Silent("cut".into()),
            limits: Limits::default(),
            keeps_session: false,
            reachable: true,
            answers: true,
            poison: None,
            takes: true,
            says: ReasonCode::SUCCESS,
            says_to_records: Some(ReasonCode::SUCCESS),
            hangs_up: true,
            writes_goodbye: true,
            takes_events: true,
            filters: BTreeSet::new(),
            inbox: VecDeque::new(),
            unanswered: Vec::new(),
            unacknowledged: Vec::new(),
            identifier: 0,
            events: Vec::new(),
            held: Vec::new(),
            delivered: Vec::new(),
            acknowledged: Vec::new(),
            accepted: Vec::new(),
            refused: Vec::new(),
            done: Vec::new(),
            flushed: Vec::new(),
            sent: Vec::new(),
            resumed: Vec::new(),
            wills: Vec::new(),
            pauses: Vec::new(),
            goodbyes: 0,
            closed: false,
            commits: 0,
            dies_after: None,
        }
    }

    pub fn is_dead(&self) -> bool {
        self.dies_after == Some(0)
    }

    /// One output is carried out.
    const fn lives(&mut self) {
        if let Some(left) = &mut self.dies_after {
            *left -= 1;
        }
    }

    pub fn subscribe(&mut self, filter: &str) {
        let wanted = Subscription::new(filter.to_owned(), Qos::AtLeastOnce);
        self.client.subscribe(vec![wanted]);
    }

    /// When time has something for it.
    pub fn due(&self) -> Option<u64> {
        if self.is_dead() {
            return None;
        }
        let timeout = self.client.poll_timeout().filter(|_| !self.closed);
        timeout.into_iter().chain(self.connect_at).min()
    }

    pub fn wake(&mut self, at: u64, time: Time, rng: &mut impl TryCryptoRng) {
        if self.connect_at.is_some_and(|due| due <= at) {
            self.connect_at = None;
            self.client.connect(time, rng);
        }
        if self.client.poll_timeout().is_some_and(|due| due <= at) {
            self.client.handle_timeout(time, rng);
        }
    }

    /// The connection breaks.
    pub fn cut(&mut self, time: Time, rng: &mut impl TryCryptoRng) {
        self.online = false;
        self.inbox.clear();
        self.unanswered.clear();
        if !self.keeps_session {
            self.filters.clear();
        }
        let pause = self
            .client
            .handle_disconnected(self.ending.clone(), time, rng);
        self.pauses.extend(pause);
        let pause = u64::try_from(pause.unwrap_or_default().as_millis()).unwrap();
        self.connect_at = (!self.closed).then_some(time.uptime + pause);
    }

    /// Carries out what the client wants, and hands it what has come; whether there was anything.
    pub fn work(
        &mut self,
        time: Time,
        rng: &mut impl TryCryptoRng,
        retained: &BTreeMap<String, Vec<u8>>,
        published: &mut Vec<Wire>,
    ) -> bool {
        let mut moved = false;
        while !self.is_dead()
            && let Some(output) = self.client.poll_output(time, rng)
        {
            moved = true;
            self.carry_out(output, time, rng, published);
            self.lives();
        }
        if self.is_dead() {
            return moved;
        }
        if self.answers && self.online {
            for (packet, wanted) in std::mem::take(&mut self.unanswered) {
                moved = true;
                self.answer(packet, &wanted, time, retained);
            }
        }
        if self.online
            && let Some(message) = self.inbox.pop_front()
        {
            moved = true;
            self.identifier += 1;
            self.delivered.push((self.identifier, message.clone()));
            let incoming = Incoming {
                topic: message.topic,
                payload: message.payload,
                retain: message.retain,
                qos: message.qos,
                packet: self.identifier,
                properties: Properties::default(),
            };
            self.client.handle_publish(incoming, time);
        }
        moved
    }

    fn answer(
        &mut self,
        packet: u16,
        wanted: &[Subscription],
        time: Time,
        retained: &BTreeMap<String, Vec<u8>>,
    ) {
        for wanted in wanted {
            self.filters.insert((wanted.filter.clone(), wanted.qos));
            for (topic, payload) in retained {
                if !wanted.filter.starts_with("$share/") && matches(&wanted.filter, topic) {
                    self.inbox.push_back(Message {
                        topic: topic.clone(),
                        payload: payload.clone().into(),
                        retain: true,
                        qos: Qos::AtLeastOnce,
                    });
                }
            }
        }
        let granted: Vec<_> = wanted.iter().map(|wanted| Ok(wanted.qos)).collect();
        self.client.handle_subscribed(packet, &granted, time);
    }

    fn carry_out(
        &mut self,
        output: Output,
        time: Time,
        rng: &mut impl TryCryptoRng,
        published: &mut Vec<Wire>,
    ) {
        match output {
            Output::Commit(changes) => {
                self.store.commit(&changes).unwrap();
                self.commits += 1;
                self.client.committed();
            }
            Output::Event(event, token) => {
                self.events.push(event);
                match token {
                    Some(token) if self.takes_events => self.client.handle_delivered(token),
                    token => self.held.extend(token),
                }
            }
            Output::Acknowledge(token) => self.acknowledged.push(token.packet),
            Output::Subscribe(wanted) => {
                self.identifier += 1;
                self.client.handle_subscribe_written(self.identifier);
                self.unanswered.push((self.identifier, wanted));
            }
            Output::Unsubscribe(filter) => {
                self.identifier += 1;
                self.client.handle_unsubscribe_written(self.identifier);
                self.filters.retain(|(known, _)| *known != filter);
                self.client.handle_unsubscribed(self.identifier);
            }
            Output::Publish(wire) => {
                if !self.client.member().is_reserved(&wire.topic) {
                    self.sent.push(wire.clone());
                }
                let packet = if wire.qos == Qos::AtMostOnce {
                    0
                } else {
                    self.identifier += 1;
                    self.identifier
                };
                self.client.handle_publish_written(packet);
                if self.poison.as_ref() == Some(&wire.topic) {
                    return self.cut(time, rng);
                }
                self.take(packet, wire, published);
            }
            Output::Resume(resume) => {
                self.resumed.push(resume.clone());
                match resume {
                    Resume::Publish(_, wire) if self.poison.as_ref() == Some(&wire.topic) => {
                        self.cut(time, rng);
                    }
                    Resume::Publish(packet, wire) => self.take(packet, wire, published),
                    Resume::Release(packet) => self.completes(packet, ReasonCode::SUCCESS),
                }
            }
            Output::Accepted(id) => self.accepted.push(id),
            Output::Refused { error, .. } => self.refused.push(error),
            Output::Done(id, outcome) => self.done.push((id, outcome)),
            Output::Flushed(id) => self.flushed.push(id),
            Output::Connect(will) => {
                self.wills.push(will);
                if self.reachable {
                    self.online = true;
                    let present = self.keeps_session && self.wills.len() > 1;
                    self.client.handle_connected(present, self.limits, time);
                } else {
                    self.cut(time, rng);
                }
            }
            Output::Disconnect => {
                self.goodbyes += 1;
                if !self.writes_goodbye {
                    return;
                }
                self.client.handle_disconnect_written();
                if self.hangs_up {
                    self.cut(time, rng);
                }
            }
            Output::HangUp => self.cut(time, rng),
            Output::Closed => self.closed = true,
        }
    }

    /// The broker takes a publish, or keeps silent about it.
    fn take(&mut self, packet: u16, wire: Wire, published: &mut Vec<Wire>) {
        let reserved = self.client.member().is_reserved(&wire.topic);
        let said = match reserved {
            true if wire.topic.contains("/s/") => self.says_to_records,
            true => Some(ReasonCode::SUCCESS),
            false => self.takes.then_some(self.says),
        };
        let Some(said) = said.filter(|_| self.answers) else {
            self.unacknowledged.push((packet, wire));
            return;
        };
        if wire.qos != Qos::AtMostOnce && said >= ReasonCode::UNSPECIFIED_ERROR {
            let refused = Acknowledged::Refused(said);
            return self.client.handle_acknowledged(packet, refused);
        }
        match wire.qos {
            Qos::AtMostOnce => {}
            Qos::AtLeastOnce => self.completes(packet, said),
            Qos::ExactlyOnce => {
                let received = Acknowledged::Received(said);
                self.client.handle_acknowledged(packet, received);
                self.completes(packet, ReasonCode::SUCCESS);
            }
        }
        published.push(wire);
    }

    fn completes(&mut self, packet: u16, said: ReasonCode) {
        let complete = Acknowledged::Complete(said);
        self.client.handle_acknowledged(packet, complete);
    }

    /// Texts of the messages that came.
    pub fn texts(&self) -> Vec<String> {
        let messages = self.events.iter().filter_map(|event| match event {
            Event::Message(message) => Some(String::from_utf8(message.payload.to_vec()).unwrap()),
            _ => None,
        });
        messages.collect()
    }
}

impl World {
    pub fn publish(&mut self, node: usize, topic: &str, text: &str) -> PublishId {
        self.publish_with(node, topic, text, |_| {})
    }

    pub fn publish_with(
        &mut self,
        node: usize,
        topic: &str,
        text: &str,
        set: impl FnOnce(&mut Draft),
    ) -> PublishId {
        let payload = Bytes::copy_from_slice(text.as_bytes());
        let mut draft = Draft::new(topic.to_owned(), payload).unwrap();
        set(&mut draft);
        let time = self.time(self.nodes[node].has_clock);
        self.nodes[node].client.publish(draft, time)
    }

    pub fn cut(&mut self, node: usize) {
        let time = self.time(self.nodes[node].has_clock);
        self.nodes[node].cut(time, &mut self.rng);
    }
}
