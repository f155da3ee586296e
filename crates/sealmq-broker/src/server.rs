use std::net::{Shutdown, SocketAddr};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use mqtt5::MqttError;
use mqtt5::broker::auth::AuthProvider;
use mqtt5::broker::client_handler::ClientHandler;
use mqtt5::broker::router::MessageRouter;
use mqtt5::broker::storage::{QueueLimits, StorageBackend};
use mqtt5::broker::sys_topics::BrokerStats;
use mqtt5::broker::transport::BrokerTransport;
use mqtt5::broker::{BrokerConfig, DynamicStorage, ResourceLimits, ResourceMonitor};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at};
use tracing::{debug, info, warn};

use crate::acknowledgements::Writes;
use crate::arrival::{accept, bind, greeted};
use crate::broker::{Addresses, Opened, Spoken};
use crate::builder::{Entrance, Settings};
use crate::door::{Door, GUEST, Visit};
use crate::error::BrokerError;
use crate::intake::Intake;
use crate::line::Lines;
use crate::overheard::Failures;
use crate::porter::Porter;
use crate::readers::Readers;
use crate::reload::{Changeable, Current};
use crate::report::Report;
use crate::sessions::Sessions;
use crate::shelf::Shelf;
use crate::storage;
use crate::storage::Disk;

/// After a failed accept (no file descriptors left, say): retrying at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const SESSION_SWEEP: Duration = Duration::from_secs(20);
const SWEEPS_PER_STORAGE_CLEANUP: u32 = 180;
const DISK_LOOK: Duration = Duration::from_secs(2);
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
    failures: Arc<Failures>,
    ready: oneshot::Sender<Result<Opened, BrokerError>>,
    stop: oneshot::Receiver<()>,
) {
    match Server::open(settings, failures).await {
        Err(error) => {
            let _caller_left = ready.send(Err(error));
        }
        Ok((server, opened)) => {
            let _caller_left = ready.send(Ok(opened));
            server.serve(stop).await;
        }
    }
}

struct Server {
    listeners: Vec<(TcpListener, Arc<Entrance>)>,
    metrics: Option<TcpListener>,
    figures_every: Duration,
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
    folder: Option<Arc<Path>>,
    shelf: Arc<Shelf>,
    sessions: Arc<Sessions>,
    stats: Arc<BrokerStats>,
    monitor: Arc<ResourceMonitor>,
    lines: Arc<Lines>,
    goodbye: broadcast::Sender<()>,
    close: watch::Sender<bool>,
}

impl Server {
    async fn open(
        settings: Settings,
        failures: Arc<Failures>,
    ) -> Result<(Self, Opened), BrokerError> {
        let Settings {
            entrances,
            data_folder,
            rules,
            metrics,
            figures_every,
            limits,
        } = settings;
        let mut listeners = Vec::new();
        let mut addresses = Addresses {
            listeners: Vec::new(),
            metrics: None,
        };
        let mut asked = Vec::new();
        for (address, entrance) in entrances {
            let (listener, bound) = bind(address).await?;
            let spoken = Spoken {
                tls: entrance.tls.is_some(),
                websocket: entrance.websocket.is_some(),
            };
            addresses.listeners.push((bound, spoken));
            let entrance = Arc::new(entrance);
            asked.push((address, Arc::clone(&entrance)));
            listeners.push((listener, entrance));
        }
        let metrics = match metrics {
            None => None,
            Some(address) => {
                let (listener, bound) = bind(address).await?;
                addresses.metrics = Some(bound);
                Some(listener)
            }
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
                folder: data_folder.clone().unwrap_or_default(),
                reason: error.to_string(),
            })?;
        shelf.attach(&router).await;
        let lines = Arc::new(Lines {
            intake: Intake::new(limits.incoming.max(limits.packet_size)),
            readers: Readers::new(limits.unread),
            figures: Arc::default(),
            writes: data_folder
                .clone()
                .map(|folder| Writes::new(folder, failures)),
        });
        let sessions = Sessions::new(
            limits.sessions,
            Arc::clone(&router),
            Arc::clone(&storage),
            Arc::clone(&lines.readers),
            Arc::clone(&shelf),
        );
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
        let config = if data_folder.is_some() {
            // What it takes from a session's queue is for a moment nowhere else.
            config.with_drain_batch(1)
        } else {
            config
        };
        let rules = Arc::new(Current::new(rules));
        let changeable = Changeable {
            rules: Arc::clone(&rules),
            entrances: asked,
            door: Arc::clone(&door),
        };
        let porter = Porter {
            rules,
            door: Arc::clone(&door),
            sessions: Arc::clone(&sessions),
            shelf: Arc::clone(&shelf),
            figures: Arc::clone(&lines.figures),
        };
        let shared = Shared {
            config: Arc::new(config),
            router,
            porter: Arc::new(porter),
            door,
            login_time: limits.login_time,
            storage,
            folder: data_folder.map(Arc::from),
            shelf,
            sessions,
            stats: Arc::new(BrokerStats::new()),
            monitor: Arc::new(ResourceMonitor::new(unlimited())),
            lines,
            goodbye: broadcast::Sender::new(1),
            close: watch::Sender::new(false),
        };
        let server = Self {
            listeners,
            metrics,
            figures_every,
            shared,
        };
        let opened = Opened {
            addresses,
            changeable,
        };
        Ok((server, opened))
    }

    async fn serve(self, mut stop: oneshot::Receiver<()>) {
        let Self {
            listeners,
            metrics,
            figures_every,
            shared,
        } = self;
        let mut tasks = JoinSet::new();
        tasks.spawn(shared.clone().maintain());
        let writing = shared.lines.writes.as_ref().map(|writes| {
            let storage = Arc::clone(&shared.storage);
            tokio::spawn(Arc::clone(writes).run(storage))
        });
        if let Some(folder) = &shared.folder {
            tasks.spawn(shared.clone().watch_disk(Arc::clone(folder)));
        }
        let report = shared.report();
        if let Some(listener) = metrics {
            tasks.spawn(report.clone().answer(listener, shared.goodbye.subscribe()));
        }
        if !figures_every.is_zero() {
            tasks.spawn(report.publish(figures_every, shared.goodbye.subscribe()));
        }
        let mut turn = 0;
        loop {
            let (accepted, entrance) = tokio::select! {
                _ = &mut stop => break,
                accepted = accept(&listeners, &mut turn) => accepted,
                Some(_) = tasks.join_next() => continue,
            };
            match accepted {
                Ok((stream, peer)) => match shared.door.enter(peer) {
                    Some(visit) => {
                        tasks.spawn(shared.clone().connection(stream, peer, entrance, visit));
                    }
                    None => {
                        shared.lines.figures.connections_refused.add(1);
                        debug!(%peer, "refused: as many connections as allowed are open");
                    }
                },
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listeners);
        shared.end(tasks).await;
        if let Some(writing) = writing {
            writing.abort();
        }
    }
}

impl Shared {
    async fn connection(
        self,
        stream: TcpStream,
        peer: SocketAddr,
        entrance: Arc<Entrance>,
        mut visit: Visit,
    ) {
        let guest = Arc::clone(visit.guest());
        // Subscribed before the handshake, so that a goodbye meanwhile is not missed.
        let goodbye = self.goodbye.subscribe();
        let mut close = self.close.subscribe();
        let deadline = Instant::now()
            .checked_add(self.login_time)
            .unwrap_or_else(Instant::now);
        let mut leaving = self.goodbye.subscribe();
        let lines = Arc::clone(&self.lines);
        let figures = Arc::clone(&self.lines.figures);
        let greeted = tokio::select! {
            greeted = timeout_at(deadline, greeted(stream, peer, &entrance, &guest, lines)) => greeted,
            () = visit.turned_away(deadline) => return,
            _ = leaving.recv() => return,
        };
        drop(leaving);
        let (line, socket) = match greeted {
            Ok(Ok(both)) => both,
            Ok(Err(error)) => {
                figures.greetings_failed.add(1);
                debug!(%peer, %error, "not let in");
                return;
            }
            Err(_) => return,
        };
        let handler = ClientHandler::new(
            BrokerTransport::WebSocket(Box::new(line)),
            peer,
            self.config,
            self.router,
            self.porter,
            Some(self.storage),
            self.stats,
            self.monitor,
            goodbye,
        );
        let mut run = pin!(GUEST.scope(Arc::clone(&guest), handler.run()));
        let told_to_close = async {
            tokio::select! {
                // An error cannot happen: this task holds a sender.
                _ = close.wait_for(|close| *close) => {}
                () = visit.turned_away(deadline) => {}
                () = guest.close.notified() => {
                    debug!(%peer, "ended: it does not read, does not complete its packet, or may not be here any more");
                }
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

    fn report(&self) -> Report {
        Report {
            lines: Arc::clone(&self.lines),
            stats: Arc::clone(&self.stats),
            router: Arc::clone(&self.router),
            sessions: Arc::clone(&self.sessions),
            folder: self.folder.clone(),
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

    /// mqtt5 acknowledges what it could not write: so nothing new is retained before that happens.
    async fn watch_disk(self, folder: Arc<Path>) {
        let mut goodbye = self.goodbye.subscribe();
        let mut ticks = interval(DISK_LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut full = false;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = goodbye.recv() => return,
            }
            let Some(disk) = Disk::of(&folder) else {
                continue;
            };
            let (now, free) = (disk.is_full(full), disk.free);
            if now == full {
                continue;
            }
            full = now;
            self.shelf.close(full);
            let folder = folder.display();
            if full {
                warn!(target: "sealmq::server", free, "the disk of the data folder {folder} is full: nothing new is retained, and queued messages may be lost at a restart; make room");
            } else {
                info!(target: "sealmq::server", free, "the disk of the data folder {folder} has room again");
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
