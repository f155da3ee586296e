//! What became of a publish, for those who ask: at real brokers, and at one that the test plays.

use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{
    Packet, PubAck, PubAckReason, PubComp, PubCompReason, PubRec, PubRecReason, PublishProperties,
};
use sealmq_broker::Broker;
use sealmq_client::Event;
use sealmq_rumqttc::client::AsyncClient;
use sealmq_rumqttc::{
    ClientError, GivenUp, PublishNotice, PublishNoticeError, PublishResult, ReasonCode, SealError,
    SealOptions, blocking,
};

use crate::common::brokers::brokers;
use crate::common::proxy::Proxy;
use crate::common::script::{Limits, Script};
use crate::common::sink::{Sink, Treatment};
use crate::common::{
    Domain, Node, PUBLISH, SUBSCRIBE, Sealed, Setup, both, options, qos, text, within,
};
use crate::one_task::sensor;

both!(
    each_quality_of_service,
    over_connections_that_break,
    a_client_that_goes_away,
    a_notice_that_nobody_waits_for,
    a_call_that_is_given_up,
    without_a_runtime,
);

const TOPIC: &str = "plant/x";
const SUCCESS: ReasonCode = ReasonCode::SUCCESS;

type Outcome = Result<PublishResult, PublishNoticeError>;

fn acknowledged(code: ReasonCode) -> Outcome {
    Ok(PublishResult::Acknowledged(code))
}

fn gone(stored: bool) -> Outcome {
    Err(PublishNoticeError::ClientGone { stored })
}

fn given_up(why: GivenUp) -> Outcome {
    Err(PublishNoticeError::GivenUp(why))
}

async fn tracked<V: Setup>(client: &AsyncClient<V>, level: u8, payload: &str) -> PublishNotice {
    let publishing = client.publish_tracked(TOPIC, V::qos(level), false, payload);
    within("publish", publishing).await.unwrap()
}

async fn outcome(notice: PublishNotice) -> Outcome {
    within("the outcome", notice).await
}

async fn each_quality_of_service<V: Setup>() {
    for broker in brokers().await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let sender = domain.enrol("sender", PUBLISH).await;
        let reader = domain.enrol("reader", SUBSCRIBE).await;
        let mut reader = Sealed::<V>::reader(V::options("reader", at), reader, &["plant/#"]).await;
        let sender = Sealed::<V>::start(V::options("sender", at), sender);
        for level in 0..3 {
            let notice = tracked(&sender.client, level, "x").await;
            let expected = match level {
                0 => Ok(PublishResult::Written),
                _ => acknowledged(SUCCESS),
            };
            assert_eq!(outcome(notice).await, expected);
            assert_eq!(text(&reader.message().await), "x");
        }
        assert_eq!(sender.client.outstanding(), 0);
    }
}

/// The broker that the connection goes to is away for a while, and forgets the session or not.
async fn over_connections_that_break<V: Setup>() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let store = domain.enrol("sender", PUBLISH).await;
    let way = Proxy::to(at).await;
    let mut sender = Sealed::<V>::start(V::options("sender", way.address), store);
    tracked(&sender.client, 1, "the keys are there")
        .await
        .await
        .unwrap();
    way.cut();
    let mut notices = Vec::new();
    for level in 0..3 {
        notices.push(tracked(&sender.client, level, "x").await);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    for notice in &mut notices[1..] {
        assert_eq!(notice.try_wait(), None);
    }
    // Something else is faster: the notice is still there.
    tokio::select! {
        known = &mut notices[2] => panic!("{known:?}"),
        () = tokio::time::sleep(Duration::from_millis(20)) => {}
    }
    way.mend();
    sender.connected(2).await;
    for notice in notices {
        assert!(outcome(notice).await.is_ok());
    }
    broker.shutdown().await;
}

async fn a_client_that_goes_away<V: Setup>() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let store = domain.enrol("sender", PUBLISH).await;
    let reader = domain.enrol("reader", SUBSCRIBE).await;
    let mut reader = Sealed::<V>::reader(V::options("reader", at), reader, &["plant/#"]).await;
    let way = Proxy::to(at).await;
    for persistent in [false, true] {
        let options = || {
            SealOptions::new()
                .persistent_outbox(persistent)
                .wait_for_keys(crate::common::PATIENCE)
        };
        let mqtt = V::options("sender", way.address);
        let (client, mut eventloop) =
            AsyncClient::<V>::with_options(mqtt.clone(), store.clone(), options()).unwrap();
        while !matches!(eventloop.poll().await, Ok(Event::Connected { .. })) {}
        tracked(&client, 1, "before").await.await.unwrap();
        assert_eq!(text(&reader.message().await), "before");
        way.cut();
        while eventloop.poll().await.is_ok() {}
        let left = [0, 1, 2].map(|level| (level, persistent && level > 0));
        let mut notices = Vec::new();
        for (level, stored) in left {
            notices.push((tracked(&client, level, "left").await, stored));
        }
        drop(eventloop);
        for (notice, stored) in notices {
            assert_eq!(outcome(notice).await, gone(stored));
        }
        let after = client
            .publish_tracked(TOPIC, V::qos(1), false, "after")
            .await;
        assert!(matches!(after, Err(ClientError::Closed)));
        way.mend();
        let next = Sealed::<V>::with_options(mqtt, store.clone(), options());
        tracked(&next.client, 1, "last").await.await.unwrap();
        // One of QoS 2 may be overtaken.
        let mut texts = Vec::new();
        for _ in 0..if persistent { 3 } else { 1 } {
            texts.push(text(&reader.message().await).to_owned());
        }
        texts.sort_unstable();
        let expected = ["last", "left", "left"];
        assert_eq!(texts, expected[..texts.len()]);
        within("goodbye", next.client.disconnect()).await.unwrap();
    }
    broker.shutdown().await;
}

async fn a_notice_that_nobody_waits_for<V: Setup>() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let sender = domain.enrol("sender", PUBLISH).await;
    let reader = domain.enrol("reader", SUBSCRIBE).await;
    let mut reader = Sealed::<V>::reader(V::options("reader", at), reader, &["plant/#"]).await;
    let few = SealOptions::new()
        .capacity(3)
        .wait_for_keys(crate::common::PATIENCE);
    let sender = Sealed::<V>::with_options(V::options("sender", at), sender, few);
    // More than there is room for at a time: dropped notices hold nothing.
    for number in 0..50 {
        drop(tracked(&sender.client, 1, &number.to_string()).await);
    }
    for number in 0..50 {
        assert_eq!(text(&reader.message().await), number.to_string());
    }
    sender.flush().await;
    // Notices that wait hold no room, either.
    let mut notices = Vec::new();
    for _ in 0..50 {
        notices.push(tracked(&sender.client, 2, "kept").await);
    }
    for notice in notices {
        assert_eq!(outcome(notice).await, acknowledged(SUCCESS));
    }
    broker.shutdown().await;
}

/// Before the message was accepted: nothing is sent.
async fn a_call_that_is_given_up<V: Setup>() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let store = domain.enrol_only("sender", &[("plant", PUBLISH, "")]).await;
    let reader = domain.enrol("reader", SUBSCRIBE).await;
    let away = Proxy::to(at).await;
    away.cut();
    let sender = Sealed::<V>::start(V::options("sender", away.address), store);
    let waits = sender
        .client
        .publish_tracked(TOPIC, V::qos(1), false, "early");
    let early = tokio::time::timeout(Duration::from_millis(100), waits).await;
    assert!(early.is_err());
    // As an event, and by its notice.
    let tried = sender
        .client
        .try_publish_tracked(TOPIC, V::qos(1), false, "tried");
    let tried = tried.unwrap();
    let nowhere = sender
        .client
        .try_publish_tracked("elsewhere", V::qos(1), false, "x");
    let mut reader = Sealed::<V>::reader(V::options("reader", at), reader, &["plant/#"]).await;
    away.mend();
    assert_eq!(outcome(tried).await, acknowledged(SUCCESS));
    let no_group = GivenUp::NotPublished(ClientError::Seal(SealError::NoGroup));
    assert_eq!(outcome(nowhere.unwrap()).await, given_up(no_group));
    assert_eq!(text(&reader.message().await), "tried");
    reader.silence_of_messages().await;
    broker.shutdown().await;
}

async fn without_a_runtime<V: Setup>() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let store = domain.enrol("sender", PUBLISH).await;
    let way = Proxy::to(at).await;
    let mqtt = V::options("sender", way.address);
    let runtime = tokio::runtime::Handle::current();
    let work = tokio::task::spawn_blocking(move || {
        let options = SealOptions::new().wait_for_keys(crate::common::PATIENCE);
        let (client, connection) =
            blocking::Client::<V>::with_options(mqtt, store, options).unwrap();
        let publish = |level| {
            let notice = client.publish_tracked(TOPIC, V::qos(level), false, "x");
            notice.unwrap()
        };
        assert_eq!(publish(1).wait(), acknowledged(SUCCESS));
        assert_eq!(publish(0).wait(), Ok(PublishResult::Written));
        let other_thread = std::thread::spawn({
            let notice = publish(2);
            move || notice.wait()
        });
        assert_eq!(other_thread.join().unwrap(), acknowledged(SUCCESS));
        way.cut();
        let mut notice = publish(1);
        assert_eq!(notice.try_wait(), None);
        drop(connection);
        assert_eq!(notice.wait(), gone(false));
        drop(runtime);
    });
    within("the blocking client", work).await.unwrap();
    broker.shutdown().await;
}

/// Word for word, as a broker of MQTT 5 says it.
#[tokio::test]
async fn every_reason_code() {
    let script = Script::listen().await;
    let store = sensor().await;
    let node = Node::start(options("sensor", script.address), store);
    let publishing = tokio::spawn({
        let client = node.client.clone();
        async move {
            let mut outcomes = Vec::new();
            for level in [1, 1, 2, 2, 2, 2] {
                let notice = tracked(&client, level, "x").await;
                outcomes.push(outcome(notice).await);
            }
            let properties = PublishProperties {
                content_type: Some("text/plain".into()),
                ..PublishProperties::default()
            };
            let publishing =
                client.publish_with_properties_tracked(TOPIC, qos(1), false, "x", properties);
            outcomes.push(outcome(publishing.await.unwrap()).await);
            outcomes
        }
    });
    let mut broker = script.accept(false, Limits::default()).await;
    let puback = |pkid, reason| {
        let mut ack = PubAck::new(pkid, None);
        ack.reason = reason;
        Packet::PubAck(ack)
    };
    let pubrec = |pkid, reason| {
        let mut ack = PubRec::new(pkid, None);
        ack.reason = reason;
        Packet::PubRec(ack)
    };
    let nobody = ReasonCode::NO_MATCHING_SUBSCRIBERS;
    let mut expected = Vec::new();
    for (reason, result) in [
        (PubAckReason::NoMatchingSubscribers, acknowledged(nobody)),
        (
            PubAckReason::NotAuthorized,
            given_up(GivenUp::Refused(ReasonCode::NOT_AUTHORIZED)),
        ),
    ] {
        let pkid = broker.publish().await.pkid;
        broker.send(puback(pkid, reason)).await;
        expected.push(result);
    }
    let complete = PubCompReason::Success;
    let not_found = PubCompReason::PacketIdentifierNotFound;
    for (received, completed, result) in [
        (PubRecReason::Success, complete, acknowledged(SUCCESS)),
        (
            PubRecReason::NoMatchingSubscribers,
            complete,
            acknowledged(nobody),
        ),
        (
            PubRecReason::NoMatchingSubscribers,
            not_found,
            acknowledged(ReasonCode::PACKET_IDENTIFIER_NOT_FOUND),
        ),
        (
            PubRecReason::QuotaExceeded,
            complete,
            given_up(GivenUp::Refused(ReasonCode::QUOTA_EXCEEDED)),
        ),
    ] {
        let pkid = broker.publish().await.pkid;
        broker.send(pubrec(pkid, received)).await;
        if received != PubRecReason::QuotaExceeded {
            assert_eq!(broker.release().await, pkid);
            let mut ack = PubComp::new(pkid, None);
            ack.reason = completed;
            broker.send(Packet::PubComp(ack)).await;
        }
        expected.push(result);
    }
    let pkid = broker.publish().await.pkid;
    broker.send(puback(pkid, PubAckReason::Success)).await;
    expected.push(acknowledged(SUCCESS));
    assert_eq!(within("publishing", publishing).await.unwrap(), expected);
}

/// What the packet says, at a topic to which nobody subscribes.
#[tokio::test]
async fn as_brokers_say_it() {
    for broker in brokers().await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let store = domain.enrol("sender", PUBLISH).await;
        let seeing = SealOptions::new()
            .wait_for_keys(crate::common::PATIENCE)
            .mqtt_events(true);
        let mut sender = Node::with_options(options("sender", at), store, seeing);
        let known = outcome(tracked(&sender.client, 1, "x").await).await;
        // Nothing else is acknowledged after it, but for this.
        drop(tracked(&sender.client, 2, "x").await);
        let packet = |event: &Event<_, _, Box<rumqttc::v5::Event>>| match event {
            Event::Mqtt(packet) => match &**packet {
                rumqttc::v5::Event::Incoming(packet) => Some(packet.clone()),
                rumqttc::v5::Event::Outgoing(_) => None,
            },
            _ => None,
        };
        let ends = |event: &_| matches!(packet(event), Some(Packet::PubComp(_))).then_some(());
        sender.until(ends).await;
        let acks = sender.seen.iter().filter_map(|event| match packet(event) {
            Some(Packet::PubAck(ack)) => Some(ack.reason),
            _ => None,
        });
        let said = match acks.last() {
            Some(PubAckReason::Success) => SUCCESS,
            Some(PubAckReason::NoMatchingSubscribers) => ReasonCode::NO_MATCHING_SUBSCRIBERS,
            other => panic!("{other:?}"),
        };
        assert_eq!(known, acknowledged(said));
    }
}

/// Said by the notice as by the event.
#[tokio::test]
async fn what_ends_connections_and_what_is_too_large() {
    let sink = Sink::start(true, |publish| {
        if publish.topic == "plant/bad" {
            Treatment::Close
        } else {
            Treatment::Take
        }
    })
    .await;
    let node = Node::start(options("sensor", sink.address), sensor().await);
    let client = &node.client;
    let bad = client.publish_tracked("plant/bad", qos(1), false, "x");
    let bad = within("publish", bad).await.unwrap();
    let good = tracked(client, 1, "x").await;
    let Err(PublishNoticeError::GivenUp(GivenUp::EndsConnections { size, .. })) =
        outcome(bad).await
    else {
        panic!("not given up");
    };
    assert!(size > 100);
    assert_eq!(outcome(good).await, acknowledged(SUCCESS));
}
