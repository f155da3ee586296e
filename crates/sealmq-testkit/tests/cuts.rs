//! Fixed histories with a process that dies at each of their commits.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};

use sealmq_testkit::sim::{Crashes, Dies, History, Report, play};

/// Plays on every core; what failed comes last.
fn play_all(history: History, all: &[Crashes]) -> (Report, Vec<Crashes>) {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let work = || {
        let mut report = Report::default();
        let mut failed = Vec::new();
        while let Some(crashes) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            match catch_unwind(|| play(history, *crashes)) {
                Ok(one) => report.add(&one),
                Err(_) => failed.push(*crashes),
            }
        }
        (report, failed)
    };
    let (mut all, mut failed) = (Report::default(), Vec::new());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            let (report, more) = thread.join().unwrap();
            all.add(&report);
            failed.extend(more);
        }
    });
    (all, failed)
}

#[test]
fn baseline() {
    for history in [
        History::Joining,
        History::Rotation,
        History::Generations,
        History::Recovery,
    ] {
        if std::env::var("H").is_ok_and(|h| h != format!("{history:?}")) {
            continue;
        }
        let start = std::time::Instant::now();
        let report = play(history, Crashes::Never);
        println!("{history:?} {:?} {report:#?}", start.elapsed());
        let commits = report.totals["commits"];
        let mut all = Vec::new();
        for commit in 0..commits {
            for dies in [Dies::Before, Dies::After, Dies::Later] {
                if dies == Dies::Later && !report.followed.contains(&commit) {
                    continue;
                }
                all.push(Crashes::At {
                    commit,
                    dies,
                    again: None,
                });
            }
        }
        if std::env::var("TWICE").is_ok() {
            for commit in 0..commits {
                for (dies, again) in [
                    (Dies::Before, Dies::After),
                    (Dies::After, Dies::Before),
                    (Dies::Later, Dies::After),
                    (Dies::After, Dies::Later),
                ] {
                    all.push(Crashes::At {
                        commit,
                        dies,
                        again: Some(again),
                    });
                }
            }
        }
        let (_report, failed) = play_all(history, &all);
        println!(
            "{history:?} {:?} {} of {} failed {failed:?}",
            start.elapsed(),
            failed.len(),
            all.len()
        );
    }
}
