//! First the store, then the wire; first the announcements, then the messages.

use sealmq_client::{BrokerLimit, Event, Limits, Options, Output, Qos};
use sealmq_core::object::Access;
use sealmq_keys::Store as _;

use crate::all::world::World;

#[test]
fn nothing_comes_out_while_a_commit_is_not_durable() {
    let mut world = World::new();
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    let time = world.time(true);
    for fails in [false, true] {
        world.rotate(); // so that the next message begins a session
        world.run(1_000);
        world.publish(sensor, "plant/a", "21.5");
        let node = &mut world.nodes[sensor];
        let changes = loop {
            match node.client.poll_output(time, &mut world.rng).unwrap() {
                Output::Commit(changes) => break changes,
                Output::Publish(_) => panic!("sent before the session was durable"),
                _ => {}
            }
        };
        // Whatever happens meanwhile.
        node.client.handle_timeout(time, &mut world.rng);
        node.subscribe("plant/#");
        assert!(node.client.poll_output(time, &mut world.rng).is_none());
        if fails {
            node.client.commit_failed();
            assert!(node.client.poll_output(time, &mut world.rng).is_none());
            assert!(node.client.is_over() && node.client.poll_timeout().is_none());
        } else {
            node.store.commit(&changes).unwrap();
            node.client.committed();
            world.settle();
            assert_eq!(world.nodes[sensor].sent.len(), 1);
        }
    }
}

#[test]
fn a_device_that_slept_does_not_seal_for_an_epoch_of_yesterday() {
    let mut world = World::new();
    let reader = world.member("reader", Access::SUBSCRIBE, &["plant/#"]);
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    world.publish(sensor, "plant/a", "before");
    world.settle();
    world.nodes[sensor].reachable = false;
    world.cut(sensor);
    for _ in 0..3 {
        world.rotate();
        world.run(1_000);
    }
    world.publish(sensor, "plant/a", "slept");
    world.nodes[sensor].reachable = true;
    world.nodes[sensor].connect_at = Some(world.uptime);
    world.nodes[sensor].answers = false; // the broker takes its time with SUBACK
    world.run(4_000);
    assert_eq!(world.nodes[reader].texts(), ["before"]);
    world.nodes[sensor].answers = true;
    world.run(2_000);
    assert_eq!(world.nodes[reader].texts(), ["before", "slept"]);
    let epochs = world.nodes[reader]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Message(message) => Some(message.epoch),
            _ => None,
        });
    let epochs: Vec<u64> = epochs.collect();
    assert_eq!(epochs[1], epochs[0] + 3);
}

#[test]
fn a_broker_that_never_answers_is_not_waited_for_longer_than_five_seconds() {
    let mut world = World::new();
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    world.cut(sensor);
    world.nodes[sensor].answers = false;
    world.run(200); // the pause
    let connected = world.uptime;
    world.publish(sensor, "plant/a", "late");
    while world.nodes[sensor].sent.is_empty() {
        world.run(10);
    }
    assert!((4_800..=5_010).contains(&(world.uptime - connected)));
}

#[test]
fn what_the_broker_does_not_allow_is_refused_and_the_next_one_goes() {
    let mut world = World::new();
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    world.cut(sensor);
    world.nodes[sensor].limits = Limits {
        maximum_packet_size: Some(300),
        maximum_qos: Qos::AtLeastOnce,
        ..Limits::default()
    };
    world.run(2_000);
    // Too large as it is; only sealed; by its quality of service; none of it.
    world.publish(sensor, "plant/a", &"x".repeat(300));
    world.publish(sensor, "plant/a", &"x".repeat(200));
    world.publish_with(sensor, "plant/a", "x", |draft| draft.qos = Qos::ExactlyOnce);
    world.publish(sensor, "plant/a", "x");
    world.run(1_000);
    let node = &world.nodes[sensor];
    assert_eq!((node.refused.len(), node.sent.len()), (2, 1));
    let given_up =
        |event: &Event| matches!(event, Event::PublishRefused { topic, .. } if topic == "plant/a");
    assert_eq!(
        node.events.iter().filter(|event| given_up(event)).count(),
        1
    );
    assert_eq!(node.client.outstanding(), 0);
}

#[test]
fn a_goodbye_makes_the_windows_durable_and_is_the_last() {
    let mut world = World::new();
    let reader = world.member("reader", Access::SUBSCRIBE, &["plant/#"]);
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    world.publish(sensor, "plant/a", "once");
    world.settle();
    let copy = world.nodes[sensor].sent[0].clone();
    let time = world.time(true);
    world.nodes[reader].client.disconnect(time);
    world.run(10);
    let node = &mut world.nodes[reader];
    assert!(node.closed && node.client.is_over());
    assert_eq!(node.events.last(), Some(&Event::Disconnected));
    // With its store it knows the message.
    let store = std::mem::take(&mut node.store);
    let again = world.start(store, &Options::default());
    world.nodes[again].subscribe("plant/#");
    world.run(1_000);
    world.route(copy);
    world.settle();
    let replay = |event: &Event| {
        matches!(
            event,
            Event::Rejected {
                reason: sealmq_client::Rejection::Replay { .. },
                ..
            }
        )
    };
    assert!(world.nodes[again].events.iter().any(replay));
    assert!(world.nodes[again].texts().is_empty());
}

#[test]
fn a_goodbye_that_the_broker_does_not_take_ends_all_the_same() {
    let mut world = World::new();
    let reader = world.member("reader", Access::SUBSCRIBE, &[]);
    let time = world.time(true);
    let node = &mut world.nodes[reader];
    node.client.disconnect(time);
    // DISCONNECT comes out, and is never written.
    while let Some(output) = node.client.poll_output(time, &mut world.rng) {
        assert!(!matches!(output, Output::Closed));
    }
    world.run(6_000);
    assert!(world.nodes[reader].closed);
}

#[test]
fn a_broker_without_retained_messages_is_told_of_once_and_not_tried_again() {
    let mut world = World::new();
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    world.nodes[sensor].limits.retain_available = false;
    // The network breaks; a broker that closes each connection would be another matter.
    world.nodes[sensor].ending = sealmq_client::Ending::Unrelated;
    for _ in 0..5 {
        world.cut(sensor);
        world.run(5_000);
    }
    let node = &world.nodes[sensor];
    let said = node.events.iter().filter(|event| {
        matches!(
            event,
            Event::PublishRefused { .. } | Event::BrokerLimit(_) | Event::NotPublished { .. }
        )
    });
    let said: Vec<_> = said.collect();
    assert_eq!(said, [&Event::BrokerLimit(BrokerLimit::NoRetained)]);
    // The application's own: at once.
    world.publish_with(sensor, "plant/a", "x", |draft| draft.retain = true);
    world.publish(sensor, "plant/a", "x");
    world.run(1_000);
    let node = &world.nodes[sensor];
    assert_eq!(
        node.refused,
        [sealmq_client::ClientError::RetainNotSupported]
    );
    assert_eq!(node.sent.len(), 1);
}
