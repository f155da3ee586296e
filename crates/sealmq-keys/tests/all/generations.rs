//! Two generations side by side (spec/keys.md §6): members move one by one, nobody else notices.

use crate::sim::{Sim, dump};
use sealmq_keys::*;

/// Publishes the next epoch and lets everybody catch up; what each one says to it.
fn all(sim: &Sim, members: &mut [&mut GroupState]) -> Vec<Result<(), FollowError>> {
    let epoch = sim.next_epoch() - 1;
    let mut results = Vec::new();
    for member in members {
        let result = sim.catch_up(member, epoch).map(|_| ());
        assert_eq!(sim.opens(member, epoch), result.is_ok());
        results.push(result);
    }
    results
}

#[test]
fn members_of_two_trees_follow_the_same_announcements() {
    for inline_limit in [usize::MAX, 52] {
        let mut sim = Sim::new(4);
        sim.inline_limit = inline_limit;
        let (mut stays, mut moves) = (sim.join(17), sim.join(18));
        let (mut removed_old, mut removed_new) = (sim.join(20), sim.join(21));
        let mut publisher = sim.join(26);
        sim.remove(16);
        sim.rotate();
        for member in [
            &mut stays,
            &mut moves,
            &mut removed_old,
            &mut removed_new,
            &mut publisher,
        ] {
            sim.catch_up(member, 2).unwrap();
        }

        // Epoch 3: the new tree is there, and the first members are in it.
        sim.new_generation(5);
        assert_eq!(moves.reinstall(sim.welcome(33)), Ok(Installed::Moved));
        assert_eq!(removed_new.reinstall(sim.welcome(40)), Ok(Installed::Moved));
        assert!(sim.opens(&moves, 1) && sim.opens(&moves, 2));
        let mut new_publisher = sim.join(60);
        sim.rotate();
        let everybody = [
            &mut stays,
            &mut moves,
            &mut removed_old,
            &mut removed_new,
            &mut publisher,
            &mut new_publisher,
        ];
        let mut everybody = everybody;
        assert_eq!(all(&sim, &mut everybody), [Ok(()); 6]);
        // The window reaches into the time before the move.
        assert!(sim.opens(everybody[1], 2));

        // Epoch 4 heals both trees, 5 is ordinary.
        sim.heal_now();
        assert_eq!(all(&sim, &mut everybody), [Ok(()); 6]);
        sim.rotate();
        assert_eq!(all(&sim, &mut everybody), [Ok(()); 6]);

        // Epoch 6 removes one member that has not moved, and one from both its leaves.
        sim.old.as_mut().unwrap().removed.extend([20, 21]);
        sim.remove(40);
        let gone = Err(FollowError::NotCovered);
        let expected = [Ok(()), Ok(()), gone, gone, Ok(()), Ok(())];
        assert_eq!(all(&sim, &mut everybody), expected);
        // And neither comes back with an ordinary epoch.
        sim.rotate();
        let results = all(&sim, &mut everybody);
        assert!(results[2].is_err() && results[3].is_err());
        assert!([0, 1, 4, 5].iter().all(|at| results[*at].is_ok()));

        // Epoch 8: the old tree ends; who has not moved needs a welcome, and gets on with it.
        sim.old = None;
        let mut late = GroupState::decode(&dump(&stays)).unwrap();
        sim.rotate();
        assert_eq!(sim.catch_up(&mut stays, 8), Err(FollowError::NotCovered));
        assert_eq!(
            sim.catch_up(&mut publisher, 8),
            Err(FollowError::NotCovered)
        );
        sim.catch_up(&mut moves, 8).unwrap();
        sim.catch_up(&mut new_publisher, 8).unwrap();
        assert_eq!(late.reinstall(sim.welcome(34)), Ok(Installed::Moved));
        sim.heal_now();
        sim.rotate();
        for member in [&mut late, &mut moves, &mut new_publisher] {
            sim.catch_up(member, 10).unwrap();
            assert!(sim.opens(member, 9) && sim.opens(member, 10));
        }
        assert!(sim.opens(&moves, 8) && !sim.opens(&late, 8));
    }
}

/// A welcome of the new generation that arrives late, when the old leaf has followed past it.
#[test]
fn a_late_welcome_moves_a_member_back_and_forth_over_healing() {
    let mut sim = Sim::new(4);
    sim.policy.window = 8;
    let mut member = sim.join(17);
    sim.rotate();
    sim.new_generation(4);
    let welcome = sim.welcome(19);
    sim.heal_now();
    sim.rotate();
    for epoch in 1..=3 {
        sim.catch_up(&mut member, epoch).unwrap();
    }
    assert_eq!(member.reinstall(welcome), Ok(Installed::Moved));
    assert_eq!(member.installed(), (2, 2));
    sim.old = None;
    sim.remove(16);
    sim.rotate();
    sim.catch_up(&mut member, 5).unwrap();
    assert!((1..=5).all(|epoch| sim.opens(&member, epoch)));
}
