use std::sync::Arc;

use rumqttc::v5::MqttOptions;
use sealmq_client::OpenError;
use sealmq_keys::Store;
use tokio::sync::{Semaphore, mpsc};

use crate::client::AsyncClient;
use crate::driver::Driver;
use crate::handle::Handle;
use crate::host::Callers;
use crate::options::SealOptions;
use crate::start::Start;
use crate::tls::name_provider;
use crate::v5::{Event, PollError};

/// Larger than any object of key management, with room for payloads of a mebibyte; rumqttc's own
/// default is 10 KiB.
const MAX_INCOMING_PACKET: u32 = 2 * 1024 * 1024;

/// Messages of QoS 1 and 2 that wait for `poll`, because they are acknowledged when it has them.
/// More than the client holds back for want of keys, which come on the same way.
const RECEIVE_MAXIMUM: u16 = 100;

/// The receiving end. [`EventLoop::poll`] has to be called again and again.
///
/// The connection itself is driven by a task of its own, which starts with the first `poll`,
/// `publish`, `flush` or `disconnect` and ends when this is dropped: acknowledgements do not depend
/// on how often `poll` is called, so the task that polls may publish as well; nor do keep-alives, as
/// long as `poll` is called before `capacity` events and 64 KiB more have piled up. Dropping it ends
/// the connection without a goodbye.
#[derive(Debug)]
pub struct EventLoop {
    events: mpsc::Receiver<Result<Event, PollError>>,
    start: Arc<Start>,
}

impl EventLoop {
    pub(crate) fn make<S>(
        mut mqtt: MqttOptions,
        store: S,
        options: &SealOptions,
    ) -> Result<(AsyncClient, Self), OpenError>
    where
        S: Store + Send + 'static,
    {
        if mqtt.last_will().is_some() {
            return Err(OpenError::WillInClear);
        }
        name_provider(&mut mqtt).map_err(OpenError::Tls)?;
        mqtt.set_manual_acks(true);
        mqtt.set_topic_alias_max(None);
        if mqtt.max_packet_size().is_none() {
            mqtt.set_max_packet_size(Some(MAX_INCOMING_PACKET));
        }
        if mqtt.receive_maximum().is_none() {
            mqtt.set_receive_maximum(Some(RECEIVE_MAXIMUM));
        }
        let most = mqtt.get_outgoing_inflight_upper_limit().unwrap_or(u16::MAX);
        mqtt.set_outgoing_inflight_upper_limit(most.min(options.max_inflight).max(1));
        let mut network = mqtt.network_options();
        // Otherwise small packets wait for the acknowledgement of the one before.
        network.set_tcp_nodelay(true);
        mqtt.set_network_options(network);

        let (commands, receiver) = mpsc::unbounded_channel();
        let (sender, events) = mpsc::channel(options.capacity);
        let room = Arc::new(Semaphore::new(options.capacity.min(Semaphore::MAX_PERMITS)));
        let callers = Callers {
            commands: receiver,
            events: sender,
            room: Arc::clone(&room),
        };
        let driver = Driver::new(mqtt, store, options, callers)?;
        let (outstanding, prefix) = (driver.outstanding(), driver.prefix().into());
        let start = Arc::new(Start::new(Box::new(driver).run()));
        let client = AsyncClient(Handle {
            commands,
            room,
            outstanding,
            prefix,
            start: Arc::clone(&start),
        });
        Ok((client, Self { events, start }))
    }

    /// The next event. Must be called in a tokio runtime with time and I/O enabled. Safe to
    /// cancel: a `poll` that is dropped loses nothing.
    ///
    /// # Errors
    /// [`PollError::Connection`] reports that the connection broke or could not be made: polling
    /// on connects again. The other errors are final.
    pub async fn poll(&mut self) -> Result<Event, PollError> {
        self.start.now();
        self.events.recv().await.unwrap_or(Err(PollError::Closed))
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        self.start.never();
    }
}
