//! rumqttc clients that a test can drive step by step, with a bound on every wait.
use std::net::SocketAddr;
use std::time::Duration;

pub const PATIENCE: Duration = Duration::from_secs(20);
const PACKET_LIMIT: u32 = 8 * 1024 * 1024;

/// A received PUBLISH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
}

macro_rules! client {
    ($module:ident, $name:ident, $mqtt:path, $packet:path, $qos:path, $topic:expr) => {
        pub use $module::$name;

        mod $module {
            use super::{PATIENCE, Received};
            use $mqtt as mqtt;
            use $packet as Packet;
            use $qos as Qos;

            /// A connected client; dropping it cuts the connection without a DISCONNECT.
            pub struct $name {
                pub client: mqtt::AsyncClient,
                pub session_present: bool,
                packets: tokio::sync::mpsc::UnboundedReceiver<Packet>,
                received: std::collections::VecDeque<Received>,
                task: tokio::task::JoinHandle<()>,
            }

            impl Drop for $name {
                fn drop(&mut self) {
                    self.task.abort();
                }
            }

            impl $name {
                pub async fn try_connect(
                    options: mqtt::MqttOptions,
                ) -> Result<Self, mqtt::ConnectionError> {
                    let (client, mut events) = mqtt::AsyncClient::new(options, 64);
                    let first = tokio::time::timeout(PATIENCE, events.poll())
                        .await
                        .expect("CONNACK in time");
                    let session_present = match first? {
                        mqtt::Event::Incoming(Packet::ConnAck(ack)) => ack.session_present,
                        other => panic!("expected CONNACK, got {other:?}"),
                    };
                    let (sender, packets) = tokio::sync::mpsc::unbounded_channel();
                    let task = tokio::spawn(async move {
                        // Ends with the connection, because the next poll would connect again.
                        while let Ok(event) = events.poll().await {
                            if let mqtt::Event::Incoming(packet) = event {
                                if sender.send(packet).is_err() {
                                    return;
                                }
                            }
                        }
                    });
                    Ok(Self {
                        client,
                        session_present,
                        packets,
                        received: Default::default(),
                        task,
                    })
                }

                pub async fn connect(options: mqtt::MqttOptions) -> Self {
                    Self::try_connect(options)
                        .await
                        .expect("the broker accepts the client")
                }

                fn qos(level: u8) -> Qos {
                    match level {
                        0 => Qos::AtMostOnce,
                        1 => Qos::AtLeastOnce,
                        _ => Qos::ExactlyOnce,
                    }
                }

                /// The next packet that is not a PUBLISH; those are put aside.
                async fn packet(&mut self) -> Option<Packet> {
                    loop {
                        let packet = tokio::time::timeout(PATIENCE, self.packets.recv())
                            .await
                            .expect("a packet in time")?;
                        match packet {
                            Packet::Publish(publish) => self.received.push_back(Received {
                                topic: $topic(&publish.topic),
                                payload: publish.payload.to_vec(),
                                qos: publish.qos as u8,
                                retain: publish.retain,
                            }),
                            other => return Some(other),
                        }
                    }
                }

                /// Subscribes and waits for the SUBACK.
                pub async fn subscribe(&mut self, filter: &str, qos: u8) {
                    self.client.subscribe(filter, Self::qos(qos)).await.unwrap();
                    loop {
                        if let Packet::SubAck(_) = self.packet().await.expect("still connected") {
                            return;
                        }
                    }
                }

                /// Publishes and waits until the broker has taken over.
                pub async fn publish(
                    &mut self,
                    topic: &str,
                    qos: u8,
                    retain: bool,
                    payload: impl Into<Vec<u8>>,
                ) {
                    self.client
                        .publish(topic, Self::qos(qos), retain, payload.into())
                        .await
                        .unwrap();
                    if qos == 0 {
                        return;
                    }
                    loop {
                        match self.packet().await.expect("still connected") {
                            Packet::PubAck(_) if qos == 1 => return,
                            Packet::PubComp(_) if qos == 2 => return,
                            _ => {}
                        }
                    }
                }

                /// The next received message.
                pub async fn next(&mut self) -> Received {
                    loop {
                        if let Some(received) = self.received.pop_front() {
                            return received;
                        }
                        let packet = tokio::time::timeout(PATIENCE, self.packets.recv())
                            .await
                            .expect("a message in time")
                            .expect("still connected");
                        if let Packet::Publish(publish) = packet {
                            self.received.push_back(Received {
                                topic: $topic(&publish.topic),
                                payload: publish.payload.to_vec(),
                                qos: publish.qos as u8,
                                retain: publish.retain,
                            });
                        }
                    }
                }

                /// Asserts that nothing is left: a message to a topic of its own is the next to arrive.
                pub async fn nothing_before(&mut self, topic: &str) {
                    self.subscribe(topic, 1).await;
                    self.publish(topic, 1, false, "end").await;
                    assert_eq!(self.next().await.topic, topic);
                }

                /// Says goodbye and waits until the broker has closed the connection.
                pub async fn disconnect(mut self) {
                    self.client.disconnect().await.unwrap();
                    self.closed().await;
                }

                /// Waits until the connection has ended.
                pub async fn closed(&mut self) {
                    while self.packet().await.is_some() {}
                }
            }
        }
    };
}

client!(
    client_v5,
    V5,
    rumqttc::v5,
    rumqttc::v5::Incoming,
    rumqttc::v5::mqttbytes::QoS,
    |topic: &[u8]| String::from_utf8(topic.to_vec()).unwrap()
);
client!(
    client_v4,
    V4,
    rumqttc,
    rumqttc::Incoming,
    rumqttc::QoS,
    |topic: &str| topic.to_owned()
);

pub fn v5(id: &str, address: SocketAddr) -> rumqttc::v5::MqttOptions {
    let mut options = rumqttc::v5::MqttOptions::new(id, address.ip().to_string(), address.port());
    // Otherwise small packets wait 40 ms for the acknowledgement of the one before.
    let mut network = rumqttc::NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    options
        .set_keep_alive(Duration::from_secs(30))
        .set_max_packet_size(Some(PACKET_LIMIT));
    options
}

/// A session that outlives the connection.
pub fn v5_persistent(id: &str, address: SocketAddr) -> rumqttc::v5::MqttOptions {
    let mut options = v5(id, address);
    options
        .set_clean_start(false)
        .set_session_expiry_interval(Some(3600));
    options
}

pub fn v4(id: &str, address: SocketAddr) -> rumqttc::MqttOptions {
    let mut options = rumqttc::MqttOptions::new(id, address.ip().to_string(), address.port());
    options
        .set_keep_alive(Duration::from_secs(30))
        .set_max_packet_size(PACKET_LIMIT as usize, PACKET_LIMIT as usize);
    options
}

/// Fails the test instead of hanging.
pub async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, future)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {limit:?}"))
}
