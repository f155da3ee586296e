//! Brokers that end the connection because of one message.

use std::time::{Duration, Instant};

use crate::common::sink::{Sink, Treatment};
use crate::common::{Node, options, qos};
use crate::one_task::sensor;
use sealmq_rumqttc::{Event, SealOptions};

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
