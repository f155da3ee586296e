//! A device comes in by a token, whatever breaks on the way.

use std::collections::BTreeSet;

use sealmq_authority::TokenSpec;
use sealmq_client::{JoinError, JoinOutput, Joined, Joining, Options};
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
        let retained = world.retained.clone();
        for (topic, payload) in retained.iter().filter(|(topic, _)| matching(topic)) {
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
