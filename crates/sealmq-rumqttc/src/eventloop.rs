//! rumqttc's `EventLoop`, for every version.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use rumqttc::NetworkOptions;
use sealmq_client::OpenError;
use sealmq_keys::Store;
use tokio::sync::{Semaphore, mpsc};

use crate::client::AsyncClient;
use crate::driver::Driver;
use crate::handle::Handle;
use crate::host::{Callers, Handed};
use crate::hub::Way;
use crate::library::Rumqttc;
use crate::options::SealOptions;
use crate::progress::Progress;
use crate::start::Start;
use crate::version::Version;

/// What [`EventLoop::poll`] reports, with rumqttc's types.
pub type Event<V> =
    sealmq_client::Event<<V as Version>::Qos, <V as Version>::Reason, Box<<V as Version>::Mqtt>>;

/// [`EventLoop::poll`] failed.
pub type PollError<V> = sealmq_client::PollError<<V as Version>::Failure>;

/// What the application says of sockets, for the next connection.
pub(crate) type Network = Arc<Mutex<Option<NetworkOptions>>>;

/// The receiving end. [`EventLoop::poll`] has to be called again and again.
///
/// The connection itself is driven by a task of its own, which starts with the first `poll`,
/// `publish`, `flush` or `disconnect` and ends when this is dropped: acknowledgements do not depend
/// on how often `poll` is called, so the task that polls may publish as well; nor do keep-alives, as
/// long as `poll` is called before `capacity` events and 64 KiB more have piled up. Dropping it ends
/// the connection without a goodbye.
pub struct EventLoop<V: Version> {
    events: mpsc::Receiver<Handed<Rumqttc<V>>>,
    progress: Arc<Progress>,
    start: Arc<Start>,
    pub(crate) network: Network,
}

impl<V: Version> EventLoop<V> {
    pub(crate) fn make<S>(
        mut mqtt: V::Options,
        store: S,
        options: &SealOptions,
    ) -> Result<(AsyncClient<V>, Self), OpenError>
    where
        S: Store + Send + 'static,
    {
        V::equip(&mut mqtt)?;
        V::prepare(&mut mqtt, options);
        let options = &options.clone().with_room_for(V::largest(&mqtt));
        let (commands, receiver) = mpsc::unbounded_channel();
        let queued = Arc::default();
        let (sender, events) = mpsc::channel(options.capacity);
        let room = Arc::new(Semaphore::new(options.capacity.min(Semaphore::MAX_PERMITS)));
        let callers = Callers {
            commands: receiver,
            queued: Arc::clone(&queued),
            events: sender,
            room: Arc::clone(&room),
        };
        let network = Network::default();
        let driver = Driver::<V>::new(mqtt, store, options, Arc::clone(&network), callers)?;
        let (outstanding, prefix) = (driver.outstanding(), driver.prefix());
        let (hub, progress) = (driver.hub(), driver.progress());
        let start = Arc::new(Start::new(Box::new(driver).run()));
        let handle = Handle {
            way: Way::new(hub, Arc::clone(&progress), commands, queued),
            room,
            outstanding,
            persistent: options.client.persistent_outbox,
            prefix,
            topic_map: Arc::new(options.client.topic_map.clone()),
            aliases: Arc::default(),
            start: Arc::clone(&start),
            progress: Arc::clone(&progress),
        };
        let client = AsyncClient {
            handle,
            version: PhantomData,
        };
        let eventloop = Self {
            events,
            progress,
            start,
            network,
        };
        Ok((client, eventloop))
    }

    /// The next event. Must be called in a tokio runtime with time and I/O enabled. Safe to
    /// cancel: a `poll` that is dropped loses nothing. A message is acknowledged to the broker when
    /// this is called again.
    ///
    /// # Errors
    /// [`PollError::Connection`](sealmq_client::PollError::Connection) reports that the connection
    /// broke or could not be made: polling on connects again. The other errors are final.
    pub async fn poll(&mut self) -> Result<Event<V>, PollError<V>> {
        self.start.now();
        self.progress.came_back();
        let Some(Handed { report, counts }) = self.events.recv().await else {
            return Err(sealmq_client::PollError::Closed);
        };
        if counts {
            self.progress.returns();
        }
        report
    }
}

impl<V: Version> fmt::Debug for EventLoop<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop").finish_non_exhaustive()
    }
}

impl<V: Version> Drop for EventLoop<V> {
    fn drop(&mut self) {
        self.progress.came_back();
        self.start.never();
    }
}
