//! What became of each publish: said once, whatever happens on the way.

use std::collections::BTreeMap;
use std::time::Duration;

use sealmq_client::{
    ClientError, Event, GivenUp, Limits, Options, PublishId, PublishResult, Qos, ReasonCode,
    SealError,
};
use sealmq_core::object::Access;

use crate::all::world::World;

type Outcome = Result<PublishResult, GivenUp>;

fn publisher() -> (World, usize) {
    let mut world = World::new();
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    (world, sensor)
}

/// What was said of a message; nothing may be said twice.
fn outcome(world: &World, node: usize, id: PublishId) -> Option<Outcome> {
    let done = world.nodes[node].done.iter();
    let mut said = done.filter(|(known, _)| *known == id);
    let first = said.next().map(|(_, outcome)| outcome.clone());
    assert_eq!(said.next(), None);
    first
}

const fn acknowledged(code: ReasonCode) -> Option<Outcome> {
    Some(Ok(PublishResult::Acknowledged(code)))
}

fn send(world: &mut World, node: usize, qos: Qos) -> PublishId {
    world.publish_with(node, "plant/a", "x", |draft| draft.qos = qos)
}

const SUCCESS: ReasonCode = ReasonCode::SUCCESS;
const NOBODY: ReasonCode = ReasonCode::NO_MATCHING_SUBSCRIBERS;

#[test]
fn each_quality_of_service_with_the_brokers_word() {
    let (mut world, sensor) = publisher();
    let of = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];
    for said in [SUCCESS, NOBODY] {
        world.nodes[sensor].says = said;
        let sent = of.map(|qos| send(&mut world, sensor, qos));
        world.run(100);
        let got = sent.map(|id| outcome(&world, sensor, id));
        let written = Some(Ok(PublishResult::Written));
        assert_eq!(got, [written, acknowledged(said), acknowledged(said)]);
    }
}

#[test]
fn what_the_broker_refuses_is_said_with_its_code() {
    let (mut world, sensor) = publisher();
    world.nodes[sensor].says = ReasonCode::QUOTA_EXCEEDED;
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let id = send(&mut world, sensor, qos);
        world.run(100);
        let refused = GivenUp::Refused(ReasonCode::QUOTA_EXCEEDED);
        assert_eq!(outcome(&world, sensor, id), Some(Err(refused)));
    }
    // In the same words as to everybody else.
    let told = world.nodes[sensor]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::PublishRefused { reason, .. } => Some(reason.as_str()),
            _ => None,
        });
    let text = "the broker refused it: QuotaExceeded (look at its access rules and limits)";
    assert_eq!(told.collect::<Vec<_>>(), [text, text]);
}

/// QoS 2 is done at PUBCOMP, over however many connections, and remembers what PUBREC said.
#[test]
fn exactly_once_is_done_when_it_is_complete() {
    for keeps_session in [false, true] {
        let (mut world, sensor) = publisher();
        let node = &mut world.nodes[sensor];
        (node.keeps_session, node.takes) = (keeps_session, false);
        let id = send(&mut world, sensor, Qos::ExactlyOnce);
        world.run(100);
        let (packet, _) = world.nodes[sensor].unacknowledged.pop().unwrap();
        let received = sealmq_client::Acknowledged::Received(NOBODY);
        world.nodes[sensor]
            .client
            .handle_acknowledged(packet, received);
        world.run(100);
        assert_eq!(outcome(&world, sensor, id), None, "PUBREC is not the end");
        world.cut(sensor);
        world.nodes[sensor].takes = true;
        world.run(10_000);
        // A broker without the session gets it anew, and has its own word.
        let said = if keeps_session { NOBODY } else { SUCCESS };
        assert_eq!(outcome(&world, sensor, id), acknowledged(said));
    }
}

#[test]
fn reconnects_and_an_absent_broker_do_not_end_the_waiting() {
    let (mut world, sensor) = publisher();
    world.nodes[sensor].takes = false;
    let sent = [
        send(&mut world, sensor, Qos::AtLeastOnce),
        send(&mut world, sensor, Qos::ExactlyOnce),
    ];
    for _ in 0..3 {
        world.run(1_000);
        world.nodes[sensor].reachable = false;
        world.cut(sensor);
        world.run(60_000);
        world.nodes[sensor].reachable = true;
        world.run(60_000);
        assert!(sent.iter().all(|id| outcome(&world, sensor, *id).is_none()));
    }
    world.nodes[sensor].takes = true;
    world.cut(sensor);
    world.run(60_000);
    assert!(
        sent.iter()
            .all(|id| outcome(&world, sensor, *id) == acknowledged(SUCCESS))
    );
}

#[test]
fn a_broker_that_has_other_limits_when_it_comes_back() {
    let size = 600;
    let limits = [
        Limits {
            maximum_packet_size: Some(300),
            ..Limits::default()
        },
        Limits {
            retain_available: false,
            ..Limits::default()
        },
        Limits {
            maximum_qos: Qos::AtLeastOnce,
            ..Limits::default()
        },
    ];
    for (case, limits) in limits.into_iter().enumerate() {
        for keeps_session in [false, true] {
            let (mut world, sensor) = publisher();
            let node = &mut world.nodes[sensor];
            (node.takes, node.keeps_session) = (false, keeps_session);
            let text = "x".repeat(if case == 0 { size } else { 1 });
            let id = world.publish_with(sensor, "plant/a", &text, |draft| {
                draft.retain = case == 1;
                draft.qos = if case == 2 {
                    Qos::ExactlyOnce
                } else {
                    Qos::AtLeastOnce
                };
            });
            world.run(100);
            let node = &mut world.nodes[sensor];
            (node.takes, node.limits) = (true, limits);
            world.cut(sensor);
            world.run(10_000);
            let Some(Err(GivenUp::NotPublished(error))) = outcome(&world, sensor, id) else {
                panic!("{case}: {:?}", outcome(&world, sensor, id));
            };
            let expected = match case {
                0 => matches!(error, ClientError::TooLarge { most: 300, size } if size > 600),
                1 => error == ClientError::RetainNotSupported,
                _ => error == ClientError::QosNotSupported { most: 1 },
            };
            assert!(expected, "{error}");
        }
    }
}

#[test]
fn what_ends_three_connections() {
    let (mut world, sensor) = publisher();
    world.nodes[sensor].poison = Some("plant/bad".into());
    let good = send(&mut world, sensor, Qos::AtLeastOnce);
    let bad = world.publish(sensor, "plant/bad", "x");
    world.run(60_000);
    assert_eq!(outcome(&world, sensor, good), acknowledged(SUCCESS));
    let Some(Err(GivenUp::EndsConnections { size, last })) = outcome(&world, sensor, bad) else {
        panic!("{:?}", outcome(&world, sensor, bad));
    };
    assert!(size > 100 && last == "cut", "{size} {last}");
}

/// Messages that were accepted while the broker was away, and for which there are no keys when it is
/// back: the call has returned, so the driver tells who asked.
#[test]
fn what_can_not_be_sealed_any_more_is_refused() {
    let remove = |world: &mut World| {
        let (number, now) = (world.authority.find_member("sensor").unwrap(), world.now());
        let plan = world.authority.remove(number, now, &mut world.rng);
        world.carry_out(plan.unwrap());
    };
    // Nobody announces the group's next epoch any more.
    let end = |world: &mut World| world.run(31 * 86_400_000);
    for name in ["removed", "ended"] {
        let (mut world, sensor) = publisher();
        world.nodes[sensor].reachable = false;
        world.cut(sensor);
        let id = send(&mut world, sensor, Qos::AtLeastOnce);
        world.run(10);
        assert_eq!(world.nodes[sensor].accepted, [id]);
        match name {
            "removed" => remove(&mut world),
            _ => end(&mut world),
        }
        world.nodes[sensor].reachable = true;
        world.run(120_000);
        let [ClientError::Seal(error)] = &world.nodes[sensor].refused[..] else {
            panic!("{name}: {:?}", world.nodes[sensor].refused);
        };
        let expected = match name {
            "removed" => matches!(error, SealError::Removed { .. }),
            _ => matches!(
                error,
                SealError::KeysExpired { .. } | SealError::CredentialExpired { .. }
            ),
        };
        assert!(expected, "{name}: {error:?}");
        assert_eq!(outcome(&world, sensor, id), None);
        assert_eq!(world.nodes[sensor].client.outstanding(), 0);
    }
}

/// The client ends: nothing more is said, and only a persistent outbox goes on.
#[test]
fn a_client_that_ends_leaves_the_rest_to_its_store() {
    for persistent in [false, true] {
        let mut world = World::new();
        let store = world.enrol_only("sensor", Access::PUBLISH);
        world.tick();
        let options = Options {
            persistent_outbox: persistent,
            ..Options::default()
        };
        let sensor = world.start(store, &options);
        world.run(1_000);
        world.nodes[sensor].takes = false;
        let id = send(&mut world, sensor, Qos::AtLeastOnce);
        world.run(100);
        let time = world.time(true);
        world.nodes[sensor].client.disconnect(time);
        world.run(10_000);
        assert!(world.nodes[sensor].closed);
        assert_eq!(outcome(&world, sensor, id), None);
        let store = std::mem::replace(
            &mut world.nodes[sensor].store,
            sealmq_store::MemoryStore::new(),
        );
        let next = world.start(store, &options);
        assert_eq!(
            world.nodes[next].client.outstanding(),
            usize::from(persistent)
        );
        world.run(10_000);
        // The next process has identities of its own for them.
        let done = world.nodes[next]
            .done
            .iter()
            .map(|(_, outcome)| outcome.clone());
        let expected: Vec<_> = acknowledged(SUCCESS)
            .into_iter()
            .filter(|_| persistent)
            .collect();
        assert_eq!(done.collect::<Vec<_>>(), expected);
    }
}

/// However often it is sent again because the broker may have died with it, the first word counts.
#[test]
fn a_doubted_acknowledgement_is_said_once() {
    let mut world = World::new();
    let store = world.enrol_only("sensor", Access::PUBLISH);
    world.tick();
    let options = Options {
        broker_writes_within: Duration::from_secs(5),
        ..Options::default()
    };
    let sensor = world.start(store, &options);
    world.run(1_000);
    let id = send(&mut world, sensor, Qos::AtLeastOnce);
    world.run(100);
    assert_eq!(outcome(&world, sensor, id), acknowledged(SUCCESS));
    world.nodes[sensor].says = ReasonCode::NOT_AUTHORIZED;
    world.cut(sensor);
    world.run(10_000);
    assert_eq!(world.nodes[sensor].sent.len(), 2);
    assert_eq!(outcome(&world, sensor, id), acknowledged(SUCCESS));
}

/// Whatever happens, every message gets exactly one of `Done` and `Refused` before the end.
#[test]
fn every_message_has_one_end() {
    for seed in 0..40_u64 {
        let (mut world, sensor) = publisher();
        let mut sent = BTreeMap::new();
        let mut dice = seed;
        let mut roll = |sides: u64| {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % sides
        };
        for number in 0..40 {
            let qos = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce][roll(3) as usize];
            let topic = ["plant/a", "plant/b", "plant/bad", "elsewhere"][roll(4) as usize];
            let id = world.publish_with(sensor, topic, "x", |draft| draft.qos = qos);
            sent.insert(id, number);
            match roll(8) {
                0 => world.cut(sensor),
                1 => world.nodes[sensor].keeps_session = roll(2) == 0,
                2 => world.nodes[sensor].takes = roll(2) == 0,
                3 => world.nodes[sensor].reachable = roll(2) == 0,
                4 => {
                    world.nodes[sensor].says =
                        [SUCCESS, NOBODY, ReasonCode::QUOTA_EXCEEDED][roll(3) as usize]
                }
                5 => world.nodes[sensor].poison = (roll(2) == 0).then(|| "plant/bad".into()),
                _ => {}
            }
            let pause = roll(700);
            world.run(pause);
        }
        let node = &mut world.nodes[sensor];
        (node.takes, node.reachable, node.poison) = (true, true, None);
        world.cut(sensor);
        world.run(200_000);
        let node = &world.nodes[sensor];
        for (id, _) in &node.done {
            assert!(sent.remove(id).is_some(), "seed {seed}: {id:?} twice");
        }
        assert_eq!(sent.len(), node.refused.len(), "seed {seed}: {sent:?}");
        assert_eq!(node.client.outstanding(), 0, "seed {seed}");
    }
}
