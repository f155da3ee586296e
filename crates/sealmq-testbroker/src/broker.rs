//! Connections, and what clients publish.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnAckProperties, Connect, ConnectReturnCode, LastWill, Packet, PingResp, PubAck,
    PubAckReason, PubComp, PubRec, PubRel, Publish,
};

use crate::limits::{Beyond, Closes, Limits, OldBroker, Seen};
use crate::session::Session;
use crate::wire::{self, Frame, Level};

/// One TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(u64);

/// What has to be done, in this order.
#[derive(Debug)]
#[must_use]
pub enum Output {
    /// Bytes for a connection.
    Send(ConnectionId, Bytes),
    /// Its end; nothing follows.
    Close(ConnectionId),
}

/// The broker.
pub struct Broker {
    pub(crate) limits: Limits,
    pub(crate) retained: BTreeMap<String, Publish>,
    pub(crate) sessions: BTreeMap<String, Session>,
    connections: BTreeMap<ConnectionId, Connection>,
    outputs: VecDeque<Output>,
    next: u64,
    now: Duration,
    pub(crate) seen: Seen,
}

#[derive(Default)]
struct Connection {
    stream: BytesMut,
    level: Level,
    /// Once CONNECT was accepted.
    client: Option<String>,
    will: Option<LastWill>,
    keep_alive: u16,
    /// Publishes of QoS 1 and 2 of the client's that are not acknowledged.
    unacknowledged: u16,
    /// Its publishes in this second.
    rate: (u64, usize),
}

impl Broker {
    /// Without clients and messages.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            retained: BTreeMap::new(),
            sessions: BTreeMap::new(),
            connections: BTreeMap::new(),
            outputs: VecDeque::new(),
            next: 0,
            now: Duration::ZERO,
            seen: Seen::default(),
        }
    }

    /// What it does not allow.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What clients did.
    #[must_use]
    pub const fn seen(&self) -> &Seen {
        &self.seen
    }

    /// What time it is, since some beginning: rates are counted by it.
    pub const fn passes(&mut self, now: Duration) {
        self.now = now;
    }

    /// What to do next; until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// A connection was accepted.
    pub fn opened(&mut self) -> ConnectionId {
        let id = ConnectionId(self.next);
        self.next = self.next.saturating_add(1);
        self.seen.connections = self.seen.connections.saturating_add(1);
        self.connections.insert(id, Connection::default());
        if self.limits.closes == Some(Closes::Tcp) {
            self.end(id, "at once");
        }
        id
    }

    /// How long a client may be silent before [`Broker::silent`].
    #[must_use]
    pub fn patience(&self, id: ConnectionId) -> Option<Duration> {
        let seconds = self.connections.get(&id)?.keep_alive;
        // One and a half times the keep-alive.
        let patience = Duration::from_millis(u64::from(seconds).saturating_mul(1500));
        (seconds > 0).then_some(patience)
    }

    /// A client was silent for too long.
    pub fn silent(&mut self, id: ConnectionId) {
        self.end(id, "silent for longer than the keep-alive");
    }

    /// Bytes came.
    pub fn received(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.stream.extend_from_slice(bytes);
        while let Some(connection) = self.connections.get_mut(&id) {
            if connection.client.is_none() {
                match wire::level(&connection.stream) {
                    None => return,
                    Some(Some(Level::Five)) if self.limits.old.is_none() => {}
                    Some(Some(Level::Four)) => connection.level = Level::Four,
                    Some(level) => return self.meet_stranger(id, level.is_some()),
                }
            }
            let level = connection.level;
            match wire::read_as(&mut connection.stream, self.limits.packet_real, level) {
                None => return,
                Some(Frame::Packet(packet, size)) => {
                    self.seen.packet = self.seen.packet.max(size);
                    self.handle(id, *packet);
                }
                Some(Frame::TooLarge) => return self.end(id, "a packet beyond the limit"),
                Some(Frame::Malformed) => return self.end(id, "malformed"),
            }
        }
    }

    /// A CONNECT of a version that this broker does not speak; `is_new`: of MQTT 5.
    fn meet_stranger(&mut self, id: ConnectionId, is_new: bool) {
        match self.limits.old.filter(|_| is_new) {
            Some(OldBroker::Silent) => {}
            Some(OldBroker::Refuse) => {
                self.outputs
                    .push_back(Output::Send(id, wire::old_refusal()));
                self.end(id, "another version of MQTT");
            }
            Some(OldBroker::Close) | None => self.end(id, "another version of MQTT"),
        }
    }

    /// The connection is gone.
    pub fn closed(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else {
            return;
        };
        let Some(client) = connection.client else {
            return;
        };
        if let Some(session) = self.sessions.get(&client)
            && !session.survives
        {
            self.sessions.remove(&client);
        }
        if let Some(will) = connection.will {
            let topic = String::from_utf8_lossy(&will.topic).into_owned();
            let message = Publish {
                retain: will.retain,
                ..Publish::new(topic, will.qos, will.message, None)
            };
            self.route(&message, None);
        }
    }

    /// Ends a connection.
    pub(crate) fn end(&mut self, id: ConnectionId, why: &'static str) {
        if self.connections.contains_key(&id) {
            self.seen.ended.push(why);
            self.outputs.push_back(Output::Close(id));
            self.closed(id);
        }
    }

    pub(crate) fn send(&mut self, id: ConnectionId, packet: &Packet) {
        let level = self.connections.get(&id).map(|c| c.level);
        let bytes = wire::write_as(packet, level.unwrap_or_default());
        self.seen.packet = self.seen.packet.max(bytes.len());
        self.outputs.push_back(Output::Send(id, bytes));
    }

    /// Sends what a client has room for.
    pub(crate) fn flush(&mut self, client: &str) {
        let mut all = self.connections.iter();
        let is_there = |(_, c): &(_, &Connection)| c.client.as_deref() == Some(client);
        let Some(id) = all.find(is_there).map(|(id, _)| *id) else {
            return;
        };
        while let Some(message) = self.sessions.get_mut(client).and_then(Session::next) {
            self.send(id, &Packet::Publish(message));
        }
    }

    fn handle(&mut self, id: ConnectionId, packet: Packet) {
        let client = self.connections.get(&id).and_then(|c| c.client.clone());
        let Some(client) = client else {
            return match packet {
                Packet::Connect(connect, will, _) => self.connect(id, connect, will),
                _ => self.end(id, "CONNECT has to come first"),
            };
        };
        match packet {
            Packet::Publish(message) => self.publish_of(id, &client, message),
            Packet::Subscribe(packet) => self.subscribe(id, &client, packet),
            Packet::Unsubscribe(packet) => self.unsubscribe(id, &client, packet),
            Packet::PubAck(ack) => self.with(&client, |session| session.settled(ack.pkid)),
            Packet::PubRec(ack) => {
                self.with(&client, |session| session.released(ack.pkid));
                self.send(id, &Packet::PubRel(PubRel::new(ack.pkid, None)));
            }
            Packet::PubComp(ack) => self.with(&client, |session| session.settled(ack.pkid)),
            Packet::PubRel(ack) => {
                self.with(&client, |session| {
                    session.received.remove(&ack.pkid);
                });
                self.acknowledged(id);
                self.send(id, &Packet::PubComp(PubComp::new(ack.pkid, None)));
            }
            Packet::PingReq(_) => self.send(id, &Packet::PingResp(PingResp)),
            Packet::Disconnect(_) => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.will = None;
                }
                self.outputs.push_back(Output::Close(id));
                self.closed(id);
            }
            _ => self.end(id, "no packet of a client's"),
        }
    }

    fn with(&mut self, client: &str, change: impl FnOnce(&mut Session)) {
        self.sessions.get_mut(client).map(change);
        self.flush(client);
    }

    fn connect(&mut self, id: ConnectionId, connect: Connect, will: Option<LastWill>) {
        if self.limits.closes == Some(Closes::Connect) {
            return self.end(id, "after CONNECT");
        }
        let assigned = self.limits.assigned_id || connect.client_id.is_empty();
        let client = match assigned {
            // The same for a client that comes again with the same wish.
            true => format!("assigned-{}", connect.client_id),
            false => connect.client_id.clone(),
        };
        let mut all = self.connections.iter();
        let other = all.find(|(_, c)| c.client.as_deref() == Some(client.as_str()));
        if let Some(other) = other.map(|(id, _)| *id) {
            self.end(other, "taken over");
        }
        if connect.clean_start {
            self.sessions.remove(&client);
        }
        let present = self.sessions.contains_key(&client);
        let properties = connect.properties.as_ref();
        let session = self.sessions.entry(client.clone()).or_default();
        session.survives = properties.is_some_and(|p| p.session_expiry_interval > Some(0));
        session.receive_maximum = properties
            .and_then(|p| p.receive_maximum)
            .unwrap_or(u16::MAX)
            .min(self.limits.deliveries.unwrap_or(u16::MAX));
        let again = session.resumed();
        let keep_alive = self.limits.server_keep_alive.unwrap_or(connect.keep_alive);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.client = Some(client.clone());
            connection.will = will;
            connection.keep_alive = keep_alive;
        }
        self.seen.accepted = self.seen.accepted.saturating_add(1);
        let answer = ConnAck {
            session_present: present,
            code: ConnectReturnCode::Success,
            properties: Some(self.announcement(assigned.then_some(client.clone()))),
        };
        self.send(id, &Packet::ConnAck(answer));
        if self.limits.closes == Some(Closes::Connack) {
            return self.end(id, "after CONNACK");
        }
        for packet in again {
            self.send(id, &packet);
        }
        self.flush(&client);
    }

    /// What CONNACK tells. The identifier and the keep-alive it has to tell.
    fn announcement(&self, assigned: Option<String>) -> ConnAckProperties {
        let limits = &self.limits;
        let unavailable = |available: bool| (!available && limits.announced).then_some(0);
        ConnAckProperties {
            session_expiry_interval: None,
            receive_max: limits.receive_maximum.filter(|_| limits.announced),
            max_qos: (limits.maximum_qos < 2 && limits.announced).then_some(limits.maximum_qos),
            retain_available: unavailable(limits.retain),
            max_packet_size: limits.packet_announced,
            assigned_client_identifier: assigned,
            topic_alias_max: None,
            reason_string: None,
            user_properties: Vec::new(),
            wildcard_subscription_available: unavailable(limits.wildcards),
            subscription_identifiers_available: None,
            shared_subscription_available: unavailable(limits.shared),
            server_keep_alive: limits.server_keep_alive,
            response_information: None,
            server_reference: None,
            authentication_method: None,
            authentication_data: None,
        }
    }

    /// Whether a publish is beyond what a connection may do in a second.
    fn is_too_fast(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else {
            return false;
        };
        let (second, count) = connection.rate;
        let now = self.now.as_secs();
        let count = if second == now { count } else { 0 }.saturating_add(1);
        connection.rate = (now, count);
        self.seen.publishes_per_second = self.seen.publishes_per_second.max(count);
        let is_beyond = self
            .limits
            .publishes_per_second
            .is_some_and(|most| count > most);
        self.seen.throttled = self.seen.throttled.saturating_add(usize::from(is_beyond));
        is_beyond
    }

    fn publish_of(&mut self, id: ConnectionId, client: &str, message: Publish) {
        if self.is_too_fast(id) {
            return;
        }
        if message.retain && !self.limits.retain {
            return self.end(id, "retained messages are not supported");
        }
        if message.qos as u8 > self.limits.maximum_qos {
            return self.end(id, "this quality of service is not supported");
        }
        let topic = String::from_utf8_lossy(&message.topic).into_owned();
        self.seen.slashes = self.seen.slashes.max(topic.matches('/').count());
        let beyond = self.limits.beyond_topic(&topic);
        if beyond == Some(Beyond::Close) {
            return self.end(id, "a topic beyond a limit");
        }
        let packet = message.pkid;
        if message.qos != QoS::AtMostOnce {
            let Some(connection) = self.connections.get_mut(&id) else {
                return;
            };
            connection.unacknowledged = connection.unacknowledged.saturating_add(1);
            let most = self.limits.receive_maximum.unwrap_or(u16::MAX);
            if connection.unacknowledged > most {
                return self.end(id, "more than the receive maximum");
            }
        }
        let scripted = self.limits.puback.clone();
        let scripted = scripted.filter(|(start, _)| topic.starts_with(start.as_str()));
        let code = scripted.map(|(_, code)| code);
        match message.qos {
            QoS::AtMostOnce if beyond.is_none() => self.route(&message, Some(client)),
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => {
                self.acknowledged(id);
                if beyond.is_some() {
                    let mut ack = PubAck::new(packet, None);
                    ack.reason = PubAckReason::TopicNameInvalid;
                    return self.send(id, &Packet::PubAck(ack));
                }
                match self.connections.get(&id).map(|c| c.level) {
                    // It has no codes.
                    Some(Level::Four) => self.send(id, &Packet::PubAck(PubAck::new(packet, None))),
                    _ => {
                        let bytes = wire::puback(packet, code.unwrap_or(0));
                        self.outputs.push_back(Output::Send(id, bytes));
                    }
                }
                if code.is_none_or(|code| code < 0x80) {
                    self.route(&message, Some(client));
                }
            }
            QoS::ExactlyOnce => {
                let session = self.sessions.get_mut(client);
                let new = session.is_some_and(|session| session.received.insert(packet));
                self.send(id, &Packet::PubRec(PubRec::new(packet, None)));
                if new && beyond.is_none() {
                    self.route(&message, Some(client));
                }
            }
        }
    }

    /// A publish of the client's was answered for.
    fn acknowledged(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.unacknowledged = connection.unacknowledged.saturating_sub(1);
        }
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker")
            .field("limits", &self.limits)
            .field("connections", &self.connections.len())
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}
