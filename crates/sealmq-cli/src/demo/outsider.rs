//! A client without keys that sees everything the broker carries, and can publish what it likes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{AsyncClient, ConnectionError, MqttOptions};
use sealmq_client::{Qos, Subscription};
use sealmq_keys::is_reserved;
use sealmq_rumqttc::link::{Link, LinkEvent};
use sealmq_rumqttc::v5::V5;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep, timeout};

use super::node::LIMIT;
use crate::connection;
use crate::failure::Failure;

const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A message as the broker carried it.
#[derive(Clone)]
pub(super) struct Carried {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
}

/// What the demo is about. On a broker that others use, their messages are not recorded.
#[derive(Default)]
pub(super) struct Recorded {
    /// On the readings' topic, in the order in which they were carried.
    pub(super) envelopes: Vec<Carried>,
    /// On the domain's reserved topics.
    pub(super) objects: Vec<Carried>,
}

pub(super) struct Outsider {
    client: AsyncClient,
    recorded: Arc<Mutex<Recorded>>,
    task: JoinHandle<()>,
}

impl Outsider {
    /// Subscribes to everything; records what is on `readings`, and under `prefix`.
    pub(super) async fn start(
        options: MqttOptions,
        address: &str,
        readings: String,
        prefix: String,
    ) -> Result<Self, Failure> {
        let failed =
            |error: ConnectionError| Failure::network(connection::describe::<V5>(&error, address));
        let connected = Link::<V5>::connect(options).await;
        let mut link = connected
            .map_err(|error| Failure::network(connection::describe_link::<V5>(&error, address)))?;
        let _lost = link.subscribe(vec![Subscription::new("#".to_owned(), Qos::AtLeastOnce)]);
        let subscribed = async {
            loop {
                if let LinkEvent::Subscribed { .. } = link.next().await.map_err(failed)? {
                    return Ok::<_, Failure>(());
                }
            }
        };
        timeout(LIMIT, subscribed).await.map_err(|_| {
            Failure::network("demo: the broker does not answer the subscription to #")
        })??;
        let client = link.requests().clone();
        let recorded = Arc::new(Mutex::new(Recorded::default()));
        let records = Arc::clone(&recorded);
        let task = tokio::spawn(async move {
            while let Ok(event) = link.next().await {
                let LinkEvent::Publish(publish) = event else {
                    continue;
                };
                let topic = publish.topic;
                let mut recorded = records.lock().unwrap_or_else(PoisonError::into_inner);
                let list = if topic == readings {
                    &mut recorded.envelopes
                } else if is_reserved(&prefix, &topic) {
                    &mut recorded.objects
                } else {
                    continue;
                };
                list.push(Carried {
                    topic,
                    payload: publish.payload.to_vec(),
                });
            }
        });
        Ok(Self {
            client,
            recorded,
            task,
        })
    }

    pub(super) fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it saw this many readings, as long as they keep coming.
    pub(super) async fn wait_for(&self, count: usize) -> bool {
        let mut last = 0;
        let mut since = Instant::now();
        loop {
            let seen = self.recorded().envelopes.len();
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
            sleep(LOOK_EVERY).await;
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
