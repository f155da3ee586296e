//! What groups of 100 to 100,000 members cost: `cargo run --release -p sealmq-bench --bin scale`.
//! The largest size can be given as an argument.

#![allow(
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    reason = "a table is what this prints"
)]

use std::alloc::System;
use std::time::Duration;

use sealmq_bench::{Change, Fleet, Stopwatch, fan_out};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Members, and the depth of their tree: at most three quarters of the leaves are taken, or the
/// authority would begin a deeper generation.
const SIZES: [(u32, u8); 4] = [(100, 9), (1_000, 12), (10_000, 15), (100_000, 19)];

fn main() {
    let most = std::env::args().nth(1).and_then(|most| most.parse().ok());
    println!(
        "| members | change | authority, CPU | published | largest packet | one member reads | its CPU |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|");
    let mut memory = Vec::new(); // and objects
    for (members, depth) in SIZES {
        if members <= most.unwrap_or(u32::MAX) {
            memory.push(size(members, depth));
        }
    }
    println!();
    println!("| members | authority in memory | loading it, CPU | one member's state, stored |");
    println!("|---:|---:|---:|---:|");
    for (line, _) in &memory {
        println!("{line}");
    }
    println!();
    println!(
        "| members | rotation | healing, nobody removed | welcome | kept keys, 1 entry | kept keys, 16 entries |"
    );
    println!("|---:|---:|---:|---:|---:|---:|");
    for (_, line) in memory {
        println!("{line}");
    }
}

fn size(members: u32, depth: u8) -> (String, String) {
    let fleet = Fleet::new(members, depth);
    let region = Region::new(ALLOCATOR);
    let watch = Stopwatch::start();
    let mut authority = fleet.authority();
    let loading = watch.elapsed();
    let stats = region.change();
    let bytes = stats
        .bytes_allocated
        .saturating_sub(stats.bytes_deallocated);

    let mut rotation = fleet.rotate(&mut authority);
    row(&fleet, members, "rotation", &rotation);
    // The second one: the first walks the ratchet from the start.
    rotation = fleet.rotate(&mut authority);
    let _ = rotation;
    for count in [1, 10, 100, 1000].into_iter().filter(|&n| n < members) {
        let mut authority = fleet.authority();
        let change = fleet.remove(&mut authority, 0, count as usize);
        row(
            &fleet,
            members,
            &format!("{count} removed at once"),
            &change,
        );
    }
    for count in [10, 100, 1000].into_iter().filter(|&n| n < members) {
        let mut authority = fleet.authority();
        let mut log = Change::default();
        for at in 0..count as usize {
            log.append(fleet.remove(&mut authority, at, 1));
        }
        let name = format!("{count} removed one after another; a sleeper replays the log");
        row(&fleet, members, &name, &log);
    }
    let mut authority = fleet.authority();
    let change = fleet.renew(&mut authority);
    row(&fleet, members, "new generation, everyone moves", &change);

    let (published, time, own) = fan_out(members);
    println!(
        "| {members} | *baseline: HPKE to each member* | {} | {published} | {} | {} | {} |",
        show(time),
        published / members as usize,
        published / members as usize,
        show(own)
    );
    let memory = format!(
        "| {members} | {:.1} MiB | {} | {} B |",
        bytes as f64 / f64::from(1 << 20),
        show(loading),
        fleet.follower().stored()
    );
    let objects = fleet.objects();
    let [_, one, full] = objects.kept_keys.map(|(_, size)| size);
    let objects = format!(
        "| {members} | {} | {} | {} | {one} | {full} |",
        objects.rotation, objects.healing, objects.welcome
    );
    (memory, objects)
}

fn row(fleet: &Fleet, members: u32, name: &str, change: &Change) {
    let mut follower = fleet.follower();
    follower.follow(change);
    println!(
        "| {members} | {name} | {} | {} | {} | {} | {} |",
        show(change.time),
        change.bytes,
        change.largest,
        follower.bytes,
        show(follower.time)
    );
}

fn show(time: Duration) -> String {
    let us = time.as_secs_f64() * 1e6;
    match us {
        ..1e3 => format!("{us:.0} µs"),
        ..1e6 => format!("{:.1} ms", us / 1e3),
        _ => format!("{:.1} s", us / 1e6),
    }
}
