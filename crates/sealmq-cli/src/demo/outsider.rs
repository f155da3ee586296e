//! A client without keys that sees everything the broker carries, and can publish what it likes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep, timeout};

use super::node::LIMIT;
use crate::connection;
use crate::failure::Failure;
use crate::link::Link;

const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A message as the broker carried it.
#[derive(Clone)]
pub(super) struct Carried {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
}

pub(super) struct Outsider {
    client: AsyncClient,
    carried: Arc<Mutex<Vec<Carried>>>,
    task: JoinHandle<()>,
}

impl Outsider {
    /// Subscribes to everything and records what lies under `roots`: on a broker that others use,
    /// their messages are none of the demo's business.
    pub(super) async fn start(
        options: MqttOptions,
        address: &str,
        roots: [String; 2],
    ) -> Result<Self, Failure> {
        let failed = |error: &rumqttc::v5::ConnectionError| {
            Failure::network(connection::describe(error, address))
        };
        let mut link = Link::connect(options)
            .await
            .map_err(|error| failed(&error))?;
        link.client
            .subscribe("#", QoS::AtLeastOnce)
            .await
            .map_err(Failure::network)?;
        let subscribed = async {
            loop {
                if let Event::Incoming(Packet::SubAck(_)) =
                    link.next().await.map_err(|error| failed(&error))?
                {
                    return Ok::<_, Failure>(());
                }
            }
        };
        timeout(LIMIT, subscribed).await.map_err(|_| {
            Failure::network("demo: the broker does not answer the subscription to #")
        })??;
        let client = link.client.clone();
        let carried = Arc::new(Mutex::new(Vec::new()));
        let records = Arc::clone(&carried);
        let task = tokio::spawn(async move {
            while let Ok(event) = link.next().await {
                let Event::Incoming(Packet::Publish(publish)) = event else {
                    continue;
                };
                let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                if roots.iter().any(|root| topic.starts_with(root)) {
                    let message = Carried {
                        topic,
                        payload: publish.payload.to_vec(),
                    };
                    records
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(message);
                }
            }
        });
        Ok(Self {
            client,
            carried,
            task,
        })
    }

    pub(super) fn carried(&self) -> MutexGuard<'_, Vec<Carried>> {
        self.carried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it saw this many messages on a topic, as long as they keep coming.
    pub(super) async fn wait_for(&self, topic: &str, count: usize) -> bool {
        let mut last = 0;
        let mut since = Instant::now();
        loop {
            let seen = self
                .carried()
                .iter()
                .filter(|message| message.topic == topic)
                .count();
            if seen >= count {
                return true;
            }
            if seen != last {
                last = seen;
                since = Instant::now();
            }
            if since.elapsed() > LIMIT {
                return false;
            }
            sleep(LOOK_EVERY.saturating_mul(4)).await;
        }
    }

    /// Publishes as anybody can who reaches the broker.
    pub(super) async fn publish(
        &self,
        topic: &str,
        retain: bool,
        payload: Vec<u8>,
    ) -> Result<(), Failure> {
        self.client
            .publish(topic, QoS::AtLeastOnce, retain, payload)
            .await
            .map_err(Failure::network)
    }

    pub(super) async fn stop(self) {
        if self.client.disconnect().await.is_ok() {
            let _gone = timeout(Duration::from_secs(2), self.task).await;
        }
    }
}
