//! A plain MQTT connection, for what needs no keys: the authority's objects, and the demo's outsider.

use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, ConnectionError, Event, MqttOptions};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};

/// Requests that wait in the client; callers keep fewer on the way.
const REQUESTS: usize = 64;
const GOODBYE: Duration = Duration::from_secs(2);

/// One connection. It does not come back by itself: make a new one.
pub(crate) struct Link {
    pub(crate) client: AsyncClient,
    events: mpsc::UnboundedReceiver<Result<Event, ConnectionError>>,
    /// rumqttc's poll must not be cancelled halfway, so it has a task of its own.
    task: JoinHandle<()>,
}

impl Link {
    /// Connects and waits for the broker's answer.
    pub(crate) async fn connect(options: MqttOptions) -> Result<Self, ConnectionError> {
        let (client, mut event_loop) = AsyncClient::new(options, REQUESTS);
        let (sender, events) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                let event = event_loop.poll().await;
                let ended = event.is_err();
                if sender.send(event).is_err() || ended {
                    return;
                }
            }
        });
        let mut link = Self {
            client,
            events,
            task,
        };
        loop {
            if let Event::Incoming(Packet::ConnAck(_)) = link.next().await? {
                return Ok(link);
            }
        }
    }

    /// The next event. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Event, ConnectionError> {
        self.events
            .recv()
            .await
            .unwrap_or(Err(ConnectionError::RequestsDone))
    }

    /// Says goodbye, as far as the broker still listens.
    pub(crate) async fn disconnect(mut self) {
        if self.client.try_disconnect().is_ok() {
            let _gone = timeout(GOODBYE, async { while self.next().await.is_ok() {} }).await;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}
