//! The main job over TCP: a publish-only sensor, readers, an authority, rotation and removal.

use std::time::Duration;

use crate::common::{
    BOTH, Domain, PUBLISH, Raw, SUBSCRIBE, Sealed, Setup, both, options, text, within,
};
use getrandom::SysRng;
use sealmq_broker::Broker;
use sealmq_client::Event;
use sealmq_keys::Store;
use sealmq_keys::member::{Member, OutgoingMessage};
use sealmq_rumqttc::{ClientError, Gap, MemberEvent, MemberOptions, SealError, SealOptions};

both!(
    a_sensor_and_two_readers,
    rotation_in_mid_flow_loses_nothing,
    a_removed_reader_gets_nothing_more_and_a_late_joiner_nothing_from_before,
    a_sensor_that_slept_through_rotations_catches_up_before_it_sends,
    a_publish_only_store_opens_nothing,
);

async fn a_sensor_and_two_readers<V: Setup>() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let sensor_store = domain.enrol("sensor-7", PUBLISH).await;
    let first = domain.enrol("reader-1", SUBSCRIBE).await;
    let second = domain.enrol("reader-2", BOTH).await;

    let mut outsider = Raw::connect(options("outsider", at)).await;
    outsider.subscribe("plant/#").await;
    let mut readers = [
        Sealed::<V>::reader(V::options("r1", at), first, &["plant/#"]).await,
        Sealed::<V>::reader(V::options("r2", at), second, &["plant/+/temp"]).await,
    ];
    let sensor = Sealed::<V>::start(V::options("s7", at), sensor_store);
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
    broker.shutdown().await;
}

/// The epochs in which `count` numbered messages arrived: each once, in order, none missing.
async fn receive_all<V: Setup>(reader: &mut Sealed<V>, count: usize) -> Vec<u64> {
    let mut epochs = Vec::new();
    for number in 0..count {
        let message = reader.message().await;
        assert_eq!(text(&message), number.to_string());
        assert!(
            matches!(message.gap, Some(Gap::First | Gap::Missed(0))),
            "{message:?}"
        );
        epochs.push(message.epoch);
    }
    epochs.dedup();
    epochs
}

async fn rotation_in_mid_flow_loses_nothing<V: Setup>() {
    const COUNT: usize = 400;
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let sensor_store = domain.enrol("sensor", PUBLISH).await;
    let stores = [
        domain.enrol("r1", SUBSCRIBE).await,
        domain.enrol("r2", SUBSCRIBE).await,
    ];
    let mut readers = Vec::new();
    for (n, store) in stores.into_iter().enumerate() {
        readers
            .push(Sealed::<V>::reader(V::options(&format!("r{n}"), at), store, &["plant/#"]).await);
    }
    let sensor = Sealed::<V>::start(V::options("sensor", at), sensor_store);
    // Once this is through, everybody knows the keys.
    sensor.publish("plant/first", "x").await;
    for reader in &mut readers {
        reader.message().await;
    }
    let publisher = sensor.client.clone();
    let publishing = tokio::spawn(async move {
        for number in 0..COUNT {
            let payload = number.to_string();
            publisher
                .publish("plant/x", V::qos(1), false, payload)
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(120)).await;
        domain.rotate().await;
    }
    within("publishing", publishing).await.unwrap();
    sensor.flush().await;
    for reader in &mut readers {
        let epochs = receive_all(reader, COUNT).await;
        assert!(epochs.len() >= 4, "{epochs:?}");
        assert!(epochs.is_sorted());
    }
    broker.shutdown().await;
}

async fn a_removed_reader_gets_nothing_more_and_a_late_joiner_nothing_from_before<V: Setup>() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let sensor_store = domain.enrol("sensor", PUBLISH).await;
    let (out, stays) = (
        domain.enrol("out", BOTH).await,
        domain.enrol("stays", SUBSCRIBE).await,
    );
    let mut stays = Sealed::<V>::reader(V::options("stays", at), stays, &["plant/#"]).await;
    let quick = SealOptions::new()
        .wait_for_keys(crate::common::PATIENCE)
        .member(MemberOptions {
            pending_ms: 300,
            ..MemberOptions::default()
        });
    let out_store = out.clone();
    let mut out = Sealed::<V>::with_options(V::options("out", at), out, quick);
    out.subscribe("plant/#").await;
    let sensor = Sealed::<V>::start(V::options("sensor", at), sensor_store);

    sensor.publish("plant/x", "for both").await;
    assert_eq!(text(&out.message().await), "for both");
    assert_eq!(text(&stays.message().await), "for both");

    let stolen = out_store.copy();
    domain.remove("out").await;
    out.until(|event| matches!(event, Event::Key(MemberEvent::Removed { .. })).then_some(()))
        .await;
    let mut sensor = sensor;
    sensor
        .until(|event| match event {
            Event::Key(MemberEvent::Epoch { healing: true, .. }) => Some(()),
            _ => None,
        })
        .await;
    sensor.publish("plant/x", "secret").await;
    assert_eq!(text(&stays.message().await), "secret");
    // The envelope waits for keys that never come, and is given up.
    assert_eq!(out.rejection().await, ("plant/x".to_owned(), "UnknownKey"));
    assert!(
        !out.seen
            .iter()
            .any(|event| matches!(event, Event::Message(_)))
    );
    // It does not seal any more; what somebody seals with its keys, nobody opens.
    let refused = out.client.publish("plant/x", V::qos(1), false, "x").await;
    let group = "plant".to_owned();
    assert_eq!(
        refused,
        Err(ClientError::Seal(SealError::Removed { group }))
    );
    let mut thief = Member::load(&stolen, MemberOptions::default()).unwrap();
    let message = OutgoingMessage::new("plant/x", b"from outside");
    let now = Some(crate::common::now() * 1000);
    let sealed = thief.seal(&message, now, &mut SysRng).unwrap();
    domain
        .client
        .publish("plant/x", 1, false, sealed.payload)
        .await;
    assert_eq!(stays.rejection().await, ("plant/x".to_owned(), "Revoked"));

    let late = domain.enrol("late", SUBSCRIBE).await;
    let mut late = Sealed::<V>::reader(V::options("late", at), late, &["plant/#"]).await;
    sensor.epoch(6).await;
    sensor.publish("plant/x", "for the late one, too").await;
    for reader in [&mut late, &mut stays] {
        assert_eq!(text(&reader.message().await), "for the late one, too");
    }
    broker.shutdown().await;
}

/// A device that slept seals for the epoch of today: readers have left the one that it stored.
async fn a_sensor_that_slept_through_rotations_catches_up_before_it_sends<V: Setup>() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let store = domain.enrol("sensor", PUBLISH).await;
    let reader = domain.enrol("reader", SUBSCRIBE).await;
    let mut reader = Sealed::<V>::reader(V::options("reader", at), reader, &["plant/#"]).await;
    let sensor = Sealed::<V>::start(V::options("sensor", at), store.clone());
    sensor.publish("plant/x", "awake").await;
    assert_eq!(reader.message().await.epoch, 3);
    sensor.flush().await;
    within("goodbye", sensor.client.disconnect()).await.unwrap();

    for _ in 0..5 {
        domain.rotate().await;
    }
    let sensor = Sealed::<V>::start(V::options("sensor", at), store);
    sensor.publish("plant/x", "awake again").await;
    let message = reader.message().await;
    assert_eq!((text(&message), message.epoch), ("awake again", 8));
    broker.shutdown().await;
}

/// The sensor's whole store opens nothing, not even what it sent itself.
async fn a_publish_only_store_opens_nothing<V: Setup>() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let store = domain.enrol("sensor", PUBLISH).await;
    let sensor = Sealed::<V>::start(V::options("sensor", at), store.clone());
    sensor.publish("plant/x", "21.5").await;
    sensor.flush().await;
    within("goodbye", sensor.client.disconnect()).await.unwrap();
    assert!(!store.list("").unwrap().is_empty());
    let accept_own = MemberOptions {
        accept_own: true,
        pending_messages: 0,
        ..MemberOptions::default()
    };
    let mut member = Member::load(&store, accept_own).unwrap();
    let now = Some(crate::common::now() * 1000);
    let message = OutgoingMessage::new("plant/x", b"21.6");
    let sealed = member.seal(&message, now, &mut SysRng).unwrap();
    let (opened, _) = member.open("plant/x", &sealed.payload, false, now);
    assert!(
        matches!(opened, sealmq_keys::member::Delivery::Rejected(_)),
        "{opened:?}"
    );
    broker.shutdown().await;
}
