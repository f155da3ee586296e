//! A plain MQTT connection, for what needs no keys: the authority's objects, joining, and the
//! demo's outsider.

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnectReturnCode, Filter, Packet, PubAckReason, Publish, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, MqttOptions};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, timeout};

/// Requests that wait in the client; callers keep fewer on the way.
const REQUESTS: usize = 64;
/// How long the end of a connection that takes nothing any more is waited for.
const GOODBYE: Duration = Duration::from_secs(2);

/// One connection. It does not come back by itself: make a new one.
pub(crate) struct Link {
    pub(crate) client: AsyncClient,
    events: mpsc::UnboundedReceiver<Result<Event, ConnectionError>>,
    /// rumqttc's poll must not be cancelled halfway, so it has a task of its own.
    task: JoinHandle<()>,
    /// The largest packet that the broker takes, if it says so.
    pub(crate) largest: Option<u32>,
    /// Since when nothing can be sent any more: what ended the connection is among the next events.
    over: Option<Instant>,
}

/// What comes of a connection.
pub(crate) enum Heard {
    Publish(Publish),
    /// The next publication, in the order in which they were handed over, got this packet
    /// identifier.
    Written(u16),
    Acknowledged {
        packet: u16,
        /// Why the broker does not take it.
        refused: Option<PubAckReason>,
    },
    Subscribed {
        /// Of the filters that the broker refuses.
        refused: Vec<SubscribeReasonCode>,
    },
}

impl Link {
    /// Connects and waits for the broker's answer. One that says that it cannot carry keys counts as
    /// a refusal.
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
            largest: None,
            over: None,
        };
        loop {
            if let Event::Incoming(Packet::ConnAck(ack)) = link.event().await? {
                if let Some(code) = unsuitable(&ack) {
                    return Err(ConnectionError::ConnectionRefused(code));
                }
                link.largest = ack.properties.and_then(|said| said.max_packet_size);
                return Ok(link);
            }
        }
    }

    /// Subscribes in one packet. `false` if the connection has ended, as [`Link::next`] will say.
    /// There is always room in the client, because callers have little on its way at a time.
    pub(crate) fn subscribe(
        &mut self,
        filters: impl IntoIterator<Item = String>,
        at_least_once: bool,
    ) -> bool {
        let qos = if at_least_once {
            QoS::AtLeastOnce
        } else {
            QoS::AtMostOnce
        };
        let filters = filters.into_iter().map(|filter| Filter::new(filter, qos));
        let sent = self
            .client
            .try_subscribe_many(filters.collect::<Vec<_>>())
            .is_ok();
        self.noting_the_end(sent)
    }

    /// Publishes with QoS 1. `false` as with [`Link::subscribe`].
    pub(crate) fn publish(&mut self, topic: String, retain: bool, payload: Vec<u8>) -> bool {
        let published = self
            .client
            .try_publish(topic, QoS::AtLeastOnce, retain, payload);
        self.noting_the_end(published.is_ok())
    }

    fn noting_the_end(&mut self, sent: bool) -> bool {
        if !sent {
            self.over.get_or_insert_with(Instant::now);
        }
        sent
    }

    /// The next thing heard. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Heard, ConnectionError> {
        loop {
            let Some(over) = self.over else {
                if let Some(heard) = heard(self.event().await?) {
                    return Ok(heard);
                }
                continue;
            };
            // Whoever calls again and again waits no longer for it.
            let left = GOODBYE.saturating_sub(over.elapsed());
            let ended = timeout(left, self.event()).await;
            ended.unwrap_or(Err(ConnectionError::RequestsDone))?;
        }
    }

    async fn event(&mut self) -> Result<Event, ConnectionError> {
        self.events
            .recv()
            .await
            .unwrap_or(Err(ConnectionError::RequestsDone))
    }

    /// Says goodbye, as far as the broker still listens.
    pub(crate) async fn disconnect(mut self) {
        if self.client.try_disconnect().is_ok() {
            let _gone = timeout(GOODBYE, async { while self.event().await.is_ok() {} }).await;
        }
    }
}

/// Why a broker that accepts the connection cannot carry keys: it would end the connection at the
/// first of them.
fn unsuitable(connack: &ConnAck) -> Option<ConnectReturnCode> {
    let told = connack.properties.as_ref()?;
    if told.retain_available == Some(0) {
        return Some(ConnectReturnCode::RetainNotSupported);
    }
    (told.max_qos == Some(0)).then_some(ConnectReturnCode::QoSNotSupported)
}

fn heard(event: Event) -> Option<Heard> {
    Some(match event {
        Event::Outgoing(Outgoing::Publish(packet)) => Heard::Written(packet),
        Event::Incoming(Packet::Publish(publish)) => Heard::Publish(publish),
        Event::Incoming(Packet::PubAck(ack)) => {
            use PubAckReason::{NoMatchingSubscribers, Success};
            let (packet, reason) = (ack.pkid, ack.reason);
            let refused = !matches!(reason, Success | NoMatchingSubscribers);
            let refused = refused.then_some(reason);
            Heard::Acknowledged { packet, refused }
        }
        Event::Incoming(Packet::SubAck(ack)) => {
            let mut refused = ack.return_codes;
            refused.retain(|code| !matches!(code, SubscribeReasonCode::Success(_)));
            Heard::Subscribed { refused }
        }
        _ => return None,
    })
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}
