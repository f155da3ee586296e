//! What rumqttc's errors say.

use rumqttc::v5::mqttbytes::Error as Codec;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode as Code};
use rumqttc::v5::{ConnectionError, StateError};
use sealmq_client::{Ending, NoConnack};

use crate::trouble::{Trouble, broken, hangs_up};

pub(super) fn ending(error: &ConnectionError) -> Ending {
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
        StateError::ServerDisconnect {
            reason_code: Code::SessionTakenOver,
            ..
        } => Ending::TakenOver,
        StateError::ServerDisconnect { reason_code, .. } if is_complaint(*reason_code) => {
            Ending::Complaint(state.to_string())
        }
        // Keep-alive, goodbyes, and what rumqttc finds wrong by itself.
        _ => Ending::Unrelated,
    }
}

/// What an error says of a broker that has not accepted the connection.
pub(super) fn no_connack(error: &ConnectionError) -> Option<NoConnack> {
    use ConnectReturnCode::{RefusedProtocolVersion, UnsupportedProtocolVersion};
    match error {
        ConnectionError::ConnectionRefused(UnsupportedProtocolVersion | RefusedProtocolVersion) => {
            Some(NoConnack::Version)
        }
        ConnectionError::MqttState(_) | ConnectionError::NotConnAck(_) => Some(NoConnack::Closed),
        ConnectionError::Io(error) => hangs_up(error).then_some(NoConnack::Closed),
        ConnectionError::Timeout(_) => Some(NoConnack::Silent),
        _ => None,
    }
}

pub(super) fn trouble(error: &ConnectionError) -> Trouble {
    use ConnectReturnCode as Refused;
    match error {
        ConnectionError::MqttState(StateError::ConnectionAborted) => Trouble::Closed,
        ConnectionError::MqttState(
            StateError::Io(error) | StateError::Deserialization(Codec::Io(error)),
        ) => Trouble::broken(error),
        // It speaks MQTT well enough: rumqttc does not know the code.
        ConnectionError::MqttState(StateError::Deserialization(
            Codec::InvalidReason(code)
            | Codec::InvalidConnectReturnCode(code)
            | Codec::InvalidSubscribeReasonCode(code),
        )) => Trouble::Other(format!("the broker answered with reason code {code}")),
        ConnectionError::MqttState(StateError::Deserialization(error)) => {
            Trouble::Garbage(error.to_string())
        }
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code,
            reason_string,
        }) => {
            let text = reason_string.as_deref().unwrap_or_default();
            Trouble::Ended(format!("{reason_code:?} {text}").trim_end().to_owned())
        }
        ConnectionError::NotConnAck(packet) => Trouble::Garbage(format!("{packet:?}")),
        ConnectionError::Io(error) => Trouble::unreachable(error),
        ConnectionError::Timeout(_) => Trouble::Silent,
        ConnectionError::Tls(error) => Trouble::Tls(error.to_string()),
        #[cfg(feature = "websocket")]
        ConnectionError::Websocket(_)
        | ConnectionError::WsConnect(_)
        | ConnectionError::InvalidUrl(_)
        | ConnectionError::ResponseValidation(_) => Trouble::websocket(error),
        ConnectionError::ConnectionRefused(
            Refused::BadUserNamePassword | Refused::NotAuthorized,
        ) => Trouble::Login,
        ConnectionError::ConnectionRefused(
            Refused::UnsupportedProtocolVersion | Refused::RefusedProtocolVersion,
        ) => Trouble::Version,
        ConnectionError::ConnectionRefused(code) => Trouble::Refused(format!("{code:?}")),
        other => Trouble::Other(other.to_string()),
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
