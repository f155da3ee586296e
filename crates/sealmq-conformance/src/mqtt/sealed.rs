//! The shipped driver, of either version.

use sealmq_client::{BrokerLimit, Event, Properties};
use sealmq_rumqttc::client::AsyncClient;
use sealmq_rumqttc::eventloop::Event as Told;
use sealmq_rumqttc::{MemberEvent, SealOptions, Version};
use sealmq_store::FileStore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::{Extra, Greeting, Happening, Message, Question};
use crate::failed::Failed;

pub(super) fn start<V: Version>(
    mqtt: V::Options,
    store: FileStore,
    options: SealOptions,
    sender: UnboundedSender<Happening>,
) -> Result<(AsyncClient<V>, JoinHandle<()>), Failed> {
    let (client, mut events) =
        AsyncClient::<V>::with_options(mqtt, store, options).map_err(Failed::at("open"))?;
    let task = tokio::spawn(async move {
        loop {
            let happening = match events.poll().await {
                Ok(event) => from_sealed::<V>(event),
                Err(error) if error.is_temporary() => Some(Happening::Trouble(error.to_string())),
                Err(error) => Some(Happening::Ended(error.to_string())),
            };
            let over = matches!(happening, Some(Happening::Ended(_)));
            if happening.is_some_and(|happening| sender.send(happening).is_err()) || over {
                return;
            }
        }
    });
    Ok((client, task))
}

pub(super) async fn publish<V: Version>(
    client: &AsyncClient<V>,
    topic: &str,
    qos: V::Qos,
    payload: Vec<u8>,
    extra: Extra,
) -> Result<(), Failed> {
    let (answer_to, number) = match extra.question {
        Some(Question { answer_to, number }) => (Some(answer_to), Some(number)),
        None => (None, None),
    };
    let properties = Properties {
        expiry: extra.expiry,
        response_topic: answer_to,
        correlation_data: number,
        ..Properties::default()
    };
    client
        .publish_sealed(topic, qos, extra.retain, payload, properties)
        .await
        .map_err(Failed::at("publish"))
}

fn from_sealed<V: Version>(event: Told<V>) -> Option<Happening> {
    let trouble = |text: String| Some(Happening::Trouble(text));
    match event {
        Event::Connected { session_present } => Some(Happening::Connected(Greeting {
            present: session_present,
            keep_alive: None,
        })),
        Event::Message(message) => Some(Happening::Message(Message {
            topic: message.topic,
            payload: message.payload.to_vec(),
            retained: message.retained,
            sender: message.sender_name.to_string(),
            question: message
                .properties
                .response_topic
                .zip(message.properties.correlation_data)
                .map(|(answer_to, number)| Question { answer_to, number }),
        })),
        Event::Cleared { topic } => Some(Happening::Cleared(topic)),
        Event::BrokerLimit(BrokerLimit::TakenOver { .. }) => Some(Happening::TakenOver),
        Event::Subscribed { qos, .. } => Some(Happening::Subscribed(V::qos_from(qos) as u8)),
        Event::Key(MemberEvent::Epoch { epoch, .. }) => Some(Happening::Epoch(epoch)),
        Event::Key(MemberEvent::Removed { .. }) => Some(Happening::Removed),
        Event::Rejected { topic, reason } => trouble(format!("{topic} rejected: {reason}")),
        Event::SubscribeRefused { filter, reason } => trouble(format!(
            "the subscription to {filter} is refused: {reason:?}"
        )),
        Event::PublishRefused { topic, reason } => {
            trouble(format!("the message on {topic} is refused: {reason}"))
        }
        Event::NotPublished { topic, error } => trouble(format!("{topic}: {error}")),
        Event::NoWill { error } => trouble(format!("no will: {error}")),
        Event::BrokerLimit(limit) => trouble(limit.to_string()),
        Event::Disconnected => Some(Happening::Ended("disconnected".to_owned())),
        _ => None,
    }
}
