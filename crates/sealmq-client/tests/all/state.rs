//! The application's own retained values, when keys for state change.

use bytes::Bytes;
use sealmq_client::{Draft, Event, KeptValues, Options, Properties, Qos, Wire};
use sealmq_core::object::Access;

use crate::all::world::World;

pub fn sensor(world: &mut World, options: &Options) -> usize {
    let store = world.enrol_only("sensor", Access::PUBLISH);
    world.tick();
    let sensor = world.start(store, options);
    world.run(1_000);
    sensor
}

pub fn keep(world: &mut World, node: usize, topic: &str, text: &str) {
    world.publish_with(node, topic, text, |draft| draft.retain = true);
    world.run(1_000);
}

/// What went out on a topic.
pub fn sent(world: &World, node: usize, topic: &str) -> Vec<Wire> {
    let sent = world.nodes[node].sent.iter();
    sent.filter(|wire| wire.topic == topic).cloned().collect()
}

/// What a reader that joins now makes of the retained values.
pub fn late(world: &mut World) -> Vec<String> {
    let name = format!("late-{}", world.nodes.len());
    let reader = world.member(&name, Access::SUBSCRIBE, &["plant/#"]);
    let mut texts = world.nodes[reader].texts();
    texts.sort_unstable();
    texts
}

#[test]
fn values_are_sealed_again_once_for_each_change_and_the_newest_only() {
    let mut world = World::new();
    let old = world.member("old", Access::SUBSCRIBE, &["plant/#"]);
    let sensor = sensor(&mut world, &Options::default());
    for (topic, text) in [("plant/a", "1"), ("plant/b", "x"), ("plant/a", "2")] {
        keep(&mut world, sensor, topic, text);
    }
    world.publish(sensor, "plant/event", "passes by");
    keep(&mut world, sensor, "plant/gone", "y");
    keep(&mut world, sensor, "plant/gone", "");
    for _ in 0..3 {
        world.rotate();
        world.run(2_000);
    }
    assert_eq!(sent(&world, sensor, "plant/a").len(), 2);
    world.heal();
    world.run(2_000);
    let count = |world: &World, topic| sent(world, sensor, topic).len();
    let counts = ["plant/a", "plant/b", "plant/gone", "plant/event"];
    assert_eq!(counts.map(|topic| count(&world, topic)), [3, 2, 2, 1]);
    let again = sent(&world, sensor, "plant/a").pop().unwrap();
    assert!(again.retain && again.qos == Qos::AtLeastOnce);
    // The old reader gets the same value once more, live; it went through all of this.
    let texts = world.nodes[old].texts();
    assert_eq!(texts, ["1", "x", "2", "passes by", "y", "x", "2"]);
    assert_eq!(late(&mut world), ["2", "x"]);
    world.run(5_000);
    assert_eq!(counts.map(|topic| count(&world, topic)), [3, 2, 2, 1]);
}

#[test]
fn what_changed_while_it_was_away_counts_when_it_is_back() {
    let mut world = World::new();
    let sensor = sensor(&mut world, &Options::default());
    keep(&mut world, sensor, "plant/a", "1");
    world.nodes[sensor].reachable = false;
    world.cut(sensor);
    world.heal();
    world.heal();
    world.run(2_000);
    world.nodes[sensor].reachable = true;
    world.run(60_000);
    assert_eq!(sent(&world, sensor, "plant/a").len(), 2);
    assert_eq!(late(&mut world), ["1"]);
}

#[test]
fn a_value_that_waits_to_be_sealed_again_gives_way_to_a_newer_one() {
    let mut world = World::new();
    let sensor = sensor(&mut world, &Options::default());
    keep(&mut world, sensor, "plant/a", "1");
    world.nodes[sensor].reachable = false;
    world.cut(sensor);
    world.publish_with(sensor, "plant/a", "2", |draft| draft.retain = true);
    world.heal();
    world.nodes[sensor].reachable = true;
    world.run(60_000);
    assert_eq!(late(&mut world), ["2"]);
    let texts: Vec<_> = sent(&world, sensor, "plant/a");
    assert!(texts.len() <= 3, "{}", texts.len());
}

#[test]
fn after_a_recovery_they_open_again() {
    let mut world = World::new();
    let sensor = sensor(&mut world, &Options::default());
    keep(&mut world, sensor, "plant/a", "1");
    let announcements = world.recover();
    for publication in announcements.publications {
        world.route(publication.into());
    }
    world.run(5_000);
    assert_eq!(late(&mut world), ["1"]);
}

#[test]
fn a_new_credential_needs_nothing() {
    let mut world = World::new();
    let sensor = sensor(&mut world, &Options::default());
    keep(&mut world, sensor, "plant/a", "1");
    let number = world.nodes[sensor].client.member().number();
    let now = world.now();
    let plan = world.authority.renew(number, 86_400, now).unwrap();
    world.carry_out(plan);
    world.run(2_000);
    assert_eq!(sent(&world, sensor, "plant/a").len(), 1);
    assert_eq!(late(&mut world), ["1"]);
}

#[test]
fn whoever_does_it_himself_is_not_helped() {
    let mut world = World::new();
    let options = Options {
        kept_values: None,
        ..Options::default()
    };
    let sensor = sensor(&mut world, &options);
    keep(&mut world, sensor, "plant/a", "1");
    world.heal();
    world.run(2_000);
    assert_eq!(sent(&world, sensor, "plant/a").len(), 1);
    // Its kept epoch is among those that a reader keeps.
    assert_eq!(late(&mut world), ["1"]);
}

#[test]
fn a_program_that_keeps_them_in_its_store_knows_them_after_a_restart() {
    for stored in [true, false] {
        let mut world = World::new();
        let options = Options {
            kept_values: Some(KeptValues {
                stored,
                ..KeptValues::default()
            }),
            ..Options::default()
        };
        let sensor = sensor(&mut world, &options);
        for (topic, text) in [("plant/a", "1"), ("plant/a", "2"), ("plant/gone", "y")] {
            keep(&mut world, sensor, topic, text);
        }
        keep(&mut world, sensor, "plant/gone", "");
        let store = std::mem::take(&mut world.nodes[sensor].store);
        world.nodes[sensor].closed = true;
        world.nodes[sensor].online = false;
        let announcements = world.recover();
        for publication in announcements.publications {
            world.route(publication.into());
        }
        let again = world.start(store, &options);
        world.run(5_000);
        assert_eq!(sent(&world, again, "plant/a").len(), usize::from(stored));
        assert!(sent(&world, again, "plant/gone").is_empty());
        let opens: &[&str] = if stored { &["2"] } else { &[] };
        assert_eq!(late(&mut world), opens);
    }
}

#[test]
fn where_there_is_no_room_the_oldest_are_left_to_the_application() {
    let mut world = World::new();
    let options = Options {
        kept_values: Some(KeptValues {
            count: 2,
            ..KeptValues::default()
        }),
        ..Options::default()
    };
    let sensor = sensor(&mut world, &options);
    for topic in ["plant/a", "plant/b", "plant/c"] {
        keep(&mut world, sensor, topic, "1");
    }
    world.heal();
    world.run(2_000);
    let counts = ["plant/a", "plant/b", "plant/c"].map(|topic| sent(&world, sensor, topic).len());
    assert_eq!(counts, [1, 2, 2]);
}

/// The application's own properties and quality of service go with the value.
#[test]
fn a_value_is_sealed_again_as_it_was() {
    let mut world = World::new();
    let sensor = sensor(&mut world, &Options::default());
    let reader = world.member("reader", Access::SUBSCRIBE, &["plant/#"]);
    let mut draft = Draft::new("plant/a".into(), Bytes::from_static(b"1")).unwrap();
    (draft.retain, draft.qos) = (true, Qos::ExactlyOnce);
    draft.properties = Properties {
        content_type: Some("text/plain".into()),
        ..Properties::default()
    };
    let time = world.time(true);
    world.nodes[sensor].client.publish(draft, time);
    world.run(1_000);
    world.heal();
    world.run(2_000);
    let opened = world.nodes[reader]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Message(message) => Some(message.properties.content_type.clone()),
            _ => None,
        });
    let opened: Vec<_> = opened.collect();
    assert_eq!(
        opened,
        [Some("text/plain".into()), Some("text/plain".into())]
    );
    let sent = sent(&world, sensor, "plant/a");
    assert!(sent.iter().all(|wire| wire.qos == Qos::ExactlyOnce));
}
