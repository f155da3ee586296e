use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use sealmq_keys::Publication;

use crate::machine::{AuthorityError, AuthorityEvent, LoadError, Suspension};

/// A moment, by two clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Since any fixed point, by a clock that nobody sets: for pauses.
    pub elapsed: Duration,
    /// Unix seconds: for what is signed.
    pub unix: u64,
}

/// Something to send.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "nobody asks for it again"]
pub enum Transmit {
    /// Subscribe these filters, in one packet. Tell of the answer by
    /// [`Office::handle_subscribed`](super::Office::handle_subscribed).
    Subscribe {
        /// At most 8.
        filters: Vec<String>,
        /// QoS 1; otherwise QoS 0.
        at_least_once: bool,
    },
    /// Publish with QoS 1. Tell of the answer by
    /// [`Office::handle_ack`](super::Office::handle_ack).
    Publish {
        /// Names the publication in the answer.
        token: u64,
        /// What to publish.
        publication: Publication,
    },
}

/// Something worth a log line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OfficeEvent {
    /// The authority did something.
    Authority(AuthorityEvent),
    /// So many more inputs were refused, after those that were told of: strangers cause them.
    MoreRefused(usize),
    /// The broker has answered for everything that should be there.
    Complete {
        /// Objects that stand there.
        objects: usize,
        /// Objects that it does not take.
        refused: usize,
    },
    /// The broker does not take an object.
    PublishRefused {
        /// Its topic.
        topic: String,
        /// What the broker said.
        reason: String,
    },
    /// The broker refuses subscriptions: joins, renewals and an old copy of the store go unnoticed.
    SubscribeRefused {
        /// What the broker said.
        reason: String,
    },
    /// The store is older than it was: everything at the broker is read again first.
    StorePutBack,
}

impl OfficeEvent {
    /// What this means to a caller that waits only until the broker has everything, and then ends:
    /// nothing yet, done, or that it will not get there.
    #[must_use]
    pub const fn outcome(&self) -> Option<Result<(), Unfinished>> {
        match self {
            Self::Complete { refused: 0, .. } => Some(Ok(())),
            Self::Complete { .. } => Some(Err(Unfinished::Refused)),
            Self::SubscribeRefused { .. } => Some(Err(Unfinished::Deaf)),
            _ => None,
        }
    }
}

/// Why the broker does not get everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfinished {
    /// It does not take some of the objects.
    Refused,
    /// It does not let the authority read, so it cannot be seen whether the store is an old copy:
    /// nothing is published.
    Deaf,
}

/// Why the office cannot go on.
#[derive(Debug)]
#[non_exhaustive]
pub enum OfficeError<E> {
    /// The store.
    Store(E),
    /// The authority itself.
    Authority(AuthorityError),
    /// The authority is suspended: nothing is published or changed any more.
    Suspended(Box<Suspension>),
}

impl<E: fmt::Display> fmt::Display for OfficeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(e) => e.fmt(f),
            Self::Authority(e) => e.fmt(f),
            Self::Suspended(of) => AuthorityError::Suspended { serial: of.serial }.fmt(f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for OfficeError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Store(e) => e.source(),
            Self::Authority(e) => e.source(),
            Self::Suspended(_) => None,
        }
    }
}

impl<E> From<AuthorityError> for OfficeError<E> {
    fn from(error: AuthorityError) -> Self {
        Self::Authority(error)
    }
}

/// Why one piece of work came to nothing.
pub(super) enum Stopped<E> {
    /// Somebody else acted in between: read the store again, and repeat.
    Conflict,
    /// The store is older than it was.
    PutBack,
    Failed(OfficeError<E>),
}

impl<E> From<AuthorityError> for Stopped<E> {
    fn from(error: AuthorityError) -> Self {
        Self::Failed(error.into())
    }
}

impl<E> From<LoadError<E>> for Stopped<E> {
    fn from(error: LoadError<E>) -> Self {
        match error {
            LoadError::Stale => Self::Conflict,
            LoadError::Store(e) => Self::Failed(OfficeError::Store(e)),
            LoadError::Authority(e) => e.into(),
        }
    }
}
