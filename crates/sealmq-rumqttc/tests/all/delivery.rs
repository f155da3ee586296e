//! What MQTT offers besides: quality of service, properties, retained values, wildcards, shared
//! subscriptions, large messages.

use crate::common::proxy::Proxy;
use crate::common::{Domain, Node, PUBLISH, Raw, SUBSCRIBE, now, options, qos, text, within};
use getrandom::SysRng;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use sealmq_authority::Authority;
use sealmq_broker::Broker;
use sealmq_rumqttc::{Event, MemberEvent, SealOptions};

#[tokio::test]
async fn every_quality_of_service_and_properties() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let sender = domain.enrol("sender", PUBLISH).await;
    let reader = domain.enrol("reader", SUBSCRIBE).await;
    let mut outsider = Raw::connect(options("outsider", at)).await;
    outsider.subscribe("plant/#").await;
    let mut reader = Node::start(options("reader", at), reader);
    reader.client.subscribe("plant/#", qos(2)).await.unwrap();
    let granted = reader
        .until(|event| match event {
            Event::Subscribed { filter, qos } => Some((filter.clone(), *qos)),
            _ => None,
        })
        .await;
    assert_eq!(granted, ("plant/#".to_owned(), qos(2)));
    let sender = Node::start(options("sender", at), sender);
    for level in 0..=2 {
        for part in 0..3 {
            let topic = format!("plant/{level}");
            within(
                "publish",
                sender
                    .client
                    .publish(topic, qos(level), false, format!("{part}")),
            )
            .await
            .unwrap();
        }
    }
    sender.flush().await;
    // MQTT keeps the order within a topic.
    let mut parts = std::collections::BTreeMap::<String, Vec<String>>::new();
    for _ in 0..9 {
        let message = reader.message().await;
        parts
            .entry(message.topic.clone())
            .or_default()
            .push(text(&message).to_owned());
    }
    assert!(
        parts.len() == 3 && parts.values().all(|parts| parts == &["0", "1", "2"]),
        "{parts:?}"
    );

    let properties = PublishProperties {
        payload_format_indicator: Some(1),
        message_expiry_interval: Some(600),
        topic_alias: None,
        response_topic: Some("plant/answers".to_owned()),
        correlation_data: Some(vec![0, 1, 255].into()),
        user_properties: vec![
            ("unit".to_owned(), "K".to_owned()),
            ("unit".to_owned(), "°C".to_owned()),
        ],
        subscription_identifiers: Vec::new(),
        content_type: Some("text/plain".to_owned()),
    };
    within(
        "publish",
        sender
            .client
            .publish_with_properties("plant/p", qos(1), false, "payload", properties),
    )
    .await
    .unwrap();
    let inside = reader.message().await.properties;
    assert_eq!((inside.payload_format, inside.expiry), (Some(1), Some(600)));
    assert_eq!(inside.response_topic.as_deref(), Some("plant/answers"));
    assert_eq!(inside.correlation_data, Some(vec![0, 1, 255]));
    assert_eq!(inside.content_type.as_deref(), Some("text/plain"));
    assert_eq!(inside.user[1], ("unit".to_owned(), "°C".to_owned()));
    let outside = loop {
        let publish = outsider.next().await;
        if &publish.topic[..] == b"plant/p" {
            break publish.properties.unwrap();
        }
    };
    assert_eq!(outside.content_type.or(outside.response_topic), None);
    assert_eq!(outside.correlation_data, None);
    assert!(
        !outside
            .user_properties
            .iter()
            .any(|(name, _)| name == "unit")
    );
    // The broker needs it to drop what it queues.
    assert!(
        outside
            .message_expiry_interval
            .is_some_and(|left| left <= 600)
    );
    broker.shutdown().await;
}

#[tokio::test]
async fn retained_values_wildcards_and_reserved_topics() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let sender = domain.enrol("sender", PUBLISH).await;
    let reader = domain.enrol("reader", SUBSCRIBE).await;
    let sender = Node::start(options("sender", at), sender);
    let retained = |payload: &'static str| {
        within(
            "publish",
            sender.client.publish("plant/state", qos(1), true, payload),
        )
    };
    retained("old").await.unwrap();
    retained("on").await.unwrap();
    sender.flush().await;

    // Late, and with a wildcard that takes everything: key management stays inside.
    let mut reader = Node::reader(options("reader", at), reader, &["#"]).await;
    let message = reader.message().await;
    assert_eq!((text(&message), message.retained), ("on", true));
    domain.rotate().await;
    reader.epoch(4).await;
    // Overlapping subscriptions: one message, however many copies the broker sends.
    reader.subscribe("plant/+").await;
    reader.subscribe("plant/state").await;
    sender.publish("plant/live", "once").await;
    let messages = |event: &Event| match event {
        Event::Message(message) if !message.retained => Some(message.clone()),
        _ => None,
    };
    assert_eq!(text(&reader.until(messages).await), "once");
    retained("").await.unwrap();
    let cleared = reader
        .until(|event| match event {
            Event::Cleared { topic } => Some(topic.clone()),
            Event::Message(message) => panic!("{message:?}"),
            _ => None,
        })
        .await;
    assert_eq!(cleared, "plant/state");
    for event in &reader.seen {
        match event {
            Event::Rejected { topic, reason } => {
                assert_eq!(
                    (topic.starts_with("plant/"), reason.name()),
                    (true, "Replay")
                );
            }
            Event::Message(message) => assert_eq!((text(message), message.retained), ("on", true)),
            Event::Connected { .. }
            | Event::Key(_)
            | Event::Subscribed { .. }
            | Event::Cleared { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    broker.shutdown().await;
}

#[tokio::test]
async fn a_message_of_a_mebibyte() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let sender = domain.enrol("sender", PUBLISH).await;
    let reader = domain.enrol("reader", SUBSCRIBE).await;
    let plain = |id: &str| rumqttc::v5::MqttOptions::new(id, at.ip().to_string(), at.port());
    let mut reader = Node::reader(plain("reader"), reader, &["plant/#"]).await;
    let sender = Node::start(plain("sender"), sender);
    let payload: Vec<u8> = (0..1 << 20)
        .map(|n: u32| n.to_le_bytes()[n as usize % 3])
        .collect();
    within(
        "publish",
        sender
            .client
            .publish("plant/file", qos(1), false, payload.clone()),
    )
    .await
    .unwrap();
    assert!(reader.message().await.payload == payload);
    broker.shutdown().await;
}

#[tokio::test]
async fn shared_subscriptions_have_no_gaps() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let sender = domain.enrol("sender", PUBLISH).await;
    let stores = [
        domain.enrol("w1", SUBSCRIBE).await,
        domain.enrol("w2", SUBSCRIBE).await,
    ];
    let mut workers = Vec::new();
    for (n, store) in stores.into_iter().enumerate() {
        let id = format!("worker-{n}");
        workers.push(Node::reader(options(&id, at), store, &["$share/workers/plant/#"]).await);
    }
    let sender = Node::start(options("sender", at), sender);
    for number in 0..20 {
        sender.publish("plant/jobs", &number.to_string()).await;
    }
    sender.flush().await;
    let mut seen = Vec::new();
    let [first, second] = &mut workers[..] else {
        unreachable!()
    };
    while seen.len() < 20 {
        let message = tokio::select! {
            message = first.message() => message,
            message = second.message() => message,
        };
        assert_eq!(message.gap, None);
        seen.push(text(&message).parse::<u32>().unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..20).collect::<Vec<u32>>());
    broker.shutdown().await;
}

#[tokio::test]
async fn unsubscribing_and_the_events_of_rumqttc() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let sender = domain.enrol("sender", PUBLISH).await;
    let reader = domain.enrol("reader", SUBSCRIBE).await;
    let curious = SealOptions::new().mqtt_events(true);
    let mut reader = Node::with_options(options("reader", at), reader, curious);
    for filter in ["plant/a", "plant/b"] {
        reader.subscribe(filter).await;
    }
    reader.client.unsubscribe("plant/a").await.unwrap();
    let ended = reader
        .until(|event| match event {
            Event::Unsubscribed { filter } => Some(filter.clone()),
            _ => None,
        })
        .await;
    assert_eq!(ended, "plant/a");
    let sender = Node::start(options("sender", at), sender);
    sender.publish("plant/a", "unheard").await;
    sender.publish("plant/b", "heard").await;
    assert_eq!(text(&reader.message().await), "heard");
    let raw = |event: &Event| matches!(event, Event::Mqtt(_));
    assert!(reader.seen.iter().filter(|event| raw(event)).count() > 5);
    let envelopes = |event: &Event| format!("{event:?}").contains("Incoming(Publish(");
    assert!(
        !reader
            .seen
            .iter()
            .any(|event| raw(event) && envelopes(event))
    );
    broker.shutdown().await;
}

/// Keys that were there when a message was accepted may be gone when its turn comes.
#[tokio::test]
async fn a_message_outlives_a_recovery_from_stolen_keys() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let sensor = domain.enrol("sensor", PUBLISH).await;
    let office = domain.enrol("office", SUBSCRIBE).await;
    let proxy = Proxy::to(at).await;
    let mut sensor = Node::start(options("sensor", proxy.address), sensor);
    let mut office = Node::reader(options("office", at), office, &["plant/#"]).await;
    sensor.publish("plant/x", "before").await;
    assert_eq!(text(&office.message().await), "before");

    // A thief announces an epoch that the sensor follows.
    let mut thief = Authority::load(&domain.store).unwrap();
    let plan = thief.rotate("plant", now(), &mut SysRng).unwrap();
    for publication in plan.publications {
        let raw = &mut domain.client;
        raw.publish(&publication.topic, 1, true, publication.payload)
            .await;
    }
    let stolen = thief.groups().next().unwrap().epoch;
    sensor.epoch(stolen).await;

    proxy.cut();
    let announcements = domain.recover(2).await;
    // Accepted with the keys that the thief announced. When it is connected, these are gone, and
    // the new ones are not announced yet.
    sensor.publish("plant/x", "after").await;
    proxy.mend();
    let recovered = |event: &Event| matches!(event, Event::Key(MemberEvent::Recovered { .. }));
    sensor.until(|event| recovered(event).then_some(())).await;
    office.silence_of_messages().await;
    domain.carry_out(announcements).await;
    assert_eq!(text(&office.message().await), "after");
    let lost = |event: &&Event| matches!(event, Event::NotPublished { .. });
    sensor.connections();
    assert_eq!(sensor.seen.iter().find(lost), None);
}
