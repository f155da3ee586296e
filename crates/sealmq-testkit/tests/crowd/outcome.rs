//! What came of a run, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::{Kind, Tally};

/// Of the authority, at the end of a second.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Since the beginning.
    pub second: u64,
    /// Bytes of keys and values in its store.
    pub store: usize,
    /// Bytes on the heap of its process, without the store's.
    pub memory: i64,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was asked for, and whether it was done in time.
    pub tallies: BTreeMap<Kind, Tally>,
    /// One for each second.
    pub samples: Vec<Sample>,
    /// What happened, and how often.
    pub counts: BTreeMap<String, u64>,
}

/// Of a hundred requests of each kind, so many have to be done in time.
const IN_TIME: usize = 95;
/// Bytes by which store and memory may grow through the hostile ones, each.
const GROWTH: i64 = 1 << 20;

impl Outcome {
    /// What is wrong with a run, compared with the same one without hostile ones.
    #[must_use]
    pub fn faults(&self, without: &Self) -> Vec<String> {
        let mut faults = Vec::new();
        let kinds = without.tallies.keys().chain(self.tallies.keys());
        for kind in kinds.collect::<BTreeSet<_>>() {
            let Tally {
                all,
                in_time,
                longest,
            } = self.tallies.get(kind).copied().unwrap_or_default();
            if all == 0 || in_time * 100 < all * IN_TIME {
                faults.push(format!(
                    "{kind:?}: {in_time} of {all} in time, the longest that was done {longest} ms"
                ));
            }
        }
        let (store, memory) = self.growth(without);
        for (what, (second, bytes)) in [("store", store), ("memory", memory)] {
            if bytes > GROWTH {
                faults.push(format!(
                    "{what}: {bytes} bytes more after {second} s than without the hostile ones"
                ));
            }
        }
        faults
    }

    /// By how many bytes store and memory are larger than in the other run at most, and when.
    #[must_use]
    pub fn growth(&self, without: &Self) -> ((u64, i64), (u64, i64)) {
        let pairs = || self.samples.iter().zip(&without.samples);
        let store = pairs().map(|(a, b)| (a.second, a.store as i64 - b.store as i64));
        let memory = pairs().map(|(a, b)| (a.second, a.memory - b.memory));
        let most = |(_, bytes): &(u64, i64)| *bytes;
        (
            store.max_by_key(most).unwrap_or_default(),
            memory.max_by_key(most).unwrap_or_default(),
        )
    }
}
