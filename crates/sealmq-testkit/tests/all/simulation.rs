//! Many seeds of the simulation.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use sealmq_core::open::Rejection;
use sealmq_testkit::sim::{Report, Settings, run};

const STEPS: u64 = 500;

/// Every fault of the simulation.
const FAULTS: [&str; 35] = [
    "critical extension",
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
    "move to another topic",
    "inject clear text",
    "inject another form",
    "flood",
    "a reader publishes",
    "forged epoch",
    "a device's store is put back",
    "the authority's store is put back",
    "crash before a commit",
    "crash after a commit",
    "a member sleeps",
    "the authority is down",
    "withheld successor",
    "short log",
    "forged log entries",
    "extreme numbers",
    "withheld welcome",
    "old will put back",
    "retained value as live",
    "a member is switched off",
    "withheld list of kept keys",
    "old value given again",
    "forged record",
];

/// All but `RandomFailed` and `NoClock`: random numbers and clocks of the simulation do not fail.
const MEMBER_EVENTS: [&str; 12] = [
    "Joined",
    "Epoch",
    "Removed",
    "NeedsWelcome",
    "Behind",
    "Recovered",
    "Rollback",
    "Fork",
    "Delegation",
    "Credential",
    "SenderKnown",
    "BadReserved",
];

/// All but `JoinRefused`: devices are enrolled by file here.
const AUTHORITY_EVENTS: [&str; 16] = [
    "Epoch",
    "Heartbeat",
    "GenerationStarted",
    "Moving",
    "GenerationEnded",
    "Enrolled",
    "Renewed",
    "DelegationEnds",
    "Resumed",
    "RolledBack",
    "StoreIsOld",
    "Fork",
    "Removed",
    "Confirmed",
    "Packages",
    "Refused",
];

/// What shows that the checks had something to check.
const TOTALS: [&str; 39] = [
    "chunks that hosts fetch",
    "critical extensions refused",
    "authorities of a later version",
    "accepted",
    "accepted of a removed member within the latency",
    "up to date",
    "heard",
    "floors compared",
    "marks compared",
    "forks shown to a member",
    "envelopes shown to removed members",
    "pools tried",
    "removed together",
    "enrolled after the backup",
    "backups that the broker shows",
    "backups that the broker does not show",
    "delegations renewed",
    "delegations continued",
    "delegations not continued",
    "state accepted with a credential of before a renewal",
    "state accepted with kept keys of before a renewal",
    "values sealed again",
    "values accepted, live",
    "values accepted, retained",
    "values read in the end",
    "values read by who joined in the end",
    "values that their publishers still had",
    "late readers searched",
    "removed members searched for keys of state",
    "keys replaced",
    "short logs refused",
    "forged log entries refused",
    "members compared after a restore",
    "stores copied",
    "wills accepted, live",
    "wills accepted, retained",
    "records published",
    "records published again",
    "sealed in the short form",
];

/// What sensors have to do beside hosts.
const SENSORS: [&str; 12] = [
    "a sensor joined",
    "a sensor published",
    "a sensor opened",
    "a sensor refused a message",
    "a sensor refused an object",
    "refused lists that sensors fetch",
    "chunks that sensors fetch",
    "a sensor lost power",
    "a sensor lost power within a commit",
    "a sensor was removed",
    "a sensor's message heard",
    "envelopes shown to removed sensors",
];

const SENSOR_EVENTS: [&str; 11] = [
    "Delegation",
    "Credential",
    "Joined",
    "Epoch",
    "Filled",
    "LeftOut",
    "Lease",
    "Sender",
    "Session",
    "List",
    "Kept",
];

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

/// What has to occur, and what did.
fn assert_occurred(what: &str, expected: &[&str], counted: &BTreeMap<String, u64>) {
    let missing: Vec<_> = expected
        .iter()
        .filter(|name| !counted.contains_key(**name))
        .collect();
    assert!(
        missing.is_empty(),
        "{what} that never occurred: {missing:?}"
    );
}

/// `SEALMQ_SIM_DIGESTS` names a file for the digests of all seeds, by which builds are compared.
/// `SEALMQ_SIM_SEEDS` is how many seeds are played, `SEALMQ_SIM_FIRST` the first one. What has to
/// occur is asked for from five hundred seeds on.
#[test]
fn nothing_goes_back_or_leaks_whatever_the_broker_does() {
    let first = number("SEALMQ_SIM_FIRST", 0);
    let seeds = number("SEALMQ_SIM_SEEDS", 1000);
    let settings: Vec<Settings> = (first..first + seeds)
        .map(|seed| Settings::hostile(seed, STEPS))
        .collect();
    let mut report = play(&settings);
    let digests = std::mem::take(&mut report.digests);
    if let Some(file) = std::env::var_os("SEALMQ_SIM_DIGESTS") {
        let line = |(seed, digest)| format!("{seed} {digest}\n");
        let lines: String = digests.iter().map(line).collect();
        std::fs::write(file, lines).unwrap();
    }
    println!("{seeds} seeds of {STEPS} steps: {report:#?}");
    if seeds < 500 {
        return;
    }
    assert_occurred("faults", &FAULTS, &report.faults);
    assert_occurred("rejections", &Rejection::NAMES, &report.rejections);
    assert_occurred("member events", &MEMBER_EVENTS, &report.member_events);
    assert_occurred(
        "authority events",
        &AUTHORITY_EVENTS,
        &report.authority_events,
    );
    assert_occurred("what else", &TOTALS, &report.totals);
    assert_occurred("what sensors do", &SENSORS, &report.totals);
    assert_occurred("sensor events", &SENSOR_EVENTS, &report.sensor_events);
}
