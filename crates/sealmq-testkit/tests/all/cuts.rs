//! Fixed histories, each played once for every commit of every store in it, with a process that
//! dies there: before the commit is durable, after it, and after a part of what follows went out.
//!
//! `SEALMQ_CUT` is the number of the only commit to die at.

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

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

/// One crash in each way at each commit, and two at every fifth.
fn cuts(whole: &Report) -> Vec<Crashes> {
    let only = std::env::var("SEALMQ_CUT").ok();
    let only: Option<u64> = only.map(|text| text.parse().unwrap());
    let mut cuts = Vec::new();
    for commit in (0..whole.totals["commits"]).filter(|at| only.is_none_or(|only| only == *at)) {
        let at = |dies, again| Crashes::At {
            commit,
            dies,
            again,
        };
        cuts.extend([at(Dies::Before, None), at(Dies::After, None)]);
        if whole.followed.contains(&commit) {
            cuts.push(at(Dies::Later, None));
        }
        if commit % 5 == 0 {
            cuts.push(match commit / 5 % 4 {
                0 => at(Dies::Before, Some(Dies::After)),
                1 => at(Dies::After, Some(Dies::Before)),
                2 => at(Dies::After, Some(Dies::Later)),
                _ => at(Dies::Later, Some(Dies::After)),
            });
        }
    }
    cuts
}

/// `expected` is what has to happen in the history, and what has to be committed.
fn survives_every_cut(history: History, expected: &[&str]) {
    let start = Instant::now();
    let whole = play(history, Crashes::Never);
    let happened: BTreeSet<&str> = [
        &whole.totals,
        &whole.authority_events,
        &whole.member_events,
        &whole.commits,
    ]
    .into_iter()
    .flat_map(|counts| counts.keys().map(String::as_str))
    .collect();
    let missing: Vec<_> = expected
        .iter()
        .filter(|e| !happened.contains(**e))
        .collect();
    assert!(missing.is_empty(), "{missing:?} is not in {happened:#?}");

    let cuts = cuts(&whole);
    let (report, failed) = play_all(history, &cuts);
    println!(
        "{history:?}: {} commits, {} runs, {:.1?}; {:?}",
        whole.totals["commits"],
        cuts.len(),
        start.elapsed(),
        report.faults
    );
    assert!(failed.is_empty(), "failed: {failed:?}");
    // Each run died where it had to.
    let twice = |cut: &&Crashes| matches!(cut, Crashes::At { again: Some(_), .. });
    let least = cuts.len() as u64;
    let most = least + cuts.iter().filter(twice).count() as u64;
    let deaths: u64 = report.faults.values().sum();
    assert!(
        (least..=most).contains(&deaths),
        "{deaths} of {least} to {most}"
    );
}

#[test]
fn joining_survives_a_crash_at_every_commit() {
    survives_every_cut(
        History::Joining,
        &[
            // The authority's.
            "authority writes authority/domain",
            "authority writes authority/group",
            "authority writes authority/member",
            "made tokens",
            "revoked a token",
            "approved",
            "rejected",
            "JoinRefused",
            "Enrolled",
            "Confirmed",
            "Packages",
            "Renewed",
            "renewed a credential",
            "Heartbeat",
            "epoch: Created",
            "epoch: Welcomes",
            // The devices'.
            "joining refused",
            "device writes member/identity",
            "device writes member/domain",
            "device writes member/device",
            "device writes member/package",
            "device deletes member/package",
            "device writes member/credential",
            "device writes member/refused-request",
            "device writes group/welcome",
            "device writes group/state",
            "device writes peer",
            "device writes replay",
        ],
    );
}

#[test]
fn rotations_and_removals_survive_a_crash_at_every_commit() {
    survives_every_cut(
        History::Rotation,
        &[
            "rotated",
            "healed",
            "removed members",
            "epoch: Rotation",
            "epoch: Healing",
            "epoch: Removal",
            "epoch: Scheduled",
            "epoch: Welcomes",
            "epoch with chunks",
            "authority writes outbox/_sealmq/sim/g/c",
            "authority writes outbox/_sealmq/sim/g/r",
            "authority clears outbox/_sealmq/sim/g/a",
            "authority deletes outbox/_sealmq/sim/g/a",
            "Heartbeat",
            "Behind",
            "Removed",
            "device writes group/announcement",
            "device deletes group/announcement",
            "device writes group/refused",
        ],
    );
}

#[test]
fn new_generations_survive_a_crash_at_every_commit() {
    survives_every_cut(
        History::Generations,
        &[
            "began a generation",
            "GenerationStarted",
            "Moving",
            "GenerationEnded",
            "a generation's deadline has passed",
            "removed members",
            "Packages",
            "Confirmed",
            "device writes group/welcome",
            "device writes member/package",
            "device deletes member/package",
        ],
    );
}

#[test]
fn new_keys_and_backups_survive_a_crash_at_every_commit() {
    survives_every_cut(
        History::Recovery,
        &[
            "renewed the delegation",
            "replaced the keys",
            "StoreIsOld",
            "resumed",
            "enrolled after the backup",
            "epoch: Delegation",
            "authority writes authority/suspended",
            "authority deletes authority/suspended",
            "authority writes outbox/_sealmq/sim/delegation",
            "Delegation",
            "Credential",
            "Recovered",
            "device writes member/domain",
            "device writes member/credential",
            "device deletes group/refused",
        ],
    );
}
