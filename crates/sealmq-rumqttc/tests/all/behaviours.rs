//! What applications expect of MQTT, sealed, at the bundled broker and at Mosquitto; each scene says
//! which versions of MQTT have it. QoS, wildcards, overlapping filters, sessions over rotations,
//! requests and what travels inside: `versions.rs`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::v5::{
    Filter, LastWill, LastWillProperties, PublishProperties, RetainForwardRule,
};
use sealmq_client::{BrokerLimit, Event};
use sealmq_rumqttc::v4::V4;
use sealmq_rumqttc::v5::V5;
use sealmq_rumqttc::{ClientError, MemberOptions, Properties, SealOptions};
use sealmq_testbroker::{Limits, Server};
use tokio::time::sleep;

use crate::common::brokers::{brokers, limited};
use crate::common::proxy::Proxy;
use crate::common::{
    BOTH, Domain, Node, PATIENCE, PUBLISH, Raw, SUBSCRIBE, Sealed, Setup, both, options,
    persistent, qos, text, within,
};

both!(
    readers_share_a_subscription,
    what_has_expired_is_not_read,
    sixteen_mebibytes,
    two_with_one_client_id_take_turns_no_more,
);

/// The connection breaks; the next one can be made.
pub(crate) async fn blink(way: &Proxy) {
    way.cut();
    sleep(Duration::from_millis(100)).await;
    way.mend();
}

/// Filters may be shared by members, and by processes of one member: each message comes once.
async fn readers_share_a_subscription<V: Setup>() {
    for broker in brokers().await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let sender = domain.enrol("sender", PUBLISH).await;
        let [one, other] = [
            domain.enrol("one", SUBSCRIBE).await,
            domain.enrol("other", SUBSCRIBE).await,
        ];
        let twin = one.copy();
        let sender = Sealed::<V>::start(V::options("sender", at), sender);
        for (topic, stores) in [
            ("plant/jobs", [one.clone(), other]),
            ("plant/twins", [one, twin]),
        ] {
            let mut readers = Vec::new();
            for (number, store) in stores.into_iter().enumerate() {
                let mqtt = V::options(&format!("reader-{number}"), at);
                let filter = format!("$share/pool/{topic}");
                readers.push(Sealed::<V>::reader(mqtt, store, &[&filter]).await);
            }
            for number in 0..20 {
                sender.publish(topic, &number.to_string()).await;
            }
            sender.flush().await;
            let [first, second] = &mut readers[..] else {
                unreachable!()
            };
            let mut read = [BTreeSet::new(), BTreeSet::new()];
            while read[0].len() + read[1].len() < 20 {
                let (who, message) = tokio::select! {
                    message = first.message() => (0, message),
                    message = second.message() => (1, message),
                };
                assert_eq!(
                    (message.gap, message.sender_name.as_str()),
                    (None, "sender")
                );
                assert!(read[who].insert(text(&message).to_owned()));
            }
            assert!(read[0].is_disjoint(&read[1]));
            for reader in &mut readers {
                reader.connections(); // takes what has come
                for event in &reader.seen {
                    assert!(!matches!(event, Event::Rejected { .. }), "{event:?}");
                }
                within("goodbye", reader.client.disconnect()).await.unwrap();
            }
        }
    }
}

/// MQTT 5 has options of subscriptions. RETAIN on a delivery says "retained" to a reader, so what
/// an application asks of Retain As Published is not passed on.
#[tokio::test]
async fn retain_handling_and_retain_as_published() {
    for broker in brokers().await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let sender = domain.enrol("sender", PUBLISH).await;
        let reader = domain.enrol("reader", SUBSCRIBE).await;
        let sender = Node::start(options("sender", at), sender);
        let retained = |topic: &'static str, payload: &'static str| {
            within(
                "publish",
                sender.client.publish(topic, qos(1), true, payload),
            )
        };
        let mut reader = Node::start(options("reader", at), reader);
        use RetainForwardRule::{Never, OnEverySubscribe, OnNewSubscribe};
        for (topic, rule, times) in [
            ("plant/every", OnEverySubscribe, 2),
            ("plant/new", OnNewSubscribe, 1),
            ("plant/never", Never, 0),
        ] {
            retained(topic, "kept").await.unwrap();
            sender.flush().await;
            let mut filter = Filter::new(topic, qos(1));
            filter.retain_forward_rule = rule;
            filter.preserve_retain = true;
            for _ in 0..2 {
                let wanted = [filter.clone()];
                reader.client.subscribe_many(wanted).await.unwrap();
                let granted = |event: &_| matches!(event, Event::Subscribed { .. });
                reader.until_kept(granted).await;
            }
            retained(topic, "live").await.unwrap();
            let mut kept = 0;
            loop {
                let message = reader.message().await;
                assert_eq!(message.topic, topic);
                match text(&message) {
                    "kept" => assert!(message.retained),
                    _ => break assert!(!message.retained),
                }
                kept += 1;
            }
            assert_eq!(kept, times, "{topic}");
        }
    }
}

/// The broker waits with a Will, and forgets it if the session goes on in time.
#[tokio::test]
async fn a_will_with_a_delay() {
    for broker in brokers().await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let device = domain.enrol("device", BOTH).await;
        let reader = domain.enrol("reader", SUBSCRIBE).await;
        let mut reader = Node::reader(options("reader", at), reader, &["plant/#"]).await;
        // The keys come over a first connection; then there is a Will.
        let first = Node::start(options("device", at), device.clone());
        first.publish("plant/hello", "hello").await;
        assert_eq!(text(&reader.message().await), "hello");
        within("goodbye", first.client.disconnect()).await.unwrap();
        let outer = LastWillProperties {
            delay_interval: Some(2),
            payload_format_indicator: None,
            message_expiry_interval: Some(600),
            content_type: Some("text/plain".into()),
            response_topic: None,
            correlation_data: None,
            user_properties: vec![("why".into(), "power".into())],
        };
        let will = LastWill::new("plant/gone", "gone", qos(1), false, Some(outer));
        let sealing = SealOptions::new()
            .wait_for_keys(PATIENCE)
            .reconnect_delay(Duration::from_millis(50), Duration::from_millis(100))
            .last_will(will);
        let way = Proxy::to(at).await;
        let mut device = Node::with_options(persistent("device", way.address), device, sealing);
        device.connected(1).await;
        blink(&way).await;
        device.connected(2).await;
        device.publish("plant/hello", "back").await;
        assert_eq!(text(&reader.message().await), "back");
        way.cut();
        let cut = Instant::now();
        let message = reader.message().await;
        assert_eq!((text(&message), message.will), ("gone", true));
        let waited = cut.elapsed();
        assert!(waited > Duration::from_millis(900), "{waited:?}");
        assert_eq!(
            message.properties.content_type.as_deref(),
            Some("text/plain")
        );
        assert_eq!(message.properties.user, [("why".into(), "power".into())]);
    }
}

/// A broker of MQTT 5 drops it; of 3.1.1 it does not, and the reader refuses it.
async fn what_has_expired_is_not_read<V: Setup>() {
    for broker in brokers().await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let sender = domain.enrol("sender", PUBLISH).await;
        let reader = domain.enrol("reader", SUBSCRIBE).await;
        let way = Proxy::to(at).await;
        let mut reader = Sealed::<V>::start(V::persistent("reader", way.address), reader);
        reader.subscribe("plant/#").await;
        let sender = Sealed::<V>::start(V::options("sender", at), sender);
        sender.publish("plant/x", "before").await;
        assert_eq!(text(&reader.message().await), "before");
        way.cut();
        for (payload, seconds) in [("late", 1), ("in time", 600)] {
            let properties = Properties {
                expiry: Some(seconds),
                ..Properties::default()
            };
            let publishing =
                sender
                    .client
                    .publish_sealed("plant/x", V::qos(1), false, payload, properties);
            within("publish", publishing).await.unwrap();
        }
        sender.flush().await;
        sleep(Duration::from_millis(2_100)).await;
        way.mend();
        let message = reader.message().await;
        assert_eq!(
            (text(&message), message.properties.expiry),
            ("in time", Some(600))
        );
    }
}

/// In both directions, in one packet.
async fn sixteen_mebibytes<V: Setup>() {
    const MOST: u32 = (16 << 20) + 100_000;
    for broker in limited(|bundled| bundled.max_packet_size(MOST as usize), "").await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let sender = domain.enrol("sender", PUBLISH).await;
        let reader = domain.enrol("reader", SUBSCRIBE).await;
        let mut mqtt = V::options("reader", at);
        V::takes(&mut mqtt, MOST);
        let mut reader = Sealed::<V>::reader(mqtt, reader, &["plant/#"]).await;
        let sender = Sealed::<V>::start(V::options("sender", at), sender);
        let payload: Vec<u8> = (0..4_u32 << 20).flat_map(u32::to_le_bytes).collect();
        let publishing = sender
            .client
            .publish("plant/file", V::qos(1), false, payload.clone());
        within("publish", publishing).await.unwrap();
        let message = reader.message().await;
        assert!(message.payload == payload);
        sender.publish("plant/x", "and on").await;
        assert_eq!(text(&reader.message().await), "and on");
    }
}

/// What the broker takes is said before anything is sent; what the client takes is the broker's
/// business (MQTT 5 only).
#[tokio::test]
async fn packet_limits_both_ways() {
    let (most, lines) = (20_000, "max_packet_size 20000");
    for broker in limited(|bundled| bundled.max_packet_size(most), lines).await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let sender = domain.enrol("sender", PUBLISH).await;
        let reader = domain.enrol("reader", SUBSCRIBE).await;
        let mut mqtt = options("reader", at);
        mqtt.set_max_packet_size(Some(6_000));
        let mut reader = Node::reader(mqtt, reader, &["plant/#"]).await;
        let mut sender = Node::start(options("sender", at), sender);
        sender.connected(1).await;
        let refused = sender
            .client
            .publish("plant/x", qos(1), false, vec![7; 30_000])
            .await;
        match refused {
            Err(ClientError::TooLarge { size, most: said }) => {
                assert!(size > 30_000 && said == most);
            }
            other => panic!("{other:?}"),
        }
        let publishing = sender
            .client
            .publish("plant/x", qos(1), false, vec![7; 10_000]);
        within("publish", publishing).await.unwrap();
        sender.publish("plant/x", "small").await;
        assert_eq!(text(&reader.message().await), "small");
        assert_eq!((reader.connections(), sender.connections()), (1, 1));
    }
}

/// A reader that takes one message at a time needs its sender's credential, which comes behind it.
#[tokio::test]
async fn a_reader_with_receive_maximum_1() {
    for broker in limited(|bundled| bundled, "max_inflight_messages 1").await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let reader = domain.enrol("reader", SUBSCRIBE).await;
        let mut mqtt = persistent("reader", at);
        mqtt.set_receive_maximum(Some(1));
        let mut reader = Node::reader(mqtt, reader, &["plant/#"]).await;
        let mut wanted = BTreeSet::new();
        for name in ["first", "second"] {
            let sender = domain.enrol(name, PUBLISH).await;
            let sender = Node::start(options(name, at), sender);
            for number in 0..10_u8 {
                let text = format!("{name} {number}");
                let publishing =
                    sender
                        .client
                        .publish("plant/x", qos(1 + number % 2), false, text.clone());
                within("publish", publishing).await.unwrap();
                wanted.insert(text);
            }
            sender.flush().await;
        }
        let mut came = BTreeSet::new();
        while came.len() < wanted.len() {
            assert!(came.insert(text(&reader.message().await).to_owned()));
        }
        assert_eq!((came, reader.connections()), (wanted, 1));
    }
}

/// The session is that of the id that the broker gave; it is the same on the next connection.
#[tokio::test]
async fn an_assigned_client_id_keeps_its_session() {
    for broker in brokers().await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let sender = domain.enrol("sender", PUBLISH).await;
        let reader = domain.enrol("reader", SUBSCRIBE).await;
        let way = Proxy::to(at).await;
        let mut reader = Node::start(persistent("", way.address), reader);
        reader.subscribe("plant/#").await;
        way.cut();
        let sender = Node::start(options("sender", at), sender);
        sender.publish("plant/x", "meanwhile").await;
        sender.flush().await;
        way.mend();
        assert_eq!(text(&reader.message().await), "meanwhile");
        let resumed = Event::Connected {
            session_present: true,
        };
        assert!(reader.seen.contains(&resumed));
    }
}

/// Mosquitto, and the test broker, because the bundled one leaves it to the client.
#[tokio::test]
async fn a_keep_alive_of_the_brokers() {
    let limits = Limits {
        server_keep_alive: Some(1),
        ..Limits::default()
    };
    let test = Server::start(limits).await.unwrap();
    // It takes no less than ten seconds.
    let mosquitto = crate::common::brokers::mosquitto("max_keepalive 10");
    let home = sealmq_broker::Broker::builder().start().await.unwrap();
    let mut domain = Domain::new(home.local_addr()).await;
    let member = domain.enrol("member", BOTH).await;
    let slow = mosquitto.iter().map(|broker| (broker.address(), 15_500));
    let mut members = Vec::new();
    for (at, wait) in std::iter::once((test.address(), 3_500)).chain(slow) {
        let mut mqtt = options("member", at);
        mqtt.set_keep_alive(Duration::from_secs(600));
        let mut member = Node::start(mqtt, member.copy());
        member.connected(1).await;
        members.push((at, wait, member));
    }
    // Without a word for one and a half times as long a broker ends the connection.
    let mut waited = 0;
    for (at, wait, mut member) in members {
        sleep(Duration::from_millis(wait - waited)).await;
        waited = wait;
        assert_eq!(member.connections(), 1, "{at}");
    }
    home.shutdown().await;
}

/// Two processes with one client id: the one that was thrown out says so, once, and comes back after
/// a pause that grows, instead of throwing out the other one.
async fn two_with_one_client_id_take_turns_no_more<V: Setup>() {
    for broker in brokers().await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let [one, other] = [
            domain.enrol("one", BOTH).await,
            domain.enrol("other", BOTH).await,
        ];
        let mut both = [
            Sealed::<V>::start(V::options("same", at), one),
            Sealed::<V>::start(V::options("same", at), other),
        ];
        let says = |node: &Sealed<V>| {
            let taken = |event: &&sealmq_rumqttc::eventloop::Event<V>| {
                matches!(event, Event::BrokerLimit(BrokerLimit::TakenOver { .. }))
            };
            node.seen.iter().filter(taken).count()
        };
        within("a word", async {
            loop {
                let connections = both.iter_mut().map(Sealed::connections);
                // Five of one of them in a row; on a busy machine some do not count.
                assert!(connections.sum::<usize>() < 30);
                if both.iter().map(says).sum::<usize>() > 0 {
                    break;
                }
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        let before: usize = both.iter_mut().map(Sealed::connections).sum();
        sleep(Duration::from_millis(2_000)).await;
        let after: usize = both.iter_mut().map(Sealed::connections).sum();
        assert!(after <= before + 2, "{before}, {after}");
        assert!(both.iter().all(|node| says(node) <= 1));
    }
}

/// What stands outside of an envelope: the topic, QoS, the retain flag, and the expiry, which the
/// broker needs. Everything else of MQTT 5 travels inside.
#[tokio::test]
async fn what_a_broker_sees_of_properties() {
    for broker in brokers().await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let sender = domain.enrol("sender", PUBLISH).await;
        let reader = domain.enrol("reader", SUBSCRIBE).await;
        let mut reader = Node::reader(options("reader", at), reader, &["plant/#"]).await;
        let mut eaves = Raw::connect(options("eaves", at)).await;
        eaves.subscribe("plant/#").await;
        let sender = Node::start(options("sender", at), sender);
        let given = PublishProperties {
            payload_format_indicator: Some(1),
            message_expiry_interval: Some(600),
            topic_alias: None,
            response_topic: Some("plant/answers".into()),
            correlation_data: Some("17".into()),
            user_properties: vec![("unit".into(), "K".into()), ("unit".into(), "C".into())],
            subscription_identifiers: Vec::new(),
            content_type: Some("application/json".into()),
        };
        let publishing =
            sender
                .client
                .publish_with_properties("plant/x", qos(1), false, "{}", given.clone());
        within("publish", publishing).await.unwrap();
        let inside = reader.message().await.properties;
        assert_eq!(inside.payload_format, given.payload_format_indicator);
        assert_eq!(inside.expiry, given.message_expiry_interval);
        assert_eq!(inside.response_topic, given.response_topic);
        assert_eq!(
            inside.correlation_data.as_deref(),
            given.correlation_data.as_deref()
        );
        assert_eq!(inside.user, given.user_properties);
        assert_eq!(inside.content_type, given.content_type);
        let outside = eaves.next().await.properties.unwrap();
        assert!(
            outside
                .message_expiry_interval
                .is_some_and(|left| left >= 590)
        );
        // The bundled broker says by itself which client it was.
        let rest = PublishProperties {
            message_expiry_interval: None,
            user_properties: Vec::new(),
            ..outside
        };
        assert_eq!(rest, PublishProperties::default());
    }
}
