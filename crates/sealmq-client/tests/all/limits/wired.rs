//! Clients at the broker with switchable limits, packet by packet, in virtual time: a driver that
//! does what the one for rumqttc does.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Connect, ConnectProperties, Disconnect, DisconnectReasonCode, Filter, Packet, PingReq,
    PubAck, PubComp, PubRec, PubRel, Publish, Subscribe, SubscribeReasonCode, Unsubscribe,
};
use sealmq_client::{
    Acknowledged, Client, ClientError, Ending, Event, Incoming, Limits, NoConnack, Options, Output,
    Properties, Qos, ReasonCode, Resume, Wire,
};
use sealmq_keys::Store as _;
use sealmq_store::MemoryStore;
use sealmq_testbroker::wire::{self, Frame};
use sealmq_testbroker::{Broker, ConnectionId, Output as BrokerOutput};

use crate::all::world::World;

/// A broker that says nothing to CONNECT is left after this.
const CONNACK_WITHIN: u64 = 10_000;
const KEEP_ALIVE: u16 = 30;

pub struct Wired {
    pub client: Client,
    pub store: MemoryStore,
    name: &'static str,
    link: Option<ConnectionId>,
    accepted: bool,
    connect_at: Option<u64>,
    ping_at: Option<u64>,
    keep_alive: u64,
    connack_until: Option<u64>,
    /// From the broker, with the time at which it arrives; `None` is the end.
    inbox: VecDeque<(u64, Option<Bytes>)>,
    stream: BytesMut,
    identifier: u16,
    pub events: Vec<Event>,
    pub refused: Vec<(String, ClientError)>,
    /// When it connected, or tried.
    pub attempts: Vec<u64>,
}

pub struct Field {
    pub world: World,
    pub broker: Broker,
    pub nodes: Vec<Wired>,
}

impl Field {
    pub fn start(&mut self, name: &'static str, store: MemoryStore, options: &Options) -> usize {
        self.nodes.push(Wired {
            client: Client::open(&store, options).unwrap(),
            store,
            name,
            link: None,
            accepted: false,
            connect_at: Some(self.world.uptime),
            ping_at: None,
            keep_alive: u64::from(KEEP_ALIVE) * 1000,
            connack_until: None,
            inbox: VecDeque::new(),
            stream: BytesMut::new(),
            identifier: 0,
            events: Vec::new(),
            refused: Vec::new(),
            attempts: Vec::new(),
        });
        self.nodes.len() - 1
    }

    /// What the authority has retained and the broker lacks.
    pub fn publish_objects(&mut self) {
        for (topic, payload) in &self.world.retained {
            let is_it = |(known, bytes): (&str, &Bytes)| known == topic && bytes == payload;
            if !self.broker.retained().any(is_it) {
                self.broker.publish(topic, payload.clone(), true);
            }
        }
    }

    /// The connection of a client breaks.
    pub fn cut(&mut self, node: usize) {
        self.nodes[node].broke(&mut self.world, &mut self.broker);
    }

    /// Its connection breaks, and it comes back only when it is told to.
    pub fn away(&mut self, node: usize) {
        self.cut(node);
        self.nodes[node].connect_at = None;
    }

    pub fn back(&mut self, node: usize) {
        self.nodes[node].connect_at = Some(self.world.uptime);
    }

    pub fn run(&mut self, span: u64) {
        let end = self.world.uptime + span;
        loop {
            self.settle();
            let due = self.nodes.iter().filter_map(Wired::due).min();
            let Some(due) = due.filter(|due| *due <= end) else {
                break;
            };
            self.world.uptime = self.world.uptime.max(due);
        }
        self.world.uptime = end;
        self.settle();
    }

    /// Until nothing happens any more at this moment.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            self.broker.passes(Duration::from_millis(self.world.uptime));
            for at in 0..self.nodes.len() {
                moved |= self.nodes[at].step(&mut self.world, &mut self.broker);
            }
            let late = u64::try_from(self.broker.limits().late.as_millis()).unwrap();
            while let Some(output) = self.broker.poll_output() {
                moved = true;
                let (id, bytes) = match output {
                    BrokerOutput::Send(id, bytes) => (id, Some(bytes)),
                    BrokerOutput::Close(id) => (id, None),
                };
                let node = self.nodes.iter_mut().find(|node| node.link == Some(id));
                if let Some(node) = node {
                    node.inbox.push_back((self.world.uptime + late, bytes));
                }
            }
            if !moved {
                return;
            }
        }
    }
}

impl Wired {
    fn due(&self) -> Option<u64> {
        let inbox = self.inbox.front().map(|(at, _)| *at);
        let timeout = self.client.poll_timeout();
        let all = [
            timeout,
            inbox,
            self.connect_at,
            self.ping_at,
            self.connack_until,
        ];
        all.into_iter().flatten().min()
    }

    /// Does what is due; whether there was anything.
    fn step(&mut self, world: &mut World, broker: &mut Broker) -> bool {
        let (now, time) = (world.uptime, world.time(true));
        let over = |at: Option<u64>| at.is_some_and(|at| at <= now);
        let mut moved = false;
        if over(self.connect_at) {
            (self.connect_at, moved) = (None, true);
            self.client.connect(time, &mut world.rng);
        }
        if over(self.client.poll_timeout()) {
            moved = true;
            self.client.handle_timeout(time, &mut world.rng);
        }
        while let Some(output) = self.client.poll_output(time, &mut world.rng) {
            moved = true;
            self.carry_out(output, world, broker);
        }
        if over(self.ping_at) {
            (self.ping_at, moved) = (Some(now + self.keep_alive), true);
            self.write(&Packet::PingReq(PingReq), broker);
        }
        if over(self.connack_until) {
            moved = true;
            self.client.handle_no_connack(NoConnack::Silent);
            self.broke(world, broker);
        }
        if let Some((at, _)) = self.inbox.front()
            && *at <= now
        {
            moved = true;
            match self.inbox.pop_front() {
                Some((_, Some(bytes))) => self.stream.extend_from_slice(&bytes),
                _ => {
                    if !self.accepted {
                        self.client.handle_no_connack(NoConnack::Closed);
                    }
                    self.broke(world, broker);
                }
            }
            self.read(world, broker);
        }
        moved
    }

    fn write(&self, packet: &Packet, broker: &mut Broker) {
        if let Some(id) = self.link {
            broker.received(id, &wire::write(packet));
        }
    }

    fn broke(&mut self, world: &mut World, broker: &mut Broker) {
        if let Some(id) = self.link.take() {
            broker.closed(id);
        }
        let ending = match self.accepted {
            true => Ending::Silent("closed".to_owned()),
            false => Ending::Unrelated,
        };
        (self.ping_at, self.connack_until, self.accepted) = (None, None, false);
        self.inbox.clear();
        self.stream.clear();
        let time = world.time(true);
        let pause = self
            .client
            .handle_disconnected(ending, time, &mut world.rng);
        let pause = u64::try_from(pause.unwrap_or_default().as_millis()).unwrap();
        self.connect_at = Some(world.uptime + pause);
    }

    fn read(&mut self, world: &mut World, broker: &mut Broker) {
        while self.link.is_some() {
            if self.stream.starts_with(&[0x20, 2, 0, 1]) {
                self.client.handle_no_connack(NoConnack::Version);
                return self.broke(world, broker);
            }
            // The codec knows nine of the reason codes.
            if let &[0x40, 3, high, low, code, ..] = &self.stream[..] {
                let _puback = self.stream.split_to(5);
                let packet = u16::from_be_bytes([high, low]);
                let acknowledged = match code {
                    0..0x80 => Acknowledged::Complete(ReasonCode(code)),
                    _ => Acknowledged::Refused(ReasonCode(code)),
                };
                self.client.handle_acknowledged(packet, acknowledged);
                continue;
            }
            match wire::read(&mut self.stream, None) {
                None => return,
                Some(Frame::Packet(packet, _)) => self.handle(*packet, world, broker),
                Some(other) => panic!("{other:?}"),
            }
        }
    }

    fn handle(&mut self, packet: Packet, world: &mut World, broker: &mut Broker) {
        let time = world.time(true);
        match packet {
            Packet::ConnAck(connack) => {
                (self.connack_until, self.accepted) = (None, true);
                let told = connack
                    .properties
                    .as_ref()
                    .and_then(|p| p.server_keep_alive);
                self.keep_alive = u64::from(told.unwrap_or(KEEP_ALIVE)) * 1000;
                self.ping_at = Some(world.uptime + self.keep_alive);
                let present = connack.session_present;
                self.client
                    .handle_connected(present, limits(&connack), time);
            }
            Packet::PubAck(ack) => self
                .client
                .handle_acknowledged(ack.pkid, Acknowledged::Complete(ReasonCode::SUCCESS)),
            Packet::PubRec(ack) => {
                self.client
                    .handle_acknowledged(ack.pkid, Acknowledged::Received(ReasonCode::SUCCESS));
                self.write(&Packet::PubRel(PubRel::new(ack.pkid, None)), broker);
            }
            Packet::PubComp(ack) => self
                .client
                .handle_acknowledged(ack.pkid, Acknowledged::Complete(ReasonCode::SUCCESS)),
            Packet::PubRel(ack) => {
                self.write(&Packet::PubComp(PubComp::new(ack.pkid, None)), broker);
            }
            Packet::SubAck(ack) => {
                let answers = ack.return_codes.iter().map(|code| match code {
                    SubscribeReasonCode::Success(qos) => Ok(qos_from(*qos)),
                    SubscribeReasonCode::QuotaExceeded => Err(0x97),
                    _ => Err(0x8f),
                });
                let answers: Vec<_> = answers.collect();
                self.client.handle_subscribed(ack.pkid, &answers, time);
            }
            Packet::UnsubAck(ack) => self.client.handle_unsubscribed(ack.pkid),
            Packet::Publish(message) => {
                let incoming = Incoming {
                    topic: String::from_utf8(message.topic.to_vec()).unwrap(),
                    payload: message.payload,
                    retain: message.retain,
                    qos: qos_from(message.qos),
                    packet: message.pkid,
                    properties: Properties::default(),
                };
                self.client.handle_publish(incoming, time);
            }
            _ => {}
        }
    }

    fn carry_out(&mut self, output: Output, world: &mut World, broker: &mut Broker) {
        match output {
            Output::Commit(changes) => {
                self.store.commit(&changes).unwrap();
                self.client.committed();
            }
            Output::Event(event, token) => {
                self.events.push(event);
                if let Some(token) = token {
                    self.client.handle_delivered(token);
                }
            }
            Output::Acknowledge(token) if token.qos == Qos::ExactlyOnce => {
                self.write(&Packet::PubRec(PubRec::new(token.packet, None)), broker);
            }
            Output::Acknowledge(token) => {
                self.write(&Packet::PubAck(PubAck::new(token.packet, None)), broker);
            }
            Output::Subscribe(wanted) => {
                self.identifier += 1;
                let filters = wanted
                    .into_iter()
                    .map(|wanted| Filter::new(wanted.filter, qos_to(wanted.qos)));
                let mut packet = Subscribe::new_many(filters, None);
                packet.pkid = self.identifier;
                self.client.handle_subscribe_written(self.identifier);
                self.write(&Packet::Subscribe(packet), broker);
            }
            Output::Unsubscribe(filter) => {
                self.identifier += 1;
                let mut packet = Unsubscribe::new(filter, None);
                packet.pkid = self.identifier;
                self.client.handle_unsubscribe_written(self.identifier);
                self.write(&Packet::Unsubscribe(packet), broker);
            }
            Output::Publish(wire) => {
                let mut packet = 0;
                if wire.qos != Qos::AtMostOnce {
                    self.identifier += 1;
                    packet = self.identifier;
                }
                self.client.handle_publish_written(packet);
                self.write(&publish(packet, wire), broker);
            }
            Output::Resume(Resume::Publish(packet, wire)) => {
                self.write(&publish(packet, wire), broker);
            }
            Output::Resume(Resume::Release(packet)) => {
                self.write(&Packet::PubRel(PubRel::new(packet, None)), broker);
            }
            Output::Refused { topic, error, .. } => self.refused.push((topic, error)),
            Output::Connect(_) => {
                self.attempts.push(world.uptime);
                self.connack_until = Some(world.uptime + CONNACK_WITHIN);
                self.link = Some(broker.opened());
                let connect = Connect {
                    keep_alive: KEEP_ALIVE,
                    client_id: self.name.into(),
                    clean_start: false,
                    properties: Some(ConnectProperties {
                        session_expiry_interval: Some(3600),
                        ..ConnectProperties::new()
                    }),
                };
                self.write(&Packet::Connect(connect, None, None), broker);
            }
            Output::Disconnect => {
                let goodbye = Disconnect::new(DisconnectReasonCode::NormalDisconnection);
                self.write(&Packet::Disconnect(goodbye), broker);
                self.client.handle_disconnect_written();
            }
            Output::HangUp => self.broke(world, broker),
            _ => {}
        }
    }
}

fn publish(pkid: u16, wire: Wire) -> Packet {
    let message = Publish::new(wire.topic, qos_to(wire.qos), wire.payload, None);
    Packet::Publish(Publish {
        pkid,
        retain: wire.retain,
        ..message
    })
}

fn limits(connack: &ConnAck) -> Limits {
    let Some(told) = &connack.properties else {
        return Limits {
            receive_maximum: 100,
            ..Limits::default()
        };
    };
    Limits {
        receive_maximum: told.receive_max.unwrap_or(100),
        maximum_packet_size: told.max_packet_size.map(|size| size as usize),
        maximum_qos: match told.max_qos {
            Some(0) => Qos::AtMostOnce,
            Some(1) => Qos::AtLeastOnce,
            _ => Qos::ExactlyOnce,
        },
        retain_available: told.retain_available != Some(0),
        wildcards_available: told.wildcard_subscription_available != Some(0),
        shared_available: told.shared_subscription_available != Some(0),
        topic_alias_maximum: told.topic_alias_max.unwrap_or(0),
    }
}

fn qos_from(qos: QoS) -> Qos {
    match qos {
        QoS::AtMostOnce => Qos::AtMostOnce,
        QoS::AtLeastOnce => Qos::AtLeastOnce,
        QoS::ExactlyOnce => Qos::ExactlyOnce,
    }
}

fn qos_to(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}
