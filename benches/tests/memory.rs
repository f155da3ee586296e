//! What a member holds on the heap, and what a message allocates, by itself and in the driver. One test
//! in this binary: the allocator counts for all threads.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot run as meant has to stop"
)]

use std::alloc::System;
use std::process::Command;

use sealmq_authority::{Authority, GrantSpec, NewGroup};
use sealmq_bench::{CountingRng, NOW, Scene};
use sealmq_core::object::Access;
use sealmq_keys::Store as _;
use sealmq_keys::member::{Action, Member, MemberOptions};
use sealmq_keys::objects::decode_request;
use sealmq_store::MemoryStore;
use sealmq_testbroker::{Limits, Server};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const DAYS: u64 = 86_400;
/// Bytes that a reader holds of a sender that it has just heard: its session and its topic, and what
/// is remembered of the last few thousand only.
const HEARD: usize = 3072;
/// Allocations for each message, on average; five of them are of the store, once for 56 messages.
const SUBSCRIBER: f64 = 9.5;

#[test]
fn a_member_is_small_and_messages_cost_the_same_at_any_site() {
    a_member_without_messages_holds_less_than_64_kib();
    what_a_message_allocates_does_not_grow();
    the_driver_allocates_little_for_a_message();
}

/// Allocations of a whole program that publishes, and of one that subscribes, as `mqtt` prints them:
/// with the payload of the one, and what the other commits of its replay windows.
fn the_driver_allocates_little_for_a_message() {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build().unwrap();
    let broker = runtime.block_on(Server::start(Limits::default())).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_mqtt"))
        .arg(broker.address().to_string())
        .env("SEALMQ_BENCH_MESSAGES", "1000")
        .env("SEALMQ_BENCH_ROUNDS", "1")
        .output()
        .unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    for (side, publisher, subscriber) in [
        ("| sealmq-rumqttc, QoS 0 |", 7.0, SUBSCRIBER),
        // rumqttc itself allocates two or three more at QoS 1.
        ("| sealmq-rumqttc, QoS 1 |", 9.0, SUBSCRIBER),
    ] {
        let row = table.lines().find(|line| line.starts_with(side)).unwrap();
        let allocations = |column| {
            let cell = row
                .split('|')
                .nth(column)
                .and_then(|cell| cell.trim().split(' ').next());
            cell.and_then(|number| number.parse::<f64>().ok()).unwrap()
        };
        assert!(allocations(4) <= publisher, "{table}");
        assert!(allocations(6) <= subscriber, "{table}");
    }
}

/// What a message allocates at a small site, and at large ones: the same but for what a few
/// messages make the tables grow.
fn what_a_message_allocates_does_not_grow() {
    const MESSAGES: usize = 256;
    let costs = |scene: &mut Scene| scene.costs(2, MESSAGES, ALLOCATOR);
    let mut small = Scene::new(1, 1, 4);
    let at_least = costs(&mut small);
    let mut many_senders = Scene::new(1, 1, 10);
    let (_, few) = many_senders.load(ALLOCATOR);
    many_senders.add_senders(1..200);
    // What a reader holds of each sender: after a start, and with its session.
    let (_, loaded) = many_senders.load(ALLOCATOR);
    let loaded = (loaded - few) / 199;
    assert!(loaded <= 1024, "{loaded} bytes for each sender");
    let mut many_topics = small;
    many_topics.add_topics(0..1500);
    for scene in [
        &mut Scene::new(62, 32, 4),
        &mut many_senders,
        &mut many_topics,
    ] {
        let costs = costs(scene);
        for (now, small, allocations) in [
            (&costs.check, &at_least.check, 0),
            (&costs.seal, &at_least.seal, 1),
            (&costs.open, &at_least.open, 6),
        ] {
            assert!(now.allocations() <= allocations * 1000, "{costs}");
            assert!(now.bytes() * 10 <= small.bytes() * 11, "{costs} {at_least}");
        }
    }
    let heard = (many_senders.held(ALLOCATOR) - few) / 199;
    assert!(heard <= HEARD, "{heard} bytes for each sender");
}

fn a_member_without_messages_holds_less_than_64_kib() {
    let mut rng = CountingRng::new(1);
    let now = Some(NOW * 1000);
    let mut authority = Authority::create(None, 365 * DAYS, NOW, &mut rng)
        .unwrap()
        .authority;
    let group = NewGroup::new("plant", ["plant/#"]);
    let _ = authority.add_group(&group, NOW, &mut rng).unwrap();

    let mut store = MemoryStore::default();
    let (changes, file) = Member::request(&store, "sensor", 4, now, &mut rng).unwrap();
    store.commit(&changes).unwrap();
    let request = decode_request(&file).unwrap();
    let grants = [GrantSpec {
        group: "plant".into(),
        access: Access::BOTH,
        publish_filter: String::new(),
    }];
    let (enrolled, plan) = authority
        .enrol(&request, &grants, 90 * DAYS, NOW, &mut rng)
        .unwrap();
    let (changes, _) = Member::enrol(&store, &enrolled.credential_file, now).unwrap();
    store.commit(&changes).unwrap();
    let mut published = plan.publications;
    published.extend(authority.tick(NOW, &mut rng).unwrap().publications);

    let mut member = Member::load(&store, MemberOptions::default()).unwrap();
    for publication in &published {
        for action in member.handle_reserved(&publication.topic, &publication.payload, now) {
            if let Action::Commit(changes) = action {
                store.commit(&changes).unwrap();
            }
        }
    }
    assert!(member.groups().any(|group| group.epoch.is_some()));
    // What is given back is what was held; the store's memory is not the member's.
    let region = Region::new(ALLOCATOR);
    drop(member);
    let held = region.change().bytes_deallocated;
    assert!(held < 64 << 10, "{held} bytes of heap");
}
