//! Brokers that acknowledge before they write, and die.

use std::time::Duration;

use sealmq_client::{Ending, Options, Qos};
use sealmq_core::object::Access;
use sealmq_keys::Store as _;

use crate::all::state::sent;
use crate::all::world::World;

const TOPIC: &str = "plant/a";

fn doubting() -> Options {
    Options {
        broker_writes_within: Duration::from_secs(1),
        persistent_outbox: true,
        ..Options::default()
    }
}

/// A reader, and a publisher whose connection breaks without a word when it is cut.
fn pair(options: &Options) -> (World, usize, usize) {
    let mut world = World::new();
    let reader = world.member("reader", Access::SUBSCRIBE, &["plant/#"]);
    let store = world.enrol_only("sensor", Access::PUBLISH);
    world.tick();
    let sensor = world.start(store, options);
    world.nodes[sensor].ending = Ending::Silent("closed".into());
    world.run(10_000);
    (world, reader, sensor)
}

fn records(world: &World, node: usize) -> usize {
    world.nodes[node].store.list("outbox/").unwrap().len()
}

#[test]
fn what_a_broker_acknowledged_just_before_it_died_is_sent_again() {
    let (mut world, reader, sensor) = pair(&doubting());
    world.publish(sensor, TOPIC, "written");
    world.run(1_100);
    let filters = std::mem::take(&mut world.nodes[reader].filters);
    // Acknowledged, and lost with the broker.
    for (text, qos) in [("1", Qos::AtLeastOnce), ("2", Qos::ExactlyOnce)] {
        world.publish_with(sensor, TOPIC, text, |draft| draft.qos = qos);
    }
    world.publish_with(sensor, TOPIC, "0", |draft| draft.qos = Qos::AtMostOnce);
    world.run(500);
    assert_eq!(world.nodes[sensor].client.outstanding(), 0);
    assert_eq!(records(&world, sensor), 2, "for the next process, too");
    let first = sent(&world, sensor, TOPIC);
    world.nodes[reader].filters = filters;
    world.publish_with(sensor, "plant/kept", "state", |draft| draft.retain = true);
    world.publish(sensor, TOPIC, "3");
    world.run(10);
    world.cut(sensor);
    world.publish(sensor, TOPIC, "4");
    world.run(5_000);
    // Before what came later, the same bytes, and nothing twice.
    let texts = world.nodes[reader].texts();
    let texts: Vec<_> = texts.iter().filter(|text| *text != "state").collect();
    assert_eq!(texts, ["written", "3", "1", "2", "4"]);
    let again = sent(&world, sensor, TOPIC);
    assert_eq!(again.len(), first.len() + 5);
    assert_eq!(again[first.len() + 1..][..2], first[1..3]);
    assert_eq!(sent(&world, sensor, "plant/kept").len(), 1);
    assert_eq!(records(&world, sensor), 0);
    // Once: the next death does not bring them back.
    world.cut(sensor);
    world.run(5_000);
    assert_eq!(sent(&world, sensor, TOPIC).len(), again.len());
}

#[test]
fn other_endings_and_believed_acknowledgements_send_nothing_again() {
    for (options, ending) in [
        (Options::default(), Ending::Silent("closed".into())),
        (doubting(), Ending::Unrelated),
        (doubting(), Ending::Complaint("no".into())),
    ] {
        let (mut world, reader, sensor) = pair(&options);
        world.nodes[sensor].ending = ending;
        world.publish(sensor, TOPIC, "1");
        world.run(100);
        world.cut(sensor);
        world.run(5_000);
        assert_eq!(sent(&world, sensor, TOPIC).len(), 1);
        assert_eq!(world.nodes[reader].texts(), ["1"]);
    }
}

#[test]
fn a_goodbye_ends_doubts() {
    let (mut world, _, sensor) = pair(&doubting());
    world.publish(sensor, TOPIC, "1");
    world.run(10);
    assert_eq!(records(&world, sensor), 1);
    let time = world.time(true);
    world.nodes[sensor].client.disconnect(time);
    world.run(10_000);
    assert_eq!(records(&world, sensor), 0);
}
