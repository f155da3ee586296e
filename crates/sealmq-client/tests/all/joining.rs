//! A device comes in by a token, whatever breaks on the way.

use std::collections::BTreeSet;

use bytes::Bytes;
use sealmq_authority::TokenSpec;
use sealmq_client::{JoinError, JoinOutput, Joined, Joining, Options, Time};
use sealmq_core::object::Access;
use sealmq_keys::Store as _;
use sealmq_keys::member::{JoinOptions, JoinWay};
use sealmq_keys::objects::{JoinRefusalReason, NamePattern, Token};
use sealmq_store::MemoryStore;

use crate::all::world::{World, grant, matches};

fn token(world: &mut World) -> String {
    let spec = TokenSpec {
        grants: vec![grant(Access::BOTH)],
        name: NamePattern::Any,
        ttl: 3_600,
        uses: 1,
        member_validity: 86_400,
        broker: String::new(),
    };
    let now = world.now();
    let (token, plan) = world
        .authority
        .create_token(&spec, now, &mut world.rng)
        .unwrap();
    world.carry_out(plan);
    token.to_uri().unwrap().to_string()
}

fn begin(world: &mut World, store: &MemoryStore, token: &str) -> Joining {
    let options = JoinOptions {
        name: "device".into(),
        way: JoinWay::Token(Box::new(Token::parse(token).unwrap())),
        packages: 3,
        extensions: Vec::new(),
    };
    Joining::begin(store, options, &mut world.rng).unwrap()
}

/// Until it is over, or nothing happens any more. `commits`: how many it may make.
fn play(
    world: &mut World,
    joining: &mut Joining,
    store: &mut MemoryStore,
    commits: usize,
) -> Result<Option<Joined>, JoinError> {
    let mut left = commits;
    let mut filters = BTreeSet::new();
    let mut seen = BTreeSet::new();
    joining.handle_connected();
    for _ in 0..100 {
        while let Some(output) = joining.poll_output() {
            match output {
                JoinOutput::Commit(changes) => {
                    assert!(joining.poll_output().is_none());
                    if left == 0 {
                        return Ok(None);
                    }
                    left -= 1;
                    store.commit(&changes).unwrap();
                    joining.committed();
                }
                JoinOutput::Subscribe(wanted) => {
                    filters.extend(wanted.into_iter().map(|wanted| wanted.filter));
                    joining.handle_subscribed(true).unwrap();
                }
                JoinOutput::Publish(wire) => {
                    world.route(wire);
                    world.tick();
                }
                JoinOutput::Waiting(_) => panic!("a token lets it in"),
                JoinOutput::Ignored { topic, error } => panic!("{topic}: {error}"),
                JoinOutput::Joined(joined) => return Ok(Some(joined)),
            }
        }
        let matching = |topic: &&String| filters.iter().any(|filter| matches(filter, topic));
        let (retained, passed) = (world.retained.clone(), world.passed.clone());
        for (topic, payload) in retained
            .iter()
            .chain(&passed)
            .filter(|(topic, _)| matching(topic))
        {
            if seen.insert((topic.clone(), payload.clone())) {
                let time = world.time(true);
                joining.handle_publish(topic, payload, time, &mut world.rng)?;
            }
        }
        world.uptime += 100;
        world.tick();
        if joining
            .poll_timeout()
            .is_some_and(|due| due <= world.uptime)
        {
            joining.handle_timeout(world.time(true));
        }
    }
    Ok(None)
}

#[test]
fn a_token_makes_a_member_that_reads_from_its_first_epoch_on() {
    let mut world = World::new();
    let uri = token(&mut world);
    let mut store = MemoryStore::new();
    // The device dies at each of its commits, and the same command goes on.
    let mut joined = None;
    for commits in 0..10 {
        let mut joining = begin(&mut world, &store, &uri);
        joined = play(&mut world, &mut joining, &mut store, commits).unwrap();
        if joined.is_some() {
            break;
        }
    }
    let joined = joined.expect("it joins");
    let (group, ..) = joined.enrolled.grants[0];
    assert_eq!(joined.title(&group).unwrap().name, "plant");
    assert!(joined.is_ready(&group));
    let device = world.start(store, &Options::default());
    world.nodes[device].subscribe("plant/#");
    let sensor = world.member("sensor", Access::PUBLISH, &[]);
    world.publish(sensor, "plant/a", "hello");
    world.settle();
    assert_eq!(world.nodes[device].texts(), ["hello"]);
}

const fn unset(uptime: u64) -> Time {
    Time {
        uptime,
        clock: None,
    }
}

/// The next time at which the request goes out again, and that it is the same.
fn repeated(joining: &mut Joining, uptime: &mut u64) -> Bytes {
    let due = joining.poll_timeout().expect("it asks again");
    assert!(due > *uptime);
    *uptime = due;
    joining.handle_timeout(unset(*uptime));
    let Some(JoinOutput::Publish(wire)) = joining.poll_output() else {
        panic!("nothing is published");
    };
    assert!(wire.retain && wire.topic.contains("/join/"));
    wire.payload
}

#[test]
fn a_request_that_is_not_answered_is_repeated_and_not_by_all_at_once() {
    let mut world = World::new();
    let uri = token(&mut world);
    let delegation = world.retained.iter();
    let mut delegation = delegation.filter(|(topic, _)| topic.ends_with("/delegation"));
    let (topic, delegation) = delegation.next().unwrap();
    let (topic, delegation) = (topic.clone(), delegation.clone());
    let mut pauses = Vec::new();
    for _ in 0..20 {
        let mut joining = begin(&mut world, &MemoryStore::new(), &uri);
        assert_eq!(joining.poll_timeout(), None);
        joining.handle_connected();
        let (mut uptime, mut request) = (1000, None);
        let ask = |joining: &mut Joining, uptime: u64, rng: &mut _| {
            let time = unset(uptime);
            joining
                .handle_publish(&topic, &delegation, time, rng)
                .unwrap();
            let mut sent = None;
            while let Some(output) = joining.poll_output() {
                match output {
                    JoinOutput::Commit(_) => joining.committed(),
                    JoinOutput::Publish(wire) => sent = Some(wire.payload),
                    _ => {}
                }
            }
            sent.unwrap()
        };
        request.get_or_insert(ask(&mut joining, uptime, &mut world.rng));
        let mut last = uptime;
        for most in [10_000, 20_000, 40_000, 60_000, 60_000] {
            assert_eq!(Some(repeated(&mut joining, &mut uptime)), request);
            assert!(
                (most / 2..=most).contains(&(uptime - last)),
                "{}",
                uptime - last
            );
            pauses.push(uptime - last);
            last = uptime;
        }
        // A connection asks by itself, and begins with short pauses again.
        joining.handle_disconnected();
        assert_eq!(joining.poll_timeout(), None);
        joining.handle_connected();
        assert_eq!(Some(ask(&mut joining, uptime, &mut world.rng)), request);
        assert!(
            joining
                .poll_timeout()
                .is_some_and(|due| due <= uptime + 10_000)
        );
    }
    let different: BTreeSet<u64> = pauses.iter().copied().collect();
    assert!(
        different.len() > 60,
        "{} of {}",
        different.len(),
        pauses.len()
    );
}

#[test]
fn who_has_joined_is_told_so_once_more() {
    let mut world = World::new();
    let uri = token(&mut world);
    let mut store = MemoryStore::new();
    let mut joining = begin(&mut world, &store, &uri);
    let first = play(&mut world, &mut joining, &mut store, 10)
        .unwrap()
        .unwrap();
    // With a broker, and with one that ends the connection at once.
    let mut joining = begin(&mut world, &store, &uri);
    let again = play(&mut world, &mut joining, &mut store, 0)
        .unwrap()
        .unwrap();
    let (group, ..) = first.enrolled.grants[0];
    assert_eq!(again.enrolled, first.enrolled);
    assert_eq!(again.title(&group), first.title(&group));
    assert!(again.is_ready(&group));
    let mut joining = begin(&mut world, &store, &uri);
    joining.handle_connected();
    joining.handle_disconnected();
    assert!(matches!(joining.poll_output(), Some(JoinOutput::Joined(_))));
}

#[test]
fn a_token_that_is_used_up_or_expired_is_refused_and_told_apart() {
    let mut world = World::new();
    let uri = token(&mut world);
    let mut store = MemoryStore::new();
    world.uptime += 4_000_000;
    let mut joining = begin(&mut world, &store, &uri);
    match play(&mut world, &mut joining, &mut store, 10) {
        Err(JoinError::Refused { reason, expired }) => {
            assert_eq!(reason, JoinRefusalReason::Token);
            assert!(expired.is_some());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_broker_that_refuses_the_subscription_ends_it() {
    let mut world = World::new();
    let uri = token(&mut world);
    let mut joining = begin(&mut world, &MemoryStore::new(), &uri);
    joining.handle_connected();
    assert!(joining.handle_subscribed(false).is_err());
}
