//! Announcements that contradict what is known (spec/keys.md §7, steps 3 and 5).

use crate::sim::{Sim, refused};
use sealmq_core::crypto::{Digest, Secret};
use sealmq_keys::*;

const READER: u32 = 17;

#[test]
fn forks_are_refused_whichever_way_they_touch() {
    let mut sim = Sim::new(4);
    let mut member = sim.join(READER);
    sim.rotate();
    sim.rotate();
    let mut other = sim.clone();
    sim.follow(&mut member, 1).unwrap();
    other.salt = 1;

    // The same epoch twice.
    sim.rotate();
    other.rotate();
    let three = (sim.epoch(3).hash, other.epoch(3).hash);
    let mut joiner = sim.join(READER); // its welcome names epoch 3
    sim.follow(&mut member, 3).unwrap();
    let fork = FollowError::Fork(Fork {
        epoch: 3,
        known: three.0,
        other: three.1,
    });
    assert_eq!(refused(&mut member, other.bytes(3)), fork);

    // A successor of the other one.
    sim.rotate();
    other.rotate();
    assert_eq!(refused(&mut member, other.bytes(4)), fork);
    assert_eq!(refused(&mut joiner, other.bytes(4)), fork);

    // A predecessor of it, for a skipped epoch.
    sim.rotate();
    sim.follow(&mut member, 5).unwrap();
    let four = (sim.epoch(4).hash, other.epoch(4).hash);
    assert_eq!(
        refused(&mut member, other.bytes(4)),
        // It also contradicts epoch 3; the nearest claim is named first.
        FollowError::Fork(Fork {
            epoch: 4,
            known: four.0,
            other: four.1
        })
    );
    assert_eq!(
        sim.follow(&mut member, 4),
        Ok(Followed::Filled { epoch: 4 })
    );
}

#[test]
fn healing_references_must_agree() {
    let mut sim = Sim::new(4);
    sim.policy.window = 8;
    let mut member = sim.join(READER);
    sim.rotate(); // 1
    sim.heal_now(); // 2
    sim.rotate(); // 3
    for epoch in 1..=3 {
        sim.follow(&mut member, epoch).unwrap();
    }
    let two = sim.epoch(2).hash;
    let secret = ReaderSecret::new(Secret::new([1; 32]));
    let with = |healing_epoch, healing| {
        sim.build(false, &secret, |head| {
            head.healing_epoch = healing_epoch;
            head.healing = healing;
        })
    };
    let other = Digest([1; 32]);
    for (healing_epoch, healing, fork) in [
        // Another hash, an ordinary epoch, an older one, none.
        (
            2,
            other,
            Fork {
                epoch: 2,
                known: two,
                other,
            },
        ),
        (
            1,
            other,
            Fork {
                epoch: 1,
                known: sim.epoch(1).hash,
                other,
            },
        ),
        (
            1,
            sim.epoch(1).hash,
            Fork {
                epoch: 2,
                known: two,
                other: sim.epoch(1).hash,
            },
        ),
        (
            0,
            Digest::ZERO,
            Fork {
                epoch: 2,
                known: two,
                other: Digest::ZERO,
            },
        ),
    ] {
        assert_eq!(
            refused(&mut member, &with(healing_epoch, healing)),
            FollowError::Fork(fork)
        );
    }
    // The last epoch was ordinary.
    let last = sim.epoch(3).hash;
    assert!(matches!(
        refused(&mut member, &with(3, last)),
        FollowError::Fork(_)
    ));
}

#[test]
fn a_late_healing_epoch_contradicts_the_chain() {
    // Two histories that differ in epoch 2 only as far as the member can see: it skipped 2.
    let mut sim = Sim::new(4);
    sim.policy.window = 8;
    let mut member = sim.join(READER);
    sim.rotate();
    let mut other = sim.clone();
    sim.rotate();
    sim.rotate();
    sim.rotate();
    sim.follow(&mut member, 1).unwrap();
    sim.follow(&mut member, 4).unwrap();
    other.heal_now();
    assert!(matches!(
        refused(&mut member, other.bytes(2)),
        FollowError::Fork(Fork { epoch: 2, .. })
    ));
    // And one that says that 2 healed, when the chain says that it did not.
    let mut three = other.clone();
    three.rotate();
    assert!(matches!(
        refused(&mut member, three.bytes(3)),
        FollowError::Fork(Fork { epoch: 3, .. }) | FollowError::NeedsHealing { epoch: 2, .. }
    ));
}

#[test]
fn the_welcome_sets_the_floor() {
    let mut sim = Sim::new(4);
    sim.rotate();
    sim.heal_now();
    let mut fork = sim.clone();
    fork.salt = 1;
    fork.rotate();
    fork.rotate();
    sim.rotate();
    let mut member = sim.join(READER); // epoch 4
    sim.rotate();
    assert_eq!(refused(&mut member, sim.bytes(3)), FollowError::TooOld);
    // The fork of epoch 3 is seen in its successor.
    assert_eq!(
        refused(&mut member, fork.bytes(4)),
        FollowError::Fork(Fork {
            epoch: 3,
            known: sim.epoch(3).hash,
            other: fork.epoch(3).hash
        })
    );
    assert_eq!(member.last_healing(), (2, sim.epoch(2).hash));
    // A healing epoch between the welcome's last one and the welcome.
    let mut healed = sim.clone();
    healed.epochs.pop();
    let secret = ReaderSecret::new(Secret::new([1; 32]));
    let three = healed.epoch(3).hash;
    let bytes = healed.build(false, &secret, |head| {
        (head.healing_epoch, head.healing) = (3, three)
    });
    assert_eq!(
        refused(&mut member, &bytes),
        FollowError::Fork(Fork {
            epoch: 3,
            known: sim.epoch(2).hash,
            other: three
        })
    );
    sim.follow(&mut member, 4).unwrap();
    assert!(sim.opens(&member, 4));
}
