//! What `publish`, `subscribe` and `poll` refuse, and how they say it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::common::{
    BOTH, Domain, Node, PUBLISH, Raw, SUBSCRIBE, SharedStore, options, qos, text, within,
};
use rumqttc::v5::mqttbytes::v5::{LastWill, PublishProperties};
use sealmq_broker::Broker;
use sealmq_keys::{Changes, Store, StoredRecord};
use sealmq_rumqttc::{
    AsyncClient, ClientError, Event, OpenError, PollError, SealError, SealOptions,
};
use sealmq_store::StoreError;
use zeroize::Zeroizing;

async fn publish(node: &Node, topic: &str) -> Result<(), ClientError> {
    within("publish", node.client.publish(topic, qos(1), false, "x")).await
}

#[tokio::test]
async fn nothing_is_sent_in_clear() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    domain.add_group("lab", &["lab/#"]).await;
    let own_only = domain
        .enrol_only("dev-1", &[("plant", PUBLISH, "plant/%c/#")])
        .await;
    let reader = domain
        .enrol_only("reader", &[("plant", SUBSCRIBE, "")])
        .await;
    domain.tick().await;
    let mut outsider = Raw::connect(options("outsider", at)).await;
    outsider.subscribe("#").await;

    let device = Node::start(options("dev-1", at), own_only.clone());
    publish(&device, "plant/dev-1/temp").await.unwrap();
    let not_granted = Err(ClientError::Seal(SealError::NotGranted {
        group: "plant".to_owned(),
    }));
    assert_eq!(publish(&device, "plant/dev-2/temp").await, not_granted);
    let no_group = Err(ClientError::Seal(SealError::NoGroup));
    assert_eq!(publish(&device, "elsewhere").await, no_group);
    assert_eq!(publish(&device, "lab/x").await, no_group);
    let reserved = format!("{}/delegation", domain.authority.prefix());
    assert_eq!(
        publish(&device, &reserved).await,
        Err(ClientError::Seal(SealError::Reserved))
    );
    assert!(matches!(
        publish(&device, "plant/+").await,
        Err(ClientError::Topic(_))
    ));
    let clear = device.client.publish("elsewhere", qos(1), true, "");
    assert_eq!(within("clear", clear).await, no_group);
    let bad = PublishProperties {
        content_type: Some("a\0b".to_owned()),
        ..PublishProperties::default()
    };
    let topic = "plant/dev-1/temp";
    let bad = device
        .client
        .publish_with_properties(topic, qos(1), false, "x", bad);
    let bad = within("publish", bad).await;
    assert!(
        matches!(bad, Err(ClientError::Seal(SealError::Properties(_)))),
        "{bad:?}"
    );
    assert_eq!(
        device.client.subscribe(reserved, qos(1)).await,
        Err(ClientError::Reserved)
    );
    let bad = device.client.subscribe("$share/x", qos(1)).await;
    assert!(matches!(bad, Err(ClientError::Topic(_))));

    let reader = Node::start(options("reader", at), reader);
    assert_eq!(publish(&reader, "plant/x").await, not_granted);
    device.flush().await;
    drop(device);

    // Allowed explicitly, and only where no group covers the topic.
    let lenient = SealOptions::new()
        .wait_for_keys(crate::common::PATIENCE)
        .allow_plaintext("#");
    let mut device = Node::with_options(options("dev-1", at), own_only, lenient);
    device.subscribe("other/#").await;
    device.subscribe("plant/dev-2/#").await;
    publish(&device, "other/x").await.unwrap();
    let (topic, payload) = device
        .until(|event| match event {
            Event::Unsealed { topic, payload, .. } => Some((topic.clone(), payload.clone())),
            _ => None,
        })
        .await;
    assert_eq!((topic.as_str(), &payload[..]), ("other/x", &b"x"[..]));
    assert_eq!(publish(&device, "plant/dev-2/x").await, not_granted);
    outsider
        .publish("plant/dev-2/x", 1, false, b"21.5".to_vec())
        .await;
    assert_eq!(device.rejection().await.1, "NotSealed");
    broker.shutdown().await;
}

#[tokio::test]
async fn without_keys_it_fails_at_once_or_waits() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let store = domain.enrol_only("sensor", &[("plant", PUBLISH, "")]).await;
    let at_once = Node::with_options(options("a", at), store.clone(), SealOptions::new());
    let result = publish(&at_once, "plant/x").await;
    assert!(
        matches!(result, Err(ClientError::Seal(SealError::NoKeysYet { .. }))),
        "{result:?}"
    );
    drop(at_once);

    let brief = SealOptions::new().wait_for_keys(Duration::from_millis(700));
    let mut waits = Node::with_options(options("b", at), store, brief);
    let result = publish(&waits, "plant/x").await;
    assert!(
        matches!(result, Err(ClientError::Seal(SealError::NoKeysYet { .. }))),
        "{result:?}"
    );
    waits
        .client
        .try_publish("plant/x", qos(1), false, "tried")
        .unwrap();
    let error = waits
        .until(|event| match event {
            Event::NotPublished { error, .. } => Some(error.clone()),
            _ => None,
        })
        .await;
    assert!(matches!(
        error,
        ClientError::Seal(SealError::NoKeysYet { .. })
    ));

    let client = waits.client.clone();
    let publishing =
        tokio::spawn(async move { client.publish("plant/x", qos(1), false, "in time").await });
    domain.tick().await;
    within("publish", publishing).await.unwrap().unwrap();
    waits.flush().await;
    broker.shutdown().await;
}

#[tokio::test]
async fn expired_keys_are_not_used() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let store = domain.enrol("sensor", PUBLISH).await;
    let ahead = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&ahead);
    let options_ = SealOptions::new()
        .wait_for_keys(Duration::from_secs(5))
        .clock(move || Some((crate::common::now() + clock.load(Ordering::Relaxed)) * 1000));
    let device = Node::with_options(options("sensor", at), store, options_);
    publish(&device, "plant/x").await.unwrap();
    ahead.store(8 * 86_400, Ordering::Relaxed);
    let result = publish(&device, "plant/x").await;
    let expired = matches!(
        &result,
        Err(ClientError::Seal(
            SealError::CredentialExpired { .. } | SealError::KeysExpired { .. }
        ))
    );
    assert!(expired, "{result:?}");
    broker.shutdown().await;
}

#[tokio::test]
async fn too_large_for_the_broker() {
    let broker = Broker::builder()
        .max_packet_size(4096)
        .start()
        .await
        .unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let sender = domain.enrol("sender", PUBLISH).await;
    let reader = domain.enrol("reader", SUBSCRIBE).await;
    let mut reader = Node::reader(options("reader", at), reader, &["plant/#"]).await;
    let mut sender = Node::start(options("sender", at), sender);
    sender.publish("plant/x", "before").await;
    sender.flush().await;
    let result = within(
        "publish",
        sender
            .client
            .publish("plant/x", qos(1), false, vec![7; 5000]),
    )
    .await;
    assert!(
        matches!(result, Err(ClientError::TooLarge { most: 4096, .. })),
        "{result:?}"
    );
    // Fits, but not with what sealing adds: known only afterwards.
    within(
        "publish",
        sender
            .client
            .publish("plant/x", qos(1), false, vec![7; 4050]),
    )
    .await
    .unwrap();
    let refused = sender
        .until(|event| match event {
            Event::PublishRefused { topic, reason } => Some((topic.clone(), reason.clone())),
            _ => None,
        })
        .await;
    assert!(refused.1.contains("4096"), "{refused:?}");
    sender.publish("plant/x", "after").await;
    sender.flush().await;
    assert_eq!(text(&reader.message().await), "before");
    assert_eq!(text(&reader.message().await), "after");
    broker.shutdown().await;
}

#[tokio::test]
async fn room_goodbye_and_the_end() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let store = domain.enrol("sensor", PUBLISH).await;
    let mut sensor = Node::start(options("sensor", at), store.clone());
    sensor.publish("plant/x", "learns the keys").await;
    sensor.flush().await;
    within("goodbye", sensor.client.disconnect()).await.unwrap();
    sensor
        .until(|event| matches!(event, Event::Disconnected).then_some(()))
        .await;
    assert_eq!(publish(&sensor, "plant/x").await, Err(ClientError::Closed));
    assert_eq!(sensor.client.flush().await, Err(ClientError::Closed));
    broker.shutdown().await;

    // Without a broker, messages are accepted as long as there is room.
    let few = SealOptions::new()
        .capacity(3)
        .reconnect_delay(Duration::from_millis(50), Duration::from_millis(100));
    let sensor = Node::with_options(options("sensor", at), store, few);
    for _ in 0..3 {
        publish(&sensor, "plant/x").await.unwrap();
    }
    assert_eq!(sensor.client.outstanding(), 3);
    assert_eq!(
        sensor.client.try_publish("plant/x", qos(1), false, "x"),
        Err(ClientError::Full)
    );
    let client = sensor.client.clone();
    let fourth = tokio::spawn(async move { client.publish("plant/x", qos(1), false, "x").await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!fourth.is_finished());
    let broker = Broker::builder().listen(at).start().await.unwrap();
    within("fourth", fourth).await.unwrap().unwrap();
    sensor.flush().await;
    broker.shutdown().await;
}

#[tokio::test]
async fn stores_and_options_that_cannot_work() {
    let options_ = || options("x", "127.0.0.1:1".parse().unwrap());
    let result = AsyncClient::new(options_(), SharedStore::default(), 10);
    assert!(matches!(result, Err(OpenError::Member(_))));
    let mut with_will = options_();
    with_will.set_last_will(LastWill::new("plant/will", "gone", qos(1), false, None));
    let result = AsyncClient::new(with_will, SharedStore::default(), 10);
    assert!(matches!(result, Err(OpenError::WillInClear)));
    let bad = SealOptions::new().allow_plaintext("a/#/b");
    let result = AsyncClient::with_options(options_(), SharedStore::default(), bad);
    assert!(matches!(result, Err(OpenError::PlaintextFilter { .. })));
}

/// Works until it is told not to.
struct Failing(SharedStore, Arc<AtomicBool>);

impl Store for Failing {
    type Error = StoreError;

    fn get(&self, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.0.get(key)
    }

    fn list(&self, prefix: &str) -> Result<Vec<StoredRecord>, StoreError> {
        self.0.list(prefix)
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        if self.1.load(Ordering::Relaxed) {
            let path = "store".into();
            return Err(StoreError::Busy { path });
        }
        self.0.commit(changes)
    }

    fn is_conflict(error: &StoreError) -> bool {
        SharedStore::is_conflict(error)
    }
}

#[tokio::test]
async fn a_store_that_fails_ends_it_before_anything_is_sent() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let store = domain.enrol("both", BOTH).await;
    let mut outsider = Raw::connect(options("outsider", at)).await;
    outsider.subscribe("plant/#").await;

    // The keys are there, so that the first commit is that of the session.
    let learning = Node::start(options("both", at), store.clone());
    learning.publish("plant/x", "learns").await;
    learning.flush().await;
    within("goodbye", learning.client.disconnect())
        .await
        .unwrap();
    outsider.next().await;

    let fails = Arc::new(AtomicBool::new(false));
    let store = Failing(store, Arc::clone(&fails));
    let (client, mut eventloop) = AsyncClient::new(options("both", at), store, 10).unwrap();
    fails.store(true, Ordering::Relaxed);
    let publishing = tokio::spawn({
        let client = client.clone();
        async move { client.publish("plant/x", qos(1), false, "x").await }
    });
    let end = within("the end", async {
        loop {
            match eventloop.poll().await {
                Err(error) if !error.is_temporary() => break error,
                _ => {}
            }
        }
    })
    .await;
    assert!(matches!(end, PollError::Store(_)), "{end:?}");
    assert!(matches!(eventloop.poll().await, Err(PollError::Closed)));
    let _accepted_or_closed = publishing.await.unwrap();
    assert_eq!(
        client.publish("plant/x", qos(1), false, "x").await,
        Err(ClientError::Closed)
    );
    // Nothing of it reached the broker.
    outsider
        .publish("plant/marker", 1, false, b"marker".to_vec())
        .await;
    assert_eq!(&outsider.next().await.topic[..], b"plant/marker");
    broker.shutdown().await;
}
