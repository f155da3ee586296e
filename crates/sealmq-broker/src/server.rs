use std::net::{Shutdown, SocketAddr, TcpStream as StdTcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use mqtt5::MqttError;
use mqtt5::broker::auth::AuthProvider;
use mqtt5::broker::client_handler::ClientHandler;
use mqtt5::broker::router::MessageRouter;
use mqtt5::broker::storage::{QueueLimits, StorageBackend};
use mqtt5::broker::sys_topics::BrokerStats;
use mqtt5::broker::tls_acceptor::TlsStreamWrapper;
use mqtt5::broker::transport::BrokerTransport;
use mqtt5::broker::{BrokerConfig, DynamicStorage, ResourceLimits, ResourceMonitor};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::broker::Addresses;
use crate::builder::Settings;
use crate::door::{Door, Visit};
use crate::error::BrokerError;
use crate::porter::Porter;
use crate::sessions::Sessions;
use crate::shelf::Shelf;
use crate::{greeting, storage};

/// After a failed accept (no file descriptors left, say): retrying at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const SESSION_SWEEP: Duration = Duration::from_secs(20);
const SWEEPS_PER_STORAGE_CLEANUP: u32 = 180;
/// How long connections may take to say goodbye before their sockets are closed under them.
const GOODBYE: Duration = Duration::from_secs(1);
const CLOSED: Duration = Duration::from_secs(2);
/// Or one packet, if that is more.
const SESSION_QUEUE_BYTES: usize = 8 * 1024 * 1024;
/// Messages of QoS 2 of one client that were begun and not ended are kept.
const RECEIVE_MAXIMUM: u16 = 64;

/// Runs until `stop` is sent or dropped; `ready` is told once clients can connect.
pub(crate) async fn run(
    settings: Settings,
    ready: oneshot::Sender<Result<Addresses, BrokerError>>,
    stop: oneshot::Receiver<()>,
) {
    match Server::open(settings).await {
        Err(error) => {
            let _caller_left = ready.send(Err(error));
        }
        Ok((server, addresses)) => {
            let _caller_left = ready.send(Ok(addresses));
            server.serve(stop).await;
        }
    }
}

struct Server {
    plain: Option<TcpListener>,
    tls: Option<(TcpListener, TlsAcceptor)>,
    shared: Shared,
}

/// What every connection's handler needs.
#[derive(Clone)]
struct Shared {
    config: Arc<BrokerConfig>,
    router: Arc<MessageRouter>,
    porter: Arc<dyn AuthProvider>,
    door: Arc<Door>,
    login_time: Duration,
    storage: Arc<DynamicStorage>,
    sessions: Arc<Sessions>,
    stats: Arc<BrokerStats>,
    monitor: Arc<ResourceMonitor>,
    goodbye: broadcast::Sender<()>,
    close: watch::Sender<bool>,
}

impl Server {
    async fn open(settings: Settings) -> Result<(Self, Addresses), BrokerError> {
        let Settings {
            listen,
            tls,
            data_folder,
            login,
            limits,
        } = settings;
        let (plain, plain_address) = match listen {
            Some(address) => {
                let (listener, bound) = bind(address).await?;
                (Some(listener), Some(bound))
            }
            None => (None, None),
        };
        let (tls, tls_address) = match tls {
            Some((address, acceptor)) => {
                let (listener, bound) = bind(address).await?;
                (Some((listener, acceptor)), Some(bound))
            }
            None => (None, None),
        };
        let Some(main) = plain_address.or(tls_address) else {
            return Err(BrokerError::Settings {
                reason: "the broker listens nowhere",
            });
        };

        let queue = QueueLimits {
            max_messages: limits.queued_messages,
            max_bytes: SESSION_QUEUE_BYTES.max(limits.packet_size),
        };
        let storage = Arc::new(storage::open(data_folder.as_deref(), queue).await?);
        let shelf = Shelf::new(limits.retained);
        let router = MessageRouter::with_storage(Arc::clone(&storage))
            .with_fallback_queue_limits(queue)
            .with_event_handler(Arc::<Shelf>::clone(&shelf));
        let router = Arc::new(router);
        let session_expiry = u32::try_from(limits.session_expiry.as_secs()).unwrap_or(u32::MAX);
        restore(&router, &storage, session_expiry)
            .await
            .map_err(|error| BrokerError::Storage {
                folder: data_folder.unwrap_or_default(),
                reason: error.to_string(),
            })?;
        shelf.attach(&router).await;
        let sessions = Sessions::new(limits.sessions, Arc::clone(&router), Arc::clone(&storage));
        sessions.look(true).await;

        let room = limits.room();
        if room.connections < limits.connections {
            warn!(
                connections = room.connections,
                "fewer connections than allowed fit the limit of open files: raise it (ulimit -n)"
            );
        }
        let door = Door::new(room);
        let config = BrokerConfig {
            max_clients: room.connections,
            max_packet_size: limits.packet_size,
            session_expiry_interval: limits.session_expiry,
            client_channel_capacity: limits.queued_messages,
            max_subscriptions_per_client: limits.subscriptions,
            server_receive_maximum: Some(RECEIVE_MAXIMUM),
            event_handler: Some(Arc::<Sessions>::clone(&sessions)),
            ..BrokerConfig::default()
        };
        let porter = Porter {
            login,
            door: Arc::clone(&door),
            sessions: Arc::clone(&sessions),
        };
        let shared = Shared {
            config: Arc::new(config),
            router,
            porter: Arc::new(porter),
            door,
            login_time: limits.login_time,
            storage,
            sessions,
            stats: Arc::new(BrokerStats::new()),
            monitor: Arc::new(ResourceMonitor::new(unlimited())),
            goodbye: broadcast::Sender::new(1),
            close: watch::Sender::new(false),
        };
        Ok((
            Self { plain, tls, shared },
            Addresses {
                main,
                tls: tls_address,
            },
        ))
    }

    async fn serve(self, mut stop: oneshot::Receiver<()>) {
        let Self { plain, tls, shared } = self;
        let acceptor = tls.as_ref().map(|(_, acceptor)| acceptor.clone());
        let tls = tls.map(|(listener, _)| listener);
        let mut tasks = JoinSet::new();
        tasks.spawn(shared.clone().maintain());
        loop {
            let (accepted, acceptor) = tokio::select! {
                _ = &mut stop => break,
                accepted = accept(plain.as_ref()) => (accepted, None),
                accepted = accept(tls.as_ref()) => (accepted, acceptor.clone()),
                Some(_) = tasks.join_next() => continue,
            };
            match accepted {
                Ok((stream, peer)) => match shared.door.enter(peer) {
                    Some(visit) => {
                        tasks.spawn(shared.clone().connection(stream, peer, acceptor, visit));
                    }
                    None => debug!(%peer, "refused: as many connections as allowed are open"),
                },
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop((plain, tls));
        shared.end(tasks).await;
    }
}

impl Shared {
    async fn connection(
        self,
        stream: TcpStream,
        peer: SocketAddr,
        acceptor: Option<TlsAcceptor>,
        mut visit: Visit,
    ) {
        // Subscribed before the handshake, so that a goodbye meanwhile is not missed.
        let goodbye = self.goodbye.subscribe();
        let mut close = self.close.subscribe();
        let deadline = Instant::now()
            .checked_add(self.login_time)
            .unwrap_or_else(Instant::now);
        let mut leaving = self.goodbye.subscribe();
        let greeted = tokio::select! {
            greeted = timeout_at(deadline, greeted(stream, acceptor)) => greeted,
            () = visit.turned_away(deadline) => return,
            _ = leaving.recv() => return,
        };
        drop(leaving);
        let (transport, socket) = match greeted {
            Ok(Ok(both)) => both,
            Ok(Err(error)) => {
                debug!(%peer, %error, "not let in");
                return;
            }
            Err(_) => return,
        };
        let handler = ClientHandler::new(
            transport,
            peer,
            self.config,
            self.router,
            self.porter,
            Some(self.storage),
            self.stats,
            self.monitor,
            goodbye,
        );
        let mut run = pin!(handler.run());
        let told_to_close = async {
            tokio::select! {
                // An error cannot happen: this task holds a sender.
                _ = close.wait_for(|close| *close) => {}
                () = visit.turned_away(deadline) => {}
            }
        };
        let outcome = tokio::select! {
            outcome = &mut run => outcome,
            () = told_to_close => {
                // The handler may be stuck in a write. It must still put what it holds back into the
                // session, so it is not aborted: its socket fails.
                if let Err(error) = socket.shutdown(Shutdown::Both) {
                    debug!(%peer, %error, "the socket was closed already");
                }
                run.await
            }
        };
        if let Err(error) = outcome {
            debug!(%peer, %error, "connection ended");
        }
    }

    async fn maintain(self) {
        let mut goodbye = self.goodbye.subscribe();
        let mut ticks = interval(SESSION_SWEEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        let mut sweeps = 0_u32;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = goodbye.recv() => return,
            }
            self.router.sweep_sessions().await;
            self.sessions.look(true).await;
            sweeps = sweeps.wrapping_add(1);
            // Reads every retained message, hence rarely.
            if sweeps.checked_rem(SWEEPS_PER_STORAGE_CLEANUP) == Some(0)
                && let Err(error) = self.storage.cleanup_expired().await
            {
                warn!(%error, "expired messages could not be removed from the data folder");
            }
        }
    }

    async fn end(self, mut tasks: JoinSet<()>) {
        // Fails only if nobody is connected.
        let _connected = self.goodbye.send(());
        if timeout(GOODBYE, drain(&mut tasks)).await.is_err() {
            self.close.send_replace(true);
            if timeout(CLOSED, drain(&mut tasks)).await.is_err() {
                warn!(
                    connections = tasks.len(),
                    "connections did not end; they are aborted"
                );
                tasks.shutdown().await;
            }
        }
        storage::flush(&self.storage).await;
    }
}

async fn drain(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BrokerError> {
    let failed = |source| BrokerError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

async fn accept(listener: Option<&TcpListener>) -> std::io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// Waits until a client has begun to say who it is.
async fn greeted(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
) -> std::io::Result<(BrokerTransport, StdTcpStream)> {
    stream.set_nodelay(true)?;
    let Some(acceptor) = acceptor else {
        greeting::plain(&stream).await?;
        let socket = second_handle(&stream)?;
        return Ok((BrokerTransport::tcp(stream), socket));
    };
    let mut stream = acceptor.accept(stream).await?;
    greeting::tls(&mut stream).await?;
    let socket = second_handle(stream.get_ref().0)?;
    let transport = BrokerTransport::tls(TlsStreamWrapper::new(stream));
    Ok((transport, socket))
}

/// A handle that can close a stream from outside.
fn second_handle(stream: &TcpStream) -> std::io::Result<StdTcpStream> {
    #[cfg(unix)]
    let handle = std::os::fd::AsFd::as_fd(stream).try_clone_to_owned()?;
    #[cfg(windows)]
    let handle = std::os::windows::io::AsSocket::as_socket(stream).try_clone_to_owned()?;
    Ok(handle.into())
}

async fn restore(
    router: &MessageRouter,
    storage: &DynamicStorage,
    session_expiry: u32,
) -> Result<(), MqttError> {
    router.recover_sessions(session_expiry).await?;
    storage.cleanup_expired().await?;
    router.initialize().await
}

/// Rates are not limited; connections are, by the server itself.
fn unlimited() -> ResourceLimits {
    ResourceLimits {
        max_connections: usize::MAX,
        max_connections_per_ip: usize::MAX,
        max_message_rate_per_client: 0,
        max_bandwidth_per_client: 0,
        max_connection_rate: u32::MAX,
        ..ResourceLimits::default()
    }
}
