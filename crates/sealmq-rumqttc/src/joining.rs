//! An application enrols itself, with a token or by an operator's approval.

use core::error::Error;
use core::fmt;
use std::sync::Arc;
use std::time::Duration;

use getrandom::SysRng;
use sealmq_client::{
    Backoff, JoinError, JoinOutput, Joined, OpenError, StoreFailure, Time, TopicMap, Wire,
};
use sealmq_keys::Store;
use sealmq_keys::member::{JoinOptions, MemberError};
use sealmq_keys::objects::Fingerprint;
use tokio::time::{Instant, sleep_until, timeout};

use crate::clock::{Clock, SystemClock};
use crate::link::{Link, LinkError, LinkEvent};
use crate::version::Version;

/// Type, length, the topic's length, identifier and properties of PUBLISH, at most.
const PUBLISH_HEADER: usize = 1 + 4 + 2 + 2 + 1;
/// Pauses between connections.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// A device on its way into a domain. The request stays the same when connections break, and when
/// the program starts again with the same store. Call [`Joining::next`] until it says
/// [`JoinEvent::Joined`]; then the store is a member's.
pub struct Joining<V: Version> {
    mqtt: V::Options,
    joining: sealmq_client::Joining,
    topic_map: TopicMap,
    link: Option<Link<V>>,
    connect_at: Option<Instant>,
    backoff: Backoff,
    started: Instant,
    clock: Arc<dyn Clock>,
}

/// What happened on the way, of a version.
type Told<V> = JoinEvent<<V as Version>::Failure>;
/// Why it makes no sense to go on, of a version.
type Failed<V> = JoinFailure<<V as Version>::Failure, <V as Version>::Reason>;

/// What happened on the way.
#[derive(Debug)]
#[non_exhaustive]
pub enum JoinEvent<F> {
    /// There is a connection.
    Connected {
        /// The largest packet that the broker takes, if it says so.
        largest: Option<usize>,
    },
    /// The connection broke, or could not be made; the next one is made after a pause.
    Disconnected(F),
    /// The request waits for an operator, who compares this fingerprint. Said once.
    Waiting(Fingerprint),
    /// What arrived there was refused: it is damaged, forged, too old or for another device.
    Ignored {
        /// The topic.
        topic: String,
        /// Why.
        error: MemberError,
    },
    /// The store is a member's. Nothing follows.
    Joined(Box<Joined>),
}

/// The device does not become a member.
#[derive(Debug)]
#[non_exhaustive]
pub enum JoinFailure<F, R> {
    /// The authority refuses it, or what it holds makes no sense.
    Join(JoinError),
    /// The broker refuses the subscription to what the authority answers on.
    NotSubscribed {
        /// The filters.
        filters: [String; 2],
        /// The broker's reason.
        reason: R,
    },
    /// The request is larger than the broker takes.
    TooLarge {
        /// Bytes of the packet.
        size: usize,
        /// Most bytes that the broker takes.
        most: usize,
    },
    /// The broker cannot carry keys, or the options make no sense.
    Link(LinkError<F>),
    /// The store failed.
    Store(StoreFailure),
}

impl<V: Version> Joining<V> {
    /// Begins, or goes on with what the store has of an earlier attempt. Connections begin with
    /// [`Joining::next`].
    ///
    /// # Errors
    /// The options make no sense, the store cannot be read, or holds a member that did not join
    /// with them.
    pub fn begin<S: Store>(
        mqtt: V::Options,
        store: &S,
        options: JoinOptions,
    ) -> Result<Self, OpenError> {
        Ok(Self {
            mqtt,
            joining: sealmq_client::Joining::begin(store, options, &mut SysRng)?,
            topic_map: TopicMap::new(),
            link: None,
            connect_at: None,
            backoff: Backoff::new(PAUSES),
            started: Instant::now(),
            clock: Arc::new(SystemClock),
        })
    }

    /// Another clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Where a bridge renames topics; give the same to the member's client
    /// ([`SealOptions::topic_map`](crate::SealOptions::topic_map)).
    #[must_use]
    pub fn topic_map(mut self, map: TopicMap) -> Self {
        self.topic_map = map;
        self
    }

    /// Whether it has sent its request. Before, it waits for a delegation of its domain, which an
    /// authority keeps at the broker.
    #[must_use]
    pub fn has_asked(&self) -> bool {
        self.joining.has_asked()
    }

    fn time(&self) -> Time {
        let uptime = self.started.elapsed().as_millis();
        Time {
            uptime: u64::try_from(uptime).unwrap_or(u64::MAX),
            clock: self.clock.now_ms(),
        }
    }

    /// Goes on until there is something to tell. Waits for ever while the broker or the authority
    /// is away: put a timeout around it. Must be called in a tokio runtime; commits block it for
    /// milliseconds. Cancel-safe.
    ///
    /// # Errors
    /// [`JoinFailure`]: it makes no sense to go on.
    pub async fn next<S>(&mut self, store: &mut S) -> Result<Told<V>, Failed<V>>
    where
        S: Store,
        S::Error: Send + Sync + 'static,
    {
        loop {
            if let Some(event) = self.carry_out(store)? {
                // Everything else comes over a connection that goes on.
                if matches!(event, JoinEvent::Joined(_))
                    && let Some(link) = self.link.take()
                {
                    link.disconnect().await;
                }
                return Ok(event);
            }
            let time = self.time();
            let wait = self.joining.poll_timeout().unwrap_or(u64::MAX);
            let wait = Duration::from_millis(wait.saturating_sub(time.uptime));
            let Some(link) = &mut self.link else {
                return self.connect().await;
            };
            let heard = timeout(wait, link.next()).await;
            let time = self.time();
            if matches!(heard, Ok(Ok(_))) {
                self.backoff.useful(time.uptime);
            }
            match heard {
                Ok(Ok(LinkEvent::Publish(message))) => {
                    let Some(topic) = self.topic_map.to_sealed(&message.topic) else {
                        continue; // it means nothing here
                    };
                    self.joining
                        .handle_publish(&topic, &message.payload, time, &mut SysRng)
                        .map_err(JoinFailure::Join)?;
                }
                Ok(Ok(LinkEvent::Subscribed { refused })) => {
                    if let Some(&reason) = refused.first()
                        && let Err(JoinError::NotSubscribed { filters }) =
                            self.joining.handle_subscribed(false)
                    {
                        return Err(JoinFailure::NotSubscribed { filters, reason });
                    }
                }
                Ok(Ok(_)) => {}
                Ok(Err(failure)) => {
                    self.joining.handle_disconnected();
                    return Ok(self.lost(failure));
                }
                Err(_) => self.joining.handle_timeout(time),
            }
        }
    }

    async fn connect(&mut self) -> Result<Told<V>, Failed<V>> {
        if let Some(at) = self.connect_at {
            sleep_until(at).await;
        }
        match Link::connect(self.mqtt.clone()).await {
            Ok(link) => {
                self.joining.handle_connected();
                let largest = link.largest();
                self.link = Some(link);
                Ok(JoinEvent::Connected { largest })
            }
            Err(LinkError::Failed(failure)) => Ok(self.lost(failure)),
            Err(other) => Err(JoinFailure::Link(other)),
        }
    }

    fn lost(&mut self, failure: V::Failure) -> Told<V> {
        self.link = None;
        let pause = self.backoff.take(self.time().uptime, &mut SysRng);
        self.connect_at = Instant::now().checked_add(pause);
        JoinEvent::Disconnected(failure)
    }

    /// A connection that is lost meanwhile shows up as the link's next event.
    fn carry_out<S>(&mut self, store: &mut S) -> Result<Option<Told<V>>, Failed<V>>
    where
        S: Store,
        S::Error: Send + Sync + 'static,
    {
        while let Some(output) = self.joining.poll_output() {
            return Ok(Some(match output {
                JoinOutput::Commit(changes) => {
                    let failed = |error: S::Error| JoinFailure::Store(error.into());
                    store.commit(&changes).map_err(failed)?;
                    self.joining.committed();
                    continue;
                }
                JoinOutput::Subscribe(wanted) => {
                    if let Some(link) = &mut self.link {
                        for wanted in wanted {
                            let wanted = self.topic_map.subscription(wanted);
                            let _lost = link.subscribe(vec![wanted]);
                        }
                    }
                    continue;
                }
                JoinOutput::Publish(mut wire) => {
                    if let Some(here) = self.topic_map.to_here(&wire.topic) {
                        wire.topic = here.into_owned();
                    }
                    if let Some(link) = &mut self.link {
                        check_size(&wire, link.largest())?;
                        let _lost = link.publish(wire);
                    }
                    continue;
                }
                JoinOutput::Waiting(device) => JoinEvent::Waiting(device),
                JoinOutput::Ignored { topic, error } => JoinEvent::Ignored { topic, error },
                JoinOutput::Joined(joined) => JoinEvent::Joined(Box::new(joined)),
            }));
        }
        Ok(None)
    }
}

/// The broker would end the connection, each time.
fn check_size<F, R>(wire: &Wire, largest: Option<usize>) -> Result<(), JoinFailure<F, R>> {
    let size = [wire.payload.len(), wire.topic.len(), PUBLISH_HEADER];
    let size = size.into_iter().fold(0, usize::saturating_add);
    match largest {
        Some(most) if size > most => Err(JoinFailure::TooLarge { size, most }),
        _ => Ok(()),
    }
}

impl<V: Version> fmt::Debug for Joining<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joining").finish_non_exhaustive()
    }
}

impl<F: fmt::Display, R: fmt::Debug> fmt::Display for JoinFailure<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join(error) => error.fmt(f),
            Self::NotSubscribed {
                filters: [a, b],
                reason,
            } => write!(
                f,
                "the broker refuses the subscription to {a} or {b} ({reason:?})"
            ),
            Self::TooLarge { size, most } => write!(
                f,
                "this broker takes packets of at most {most} bytes, and the request has {size}: raise its limit (max_packet_size), or ask with fewer packages"
            ),
            Self::Link(error) => error.fmt(f),
            Self::Store(error) => write!(f, "the store failed: {error}"),
        }
    }
}

impl<F: Error + 'static, R: fmt::Debug> Error for JoinFailure<F, R> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Join(error) => Some(error),
            Self::Link(error) => Some(error),
            Self::Store(error) => Some(&**error),
            Self::NotSubscribed { .. } | Self::TooLarge { .. } => None,
        }
    }
}
