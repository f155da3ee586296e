//! What waits: messages without keys, acknowledgements, flushes.

use std::time::Duration;

use sealmq_client::{
    ClientError, Event, GivenUp, Options, PublishResult, ReasonCode, Rejection, SealError,
};
use sealmq_core::object::Access;
use sealmq_keys::Store as _;

use crate::all::world::World;

fn patient(seconds: u64) -> Options {
    Options {
        wait_for_keys: Duration::from_secs(seconds),
        ..Options::default()
    }
}

#[test]
fn without_keys_it_is_refused_at_once_or_waits() {
    let mut world = World::new();
    let store = world.enrol_only("sensor", Access::PUBLISH);
    // The welcome is held back.
    let kept = std::mem::take(&mut world.retained);
    let sensor = world.start(store, &Options::default());
    let patient_one = world.enrol_only("patient", Access::PUBLISH);
    let later = std::mem::take(&mut world.retained);
    let patient_one = world.start(patient_one, &patient(10));
    world.run(1_000);
    world.publish(sensor, "plant/a", "now");
    let waits = world.publish(patient_one, "plant/a", "when there are keys");
    let gives_up = world.publish(patient_one, "plant/a", "whose caller leaves");
    world.run(1_000);
    assert!(matches!(
        world.nodes[sensor].refused[..],
        [ClientError::Seal(SealError::NoKeysYet { .. })]
    ));
    let node = &mut world.nodes[patient_one];
    assert!(node.accepted.is_empty() && node.refused.is_empty());
    assert_eq!(node.client.outstanding(), 2);
    node.client.abandon(gives_up);
    for (topic, payload) in kept.into_iter().chain(later) {
        world.route(sealmq_client::Wire {
            topic,
            payload: payload.into(),
            qos: sealmq_client::Qos::AtLeastOnce,
            retain: true,
            properties: sealmq_client::Properties::default(),
            alias: None,
        });
    }
    world.tick();
    world.run(1_000);
    let node = &world.nodes[patient_one];
    assert_eq!(node.accepted, [waits]);
    let acknowledged = PublishResult::Acknowledged(ReasonCode::SUCCESS);
    let done = [
        (gives_up, Err(GivenUp::Withdrawn)),
        (waits, Ok(acknowledged)),
    ];
    assert_eq!(node.done, done);
    assert_eq!(
        node.sent
            .iter()
            .filter(|wire| wire.topic == "plant/a")
            .count(),
        1
    );
}

#[test]
fn patience_ends() {
    let mut world = World::new();
    let store = world.enrol_only("sensor", Access::PUBLISH);
    world.retained.clear();
    let sensor = world.start(store, &patient(10));
    world.run(1_000);
    world.publish(sensor, "plant/a", "never");
    world.run(9_990);
    assert!(world.nodes[sensor].refused.is_empty());
    world.run(20);
    assert_eq!(world.nodes[sensor].refused.len(), 1);
    assert_eq!(world.nodes[sensor].client.outstanding(), 0);
}

#[test]
fn an_accepted_message_outlives_a_recovery_from_stolen_keys() {
    let mut world = World::new();
    let reader = world.member("reader", Access::SUBSCRIBE, &["plant/#"]);
    let store = world.enrol_only("sensor", Access::PUBLISH);
    world.tick();
    let sensor = world.start(store, &patient(60));
    world.run(1_000);
    world.nodes[sensor].reachable = false;
    world.cut(sensor);
    let accepted = world.publish(sensor, "plant/a", "kept");
    world.run(1_000);
    assert_eq!(world.nodes[sensor].accepted, [accepted]);
    let announcements = world.recover();
    world.nodes[sensor].reachable = true;
    world.run(20_000);
    assert!(world.nodes[reader].texts().is_empty());
    for publication in announcements.publications {
        world.route(publication.into());
    }
    world.run(2_000);
    assert_eq!(world.nodes[reader].texts(), ["kept"]);
    assert!(world.nodes[sensor].refused.is_empty());
}

#[test]
fn keys_that_expired_are_not_used() {
    let mut world = World::new();
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    world.nodes[sensor].reachable = false;
    world.cut(sensor);
    let accepted = world.publish(sensor, "plant/a", "in time");
    world.uptime += 8 * 86_400_000;
    world.publish(sensor, "plant/a", "too late");
    world.nodes[sensor].reachable = true;
    world.run(60_000);
    let node = &world.nodes[sensor];
    assert_eq!(node.accepted, [accepted]);
    assert_eq!(node.refused.len(), 2, "{:?}", node.refused);
    assert!(node.sent.iter().all(|wire| wire.topic != "plant/a"));
}

#[test]
fn a_message_is_acknowledged_when_the_application_has_it_or_too_many_wait() {
    let mut world = World::new();
    let reader = world.member("reader", Access::SUBSCRIBE, &["plant/#"]);
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    // The reader does not know the sender yet, and the broker does not tell.
    let credential = format!("{}/m/", world.authority.prefix());
    let hidden: Vec<_> = world
        .retained
        .extract_if(.., |topic, _| {
            topic.starts_with(&credential) && topic.ends_with("/credential")
        })
        .collect();
    assert!(!hidden.is_empty());
    let before = world.nodes[reader].acknowledged.len();
    for n in 0..10 {
        world.publish(sensor, "plant/a", &n.to_string());
    }
    world.settle();
    assert!(world.nodes[reader].texts().is_empty());
    // Eight keep theirs back.
    assert_eq!(world.nodes[reader].acknowledged.len() - before, 2);
    world.nodes[reader].takes_events = false;
    for (topic, payload) in hidden {
        world.route(sealmq_client::Wire {
            topic,
            payload: payload.into(),
            qos: sealmq_client::Qos::AtLeastOnce,
            retain: true,
            properties: sealmq_client::Properties::default(),
            alias: None,
        });
    }
    world.settle();
    let node = &mut world.nodes[reader];
    assert_eq!(node.texts().len(), 10);
    assert_eq!(node.held.len(), 8);
    // On the next connection their identifiers mean other messages.
    let acknowledged = node.acknowledged.len();
    let held = std::mem::take(&mut node.held);
    node.client.handle_delivered(held[0]);
    world.settle();
    assert_eq!(world.nodes[reader].acknowledged.len(), acknowledged + 1);
    world.cut(reader);
    world.run(2_000);
    let acknowledged = world.nodes[reader].acknowledged.len();
    for token in &held[1..] {
        world.nodes[reader].client.handle_delivered(*token);
    }
    world.settle();
    assert_eq!(world.nodes[reader].acknowledged.len(), acknowledged);
}

#[test]
fn shared_subscriptions_have_no_gaps_and_others_do() {
    let mut world = World::new();
    let shared = world.member("shared", Access::SUBSCRIBE, &["$share/s/plant/#"]);
    let alone = world.member("alone", Access::SUBSCRIBE, &["plant/#"]);
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    world.publish(sensor, "plant/a", "1");
    world.settle();
    let gaps = |world: &World, node: usize| -> Vec<bool> {
        let events = world.nodes[node].events.iter();
        let gaps = events.filter_map(|event| match event {
            Event::Message(message) => Some(message.gap.is_some()),
            _ => None,
        });
        gaps.collect()
    };
    assert_eq!(
        (gaps(&world, shared), gaps(&world, alone)),
        (vec![false], vec![true])
    );
}

#[test]
fn a_flush_ends_when_what_came_before_is_acknowledged() {
    let mut world = World::new();
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    let node = &mut world.nodes[sensor];
    let nothing = node.client.flush();
    node.takes = false;
    world.publish(sensor, "plant/a", "1");
    let flush = world.nodes[sensor].client.flush();
    world.run(1_000);
    assert_eq!(world.nodes[sensor].flushed, [nothing]);
    world.nodes[sensor].takes = true;
    world.cut(sensor); // and it is sent again
    world.run(2_000);
    assert_eq!(world.nodes[sensor].flushed, [nothing, flush]);
}

#[test]
fn plaintext_passes_only_where_no_group_covers_the_topic() {
    let mut world = World::new();
    let store = world.enrol_only("both", Access::BOTH);
    world.tick();
    let options = Options {
        plaintext: vec!["#".into()],
        ..Options::default()
    };
    let node = world.start(store, &options);
    world.nodes[node].subscribe("#");
    // Before the first keys nobody knows what the groups cover.
    world.publish(node, "open/a", "clear");
    world.settle();
    assert_eq!(world.nodes[node].refused.len(), 1);
    world.run(1_000);
    world.publish(node, "open/a", "clear");
    world.publish(node, "plant/a", "sealed");
    world.settle();
    let clear = |event: &&Event| matches!(event, Event::Unsealed { .. });
    assert_eq!(world.nodes[node].events.iter().filter(clear).count(), 1);
    // And what comes in clear on a covered topic is refused.
    world.route(sealmq_client::Wire {
        topic: "plant/a".into(),
        payload: "forged".into(),
        qos: sealmq_client::Qos::AtLeastOnce,
        retain: false,
        properties: sealmq_client::Properties::default(),
        alias: None,
    });
    world.settle();
    let events = &world.nodes[node].events;
    assert_eq!(events.iter().filter(clear).count(), 1);
    assert!(
        matches!(events.last(), Some(Event::Rejected { reason, .. }) if *reason != Rejection::Own)
    );
}

#[test]
fn what_is_accepted_does_not_survive_the_process_and_the_store_does() {
    let mut world = World::new();
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    let reader = world.member("reader", Access::SUBSCRIBE, &["plant/#"]);
    world.publish(sensor, "plant/a", "1");
    world.settle();
    // The process ends at once, and begins with what its store has.
    let mut store = sealmq_store::MemoryStore::new();
    let mut changes = sealmq_keys::Changes::new();
    for (key, value) in world.nodes[sensor].store.list("").unwrap() {
        changes.put(key, value.to_vec());
    }
    store.commit(&changes).unwrap();
    world.nodes[sensor].closed = true;
    let again = world.start(store, &Options::default());
    world.run(1_000);
    world.publish(again, "plant/a", "2");
    world.settle();
    assert_eq!(world.nodes[reader].texts(), ["1", "2"]);
}
