use core::error::Error;
use core::fmt;

use crate::error::StoreFailure;

/// Polling a driver failed; `E` is what its library says of connections.
#[derive(Debug)]
#[non_exhaustive]
pub enum PollError<E> {
    /// The connection could not be made, or broke. Polling on connects again, after a pause that
    /// grows; nothing that was accepted is lost.
    Connection(E),
    /// The store failed, so nothing more may be sent or acknowledged. The event loop has ended:
    /// repair the store, and make a new client.
    Store(StoreFailure),
    /// The event loop has ended.
    Closed,
}

impl<E> PollError<E> {
    /// Whether polling on makes sense.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Connection(_))
    }
}

impl<E: fmt::Display> fmt::Display for PollError<E> {
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

impl<E: Error + 'static> Error for PollError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connection(error) => Some(error),
            Self::Store(error) => Some(&**error),
            Self::Closed => None,
        }
    }
}
