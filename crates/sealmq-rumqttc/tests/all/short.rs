//! The short form through brokers, in both versions: what they carry, and who reads it.

use std::collections::BTreeSet;

use sealmq_core::wire::Head;
use sealmq_rumqttc::SealOptions;
use sealmq_rumqttc::v4::V4;
use sealmq_rumqttc::v5::V5;

use crate::common::brokers::brokers;
use crate::common::{
    BOTH, Domain, PATIENCE, PUBLISH, Raw, SUBSCRIBE, Sealed, Setup, options, text, within,
};

#[tokio::test]
async fn over_mqtt_3() {
    at_most_a_hundred_bytes_around_a_payload::<V4, V5>().await;
}

#[tokio::test]
async fn over_mqtt_5() {
    at_most_a_hundred_bytes_around_a_payload::<V5, V4>().await;
}

fn short() -> SealOptions {
    SealOptions::new().wait_for_keys(PATIENCE).short_form(true)
}

async fn at_most_a_hundred_bytes_around_a_payload<V: Setup, W: Setup>() {
    for broker in brokers().await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let sender = domain.enrol("sender", PUBLISH).await;
        let both = domain.enrol("both", BOTH).await;
        let late = domain.enrol("late", SUBSCRIBE).await;
        // One reader sends the short form itself, over the other version.
        let mut both = Sealed::<W>::with_options(W::options("both", at), both, short());
        both.subscribe("plant/#").await;
        let mut carried = Raw::connect(options("raw", at)).await;
        carried.subscribe("#").await;

        let sender = Sealed::<V>::with_options(V::options("sender", at), sender, short());
        let payloads: Vec<String> = (0..150_usize).map(|n| "x".repeat(n * 13 % 300)).collect();
        for payload in &payloads {
            let publishing = sender
                .client
                .publish("plant/x", V::qos(1), false, &**payload);
            within("publish", publishing).await.unwrap();
        }
        sender.flush().await;
        let mut records = BTreeSet::new();
        let mut expected = payloads.iter();
        while expected.len() > 0 {
            let packet = carried.next().await;
            if packet.topic == "plant/x" {
                let around = packet.payload.len() - expected.next().unwrap().len();
                assert!((95..=100).contains(&around), "{around} bytes");
                assert!(matches!(Head::parse(&packet.payload), Ok(Head::Short(_))));
                assert_eq!(records.len(), 1, "the record comes first");
            } else if String::from_utf8_lossy(&packet.topic).contains("/s/") {
                assert!(packet.payload.len() < 500, "{}", packet.payload.len());
                records.insert(packet.payload);
            }
        }
        for payload in &payloads {
            let message = both.message().await;
            assert_eq!(
                (text(&message), &*message.sender_name),
                (&**payload, "sender")
            );
        }

        // Who comes later finds the record at the broker, and its own sender's beside it.
        let mut late = Sealed::<V>::reader(V::options("late", at), late, &["plant/#"]).await;
        for (node, payload) in [("sender", "after"), ("both", "other")] {
            match node {
                "sender" => {
                    let publishing = sender.client.publish("plant/y", V::qos(2), false, payload);
                    within("publish", publishing).await.unwrap();
                    sender.flush().await;
                }
                _ => {
                    let publishing = both.client.publish("plant/y", W::qos(0), false, payload);
                    within("publish", publishing).await.unwrap();
                }
            }
            let message = late.message().await;
            assert_eq!((text(&message), &*message.sender_name), (payload, node));
        }
    }
}
