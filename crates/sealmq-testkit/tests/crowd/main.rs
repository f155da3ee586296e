//! A crowd in virtual time: an authority with 100,000 members, honest devices that join, ask for
//! leases, are renewed and removed, and strangers and members that do what they can to stop that.
//!
//! The authority is the shipped `Office`, the devices are shipped `Client`s and `Joining`s; what
//! is here is only what drivers do, and the broker, which lets everybody write everywhere. Most of
//! the members are in the authority only. The same run without the hostile ones is what the others
//! are compared with ([`Outcome::faults`]).
//!
//! One run at a time in this binary, and nothing else: the allocator counts for all threads.
//! `SEALMQ_CROWD_MEMBERS` is the number of members: 10,000 in CI, and by the command in
//! docs/operations.md 100,000.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod broker;
mod forge;
mod hostile;
mod ledger;
mod members;
mod newcomers;
mod office;
mod operator;
mod outcome;
mod play;
mod store;
mod town;

use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use outcome::Outcome;
use play::{SECONDS, Sabotage, Settings, play};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use town::Town;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn heap() -> i64 {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}

fn run(town: &Town, (seconds, fleet): (u64, u64), hostile: bool, sabotage: Sabotage) -> Outcome {
    let settings = Settings {
        seed: 1,
        seconds,
        fleet,
        hostile,
        sabotage,
    };
    let start = Instant::now();
    let outcome = play(town, &settings, heap);
    println!("{:.1?}: {settings:?}", start.elapsed());
    outcome
}

#[test]
fn honest_devices_and_people_are_served_in_a_hostile_crowd() {
    let _alone = alone();
    let members = std::env::var("SEALMQ_CROWD_MEMBERS");
    let members = members.map_or(10_000, |text| text.parse().unwrap());
    let start = Instant::now();
    let town = Town::new(members, heap);
    println!("{members} members enrolled after {:.1?}", start.elapsed());
    let whole = (SECONDS, 100);
    let without = run(&town, whole, false, Sabotage::None);
    let with = run(&town, whole, true, Sabotage::None);
    for outcome in [&without, &with] {
        for (kind, tally) in &outcome.tallies {
            println!("{kind:?}: {tally:?}");
        }
        for (what, times) in &outcome.counts {
            println!("{times:>8} {what}");
        }
        println!("{:?}", outcome.samples.last());
    }
    println!("growth of store and memory: {:?}", with.growth(&without));
    assert_eq!(without.faults(&without), [""; 0]);
    assert_eq!(with.faults(&without), [""; 0]);
}

/// What each check looks for is done on purpose.
#[test]
fn each_check_notices_what_it_looks_for() {
    let _alone = alone();
    let town = Town::new(100, heap);
    let short = (130, 20);
    let without = run(&town, short, false, Sabotage::None);
    assert_eq!(without.faults(&without), [""; 0]);
    for (sabotage, noticed) in [
        (Sabotage::NoJoins, &["Join: ", "Waiting: "][..]),
        (Sabotage::NoNonces, &["Nonce: "]),
        (Sabotage::NoPackages, &["Packages: "]),
        (Sabotage::NoRenewals, &["Renewal: "]),
        (Sabotage::NoRemovals, &["Removal: "]),
        (Sabotage::NoRepairs, &["Repair: "]),
        (Sabotage::NoMessages, &["Message: "]),
        (Sabotage::KeepsAll, &["memory: "]),
        (Sabotage::StoresAll, &["store: "]),
    ] {
        // Honest ones clear nothing.
        let with = run(&town, short, sabotage == Sabotage::NoRepairs, sabotage);
        let faults = with.faults(&without);
        for words in noticed {
            let noticed = faults.iter().any(|fault| fault.starts_with(words));
            assert!(noticed, "{sabotage:?}: {faults:?}");
        }
    }
}
