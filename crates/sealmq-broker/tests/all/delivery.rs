//! What clients send arrives: QoS, versions, retained messages, sizes.

use std::collections::BTreeSet;

use crate::all::common::{Received, V4, V5, v4, v5, v5_persistent};
use sealmq_broker::Broker;

#[tokio::test]
async fn every_qos_arrives_across_versions() {
    let broker = Broker::builder().start().await.unwrap();
    let address = broker.local_addr();
    assert_ne!(address.port(), 0);
    assert!(address.ip().is_loopback());
    assert_eq!(broker.tls_addr(), None);

    let mut new = V5::connect(v5("new", address)).await;
    let mut old = V4::connect(v4("old", address)).await;
    new.subscribe("from/old/#", 2).await;
    old.subscribe("from/new/#", 2).await;
    for qos in 0..=2 {
        let payload = vec![qos, 0xff, 0x00];
        new.publish("from/new/a", qos, false, payload.clone()).await;
        old.publish("from/old/b", qos, false, payload.clone()).await;
        let expected = |topic: &str| Received {
            topic: topic.to_owned(),
            payload: payload.clone(),
            qos,
            retain: false,
        };
        assert_eq!(old.next().await, expected("from/new/a"));
        assert_eq!(new.next().await, expected("from/old/b"));
    }
    broker.shutdown().await;
}

#[tokio::test]
async fn messages_of_one_publisher_stay_in_order() {
    let broker = Broker::builder().start().await.unwrap();
    let mut reader = V5::connect(v5("reader", broker.local_addr())).await;
    reader.subscribe("n", 1).await;
    let writer = V5::connect(v5("writer", broker.local_addr())).await;
    for number in 0..2_000_u32 {
        writer
            .client
            .publish(
                "n",
                rumqttc::v5::mqttbytes::QoS::AtLeastOnce,
                false,
                number.to_be_bytes().to_vec(),
            )
            .await
            .unwrap();
    }
    for number in 0..2_000_u32 {
        assert_eq!(reader.next().await.payload, number.to_be_bytes());
    }
    broker.shutdown().await;
}

#[tokio::test]
async fn hundreds_of_retained_messages_arrive_on_one_wildcard() {
    const COUNT: usize = 1_200;
    let broker = Broker::builder().start().await.unwrap();
    let mut writer = V5::connect(v5("writer", broker.local_addr())).await;
    for number in 0..COUNT {
        // QoS 0 is the one that could be dropped without a trace.
        let qos = if number % 2 == 0 { 0 } else { 1 };
        writer
            .publish(
                &format!("state/{number}/value"),
                qos,
                true,
                format!("{number}"),
            )
            .await;
    }
    writer.publish("done", 1, false, "").await;

    let mut new = V5::connect(v5("new", broker.local_addr())).await;
    new.subscribe("state/+/value", 1).await;
    let mut old = V4::connect(v4("old", broker.local_addr())).await;
    old.subscribe("#", 1).await;
    let mut by_new = BTreeSet::new();
    let mut by_old = BTreeSet::new();
    for _ in 0..COUNT {
        for (received, set) in [
            (new.next().await, &mut by_new),
            (old.next().await, &mut by_old),
        ] {
            assert!(received.retain);
            assert_eq!(
                received.topic,
                format!("state/{}/value", String::from_utf8_lossy(&received.payload))
            );
            set.insert(received.topic);
        }
    }
    assert_eq!((by_new.len(), by_old.len()), (COUNT, COUNT));
    new.nothing_before("end").await;
    broker.shutdown().await;
}

#[tokio::test]
async fn a_retained_message_is_replaced_and_cleared() {
    let broker = Broker::builder().start().await.unwrap();
    let mut writer = V5::connect(v5("writer", broker.local_addr())).await;
    writer.publish("a", 1, true, "first").await;
    writer.publish("a", 1, true, "second").await;
    writer.publish("b", 1, true, "gone").await;

    let mut live = V5::connect(v5("live", broker.local_addr())).await;
    live.subscribe("b", 1).await;
    assert_eq!(live.next().await.payload, b"gone");
    writer.publish("b", 1, true, "").await;
    assert_eq!(live.next().await.payload, b"");

    let mut late = V5::connect(v5("late", broker.local_addr())).await;
    late.subscribe("#", 1).await;
    let received = late.next().await;
    assert_eq!(
        (received.payload.as_slice(), received.retain),
        (&b"second"[..], true)
    );
    late.nothing_before("end").await;
    broker.shutdown().await;
}

#[tokio::test]
async fn a_session_queues_while_its_client_is_away_even_without_a_folder() {
    let broker = Broker::builder().start().await.unwrap();
    let address = broker.local_addr();
    let mut reader = V5::connect(v5_persistent("reader", address)).await;
    reader.subscribe("q", 1).await;
    reader.disconnect().await;
    let mut old = v4("old", address);
    old.set_clean_session(false);
    let mut old_reader = V4::connect(old.clone()).await;
    old_reader.subscribe("q", 1).await;
    drop(old_reader);

    let mut writer = V5::connect(v5("writer", address)).await;
    writer.publish("q", 1, false, "while away").await;

    let mut reader = V5::connect(v5_persistent("reader", address)).await;
    assert!(reader.session_present);
    assert_eq!(reader.next().await.payload, b"while away");
    let mut old_reader = V4::connect(old).await;
    assert!(old_reader.session_present);
    assert_eq!(old_reader.next().await.payload, b"while away");
    broker.shutdown().await;
}

#[tokio::test]
async fn a_mebibyte_passes_and_more_than_the_limit_does_not() {
    const MEBIBYTE: usize = 1024 * 1024;
    let broker = Broker::builder()
        .max_packet_size(2 * MEBIBYTE)
        .start()
        .await
        .unwrap();
    let address = broker.local_addr();
    let mut reader = V5::connect(v5("reader", address)).await;
    reader.subscribe("large", 2).await;
    let mut writer = V4::connect(v4("writer", address)).await;
    let payload: Vec<u8> = (0..MEBIBYTE).map(|index| (index % 251) as u8).collect();
    writer.publish("large", 1, false, payload.clone()).await;
    assert_eq!(reader.next().await.payload, payload);

    writer
        .client
        .publish(
            "large",
            rumqttc::QoS::AtLeastOnce,
            false,
            vec![0_u8; 3 * MEBIBYTE],
        )
        .await
        .unwrap();
    crate::all::common::within(
        crate::all::common::PATIENCE,
        "the oversized packet ends the connection",
        writer.closed(),
    )
    .await;
    reader.nothing_before("end").await;
    broker.shutdown().await;
}

#[tokio::test]
async fn properties_pass_and_the_publisher_is_named_beside_them() {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::PublishProperties;
    use rumqttc::v5::{AsyncClient, Event, Incoming};

    let broker = Broker::builder().start().await.unwrap();
    let sent = PublishProperties {
        payload_format_indicator: Some(1),
        content_type: Some("text/plain".to_owned()),
        response_topic: Some("answers".to_owned()),
        correlation_data: Some(vec![1, 2].into()),
        user_properties: vec![("unit".to_owned(), "°C".to_owned())],
        ..PublishProperties::default()
    };
    let mut writer = V5::connect(v5("writer", broker.local_addr())).await;
    writer
        .client
        .publish_with_properties("a", QoS::AtLeastOnce, true, "21", sent.clone())
        .await
        .unwrap();
    writer.publish("done", 1, false, "").await;

    let (client, mut events) = AsyncClient::new(v5("reader", broker.local_addr()), 8);
    client.subscribe("a", QoS::AtLeastOnce).await.unwrap();
    let received = crate::all::common::within(
        crate::all::common::PATIENCE,
        "the retained message",
        async {
            loop {
                if let Event::Incoming(Incoming::Publish(publish)) = events.poll().await.unwrap() {
                    break publish.properties.unwrap();
                }
            }
        },
    )
    .await;
    let mut expected = sent;
    // As the crate's documentation says.
    expected
        .user_properties
        .push(("x-mqtt-client-id".to_owned(), "writer".to_owned()));
    assert_eq!(received, expected);
    broker.shutdown().await;
}
