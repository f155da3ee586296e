//! Brokers that end the connection because of one message.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::v5::Packet;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::common::sink::{Sink, Treatment};
use crate::common::{Node, options, persistent, qos};
use crate::one_task::sensor;
use sealmq_rumqttc::{BrokerLimit, Event, SealOptions};

/// Publishes good ones, `bad` bad ones in their midst, and good ones behind; all at once.
async fn scene(name: &str, level: u8, bad: usize, treatment: Treatment, bytes: usize) {
    let is_bad = move |topic: &[u8], size: usize| topic == b"plant/bad" || size > 131_072;
    let sink = Sink::start(true, move |publish| {
        if is_bad(&publish.topic, publish.payload.len()) {
            treatment
        } else {
            Treatment::Take
        }
    })
    .await;
    let mut node = Node::with_options(
        options("sensor", sink.address),
        sensor().await,
        SealOptions::new(),
    );
    let began = Instant::now();
    for number in 0..20 {
        let topic = format!("plant/{number}");
        node.publish_at(&topic, level, b"good".to_vec()).await;
        if number < bad {
            let topic = if bytes > 0 {
                "plant/large"
            } else {
                "plant/bad"
            };
            node.publish_at(topic, level, vec![7; bytes.max(1)]).await;
        }
    }
    let mut given_up = Vec::new();
    while given_up.len() < bad {
        let told = node.until(|event| match event {
            Event::PublishRefused { topic, reason } => Some((topic.clone(), reason.clone())),
            _ => None,
        });
        given_up.push(told.await);
    }
    node.flush().await;
    println!("{name}: {:?}, {given_up:?}", began.elapsed());
    let named = if bytes > 0 {
        "plant/large"
    } else {
        "plant/bad"
    };
    assert!(given_up.iter().all(|(topic, _)| topic == named), "{name}");
    // What the broker took again, the reader drops by its counter; the good ones were never in doubt.
    let count = sink.count.lock().unwrap();
    let mut topics: Vec<_> = count
        .taken
        .values()
        .map(|(topic, _)| topic.as_str())
        .collect();
    topics.sort_unstable();
    topics.dedup();
    assert_eq!(topics.len(), 20, "{name}");
    assert!(
        count.connections <= 1 + 4 * bad,
        "{name}: {}",
        count.connections
    );
}

#[tokio::test]
async fn a_message_whose_answer_rumqttc_cannot_read_is_given_up() {
    // Mosquitto answers what is above its message_size_limit with 149.
    tokio::join!(
        scene("PUBACK", 1, 1, Treatment::Answer(149), 0),
        scene("PUBREC", 2, 1, Treatment::Answer(149), 0),
        scene("PUBCOMP", 2, 1, Treatment::Complete(149), 0),
    );
}

#[tokio::test]
async fn a_message_above_the_real_limit_is_given_up() {
    tokio::join!(
        scene("QoS 1", 1, 1, Treatment::Close, 140_000),
        scene("QoS 2", 2, 1, Treatment::Close, 140_000),
        scene("two", 1, 2, Treatment::Close, 140_000),
    );
}

/// Every reason code of MQTT 5 that an acknowledgement may carry ends at most this one message.
#[tokio::test]
async fn codes_that_rumqttc_knows_end_nothing() {
    for code in [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99] {
        for level in [1, 2] {
            let sink = Sink::start(true, move |_| Treatment::Answer(code)).await;
            let mut node = Node::start(options("sensor", sink.address), sensor_once().await);
            node.publish_at("plant/x", level, b"x".to_vec()).await;
            node.until(|event| matches!(event, Event::PublishRefused { .. }).then_some(()))
                .await;
            node.flush().await;
            assert_eq!(sink.connections(), 1);
        }
    }
}

async fn sensor_once() -> crate::common::SharedStore {
    static STORE: tokio::sync::OnceCell<crate::common::SharedStore> =
        tokio::sync::OnceCell::const_new();
    STORE.get_or_init(sensor).await.copy()
}

impl Node {
    async fn publish_at(&self, topic: &str, level: u8, payload: Vec<u8>) {
        let publishing = self.client.publish(topic, qos(level), false, payload);
        tokio::time::timeout(Duration::from_secs(30), publishing)
            .await
            .unwrap()
            .unwrap();
    }
}

/// What a broker says, in packets that rumqttc cannot read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Odd {
    SubAck,
    UnsubAck,
    PubRel,
    /// It closes the connection instead of UNSUBACK.
    Closes,
}

/// A broker with a session, which answers `plant/odd` in its own way. Returns its address, and
/// CONNECTs with their clean start.
async fn odd(odd: Odd) -> (SocketAddr, Arc<Mutex<Vec<bool>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let connects = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&connects);
    tokio::spawn(async move {
        let mut released = true;
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = BytesMut::new();
            let mut present = false;
            'connection: loop {
                let Ok(packet) = Packet::read(&mut buffer, None) else {
                    match stream.read_buf(&mut buffer).await {
                        Ok(read) if read > 0 => continue,
                        _ => break,
                    }
                };
                let mut answer = BytesMut::new();
                match packet {
                    Packet::Connect(connect, ..) => {
                        let mut seen = seen.lock().unwrap();
                        present = !seen.is_empty() && !connect.clean_start;
                        released |= !present;
                        seen.push(connect.clean_start);
                        answer.extend_from_slice(&[0x20, 3, present.into(), 0, 0]);
                        if !released {
                            answer.extend_from_slice(&[0x62, 3, 0, 9, 0x42]);
                        }
                    }
                    Packet::Subscribe(packet) => {
                        let [high, low] = packet.pkid.to_be_bytes();
                        let count = u8::try_from(packet.filters.len()).unwrap();
                        answer.extend_from_slice(&[0x90, 3 + count, high, low, 0]);
                        for filter in packet.filters {
                            let is_odd = odd == Odd::SubAck && filter.path == "plant/odd";
                            answer.extend_from_slice(&[if is_odd { 0x99 } else { 1 }]);
                            if odd == Odd::PubRel && filter.path == "plant/odd" && !present {
                                released = seen.lock().unwrap().len() > 1;
                                if !released {
                                    // QoS 2, identifier 9: a retained value was cleared.
                                    answer.extend_from_slice(&[0x34, 14, 0, 9]);
                                    answer.extend_from_slice(b"plant/odd\0\x09\0");
                                }
                            }
                        }
                    }
                    Packet::PubRec(_) => answer.extend_from_slice(&[0x62, 3, 0, 9, 0x42]),
                    Packet::Unsubscribe(packet) => {
                        let [high, low] = packet.pkid.to_be_bytes();
                        let is_odd = packet.filters.iter().any(|filter| filter == "plant/odd");
                        if is_odd && odd == Odd::Closes {
                            break 'connection;
                        }
                        let code = if is_odd { 0x99 } else { 0 };
                        answer.extend_from_slice(&[0xb0, 4, high, low, 0, code]);
                    }
                    Packet::Publish(publish) => {
                        let [high, low] = publish.pkid.to_be_bytes();
                        answer.extend_from_slice(&[0x40, 2, high, low]);
                    }
                    Packet::PingReq(_) => answer.extend_from_slice(&[0xd0, 0]),
                    _ => {}
                }
                if stream.write_all(&answer).await.is_err() {
                    break;
                }
            }
        }
    });
    (address, connects)
}

/// Plays it until the message and the second subscription are through, and a second more; returns
/// the events and CONNECTs.
async fn oddity(how: Odd) -> (Vec<Event>, Vec<bool>) {
    let (address, connects) = odd(how).await;
    let options = SealOptions::new()
        .wait_for_keys(Duration::from_secs(20))
        .reconnect_delay(Duration::from_millis(20), Duration::from_millis(100));
    let mqtt = persistent("sensor", address);
    let mut node = Node::with_options(mqtt, sensor_once().await, options);
    node.client.subscribe("plant/odd", qos(2)).await.unwrap();
    node.client.subscribe("plant/good", qos(1)).await.unwrap();
    if matches!(how, Odd::UnsubAck | Odd::Closes) {
        for _ in 0..2 {
            let granted = |event: &Event| matches!(event, Event::Subscribed { .. }).then_some(());
            node.until(granted).await;
        }
        node.client.unsubscribe("plant/odd").await.unwrap();
        node.client.unsubscribe("plant/good").await.unwrap();
    }
    node.publish("plant/x", "x").await;
    node.flush().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    node.publish("plant/x", "y").await;
    node.flush().await;
    node.connections();
    let connects = connects.lock().unwrap().clone();
    let refused = |event: &&Event| matches!(event, Event::PublishRefused { .. });
    assert!(!node.seen.iter().any(|event| refused(&event)), "{how:?}");
    assert!(connects.len() <= 6, "{how:?}: {connects:?}");
    (node.seen, connects)
}

fn count(events: &[Event], found: impl Fn(&Event) -> bool) -> usize {
    events.iter().filter(|event| found(event)).count()
}

#[tokio::test]
async fn a_subscription_whose_answer_rumqttc_cannot_read_is_refused_and_the_others_work() {
    let (events, _) = oddity(Odd::SubAck).await;
    let refused = |event: &Event| matches!(event, Event::SubscribeRefused { filter, .. } if filter == "plant/odd");
    let granted =
        |event: &Event| matches!(event, Event::Subscribed { filter, .. } if filter == "plant/good");
    assert_eq!(count(&events, refused), 1, "{events:?}");
    assert!(count(&events, granted) > 0, "{events:?}");
}

#[tokio::test]
async fn an_unsubscribe_whose_answer_rumqttc_cannot_read_ends_few_connections() {
    let (one, two) = tokio::join!(oddity(Odd::UnsubAck), oddity(Odd::Closes));
    let ended = |event: &Event| matches!(event, Event::Unsubscribed { .. });
    assert_eq!(count(&one.0, ended), 2, "{:?}", one.0);
    let told = |event: &Event| matches!(event, Event::BrokerLimit(BrokerLimit::Unsubscribe(_)));
    assert!(count(&two.0, told) > 0, "{:?}", two.0);
}

#[tokio::test]
async fn a_session_with_a_pubrel_that_rumqttc_cannot_read_is_given_up() {
    let (events, connects) = oddity(Odd::PubRel).await;
    let told = |event: &Event| matches!(event, Event::BrokerLimit(BrokerLimit::Session(0x42)));
    assert_eq!(count(&events, told), 1, "{events:?}");
    assert_eq!(connects.iter().filter(|clean| **clean).count(), 1);
}
