//! Last Wills: sealed for each connection, renewed when their epoch gets old.

use bytes::Bytes;
use sealmq_client::{Event, Options, Properties, Qos, Will};
use sealmq_core::object::Access;

use crate::all::world::World;

fn options() -> Options {
    Options {
        will: Some(Will {
            topic: Bytes::from_static(b"plant/will"),
            payload: Bytes::from_static(b"gone"),
            qos: Qos::AtLeastOnce,
            retain: false,
            properties: Properties::default(),
            delay: None,
        }),
        ..Options::default()
    }
}

#[test]
fn without_keys_there_is_none_and_with_them_it_connects_again() {
    let mut world = World::new();
    let reader = world.member("reader", Access::SUBSCRIBE, &["plant/#"]);
    let store = world.enrol_only("sensor", Access::PUBLISH);
    world.tick();
    let sensor = world.start(store, &options());
    world.run(1_000);
    let node = &world.nodes[sensor];
    assert_eq!(node.goodbyes, 1);
    assert!(
        node.events
            .iter()
            .any(|event| matches!(event, Event::NoWill { .. }))
    );
    assert!(
        matches!(node.wills[..], [None, Some(_)]),
        "{:?}",
        node.wills
    );
    assert!(node.pauses.is_empty()); // it was planned
    // The broker publishes it.
    let will = node.wills[1].clone().unwrap();
    world.route(will.wire);
    world.settle();
    let message = world.nodes[reader]
        .events
        .iter()
        .find_map(|event| match event {
            Event::Message(message) => Some(message.clone()),
            _ => None,
        });
    let message = message.unwrap();
    assert!(message.will && message.payload == "gone" && message.sender_name == "sensor");
}

#[test]
fn it_is_renewed_before_readers_forget_its_epoch() {
    let mut world = World::new();
    let reader = world.member("reader", Access::SUBSCRIBE, &["plant/#"]);
    let store = world.enrol_only("sensor", Access::PUBLISH);
    world.tick();
    let sensor = world.start(store, &options());
    world.nodes[sensor].hangs_up = false; // it has to hang up by itself
    world.run(3_000);
    for _ in 0..8 {
        world.rotate();
        world.run(5_000);
        let will = world.nodes[sensor].wills.last().unwrap().clone().unwrap();
        let before = world.nodes[reader].texts().len();
        world.route(will.wire);
        world.settle();
        let events = &world.nodes[reader].events;
        // Opened, or known already: not out of the window.
        let known = matches!(
            events.last(),
            Some(Event::Rejected {
                reason: sealmq_client::Rejection::Replay { .. },
                ..
            })
        );
        assert!(
            world.nodes[reader].texts().len() > before || known,
            "{:?}",
            events.last()
        );
    }
    assert!(world.nodes[sensor].goodbyes >= 2);
}

#[test]
fn after_its_goodbye_nothing_is_sent_until_it_is_connected_again() {
    for writes in [true, false] {
        goodbye(writes);
    }
}

fn goodbye(writes: bool) {
    let mut world = World::new();
    let store = world.enrol_only("sensor", Access::PUBLISH);
    world.tick();
    let sensor = world.start(store, &options());
    world.nodes[sensor].hangs_up = false;
    world.nodes[sensor].writes_goodbye = writes;
    while world.nodes[sensor].goodbyes == 0 {
        world.run(10);
    }
    world.publish(sensor, "plant/a", "1");
    world.run(1_900);
    let sent = |world: &World| {
        let sent = world.nodes[sensor].sent.iter();
        sent.filter(|wire| wire.topic == "plant/a").count()
    };
    assert_eq!(sent(&world), 0);
    world.run(3_000);
    assert_eq!((sent(&world), world.nodes[sensor].wills.len()), (1, 2));
}

#[test]
fn another_will_counts_from_the_next_connection_on() {
    let mut world = World::new();
    let reader = world.member("reader", Access::SUBSCRIBE, &["plant/#"]);
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    world.run(1_000);
    let will = |topic: &'static str| Will {
        topic: Bytes::from_static(topic.as_bytes()),
        ..options().will.unwrap()
    };
    let client = &mut world.nodes[sensor].client;
    client.set_will(Some(will("plant/other"))).unwrap();
    assert!(client.set_will(Some(will("plant/#"))).is_err());
    world.cut(sensor);
    world.run(1_000);
    world.nodes[sensor].client.set_will(None).unwrap();
    world.cut(sensor);
    world.run(1_000);
    let wills = &world.nodes[sensor].wills;
    let topics = wills
        .iter()
        .map(|will| Some(will.as_ref()?.wire.topic.as_str()));
    assert_eq!(
        topics.collect::<Vec<_>>(),
        [None, Some("plant/other"), None]
    );
    let sent = wills[1].clone().unwrap();
    world.route(sent.wire);
    world.settle();
    let opened = |event: &Event| matches!(event, Event::Message(message) if message.will);
    assert!(world.nodes[reader].events.iter().any(opened));
}
