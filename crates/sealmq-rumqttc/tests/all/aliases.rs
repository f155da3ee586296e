//! Topic aliases of MQTT 5 in both directions, and what a broker says of the keep-alive.

use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{Packet, PubRec, PubRecReason, Publish, PublishProperties};
use sealmq_rumqttc::ClientError;
use tokio::time::timeout;

use crate::behaviours::blink;
use crate::common::brokers::brokers;
use crate::common::proxy::Proxy;
use crate::common::script::{Limits, Script};
use crate::common::{
    Domain, Node, PUBLISH, Raw, SUBSCRIBE, options, persistent, qos, text, within,
};
use crate::protocol::Enrolled;

fn aliased(alias: u16) -> PublishProperties {
    PublishProperties {
        topic_alias: Some(alias),
        ..PublishProperties::default()
    }
}

/// The application's aliases go to brokers that take them; messages are sealed for the topics.
/// Mosquitto takes ten, the bundled broker what the standard has.
#[tokio::test]
async fn topic_aliases_on_the_way_out() {
    for broker in brokers().await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let sender = domain.enrol("sender", PUBLISH).await;
        let reader = domain.enrol("reader", SUBSCRIBE).await;
        let mut reader = Node::reader(options("reader", at), reader, &["plant/#"]).await;
        let mut eaves = Raw::connect(options("eaves", at)).await;
        eaves.subscribe("plant/#").await;
        let way = Proxy::to(at).await;
        let mut sender = Node::start(options("sender", way.address), sender);
        for round in 0..3 {
            for alias in 1..=12_u16 {
                let full = format!("plant/with/a/long/name/{alias}");
                let topic = if round == 0 { &*full } else { "" };
                // Above what the broker takes: numbers are the client's own business.
                let publishing = sender.client.publish_with_properties(
                    topic,
                    qos(1),
                    false,
                    format!("{round}"),
                    aliased(5_000 * alias),
                );
                within("publish", publishing).await.unwrap();
                let message = reader.message().await;
                assert_eq!(
                    (&*message.topic, text(&message)),
                    (&*full, &*round.to_string())
                );
                assert_eq!(eaves.next().await.topic, full);
            }
            if round == 1 {
                // What is not acknowledged would come once more.
                within("flush", sender.client.flush()).await.unwrap();
                // A broker knows none on a new connection.
                blink(&way).await;
                sender.connected(2).await;
            }
        }
        let unknown = sender
            .client
            .publish_with_properties("", qos(1), false, "x", aliased(77))
            .await;
        assert!(matches!(unknown, Err(ClientError::Topic(_))), "{unknown:?}");
    }
}

/// On the wire: a topic has its alias from the second message on, as far as the broker takes them,
/// and none that it does not know; what is sent again on another connection has its whole topic.
#[tokio::test]
async fn aliases_are_numbered_by_the_broker_s_limit() {
    let Enrolled { sensor, .. } = Enrolled::new().await;
    let script = Script::listen().await;
    let sensor = Node::start(persistent("sensor", script.address), sensor);
    let two = Limits {
        topic_alias_max: Some(2),
        ..Limits::default()
    };
    let mut connection = script.accept(false, two).await;
    let long = "plant/long/";
    let mut seen = Vec::new();
    for (topic, alias) in [
        ("a", 30),
        ("b", 31),
        ("c", 32),
        ("a", 30),
        ("b", 31),
        ("c", 32),
    ] {
        let topic = format!("{long}{topic}");
        let publishing =
            sensor
                .client
                .publish_with_properties(topic, qos(1), false, "x", aliased(alias));
        within("publish", publishing).await.unwrap();
        let publish = connection.publish().await;
        let alias = publish.properties.and_then(|outer| outer.topic_alias);
        seen.push((String::from_utf8(publish.topic.to_vec()).unwrap(), alias));
        if seen.len() < 6 {
            connection.puback(publish.pkid).await;
        }
    }
    // Who asks for none has none.
    sensor.publish("plant/long/d", "x").await;
    let publish = connection.publish().await;
    assert_eq!(publish.properties.and_then(|outer| outer.topic_alias), None);
    connection.puback(publish.pkid).await;
    let whole = |topic: &str, alias: Option<u16>| (format!("{long}{topic}"), alias);
    assert_eq!(
        seen,
        [
            whole("a", Some(1)),
            whole("b", Some(2)),
            whole("c", None),
            (String::new(), Some(1)),
            (String::new(), Some(2)),
            whole("c", None),
        ]
    );
    drop(connection);
    let mut connection = script.accept(true, two).await;
    let again = connection.publish().await;
    assert_eq!(
        (again.dup, &*again.topic),
        (true, b"plant/long/c".as_slice())
    );
    connection.puback(again.pkid).await;
    let publishing = sensor
        .client
        .publish_with_properties("", qos(1), false, "x", aliased(31));
    within("publish", publishing).await.unwrap();
    let publish = connection.publish().await;
    let alias = publish.properties.and_then(|outer| outer.topic_alias);
    assert_eq!(
        (&*publish.topic, alias),
        (b"plant/long/b".as_slice(), Some(1))
    );
    connection.puback(publish.pkid).await;
    sensor.flush().await;
}

/// The broker's aliases, if the application takes some, also when rumqttc's state is replaced in the
/// middle of a connection. A message is opened for the topic that its alias stands for.
#[tokio::test]
async fn aliases_of_the_brokers_are_followed() {
    let broker = sealmq_broker::Broker::builder().start().await.unwrap();
    let mut domain = Domain::new(broker.local_addr()).await;
    let both = domain.enrol("both", crate::common::BOTH).await;
    let sender = domain.enrol("sender", PUBLISH).await;
    let mut node = Node::start(options("both", broker.local_addr()), both.clone());
    node.subscribe("plant/#").await;
    let mut eaves = Raw::connect(options("eaves", broker.local_addr())).await;
    eaves.subscribe("plant/#").await;
    let sender = Node::start(options("sender", broker.local_addr()), sender);
    // The credential comes with the first one.
    sender.publish("plant/x", "known").await;
    assert_eq!(text(&node.message().await), "known");
    eaves.next().await;
    within("goodbye", node.client.disconnect()).await.unwrap();
    let mut sealed = Vec::new();
    for number in 0..3 {
        sender.publish("plant/x", &number.to_string()).await;
        sealed.push(eaves.next().await.payload);
    }

    let script = Script::listen().await;
    let mut mqtt = options("both", script.address);
    mqtt.set_topic_alias_max(Some(5));
    let mut node = Node::start(mqtt, both);
    let limits = Limits {
        receive_max: Some(2),
        ..Limits::default()
    };
    let mut connection = script.accept(false, limits).await;
    let connect = connection.connect.clone().unwrap().properties.unwrap();
    assert_eq!(connect.topic_alias_max, Some(5));
    for (number, payload) in sealed.into_iter().enumerate() {
        let topic = if number == 0 { "plant/x" } else { "" };
        let publish = Publish::new(topic, qos(0), payload, Some(aliased(5)));
        connection.send(Packet::Publish(publish)).await;
        if number == 1 {
            // rumqttc does not free the slots of such messages, so the client gives it a new state.
            for _ in 0..4 {
                node.client
                    .publish("plant/y", qos(2), false, "x")
                    .await
                    .unwrap();
                let pkid = connection.publish().await.pkid;
                let reason = PubRecReason::QuotaExceeded;
                connection
                    .send(Packet::PubRec(PubRec {
                        pkid,
                        reason,
                        properties: None,
                    }))
                    .await;
            }
            node.flush().await;
        }
    }
    for number in 0..3 {
        let message = node.message().await;
        assert_eq!(
            (&*message.topic, text(&message)),
            ("plant/x", &*number.to_string())
        );
    }
    assert_eq!(node.connections(), 1);
    broker.shutdown().await;
}

/// A keep-alive of 0 is none: rumqttc would ping without a pause.
#[tokio::test]
async fn no_keep_alive_is_no_flood_of_pings() {
    let Enrolled { sensor, .. } = Enrolled::new().await;
    let script = Script::listen().await;
    let _sensor = Node::start(options("sensor", script.address), sensor);
    let none = Limits {
        server_keep_alive: Some(0),
        ..Limits::default()
    };
    let mut connection = script.accept(false, none).await;
    let mut pings = 0;
    let counting = async {
        loop {
            if matches!(connection.any().await, Packet::PingReq(_)) {
                pings += 1;
                connection
                    .send(Packet::PingResp(rumqttc::v5::mqttbytes::v5::PingResp))
                    .await;
            }
        }
    };
    let _over = timeout(Duration::from_millis(700), counting).await;
    assert!(pings <= 1, "{pings}");
}
