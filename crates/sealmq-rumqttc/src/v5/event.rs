use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::SubscribeReasonCode;
use sealmq_core::open::Rejection;
use sealmq_keys::member::{MemberEvent, Properties};

use crate::engine::Notice;
use crate::error::ClientError;
use crate::message::Message;

/// What [`EventLoop::poll`](super::EventLoop::poll) reports.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The broker accepted the connection. Subscriptions and what was not acknowledged follow by
    /// themselves.
    Connected {
        /// The broker still had this client's session.
        session_present: bool,
    },
    /// An authentic message.
    Message(Message),
    /// A message was not accepted, acknowledged, and thrown away; the connection goes on.
    /// [`Rejection::Replay`] also is what the second copy of a message gives (overlapping
    /// subscriptions, redelivery): nothing is lost then.
    Rejected {
        /// Its topic, as the broker gave it.
        topic: String,
        /// Why, and what helps.
        reason: Rejection,
    },
    /// A message that is not sealed, on a topic for which
    /// [`allow_plaintext`](crate::SealOptions::allow_plaintext) was set and that no group covers.
    /// **Nothing of it is authentic.**
    Unsealed {
        /// Its topic.
        topic: String,
        /// The payload as it came.
        payload: Bytes,
        /// Delivered as the topic's retained value.
        retained: bool,
        /// Its properties as they came.
        properties: Properties,
    },
    /// Somebody, perhaps the broker, cleared the retained message of this topic. **Not
    /// authenticated:** take it as a hint.
    Cleared {
        /// The topic.
        topic: String,
    },
    /// Key management: epochs, removals, forks, senders that became known.
    Key(MemberEvent),
    /// The broker confirmed a subscription of the application.
    Subscribed {
        /// The filter.
        filter: String,
        /// The quality of service that it granted.
        qos: QoS,
    },
    /// The broker refused a subscription, of the application or of key management (then keys
    /// cannot be followed: look at the broker's access rules).
    SubscribeRefused {
        /// The filter.
        filter: String,
        /// The broker's reason.
        reason: SubscribeReasonCode,
    },
    /// The broker confirmed the end of a subscription.
    Unsubscribed {
        /// The filter.
        filter: String,
    },
    /// The broker refused a publish that had been accepted here, and it was given up.
    PublishRefused {
        /// Its topic.
        topic: String,
        /// What the broker said, and what helps.
        reason: String,
    },
    /// A message could not be sealed: one given to `try_publish`, or one that had been accepted
    /// and whose keys expired before there was a connection.
    NotPublished {
        /// Its topic.
        topic: String,
        /// Why.
        error: ClientError,
    },
    /// The Last Will could not be sealed for this connection, which has none.
    NoWill {
        /// Why.
        error: ClientError,
    },
    /// After [`AsyncClient::disconnect`](super::AsyncClient::disconnect): the last event.
    Disconnected,
    /// One of rumqttc's own, if [`mqtt_events`](crate::SealOptions::mqtt_events) was set.
    Mqtt(Box<rumqttc::v5::Event>),
}

impl From<Notice> for Event {
    fn from(notice: Notice) -> Self {
        match notice {
            Notice::Message(message) => Self::Message(message),
            Notice::Rejected { topic, reason } => Self::Rejected { topic, reason },
            Notice::Unsealed {
                topic,
                payload,
                retained,
                properties,
            } => Self::Unsealed {
                topic,
                payload,
                retained,
                properties,
            },
            Notice::Cleared { topic } => Self::Cleared { topic },
            Notice::Key(event) => Self::Key(event),
        }
    }
}
