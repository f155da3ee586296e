//! A client, sealed or plain, of any version of MQTT: what the checks need of it, so that a check is
//! written once. What differs between versions of MQTT stands in `v4` and `v5`, with the same items.

mod link;
mod open;
mod sealed;
mod v4;
mod v5;

use std::str::FromStr;

use clap::builder::PossibleValue;
pub(crate) use link::Link;
use sealmq_rumqttc::SealOptions;
use sealmq_store::FileStore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::failed::Failed;

/// Larger than the large payload of any check.
const MAX_PACKET: usize = 64 << 20;

/// Of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V4,
    V5,
}

impl Version {
    /// As `sealmq` and mosquitto_sub call it.
    pub(crate) const fn option(self) -> &'static str {
        match self {
            Self::V4 => "mqttv311",
            Self::V5 => "mqttv5",
        }
    }

    /// For tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::V4 => "3.1.1",
            Self::V5 => "5",
        }
    }

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::V4 => Self::V5,
            Self::V5 => Self::V4,
        }
    }
}

impl clap::ValueEnum for Version {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::V5, Self::V4]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).alias(self.option()))
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        clap::ValueEnum::from_str(text, false)
    }
}

/// What a client is told.
#[derive(Debug)]
pub(crate) enum Happening {
    /// CONNACK.
    Connected(Greeting),
    Message(Message),
    /// The quality of service that was granted.
    Subscribed(u8),
    /// The newest epoch of the group.
    Epoch(u64),
    /// This member was removed.
    Removed,
    /// The retained value of this topic was cleared.
    Cleared(String),
    /// Another client has the same client id.
    TakenOver,
    /// Something that a user would be told of, and that is no end.
    Trouble(String),
    /// The broker says that it does not speak this version; no more will come.
    OtherVersion,
    /// No more will come.
    Ended(String),
}

/// What CONNACK says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Greeting {
    /// The broker still had the session.
    pub(crate) present: bool,
    /// Seconds, if it has a keep-alive of its own; sealed clients obey it and do not tell.
    pub(crate) keep_alive: Option<u16>,
}

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    /// Delivered as the retained value.
    pub(crate) retained: bool,
    /// Who sent it; of a plain client's nobody knows.
    pub(crate) sender: String,
    pub(crate) question: Option<Question>,
}

/// Of request and response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// The response topic.
    pub(crate) answer_to: String,
    /// Correlation data.
    pub(crate) number: Vec<u8>,
}

/// What goes with a message.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extra {
    pub(crate) retain: bool,
    /// Seconds until it has expired.
    pub(crate) expiry: Option<u32>,
    pub(crate) question: Option<Question>,
    /// Of the topic; MQTT 5 only.
    pub(crate) alias: Option<u16>,
}

/// When a subscription brings the retained value (MQTT 5, 3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retained {
    Always,
    IfNew,
    Never,
}

/// A Last Will.
#[derive(Debug, Clone)]
pub(crate) struct Will {
    pub(crate) topic: String,
    pub(crate) payload: &'static str,
    /// Seconds; MQTT 5 only.
    pub(crate) delay: Option<u32>,
}

/// How a client connects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session {
    /// The member's name if not given; empty: the broker chooses.
    pub(crate) id: Option<String>,
    /// The broker keeps the session while the client is away.
    pub(crate) kept: bool,
    pub(crate) will: Option<Will>,
    /// Seconds; 30 if not given.
    pub(crate) keep_alive: Option<u16>,
    /// MQTT 5 only, like the next one.
    pub(crate) receive_maximum: Option<u16>,
    /// Topic aliases that the broker may use.
    pub(crate) aliases: Option<u16>,
    /// Of a relay on this machine, instead of the broker's.
    pub(crate) port: Option<u16>,
}

impl Session {
    pub(crate) fn kept() -> Self {
        Self {
            kept: true,
            ..Self::default()
        }
    }

    fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    fn keep_alive(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.keep_alive.unwrap_or(30).into())
    }
}

/// The library's half that publishes.
enum Publisher {
    V4Sealed(sealmq_rumqttc::v4::AsyncClient),
    V5Sealed(sealmq_rumqttc::v5::AsyncClient),
    V4Plain(v4::Plain),
    V5Plain(v5::Plain),
}

/// A client that is connecting, or connected.
pub(crate) struct Client {
    publisher: Publisher,
    pub(crate) happenings: UnboundedReceiver<Happening>,
    /// Polls the library.
    task: JoinHandle<()>,
}

impl Client {
    pub(crate) fn sealed(
        link: &Link,
        session: &Session,
        store: FileStore,
        options: SealOptions,
    ) -> Result<Self, Failed> {
        Self::start(|sender| match link.version {
            Version::V4 => {
                let (client, task) = v4::sealed(link, session, store, options, sender)?;
                Ok((Publisher::V4Sealed(client), task))
            }
            Version::V5 => {
                let (client, task) = v5::sealed(link, session, store, options, sender)?;
                Ok((Publisher::V5Sealed(client), task))
            }
        })
    }

    pub(crate) fn plain(link: &Link, session: &Session) -> Result<Self, Failed> {
        Self::start(|sender| match link.version {
            Version::V4 => {
                let (client, task) = v4::plain(link, session, sender);
                Ok((Publisher::V4Plain(client), task))
            }
            Version::V5 => {
                let (client, task) = v5::plain(link, session, sender);
                Ok((Publisher::V5Plain(client), task))
            }
        })
    }

    fn start(
        open: impl FnOnce(UnboundedSender<Happening>) -> Result<(Publisher, JoinHandle<()>), Failed>,
    ) -> Result<Self, Failed> {
        let (sender, happenings) = unbounded_channel();
        let (publisher, task) = open(sender)?;
        Ok(Self {
            publisher,
            happenings,
            task,
        })
    }

    pub(crate) async fn publish(
        &self,
        topic: &str,
        qos: u8,
        payload: Vec<u8>,
        extra: Extra,
    ) -> Result<(), Failed> {
        match &self.publisher {
            Publisher::V4Sealed(client) => {
                sealed::publish(client, topic, v4::qos(qos), payload, extra).await
            }
            Publisher::V5Sealed(client) => v5::publish(client, topic, qos, payload, extra).await,
            Publisher::V4Plain(client) => client.publish(topic, qos, payload, extra).await,
            Publisher::V5Plain(client) => client.publish(topic, qos, payload, extra).await,
        }
    }

    pub(crate) async fn subscribe(
        &self,
        filter: &str,
        qos: u8,
        retained: Retained,
    ) -> Result<(), Failed> {
        match &self.publisher {
            Publisher::V4Sealed(client) => client
                .subscribe(filter, v4::qos(qos))
                .await
                .map_err(Failed::at("subscribe")),
            Publisher::V5Sealed(client) => client
                .subscribe_many([v5::filter(filter, qos, retained)])
                .await
                .map_err(Failed::at("subscribe")),
            Publisher::V4Plain(client) => client.subscribe(filter, qos).await,
            Publisher::V5Plain(client) => client.subscribe(filter, qos, retained).await,
        }
    }

    /// Until everything that was published was acknowledged.
    pub(crate) async fn flush(&self) -> Result<(), Failed> {
        match &self.publisher {
            Publisher::V4Sealed(client) => client.flush().await.map_err(Failed::at("flush")),
            Publisher::V5Sealed(client) => client.flush().await.map_err(Failed::at("flush")),
            Publisher::V4Plain(client) => {
                client.flush().await;
                Ok(())
            }
            Publisher::V5Plain(client) => {
                client.flush().await;
                Ok(())
            }
        }
    }

    /// With a goodbye.
    pub(crate) async fn leave(mut self) {
        match &self.publisher {
            Publisher::V4Sealed(client) => drop(client.disconnect().await),
            Publisher::V5Sealed(client) => drop(client.disconnect().await),
            Publisher::V4Plain(client) => client.disconnect().await,
            Publisher::V5Plain(client) => client.disconnect().await,
        }
        // It ends when the broker has closed the connection.
        let wait = std::time::Duration::from_secs(2);
        let _ended = tokio::time::timeout(wait, &mut self.task).await;
    }
}

/// Without a goodbye, as when a process dies.
impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}
