//! What was accepted survives the process, if the options say so.

use std::mem::replace;

use sealmq_client::{Options, Qos};
use sealmq_core::object::Access;
use sealmq_keys::Store as _;
use sealmq_store::MemoryStore;

use crate::all::state::sent;
use crate::all::world::World;

fn persistent() -> Options {
    Options {
        persistent_outbox: true,
        ..Options::default()
    }
}

/// A reader, and a publisher that is connected.
fn pair() -> (World, usize, usize) {
    let mut world = World::new();
    let reader = world.member("reader", Access::SUBSCRIBE, &["plant/#"]);
    let store = world.enrol_only("sensor", Access::PUBLISH);
    world.tick();
    let sensor = world.start(store, &persistent());
    world.run(10_000);
    (world, reader, sensor)
}

/// The process dies, and another one begins with its store.
fn restart(world: &mut World, node: usize, options: &Options) -> usize {
    world.nodes[node].dies_after = Some(0);
    world.nodes[node].filters.clear();
    let store = replace(&mut world.nodes[node].store, MemoryStore::new());
    world.start(store, options)
}

fn records(world: &World, node: usize) -> usize {
    world.nodes[node].store.list("outbox/").unwrap().len()
}

#[test]
fn what_was_accepted_without_a_connection_is_sent_by_the_next_process() {
    let (mut world, reader, sensor) = pair();
    world.nodes[sensor].reachable = false;
    world.cut(sensor);
    for text in ["1", "2", "3"] {
        world.publish(sensor, "plant/a", text);
    }
    world.publish_with(sensor, "plant/a", "may be lost", |draft| {
        draft.qos = Qos::AtMostOnce;
    });
    world.run(100);
    assert_eq!(world.nodes[sensor].accepted.len(), 4);
    assert_eq!(records(&world, sensor), 3);
    // Whether or not the next one stores what it accepts itself.
    let next = restart(&mut world, sensor, &Options::default());
    assert_eq!(world.nodes[next].client.outstanding(), 3);
    let flush = world.nodes[next].client.flush();
    world.publish(next, "plant/a", "4");
    world.run(10_000);
    assert_eq!(world.nodes[reader].texts(), ["1", "2", "3", "4"]);
    assert_eq!(world.nodes[next].flushed, [flush]);
    assert_eq!(world.nodes[next].client.outstanding(), 0);
    assert_eq!(records(&world, next), 0);
}

#[test]
fn what_the_broker_did_not_acknowledge_is_sent_again_byte_for_byte() {
    let (mut world, reader, sensor) = pair();
    // The broker passes it on; its acknowledgement is lost.
    world.nodes[sensor].takes = false;
    for (text, qos) in [("1", Qos::AtLeastOnce), ("2", Qos::ExactlyOnce)] {
        world.publish_with(sensor, "plant/a", text, |draft| draft.qos = qos);
    }
    world.run(100);
    let first = sent(&world, sensor, "plant/a");
    assert_eq!(first.len(), 2);
    for wire in &first {
        world.route(wire.clone());
    }
    world.rotate();
    let next = restart(&mut world, sensor, &persistent());
    world.run(10_000);
    assert_eq!(sent(&world, next, "plant/a"), first);
    assert_eq!(world.nodes[reader].texts(), ["1", "2"]);
    let last = restart(&mut world, next, &persistent());
    world.run(10_000);
    assert_eq!(sent(&world, last, "plant/a"), []);
}

#[test]
fn whenever_a_publisher_dies_what_it_accepted_arrives_once() {
    let mut deaths = 0;
    for step in 1..400 {
        let (mut world, reader, sensor) = pair();
        world.nodes[sensor].dies_after = Some(step);
        for text in 0..8 {
            let (topic, qos) = (["plant/a", "plant/b"][text % 2], [1, 2][text / 2 % 2]);
            world.publish_with(sensor, topic, &text.to_string(), |draft| {
                draft.qos = [Qos::AtLeastOnce, Qos::ExactlyOnce][qos - 1];
                draft.retain = topic == "plant/b";
            });
            world.run(200);
            if text == 4 {
                world.cut(sensor);
            }
        }
        let died = world.nodes[sensor].is_dead();
        deaths += usize::from(died);
        let accepted = world.nodes[sensor].accepted.len();
        restart(&mut world, sensor, &persistent());
        world.run(20_000);
        let mut texts = world.nodes[reader].texts();
        texts.sort_unstable();
        let expected: Vec<_> = (0..texts.len()).map(|text| text.to_string()).collect();
        assert_eq!(texts, expected, "after {step} steps: each once");
        assert!(texts.len() >= accepted, "after {step} steps: all of them");
        if !died {
            break;
        }
    }
    assert!((20..399).contains(&deaths), "{deaths}");
}

#[test]
fn messages_share_commits() {
    let (mut world, reader, sensor) = pair();
    world.nodes[sensor].commits = 0;
    for text in 0..256 {
        world.publish(sensor, "plant/a", &text.to_string());
    }
    world.run(5_000);
    assert_eq!(world.nodes[reader].texts().len(), 256);
    assert_eq!(records(&world, sensor), 0);
    // Four times 64 that are accepted or sealed, and their records taken away.
    let commits = world.nodes[sensor].commits;
    assert!(commits <= 12, "{commits}");
}

#[test]
fn a_record_that_cannot_be_read_is_an_error() {
    let (mut world, _, sensor) = pair();
    let mut store = replace(&mut world.nodes[sensor].store, MemoryStore::new());
    let mut changes = sealmq_keys::Changes::new();
    changes.put("outbox/0000000000000001", [9, 9]);
    store.commit(&changes).unwrap();
    let error = sealmq_client::Client::open(&store, &persistent()).unwrap_err();
    assert!(
        error.to_string().contains("outbox/0000000000000001"),
        "{error}"
    );
}
