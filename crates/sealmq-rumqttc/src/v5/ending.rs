//! What rumqttc's errors say about the reason why a connection ended.

use std::io;

use rumqttc::v5::mqttbytes::Error as Codec;
use rumqttc::v5::mqttbytes::v5::DisconnectReasonCode as Code;
use rumqttc::v5::{ConnectionError, StateError};
use sealmq_client::Ending;

pub(crate) fn ending(error: &ConnectionError) -> Ending {
    let ConnectionError::MqttState(state) = error else {
        return Ending::Unrelated; // there was none yet
    };
    match state {
        StateError::ConnectionAborted => Ending::Silent(state.to_string()),
        StateError::Io(error) | StateError::Deserialization(Codec::Io(error)) => broken(error),
        // A reason code that rumqttc does not know ends the connection, and nothing says which
        // packet had it: PUBACK, PUBREC, PUBCOMP, PUBREL or DISCONNECT.
        StateError::Deserialization(
            Codec::InvalidReason(code) | Codec::InvalidConnectReturnCode(code),
        ) => Ending::Acknowledgement(*code),
        // The codes of SUBACK and UNSUBACK.
        StateError::Deserialization(Codec::InvalidSubscribeReasonCode(code)) => {
            Ending::SubscribeAnswer(*code)
        }
        StateError::Deserialization(_) => Ending::Silent(state.to_string()),
        StateError::ServerDisconnect { reason_code, .. } if is_complaint(*reason_code) => {
            Ending::Complaint(state.to_string())
        }
        // Keep-alive, goodbyes, and what rumqttc finds wrong by itself.
        _ => Ending::Unrelated,
    }
}

fn broken(error: &io::Error) -> Ending {
    use io::ErrorKind::{HostUnreachable, NetworkDown, NetworkUnreachable, TimedOut};
    match error.kind() {
        HostUnreachable | NetworkDown | NetworkUnreachable | TimedOut => Ending::Unrelated,
        _ => Ending::Silent(error.to_string()),
    }
}

/// Whether a reason of DISCONNECT may be about a publish.
const fn is_complaint(code: Code) -> bool {
    matches!(
        code,
        Code::UnspecifiedError
            | Code::MalformedPacket
            | Code::ProtocolError
            | Code::ImplementationSpecificError
            | Code::NotAuthorized
            | Code::TopicNameInvalid
            | Code::TopicAliasInvalid
            | Code::PacketTooLarge
            | Code::QuotaExceeded
            | Code::PayloadFormatInvalid
            | Code::RetainNotSupported
            | Code::QoSNotSupported
    )
}
