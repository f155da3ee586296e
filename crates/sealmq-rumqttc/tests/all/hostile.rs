//! What a broker or a stranger can inject: each is rejected with its reason, and ends nothing.

use crate::common::{Domain, Node, PUBLISH, Raw, SUBSCRIBE, options, text};
use sealmq_broker::Broker;
use sealmq_keys::ReservedTopic;
use sealmq_rumqttc::{Event, MemberEvent, MemberOptions, SealOptions};

struct Scene {
    broker: Broker,
    domain: Domain,
    sensor: Node,
    reader: Node,
    stranger: Raw,
}

impl Scene {
    async fn new() -> Self {
        let broker = Broker::builder().start().await.unwrap();
        let at = broker.local_addr();
        let mut domain = Domain::new(at).await;
        let sensor = domain.enrol("sensor", PUBLISH).await;
        let reader = domain.enrol("reader", SUBSCRIBE).await;
        let quick = SealOptions::new().member(MemberOptions {
            pending_ms: 300,
            ..MemberOptions::default()
        });
        let mut reader = Node::with_options(options("reader", at), reader, quick);
        reader.subscribe("plant/#").await;
        let mut stranger = Raw::connect(options("stranger", at)).await;
        stranger.subscribe("plant/#").await;
        let sensor = Node::start(options("sensor", at), sensor);
        Self {
            broker,
            domain,
            sensor,
            reader,
            stranger,
        }
    }

    /// A genuine envelope on `plant/a`, received by the reader, as the broker saw it.
    async fn recorded(&mut self, payload: &str) -> Vec<u8> {
        self.sensor.publish("plant/a", payload).await;
        assert_eq!(text(&self.reader.message().await), payload);
        self.stranger.next().await.payload.to_vec()
    }

    async fn inject(&mut self, topic: &str, retain: bool, payload: Vec<u8>) -> &'static str {
        self.stranger.publish(topic, 1, retain, payload).await;
        let (rejected, reason) = self.reader.rejection().await;
        assert_eq!(rejected, topic);
        reason
    }

    /// The connection is the same as at the beginning, and genuine messages arrive.
    async fn end(mut self) {
        self.sensor.publish("plant/end", "still here").await;
        assert_eq!(text(&self.reader.message().await), "still here");
        let connected = |event: &&Event| matches!(event, Event::Connected { .. });
        assert_eq!(self.reader.seen.iter().filter(connected).count(), 1);
        self.broker.shutdown().await;
    }
}

#[tokio::test]
async fn injected_altered_replayed_moved() {
    let mut scene = Scene::new().await;
    let envelope = scene.recorded("21.5").await;

    assert_eq!(
        scene.inject("plant/a", false, b"21.5".to_vec()).await,
        "NotSealed"
    );
    let mut garbage = vec![0x25; 200];
    garbage[0] = envelope[0];
    assert_eq!(scene.inject("plant/a", false, garbage).await, "UnknownKey");
    assert_eq!(
        scene
            .inject("plant/a", false, envelope[..60].to_vec())
            .await,
        "Malformed"
    );
    let truncated = envelope[..envelope.len() - 1].to_vec();
    assert_eq!(scene.inject("plant/a", false, truncated).await, "Rejected");
    let mut flipped = envelope.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert_eq!(scene.inject("plant/a", false, flipped).await, "Rejected");

    assert_eq!(
        scene.inject("plant/a", false, envelope.clone()).await,
        "Replay"
    );
    assert_eq!(
        scene.inject("plant/b", false, envelope.clone()).await,
        "Rejected"
    );
    // Somebody who subscribes now gets it as the retained value, which it was not meant to be.
    scene.stranger.publish("plant/a", 1, true, envelope).await;
    assert_eq!(scene.reader.rejection().await.1, "Replay");
    scene.reader.subscribe("plant/a").await;
    assert_eq!(scene.reader.rejection().await.1, "Replay");
    assert!(
        !scene
            .reader
            .seen
            .iter()
            .any(|event| matches!(event, Event::Message(_)))
    );
    scene.end().await;
}

#[tokio::test]
async fn a_message_of_another_domain_is_unknown() {
    let mut scene = Scene::new().await;
    scene.recorded("21.5").await;
    let mut other = Domain::new(scene.broker.local_addr()).await;
    let store = other.enrol("sensor", PUBLISH).await;
    let impostor = Node::start(options("impostor", scene.broker.local_addr()), store);
    impostor.publish("plant/a", "forged").await;
    assert_eq!(
        scene.reader.rejection().await,
        ("plant/a".to_owned(), "UnknownKey")
    );
    scene.end().await;
}

#[tokio::test]
async fn bad_objects_on_reserved_topics_change_nothing() {
    let mut scene = Scene::new().await;
    scene.recorded("21.5").await;
    let prefix = scene.domain.authority.prefix().to_owned();
    let group = scene.domain.authority.groups().next().unwrap().id;
    let topics = [
        ReservedTopic::Delegation,
        ReservedTopic::Announcement(group, 99),
        ReservedTopic::RefusedList(group),
    ];
    for topic in topics {
        let name = topic.name(&prefix);
        scene
            .stranger
            .publish(&name, 1, true, b"garbage".to_vec())
            .await;
        let reported = scene
            .reader
            .until(|event| match event {
                Event::Key(MemberEvent::BadReserved { topic, .. }) => Some(topic.clone()),
                _ => None,
            })
            .await;
        assert_eq!(reported, name);
        // Cleared, and a name under the prefix that means nothing.
        scene.stranger.publish(&name, 1, true, Vec::new()).await;
    }
    scene
        .stranger
        .publish(&format!("{prefix}/g/none"), 1, false, b"x".to_vec())
        .await;
    scene.domain.rotate().await;
    scene.reader.epoch(4).await;
    scene.end().await;
}

/// Brokers stop sending while too many messages are open, so those that wait for a sender's
/// credential must not keep it out.
#[tokio::test]
async fn many_waiting_messages_do_not_keep_out_what_they_wait_for() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let reader = domain.enrol("reader", SUBSCRIBE).await;
    let sensor = domain.enrol("sensor", PUBLISH).await;
    let number = domain.authority.find_member("sensor").unwrap();
    let credential = ReservedTopic::Credential(number).name(domain.authority.prefix());
    let outbox = domain.authority.outbox(&domain.store).unwrap();
    let object = outbox
        .into_iter()
        .find(|p| p.topic == credential)
        .unwrap()
        .payload;
    domain
        .client
        .publish(&credential, 1, true, Vec::new())
        .await;

    let mut few = options("reader", at);
    few.set_receive_maximum(Some(10));
    let mut reader = Node::reader(few, reader, &["plant/#"]).await;
    let sensor = Node::start(options("sensor", at), sensor);
    for n in 0..40 {
        sensor.publish("plant/x", &n.to_string()).await;
    }
    sensor.flush().await;
    domain.client.publish(&credential, 1, true, object).await;
    for n in 0..40 {
        assert_eq!(text(&reader.message().await), n.to_string());
    }
    broker.shutdown().await;
}
