//! Moments of MQTT that a real broker reaches only by chance, played packet by packet.

use crate::common::script::{Limits, Script};
use crate::common::{Domain, Node, PUBLISH, SUBSCRIBE, SharedStore, persistent, qos, text, within};
use getrandom::SysRng;
use rumqttc::v5::mqttbytes::v5::{
    Packet, PubAck, PubAckReason, PubComp, PubCompReason, PubRec, PubRecReason, SubAck,
    SubscribeReasonCode,
};
use sealmq_broker::Broker;
use sealmq_keys::ReservedTopic;
use sealmq_keys::member::{Member, MemberOptions, OutgoingMessage};
use sealmq_rumqttc::{ClientError, Event};

/// Stores of a sensor and a reader that have their keys, and the sensor's credential with its topic.
pub(crate) struct Enrolled {
    pub(crate) sensor: SharedStore,
    reader: SharedStore,
    credential: (String, Vec<u8>),
}

impl Enrolled {
    pub(crate) async fn new() -> Self {
        let broker = Broker::builder().start().await.unwrap();
        let at = broker.local_addr();
        let mut domain = Domain::new(at).await;
        let sensor = domain.enrol("sensor", PUBLISH).await;
        let reader = domain.enrol("reader", SUBSCRIBE).await;
        for (id, store) in [("sensor", &sensor), ("reader", &reader)] {
            let mut node = Node::start(crate::common::options(id, at), store.clone());
            node.epoch(3).await;
            within("goodbye", node.client.disconnect()).await.unwrap();
        }
        let number = domain.authority.find_member("sensor").unwrap();
        let topic = ReservedTopic::Credential(number).name(domain.authority.prefix());
        let outbox = domain.authority.outbox(&domain.store).unwrap();
        let object = outbox
            .into_iter()
            .find(|p| p.topic == topic)
            .unwrap()
            .payload;
        broker.shutdown().await;
        Self {
            sensor,
            reader,
            credential: (topic, object),
        }
    }
}

async fn publish(node: &Node, level: u8, payload: &str) {
    let publishing = node
        .client
        .publish("plant/x", qos(level), false, payload.to_owned());
    within("publish", publishing).await.unwrap();
}

/// Waits until so many messages are not acknowledged.
async fn outstanding(node: &Node, messages: usize) {
    within("acknowledgements", async {
        while node.client.outstanding() != messages {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_session_that_continues() {
    let Enrolled { sensor, .. } = Enrolled::new().await;
    let script = Script::listen().await;
    let sensor = Node::start(persistent("sensor", script.address), sensor);
    let mut first = script.accept(false, Limits::default()).await;
    assert!(!first.connect.as_ref().unwrap().clean_start);
    for (level, payload) in [(1, "a"), (2, "b"), (2, "c")] {
        publish(&sensor, level, payload).await;
    }
    let [a, b, c] = [
        first.publish().await,
        first.publish().await,
        first.publish().await,
    ];
    assert_eq!(
        (a.dup, a.qos, b.qos, c.qos),
        (false, qos(1), qos(2), qos(2))
    );
    first.pubrec(b.pkid).await;
    assert_eq!(first.release().await, b.pkid);
    publish(&sensor, 1, "d").await;
    let d = first.publish().await;
    first.puback(d.pkid).await;
    outstanding(&sensor, 3).await;
    drop(first);

    let mut second = script.accept(true, Limits::default()).await;
    publish(&sensor, 1, "new").await;
    // In order, under the same identifiers, byte for byte; nothing new before they are settled.
    let again = second.publish().await;
    assert_eq!(
        (again.dup, again.pkid, &again.payload),
        (true, a.pkid, &a.payload)
    );
    assert_eq!(second.release().await, b.pkid);
    let again = second.publish().await;
    assert_eq!(
        (again.dup, again.pkid, &again.payload),
        (true, c.pkid, &c.payload)
    );
    second.puback(a.pkid).await;
    second.pubcomp(b.pkid).await;
    second.pubrec(c.pkid).await;
    assert_eq!(second.release().await, c.pkid);
    assert_eq!(sensor.client.outstanding(), 2);
    second.pubcomp(c.pkid).await;
    let new = second.publish().await;
    assert!(
        !new.dup
            && ![&a, &b, &c, &d]
                .iter()
                .any(|old| old.payload == new.payload)
    );
    second.puback(new.pkid).await;
    sensor.flush().await;
}

#[tokio::test]
async fn a_session_that_was_lost() {
    let Enrolled { sensor, .. } = Enrolled::new().await;
    let script = Script::listen().await;
    let sensor = Node::start(persistent("sensor", script.address), sensor);
    let mut first = script.accept(false, Limits::default()).await;
    for (level, payload) in [(1, "a"), (2, "b"), (2, "c")] {
        publish(&sensor, level, payload).await;
    }
    let [a, b, c] = [
        first.publish().await,
        first.publish().await,
        first.publish().await,
    ];
    first.puback(a.pkid).await;
    first.pubrec(b.pkid).await;
    assert_eq!(first.release().await, b.pkid);
    outstanding(&sensor, 2).await;
    drop(first);

    // The broker is another one, and takes two at a time.
    let two = Limits {
        receive_max: Some(2),
        ..Limits::default()
    };
    let mut second = script.accept(false, two).await;
    for old in [b, c] {
        let again = second.publish().await;
        assert_eq!(
            (again.dup, again.qos, &again.payload),
            (false, qos(2), &old.payload)
        );
        second.pubrec(again.pkid).await;
        assert_eq!(second.release().await, again.pkid);
        second.pubcomp(again.pkid).await;
    }
    sensor.flush().await;
}

#[tokio::test]
async fn a_session_of_an_earlier_process_is_released_first() {
    let Enrolled { sensor, .. } = Enrolled::new().await;
    let script = Script::listen().await;
    let sensor = Node::start(persistent("sensor", script.address), sensor);
    let four = Limits {
        receive_max: Some(4),
        ..Limits::default()
    };
    let mut connection = script.accept(true, four).await;
    publish(&sensor, 2, "new").await;
    for packet in 1..=4 {
        assert_eq!(connection.release().await, packet);
    }
    for (pkid, reason) in [
        (1, PubCompReason::Success),
        (2, PubCompReason::PacketIdentifierNotFound),
        (3, PubCompReason::PacketIdentifierNotFound),
        (4, PubCompReason::PacketIdentifierNotFound),
    ] {
        connection
            .send(Packet::PubComp(PubComp {
                pkid,
                reason,
                properties: None,
            }))
            .await;
    }
    let new = connection.publish().await;
    connection.pubrec(new.pkid).await;
    assert_eq!(connection.release().await, new.pkid);
    connection.pubcomp(new.pkid).await;
    sensor.flush().await;

    // One that knows no QoS 2 would take it for an error.
    drop(connection);
    drop(sensor);
    let Enrolled { sensor, .. } = Enrolled::new().await;
    let mut sensor = Node::start(persistent("sensor", script.address), sensor);
    let limited = Limits {
        max_qos: Some(1),
        ..Limits::default()
    };
    let mut connection = script.accept(true, limited).await;
    sensor.connected(1).await;
    let refused = sensor.client.publish("plant/x", qos(2), false, "x");
    let refused = within("publish", refused).await;
    assert_eq!(refused, Err(ClientError::QosNotSupported { most: 1 }));
    publish(&sensor, 1, "x").await;
    let first = connection.publish().await;
    connection.puback(first.pkid).await;
    sensor.flush().await;
}

/// rumqttc forgets what it received when a connection ends, and then fails at each PUBREL.
#[tokio::test]
async fn releases_after_a_reconnect_are_answered() {
    let Enrolled { reader, sensor, .. } = Enrolled::new().await;
    let script = Script::listen().await;
    let mut node = Node::start(persistent("reader", script.address), reader);
    let mut connection = script.accept(false, Limits::default()).await;
    let now = Some(crate::common::now() * 1000);
    let mut member = Member::load(&sensor, MemberOptions::default()).unwrap();
    let message = OutgoingMessage::new("plant/x", b"x");
    let sealed = member.seal(&message, now, &mut SysRng).unwrap();
    let publish = rumqttc::v5::mqttbytes::v5::Publish {
        pkid: 9,
        ..rumqttc::v5::mqttbytes::v5::Publish::new("plant/x", qos(2), sealed.payload, None)
    };
    // Rejected or not, it is acknowledged: here the topic is another one.
    let moved = rumqttc::v5::mqttbytes::v5::Publish {
        topic: "plant/y".into(),
        ..publish
    };
    connection.send(Packet::Publish(moved)).await;
    let Packet::PubRec(received) = connection.next().await else {
        panic!("PUBREC")
    };
    assert_eq!((received.pkid, node.rejection().await.1), (9, "Rejected"));
    drop(connection);

    let mut connection = script.accept(true, Limits::default()).await;
    // What an earlier process may have left at the broker is released first.
    for packet in [9, 77] {
        connection.pubrel(packet).await;
        loop {
            match connection.next().await {
                Packet::PubComp(complete) => break assert_eq!(complete.pkid, packet),
                Packet::PubRel(release) => connection.pubcomp(release.pkid).await,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(node.connections(), 2);
}

#[tokio::test]
async fn what_the_broker_refuses_is_reported_and_the_next_one_goes() {
    let Enrolled { sensor, .. } = Enrolled::new().await;
    let script = Script::listen().await;
    let mut sensor = Node::start(persistent("sensor", script.address), sensor);
    let four = Limits {
        receive_max: Some(4),
        ..Limits::default()
    };
    let mut connection = script.accept(false, four).await;
    let refusal = |event: &Event| match event {
        Event::PublishRefused { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    publish(&sensor, 1, "x").await;
    let pkid = connection.publish().await.pkid;
    let reason = PubAckReason::NotAuthorized;
    connection
        .send(Packet::PubAck(PubAck {
            pkid,
            reason,
            properties: None,
        }))
        .await;
    assert!(sensor.until(refusal).await.contains("NotAuthorized"));
    // More often than there is room: rumqttc does not free the slot of such a message.
    for _ in 0..10 {
        publish(&sensor, 2, "x").await;
        let pkid = connection.publish().await.pkid;
        let reason = PubRecReason::QuotaExceeded;
        connection
            .send(Packet::PubRec(PubRec {
                pkid,
                reason,
                properties: None,
            }))
            .await;
        assert!(sensor.until(refusal).await.contains("QuotaExceeded"));
    }
    publish(&sensor, 1, "x").await;
    let pkid = connection.publish().await.pkid;
    connection.puback(pkid).await;
    sensor.flush().await;

    sensor.client.subscribe("secret/#", qos(1)).await.unwrap();
    let Packet::Subscribe(subscribe) = connection.any().await else {
        panic!("SUBSCRIBE")
    };
    let return_codes = vec![SubscribeReasonCode::NotAuthorized];
    let pkid = subscribe.pkid;
    connection
        .send(Packet::SubAck(SubAck {
            pkid,
            return_codes,
            properties: None,
        }))
        .await;
    let refused = sensor
        .until(|event| match event {
            Event::SubscribeRefused { filter, reason } => Some((filter.clone(), *reason)),
            _ => None,
        })
        .await;
    assert_eq!(
        refused,
        ("secret/#".to_owned(), SubscribeReasonCode::NotAuthorized)
    );
}

#[tokio::test]
async fn one_message_at_a_time() {
    let Enrolled { sensor, .. } = Enrolled::new().await;
    let script = Script::listen().await;
    let sensor = Node::start(persistent("sensor", script.address), sensor);
    let one = Limits {
        receive_max: Some(1),
        ..Limits::default()
    };
    let mut connection = script.accept(false, one).await;
    for level in [1, 2, 1, 2] {
        publish(&sensor, level, "x").await;
    }
    for level in [1, 2, 1, 2] {
        let published = connection.publish().await;
        assert_eq!(published.qos, qos(level));
        if level == 1 {
            connection.puback(published.pkid).await;
        } else {
            connection.pubrec(published.pkid).await;
            assert_eq!(connection.release().await, published.pkid);
            connection.pubcomp(published.pkid).await;
        }
    }
    sensor.flush().await;
}

#[tokio::test]
async fn acknowledged_when_opened_rejected_or_too_many_wait() {
    let Enrolled {
        sensor,
        reader,
        credential,
    } = Enrolled::new().await;
    let now = Some(crate::common::now() * 1000);
    let mut member = Member::load(&sensor, MemberOptions::default()).unwrap();
    let mut seal = |text: &str| {
        let message = OutgoingMessage::new("plant/x", text.as_bytes());
        member.seal(&message, now, &mut SysRng).unwrap().payload
    };
    let script = Script::listen().await;
    let mut reader = Node::start(persistent("reader", script.address), reader);
    let mut connection = script.accept(false, Limits::default()).await;

    connection.deliver(5, "plant/x", b"in clear").await;
    assert_eq!(connection.acknowledgement().await, 5);
    assert_eq!(reader.rejection().await.1, "NotSealed");

    // The sender is not known: eight wait unacknowledged, the others only in memory.
    for number in 0..12_u16 {
        connection
            .deliver(10 + number, "plant/x", &seal(&number.to_string()))
            .await;
    }
    for pkid in 18..22 {
        assert_eq!(connection.acknowledgement().await, pkid);
    }
    connection.deliver(6, &credential.0, &credential.1).await;
    let mut acknowledged = Vec::new();
    for _ in 0..9 {
        acknowledged.push(connection.acknowledgement().await);
    }
    acknowledged.sort_unstable();
    assert_eq!(acknowledged, [6, 10, 11, 12, 13, 14, 15, 16, 17]);
    for number in 0..12 {
        assert_eq!(text(&reader.message().await), number.to_string());
    }

    // Twice: the second one is no message, and acknowledged all the same.
    let twice = seal("twice");
    for pkid in [30, 31] {
        connection.deliver(pkid, "plant/x", &twice).await;
        assert_eq!(connection.acknowledgement().await, pkid);
    }
    assert_eq!(text(&reader.message().await), "twice");
    assert_eq!(reader.rejection().await.1, "Replay");
}

/// A broker that keeps RETAIN on live deliveries would pass them off as retained ones.
#[tokio::test]
async fn subscriptions_ask_for_retain_on_retained_deliveries_only() {
    let Enrolled { reader, .. } = Enrolled::new().await;
    let script = Script::listen().await;
    let reader = Node::start(persistent("reader", script.address), reader);
    let mut connection = script.accept(false, Limits::default()).await;
    let mut filter = rumqttc::v5::mqttbytes::v5::Filter::new("plant/#", qos(1));
    filter.preserve_retain = true;
    filter.nolocal = true;
    within("subscribe", reader.client.subscribe_many([filter]))
        .await
        .unwrap();
    let mut seen = Vec::new();
    while !seen.iter().any(|path| path == "plant/#") {
        let Packet::Subscribe(subscribe) = connection.any().await else {
            continue;
        };
        for filter in subscribe.filters {
            assert!(!filter.preserve_retain, "{}", filter.path);
            assert_eq!(filter.nolocal, filter.path == "plant/#");
            seen.push(filter.path);
        }
    }
}
