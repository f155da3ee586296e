//! What became of a publish that was accepted.

use alloc::string::String;
use core::error::Error;
use core::fmt;

use crate::error::ClientError;

/// A publish is done: the broker has it, as far as its quality of service tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishResult {
    /// QoS 0: it was written to the connection. Whether it arrived, nobody says.
    Written,
    /// QoS 1: PUBACK; QoS 2: PUBCOMP. With what the broker said: of QoS 2 in PUBCOMP, or, if that
    /// was 0, in PUBREC.
    Acknowledged(ReasonCode),
}

/// An accepted publish is not sent any more. One that was on its way before may have arrived all the
/// same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GivenUp {
    /// The broker refused it.
    Refused(ReasonCode),
    /// It cannot be sent: its keys are gone (the member was removed, the keys expired, as those of a
    /// group that has ended), or the broker that is there now does not take it (size, quality of
    /// service, retain).
    NotPublished(ClientError),
    /// Its message expiry ran out before it could be sent: no reader would accept it.
    Expired,
    /// The connection ended each time it was on its way, three times.
    EndsConnections {
        /// Bytes of its packet.
        size: usize,
        /// How the last connection ended, in the library's words.
        last: String,
    },
    /// The caller took it back before it was accepted ([`abandon`](crate::Client::abandon)).
    Withdrawn,
}

/// What a broker of MQTT 5 says to a publish, in PUBACK, PUBREC or PUBCOMP. One of MQTT 3.1.1 says
/// nothing: 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReasonCode(pub u8);

impl ReasonCode {
    /// The broker has it.
    pub const SUCCESS: Self = Self(0x00);
    /// The broker has it, and nobody subscribes to its topic.
    pub const NO_MATCHING_SUBSCRIBERS: Self = Self(0x10);
    /// Something is wrong that the broker does not name.
    pub const UNSPECIFIED_ERROR: Self = Self(0x80);
    /// The broker's own rules forbid it.
    pub const IMPLEMENTATION_SPECIFIC_ERROR: Self = Self(0x83);
    /// The broker's access rules forbid it.
    pub const NOT_AUTHORIZED: Self = Self(0x87);
    /// The broker does not take this topic.
    pub const TOPIC_NAME_INVALID: Self = Self(0x90);
    /// The broker takes the packet identifier for one that is in use.
    pub const PACKET_IDENTIFIER_IN_USE: Self = Self(0x91);
    /// PUBCOMP: the broker did not know the packet identifier any more, as after a reconnect.
    pub const PACKET_IDENTIFIER_NOT_FOUND: Self = Self(0x92);
    /// A quota of the broker is used up.
    pub const QUOTA_EXCEEDED: Self = Self(0x97);
    /// The payload is not what its format indicator says.
    pub const PAYLOAD_FORMAT_INVALID: Self = Self(0x99);

    const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::SUCCESS => "Success",
            Self::NO_MATCHING_SUBSCRIBERS => "NoMatchingSubscribers",
            Self::UNSPECIFIED_ERROR => "UnspecifiedError",
            Self::IMPLEMENTATION_SPECIFIC_ERROR => "ImplementationSpecificError",
            Self::NOT_AUTHORIZED => "NotAuthorized",
            Self::TOPIC_NAME_INVALID => "TopicNameInvalid",
            Self::PACKET_IDENTIFIER_IN_USE => "PacketIdentifierInUse",
            Self::PACKET_IDENTIFIER_NOT_FOUND => "PacketIdentifierNotFound",
            Self::QUOTA_EXCEEDED => "QuotaExceeded",
            Self::PAYLOAD_FORMAT_INVALID => "PayloadFormatInvalid",
            _ => return None,
        })
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "reason code {:#04x}", self.0),
        }
    }
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(code) => write!(
                f,
                "the broker refused it: {code} (look at its access rules and limits)"
            ),
            Self::NotPublished(error) => error.fmt(f),
            Self::EndsConnections { size, last } => write!(
                f,
                "the connection ended each time it was on its way, a packet of {size} bytes (the last time: {last}): look at the broker's limits and access rules"
            ),
            Self::Expired => f.write_str(
                "its message expiry ran out before it could be sent: no reader would accept it",
            ),
            Self::Withdrawn => f.write_str("it was taken back before it was accepted"),
        }
    }
}

impl Error for GivenUp {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotPublished(error) => error.source(),
            _ => None,
        }
    }
}
