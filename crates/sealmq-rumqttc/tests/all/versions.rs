//! The same scenes over MQTT 3.1.1 and MQTT 5, at the bundled broker and at Mosquitto: what an
//! application relies on does not depend on the version, nor on that of the other side.

use std::time::Duration;

use getrandom::SysRng;
use rumqttc::v5::mqttbytes::v5::LastWill as LastWill5;
use sealmq_authority::{GrantSpec, TokenSpec};
use sealmq_broker::Broker;
use sealmq_client::Event;
use sealmq_keys::objects::NamePattern;
use sealmq_rumqttc::joining::{JoinEvent, Joining};
use sealmq_rumqttc::v4::V4;
use sealmq_rumqttc::v5::V5;
use sealmq_rumqttc::{JoinOptions, JoinWay, Properties, SealOptions, Token, v4, v5};

use crate::common::brokers::brokers;
use crate::common::proxy::Proxy;
use crate::common::{
    BOTH, Domain, PATIENCE, PUBLISH, SUBSCRIBE, Sealed, Setup, SharedStore, now, text, within,
};

/// Each scene for both versions.
macro_rules! scenes {
    ($($scene:ident),* $(,)?) => {
        mod mqtt_3 {
            $(#[tokio::test]
            async fn $scene() {
                super::$scene::<super::V4, super::V5>().await;
            })*
        }
        mod mqtt_5 {
            $(#[tokio::test]
            async fn $scene() {
                super::$scene::<super::V5, super::V4>().await;
            })*
        }
    };
}

scenes!(
    every_quality_of_service_and_what_travels_inside,
    retained_values_and_filters,
    a_session_keeps_messages_and_the_outbox_sends_again,
    keys_change_while_a_reader_is_away,
    a_will_and_a_request,
    an_application_enrols_itself,
);

/// Publishes; `publish` waits for keys.
async fn publish<V: Setup>(node: &Sealed<V>, topic: &str, level: u8, retain: bool, payload: &str) {
    let publishing = node.client.publish(topic, V::qos(level), retain, payload);
    within("publish", publishing).await.unwrap();
}

/// Own version to the other one, and to itself.
async fn every_quality_of_service_and_what_travels_inside<V: Setup, W: Setup>() {
    for broker in brokers().await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let sender = domain.enrol("sender", PUBLISH).await;
        let [same, other] = [
            domain.enrol("same", SUBSCRIBE).await,
            domain.enrol("other", SUBSCRIBE).await,
        ];
        let mut same = Sealed::<V>::start(V::options("same", at), same);
        same.subscribe_at("plant/#", V::qos(2)).await;
        let mut other = Sealed::<W>::start(W::options("other", at), other);
        other.subscribe_at("plant/#", W::qos(2)).await;
        let sender = Sealed::<V>::start(V::options("sender", at), sender);
        for level in 0..=2 {
            for part in 0..3 {
                publish(
                    &sender,
                    &format!("plant/{level}"),
                    level,
                    false,
                    &part.to_string(),
                )
                .await;
            }
        }
        // What is on its way at another quality of service may be overtaken.
        sender.flush().await;
        let properties = Properties {
            content_type: Some("text/plain".to_owned()),
            response_topic: Some("plant/answers".to_owned()),
            correlation_data: Some(vec![0, 1, 255]),
            expiry: Some(600),
            user: vec![("unit".to_owned(), "K".to_owned())],
            ..Properties::default()
        };
        let large = vec![7; 300_000];
        let sealed = sender.client.publish_sealed(
            "plant/p",
            V::qos(1),
            false,
            large.clone(),
            properties.clone(),
        );
        within("publish", sealed).await.unwrap();
        sender.flush().await;
        assert_eq!(sender.client.outstanding(), 0);
        async fn check<X: Setup>(reader: &mut Sealed<X>, large: &[u8], properties: &Properties) {
            let mut parts = std::collections::BTreeMap::<String, String>::new();
            for _ in 0..9 {
                let message = reader.message().await;
                assert_eq!(message.sender_name, "sender");
                parts
                    .entry(message.topic.clone())
                    .or_default()
                    .push_str(text(&message));
            }
            assert!(parts.len() == 3 && parts.values().all(|parts| parts == "012"));
            let message = reader.message().await;
            assert!(message.payload == large);
            assert_eq!(&message.properties, properties);
        }
        check(&mut same, &large, &properties).await;
        check(&mut other, &large, &properties).await;
    }
}

async fn retained_values_and_filters<V: Setup, W: Setup>() {
    for broker in brokers().await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let sender = domain.enrol("sender", PUBLISH).await;
        let reader = domain.enrol("reader", SUBSCRIBE).await;
        let sender = Sealed::<W>::start(W::options("sender", at), sender);
        publish(&sender, "plant/state", 1, true, "old").await;
        publish(&sender, "plant/state", 1, true, "on").await;
        sender.flush().await;
        // Late, and with a filter that takes everything: key management stays inside.
        let mut reader = Sealed::<V>::reader(V::options("reader", at), reader, &["#"]).await;
        let message = reader.message().await;
        assert_eq!((text(&message), message.retained), ("on", true));
        // Overlapping subscriptions: one message, however many copies the broker sends.
        let overlapping = ["plant/+", "plant/live", "$share/pool/plant/live"];
        let overlapping = overlapping.map(|filter| V::filter(filter, 1));
        reader.client.subscribe_many(overlapping).await.unwrap();
        for _ in 0..3 {
            let granted = |event: &sealmq_rumqttc::eventloop::Event<V>| {
                matches!(event, Event::Subscribed { .. }).then_some(())
            };
            reader.until(granted).await;
        }
        publish(&sender, "plant/live", 1, false, "once").await;
        publish(&sender, "plant/live", 1, false, "twice").await;
        let mut live = Vec::new();
        while live.len() < 2 {
            let message = reader.message().await;
            if !message.retained {
                live.push(text(&message).to_owned());
            }
        }
        assert_eq!(live, ["once", "twice"]);
        reader.client.unsubscribe("#").await.unwrap();
        publish(&sender, "plant/state", 1, true, "").await;
        let cleared = |event: &sealmq_rumqttc::eventloop::Event<V>| match event {
            Event::Cleared { topic } => Some(topic.clone()),
            Event::Message(message) => panic!("{message:?}"),
            _ => None,
        };
        assert_eq!(reader.until(cleared).await, "plant/state");
        // What a filter may not be is refused before anything is sent.
        let reserved = format!("{}/#", domain.authority.prefix());
        let refused = reader.client.subscribe(reserved, V::qos(1)).await;
        assert!(refused.is_err());
    }
}

async fn a_session_keeps_messages_and_the_outbox_sends_again<V: Setup, W: Setup>() {
    for broker in brokers().await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let sender = domain.enrol("sender", PUBLISH).await;
        let reader = domain.enrol("reader", SUBSCRIBE).await;
        let [to_sender, to_reader] = [Proxy::to(at).await, Proxy::to(at).await];
        let mut reader = Sealed::<V>::start(V::persistent("reader", to_reader.address), reader);
        reader.subscribe_at("plant/#", V::qos(2)).await;
        let sender = Sealed::<V>::start(V::options("sender", to_sender.address), sender);
        publish(&sender, "plant/x", 1, false, "0").await;
        assert_eq!(text(&reader.message().await), "0");
        // The reader is away: its session keeps what comes.
        to_reader.cut();
        for number in 1..5 {
            publish(
                &sender,
                "plant/x",
                1 + number % 2,
                false,
                &number.to_string(),
            )
            .await;
        }
        sender.flush().await;
        // The sender is: its outbox does, at a broker that forgets it.
        to_sender.cut();
        for number in 5..9 {
            publish(
                &sender,
                "plant/x",
                1 + number % 2,
                false,
                &number.to_string(),
            )
            .await;
        }
        assert_eq!(sender.client.outstanding(), 4);
        to_sender.mend();
        sender.flush().await;
        to_reader.mend();
        // Each once; in order at each quality of service.
        let mut came = Vec::new();
        while came.len() < 8 {
            came.push(text(&reader.message().await).parse::<u32>().unwrap());
        }
        came.sort_unstable();
        assert_eq!(came, [1, 2, 3, 4, 5, 6, 7, 8]);
        reader.silence_of_messages().await;
    }
}

async fn keys_change_while_a_reader_is_away<V: Setup, W: Setup>() {
    for broker in brokers().await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let sender = domain.enrol("sender", PUBLISH).await;
        let reader = domain.enrol("reader", SUBSCRIBE).await;
        drop(domain.enrol("stolen", BOTH).await);
        let way = Proxy::to(at).await;
        let mut reader = Sealed::<V>::start(V::persistent("reader", way.address), reader);
        reader.subscribe("plant/#").await;
        let mut sender = Sealed::<W>::start(W::options("sender", at), sender);
        publish(&sender, "plant/x", 1, false, "before").await;
        assert_eq!(text(&reader.message().await), "before");
        way.cut();
        domain.rotate().await;
        domain.remove("stolen").await;
        let epoch = 6;
        sender.epoch(epoch).await;
        publish(&sender, "plant/x", 1, false, "after").await;
        sender.flush().await;
        way.mend();
        let message = reader.message().await;
        assert_eq!((text(&message), message.epoch), ("after", epoch));
    }
}

async fn a_will_and_a_request<V: Setup, W: Setup>() {
    for broker in brokers().await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let [device, reader] = [
            domain.enrol("device", BOTH).await,
            domain.enrol("reader", BOTH).await,
        ];
        let mut reader = Sealed::<W>::reader(W::options("reader", at), reader, &["plant/#"]).await;
        // The keys come over a first connection; then there is a Will.
        let first = Sealed::<V>::start(V::options("device", at), device.clone());
        publish(&first, "plant/hello", 1, false, "hello").await;
        assert_eq!(text(&reader.message().await), "hello");
        within("goodbye", first.client.disconnect()).await.unwrap();

        let way = Proxy::to(at).await;
        let will = LastWill5::new("plant/gone", "gone", crate::common::qos(1), true, None);
        let options = SealOptions::new().wait_for_keys(PATIENCE).last_will(will);
        let mqtt = V::options("device", way.address);
        let mut device = Sealed::<V>::with_options(mqtt, device, options);
        device.subscribe("plant/questions").await;
        let question = Properties {
            response_topic: Some("plant/answers".to_owned()),
            correlation_data: Some(b"1".to_vec()),
            ..Properties::default()
        };
        let asking =
            reader
                .client
                .publish_sealed("plant/questions", W::qos(1), false, "?", question);
        within("publish", asking).await.unwrap();
        let question = device.message().await;
        let answer = Properties {
            correlation_data: question.properties.correlation_data,
            ..Properties::default()
        };
        let topic = question.properties.response_topic.unwrap();
        let answering = device
            .client
            .publish_sealed(topic, V::qos(1), false, "!", answer);
        within("publish", answering).await.unwrap();
        // What it has asked comes back to it as well.
        let mut answer = reader.message().await;
        while answer.sender_name != "device" {
            answer = reader.message().await;
        }
        assert_eq!(
            answer.properties.correlation_data.as_deref(),
            Some(b"1".as_slice())
        );
        device.flush().await;
        way.cut();
        let will = reader.message().await;
        assert_eq!((text(&will), will.will), ("gone", true));
        assert_eq!(will.sender_name, "device");
    }
}

/// With a token, over a connection that breaks, and with a process that starts again; the store is
/// then a client's.
async fn an_application_enrols_itself<V: Setup, W: Setup>() {
    for broker in brokers().await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let reader = domain.enrol("reader", SUBSCRIBE).await;
        let mut reader = Sealed::<W>::reader(W::options("reader", at), reader, &["plant/#"]).await;
        let spec = TokenSpec {
            grants: vec![GrantSpec {
                group: "plant".into(),
                access: BOTH,
                publish_filter: String::new(),
            }],
            name: NamePattern::Any,
            ttl: 3_600,
            uses: 1,
            member_validity: 86_400,
            broker: String::new(),
        };
        let made = domain.authority.create_token(&spec, now(), &mut SysRng);
        let (token, plan) = made.unwrap();
        domain.carry_out(plan).await;
        domain.publish_outbox().await; // the delegation, too
        let token = token.to_uri().unwrap().to_string();
        let prefix = domain.authority.prefix().to_owned();
        let mut store = SharedStore::default();
        let way = Proxy::to(at).await;
        let begin = |store: &SharedStore| {
            let options = JoinOptions {
                name: "device".into(),
                way: JoinWay::Token(Box::new(Token::parse(&token).unwrap())),
                packages: 3,
                extensions: Vec::new(),
            };
            Joining::<V>::begin(V::options("device", way.address), store, options).unwrap()
        };
        // The authority is away; the request goes out, and the process ends.
        let mut joining = begin(&store);
        let connected = within("a connection", joining.next(&mut store)).await;
        assert!(
            matches!(connected, Ok(JoinEvent::Connected { .. })),
            "{connected:?}"
        );
        let asking = tokio::time::timeout(Duration::from_millis(500), joining.next(&mut store));
        assert!(asking.await.is_err());
        way.cut();
        let lost = within("the news", joining.next(&mut store)).await;
        assert!(matches!(lost, Ok(JoinEvent::Disconnected(_))), "{lost:?}");
        drop(joining);
        way.mend();
        let mut joining = begin(&store);
        domain.client.subscribe(&format!("{prefix}/join/+")).await;
        let office = async {
            loop {
                let request = domain.client.next();
                let request = tokio::time::timeout(Duration::from_millis(100), request).await;
                if let Ok(request) = request {
                    let topic = String::from_utf8(request.topic.to_vec()).unwrap();
                    let (payload, now) = (request.payload, now());
                    let handled = domain.authority.handle(&topic, &payload, now, &mut SysRng);
                    domain.carry_out(handled.unwrap()).await;
                }
                domain.tick().await;
            }
        };
        let joined = async {
            loop {
                if let JoinEvent::Joined(joined) = joining.next(&mut store).await.unwrap() {
                    return joined;
                }
            }
        };
        let joined = tokio::select! {
            joined = within("the answer", joined) => joined,
            () = office => unreachable!(),
        };
        assert_eq!(joined.enrolled.name, "device");
        let device = Sealed::<V>::start(V::options("device", at), store);
        publish(&device, "plant/x", 1, false, "enrolled").await;
        let message = reader.message().await;
        assert_eq!(
            (text(&message), &*message.sender_name),
            ("enrolled", "device")
        );
    }
}

/// rumqttc's calls without a runtime: subscribe and publish before anybody receives, receive in
/// one thread and publish in another.
#[test]
fn without_a_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (broker, one, other) = runtime.block_on(async {
        let broker = Broker::builder().start().await.unwrap();
        let mut domain = Domain::new(broker.local_addr()).await;
        let one = domain.enrol("one", BOTH).await;
        (broker, one, domain.enrol("other", BOTH).await)
    });
    let at = broker.local_addr();
    let options = SealOptions::new().wait_for_keys(PATIENCE);
    let mqtt = V4::options("one", at);
    let (one, mut events) = v4::Client::with_options(mqtt, one, options.clone()).unwrap();
    one.subscribe("plant/#", rumqttc::QoS::AtLeastOnce).unwrap();
    let mqtt = V5::options("other", at);
    let (other, mut later) = v5::Client::with_options(mqtt, other, options).unwrap();
    let granted = |event: &v4::Event| matches!(event, Event::Subscribed { .. });
    assert!(
        events
            .iter()
            .any(|event| event.is_ok_and(|event| granted(&event)))
    );
    let publishing = std::thread::spawn(move || {
        for number in 0..20 {
            other
                .publish("plant/x", crate::common::qos(1), false, number.to_string())
                .unwrap();
        }
        assert!(other.flush(PATIENCE).unwrap());
        assert_eq!(other.outstanding(), 0);
        other.disconnect().unwrap();
        assert!(
            other
                .publish("plant/x", crate::common::qos(1), false, "late")
                .is_err()
        );
        // Nobody has taken an event so far.
        let ended = later.iter().last().unwrap();
        assert!(matches!(ended, Ok(Event::Disconnected)), "{ended:?}");
    });
    let messages = events.iter().filter_map(|event| match event {
        Ok(Event::Message(message)) => Some(text(&message).to_owned()),
        _ => None,
    });
    let messages: Vec<_> = messages.take(20).collect();
    assert_eq!(messages.last().unwrap(), "19");
    publishing.join().unwrap();
    let nothing = events.recv_timeout(Duration::from_millis(10));
    assert!(nothing.is_err() || nothing.is_ok_and(|event| event.is_ok()));
    one.disconnect().unwrap();
    while events.recv().is_ok() {}
    assert_eq!(
        events.try_recv().unwrap_err(),
        v4::TryRecvError::Disconnected
    );
    runtime.block_on(broker.shutdown());
}
