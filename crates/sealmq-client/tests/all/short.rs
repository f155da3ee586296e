//! The short form: the record goes first, messages wait for it, and nothing waits for ever.

use sealmq_client::{Ending, Event, Options, Qos, ReasonCode};
use sealmq_core::object::Access;
use sealmq_core::wire::Head;
use sealmq_store::MemoryStore;

use crate::all::state::sent;
use crate::all::world::World;

fn short() -> Options {
    Options {
        short_form: true,
        ..Options::default()
    }
}

/// A reader, and a connected sender of the short form that has sent nothing yet.
fn pair_with(options: &Options) -> (World, usize, usize) {
    let mut world = World::new();
    let reader = world.member("reader", Access::SUBSCRIBE, &["plant/#"]);
    let store = world.enrol_only("sensor", Access::PUBLISH);
    world.tick();
    let sensor = world.start(store, options);
    world.run(10_000);
    (world, reader, sensor)
}

fn pair() -> (World, usize, usize) {
    pair_with(&short())
}

fn is_short(envelope: &[u8]) -> bool {
    matches!(Head::parse(envelope), Ok(Head::Short(_)))
}

/// Of what went out on a topic: whether it is short, each.
fn forms(world: &World, node: usize, topic: &str) -> Vec<bool> {
    let sent = sent(world, node, topic);
    sent.iter().map(|wire| is_short(&wire.payload)).collect()
}

fn record(world: &World) -> Option<Vec<u8>> {
    let found = world
        .retained
        .iter()
        .find(|(topic, _)| topic.contains("/s/"));
    found.map(|(_, payload)| payload.clone())
}

#[test]
fn each_message_has_at_most_a_hundred_bytes_around_it() {
    let (mut world, reader, sensor) = pair();
    assert_eq!(record(&world), None, "nothing is sent before it is of use");
    let texts: Vec<String> = (0..200_usize).map(|n| "x".repeat(n * 7 % 100)).collect();
    for (n, text) in texts.iter().enumerate() {
        world.publish_with(sensor, "plant/a", text, |draft| {
            draft.qos = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce][n % 3];
        });
    }
    world.run(1_000);
    let sent = sent(&world, sensor, "plant/a");
    assert_eq!(sent.len(), texts.len());
    for (wire, text) in sent.iter().zip(&texts) {
        assert!(is_short(&wire.payload) && wire.payload.len() <= text.len() + 100);
    }
    assert_eq!(world.nodes[reader].texts(), texts);
    assert!(record(&world).is_some());
}

#[test]
fn a_late_joiner_reads_what_comes_after_it() {
    let (mut world, _, sensor) = pair();
    world.publish(sensor, "plant/a", "before");
    world.run(1_000);
    let late = world.member("late", Access::SUBSCRIBE, &["plant/#"]);
    world.publish(sensor, "plant/a", "after");
    world.run(1_000);
    assert_eq!(world.nodes[late].texts(), ["after"]);
    assert!(forms(&world, sensor, "plant/a").iter().all(|short| *short));
}

/// The broker loses the record, and the reader its memory: the sender's next connection brings it
/// back, within the time that a message waits.
#[test]
fn a_lost_record_comes_back_with_the_next_connection() {
    let (mut world, reader, sensor) = pair();
    world.publish(sensor, "plant/a", "one");
    world.run(1_000);
    world.retained.retain(|topic, _| !topic.contains("/s/"));
    world.nodes[reader].dies_after = Some(0);
    let store = std::mem::replace(&mut world.nodes[reader].store, MemoryStore::new());
    let reader = world.start(store, &Options::default());
    world.nodes[reader].subscribe("plant/#");
    world.run(1_000);
    world.publish(sensor, "plant/a", "two");
    world.run(1_000);
    assert_eq!(world.nodes[reader].texts(), [""; 0]);
    world.cut(sensor);
    world.run(10_000);
    world.publish(sensor, "plant/a", "three");
    world.run(1_000);
    assert_eq!(world.nodes[reader].texts(), ["two", "three"]);
    assert!(forms(&world, sensor, "plant/a").iter().all(|short| *short));
}

#[test]
fn a_broker_that_keeps_silent_about_a_record_costs_five_seconds_once() {
    let (mut world, reader, sensor) = pair();
    world.nodes[sensor].says_to_records = None;
    world.nodes[sensor].ending = Ending::Unrelated;
    world.publish(sensor, "plant/a", "1");
    world.run(4_990);
    assert!(sent(&world, sensor, "plant/a").is_empty());
    world.run(20);
    world.publish(sensor, "plant/a", "2");
    world.run(10);
    assert_eq!(forms(&world, sensor, "plant/a"), [false, false]);
    // One copy waits, however often the connection ends meanwhile.
    for n in 3..6 {
        world.cut(sensor);
        world.run(60_000);
        world.publish(sensor, "plant/a", &n.to_string());
        world.run(6_000);
    }
    let node = &mut world.nodes[sensor];
    let unanswered = &node.unacknowledged;
    let mut records: Vec<_> = unanswered.iter().map(|(_, wire)| &wire.payload).collect();
    records.dedup();
    assert_eq!(records.len(), 1);
    node.says_to_records = Some(ReasonCode::SUCCESS);
    world.cut(sensor);
    world.run(60_000);
    world.publish(sensor, "plant/a", "6");
    world.run(1_000);
    let expected = [false, false, false, false, false, true];
    assert_eq!(forms(&world, sensor, "plant/a"), expected);
    assert_eq!(world.nodes[reader].texts(), ["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn a_broker_that_refuses_records_gets_the_full_form_at_once() {
    let (mut world, reader, sensor) = pair();
    world.nodes[sensor].says_to_records = Some(ReasonCode::NOT_AUTHORIZED);
    for text in ["1", "2", "3"] {
        world.publish(sensor, "plant/a", text);
    }
    world.run(10);
    assert_eq!(forms(&world, sensor, "plant/a"), [false; 3]);
    assert_eq!(world.nodes[reader].texts(), ["1", "2", "3"]);
    // That is said, once.
    world.publish(sensor, "plant/a", "4");
    world.run(1_000);
    let events = &world.nodes[sensor].events;
    let refused = events.iter().filter(
        |event| matches!(event, Event::PublishRefused { topic, .. } if topic.contains("/s/")),
    );
    assert_eq!(refused.count(), 1);
}

#[test]
fn what_waits_for_a_record_keeps_its_order() {
    let (mut world, reader, sensor) = pair();
    // The reader finds that there are records, and hears of the next one before it is of use.
    world.publish(sensor, "plant/a", "0");
    world.run(1_000);
    world.rotate();
    world.run(1_000);
    world.publish(sensor, "plant/a", "1");
    world.publish_with(sensor, "plant/a", "2", |draft| draft.retain = true);
    world.publish_with(sensor, "plant/a", "3", |draft| draft.qos = Qos::AtMostOnce);
    world.publish(sensor, "plant/a", "4");
    world.run(1_000);
    let expected = [true, true, false, true, true];
    assert_eq!(forms(&world, sensor, "plant/a"), expected);
    assert_eq!(world.nodes[reader].texts(), ["0", "1", "2", "3", "4"]);
}

#[test]
fn a_connection_that_ends_meanwhile_loses_nothing() {
    let (mut world, reader, sensor) = pair_with(&Options {
        persistent_outbox: true,
        ..short()
    });
    world.nodes[sensor].says_to_records = None;
    for text in ["1", "2"] {
        world.publish(sensor, "plant/a", text);
    }
    world.run(1_000);
    world.cut(sensor);
    world.nodes[sensor].says_to_records = Some(ReasonCode::SUCCESS);
    world.run(60_000);
    assert_eq!(world.nodes[reader].texts(), ["1", "2"]);
    assert_eq!(world.nodes[sensor].client.outstanding(), 0);
    // A process that dies while they wait.
    world.rotate();
    world.run(1_000);
    world.nodes[sensor].says_to_records = None;
    world.publish(sensor, "plant/a", "3");
    world.run(1_000);
    world.nodes[sensor].dies_after = Some(0);
    let store = std::mem::replace(&mut world.nodes[sensor].store, MemoryStore::new());
    let next = world.start(store, &short());
    world.run(60_000);
    assert_eq!(world.nodes[reader].texts(), ["1", "2", "3"]);
    assert_eq!(forms(&world, next, "plant/a"), [true]);
}

#[test]
fn what_expires_while_it_waits_is_given_up() {
    let (mut world, _, sensor) = pair();
    world.nodes[sensor].says_to_records = None;
    let id = world.publish_with(sensor, "plant/a", "soon over", |draft| {
        draft.properties.expiry = Some(2);
    });
    world.run(10_000);
    assert!(sent(&world, sensor, "plant/a").is_empty());
    let done = &world.nodes[sensor].done;
    assert!(matches!(done[..], [(of, Err(_))] if of == id), "{done:?}");
}

#[test]
fn each_epoch_has_a_record_and_the_sender_waits_for_it_again() {
    let (mut world, reader, sensor) = pair();
    let mut records = Vec::new();
    for n in 0..3 {
        world.publish(sensor, "plant/a", &n.to_string());
        world.run(1_000);
        records.push(record(&world).unwrap());
        world.rotate();
        world.run(1_000);
    }
    records.dedup();
    assert_eq!(records.len(), 3);
    assert_eq!(forms(&world, sensor, "plant/a"), [true; 3]);
    assert_eq!(world.nodes[reader].texts(), ["0", "1", "2"]);
}
