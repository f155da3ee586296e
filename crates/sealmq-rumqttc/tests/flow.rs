//! The main job over TCP: a publish-only sensor, readers, an authority, rotation and removal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may fail loudly"
)]

mod common;

use common::{BOTH, Domain, Node, PUBLISH, Raw, SUBSCRIBE, options, text};
use sealmq_broker::Broker;
use sealmq_rumqttc::Gap;

#[tokio::test]
async fn a_sensor_and_two_readers() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let sensor_store = domain.enrol("sensor-7", PUBLISH).await;
    let first = domain.enrol("reader-1", SUBSCRIBE).await;
    let second = domain.enrol("reader-2", BOTH).await;

    let mut outsider = Raw::connect(options("outsider", at)).await;
    outsider.subscribe("plant/#").await;
    let mut readers = [
        Node::reader(options("r1", at), first, &["plant/#"]).await,
        Node::reader(options("r2", at), second, &["plant/+/temp"]).await,
    ];
    let sensor = Node::start(options("s7", at), sensor_store);
    for value in ["21.5", "21.6"] {
        sensor.publish("plant/a/temp", value).await;
    }
    sensor.flush().await;
    assert_eq!(sensor.client.outstanding(), 0);

    for reader in &mut readers {
        let message = reader.message().await;
        assert_eq!(
            (message.topic.as_str(), text(&message)),
            ("plant/a/temp", "21.5")
        );
        assert_eq!(
            (message.sender.0, message.sender_name.as_str()),
            (1, "sensor-7")
        );
        assert_eq!((message.group.as_str(), message.epoch), ("plant", 4));
        assert!(message.sent_at_time().is_some());
        assert_eq!(
            (message.gap, message.retained, message.will),
            (Some(Gap::First), false, false)
        );
        let message = reader.message().await;
        assert_eq!(
            (text(&message), message.gap),
            ("21.6", Some(Gap::Missed(0)))
        );
    }
    let seen = outsider.next().await;
    assert!(!seen.payload.windows(4).any(|w| w == b"21.5"));
    assert!(seen.properties.is_none_or(|p| p.content_type.is_none()));
    broker.shutdown().await;
}
