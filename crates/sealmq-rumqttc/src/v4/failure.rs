//! What rumqttc's errors say.

use rumqttc::mqttbytes::Error as Codec;
use rumqttc::{ConnectReturnCode as Code, ConnectionError, StateError};
use sealmq_client::Ending;

use crate::trouble::{Trouble, broken};

pub(super) fn ending(error: &ConnectionError) -> Ending {
    match error {
        // It does not take what is written.
        ConnectionError::FlushTimeout => Ending::Silent(error.to_string()),
        ConnectionError::MqttState(state) => match state {
            StateError::ConnectionAborted => Ending::Silent(state.to_string()),
            StateError::Io(error) | StateError::Deserialization(Codec::Io(error)) => broken(error),
            // MQTT 3.1.1 knows 0x80 only; brokers of MQTT 5 say more.
            StateError::Deserialization(Codec::InvalidSubscribeReasonCode(code)) => {
                Ending::SubscribeAnswer(*code)
            }
            StateError::Deserialization(_) => Ending::Silent(state.to_string()),
            // Keep-alive, and what rumqttc finds wrong by itself.
            _ => Ending::Unrelated,
        },
        _ => Ending::Unrelated, // there was none yet
    }
}

pub(super) fn trouble(error: &ConnectionError) -> Trouble {
    match error {
        ConnectionError::MqttState(StateError::ConnectionAborted) => Trouble::Closed,
        ConnectionError::MqttState(StateError::Io(error)) => Trouble::broken(error),
        ConnectionError::MqttState(StateError::Deserialization(Codec::Io(error))) => {
            Trouble::broken(error)
        }
        ConnectionError::MqttState(StateError::Deserialization(error)) => {
            Trouble::Garbage(error.to_string())
        }
        ConnectionError::NotConnAck(packet) => Trouble::Garbage(format!("{packet:?}")),
        ConnectionError::Io(error) => Trouble::unreachable(error),
        ConnectionError::NetworkTimeout => Trouble::Silent,
        ConnectionError::Tls(error) => Trouble::Tls(error.to_string()),
        #[cfg(feature = "websocket")]
        ConnectionError::Websocket(_)
        | ConnectionError::WsConnect(_)
        | ConnectionError::InvalidUrl(_)
        | ConnectionError::ResponseValidation(_) => Trouble::websocket(error),
        ConnectionError::ConnectionRefused(Code::BadUserNamePassword | Code::NotAuthorized) => {
            Trouble::Login
        }
        ConnectionError::ConnectionRefused(Code::RefusedProtocolVersion) => Trouble::Version,
        ConnectionError::ConnectionRefused(code) => Trouble::Refused(format!("{code:?}")),
        other => Trouble::Other(other.to_string()),
    }
}
