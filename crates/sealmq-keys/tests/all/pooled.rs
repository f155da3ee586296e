//! What removed members can compute together (A26, A28, A27), by brute force: every key that they
//! hold, ratcheted in every way that they can, against every entry of every later announcement.

use std::collections::{BTreeMap, BTreeSet};

use crate::sim::{PREFIX, Sim, authorities};
use sealmq_core::crypto::Secret;
use sealmq_keys::tree::{Half, NodeKey, PathKeys, half_of};
use sealmq_keys::{Announcement, EpochSecret, Psk, ReaderSecret};

/// Everything that a set of colluding (former) members has.
#[derive(Default)]
struct Pool {
    /// Candidates for node keys of the epoch that the attack has arrived at.
    keys: BTreeSet<[u8; 32]>,
    reader_secrets: BTreeMap<u64, [u8; 32]>,
    psks: BTreeMap<u64, [u8; 32]>,
}

/// A colluding member: its leaf, and the epochs that it legitimately followed.
struct Insider {
    leaf: u32,
    joined: u64,
    removed: u64,
}

impl Pool {
    fn learn(&mut self, epoch: u64, reader: bool, secret: [u8; 32]) {
        if reader {
            let psk = ReaderSecret::new(Secret::new(secret)).psk();
            self.reader_secrets.insert(epoch, secret);
            self.psks.insert(epoch, *psk.secret().expose());
        } else {
            self.psks.insert(epoch, secret);
        }
    }

    fn try_announcement(&mut self, bytes: &[u8]) {
        let authorities = authorities(1);
        let announcement = Announcement::verify(bytes, &authorities, PREFIX).unwrap();
        let epoch = announcement.head().epoch;
        let mut found = Vec::new();
        for (_, cover) in announcement.covers() {
            for entry in cover.inline().unwrap().iter() {
                for key in &self.keys {
                    let key = NodeKey::new(Secret::new(*key));
                    if let Ok(secret) =
                        key.unwrap(entry.node, announcement.head_hash(), entry.wrapped)
                    {
                        found.push((half_of(entry.node) == Some(Half::Readers), *secret.expose()));
                    }
                }
            }
        }
        for (reader, secret) in found {
            self.learn(epoch, reader, secret);
        }
    }

    /// Every step that the pool can compute: the ordinary one, and after a healing epoch also
    /// with each secret that it knows.
    fn ratchet(&mut self, epoch: u64, healing: bool) {
        let mut heals = Vec::new();
        if let Some(secret) = self.reader_secrets.get(&epoch).filter(|_| healing) {
            heals.push(EpochSecret::Reader(ReaderSecret::new(Secret::new(*secret))).heal());
        }
        if let Some(psk) = self.psks.get(&epoch).filter(|_| healing) {
            heals.push(EpochSecret::Publisher(Psk::new(Secret::new(*psk))).heal());
        }
        let keys = std::mem::take(&mut self.keys);
        for key in keys {
            let key = NodeKey::new(Secret::new(key));
            self.keys.insert(*key.ratchet().expose());
            for heal in &heals {
                self.keys.insert(*key.heal(heal).expose());
            }
        }
    }

    fn add_path(&mut self, path: &PathKeys) {
        for node in sealmq_keys::tree::path_nodes(path.depth(), path.leaf()) {
            self.keys.insert(*path.get(node).unwrap().expose());
        }
    }
}

/// Runs the whole history past the pool.
fn attack(sim: &Sim, insiders: &[Insider]) -> Pool {
    let mut pool = Pool::default();
    for epoch in 1..sim.next_epoch() {
        for insider in insiders {
            // Path keys as the insider has them: all of them, at every epoch of its membership.
            if (insider.joined..insider.removed).contains(&epoch) {
                pool.add_path(&sim.path(insider.leaf, epoch));
                let secret = sim.epoch(epoch).reader_secret();
                match half_of(insider.leaf) {
                    Some(Half::Readers) => pool.learn(epoch, true, *secret.secret().expose()),
                    _ => pool.learn(epoch, false, *secret.psk().secret().expose()),
                }
            }
        }
        pool.try_announcement(sim.bytes(epoch));
        pool.ratchet(epoch, sim.epoch(epoch).healing);
    }
    pool
}

/// Tree of depth 4: readers' leaves 16–23, publishers' 24–31. Three readers and a publisher are
/// removed one after the other, with ordinary epochs between; publisher 24 stays.
fn history(mut sim: Sim) -> (Sim, Vec<Insider>) {
    sim.rotate(); // 1
    sim.rotate(); // 2
    sim.remove(16); // 3
    sim.rotate(); // 4
    sim.remove(19); // 5
    sim.remove(25); // 6: a publisher
    sim.rotate(); // 7
    sim.remove(22); // 8
    sim.rotate(); // 9
    let insiders = [(16, 3), (19, 5), (22, 8), (25, 6), (24, u64::MAX)]
        .map(|(leaf, removed)| Insider {
            leaf,
            joined: 1,
            removed,
        })
        .into();
    (sim, insiders)
}

const LAST_READER_REMOVED: u64 = 8;

fn readable_after_removal(pool: &Pool) -> Vec<u64> {
    pool.reader_secrets
        .keys()
        .copied()
        .filter(|epoch| *epoch >= LAST_READER_REMOVED)
        .collect()
}

#[test]
fn removed_readers_and_a_live_publisher_read_nothing_later() {
    let (sim, insiders) = history(Sim::new(4));
    let pool = attack(&sim, &insiders);
    // The attack works where it must: what the insiders were entitled to is all there.
    assert!((1..LAST_READER_REMOVED).all(|epoch| pool.reader_secrets.contains_key(&epoch)));
    assert!((1..sim.next_epoch()).all(|epoch| pool.psks.contains_key(&epoch)));
    assert_eq!(readable_after_removal(&pool), []);
}

#[test]
fn twin_covers_that_forget_removals_fall_to_the_pool() {
    let mut faulty = Sim::new(4);
    faulty.forgets_removals = true;
    let (sim, insiders) = history(faulty);
    assert_ne!(readable_after_removal(&attack(&sim, &insiders)), []);
}

#[test]
fn twin_a_shared_heal_secret_falls_to_the_live_publisher() {
    let mut faulty = Sim::new(4);
    faulty.shared_heal = true;
    let (sim, insiders) = history(faulty);
    assert_ne!(readable_after_removal(&attack(&sim, &insiders)), []);
    // It is the live publisher that makes the difference.
    let readers: Vec<_> = insiders
        .into_iter()
        .filter(|insider| insider.leaf < 24)
        .collect();
    assert_eq!(readable_after_removal(&attack(&sim, &readers)), []);
}

#[test]
fn removed_publishers_lose_the_psk() {
    let (sim, mut insiders) = history(Sim::new(4));
    insiders.retain(|insider| insider.leaf == 25);
    let pool = attack(&sim, &insiders);
    assert!((1..6).all(|epoch| pool.psks.contains_key(&epoch)));
    assert!(
        pool.psks.keys().all(|epoch| *epoch < 6),
        "{:?}",
        pool.psks.keys()
    );
}

#[test]
fn publishers_never_open_a_reader_secret() {
    let (sim, _) = history(Sim::new(4));
    // Every leaf of the publishers' half at once, for ever.
    let insiders: Vec<_> = (24..32)
        .map(|leaf| Insider {
            leaf,
            joined: 1,
            removed: u64::MAX,
        })
        .collect();
    let pool = attack(&sim, &insiders);
    assert!(pool.reader_secrets.is_empty());
    // And readers' path keys open no entry of the other half: theirs come from their own.
    let readers: Vec<_> = (16..24)
        .map(|leaf| Insider {
            leaf,
            joined: 1,
            removed: u64::MAX,
        })
        .collect();
    let announcement = sim.bytes(1);
    let mut pool = Pool::default();
    for reader in &readers {
        pool.add_path(&sim.path(reader.leaf, 1));
    }
    pool.try_announcement(announcement);
    assert_eq!(pool.reader_secrets.get(&1), Some(&sim.epoch(1).secret));
}

#[test]
fn a_joiner_reads_nothing_from_before() {
    let mut sim = Sim::new(4);
    sim.rotate();
    sim.heal_now();
    sim.rotate();
    let joined = sim.next_epoch();
    sim.rotate();
    sim.rotate();
    let insider = Insider {
        leaf: 17,
        joined,
        removed: u64::MAX,
    };
    let mut pool = Pool::default();
    pool.add_path(&sim.path(insider.leaf, joined));
    for epoch in 1..sim.next_epoch() {
        pool.try_announcement(sim.bytes(epoch));
    }
    // Unratcheted, its keys open the epoch that it joined in, and no other.
    assert!(pool.reader_secrets.keys().eq([&joined]));
    let pool = attack(&sim, &[insider]);
    assert!(
        pool.reader_secrets
            .keys()
            .copied()
            .eq(joined..sim.next_epoch())
    );
}
