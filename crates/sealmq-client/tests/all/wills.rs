//! Last Wills: sealed for each connection, renewed when keys for state change or they get old.

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

/// A will is state: it opens as long as its keys are kept, however many epochs pass.
#[test]
fn it_is_renewed_with_the_keys_for_state_and_before_readers_find_it_too_old() {
    let mut world = World::new();
    let reader = world.member("reader", Access::SUBSCRIBE, &["plant/#"]);
    let store = world.enrol_only("sensor", Access::PUBLISH);
    world.tick();
    let sensor = world.start(store, &options());
    world.nodes[sensor].hangs_up = false; // it has to hang up by itself
    world.run(3_000);
    let goodbyes = |world: &World| world.nodes[sensor].goodbyes;
    let fires = |world: &mut World| {
        let will = world.nodes[sensor].wills.last().unwrap().clone().unwrap();
        world.route(will.wire);
        world.settle();
        world.nodes[reader].texts().len()
    };
    let begun = goodbyes(&world);
    for _ in 0..8 {
        world.rotate();
        world.run(5_000);
    }
    assert_eq!(goodbyes(&world), begun);
    assert_eq!(fires(&mut world), 1);
    for n in 1..=3 {
        world.heal();
        world.run(5_000);
        assert_eq!(goodbyes(&world), begun + n);
    }
    assert_eq!(fires(&mut world), 2);
    // Its values would rank above the will of an older credential.
    renew_credential(&mut world, sensor);
    assert_eq!(goodbyes(&world), begun + 4);
    assert_eq!(fires(&mut world), 3);
}

fn renew_credential(world: &mut World, node: usize) {
    let (number, now) = (world.nodes[node].client.member().number(), world.now());
    let plan = world.authority.renew(number, 30 * 86_400, now);
    world.carry_out(plan.unwrap());
    world.run(5_000);
}

#[test]
fn it_is_renewed_before_readers_find_it_too_old() {
    let mut world = World::new();
    let store = world.enrol_only("sensor", Access::PUBLISH);
    world.tick();
    let sensor = world.start(store, &options());
    world.run(3_000);
    renew_credential(&mut world, sensor);
    let begun = world.nodes[sensor].goodbyes;
    // A week is the policy's will_age.
    for _ in 0..3 {
        world.run(86_400_000);
        world.rotate();
    }
    world.run(43_100_000);
    assert_eq!(world.nodes[sensor].goodbyes, begun);
    world.run(200_000);
    assert_eq!(world.nodes[sensor].goodbyes, begun + 1);
}

/// Nothing can be sealed then: it is renewed when that is possible again, and nothing spins.
#[test]
fn one_that_is_too_old_while_the_credential_has_expired_is_renewed_with_the_next_credential() {
    let mut world = World::new();
    let store = world.enrol_only("sensor", Access::PUBLISH); // for a day
    world.tick();
    let sensor = world.start(store, &options());
    world.run(3_000);
    let begun = world.nodes[sensor].goodbyes;
    for _ in 0..5 {
        world.run(86_400_000);
        world.rotate();
    }
    world.run(5_000);
    assert_eq!(world.nodes[sensor].goodbyes, begun);
    let due = world.nodes[sensor].client.poll_timeout();
    assert!(due.is_none_or(|due| due > world.uptime), "{due:?}");
    renew_credential(&mut world, sensor);
    assert_eq!(world.nodes[sensor].goodbyes, begun + 1);
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
