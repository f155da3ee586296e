use std::error::Error;
use std::fmt;

use rumqttc::v5::ConnectionError;

use crate::error::StoreFailure;

/// [`EventLoop::poll`](super::EventLoop::poll) failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum PollError {
    /// The connection could not be made, or broke. Polling on connects again, after a pause that
    /// grows; nothing that was accepted is lost.
    Connection(ConnectionError),
    /// The store failed, so nothing more may be sent or acknowledged. The event loop has ended:
    /// repair the store, and make a new client.
    Store(StoreFailure),
    /// The event loop has ended.
    Closed,
}

impl PollError {
    /// Whether polling on makes sense.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Connection(_))
    }
}

impl fmt::Display for PollError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => write!(
                f,
                "the connection to the broker failed: {error} (polling on connects again)"
            ),
            Self::Store(error) => write!(
                f,
                "the store failed, nothing more is sent: {error} (repair it and start again)"
            ),
            Self::Closed => f.write_str("the event loop has ended: make a new client"),
        }
    }
}

impl Error for PollError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connection(error) => Some(error),
            Self::Store(error) => Some(&**error),
            Self::Closed => None,
        }
    }
}
