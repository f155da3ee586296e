use std::collections::{BTreeMap, VecDeque};

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, PubAckReason, SubscribeReasonCode};
use rumqttc::v5::{ConnectionError, Event, MqttOptions};
use sealmq_authority::office::{Moment, Office, Transmit};
use tokio::time::{Duration, timeout};

use crate::link::Link;

/// One MQTT connection of the office: its packets are rumqttc's here.
pub(super) struct Transport {
    link: Link,
    /// Handed to the client, which names their packet identifiers in the same order.
    handed: VecDeque<u64>,
    in_flight: BTreeMap<u16, u64>,
    /// Nothing can be sent any more: what ended the connection is among the next events.
    is_over: bool,
}

/// How long the end of a connection that takes nothing any more is waited for.
const END: Duration = Duration::from_secs(2);

impl Transport {
    pub(super) async fn connect(options: MqttOptions) -> Result<Self, ConnectionError> {
        Ok(Self {
            link: Link::connect(options).await?,
            handed: VecDeque::new(),
            in_flight: BTreeMap::new(),
            is_over: false,
        })
    }

    /// `false` if the connection has ended, as [`Transport::next`] will say: with the next one the
    /// office starts over. There is always room in the client, because little is on its way at a
    /// time.
    pub(super) fn send(&mut self, transmit: Transmit) -> bool {
        let client = &self.link.client;
        let sent = match transmit {
            Transmit::Subscribe {
                filters,
                at_least_once,
            } => {
                let qos = if at_least_once {
                    QoS::AtLeastOnce
                } else {
                    QoS::AtMostOnce
                };
                let filters = filters.into_iter().map(|filter| Filter::new(filter, qos));
                client.try_subscribe_many(filters.collect::<Vec<_>>())
            }
            Transmit::Publish { token, publication } => {
                self.handed.push_back(token);
                let (topic, retain) = (publication.topic, publication.retain);
                client.try_publish(topic, QoS::AtLeastOnce, retain, publication.payload)
            }
        };
        self.is_over |= sent.is_err();
        !self.is_over
    }

    /// The next event. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Event, ConnectionError> {
        while self.is_over {
            match timeout(END, self.link.next()).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(ConnectionError::RequestsDone),
            }
        }
        self.link.next().await
    }

    /// Tells the office what came.
    pub(super) fn deliver(&mut self, event: Event, office: &mut Office, now: Moment) {
        match event {
            Event::Outgoing(Outgoing::Publish(packet)) => {
                let token = self.handed.pop_front();
                self.in_flight.extend(token.map(|token| (packet, token)));
            }
            Event::Incoming(Packet::SubAck(ack)) => {
                let is_taken =
                    |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
                let refused = !ack.return_codes.iter().all(is_taken);
                let refused = refused.then(|| format!("{:?}", ack.return_codes));
                office.handle_subscribed(now, refused);
            }
            Event::Incoming(Packet::Publish(publish)) => {
                let topic = String::from_utf8_lossy(&publish.topic);
                office.handle_publish(now, &topic, &publish.payload, publish.retain);
            }
            Event::Incoming(Packet::PubAck(ack)) => {
                use PubAckReason::{NoMatchingSubscribers, Success};
                let refused = !matches!(ack.reason, Success | NoMatchingSubscribers);
                let refused = refused.then(|| format!("{:?}", ack.reason));
                if let Some(token) = self.in_flight.remove(&ack.pkid) {
                    office.handle_ack(token, refused);
                }
            }
            _ => {}
        }
    }

    /// Says goodbye, as far as the broker still listens.
    pub(super) async fn disconnect(self) {
        self.link.disconnect().await;
    }
}
