//! MQTT connections that count what passes.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rumqttc::NetworkOptions;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason, SubscribeReasonCode};
use rumqttc::v5::{Client, Connection, Event, MqttOptions};
use sealmq_keys::Publication;

use crate::common::PATIENCE;

/// Bytes of the MQTT 5 packet that publishes this with QoS 1, without properties.
pub(crate) fn packet_len(publication: &Publication) -> usize {
    let remaining = 2 + publication.topic.len() + 2 + 1 + publication.payload.len();
    let length_field = match remaining {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    };
    1 + length_field + remaining
}

pub(crate) struct Mqtt {
    client: Client,
    connection: Connection,
    waiting: VecDeque<(String, Vec<u8>)>,
    /// Bytes of the messages received so far, as packets.
    pub(crate) received: usize,
}

impl Mqtt {
    pub(crate) fn connect(port: &str, id: &str) -> Self {
        let mut options = MqttOptions::new(id, "127.0.0.1", port.parse().unwrap());
        options.set_max_packet_size(Some(65_536));
        // Otherwise small packets wait 40 ms for the acknowledgement of the one before.
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        let (client, connection) = Client::new(options, 16_384);
        let mut this = Self {
            client,
            connection,
            waiting: VecDeque::new(),
            received: 0,
        };
        this.until(|packet| matches!(packet, Packet::ConnAck(_)).then_some(()));
        this
    }

    /// Publishes all of it, in order, until the broker has everything.
    pub(crate) fn publish(&mut self, publications: &[Publication]) {
        for Publication {
            topic,
            retain,
            payload,
            ..
        } in publications
        {
            self.client
                .publish(topic, QoS::AtLeastOnce, *retain, payload.clone())
                .unwrap();
        }
        for _ in publications {
            let reason = self.until(|packet| match packet {
                Packet::PubAck(ack) => Some(ack.reason),
                _ => None,
            });
            assert!(
                matches!(
                    reason,
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers
                ),
                "{reason:?}"
            );
        }
    }

    pub(crate) fn subscribe(&mut self, filter: &str) {
        self.client.subscribe(filter, QoS::AtLeastOnce).unwrap();
        let granted = self.until(|packet| match packet {
            Packet::SubAck(ack) => Some(ack.return_codes.clone()),
            _ => None,
        });
        assert!(matches!(granted[..], [SubscribeReasonCode::Success(_)]));
    }

    /// What stands on a topic.
    pub(crate) fn retained(&mut self, topic: &str) -> Vec<u8> {
        self.subscribe(topic);
        self.next(topic)
    }

    /// The next message on a topic; nothing else may have come.
    pub(crate) fn next(&mut self, topic: &str) -> Vec<u8> {
        while self.waiting.is_empty() {
            self.until(|packet| matches!(packet, Packet::Publish(_)).then_some(()));
        }
        let (on, payload) = self.waiting.pop_front().unwrap();
        assert_eq!(on, topic);
        payload
    }

    fn until<T>(&mut self, wanted: impl Fn(&Packet) -> Option<T>) -> T {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let event = self.connection.recv_timeout(Duration::from_secs(1));
            let Ok(event) = event else { continue };
            let Event::Incoming(packet) = event.unwrap() else {
                continue;
            };
            if let Packet::Publish(message) = &packet {
                let topic = String::from_utf8(message.topic.to_vec()).unwrap();
                let publication = Publication::retained(topic.clone(), message.payload.to_vec());
                self.received += packet_len(&publication);
                self.waiting.push_back((topic, message.payload.to_vec()));
            }
            if let Some(found) = wanted(&packet) {
                return found;
            }
        }
        panic!("nothing came");
    }
}

/// Whether the broker takes an MQTT 3.1.1 packet of exactly this many bytes.
pub(crate) fn takes(port: &str, bytes: usize) -> bool {
    let mut stream = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let id = b"probe";
    let mut connect = vec![0x10, 12 + id.len() as u8];
    connect.extend(b"\0\x04MQTT\x04\x02\0\x3c\0\x05");
    connect.extend(id);
    stream.write_all(&connect).unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [0x20, 2, 0, 0], "connected");

    // QoS 1, a length field of three bytes, the topic `probe`, packet 1.
    let remaining = bytes - 4;
    let mut publish = vec![0x32];
    for shift in [0, 7, 14] {
        let more = if shift < 14 { 0x80 } else { 0 };
        publish.push((remaining >> shift & 0x7f) as u8 | more);
    }
    publish.extend(b"\0\x05probe\0\x01");
    publish.resize(bytes, b'x');
    if stream.write_all(&publish).is_err() {
        return false;
    }
    match stream.read_exact(&mut answer) {
        Ok(()) => {
            assert_eq!(answer, [0x40, 2, 0, 1], "acknowledged");
            true
        }
        Err(error) => {
            let timed_out = matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            );
            assert!(!timed_out, "neither taken nor refused");
            false
        }
    }
}
