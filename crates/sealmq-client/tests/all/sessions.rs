//! Connections that break.

use std::time::Duration;

use sealmq_client::{Acknowledged, Options, Qos, ReasonCode, Resume};
use sealmq_core::object::Access;

use crate::all::world::World;

#[test]
fn a_session_that_was_lost_gets_the_same_bytes_again() {
    let mut world = World::new();
    let reader = world.member("reader", Access::SUBSCRIBE, &["plant/#"]);
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    world.nodes[sensor].takes = false;
    for (text, qos) in [
        ("0", Qos::AtMostOnce),
        ("1", Qos::AtLeastOnce),
        ("2", Qos::ExactlyOnce),
    ] {
        world.publish_with(sensor, "plant/a", text, |draft| draft.qos = qos);
    }
    world.run(100);
    assert_eq!(world.nodes[sensor].sent.len(), 3);
    world.cut(sensor);
    world.rotate();
    world.nodes[sensor].takes = true;
    world.run(2_000);
    let sent = &world.nodes[sensor].sent;
    assert_eq!(sent[3..], sent[1..3]);
    assert_eq!(world.nodes[reader].texts(), ["1", "2"]);
    assert_eq!(world.nodes[sensor].client.outstanding(), 0);
    assert!(world.nodes[sensor].resumed.is_empty());
}

#[test]
fn a_session_that_continues_keeps_its_identifiers() {
    let mut world = World::new();
    let reader = world.member("reader", Access::SUBSCRIBE, &["plant/#"]);
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    world.nodes[sensor].keeps_session = true;
    world.nodes[sensor].takes = false;
    world.publish(sensor, "plant/a", "1");
    world.run(100);
    let (packet, wire) = world.nodes[sensor].unacknowledged[0].clone();
    world.cut(sensor);
    world.publish(sensor, "plant/a", "2");
    world.nodes[sensor].takes = true;
    world.run(2_000);
    assert_eq!(world.nodes[sensor].resumed, [Resume::Publish(packet, wire)]);
    assert_eq!(world.nodes[sensor].sent.len(), 2);
    assert_eq!(world.nodes[reader].texts(), ["1", "2"]);
}

#[test]
fn the_broker_that_allows_one_at_a_time_gets_one_at_a_time() {
    let mut world = World::new();
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    world.cut(sensor);
    world.nodes[sensor].limits.receive_maximum = 1;
    world.run(2_000);
    world.nodes[sensor].takes = false;
    for text in ["1", "2", "3"] {
        world.publish(sensor, "plant/a", text);
    }
    world.run(1_000);
    assert_eq!(world.nodes[sensor].sent.len(), 1);
    for sent in 2..=3 {
        let (packet, _) = world.nodes[sensor].unacknowledged.remove(0);
        let client = &mut world.nodes[sensor].client;
        client.handle_acknowledged(packet, Acknowledged::Complete(ReasonCode::SUCCESS));
        world.settle();
        assert_eq!(world.nodes[sensor].sent.len(), sent);
    }
}

#[test]
fn the_pause_grows_until_the_broker_is_of_use_for_a_while() {
    let mut world = World::new();
    let store = world.enrol_only("sensor", Access::PUBLISH);
    world.tick();
    let options = Options {
        reconnect_delay: (Duration::from_millis(1_000), Duration::from_millis(8_000)),
        ..Options::default()
    };
    let sensor = world.start(store, &options);
    // It accepts, and ends the connection before anything useful happened.
    world.nodes[sensor].answers = false;
    for _ in 0..6 {
        while !world.nodes[sensor].online {
            world.run(100);
        }
        world.cut(sensor);
    }
    let pauses = std::mem::take(&mut world.nodes[sensor].pauses);
    for (pause, whole) in pauses
        .iter()
        .zip([1_000, 2_000, 4_000, 8_000, 8_000, 8_000])
    {
        let (half, whole) = (
            Duration::from_millis(whole / 2),
            Duration::from_millis(whole),
        );
        assert!((half..=whole).contains(pause), "{pauses:?}");
    }
    // Subscriptions are granted, which alone is not enough; then for half a minute.
    world.nodes[sensor].answers = true;
    for (lives, most) in [(20_000, 8_000), (40_000, 1_000), (1_500, 2_000)] {
        while !world.nodes[sensor].online {
            world.run(100);
        }
        world.run(lives);
        world.cut(sensor);
        let pause = world.nodes[sensor].pauses.pop().unwrap();
        assert!(
            (most / 2..=most).contains(&pause.as_millis()),
            "{lives} {pause:?}"
        );
    }
}

#[test]
fn subscriptions_are_restored_and_ended_ones_stay_ended() {
    let mut world = World::new();
    let reader = world.member("reader", Access::SUBSCRIBE, &["plant/a", "plant/b"]);
    world.cut(reader);
    world.nodes[reader].client.unsubscribe("plant/a".into());
    world.nodes[reader].subscribe("plant/c");
    world.run(2_000);
    let filters: Vec<&str> = world.nodes[reader]
        .filters
        .iter()
        .map(|(f, _)| f.as_str())
        .collect();
    let own: Vec<&&str> = filters
        .iter()
        .filter(|filter| filter.starts_with("plant/"))
        .collect();
    assert_eq!(own, [&"plant/b", &"plant/c"]);
}
