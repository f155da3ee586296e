//! The steps of spec/keys.md §7.

use crate::sim::{NOW, Sim, refused};
use sealmq_core::crypto::{Digest, Secret};
use sealmq_core::object::ObjectError;
use sealmq_core::topic::Topic;
use sealmq_keys::*;

const READER: u32 = 17;
const PUBLISHER: u32 = 26;

#[test]
fn reader_and_publisher_follow() {
    let mut sim = Sim::new(4);
    let mut members = [sim.join(READER), sim.join(PUBLISHER)];
    assert!(
        members
            .iter()
            .all(|m| m.current().is_none() && m.current_epoch() == 0)
    );
    for epoch in 1..8 {
        let healed = epoch % 3 == 0;
        if healed {
            sim.heal_now()
        } else {
            sim.rotate()
        };
        for member in &mut members {
            assert_eq!(
                sim.follow(member, epoch),
                Ok(Followed::Current { epoch, healed })
            );
            assert_eq!(sim.follow(member, epoch), Ok(Followed::AlreadyKnown));
            assert!(sim.opens(member, epoch));
            let current = member.current().unwrap();
            assert_eq!(
                (current.epoch, current.not_after),
                (epoch, NOW + epoch + crate::sim::VALIDITY)
            );
        }
    }
    // Window 2: two epochs back, not three.
    for member in &members {
        assert!(
            (1..8)
                .filter(|epoch| sim.opens(member, *epoch))
                .eq([5, 6, 7])
        );
        assert_eq!(member.name(), "boilers");
        assert_eq!(member.policy(), Some(&sim.policy));
        assert_eq!(member.refused(), Some(&Digest::ZERO));
        assert!(member.covers_topic(Topic::new("plant/x/y").unwrap()));
        assert!(member.covers_topic(Topic::new("site/x/temp").unwrap()));
        assert!(!member.covers_topic(Topic::new("site/x/y").unwrap()));
        assert_eq!(member.filters().count(), 2);
    }
}

#[test]
fn missing_one_to_more_than_the_window() {
    for window in [0, 1, 2, 16] {
        for missed in 1..=u64::from(window) + 2 {
            for leaf in [READER, PUBLISHER] {
                let mut sim = Sim::new(4);
                sim.policy.window = window;
                let mut member = sim.join(leaf);
                sim.rotate();
                sim.follow(&mut member, 1).unwrap();
                for _ in 0..missed {
                    sim.rotate();
                }
                let newest = sim.rotate();
                // The newest comes first; then what was missed, in any order.
                sim.follow(&mut member, newest).unwrap();
                let oldest = newest.saturating_sub(u64::from(window)).max(1);
                assert!(member.missing().eq(oldest.max(2)..newest));
                for epoch in (2..newest).rev() {
                    let result = sim.follow(&mut member, epoch);
                    if epoch >= oldest {
                        assert_eq!(result, Ok(Followed::Filled { epoch }));
                    } else {
                        assert_eq!(result, Err(FollowError::TooOld));
                    }
                }
                let open = (1..=newest).filter(|epoch| sim.opens(&member, *epoch));
                assert!(open.eq(oldest..=newest), "window {window}, missed {missed}");
                assert_eq!(member.current_epoch(), newest);
            }
        }
    }
}

#[test]
fn healing_chains_are_asked_for_and_replayed_in_order() {
    for leaf in [READER, PUBLISHER] {
        let mut sim = Sim::new(4);
        let mut member = sim.join(leaf);
        sim.rotate();
        sim.follow(&mut member, 1).unwrap();
        let mut healings = Vec::new();
        for round in 0..6 {
            for _ in 0..round {
                sim.rotate();
            }
            healings.push(sim.remove(if round % 2 == 0 {
                20 + round / 2
            } else {
                29 + round / 2
            }));
        }
        sim.rotate();
        let newest = sim.rotate();
        let last = *healings.last().unwrap();
        assert_eq!(
            refused(&mut member, sim.bytes(newest)),
            FollowError::NeedsHealing {
                epoch: last,
                hash: sim.epoch(last).hash
            }
        );
        assert_eq!(sim.catch_up(&mut member, newest), Ok(healings));
        assert!(sim.opens(&member, newest));
        assert_eq!(member.last_healing(), (last, sim.epoch(last).hash));
    }
}

#[test]
fn a_skipped_epoch_between_healings_is_filled() {
    let mut sim = Sim::new(4);
    sim.policy.window = 8;
    let mut member = sim.join(READER);
    sim.rotate(); // 1
    sim.heal_now(); // 2
    sim.rotate(); // 3
    sim.rotate(); // 4
    sim.heal_now(); // 5
    sim.rotate(); // 6
    sim.rotate(); // 7
    assert_eq!(sim.catch_up(&mut member, 7), Ok(vec![2, 5]));
    for epoch in [3, 6, 1, 4] {
        assert_eq!(
            sim.follow(&mut member, epoch),
            Ok(Followed::Filled { epoch })
        );
    }
    assert!((1..=7).all(|epoch| sim.opens(&member, epoch)));
    assert_eq!(member.missing().count(), 0);
}

#[test]
fn a_removed_member_stays_as_it_is() {
    for leaf in [READER, PUBLISHER] {
        let mut sim = Sim::new(4);
        let mut member = sim.join(leaf);
        sim.rotate();
        sim.follow(&mut member, 1).unwrap();
        sim.remove(leaf);
        sim.rotate();
        assert_eq!(refused(&mut member, sim.bytes(2)), FollowError::NotCovered);
        assert!(matches!(
            refused(&mut member, sim.bytes(3)),
            FollowError::NeedsHealing { epoch: 2, .. }
        ));
        assert_eq!(sim.catch_up(&mut member, 3), Err(FollowError::NotCovered));
        assert_eq!(member.current_epoch(), 1);
    }
}

#[test]
fn a_generation_that_is_not_covered() {
    let mut sim = Sim::new(4);
    let mut member = sim.join(READER);
    sim.generation = 2;
    sim.rotate();
    assert_eq!(refused(&mut member, sim.bytes(1)), FollowError::NotCovered);
}

#[test]
fn a_healing_epoch_that_left_the_window_is_remembered() {
    let mut sim = Sim::new(4);
    sim.policy.window = 1;
    let mut member = sim.join(READER);
    sim.rotate();
    sim.heal_now();
    for epoch in 1..=8 {
        if epoch > 2 {
            sim.rotate();
        }
        sim.follow(&mut member, epoch).unwrap();
    }
    assert_eq!(member.last_healing(), (2, sim.epoch(2).hash));
    sim.heal_now();
    sim.follow(&mut member, 9).unwrap();
    assert_eq!(member.last_healing(), (9, sim.epoch(9).hash));
}

#[test]
fn a_tree_does_not_change_its_depth() {
    let mut sim = Sim::new(4);
    let mut member = sim.join(READER);
    sim.depth = 5;
    sim.rotate();
    let error = FollowError::Object(ObjectError::Field("generations"));
    assert_eq!(refused(&mut member, sim.bytes(1)), error);
}

#[test]
fn catching_up_is_bounded() {
    let mut sim = Sim::new(2);
    let mut member = sim.join(4);
    sim.rotate();
    let secret = ReaderSecret::new(Secret::new([1; 32]));
    let ahead = |epoch| {
        sim.build(false, &secret, |head| {
            head.epoch = epoch;
            head.previous = Digest([1; 32]);
        })
    };
    assert_eq!(
        refused(&mut member, &ahead(1 + MAX_CATCH_UP + 1)),
        FollowError::TooFar
    );
    assert_eq!(refused(&mut member, &ahead(u64::MAX)), FollowError::TooFar);
    // At the bound it is tried: the key of epoch 2 is not the one of epoch 65537.
    assert_eq!(
        refused(&mut member, &ahead(1 + MAX_CATCH_UP)),
        FollowError::WrongSecret
    );
}

#[test]
fn windows_shrink_and_grow() {
    let mut sim = Sim::new(4);
    sim.policy.window = 6;
    let mut member = sim.join(READER);
    for epoch in 1..=8 {
        if epoch % 4 == 0 {
            sim.heal_now()
        } else {
            sim.rotate()
        };
        sim.follow(&mut member, epoch).unwrap();
    }
    let open = |member: &GroupState, sim: &Sim| -> Vec<u64> {
        (1..sim.next_epoch())
            .filter(|epoch| sim.opens(member, *epoch))
            .collect()
    };
    assert_eq!(open(&member, &sim), [2, 3, 4, 5, 6, 7, 8]);
    sim.policy.window = 1;
    sim.rotate();
    sim.follow(&mut member, 9).unwrap();
    assert_eq!(open(&member, &sim), [8, 9]);
    assert_eq!(member.base_epoch(), 8);
    sim.policy.window = 16;
    sim.rotate();
    sim.follow(&mut member, 10).unwrap();
    // What was deleted does not come back.
    assert_eq!(open(&member, &sim), [8, 9, 10]);
    assert_eq!(sim.follow(&mut member, 7), Err(FollowError::TooOld));
    assert_eq!(member.last_healing(), (8, sim.epoch(8).hash));
}
