//! What became of one publish, for those who ask.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use sealmq_client::{GivenUp, PublishResult};
use tokio::sync::oneshot;

/// From the driver to a [`PublishNotice`].
pub(crate) type Outcome = Result<PublishResult, GivenUp>;

/// What becomes of one message, from
/// [`publish_tracked`](crate::client::AsyncClient::publish_tracked). It resolves once, over however
/// many connections that takes:
///
/// * with [`PublishResult::Acknowledged`] and the broker's reason code, at PUBACK (QoS 1) or PUBCOMP
///   (QoS 2);
/// * with [`PublishResult::Written`] when a message of QoS 0 was written to the connection;
/// * with [`PublishNoticeError`] when nobody sends it any more.
///
/// A notice is a future: `notice.await`, or `(&mut notice).await` in a `select!`, so that nothing is
/// lost when something else is faster. Dropping it costs nothing, and changes nothing for the message.
/// It has to be made by a call of this process: messages that an earlier one left in a persistent
/// outbox have none. As many wait as messages are accepted and not acknowledged: the capacity bounds
/// both.
#[derive(Debug)]
pub struct PublishNotice {
    outcome: oneshot::Receiver<Outcome>,
    stored: bool,
}

impl PublishNotice {
    /// And the end that the driver keeps. `stored`: the message has a record in the store once it is
    /// accepted.
    pub(crate) fn new(stored: bool) -> (oneshot::Sender<Outcome>, Self) {
        let (sender, outcome) = oneshot::channel();
        (sender, Self { outcome, stored })
    }

    /// Waits for it, for programs without a runtime. Waits for ever while the broker is away:
    /// [`PublishNotice::try_wait`] does not. Panics in a task of a tokio runtime.
    ///
    /// # Errors
    /// Nobody sends the message any more.
    pub fn wait(self) -> Result<PublishResult, PublishNoticeError> {
        self.outcome
            .blocking_recv()
            .map_or_else(|_| Err(gone(self.stored)), known)
    }

    /// As the notice itself, which is a future.
    ///
    /// # Errors
    /// Nobody sends the message any more.
    pub async fn wait_async(self) -> Result<PublishResult, PublishNoticeError> {
        self.await
    }

    /// What became of it, if that is known now; told once.
    pub fn try_wait(&mut self) -> Option<Result<PublishResult, PublishNoticeError>> {
        match self.outcome.try_recv() {
            Ok(outcome) => Some(known(outcome)),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(gone(self.stored))),
        }
    }
}

impl Future for PublishNotice {
    type Output = Result<PublishResult, PublishNoticeError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let stored = self.stored;
        let outcome = Pin::new(&mut self.outcome).poll(context);
        outcome.map(|outcome| outcome.map_or_else(|_| Err(gone(stored)), known))
    }
}

fn known(outcome: Outcome) -> Result<PublishResult, PublishNoticeError> {
    outcome.map_err(PublishNoticeError::GivenUp)
}

const fn gone(stored: bool) -> PublishNoticeError {
    PublishNoticeError::ClientGone { stored }
}

/// Nobody sends the message any more, or nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishNoticeError {
    /// It was given up.
    GivenUp(GivenUp),
    /// The event loop ended, or was dropped, before the broker had acknowledged it; it may have
    /// arrived all the same.
    ClientGone {
        /// It is in the persistent outbox, if it was accepted: the next client with this store
        /// sends it. Otherwise nobody does.
        stored: bool,
    },
}

impl fmt::Display for PublishNoticeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GivenUp(why) => why.fmt(f),
            Self::ClientGone { stored } => {
                f.write_str(
                    "the client ended before the broker acknowledged the message, which may have arrived; ",
                )?;
                f.write_str(if *stored {
                    "it is in the persistent outbox: the next client with this store sends it"
                } else {
                    "it is not sent again: flush before the end, or switch the persistent outbox on"
                })
            }
        }
    }
}

impl Error for PublishNoticeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::GivenUp(why) => why.source(),
            Self::ClientGone { .. } => None,
        }
    }
}
