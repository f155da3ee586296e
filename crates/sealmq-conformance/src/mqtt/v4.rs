//! rumqttc's MQTT 3.1.1, with sealmq and without.

use std::sync::Arc;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions,
    Packet, QoS, SubscribeReasonCode,
};
use sealmq_rumqttc::SealOptions;
use sealmq_rumqttc::v4 as sealed;
use sealmq_store::FileStore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::open::Open;
use super::{Extra, Greeting, Happening, Link, MAX_PACKET, Message, Session};
use crate::failed::Failed;

pub(super) const fn qos(level: u8) -> QoS {
    match level {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

fn options(link: &Link, session: &Session) -> MqttOptions {
    let mut options = MqttOptions::new(
        session.id(),
        link.address(session.port),
        session.port.unwrap_or(link.port),
    );
    options
        .set_keep_alive(session.keep_alive())
        .set_max_packet_size(MAX_PACKET, MAX_PACKET)
        .set_transport(link.transport())
        .set_clean_session(!session.kept);
    if let Some((user, password)) = &link.login {
        options.set_credentials(user, password);
    }
    options
}

fn will(session: &Session) -> Option<LastWill> {
    let will = session.will.as_ref()?;
    let qos = QoS::AtLeastOnce;
    Some(LastWill::new(&will.topic, will.payload, qos, false))
}

pub(super) fn sealed(
    link: &Link,
    session: &Session,
    store: FileStore,
    mut options_of_seal: SealOptions,
    sender: UnboundedSender<Happening>,
) -> Result<(sealed::AsyncClient, JoinHandle<()>), Failed> {
    if let Some(will) = will(session) {
        options_of_seal = options_of_seal.last_will(will);
    }
    super::sealed::start(options(link, session), store, options_of_seal, sender)
}

/// rumqttc alone, which counts what the broker has acknowledged.
pub(super) struct Plain {
    client: AsyncClient,
    open: Arc<Open>,
}

pub(super) fn plain(
    link: &Link,
    session: &Session,
    sender: UnboundedSender<Happening>,
) -> (Plain, JoinHandle<()>) {
    let mut options = options(link, session);
    if let Some(will) = will(session) {
        options.set_last_will(will);
    }
    let (client, mut events) = AsyncClient::new(options, 100);
    let mut network = rumqttc::NetworkOptions::new();
    network.set_tcp_nodelay(true);
    events.set_network_options(network);
    let open = Arc::new(Open::default());
    let task = tokio::spawn(follow(events, Arc::clone(&open), sender));
    (Plain { client, open }, task)
}

async fn follow(mut events: EventLoop, open: Arc<Open>, sender: UnboundedSender<Happening>) {
    loop {
        let happening = match events.poll().await {
            Ok(Event::Incoming(packet)) => from_plain(packet, &open),
            Ok(Event::Outgoing(_)) => None,
            Err(ConnectionError::ConnectionRefused(ConnectReturnCode::RefusedProtocolVersion)) => {
                Some(Happening::OtherVersion)
            }
            Err(error) => Some(Happening::Ended(error.to_string())),
        };
        let over = matches!(
            happening,
            Some(Happening::Ended(_) | Happening::OtherVersion)
        );
        if happening.is_some_and(|happening| sender.send(happening).is_err()) || over {
            return;
        }
    }
}

fn from_plain(packet: Packet, open: &Open) -> Option<Happening> {
    match packet {
        Packet::ConnAck(ack) => Some(Happening::Connected(Greeting {
            present: ack.session_present,
            keep_alive: None,
        })),
        Packet::Publish(message) if message.payload.is_empty() => {
            Some(Happening::Cleared(message.topic))
        }
        Packet::Publish(message) => Some(Happening::Message(Message {
            topic: message.topic,
            payload: message.payload.to_vec(),
            retained: message.retain,
            sender: String::new(),
            question: None,
        })),
        Packet::SubAck(ack) => match ack.return_codes.first()? {
            SubscribeReasonCode::Success(qos) => Some(Happening::Subscribed(*qos as u8)),
            SubscribeReasonCode::Failure => {
                let text = "the subscription is refused".to_owned();
                Some(Happening::Trouble(text))
            }
        },
        Packet::PubAck(_) | Packet::PubComp(_) => {
            open.one_less();
            None
        }
        _ => None,
    }
}

impl Plain {
    pub(super) async fn publish(
        &self,
        topic: &str,
        level: u8,
        payload: Vec<u8>,
        extra: Extra,
    ) -> Result<(), Failed> {
        if level > 0 {
            self.open.one_more();
        }
        self.client
            .publish(topic, qos(level), extra.retain, payload)
            .await
            .map_err(Failed::at("publish"))
    }

    pub(super) async fn subscribe(&self, filter: &str, level: u8) -> Result<(), Failed> {
        let sent = self.client.subscribe(filter, qos(level)).await;
        sent.map_err(Failed::at("subscribe"))
    }

    pub(super) async fn flush(&self) {
        self.open.none().await;
    }

    pub(super) async fn disconnect(&self) {
        let _over = self.client.disconnect().await;
    }
}
