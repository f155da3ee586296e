//! rumqttc's MQTT 5, with sealmq and without.

use std::sync::Arc;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectReturnCode, Filter, LastWill, LastWillProperties, Packet, PubAckReason, PubRecReason,
    PublishProperties, RetainForwardRule, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use sealmq_rumqttc::SealOptions;
use sealmq_rumqttc::v5 as sealed;
use sealmq_store::FileStore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::open::Open;
use super::{Extra, Greeting, Happening, Link, MAX_PACKET, Message, Question, Retained, Session};
use crate::failed::Failed;

/// How long the broker keeps a session.
const SESSION_SECONDS: u32 = 600;

pub(super) const fn qos(level: u8) -> QoS {
    match level {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

pub(super) fn filter(path: &str, level: u8, retained: Retained) -> Filter {
    let mut filter = Filter::new(path, qos(level));
    filter.retain_forward_rule = match retained {
        Retained::Always => RetainForwardRule::OnEverySubscribe,
        Retained::IfNew => RetainForwardRule::OnNewSubscribe,
        Retained::Never => RetainForwardRule::Never,
    };
    filter
}

fn properties(extra: &Extra) -> PublishProperties {
    let question = extra.question.clone();
    PublishProperties {
        topic_alias: extra.alias,
        message_expiry_interval: extra.expiry,
        response_topic: question.as_ref().map(|question| question.answer_to.clone()),
        correlation_data: question.map(|question| question.number.into()),
        ..PublishProperties::default()
    }
}

/// As an application of rumqttc's does it.
pub(super) async fn publish(
    client: &sealed::AsyncClient,
    topic: &str,
    level: u8,
    payload: Vec<u8>,
    extra: Extra,
) -> Result<(), Failed> {
    client
        .publish_with_properties(topic, qos(level), extra.retain, payload, properties(&extra))
        .await
        .map_err(Failed::at("publish"))
}

fn options(link: &Link, session: &Session) -> MqttOptions {
    let mut options = MqttOptions::new(
        session.id(),
        link.address(session.port),
        session.port.unwrap_or(link.port),
    );
    options
        .set_keep_alive(session.keep_alive())
        .set_max_packet_size(u32::try_from(MAX_PACKET).ok())
        .set_transport(link.transport())
        .set_receive_maximum(session.receive_maximum)
        .set_topic_alias_max(session.aliases);
    let mut network = rumqttc::NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    if let Some((user, password)) = &link.login {
        options.set_credentials(user, password);
    }
    if session.kept {
        options
            .set_clean_start(false)
            .set_session_expiry_interval(Some(SESSION_SECONDS));
    }
    options
}

fn will(session: &Session) -> Option<LastWill> {
    let will = session.will.as_ref()?;
    Some(LastWill::new(
        &will.topic,
        will.payload,
        QoS::AtLeastOnce,
        false,
        will.delay.map(|seconds| LastWillProperties {
            delay_interval: Some(seconds),
            payload_format_indicator: None,
            message_expiry_interval: None,
            content_type: None,
            response_topic: None,
            correlation_data: None,
            user_properties: Vec::new(),
        }),
    ))
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
    let (client, events) = AsyncClient::new(options, 100);
    let open = Arc::new(Open::default());
    let task = tokio::spawn(follow(events, Arc::clone(&open), sender));
    (Plain { client, open }, task)
}

async fn follow(mut events: EventLoop, open: Arc<Open>, sender: UnboundedSender<Happening>) {
    loop {
        let happening = match events.poll().await {
            Ok(Event::Incoming(packet)) => from_plain(packet, &open),
            Ok(Event::Outgoing(_)) => None,
            Err(ConnectionError::ConnectionRefused(
                ConnectReturnCode::RefusedProtocolVersion
                | ConnectReturnCode::UnsupportedProtocolVersion,
            )) => Some(Happening::OtherVersion),
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
    let refused = |what: &str, reason: String| {
        Some(Happening::Trouble(format!("{what} is refused: {reason}")))
    };
    match packet {
        Packet::ConnAck(ack) => Some(Happening::Connected(Greeting {
            present: ack.session_present,
            keep_alive: ack.properties.and_then(|said| said.server_keep_alive),
        })),
        Packet::Publish(message) if message.payload.is_empty() => Some(Happening::Cleared(
            String::from_utf8_lossy(&message.topic).into_owned(),
        )),
        Packet::Publish(message) => Some(Happening::Message(Message {
            topic: String::from_utf8_lossy(&message.topic).into_owned(),
            payload: message.payload.to_vec(),
            retained: message.retain,
            sender: String::new(),
            question: message.properties.and_then(|given| {
                let question = given.response_topic.zip(given.correlation_data);
                question.map(|(answer_to, number)| Question {
                    answer_to,
                    number: number.to_vec(),
                })
            }),
        })),
        Packet::SubAck(ack) => match ack.return_codes.first()? {
            SubscribeReasonCode::Success(qos) => Some(Happening::Subscribed(*qos as u8)),
            code => refused("the subscription", format!("{code:?}")),
        },
        Packet::PubAck(ack) => {
            use PubAckReason::{NoMatchingSubscribers, Success};
            open.one_less();
            match ack.reason {
                Success | NoMatchingSubscribers => None,
                code => refused("a message", format!("{code:?}")),
            }
        }
        Packet::PubRec(ack) => match ack.reason {
            PubRecReason::Success | PubRecReason::NoMatchingSubscribers => None,
            code => refused("a message", format!("{code:?}")),
        },
        Packet::PubComp(_) => {
            open.one_less();
            None
        }
        Packet::Disconnect(goodbye) => Some(Happening::Trouble(format!(
            "the broker ends the connection: {:?}",
            goodbye.reason_code
        ))),
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
            .publish_with_properties(topic, qos(level), extra.retain, payload, properties(&extra))
            .await
            .map_err(Failed::at("publish"))
    }

    pub(super) async fn subscribe(
        &self,
        path: &str,
        level: u8,
        retained: Retained,
    ) -> Result<(), Failed> {
        let sent = self
            .client
            .subscribe_many([filter(path, level, retained)])
            .await;
        sent.map_err(Failed::at("subscribe"))
    }

    pub(super) async fn flush(&self) {
        self.open.none().await;
    }

    pub(super) async fn disconnect(&self) {
        let _over = self.client.disconnect().await;
    }
}
