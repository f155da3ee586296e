//! A reader's process dies while its application has not taken everything.

use std::mem::replace;

use sealmq_client::{MemberOptions, Options, Qos};
use sealmq_core::object::Access;
use sealmq_store::MemoryStore;

use crate::all::world::World;

/// A sender, and a reader whose application takes events when the test says so.
fn pair(options: &Options) -> (World, usize, usize) {
    let mut world = World::new();
    let store = world.enrol_only("reader", Access::SUBSCRIBE);
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    let reader = world.start(store, options);
    world.nodes[reader].subscribe("plant/#");
    world.run(1_000);
    world.nodes[reader].takes_events = false;
    (world, reader, sensor)
}

/// The application takes the next ones; how many there were.
fn take(world: &mut World, reader: usize, most: usize) -> usize {
    let node = &mut world.nodes[reader];
    let count = node.held.len().min(most);
    for delivery in node.held.drain(..count) {
        node.client.handle_delivered(delivery);
    }
    count
}

/// The next process with its store; the broker delivers again what was not acknowledged.
fn restart(world: &mut World, reader: usize, options: &Options) -> usize {
    world.nodes[reader].dies_after = Some(0);
    let store = replace(&mut world.nodes[reader].store, MemoryStore::new());
    let next = world.start(store, options);
    world.run(1_000);
    let filters = std::mem::take(&mut world.nodes[reader].filters);
    let old = &mut world.nodes[reader];
    let acknowledged = std::mem::take(&mut old.acknowledged);
    let mut open: Vec<_> = old.delivered.drain(..).collect();
    open.retain(|(packet, _)| !acknowledged.contains(packet));
    // And what was on its way to it.
    let rest: Vec<_> = old.inbox.drain(..).collect();
    let node = &mut world.nodes[next];
    node.filters = filters;
    node.inbox
        .extend(open.into_iter().map(|(_, message)| message));
    node.inbox.extend(rest);
    world.run(5_000);
    next
}

/// `sent` messages, of which the application takes `speed` for every five; dies after `step`
/// outputs. How many were taken by the first process, and how often each by both.
fn history(options: &Options, sent: usize, speed: usize, step: usize) -> Vec<usize> {
    let (mut world, reader, sensor) = pair(options);
    world.nodes[reader].dies_after = Some(step);
    let mut taken = 0;
    for number in 0..sent {
        let qos = [Qos::AtLeastOnce, Qos::ExactlyOnce][number % 2];
        world.publish_with(sensor, "plant/a", &number.to_string(), |draft| {
            draft.qos = qos;
        });
        world.run(7);
        if number % 5 == 4 && !world.nodes[reader].is_dead() {
            taken += take(&mut world, reader, speed);
        }
    }
    let mut texts = world.nodes[reader].texts();
    texts.truncate(taken);
    let next = restart(&mut world, reader, options);
    texts.extend(world.nodes[next].texts());
    let mut times = vec![0; sent];
    for text in texts {
        times[text.parse::<usize>().unwrap()] += 1;
    }
    times
}

#[test]
fn whenever_a_reader_dies_its_application_gets_everything() {
    let options = Options::default();
    let most = options.member.replay_persist_every as usize;
    let mut twice = 0;
    for speed in [0, 1, 4, 5] {
        for step in (10..500).step_by(35) {
            let times = history(&options, 150, speed, step);
            let lost: Vec<_> = (0..150).filter(|n| times[*n] == 0).collect();
            assert!(lost.is_empty(), "speed {speed}, step {step}: {lost:?}");
            let again: usize = times.iter().map(|times| times - 1).sum();
            assert!(again < most, "speed {speed}, step {step}: {again}");
            twice = twice.max(again);
        }
    }
    println!("at most {twice} twice");
}

/// Strict: what the application may have is noted before it gets it, so nothing comes twice.
#[test]
fn with_one_message_for_each_snapshot_nothing_comes_twice() {
    let options = Options {
        member: MemberOptions {
            replay_persist_every: 1,
            ..MemberOptions::default()
        },
        ..Options::default()
    };
    for step in (10..300).step_by(41) {
        let times = history(&options, 60, 5, step);
        assert!(times.iter().all(|times| *times <= 1), "step {step}");
    }
}

/// However much comes: fewer than the stated number are open and not stored, and the others wait.
#[test]
fn a_flood_waits_unopened() {
    let (mut world, reader, sensor) = pair(&Options::default());
    for number in 0..300 {
        let qos = [Qos::AtMostOnce, Qos::AtLeastOnce][number % 2];
        world.publish_with(sensor, "plant/a", &number.to_string(), |draft| {
            draft.qos = qos;
        });
        world.run(5);
    }
    let opened = world.nodes[reader].texts().len();
    assert!((56..64).contains(&opened), "{opened}");
    assert!(world.nodes[reader].client.unopened() > 20_000);
    while take(&mut world, reader, 10) > 0 {
        world.run(5);
    }
    let texts: Vec<usize> = world.nodes[reader]
        .texts()
        .iter()
        .map(|t| t.parse().unwrap())
        .collect();
    assert_eq!(texts, (0..300).collect::<Vec<_>>());
    assert_eq!(world.nodes[reader].client.unopened(), 0);
}
