use std::io;

/// What went wrong with a connection, for people, whatever the version of MQTT.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// The broker closed the connection without a word.
    Closed,
    /// The connection could not be made.
    Unreachable {
        /// Why.
        error: String,
        /// The other side hung up.
        hung_up: bool,
    },
    /// The connection broke.
    Broken {
        /// Why.
        error: String,
        /// The other side hung up.
        hung_up: bool,
    },
    /// Nothing answers.
    Silent,
    /// What answers does not speak MQTT, or not this version.
    Garbage(String),
    /// TLS.
    Tls(String),
    /// What answers has no WebSocket for MQTT at this path.
    WebSocket(String),
    /// The broker refuses the login.
    Login,
    /// The broker does not speak this version of MQTT.
    Version,
    /// The broker refuses the connection, with this code.
    Refused(String),
    /// The broker ended the connection, with a reason.
    Ended(String),
    /// Something else.
    Other(String),
}

impl Trouble {
    /// Whether the other side closed the connection without a word.
    #[must_use]
    pub const fn is_hang_up(&self) -> bool {
        matches!(
            self,
            Self::Closed
                | Self::Unreachable { hung_up: true, .. }
                | Self::Broken { hung_up: true, .. }
        )
    }

    pub(crate) fn unreachable(error: &io::Error) -> Self {
        Self::Unreachable {
            error: error.to_string(),
            hung_up: hangs_up(error),
        }
    }

    /// The error with what it wraps: some of rumqttc's texts end where the reason should stand.
    #[cfg(feature = "websocket")]
    pub(crate) fn websocket(error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let reason = error.source().map(ToString::to_string).unwrap_or_default();
        if !text.contains(&reason) {
            text.push_str(&reason);
        }
        Self::WebSocket(text)
    }

    pub(crate) fn broken(error: &io::Error) -> Self {
        Self::Broken {
            error: error.to_string(),
            hung_up: hangs_up(error),
        }
    }
}

/// Whether the other side closed the connection.
pub(crate) fn hangs_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let closed = [
        BrokenPipe,
        ConnectionAborted,
        ConnectionReset,
        UnexpectedEof,
    ];
    closed.contains(&error.kind())
}

/// What an error of a connection that stood says about the reason.
pub(crate) fn broken(error: &io::Error) -> sealmq_client::Ending {
    use io::ErrorKind::{HostUnreachable, NetworkDown, NetworkUnreachable, TimedOut};
    match error.kind() {
        HostUnreachable | NetworkDown | NetworkUnreachable | TimedOut => {
            sealmq_client::Ending::Unrelated
        }
        _ => sealmq_client::Ending::Silent(error.to_string()),
    }
}
