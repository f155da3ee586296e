//! Covers that are published in chunks (spec/keys.md §5): a device reads one of them.

use crate::sim::faults::raw_around;
use crate::sim::{PREFIX, Sim, authorities, dump, follow, follow_with, signer};
use sealmq_core::crypto::sha256;
use sealmq_core::object::{Kind, ObjectError, encode};
use sealmq_keys::tree::{Half, cover, leaves};
use sealmq_keys::*;

/// Depth 6, readers 64–95, publishers 96–127; two leaves of each half removed; chunks from two
/// entries on.
fn chunked() -> (Sim, GroupState) {
    let mut sim = Sim::new(6);
    let member = sim.join(70);
    sim.inline_limit = 104;
    sim.removed = vec![66, 81, 100];
    sim.remove(126);
    (sim, member)
}

fn chunk_of(sim: &Sim, state: &GroupState, leaf: u32) -> ChunkRef {
    let authorities = authorities(1);
    let announcement = Announcement::verify(sim.bytes(1), &authorities, PREFIX).unwrap();
    announcement.chunk_for(state.installed().0, leaf).unwrap()
}

#[test]
fn without_the_right_chunk_nothing_changes() {
    let (sim, mut member) = chunked();
    let chunks = &sim.epoch(1).chunks;
    assert!(chunks.len() >= 2);
    let before = dump(&member);
    let wanted = chunk_of(&sim, &member, 70);
    let needs = FollowError::NeedsChunk {
        epoch: 1,
        chunk: wanted,
    };
    assert_eq!(follow(&mut member, sim.bytes(1), 1), Err(needs));
    let right = &chunks[wanted.number as usize];
    assert_eq!(sha256(&[right]), wanted.hash);
    let mut wrong = vec![vec![], vec![0; 70_000], right[52..].to_vec()];
    wrong.extend(chunks.iter().filter(|chunk| *chunk != right).cloned());
    wrong.extend((0..right.len()).step_by(7).map(|at| {
        let mut altered = right.clone();
        altered[at] ^= 1;
        altered
    }));
    for chunk in &wrong {
        let result = follow_with(&mut member, sim.bytes(1), 1, Some(chunk));
        assert_eq!(result, Err(FollowError::Chunk));
        assert_eq!(dump(&member), before);
    }
    follow_with(&mut member, sim.bytes(1), 1, Some(right)).unwrap();
    assert!(sim.opens(&member, 1));
}

#[test]
fn every_leaf_finds_its_entry_in_its_chunk_or_nowhere() {
    let mut sim = Sim::new(6);
    let mut members: Vec<(u32, GroupState)> =
        (64..128).map(|leaf| (leaf, sim.join(leaf))).collect();
    sim.inline_limit = 104;
    sim.removed = vec![64, 65, 66, 81, 100];
    sim.remove(127);
    sim.rotate();
    for (leaf, member) in &mut members {
        let removed = sim.removed.contains(leaf);
        let first = sim.catch_up(member, 1);
        if removed {
            assert_eq!(first, Err(FollowError::NotCovered), "leaf {leaf}");
            // Nor does any other chunk help.
            for chunk in &sim.epoch(1).chunks {
                assert!(follow_with(member, sim.bytes(1), 1, Some(chunk)).is_err());
            }
            assert!(sim.catch_up(member, 2).is_err());
        } else {
            sim.catch_up(member, 2).unwrap();
            assert!(sim.opens(member, 1) && sim.opens(member, 2), "leaf {leaf}");
        }
    }
}

/// A chunk that hashes as announced and breaks the rules for entries: the authority is faulty.
#[test]
fn chunks_keep_to_their_bounds() {
    let (sim, mut member) = chunked();
    let good: &'static [u8] = sim.bytes(1).to_vec().leak();
    let head = *Announcement::verify(good, &authorities(1), PREFIX)
        .unwrap()
        .head();
    let entry = |node: u32| [&node.to_be_bytes()[..], &[0; 48]].concat();
    let mut check = |nodes: &[u32]| {
        let bytes: Vec<u8> = nodes.iter().flat_map(|node| entry(*node)).collect();
        // Chunks from leaves 68, 72 and 96 on; the member's is the first.
        let references = [(68_u32, sha256(&[&bytes]).0), (72, [1; 32]), (96, [2; 32])];
        let mut list = Vec::new();
        for reference in references {
            list.extend_from_slice(encode(&reference, &mut [0; 40]).unwrap());
        }
        let mut covers = vec![0; 128];
        let covers = encode(&(1_u8, list.as_slice()), &mut covers).unwrap();
        let object = raw_around(Kind::Announcement, &head, &&*covers, &signer(1));
        follow_with(&mut member, &object, 1, Some(&bytes)).unwrap_err()
    };
    let field = FollowError::Object(ObjectError::Field("covers"));
    // Right in form: nothing for leaf 70; or an entry that does not open.
    assert_eq!(check(&[34]), FollowError::NotCovered);
    assert_eq!(check(&[34, 71]), FollowError::NotCovered);
    assert_eq!(check(&[68, 69, 35]), FollowError::WrongSecret);
    assert_eq!(check(&[17]), FollowError::WrongSecret);
    let bad: [&[u32]; 8] = [
        &[],
        &[35],         // begins at 70
        &[33, 35],     // below the bounds
        &[34, 35, 36], // above them
        &[8],          // wider than them
        &[35, 34],
        &[34, 34],
        &[34, 128],
    ];
    for nodes in bad {
        assert_eq!(check(nodes), field, "{nodes:?}");
    }
    let many: Vec<u32> = vec![34; MAX_CHUNK_ENTRIES + 1];
    assert_eq!(check(&many), FollowError::Chunk);
}

#[test]
fn chunks_have_bounded_size_and_even_length() {
    let mut sim = Sim::new(12);
    // No two neighbours: one entry beside each removed leaf at least.
    sim.removed = leaves(12, Half::Readers).step_by(4).take(200).collect();
    let nodes = cover(12, &sim.removed).len();
    let chunks = nodes.div_ceil(CHUNK_ENTRIES);
    for (limit, count) in [
        (usize::MAX, 0),
        (nodes * ENTRY_LEN, 0),
        (nodes * ENTRY_LEN - 1, chunks),
        (INLINE_LIMIT, chunks),
    ] {
        let mut sim = sim.clone();
        sim.inline_limit = limit;
        sim.heal_now();
        let chunks = &sim.epoch(1).chunks;
        assert_eq!(chunks.len(), count);
        let size = |chunk: &Vec<u8>| chunk.len();
        let spread =
            chunks.iter().map(size).max().unwrap_or(0) - chunks.iter().map(size).min().unwrap_or(0);
        assert!(chunks.iter().all(|chunk| chunk.len() <= MAX_CHUNK_LEN));
        assert!(spread <= count * ENTRY_LEN);
    }
    // The shortest cover that is too long for inline still makes two chunks.
    let mut sim = Sim::new(12);
    sim.removed = leaves(12, Half::Readers).step_by(4).take(1).collect();
    while cover(12, &sim.removed).len() * ENTRY_LEN <= INLINE_LIMIT {
        let next = sim.removed.last().unwrap() + 4;
        sim.removed.push(next);
    }
    assert!(cover(12, &sim.removed).len() <= 2 * CHUNK_ENTRIES);
    sim.inline_limit = INLINE_LIMIT;
    sim.heal_now();
    assert_eq!(sim.epoch(1).chunks.len(), 2);
}

/// Scattered removals in a tree as groups begin with: what a small device receives of each, as long as
/// no new generation is due.
#[test]
fn announcements_and_chunks_fit_into_small_packets() {
    const DEPTH: u8 = 16;
    let all: Vec<u32> = leaves(DEPTH, Half::Readers).collect();
    let random = |n: u64| {
        let random = crate::sim::secret(&[0x5ca7, n]);
        let random = u16::from_be_bytes(*random.expose().first_chunk().unwrap());
        all[usize::from(random) % all.len()]
    };
    let (mut largest, mut longest) = (0, 0);
    for count in [1, 3, 10, 30, 100, 300, 900] {
        let mut sim = Sim::new(DEPTH);
        sim.inline_limit = INLINE_LIMIT;
        sim.removed = (1..=count).map(random).collect();
        let entries = cover(DEPTH, &sim.removed).len();
        sim.heal_now();
        let chunks = &sim.epoch(1).chunks;
        let chunk = chunks.iter().map(Vec::len).max().unwrap_or(0);
        let announcement = sim.bytes(1).len();
        println!(
            "{count} removed, {entries} entries: {announcement} bytes, {} chunks of {chunk}",
            chunks.len()
        );
        assert!(entries <= 4096);
        assert_eq!(chunks.is_empty(), entries * ENTRY_LEN <= INLINE_LIMIT);
        assert!(chunks.len() <= MANY_CHUNKS);
        (largest, longest) = (chunk.max(largest), announcement.max(longest));
    }
    // The rest of a packet of 4 KiB is for its topic, and for the filters of a group.
    assert!(largest <= 3848 && longest <= 2560, "{largest}, {longest}");
}

/// What issue 3 asks for: 1,000 of 100,000 members removed at once, through a broker that takes
/// 64 KiB, by a device that has 32 KiB for it.
#[test]
fn a_thousand_scattered_removals_reach_a_device_with_32_kib() {
    const DEPTH: u8 = 18;
    const RAM: usize = 32 * 1024;
    const BROKER: usize = 65_536;
    let mut sim = Sim::new(DEPTH);
    sim.inline_limit = INLINE_LIMIT;
    // Every member has a random leaf, and so have those that are removed: 900 readers and 100
    // publishers.
    let mut next = 0_u64;
    let mut pick = |half: Half| {
        next += 1;
        let all = leaves(DEPTH, half);
        let random = crate::sim::secret(&[0x5ca7, next]);
        let random = u32::from_be_bytes(*random.expose().first_chunk().unwrap());
        all.start + random % (all.end - all.start)
    };
    let mut removed = Vec::new();
    while removed.len() < 1000 {
        let half = Half::ALL[usize::from(removed.len() >= 900)];
        let leaf = pick(half);
        if !removed.contains(&leaf) {
            removed.push(leaf);
        }
    }
    let mut staying: Vec<u32> = (0..8).map(|n| pick(Half::ALL[n % 2])).collect();
    staying.retain(|leaf| !removed.contains(leaf));
    let mut members: Vec<GroupState> = staying.iter().map(|leaf| sim.join(*leaf)).collect();
    let mut gone = [sim.join(removed[0]), sim.join(removed[999])];
    sim.rotate();
    for member in members.iter_mut().chain(&mut gone) {
        sim.catch_up(member, 1).unwrap();
    }
    sim.removed = removed;
    sim.heal_now();
    sim.rotate();

    let (announcement, chunks) = (sim.bytes(2), &sim.epoch(2).chunks);
    let entries: usize = chunks.iter().map(|chunk| chunk.len() / ENTRY_LEN).sum();
    let largest = chunks.iter().map(Vec::len).max().unwrap();
    // Following borrows both objects; storing the new state needs its encoding, and what
    // `encode` holds meanwhile: path keys, and 17 slots of 144 bytes.
    let storing = MAX_STATE_LEN + tree::MAX_PATH_LEN + 17 * 144;
    let needed = announcement.len() + largest + size_of::<GroupState>() + storing;
    println!(
        "{entries} entries in {} chunks; announcement {} bytes, largest chunk {largest}, state {} in memory, {storing} to store it: {needed} bytes",
        chunks.len(),
        announcement.len(),
        size_of::<GroupState>(),
    );
    assert!(entries > 5000);
    assert!(announcement.len() <= BROKER && largest <= MAX_CHUNK_LEN);
    assert!(needed <= RAM, "{needed} bytes");

    for member in &mut members {
        sim.catch_up(member, 2).unwrap();
        sim.catch_up(member, 3).unwrap();
        assert!((1..=3).all(|epoch| sim.opens(member, epoch)));
    }
    for member in &mut gone {
        assert_eq!(sim.catch_up(member, 2), Err(FollowError::NotCovered));
        assert!(sim.catch_up(member, 3).is_err());
        assert!(!sim.opens(member, 2) && !sim.opens(member, 3));
    }
}
