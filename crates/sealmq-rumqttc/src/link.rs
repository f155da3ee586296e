//! A plain connection, for what needs no keys: joining, and the authority's objects.

use core::error::Error;
use core::fmt;

use sealmq_client::{
    Acknowledged, BrokerLimit, GivenUp, Incoming, Limits, OpenError, Output, Qos, Subscription,
    Wire,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, timeout};

use crate::version::{Heard, Version};

/// Requests that wait in the client; callers keep fewer on the way.
const REQUESTS: usize = 64;
/// How long the end of a connection that takes nothing any more is waited for.
const GOODBYE: Duration = Duration::from_secs(2);

/// One connection. It does not come back by itself: make a new one.
pub struct Link<V: Version> {
    requests: V::Requests,
    events: mpsc::UnboundedReceiver<Result<V::Mqtt, V::Failure>>,
    /// rumqttc's poll must not be cancelled halfway, so it has a task of its own.
    task: JoinHandle<()>,
    largest: Option<usize>,
    /// Since when nothing can be sent any more: what ended the connection is among the next events.
    over: Option<Instant>,
}

/// What comes of a connection.
#[derive(Debug)]
pub enum LinkEvent<V: Version> {
    /// PUBLISH; it is acknowledged.
    Publish(Incoming),
    /// The next publication, in the order in which they were handed over, got this packet
    /// identifier.
    Written(u16),
    /// What the broker said of one.
    Acknowledged {
        /// Its packet identifier.
        packet: u16,
        /// Why the broker does not take it.
        refused: Option<String>,
    },
    /// An answer to a subscription.
    Subscribed {
        /// Of the filters that the broker refuses.
        refused: Vec<V::Reason>,
    },
}

/// There is no connection that could carry keys.
#[derive(Debug)]
pub enum LinkError<E> {
    /// It could not be made.
    Failed(E),
    /// The options make no sense.
    Options(OpenError),
    /// The broker keeps no retained messages.
    NoRetained,
    /// It takes messages of QoS 0 only.
    NoQos1,
}

impl<V: Version> Link<V> {
    /// Connects and waits for the broker's answer.
    ///
    /// # Errors
    /// There is no connection, or the broker says that it cannot carry keys, which counts as a
    /// refusal.
    pub async fn connect(mut mqtt: V::Options) -> Result<Self, LinkError<V::Failure>> {
        V::equip(&mut mqtt).map_err(LinkError::Options)?;
        let (requests, mut eventloop) = V::start(mqtt, REQUESTS);
        let (sender, events) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                let event = V::poll(&mut eventloop).await;
                let ended = event.is_err();
                if sender.send(event).is_err() || ended {
                    return;
                }
            }
        });
        let mut link = Self {
            requests,
            events,
            task,
            largest: None,
            over: None,
        };
        loop {
            let event = link.event().await.map_err(LinkError::Failed)?;
            if let Heard::Connected { limits, .. } = V::heard(&event) {
                suits(&limits)?;
                link.largest = limits.maximum_packet_size;
                return Ok(link);
            }
        }
    }

    /// The largest packet that the broker takes, if it says so.
    #[must_use]
    pub const fn largest(&self) -> Option<usize> {
        self.largest
    }

    /// rumqttc's own client of this connection.
    #[must_use]
    pub const fn requests(&self) -> &V::Requests {
        &self.requests
    }

    /// Subscribes in one packet. `false` if the connection has ended, as [`Link::next`] will say.
    /// There is always room in the client, because callers have little on its way at a time.
    pub fn subscribe(&mut self, filters: Vec<Subscription>) -> bool {
        self.hand(Output::Subscribe(filters))
    }

    /// Publishes. `false` as with [`Link::subscribe`].
    pub fn publish(&mut self, wire: Wire) -> bool {
        self.hand(Output::Publish(wire))
    }

    fn hand(&mut self, output: Output) -> bool {
        let taken = V::hand(&self.requests, output);
        if !taken {
            self.over.get_or_insert_with(Instant::now);
        }
        taken
    }

    /// The next thing heard. Cancel-safe.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn next(&mut self) -> Result<LinkEvent<V>, V::Failure> {
        loop {
            let Some(over) = self.over else {
                if let Some(event) = heard(V::heard(&self.event().await?)) {
                    return Ok(event);
                }
                continue;
            };
            // Whoever calls again and again waits no longer for it.
            let left = GOODBYE.saturating_sub(over.elapsed());
            let ended = timeout(left, self.event()).await;
            ended.unwrap_or_else(|_| Err(V::done()))?;
        }
    }

    async fn event(&mut self) -> Result<V::Mqtt, V::Failure> {
        let event = self.events.recv().await;
        event.unwrap_or_else(|| Err(V::done()))
    }

    /// Says goodbye, as far as the broker still listens.
    pub async fn disconnect(mut self) {
        if V::hand(&self.requests, Output::Disconnect) {
            let _gone = timeout(GOODBYE, async { while self.event().await.is_ok() {} }).await;
        }
    }
}

impl<V: Version> Drop for Link<V> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<V: Version> fmt::Debug for Link<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl<E: fmt::Display> fmt::Display for LinkError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Options(error) => error.fmt(f),
            Self::NoRetained => BrokerLimit::NoRetained.fmt(f),
            Self::NoQos1 => f.write_str(
                "the broker takes messages of QoS 0 only, and enrolment and keys need QoS 1: switch it on there, or use another broker",
            ),
        }
    }
}

impl<E: Error + 'static> Error for LinkError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Options(error) => Some(error),
            Self::NoRetained | Self::NoQos1 => None,
        }
    }
}

/// A broker that cannot carry keys would end the connection at the first of them.
fn suits<E>(limits: &Limits) -> Result<(), LinkError<E>> {
    if !limits.retain_available {
        return Err(LinkError::NoRetained);
    }
    if limits.maximum_qos == Qos::AtMostOnce {
        return Err(LinkError::NoQos1);
    }
    Ok(())
}

fn heard<V: Version>(heard: Heard) -> Option<LinkEvent<V>> {
    Some(match heard {
        Heard::PublishWritten(packet) => LinkEvent::Written(packet),
        Heard::Publish(message) => LinkEvent::Publish(message),
        Heard::Acknowledged { packet, how, .. } => {
            let refused = match how {
                Acknowledged::Refused(said) => Some(GivenUp::Refused(said).to_string()),
                Acknowledged::Complete(_) => None,
                Acknowledged::Received(_) => return None,
            };
            LinkEvent::Acknowledged { packet, refused }
        }
        Heard::Subscribed(_, answers) => {
            let refused = answers.into_iter().filter_map(Result::err);
            let refused = refused.map(V::reason_to).collect();
            LinkEvent::Subscribed { refused }
        }
        _ => return None,
    })
}
