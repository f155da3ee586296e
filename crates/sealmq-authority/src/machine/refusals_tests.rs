use alloc::collections::{BTreeMap, BTreeSet};

use super::*;

/// Stands in for the chunk's hash: millions of them are made.
fn digest(run: &[Refusal]) -> u64 {
    let numbers = run.iter().map(|one| u64::from(one.member.0));
    numbers.fold(0xcbf2_9ce4_8422_2325, |hash, number| {
        (hash ^ number).wrapping_mul(0x0100_0000_01b3)
    })
}

const YEAR: u64 = 365 * 86400;
const DAY: u64 = 86400;

/// What readers have to be told after a change of the list: chunks that are new, and all of them.
struct Told {
    changed: usize,
    chunks: usize,
}

/// A list as the authority keeps it from one epoch to the next.
#[derive(Default)]
struct List {
    records: BTreeMap<u32, u64>,
    chunks: Vec<(u32, u64)>,
}

impl List {
    fn publish(&mut self, now: u64) -> Told {
        let now = now.saturating_sub(now % WEEK);
        self.records.retain(|_, end| *end >= now);
        let refusals: Vec<Refusal> = self
            .records
            .keys()
            .map(|member| Refusal {
                member: MemberNumber(*member),
                lowest_serial: REMOVED,
            })
            .collect();
        let before: Vec<u32> = self.chunks.iter().map(|(first, _)| *first).collect();
        let cut = cut(&refusals, &before);
        check(&refusals, &cut);
        let chunks: Vec<(u32, u64)> = cut
            .iter()
            .map(|(first, run)| (*first, digest(run)))
            .collect();
        let known: BTreeSet<_> = self.chunks.iter().copied().collect();
        let told = Told {
            changed: chunks.iter().filter(|c| !known.contains(*c)).count(),
            chunks: chunks.len(),
        };
        self.chunks = chunks;
        told
    }
}

/// Every record is in the one chunk whose bounds it is in, and each chunk fits.
fn check(refusals: &[Refusal], cut: &[(u32, &[Refusal])]) {
    let all: Vec<Refusal> = cut
        .iter()
        .flat_map(|(_, run)| run.iter().copied())
        .collect();
    assert!(all == refusals);
    for (n, (first, run)) in cut.iter().enumerate() {
        assert!((1..=MAX_REFUSED_RUN).contains(&run.len()));
        assert!(run[0].member.0 >= *first);
        let last = run.last().unwrap().member.0;
        assert!(
            cut.get(n.saturating_add(1))
                .is_none_or(|(next, _)| last < *next && first < next)
        );
    }
    assert!(cut.first().is_none_or(|(first, _)| *first == 1));
    // 36 bytes each, in an object below 64 KiB.
    assert!(cut.len() <= 1800, "{} chunks", cut.len());
}

/// A number like a random one.
fn mixed(n: u32) -> u32 {
    n.wrapping_mul(0x9e37_79b1) ^ n.wrapping_mul(0x85eb_ca6b).rotate_left(13)
}

#[test]
fn a_million_members_are_removed_in_ten_years() {
    let mut list = List::default();
    let (mut number, mut most, mut changed) = (0_u32, 0, 0);
    for day in 0..3650 {
        let now = DAY.saturating_mul(day);
        // A device lives for some years, and its credential for a year.
        for _ in 0..274 {
            number += 1;
            list.records.insert(
                number.saturating_mul(3) % 3_000_017,
                now.saturating_add(YEAR),
            );
        }
        // With every rotation; all that changes is what came and what ended.
        if day % 28 == 0 {
            let told = list.publish(now);
            most = most.max(told.chunks);
            changed += told.changed;
        }
    }
    assert!(number >= 1_000_000);
    // 100,000 at a time: records end with their credentials.
    assert!(most < 200, "{most} chunks");
    assert!(list.records.len() < 110_000);
    assert!(changed < 131 * 200);
}

#[test]
fn a_removal_changes_one_chunk_or_two() {
    let mut list = List::default();
    for n in 1..=50_000 {
        list.records.insert(mixed(n) % (1 << 28) + 1, YEAR);
    }
    list.publish(0);
    let mut changed = 0;
    for n in 1..=100 {
        list.records
            .insert(mixed(500_000 + n) % (1 << 28) + 1, YEAR);
        let told = list.publish(DAY);
        assert!(told.changed <= 3, "{}", told.changed);
        changed += told.changed;
    }
    assert!(changed < 150, "{changed}");
    assert_eq!(list.publish(DAY).changed, 0);
}

#[test]
fn a_million_records_at_a_time_fit() {
    for sparse in [false, true] {
        let mut list = List::default();
        for n in 1..=1_000_000_u32 {
            let member = if sparse {
                mixed(n) % ((1 << 28) - 1) + 1
            } else {
                n
            };
            list.records.insert(member, YEAR);
            if n % 200_000 == 0 {
                list.publish(0);
            }
        }
        let told = list.publish(0);
        assert!(told.chunks > 900, "{}", told.chunks);
    }
}

#[test]
fn chunks_are_joined_when_their_records_have_ended() {
    let mut list = List::default();
    for n in 1..=20_000 {
        list.records.insert(n, if n % 40 == 0 { YEAR } else { DAY });
    }
    assert!(list.publish(0).chunks >= 20);
    let told = list.publish(30 * DAY);
    assert_eq!((told.chunks, list.records.len()), (1, 500));
}
