use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::error::ClientError;
use crate::wire::Qos;

/// What a broker allows, as its CONNACK says. MQTT 3.1.1 says nothing: the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Publishes of QoS 1 and 2 that may be on their way; also what the driver's library is able
    /// to have on its way, if that is less. At least 1.
    pub receive_maximum: u16,
    /// Most bytes of a packet.
    pub maximum_packet_size: Option<usize>,
    /// The highest quality of service.
    pub maximum_qos: Qos,
    /// Whether it keeps retained messages. Without them it cannot carry keys.
    pub retain_available: bool,
    /// Whether it takes filters with wildcards. Without them it cannot carry keys.
    pub wildcards_available: bool,
    /// Whether it takes shared subscriptions.
    pub shared_available: bool,
    /// Topic aliases that it takes.
    pub topic_alias_maximum: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            receive_maximum: u16::MAX,
            maximum_packet_size: None,
            maximum_qos: Qos::ExactlyOnce,
            retain_available: true,
            wildcards_available: true,
            shared_available: true,
            topic_alias_maximum: 0,
        }
    }
}

impl Limits {
    /// What this broker would refuse: it, or the library, would end the connection, again and
    /// again.
    pub(crate) fn check(&self, size: usize, qos: Qos, retain: bool) -> Result<(), ClientError> {
        if let Some(most) = self.maximum_packet_size.filter(|most| size > *most) {
            return Err(ClientError::TooLarge { size, most });
        }
        if retain && !self.retain_available {
            return Err(ClientError::RetainNotSupported);
        }
        if qos > self.maximum_qos {
            let most = self.maximum_qos as u8;
            return Err(ClientError::QosNotSupported { most });
        }
        Ok(())
    }

    /// The reason code with which this broker would refuse a subscription.
    pub(crate) fn check_filter(&self, filter: &str) -> Result<(), u8> {
        let shared = filter.starts_with("$share/");
        if shared && !self.shared_available {
            return Err(SHARED_NOT_SUPPORTED);
        }
        if filter.contains(['+', '#']) && !self.wildcards_available {
            return Err(WILDCARDS_NOT_SUPPORTED);
        }
        Ok(())
    }

    /// What of this broker keeps key management from working.
    pub(crate) fn in_the_way(&self) -> impl Iterator<Item = BrokerLimit> {
        let retained = (!self.retain_available).then_some(BrokerLimit::NoRetained);
        let wildcards = (!self.wildcards_available).then_some(BrokerLimit::NoWildcards);
        retained.into_iter().chain(wildcards)
    }
}

const SHARED_NOT_SUPPORTED: u8 = 0x9e;
const WILDCARDS_NOT_SUPPORTED: u8 = 0xa2;

/// What about a broker keeps a client from working, whatever it tries: another broker, or another
/// use of it, is needed. Said once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BrokerLimit {
    /// It keeps no retained messages.
    NoRetained,
    /// It takes no filters with wildcards.
    NoWildcards,
    /// It ends the connection whenever one of these filters is subscribed, which is not done any
    /// more.
    Subscriptions {
        /// The filters.
        filters: Vec<String>,
        /// Subscriptions that it had granted before on the same connection.
        granted: usize,
    },
    /// It ends the connection whenever this filter is unsubscribed, which is not tried any more.
    Unsubscribe(String),
    /// What it kept for this client ended each connection, by an answer with this reason code,
    /// which cannot be read: the session was given up, with the messages in it.
    Session(u8),
    /// Another client connects with this client's id, and the broker ends one connection for the
    /// other. This one comes back after longer and longer pauses.
    TakenOver {
        /// The broker says so; otherwise, as with MQTT 3.1.1, it can only be supposed.
        said: bool,
    },
    /// It took a publish and did not answer for a minute, so this client connected again to repeat
    /// it: some lose without a word what comes faster than they allow.
    Unanswered,
    /// It met CONNECT as brokers do that do not know MQTT 5.
    NoMqtt5(NoConnack),
}

/// How a broker met CONNECT, instead of accepting or refusing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoConnack {
    /// It closed the connection.
    Closed,
    /// It did not answer.
    Silent,
    /// It said that it does not speak this version.
    Version,
}

impl fmt::Display for BrokerLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRetained => f.write_str(
                "the broker keeps no retained messages, and keys are such messages: new keys will not arrive; switch them on there, or use another broker",
            ),
            Self::NoWildcards => f.write_str(
                "the broker takes no filters with wildcards, and keys come by such filters: new keys will not arrive; switch them on there, or use another broker",
            ),
            Self::Subscriptions { filters, granted } => {
                f.write_str("the broker ends the connection whenever this is subscribed:")?;
                for filter in filters.iter().take(SHOWN) {
                    write!(f, " `{filter}`")?;
                }
                if let Some(more) = filters.len().checked_sub(SHOWN).filter(|more| *more > 0) {
                    write!(f, " and {more} more")?;
                }
                write!(
                    f,
                    " (it had granted {granted} subscriptions before): it may allow no more of them, or not such topics; they are left out: subscribe fewer, or shorter ones"
                )
            }
            Self::Unsubscribe(filter) => write!(
                f,
                "the broker ends the connection whenever `{filter}` is unsubscribed: that is not tried any more, and its messages may go on to come until the session ends"
            ),
            Self::Session(code) => write!(
                f,
                "the broker ended each connection by an answer with reason code {code}, which MQTT does not know: its session for this client was given up, with the messages that it had kept; update the broker, or begin with a clean session"
            ),
            Self::TakenOver { said } => {
                f.write_str(if *said {
                    "another client has connected with this client's id, so the broker ended this connection"
                } else {
                    "the broker accepts each connection and closes it soon after, without a word and without a reason that is known here: probably another client connects with this client's id"
                })?;
                f.write_str("; give each client an id of its own. This one comes back after pauses that grow, so that the two do not take turns all the time")
            }
            Self::Unanswered => f.write_str(
                "the broker has not answered a publish for a minute: this connection is ended, and what was not answered is sent again on the next; if the broker allows only so many publishes in a second, set that figure (`publishes_per_second`)",
            ),
            Self::NoMqtt5(how) => {
                f.write_str(match how {
                    NoConnack::Closed => "the broker closes the connection instead of answering CONNECT",
                    NoConnack::Silent => "nothing answers CONNECT",
                    NoConnack::Version => "the broker does not speak MQTT 5",
                })?;
                f.write_str(match how {
                    NoConnack::Version => "",
                    _ => ": it probably speaks MQTT 3.1.1 only, or expects TLS on this port, or does not let this client in",
                })?;
                f.write_str("; try MQTT 3.1.1 (the adapter's module `v4`), check the port, or use a broker or version that speaks MQTT 5 (Mosquitto from 1.6, EMQX, HiveMQ, RabbitMQ from 3.13, or `sealmq broker`)")
            }
        }
    }
}

/// Most filters that a text names.
const SHOWN: usize = 3;
