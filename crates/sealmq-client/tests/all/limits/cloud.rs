//! A reader of many groups and publishers at brokers in the cloud.

use std::collections::BTreeSet;

use bytes::Bytes;
use sealmq_authority::{GrantSpec, NewGroup};
use sealmq_client::{Draft, Event, Options, Qos, Subscription};
use sealmq_core::object::Access;
use sealmq_keys::Store as _;
use sealmq_store::MemoryStore;
use sealmq_testbroker::Broker;
use sealmq_testbroker::profiles::{PROFILES, Profile};

use crate::all::world::World;

use super::wired::Field;

const GROUPS: usize = 20;
const PUBLISHERS: usize = 1_000;
/// At brokers with other figures than AWS's.
const FEWER: usize = 200;

/// What a domain has at its broker, and what its publishers send.
struct Domain {
    world: World,
    reader: MemoryStore,
    messages: Vec<(String, Bytes)>,
}

fn grant(group: usize, access: Access) -> GrantSpec {
    GrantSpec {
        group: format!("group-{group}"),
        access,
        publish_filter: String::new(),
    }
}

/// A reader of all groups, and publishers of one each. They were connected for a moment, elsewhere:
/// only the reader meets the broker with limits.
fn domain(groups: usize, publishers: usize) -> Domain {
    let mut world = World::new();
    for group in 0..groups {
        let group = NewGroup::new(format!("group-{group}"), [format!("site/{group}/#")]);
        let now = world.now();
        let plan = world.authority.add_group(&group, now, &mut world.rng);
        world.carry_out(plan.unwrap());
    }
    let grants = (0..groups).map(|group| grant(group, Access::SUBSCRIBE));
    let reader = world.enrol_with("reader", &grants.collect::<Vec<_>>());
    let stores: Vec<_> = (0..publishers)
        .map(|n| {
            world.enrol_with(
                &format!("sensor-{n}"),
                &[grant(n % groups, Access::PUBLISH)],
            )
        })
        .collect();
    world.tick();
    let mut messages = Vec::new();
    for (n, store) in stores.into_iter().enumerate() {
        let sensor = world.start(store, &Options::default());
        world.run(1_000);
        let topic = format!("site/{}/hall/{n}/temperature", n % groups);
        let payload = Bytes::from(format!("reading of {n}"));
        let draft = Draft::new(topic.clone(), payload).unwrap();
        let time = world.time(true);
        world.nodes[sensor].client.publish(draft, time);
        world.run(1_000);
        let sent = world.nodes.pop().unwrap().sent.pop().unwrap();
        assert_eq!(sent.topic, topic);
        messages.push((topic, sent.payload));
    }
    Domain {
        world,
        reader,
        messages,
    }
}

fn copy(store: &MemoryStore) -> MemoryStore {
    let mut changes = sealmq_keys::Changes::new();
    for (key, value) in store.list("").unwrap() {
        changes.put(key, value.to_vec());
    }
    let mut copy = MemoryStore::default();
    copy.commit(&changes).unwrap();
    copy
}

/// The publishers send at once, and the reader knows none of them.
fn play(domain: Domain, count: usize, limits: sealmq_testbroker::Limits) -> (Field, Domain) {
    let Domain {
        world,
        reader,
        messages,
    } = domain;
    let mut field = Field {
        world,
        broker: Broker::new(limits),
        nodes: Vec::new(),
    };
    field.publish_objects();
    let store = copy(&reader);
    let node = field.start("reader", store, &Options::default());
    let all = Subscription::new("site/#".into(), Qos::AtLeastOnce);
    field.nodes[node].client.subscribe(vec![all]);
    field.run(10_000);
    for (topic, payload) in messages.iter().take(count) {
        field.broker.publish(topic, payload.clone(), false);
    }
    field.run(60_000);
    let world = std::mem::replace(&mut field.world, World::new());
    let domain = Domain {
        world,
        reader,
        messages,
    };
    (field, domain)
}

fn received(field: &Field) -> usize {
    let events = field.nodes[0].events.iter();
    let texts = events.filter_map(|event| match event {
        Event::Message(message) => Some(message.payload.clone()),
        _ => None,
    });
    texts.collect::<BTreeSet<_>>().len()
}

/// It is not made for twenty groups, or for a thousand messages in half a minute.
fn is_for_few(profile: &Profile) -> bool {
    let limits = (profile.limits)();
    let most = limits.subscriptions;
    most.is_some_and(|(most, _)| most < 50) || !limits.late.is_zero()
}

/// AWS's figures hold everywhere: 50 subscriptions, 8 filters in a packet, 7 slashes, 128 KiB.
#[test]
fn a_reader_of_a_thousand_publishers_in_twenty_groups_is_within_all_quotas() {
    let mut domain = domain(GROUPS, PUBLISHERS);
    let mut count = PUBLISHERS;
    for profile in PROFILES.iter().filter(|profile| !is_for_few(profile)) {
        let (field, after) = play(domain, count, (profile.limits)());
        domain = after;
        let (name, seen) = (profile.name, field.broker.seen());
        println!("{name}: {seen:?}");
        assert_eq!(received(&field), count, "{name}: {seen:?}");
        count = FEWER;
        assert!(seen.ended.is_empty(), "{name}: {seen:?}");
        assert_eq!(seen.accepted, 1, "{name}");
        assert!(seen.subscriptions < 50, "{name}: {seen:?}");
        assert!(seen.filters_per_subscribe <= 8, "{name}: {seen:?}");
        assert!(seen.slashes <= 7, "{name}: {seen:?}");
        assert!(seen.packet < 128 * 1024, "{name}: {seen:?}");
        let told = field.nodes[0].events.iter();
        let mut told = told.filter(|event| matches!(event, Event::SubscribeRefused { .. }));
        assert_eq!(told.next(), None, "{name}");
    }
    // What a broker may keep of each topic: 64 KB at Azure Event Grid.
    let largest = domain.world.retained.values().map(Vec::len).max();
    assert!(largest.unwrap() < 60 * 1024, "{largest:?}");
}

/// Ten subscriptions are enough for one group, and so is one message at a time.
#[test]
fn a_reader_of_one_group_lives_with_the_smallest() {
    let mut domain = domain(1, 60);
    for profile in PROFILES.iter().filter(|profile| is_for_few(profile)) {
        let limits = (profile.limits)();
        let most = limits.subscriptions.map_or(50, |(most, _)| most);
        let (field, after) = play(domain, 60, limits);
        domain = after;
        let (name, seen) = (profile.name, field.broker.seen());
        println!("{name}: {seen:?}");
        assert_eq!(received(&field), 60, "{name}: {seen:?}");
        assert!(seen.ended.is_empty(), "{name}: {seen:?}");
        assert!(seen.subscriptions <= most, "{name}: {seen:?}");
    }
}
