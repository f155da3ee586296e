//! What is asked before sealing is what sealing says.

use std::time::Duration;

use sealmq_client::{ClientError, Options, SealError};
use sealmq_core::object::Access;
use sealmq_keys::member::{Member, MemberOptions, OutgoingMessage};
use sealmq_keys::objects::Policy;
use sealmq_store::MemoryStore;

use crate::all::world::World;

/// Asks, and seals; both have to say the same.
fn verdict(
    world: &mut World,
    member: &mut Member,
    has_clock: bool,
    message: &OutgoingMessage<'_>,
) -> Result<(), SealError> {
    let now = world.time(has_clock).clock;
    let asked = member.check(message, now);
    let sealed = member.seal(message, now, &mut world.rng).map(drop);
    assert_eq!(asked, sealed);
    asked
}

fn load(store: &MemoryStore) -> Member {
    Member::load(store, MemberOptions::default()).unwrap()
}

#[test]
fn checking_and_sealing_agree() {
    let mut world = World::new();
    let new = world.enrol_only("new", Access::PUBLISH);
    let node = world.member("sensor", Access::PUBLISH, &[]);
    let reader = world.member("reader", Access::SUBSCRIBE, &[]);
    let on = |topic| OutgoingMessage::new(topic, b"x");
    let timed = |mut message: OutgoingMessage<'static>| {
        message.properties.expiry = Some(60);
        message
    };

    let mut member = load(&new);
    let no_keys = verdict(&mut world, &mut member, true, &on("plant/a"));
    assert!(matches!(no_keys, Err(SealError::NoKeysYet { .. })));

    let mut member = load(&world.nodes[reader].store);
    let read_only = verdict(&mut world, &mut member, true, &on("plant/a"));
    assert!(matches!(read_only, Err(SealError::NotGranted { .. })));
    assert_eq!(member.check_topic("plant/a"), read_only);

    let mut member = load(&world.nodes[node].store);
    for (topic, clock, expected) in [
        ("plant/a", true, None),
        ("open/a", true, Some(SealError::NoGroup)),
        ("plant/+", true, member.check_topic("plant/+").err()),
        (
            "plant/a",
            false,
            Some(SealError::NeedsLeases {
                group: "plant".into(),
            }),
        ),
    ] {
        let said = verdict(&mut world, &mut member, clock, &on(topic));
        assert_eq!(said.err(), expected, "{topic}");
    }
    let reserved = format!("{}/x", world.authority.prefix());
    let message = OutgoingMessage::new(&reserved, b"x");
    let said = verdict(&mut world, &mut member, true, &message);
    assert_eq!(said, Err(SealError::Reserved));
    // Without a clock, what needs the time of sealing says so before anything else about time.
    let said = verdict(&mut world, &mut member, false, &timed(on("plant/a")));
    assert_eq!(said, Err(SealError::NeedsClock));

    world.uptime += 90_000_000; // the credential's day
    let said = verdict(&mut world, &mut member, true, &on("plant/a"));
    assert!(
        matches!(said, Err(SealError::CredentialExpired { .. })),
        "{said:?}"
    );
    // A retained message can be cleared all the same.
    assert_eq!(member.check_topic("plant/a"), Ok(()));

    // Removed, and told so.
    let now = world.now();
    let number = world.authority.find_member("sensor").unwrap();
    let plan = world.authority.remove(number, now, &mut world.rng).unwrap();
    world.carry_out(plan);
    world.run(60_000);
    let mut member = load(&world.nodes[node].store);
    let said = verdict(&mut world, &mut member, true, &on("plant/a"));
    assert!(said.is_err());
}

#[test]
fn an_idle_client_is_looked_at_once_a_minute_and_a_stirred_one_soon() {
    let mut world = World::new();
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    world.run(60_000);
    let next = world.nodes[sensor].client.poll_timeout().unwrap();
    assert!(next > world.uptime + 500, "{} at {}", next, world.uptime);
    assert!(next <= world.uptime + 60_000);
    world.rotate();
    world.settle();
    let next = world.nodes[sensor].client.poll_timeout().unwrap();
    assert!(next <= world.uptime + 500);
    // A member without keys asks for them.
    let store = world.enrol_only("new", Access::PUBLISH);
    world.retained.clear();
    let new = world.start(store, &Options::default());
    world.run(5_000);
    assert!(world.nodes[new].client.poll_timeout().unwrap() <= world.uptime + 60_000);
}

/// A device without a clock waits for the authority's answer to its nonce, on every connection.
#[test]
fn without_a_clock_an_accepted_message_waits_for_the_lease() {
    let mut world = World::with_policy(Policy {
        lease: 600,
        ..Policy::default()
    });
    let reader = world.member("reader", Access::SUBSCRIBE, &["plant/#"]);
    let store = world.enrol_only("sensor", Access::PUBLISH);
    world.tick();
    // Nothing is known yet, not even the uptime.
    let options = Options {
        wait_for_keys: Duration::from_secs(120),
        ..Options::default()
    };
    let sensor = world.start(store, &options);
    world.nodes[sensor].has_clock = false;
    world.publish(sensor, "plant/a", "first");
    world.run(30_000);
    assert_eq!(world.nodes[sensor].refused, []);
    assert_eq!(world.nodes[reader].texts(), ["first"]);

    // A new process, which has the keys; the options say not to wait.
    let store = std::mem::take(&mut world.nodes[sensor].store);
    world.nodes[sensor].closed = true;
    let sensor = world.start(store, &Options::default());
    world.nodes[sensor].has_clock = false;
    world.publish(sensor, "plant/a", "refused");
    world.run(30_000);
    assert_eq!(world.nodes[sensor].accepted.len(), 0);
    assert!(matches!(
        world.nodes[sensor].refused[..],
        [ClientError::Seal(SealError::NoLease { uptime: true, .. })]
    ));
    world.publish(sensor, "plant/a", "second");
    world.run(1_000);
    assert_eq!(world.nodes[reader].texts(), ["first", "second"]);

    // Accepted while the lease ran; it runs out before there is a connection.
    world.nodes[sensor].reachable = false;
    world.cut(sensor);
    world.publish(sensor, "plant/a", "third");
    world.settle();
    assert_eq!(world.nodes[sensor].accepted.len(), 2);
    world.run(700_000);
    world.nodes[sensor].reachable = true;
    world.run(90_000);
    assert_eq!(world.nodes[sensor].refused.len(), 1);
    assert_eq!(world.nodes[reader].texts(), ["first", "second", "third"]);
}
