use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::builder::{BrokerBuilder, Settings};
use crate::error::BrokerError;
use crate::overheard::{self, Failures};
use crate::reload::Changeable;
use crate::server;

const MOST_WORKERS: usize = 4;
/// For what mqtt5 left behind (a Will that waits for its delay, say): it ends with the threads.
const THREADS_END_WITHIN: Duration = Duration::from_secs(1);

/// A running broker.
///
/// Dropping it does the same as [`shutdown`](Self::shutdown), but blocks the calling thread meanwhile
/// (milliseconds as a rule).
#[derive(Debug)]
pub struct Broker {
    addresses: Addresses,
    stop: Option<oneshot::Sender<()>>,
    stopped: Option<oneshot::Receiver<()>>,
    thread: Option<JoinHandle<()>>,
    changeable: Changeable,
}

/// What the server says when clients can connect.
pub(crate) struct Opened {
    pub(crate) addresses: Addresses,
    pub(crate) changeable: Changeable,
}

/// Of the listeners, in the order in which they were given.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    pub(crate) listeners: Vec<(SocketAddr, Spoken)>,
    pub(crate) metrics: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub(crate) tls: bool,
    pub(crate) websocket: bool,
}

impl Addresses {
    fn first(&self, tls: bool, websocket: bool) -> Option<SocketAddr> {
        let spoken = Spoken { tls, websocket };
        let mut listeners = self.listeners.iter();
        listeners
            .find(|(_, own)| *own == spoken)
            .map(|(address, _)| *address)
    }
}

impl Broker {
    /// Begins the settings; a broker with none listens on a free port of 127.0.0.1 and keeps
    /// everything in memory.
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder::new()
    }

    /// Where clients connect: the first plain TCP listener, or the first of another kind (TLS before
    /// WebSocket) if there is none.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        let of = |tls, websocket| self.addresses.first(tls, websocket);
        let found = of(false, false).or_else(|| of(true, false));
        let found = found.or_else(|| of(false, true)).or_else(|| of(true, true));
        // There is one: a broker that listens nowhere does not start.
        found.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    /// Where clients connect with TLS, if the broker offers it.
    #[must_use]
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.addresses.first(true, false)
    }

    /// Where clients connect with WebSocket, over TLS or not, if the broker offers it.
    #[must_use]
    pub fn websocket_addr(&self, tls: bool) -> Option<SocketAddr> {
        self.addresses.first(tls, true)
    }

    /// Where Prometheus finds the figures, if it may.
    #[must_use]
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.addresses.metrics
    }

    /// All listeners for MQTT, in the order in which they were given: address, what is spoken there.
    pub fn listeners(&self) -> impl Iterator<Item = (SocketAddr, &'static str)> {
        let listeners = self.addresses.listeners.iter();
        listeners.map(|(address, spoken)| {
            let name = match (spoken.tls, spoken.websocket) {
                (false, false) => "MQTT",
                (true, false) => "MQTT over TLS",
                (false, true) => "MQTT over WebSocket",
                (true, true) => "MQTT over WebSocket over TLS",
            };
            (*address, name)
        })
    }

    /// Reads users, access list, rules for client identifiers and certificates again, as `builder`
    /// names them, while clients stay connected; the rest of it counts with the next start. Users who
    /// are gone or have another password lose their connections, and so do nameless clients where names
    /// are needed now. Users of [`BrokerBuilder::user`] log in again. What a client has subscribed to
    /// stays subscribed.
    ///
    /// # Errors
    /// As [`BrokerBuilder::start`], and if the listeners are others. Then nothing has changed.
    pub fn reload(&self, builder: BrokerBuilder) -> Result<(), BrokerError> {
        self.changeable.change(builder.check()?)
    }

    /// Stops: frees the ports, tells the clients and disconnects them, writes the data folder.
    ///
    /// Takes milliseconds as a rule, at most about four seconds if clients do not read, and in addition
    /// the time to write what is queued (at most a minute).
    pub async fn shutdown(mut self) {
        drop(self.stop.take());
        if let Some(stopped) = self.stopped.take() {
            // An error means that the thread has ended, too.
            let _ended = stopped.await;
        }
        self.join();
    }

    pub(crate) async fn launch(settings: Settings) -> Result<Self, BrokerError> {
        let (ready_sender, ready) = oneshot::channel();
        let (stop, stop_receiver) = oneshot::channel();
        let (stopped_sender, stopped) = oneshot::channel();
        let workers = thread::available_parallelism()
            .map_or(1, NonZero::get)
            .min(MOST_WORKERS);
        let failures = Arc::<Failures>::default();
        let log = overheard::listen(Arc::clone(&failures));
        let thread = thread::Builder::new()
            .name("sealmq-broker".to_owned())
            .spawn(move || {
                // A runtime of its own: mqtt5 leaves detached tasks behind that would keep sockets and
                // the folder's lock; here they end with it.
                overheard::enter(&log);
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .on_thread_start(move || overheard::enter(&log))
                    .worker_threads(workers)
                    .thread_name("sealmq-broker")
                    .enable_all()
                    .build();
                match runtime {
                    Ok(runtime) => {
                        runtime.block_on(server::run(
                            settings,
                            failures,
                            ready_sender,
                            stop_receiver,
                        ));
                        runtime.shutdown_timeout(THREADS_END_WITHIN);
                    }
                    Err(source) => {
                        let _caller_left = ready_sender.send(Err(BrokerError::Threads { source }));
                    }
                }
                let _nobody_waits = stopped_sender.send(());
            })
            .map_err(|source| BrokerError::Threads { source })?;
        match ready.await {
            Ok(Ok(opened)) => Ok(Self {
                addresses: opened.addresses,
                changeable: opened.changeable,
                stop: Some(stop),
                stopped: Some(stopped),
                thread: Some(thread),
            }),
            Ok(Err(error)) => {
                // So that ports and folder are free again when the error is seen.
                let _ended = stopped.await;
                Err(error)
            }
            Err(_) => Err(BrokerError::Threads {
                source: io::Error::other("the broker ended before it listened"),
            }),
        }
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the broker's thread panicked");
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.join();
    }
}
