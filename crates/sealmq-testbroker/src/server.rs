//! The broker behind a TCP port.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};

use crate::broker::{Broker, ConnectionId, Output};
use crate::limits::{Limits, Seen};

/// A running broker; ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    late: Duration,
    started: Instant,
}

#[derive(Debug)]
struct State {
    broker: Broker,
    /// Bytes, or the end.
    writers: BTreeMap<ConnectionId, mpsc::UnboundedSender<Option<Bytes>>>,
    /// When connections came.
    connections: Vec<Duration>,
}

impl Server {
    /// Listens on a free port of this machine.
    ///
    /// # Errors
    /// There is none.
    pub async fn start(limits: Limits) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            late: limits.late,
            state: Mutex::new(State {
                broker: Broker::new(limits),
                writers: BTreeMap::new(),
                connections: Vec::new(),
            }),
            started: Instant::now(),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            task,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What clients did.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.shared.with(|broker| broker.seen().clone())
    }

    /// When connections came, since the start.
    #[must_use]
    pub fn connections(&self) -> Vec<Duration> {
        self.shared.lock().connections.clone()
    }

    /// As an administrator would, whatever is allowed to clients.
    pub fn publish(&self, topic: &str, payload: impl Into<Bytes>, retain: bool) {
        self.shared
            .with(|broker| broker.publish(topic, payload, retain));
    }

    /// Retained messages.
    #[must_use]
    pub fn retained(&self) -> Vec<(String, Bytes)> {
        self.shared.with(|broker| {
            let all = broker.retained();
            all.map(|(topic, payload)| (topic.to_owned(), payload.clone()))
                .collect()
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.lock().writers.clear();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the broker, and what it wants done.
    fn with<T>(&self, act: impl FnOnce(&mut Broker) -> T) -> T {
        let mut state = self.lock();
        let result = act(&mut state.broker);
        while let Some(output) = state.broker.poll_output() {
            let (id, bytes) = match output {
                Output::Send(id, bytes) => (id, Some(bytes)),
                Output::Close(id) => (id, None),
            };
            if let Some(writer) = state.writers.get(&id) {
                let _gone = writer.send(bytes);
            }
        }
        result
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _slower = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        let (sender, outputs) = mpsc::unbounded_channel();
        let id = {
            let mut state = shared.lock();
            let id = state.broker.opened();
            state.writers.insert(id, sender);
            state.connections.push(shared.started.elapsed());
            id
        };
        shared.with(|_| ());
        tokio::spawn(serve(id, reader, writer, outputs, Arc::clone(&shared)));
    }
}

async fn serve(
    id: ConnectionId,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    outputs: mpsc::UnboundedReceiver<Option<Bytes>>,
    shared: Arc<Shared>,
) {
    tokio::select! {
        () = read(id, reader, &shared) => {}
        () = write(writer, outputs, shared.late) => {}
    }
    shared.with(|broker| broker.closed(id));
    shared.lock().writers.remove(&id);
}

/// Until the client is gone; a client that is ended for its silence leaves by `write`.
async fn read(id: ConnectionId, mut reader: OwnedReadHalf, shared: &Shared) {
    let mut buffer = BytesMut::new();
    loop {
        let patience = shared.with(|broker| broker.patience(id));
        let patience = patience.unwrap_or(Duration::from_secs(3600));
        match timeout(patience, reader.read_buf(&mut buffer)).await {
            Ok(Ok(read)) if read > 0 => {
                let now = shared.started.elapsed();
                shared.with(|broker| {
                    broker.passes(now);
                    broker.received(id, &buffer);
                });
                buffer.clear();
            }
            Ok(_) => return,
            Err(_) => {
                shared.with(|broker| broker.silent(id));
                std::future::pending().await
            }
        }
    }
}

/// Until the broker ends the connection; everything is as late as the limits say.
async fn write(
    mut writer: OwnedWriteHalf,
    mut outputs: mpsc::UnboundedReceiver<Option<Bytes>>,
    late: Duration,
) {
    let (sender, mut due) = mpsc::unbounded_channel();
    let stamp = async {
        while let Some(output) = outputs.recv().await {
            if sender.send((tokio::time::Instant::now(), output)).is_err() {
                return;
            }
        }
        drop(sender);
        std::future::pending().await
    };
    let write = async {
        while let Some((at, Some(bytes))) = due.recv().await {
            if let Some(at) = at.checked_add(late) {
                sleep_until(at).await;
            }
            if writer.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _gone = writer.shutdown().await;
    };
    tokio::select! {
        () = stamp => {}
        () = write => {}
    }
}
