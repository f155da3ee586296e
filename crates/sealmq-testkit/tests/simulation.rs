//! Many seeds of the simulation, and one fixed history with a crash at each of its commits.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use std::sync::atomic::{AtomicU64, Ordering};

use sealmq_testkit::sim::{Crashes, Report, Settings, run};

const STEPS: u64 = 500;

/// Plays all settings, on every core.
fn play(all: &[Settings]) -> Report {
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let work = || {
        let mut report = Report::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed) as usize;
            let Some(settings) = all.get(index) else {
                return report;
            };
            report.add(&run(settings));
        }
    };
    let mut all = Report::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            all.add(&thread.join().unwrap());
        }
    });
    all
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// `SEALMQ_SIM_SEEDS` is how many seeds are played, `SEALMQ_SIM_FIRST` the first one.
#[test]
fn nothing_goes_back_or_leaks_whatever_the_broker_does() {
    let first = number("SEALMQ_SIM_FIRST", 0);
    let seeds = number("SEALMQ_SIM_SEEDS", 100);
    let settings: Vec<Settings> = (first..first + seeds)
        .map(|seed| Settings::hostile(seed, STEPS))
        .collect();
    let report = play(&settings);
    println!("{report:#?}");
    if seeds < 50 {
        return;
    }
    let faults = [
        "drop",
        "delay",
        "duplicate",
        "reorder",
        "replay",
        "withhold",
        "clear",
        "fork",
        "forget retained",
        "flip a bit",
        "cut",
        "crash before a commit",
        "crash after a commit",
    ];
    for fault in faults {
        assert!(report.faults.contains_key(fault), "no {fault}");
    }
    let reasons = [
        "NotSealed",
        "Malformed",
        "Unsupported",
        "UnknownKey",
        "Revoked",
        "Replay",
        "Stale",
        "Own",
        "Rejected",
    ];
    for reason in reasons {
        assert!(report.rejections.contains_key(reason), "no {reason}");
    }
    for event in [
        "Joined",
        "Epoch",
        "Removed",
        "NeedsWelcome",
        "Behind",
        "Rollback",
        "Credential",
    ] {
        assert!(report.member_events.contains_key(event), "no {event}");
    }
    for event in [
        "Epoch",
        "Heartbeat",
        "GenerationStarted",
        "GenerationEnded",
        "Renewed",
        "Removed",
    ] {
        assert!(report.authority_events.contains_key(event), "no {event}");
    }
}

#[test]
fn a_crash_at_each_commit_of_a_history_changes_nothing_in_the_end() {
    let whole = Settings {
        seed: 5,
        steps: 20,
        hostile: false,
        thief: false,
        restores: false,
        crashes: Crashes::Never,
        ..Settings::hostile(5, 20)
    };
    let commits = run(&whole).totals["commits"];
    assert!(commits >= 30, "{commits} commits");
    let cuts = (0..commits).flat_map(|commit| {
        [false, true].map(|durable| Settings {
            crashes: Crashes::At { commit, durable },
            ..whole
        })
    });
    let cuts: Vec<Settings> = cuts.collect();
    let report = play(&cuts);
    assert_eq!(report.faults["crash before a commit"], commits);
    assert_eq!(report.faults["crash after a commit"], commits);
}
