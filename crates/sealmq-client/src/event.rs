use alloc::string::String;
use core::convert::Infallible;

use bytes::Bytes;
use sealmq_core::open::Rejection;
use sealmq_keys::member::{MemberEvent, Properties};

use crate::error::ClientError;
use crate::limits::BrokerLimit;
use crate::message::Message;
use crate::wire::Qos;

/// What the application is told. `Q` is a quality of service, `R` the reason of a refused
/// subscription, `X` an event of the library: drivers put the library's own types there.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event<Q = Qos, R = u8, X = Infallible> {
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
    /// [`Options::plaintext`](crate::Options::plaintext) allows it and that no group covers.
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
        qos: Q,
    },
    /// The broker refused a subscription, of the application or of key management (then keys
    /// cannot be followed: look at the broker's access rules).
    SubscribeRefused {
        /// The filter.
        filter: String,
        /// The broker's reason.
        reason: R,
    },
    /// The broker confirmed the end of a subscription.
    Unsubscribed {
        /// The filter.
        filter: String,
    },
    /// A publish that had been accepted here was given up: the broker refused it, or ended the
    /// connection each time it was sent, three times, or its message expiry ran out first.
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
    /// Nobody took events for so long that some were thrown away: messages of QoS 0, and reports of
    /// things that were refused. Messages of QoS 1 and 2 are never among them.
    Overflow {
        /// How many.
        lost: u64,
    },
    /// Something about the broker keeps this client from working, in part or at all; said once.
    BrokerLimit(BrokerLimit),
    /// After a `disconnect`: the last event.
    Disconnected,
    /// One of the library's own, if the driver was told to pass them on.
    Mqtt(X),
}

impl Event {
    /// With the types of the driver's library: its quality of service, and its reason of a refused
    /// subscription, from the reason code.
    pub fn with<Q, R, X>(self, qos_to: fn(Qos) -> Q, reason_to: fn(u8) -> R) -> Event<Q, R, X> {
        match self {
            Self::Connected { session_present } => Event::Connected { session_present },
            Self::Message(message) => Event::Message(message),
            Self::Rejected { topic, reason } => Event::Rejected { topic, reason },
            Self::Unsealed {
                topic,
                payload,
                retained,
                properties,
            } => Event::Unsealed {
                topic,
                payload,
                retained,
                properties,
            },
            Self::Cleared { topic } => Event::Cleared { topic },
            Self::Key(event) => Event::Key(event),
            Self::Subscribed { filter, qos } => Event::Subscribed {
                filter,
                qos: qos_to(qos),
            },
            Self::SubscribeRefused { filter, reason } => Event::SubscribeRefused {
                filter,
                reason: reason_to(reason),
            },
            Self::Unsubscribed { filter } => Event::Unsubscribed { filter },
            Self::PublishRefused { topic, reason } => Event::PublishRefused { topic, reason },
            Self::NotPublished { topic, error } => Event::NotPublished { topic, error },
            Self::NoWill { error } => Event::NoWill { error },
            Self::Overflow { lost } => Event::Overflow { lost },
            Self::BrokerLimit(limit) => Event::BrokerLimit(limit),
            Self::Disconnected => Event::Disconnected,
            Self::Mqtt(never) => match never {},
        }
    }
}
