//! Random histories with members in both halves, deliveries out of order, restarts and removals,
//! against what the history says each member may open.

use crate::sim::{Sim, dump, secret};
use sealmq_keys::tree::leaves;
use sealmq_keys::{FollowError, GroupState, tree::Half};

/// A small deterministic generator: the same walks in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 += 1;
        let bytes = secret(&[self.0]);
        u64::from_be_bytes(*bytes.expose().first_chunk().unwrap()) % bound
    }
}

struct Member {
    state: GroupState,
    leaf: u32,
    joined: u64,
    /// The healing epoch that left it out.
    removed: Option<u64>,
}

impl Member {
    fn deliver(&mut self, sim: &Sim, epoch: u64) {
        let result = sim.catch_up(&mut self.state, epoch);
        let covered = self.removed.is_none_or(|removed| epoch < removed);
        match result {
            Ok(_) => assert!(epoch >= self.joined && covered),
            Err(FollowError::TooOld) => assert!(epoch < self.state.base_epoch()),
            Err(FollowError::NotCovered) => assert!(!covered),
            Err(error) => panic!("leaf {}, epoch {epoch}: {error}", self.leaf),
        }
    }

    fn check(&self, sim: &Sim) {
        let current = self.state.current_epoch();
        for epoch in 1..sim.next_epoch() {
            if sim.opens(&self.state, epoch) {
                assert!(epoch >= self.joined);
                assert!(epoch + u64::from(sim.policy.window) >= current);
                assert!(self.removed.is_none_or(|removed| epoch < removed));
            }
        }
    }
}

fn walk(seed: u64) {
    let mut random = Random(seed << 32);
    let mut sim = Sim::new(5);
    sim.policy.window = u8::try_from(random.below(5)).unwrap();
    let mut members: Vec<Member> = Vec::new();
    let mut free: Vec<u32> = Half::ALL.iter().flat_map(|half| leaves(5, *half)).collect();

    for _ in 0..120 {
        match random.below(10) {
            0 | 1 if !free.is_empty() => {
                let leaf =
                    free.swap_remove(usize::try_from(random.below(free.len() as u64)).unwrap());
                let joined = sim.next_epoch();
                members.push(Member {
                    state: sim.join(leaf),
                    leaf,
                    joined,
                    removed: None,
                });
            }
            2 => {
                let index = random.below(4 + members.len() as u64);
                match members.get_mut(usize::try_from(index).unwrap()) {
                    Some(member) if member.removed.is_none() => {
                        member.removed = Some(sim.remove(member.leaf));
                    }
                    _ => _ = sim.heal_now(),
                }
            }
            3 | 4 => _ = sim.rotate(),
            5 => {
                for member in &mut members {
                    member.state = GroupState::decode(&dump(&member.state)).unwrap();
                }
            }
            // Someone receives the newest, or anything retained.
            _ => {
                let newest = sim.next_epoch() - 1;
                let retained = (u64::from(sim.policy.window) + 1).min(newest);
                if members.is_empty() || newest == 0 {
                    continue;
                }
                let index = usize::try_from(random.below(members.len() as u64)).unwrap();
                let epoch = newest - random.below(retained);
                members[index].deliver(&sim, epoch);
                members[index].check(&sim);
            }
        }
    }
    if sim.cover_nodes(true).is_empty() {
        return;
    }
    let newest = sim.rotate();
    for member in &mut members {
        member.deliver(&sim, newest);
        member.check(&sim);
        assert_eq!(sim.opens(&member.state, newest), member.removed.is_none());
    }
}

#[test]
fn random_walks() {
    for seed in 0..6 {
        walk(seed);
    }
}
