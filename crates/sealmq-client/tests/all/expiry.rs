//! Messages with an expiry that wait in the outbox.

use std::mem::replace;

use sealmq_client::{GivenUp, Options, PublishId, PublishResult, Qos, ReasonCode};
use sealmq_core::object::Access;
use sealmq_keys::{Changes, Store as _};
use sealmq_store::MemoryStore;

use crate::all::world::World;

const ARRIVED: Result<PublishResult, GivenUp> =
    Ok(PublishResult::Acknowledged(ReasonCode::SUCCESS));
const EXPIRED: Result<PublishResult, GivenUp> = Err(GivenUp::Expired);

/// A reader, and a publisher whose broker is away.
fn offline(options: &Options) -> (World, usize, usize) {
    let mut world = World::new();
    let reader = world.member("reader", Access::SUBSCRIBE, &["plant/#"]);
    let store = world.enrol_only("sensor", Access::PUBLISH);
    world.tick();
    let sensor = world.start(store, options);
    world.run(1_000);
    away(&mut world, sensor);
    (world, reader, sensor)
}

fn away(world: &mut World, node: usize) {
    world.nodes[node].reachable = false;
    world.cut(node);
}

fn publish(world: &mut World, node: usize, text: &str, seconds: u32) -> PublishId {
    world.publish_with(node, "plant/a", text, |draft| {
        draft.properties.expiry = Some(seconds);
    })
}

#[test]
fn what_expires_while_the_broker_is_away_is_given_up_then() {
    let (mut world, reader, sensor) = offline(&Options::default());
    let short = publish(&mut world, sensor, "short", 60);
    let long = publish(&mut world, sensor, "long", 600);
    let endless = world.publish(sensor, "plant/a", "endless");
    world.run(59_999);
    assert_eq!(world.nodes[sensor].done, []);
    world.run(1);
    assert_eq!(world.nodes[sensor].done, [(short, EXPIRED)]);
    assert_eq!(world.nodes[sensor].client.outstanding(), 2);
    world.nodes[sensor].reachable = true;
    world.run(60_000);
    assert_eq!(world.nodes[reader].texts(), ["long", "endless"]);
    let done = [(short, EXPIRED), (long, ARRIVED), (endless, ARRIVED)];
    assert_eq!(world.nodes[sensor].done, done);
    // What is left of it stands outside, for the broker, and inside, for readers.
    let sent: Vec<_> = world.nodes[sensor]
        .sent
        .iter()
        .map(|wire| wire.properties.expiry)
        .collect();
    let [Some(left), None] = sent[..] else {
        panic!("{sent:?}");
    };
    assert!((480..=540).contains(&left), "{left}");
}

#[test]
fn one_that_is_sent_at_once_keeps_all_of_it() {
    let mut world = World::new();
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    publish(&mut world, sensor, "x", 60);
    world.run(100);
    assert_eq!(world.nodes[sensor].sent[0].properties.expiry, Some(60));
    publish(&mut world, sensor, "x", u32::MAX);
    publish(&mut world, sensor, "x", 0);
    world.run(100);
    let last = world.nodes[sensor].done.last().unwrap();
    assert_eq!(last.1, EXPIRED, "over before it begins");
    assert_eq!(
        world.nodes[sensor].sent.last().unwrap().properties.expiry,
        Some(u32::MAX)
    );
}

/// It may have arrived: what is on its way is not called back, and goes out again only in time.
#[test]
fn what_was_on_its_way_when_it_expired() {
    for (keeps_session, qos) in [
        (false, Qos::AtLeastOnce),
        (false, Qos::ExactlyOnce),
        (true, Qos::AtLeastOnce),
        (true, Qos::ExactlyOnce),
    ] {
        let mut world = World::new();
        let sensor = world.member("sensor", Access::PUBLISH, &[]);
        let node = &mut world.nodes[sensor];
        (node.takes, node.keeps_session) = (false, keeps_session);
        let id = world.publish_with(sensor, "plant/a", "x", |draft| {
            (draft.qos, draft.properties.expiry) = (qos, Some(30));
        });
        world.run(50_000); // it is patient for a minute
        assert_eq!(world.nodes[sensor].done, []);
        assert!(world.nodes[sensor].client.poll_timeout().unwrap() > world.uptime);
        world.nodes[sensor].takes = true;
        world.cut(sensor);
        world.run(60_000);
        // Under an identifier that the broker knows it has to come to its end.
        let outcome = if keeps_session { ARRIVED } else { EXPIRED };
        assert_eq!(world.nodes[sensor].done, [(id, outcome)]);
    }
}

#[test]
fn the_next_process_counts_on() {
    let persistent = Options {
        persistent_outbox: true,
        ..Options::default()
    };
    let (mut world, reader, sensor) = offline(&persistent);
    publish(&mut world, sensor, "short", 60);
    publish(&mut world, sensor, "long", 600);
    world.run(30_000);
    world.nodes[sensor].dies_after = Some(0);
    let mut store = replace(&mut world.nodes[sensor].store, MemoryStore::new());
    world.run(40_000);
    // A record of a version before the time was in it: its expiry begins anew.
    let (key, record) = store.list("outbox/").unwrap().remove(0);
    let time = 1 + 6; // `Some`, and a varint of 41 bits
    let mut old = record[..record.len() - time].to_vec();
    old[0] = 1;
    let mut changes = Changes::new();
    let place = u64::from_str_radix(key.strip_prefix("outbox/").unwrap(), 16).unwrap();
    changes.put(format!("outbox/{:016x}", place + 7), old);
    store.commit(&changes).unwrap();
    let next = world.start(store, &persistent);
    world.run(10_000);
    assert_eq!(world.nodes[reader].texts(), ["long", "short"]);
    let outcomes = world.nodes[next]
        .done
        .iter()
        .map(|(_, outcome)| outcome.clone());
    assert_eq!(outcomes.collect::<Vec<_>>(), [EXPIRED, ARRIVED, ARRIVED]);
    assert_eq!(world.nodes[next].store.list("outbox/").unwrap().len(), 0);
}

#[test]
fn a_full_outbox_of_old_messages_makes_room() {
    let (mut world, reader, sensor) = offline(&Options::default());
    let flush = {
        for number in 0..200 {
            publish(&mut world, sensor, &number.to_string(), 10);
        }
        world.nodes[sensor].client.flush()
    };
    world.run(11_000);
    assert_eq!(world.nodes[sensor].client.outstanding(), 0);
    assert_eq!(world.nodes[sensor].flushed, [flush]);
    assert_eq!(world.nodes[sensor].done.len(), 200);
    world.nodes[sensor].reachable = true;
    world.run(60_000);
    assert_eq!(world.nodes[reader].texts(), [""; 0]);
}
