//! What can go wrong between a value and the broker: crashes, refusals, connections that break, and
//! others who publish on the same topic.

use bytes::Bytes;
use sealmq_client::{Acknowledged, KeptValues, Options, Properties, Qos, ReasonCode, Will};
use sealmq_core::object::Access;
use sealmq_keys::objects::Policy;

use crate::all::state::{keep, late, sensor, sent};
use crate::all::world::World;

fn storing(stored: bool) -> Options {
    Options {
        kept_values: Some(KeptValues {
            stored,
            ..KeptValues::default()
        }),
        ..Options::default()
    }
}

/// The power fails; another process with the same store.
fn start_again(world: &mut World, node: usize, options: &Options) -> usize {
    let store = std::mem::take(&mut world.nodes[node].store);
    world.nodes[node].closed = true;
    world.nodes[node].online = false;
    let again = world.start(store, options);
    world.run(5_000);
    again
}

#[test]
fn what_was_sealed_again_and_did_not_arrive_is_sealed_by_the_next_process() {
    let mut world = World::new();
    let sensor = sensor(&mut world, &storing(true));
    keep(&mut world, sensor, "plant/a", "1");
    world.nodes[sensor].takes = false;
    world.heal();
    world.run(2_000);
    assert_eq!(sent(&world, sensor, "plant/a").len(), 2);
    let before = world.retained["plant/a"].clone();
    let again = start_again(&mut world, sensor, &storing(true));
    assert_eq!(sent(&world, again, "plant/a").len(), 1);
    assert_ne!(world.retained["plant/a"], before);
    assert_eq!(late(&mut world), ["1"]);
    // What has arrived is not sent by each start.
    let third = start_again(&mut world, again, &storing(true));
    assert!(sent(&world, third, "plant/a").is_empty());
}

#[test]
fn what_was_stored_once_does_not_come_back_over_a_newer_value() {
    for meanwhile in [
        storing(false),
        Options {
            kept_values: None,
            ..Options::default()
        },
    ] {
        let mut world = World::new();
        let first = sensor(&mut world, &storing(true));
        keep(&mut world, first, "plant/a", "old");
        let second = start_again(&mut world, first, &meanwhile);
        keep(&mut world, second, "plant/a", "new");
        world.heal();
        let third = start_again(&mut world, second, &storing(true));
        assert!(sent(&world, third, "plant/a").is_empty());
        assert_eq!(late(&mut world), ["new"]);
    }
}

#[test]
fn with_less_room_than_is_stored_the_oldest_go() {
    let mut world = World::new();
    let first = sensor(&mut world, &storing(true));
    for topic in ["plant/a", "plant/b", "plant/c"] {
        keep(&mut world, first, topic, "1");
    }
    world.heal();
    let mut options = storing(true);
    options.kept_values.as_mut().unwrap().count = 1;
    world.nodes[first].takes = false;
    let second = start_again(&mut world, first, &options);
    let counts = ["plant/a", "plant/b", "plant/c"].map(|topic| sent(&world, second, topic).len());
    assert_eq!(counts, [0, 0, 1]);
}

#[test]
fn what_the_broker_refused_is_tried_again_on_the_next_connection() {
    let mut world = World::new();
    let sensor = sensor(&mut world, &Options::default());
    keep(&mut world, sensor, "plant/a", "1");
    let before = world.retained["plant/a"].clone();
    world.nodes[sensor].takes = false;
    world.heal();
    world.run(2_000);
    let (packet, _) = world.nodes[sensor].unacknowledged.pop().unwrap();
    let refused = Acknowledged::Refused(ReasonCode::QUOTA_EXCEEDED);
    world.nodes[sensor]
        .client
        .handle_acknowledged(packet, refused);
    world.nodes[sensor].takes = true;
    for _ in 0..5 {
        world.rotate();
        world.run(2_000);
    }
    assert_eq!(sent(&world, sensor, "plant/a").len(), 2, "not on this one");
    world.cut(sensor);
    world.run(60_000);
    assert_eq!(sent(&world, sensor, "plant/a").len(), 3);
    assert_ne!(world.retained["plant/a"], before);
    world.cut(sensor);
    world.run(60_000);
    assert_eq!(sent(&world, sensor, "plant/a").len(), 3);
}

/// Two programs set one valve. New keys are no reason to take back what the other one has set.
#[test]
fn nobody_takes_back_what_another_member_has_set() {
    let mut world = World::new();
    let members = ["one", "two"].map(|name| world.member(name, Access::BOTH, &["plant/#"]));
    let [one, two] = members;
    keep(&mut world, two, "plant/valve", "open");
    keep(&mut world, one, "plant/valve", "half");
    keep(&mut world, two, "plant/valve", "shut");
    keep(&mut world, one, "plant/own", "1");
    world.publish(two, "plant/own", "an event");
    world.run(1_000);
    for _ in 0..3 {
        world.heal();
        world.run(2_000);
    }
    assert_eq!(sent(&world, one, "plant/valve").len(), 1);
    assert_eq!(sent(&world, two, "plant/valve").len(), 5);
    assert_eq!(sent(&world, one, "plant/own").len(), 4);
    assert_eq!(late(&mut world), ["1", "shut"]);
}

fn with_will() -> Options {
    Options {
        will: Some(Will {
            topic: Bytes::from_static(b"plant/status"),
            payload: Bytes::from_static(b"gone"),
            qos: Qos::AtLeastOnce,
            retain: true,
            properties: Properties::default(),
            delay: None,
        }),
        ..Options::default()
    }
}

/// It was sealed on a connection whose will has fired: what is sent again as it was ranks below
/// that.
#[test]
fn a_value_that_outlived_its_connection_gets_above_the_will() {
    for keeps_session in [false, true] {
        let mut world = World::new();
        let reader = world.member("reader", Access::SUBSCRIBE, &["plant/#"]);
        let sensor = sensor(&mut world, &with_will());
        world.nodes[sensor].keeps_session = keeps_session;
        world.nodes[sensor].takes = false;
        keep(&mut world, sensor, "plant/status", "online");
        let will = world.nodes[sensor].wills.last().unwrap().clone().unwrap();
        world.cut(sensor);
        world.route(will.wire);
        world.nodes[sensor].takes = true;
        world.run(60_000);
        let texts = world.nodes[reader].texts();
        assert_eq!(texts, ["gone", "online"], "{keeps_session}");
        assert_eq!(late(&mut world), ["online"]);
    }
}

/// Where readers take no wills there is none that gets too old.
#[test]
fn a_group_without_wills_is_no_reason_to_connect_again() {
    for (will_age, most) in [(0, 1), (1, 4)] {
        let mut world = World::with_policy(Policy {
            will_age,
            ..Policy::default()
        });
        let sensor = sensor(&mut world, &with_will());
        let begun = world.nodes[sensor].wills.len();
        for _ in 0..100 {
            let until = world.uptime + 600;
            while world.uptime < until && world.nodes[sensor].wills.len() < begun + 20 {
                world.run(200);
            }
        }
        let again = world.nodes[sensor].wills.len() - begun;
        assert!(again < most, "{again} in a minute");
    }
}

/// A thousand values and many changes in a row: each goes out under the newest keys, once.
#[test]
fn a_thousand_values_and_many_changes() {
    let mut world = World::new();
    let sensor = sensor(&mut world, &Options::default());
    for n in 0..1_000 {
        world.publish_with(sensor, &format!("plant/v/{n}"), "1", |draft| {
            draft.retain = true
        });
    }
    world.run(2_000);
    world.nodes[sensor].reachable = false;
    world.cut(sensor);
    for _ in 0..20 {
        world.heal();
    }
    let before = world.nodes[sensor].sent.len();
    world.nodes[sensor].reachable = true;
    world.run(120_000);
    let again = world.nodes[sensor].sent.len() - before;
    assert!((1_000..=2_000).contains(&again), "{again}");
    assert_eq!(late(&mut world).len(), 1_000);
}
