use alloc::boxed::Box;
use alloc::string::String;
use core::error::Error;
use core::fmt;

use sealmq_core::topic::TopicError;
use sealmq_keys::member::{MemberError, SealError};

/// What a store reported.
pub type StoreFailure = Box<dyn Error + Send + Sync>;

/// A client could not be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The store holds no usable member.
    Member(MemberError),
    /// A filter of `allow_plaintext` is no valid topic filter.
    PlaintextFilter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        error: TopicError,
    },
    /// The MQTT options hold a Last Will, which would be sent in clear.
    WillInClear,
    /// The Last Will's topic is no valid topic name.
    WillTopic(TopicError),
    /// The certificates or the key for TLS cannot be used.
    Tls(String),
    /// The system gives no thread.
    Runtime(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(error) => error.fmt(f),
            Self::PlaintextFilter { filter, error } => {
                write!(f, "`{filter}` cannot be allowed in clear: {error}")
            }
            Self::WillInClear => f.write_str(
                "a Last Will in the MQTT options would be sent in clear: give it to SealOptions::last_will instead",
            ),
            Self::Tls(error) => write!(f, "cannot set up TLS: {error}"),
            Self::Runtime(error) => write!(f, "no thread for the connection: {error}"),
            Self::WillTopic(error) => write!(f, "the Last Will cannot be sent: {error}"),
        }
    }
}

impl Error for OpenError {}

impl From<MemberError> for OpenError {
    fn from(error: MemberError) -> Self {
        Self::Member(error)
    }
}

/// A call of a client failed; nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientError {
    /// The message was not sealed, and nothing is sent in clear instead.
    Seal(SealError),
    /// The topic or filter is not valid.
    Topic(TopicError),
    /// The topic map has no place at this broker for the topic or filter: its name means another one.
    NotMapped,
    /// The filter belongs to key management, which subscribes it by itself.
    Reserved,
    /// The sealed message is larger than the broker accepts.
    TooLarge {
        /// Bytes of the packet.
        size: usize,
        /// Most bytes of a packet, as the broker announced it.
        most: usize,
    },
    /// The broker does not support this quality of service.
    QosNotSupported {
        /// The highest that it supports.
        most: u8,
    },
    /// The broker keeps no retained messages.
    RetainNotSupported,
    /// `try_publish`: as many messages as `capacity` allows are not acknowledged yet.
    Full,
    /// The event loop has ended.
    Closed,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seal(error) => error.fmt(f),
            Self::Topic(error) => error.fmt(f),
            Self::Reserved => f.write_str(
                "the filter belongs to key management, which is subscribed anyway: leave it out",
            ),
            Self::NotMapped => f.write_str(
                "the topic map leaves no name at this broker for this topic: there its name means another one",
            ),
            Self::TooLarge { size, most } => write!(
                f,
                "the sealed packet has {size} bytes, the broker accepts {most}: send less, or raise the broker's limit"
            ),
            Self::QosNotSupported { most } => {
                write!(f, "the broker supports quality of service up to {most}: use that")
            }
            Self::RetainNotSupported => f.write_str(
                "the broker keeps no retained messages: publish without the flag, and use another broker for keys, which are such messages",
            ),
            Self::Full => f.write_str(
                "too many messages are not acknowledged yet: wait with publish, or raise the capacity",
            ),
            Self::Closed => f.write_str("the event loop has ended: make a new client"),
        }
    }
}

impl Error for ClientError {}

impl From<SealError> for ClientError {
    fn from(error: SealError) -> Self {
        Self::Seal(error)
    }
}
