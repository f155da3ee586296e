//! What happened in a simulation, counted; and the last steps of one that failed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sealmq_client::ClientError;
use sealmq_core::crypto::Digest;
use sealmq_embedded::SealRefused;
use sealmq_keys::{Change, Changes};

/// How often everything happened, over one or more seeds.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Faults of the broker, of processes and of keys, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Messages refused by members, by reason.
    pub rejections: BTreeMap<String, u64>,
    /// Events of members, by kind.
    pub member_events: BTreeMap<String, u64>,
    /// Events of sensors, by kind.
    pub sensor_events: BTreeMap<String, u64>,
    /// Events of authorities, by kind.
    pub authority_events: BTreeMap<String, u64>,
    /// Messages that were not sealed, by reason.
    pub unsealed: BTreeMap<String, u64>,
    /// Records written and deleted in numbered commits, by kind.
    pub commits: BTreeMap<String, u64>,
    /// Numbers of the commits after which something goes out.
    pub followed: BTreeSet<u64>,
    /// How many messages were not sealed.
    pub(super) refused: u64,
    /// Everything else worth a number.
    pub totals: BTreeMap<String, u64>,
    /// By seed the hash of every byte that was published, and of the numbers above.
    pub digests: BTreeMap<u64, Digest>,
}

fn count(map: &mut BTreeMap<String, u64>, name: &str, times: u64) {
    let entry = map.entry(name.to_owned()).or_default();
    *entry = entry.saturating_add(times);
}

/// A record's key or a topic without its numbers, ids and fingerprints.
fn kind(key: &str) -> String {
    let varies = |part: &&str| {
        let digit = |c: char| c.is_ascii_digit();
        part.chars().all(digit) || (part.len() >= 16 && part.chars().all(|c| c.is_ascii_hexdigit()))
    };
    let parts = key.split('/').filter(|part| !varies(part));
    parts.collect::<Vec<_>>().join("/")
}

/// The name of an enum's variant, from its `Debug` text.
fn variant(event: &impl std::fmt::Debug) -> String {
    let text = format!("{event:?}");
    let end = text.find(|c: char| !c.is_alphanumeric());
    text.get(..end.unwrap_or(text.len()))
        .unwrap_or_default()
        .to_owned()
}

impl Report {
    pub(super) fn fault(&mut self, kind: &str) {
        count(&mut self.faults, kind, 1);
    }

    pub(super) fn rejection(&mut self, reason: &str) {
        count(&mut self.rejections, reason, 1);
    }

    pub(super) fn member_event(&mut self, event: &impl std::fmt::Debug) {
        count(&mut self.member_events, &variant(event), 1);
    }

    pub(super) fn sensor_event(&mut self, event: &impl std::fmt::Debug) {
        count(&mut self.sensor_events, &variant(event), 1);
    }

    pub(super) fn authority_event(&mut self, event: &impl std::fmt::Debug) {
        count(&mut self.authority_events, &variant(event), 1);
    }

    pub(super) fn unsealed(&mut self, error: &ClientError) {
        self.refused += 1;
        let name = match error {
            ClientError::Seal(error) => variant(error),
            error => variant(error),
        };
        count(&mut self.unsealed, &name, 1);
    }

    pub(super) fn unsealed_by_sensor(&mut self, refused: &SealRefused) {
        let name = match refused {
            SealRefused::Obstacle(obstacle) => variant(obstacle),
            refused => variant(refused),
        };
        count(&mut self.unsealed, &format!("{name}, by a sensor"), 1);
    }

    /// Each kind of record counts once per commit.
    pub(super) fn commit(&mut self, authority: bool, changes: &Changes) {
        let who = if authority { "authority" } else { "device" };
        let kinds: BTreeSet<String> = changes
            .iter()
            .filter_map(|change| match change {
                Change::Put { key, value } if value.is_empty() => Some(("clears", key)),
                Change::Put { key, .. } => Some(("writes", key)),
                Change::Delete { key } => Some(("deletes", key)),
                Change::Expect { .. } => None,
            })
            .map(|(does, key)| format!("{who} {does} {}", kind(key)))
            .collect();
        for kind in kinds {
            count(&mut self.commits, &kind, 1);
        }
    }

    pub(super) fn followed(&mut self, commit: u64) {
        self.followed.insert(commit);
    }

    pub(super) fn total(&mut self, name: &str) {
        count(&mut self.totals, name, 1);
    }

    /// Adds another seed's numbers.
    pub fn add(&mut self, other: &Self) {
        let maps = [
            (&mut self.faults, &other.faults),
            (&mut self.rejections, &other.rejections),
            (&mut self.member_events, &other.member_events),
            (&mut self.sensor_events, &other.sensor_events),
            (&mut self.authority_events, &other.authority_events),
            (&mut self.unsealed, &other.unsealed),
            (&mut self.commits, &other.commits),
            (&mut self.totals, &other.totals),
        ];
        self.digests.extend(&other.digests);
        for (into, from) in maps {
            for (name, times) in from {
                count(into, name, *times);
            }
        }
    }
}

/// Steps that are shown when a seed fails.
const SHOWN: usize = 30;

/// Prints the last steps if its thread panics.
pub(super) struct Trace {
    seed: u64,
    /// Whether every event is noted, and all steps are shown.
    verbose: bool,
    steps: VecDeque<String>,
}

impl Trace {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            verbose: std::env::var_os("SEALMQ_SIM_TRACE").is_some(),
            steps: VecDeque::new(),
        }
    }

    pub(super) fn begin(&mut self, step: u64) {
        if self.steps.len() == SHOWN && !self.verbose {
            self.steps.pop_front();
        }
        self.steps.push_back(format!("step {step}:"));
    }

    /// Notes what makes a seed's history understandable, if somebody asked for that.
    pub(super) fn detail(&mut self, text: impl FnOnce() -> String) {
        if self.verbose {
            let text = text();
            self.note(&text);
        }
    }

    pub(super) fn note(&mut self, text: &str) {
        if let Some(last) = self.steps.back_mut() {
            last.push(' ');
            last.push_str(text);
            last.push(';');
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.seed;
            eprintln!(
                "seed {seed} failed; play it again with SEALMQ_SIM_FIRST={seed} SEALMQ_SIM_SEEDS=1 \
                 SEALMQ_SIM_TRACE=1; its last steps:"
            );
            self.steps.iter().for_each(|step| eprintln!("  {step}"));
        }
    }
}
