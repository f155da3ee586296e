//! Connections that end because of a message, and those that do not.

use bytes::Bytes;
use sealmq_client::{BrokerLimit, Ending, Event, Qos, Subscription};
use sealmq_core::object::Access;

use crate::all::node::Message;
use crate::all::world::World;

fn given_up(world: &World, node: usize) -> Vec<&str> {
    let events = world.nodes[node].events.iter();
    let given_up = events.filter_map(|event| match event {
        Event::PublishRefused { topic, reason } => {
            assert!(
                reason.contains("bytes") && reason.contains("cut"),
                "{reason}"
            );
            Some(topic.as_str())
        }
        _ => None,
    });
    given_up.collect()
}

/// A sensor whose broker dislikes `plant/bad`, and a reader.
fn scene(keeps_session: bool) -> (World, usize, usize) {
    let mut world = World::new();
    let reader = world.member("reader", Access::SUBSCRIBE, &["plant/#"]);
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    let node = &mut world.nodes[sensor];
    node.keeps_session = keeps_session;
    node.poison = Some("plant/bad".into());
    (world, reader, sensor)
}

#[test]
fn one_message_that_ends_connections_is_given_up_and_named() {
    for keeps_session in [false, true] {
        let (mut world, reader, sensor) = scene(keeps_session);
        let sent = [("a", "1"), ("bad", "x"), ("b", "2"), ("a", "3"), ("b", "4")];
        for (topic, text) in sent {
            world.publish(sensor, &format!("plant/{topic}"), text);
        }
        world.run(20_000);
        assert_eq!(given_up(&world, sensor), ["plant/bad"]);
        assert_eq!(world.nodes[reader].texts(), ["1", "2", "3", "4"]);
        assert_eq!(world.nodes[sensor].client.outstanding(), 0);
        assert_eq!(world.nodes[sensor].pauses.len(), 3);
        // It is not held against the next one there.
        world.nodes[sensor].poison = None;
        world.publish(sensor, "plant/bad", "5");
        world.run(5_000);
        assert_eq!(world.nodes[reader].texts().last().unwrap(), "5");
    }
}

/// What the broker takes in the end was not bad.
#[test]
fn a_message_that_ended_two_connections_may_still_arrive() {
    let (mut world, reader, sensor) = scene(false);
    world.publish(sensor, "plant/bad", "x");
    while world.nodes[sensor].pauses.len() < 2 {
        world.run(10);
    }
    world.nodes[sensor].poison = None;
    world.run(10_000);
    assert_eq!(world.nodes[reader].texts(), ["x"]);
    assert_eq!(given_up(&world, sensor), [""; 0]);
}

/// Endings that say that it was not a message, connections that end later than a broker takes to
/// dislike one, and a broker that is away after each.
#[test]
fn nothing_is_given_up_for_other_reasons() {
    for case in 0..3 {
        let (mut world, reader, sensor) = scene(true);
        let node = &mut world.nodes[sensor];
        node.poison = None;
        node.takes = false;
        if case == 0 {
            node.ending = Ending::Unrelated;
        }
        world.publish(sensor, "plant/a", "x");
        for _ in 0..6 {
            world.run(if case == 1 { 31_500 } else { 2_000 });
            if case == 2 {
                world.nodes[sensor].reachable = false;
            }
            world.cut(sensor);
            world.run(1_000);
            world.nodes[sensor].reachable = true;
            world.run(60_000);
        }
        world.nodes[sensor].takes = true;
        world.cut(sensor);
        world.run(60_000);
        assert_eq!(given_up(&world, sensor), [""; 0], "{case}");
        assert_eq!(world.nodes[reader].texts(), ["x"], "{case}");
    }
}

/// The broker's own session ends each connection, before anything is sent.
#[test]
fn a_session_that_ends_each_connection_is_given_up_and_no_message_with_it() {
    let (mut world, reader, sensor) = scene(true);
    let node = &mut world.nodes[sensor];
    node.poison = None;
    node.ending = Ending::Acknowledgement(0x42);
    node.takes = false;
    world.publish(sensor, "plant/a", "x");
    world.run(100);
    // A QoS 2 message of the broker's has PUBREC: the code may have stood in its PUBREL.
    let subscription = Subscription::new("plant/+".into(), Qos::ExactlyOnce);
    world.nodes[sensor].client.subscribe(vec![subscription]);
    world.nodes[sensor].inbox.push_back(Message {
        topic: "plant/b".into(),
        payload: Bytes::new(),
        retain: false,
        qos: Qos::ExactlyOnce,
    });
    world.run(100);
    let wants = |world: &World| world.nodes[sensor].client.wants_fresh_session();
    for end in 1..=3 {
        assert!(!wants(&world), "{end}");
        world.cut(sensor);
        if end < 3 {
            world.run(60_000);
        }
    }
    assert!(wants(&world));
    world.nodes[sensor].keeps_session = false;
    world.nodes[sensor].takes = true;
    world.run(60_000);
    assert!(!wants(&world));
    assert_eq!(given_up(&world, sensor), [""; 0]);
    assert_eq!(world.nodes[reader].texts(), ["x"]);
    let told = |event: &&Event| matches!(event, Event::BrokerLimit(BrokerLimit::Session(0x42)));
    assert_eq!(world.nodes[sensor].events.iter().filter(told).count(), 1);
}
