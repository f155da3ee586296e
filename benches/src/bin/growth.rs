//! What grows with the size of a site, and what does not:
//! `cargo run --release -p sealmq-bench --bin growth`. `SEALMQ_GROWTH_SENDERS` and
//! `SEALMQ_GROWTH_TOPICS` set the largest numbers.

#![allow(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "a benchmark that cannot run as meant has to stop"
)]

use std::alloc::System;
use std::env;

use sealmq_bench::{Costs, Scene};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 11;
const MESSAGES: usize = 1000;
/// Depths of a group of two members, and of one with room for 131,072 publishers.
const SMALL: u8 = 4;
const LARGE: u8 = 18;

fn main() {
    let heads = Costs::HEADS;
    println!(
        "Processor time is the median of {ROUNDS} rounds of {MESSAGES} messages of 256 bytes."
    );
    println!("Allocations and bytes are those of check, seal and open.\n");
    println!("| groups | filters of each | {heads}");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for (groups, filters) in [(1, 1), (1, 32), (8, 8), (62, 1), (62, 32)] {
        let costs = costs(&mut Scene::new(groups, filters, SMALL));
        println!("| {groups} | {filters} | {costs}");
    }

    let most = number("SEALMQ_GROWTH_SENDERS", 60_000);
    println!("\n| senders heard | {heads} memory for each | loading |");
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|");
    let mut scene = Scene::new(1, 1, LARGE);
    let mut known = 1;
    for senders in [1, 100, 10_000, most] {
        while known < senders {
            let next = senders.min(known + 1000);
            scene.add_senders(known..next);
            known = next;
        }
        let costs = costs(&mut scene);
        let (loading, memory) = scene.load(ALLOCATOR);
        let each = memory / senders;
        println!(
            "| {known} | {costs} {each} B | {} ms |",
            loading.as_millis()
        );
    }

    println!(
        "\nWith a session of each sender, {} B for each.",
        scene.held(ALLOCATOR) / known
    );

    let most = number("SEALMQ_GROWTH_TOPICS", 1_000_000);
    println!("\n| topics of one sender | {heads}");
    println!("|---:|---:|---:|---:|---:|---:|");
    let mut scene = Scene::new(1, 1, SMALL);
    let mut used = 0;
    for topics in [1, 1000, 65_536, most] {
        scene.add_topics(used..topics);
        used = topics;
        println!("| {topics} | {}", costs(&mut scene));
    }
}

fn costs(scene: &mut Scene) -> Costs {
    scene.costs(ROUNDS, MESSAGES, ALLOCATOR)
}

fn number(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |value| value.parse().expect(name))
}
