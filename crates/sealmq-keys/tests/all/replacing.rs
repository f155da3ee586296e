//! A new delegation against what a thief did with a key of the old one (spec/keys.md §3, §7
//! "Replacing").

use crate::sim::{Epoch, NOW, PREFIX, Sim, authorities, dump, follow};
use sealmq_core::KeyId;
use sealmq_core::crypto::Digest;
use sealmq_core::object::ObjectError;
use sealmq_keys::*;

const READER: u32 = 17;

/// Five epochs; the thief has everything that the authority had, and goes ways of its own.
fn stolen() -> (Sim, Sim, GroupState) {
    let mut sim = Sim::new(4);
    let mut member = sim.join(READER);
    for epoch in 1..=5 {
        sim.rotate();
        sim.follow(&mut member, epoch).unwrap();
    }
    let mut thief = sim.clone();
    thief.salt = 1;
    (sim, thief, member)
}

/// The owner's answer: a new delegation, a new generation, a new welcome.
fn recover(sim: &mut Sim) -> OpenedWelcome {
    sim.serial = 2;
    sim.new_generation(4);
    sim.old = None;
    sim.welcome(18)
}

#[test]
fn a_member_driven_to_the_end_of_the_numbers_comes_back() {
    let (mut sim, mut thief, mut member) = stolen();
    // The thief's epochs go as far as a member follows at once, and its generation to the last.
    let jump = 65_000;
    for n in 0..jump {
        thief.epochs.push(Epoch {
            healing: false,
            secret: [9; 32],
            hash: Digest([if n == 0 { 1 } else { 2 }; 32]),
            bytes: Vec::new(),
            chunks: Vec::new(),
        });
    }
    let far = thief.heal_now();
    assert_eq!(far, 5 + jump + 1);
    thief.follow(&mut member, far).unwrap();
    thief.generation = u32::MAX;
    thief.first_epoch = thief.next_epoch();
    assert_eq!(member.reinstall(thief.welcome(19)), Ok(Installed::Moved));
    let last = thief.rotate();
    thief.follow(&mut member, last).unwrap();
    assert_eq!(member.current_epoch(), last);
    assert_eq!(member.installed(), (u32::MAX, last));

    // Nothing that is signed under the old delegation helps any more.
    let honest = sim.clone().rotate();
    let mut late = sim.clone();
    late.rotate();
    assert!(late.follow(&mut member, honest).is_err());

    let known = thief.epoch(last).hash;
    let welcome = recover(&mut sim);
    assert!(member.is_newer(welcome.fields()));
    let contradiction = Fork {
        epoch: last,
        known,
        other: Digest::ZERO,
    };
    assert_eq!(
        member.reinstall(welcome),
        Ok(Installed::Replaced { contradiction })
    );
    assert_eq!(member.installed(), (2, 6));
    assert_eq!(member.installed_serial(), 2);
    for forged in [far, last] {
        let id = KeyId::of(&thief.epoch(forged).hash);
        assert!(member.by_key_id(&id).is_none());
    }
    sim.rotate();
    sim.heal_now();
    sim.follow(&mut member, 6).unwrap();
    sim.follow(&mut member, 7).unwrap();
    assert!(sim.opens(&member, 6) && sim.opens(&member, 7));

    // A broker serves the forged objects again: nothing happens, nor after a restart.
    member = GroupState::decode(&dump(&member)).unwrap();
    let before = dump(&member);
    for forged in [far, last] {
        let result = follow(&mut member, thief.bytes(forged), 2);
        assert_eq!(result, Err(FollowError::Object(ObjectError::Role)));
    }
    let forged = thief.welcome(20);
    assert!(!member.is_newer(forged.fields()));
    assert_eq!(member.reinstall(forged), Err(InstallError::NotNewer));
    assert_eq!(dump(&member), before);
    sim.rotate();
    sim.follow(&mut member, 8).unwrap();
}

/// The forged epoch is the very one that the authority's next is: the welcome's `previous` fits
/// to both.
#[test]
fn a_forged_next_epoch_is_replaced() {
    let (mut sim, mut thief, mut member) = stolen();
    thief.rotate();
    thief.follow(&mut member, 6).unwrap();
    let welcome = recover(&mut sim);
    assert!(matches!(
        member.reinstall(welcome),
        Ok(Installed::Replaced {
            contradiction: Fork { epoch: 6, .. }
        })
    ));
    assert_eq!(member.current_epoch(), 0);
    sim.rotate();
    sim.follow(&mut member, 6).unwrap();
    assert!(sim.opens(&member, 6));
}

/// Forged epochs below the authority's, with a healing one among them.
#[test]
fn forged_epochs_below_the_welcome_are_replaced() {
    for heals in [false, true] {
        let (mut sim, mut thief, mut member) = stolen();
        if heals {
            thief.heal_now();
        }
        thief.rotate();
        let forged = thief.next_epoch() - 1;
        for epoch in 6..=forged {
            thief.follow(&mut member, epoch).unwrap();
        }
        while sim.next_epoch() <= forged {
            sim.rotate();
        }
        let welcome = recover(&mut sim);
        let known = thief.epoch(forged).hash;
        let other = sim.epoch(forged).hash;
        let contradiction = Fork {
            epoch: forged,
            known,
            other,
        };
        assert_eq!(
            member.reinstall(welcome),
            Ok(Installed::Replaced { contradiction })
        );
        let epoch = sim.rotate();
        sim.follow(&mut member, epoch).unwrap();
        assert!(sim.opens(&member, epoch));
    }
}

/// Behind a gap nothing contradicts a forged epoch. It is not read any more all the same.
#[test]
fn a_forged_epoch_behind_a_gap_does_not_stay() {
    let (mut sim, mut thief, mut member) = stolen();
    thief.rotate();
    thief.follow(&mut member, 6).unwrap();
    let forged = KeyId::of(&thief.epoch(6).hash);
    sim.rotate();
    sim.rotate();
    let welcome = recover(&mut sim);
    assert_eq!(member.reinstall(welcome), Ok(Installed::Moved));
    for _ in 0..2 {
        assert!(member.by_key_id(&forged).is_none());
        assert_eq!(member.current_epoch(), 0, "nothing here is of its chain");
        member = GroupState::decode(&dump(&member)).unwrap();
    }
    let epoch = sim.rotate();
    sim.follow(&mut member, epoch).unwrap();
    assert!(sim.opens(&member, epoch) && member.by_key_id(&forged).is_none());
}

/// Whatever a welcome says of the epochs that the member has, or knows to be ordinary, is compared.
#[test]
fn a_welcome_does_not_heal_what_was_skipped() {
    let mut sim = Sim::new(4);
    let mut member = sim.join(READER);
    for _ in 1..=5 {
        sim.rotate();
    }
    // Epoch 4 is skipped, and 5 says that it did not heal.
    for epoch in [1, 2, 3, 5] {
        sim.follow(&mut member, epoch).unwrap();
    }
    let before = dump(&member);
    for epoch in [5, 6] {
        let mut fork = Sim::new(4);
        for number in 1..epoch {
            if number == 4 {
                fork.heal_now();
            } else {
                fork.rotate();
            }
        }
        // All but the healing epoch is as the member knows it.
        fork.epochs[epoch - 2].hash = sim.epoch(epoch as u64 - 1).hash;
        fork.epochs[4 - 1].hash = match epoch {
            5 => sim.epoch(4).hash,
            _ => Digest([4; 32]),
        };
        fork.new_generation(4);
        let result = member.reinstall(fork.welcome(20));
        assert!(
            matches!(result, Err(InstallError::Fork(Fork { epoch: 4, .. }))),
            "{result:?}"
        );
        assert_eq!(dump(&member), before);
    }
}

/// Before a member has followed anything of the thief's, only its welcome is installed.
#[test]
fn a_forged_welcome_alone_is_replaced() {
    let (mut sim, mut thief, _) = stolen();
    thief.rotate();
    thief.generation = u32::MAX;
    thief.first_epoch = thief.next_epoch();
    let mut member = thief.join(20);
    let welcome = recover(&mut sim);
    assert!(matches!(
        member.reinstall(welcome),
        Ok(Installed::Replaced {
            contradiction: Fork { epoch: 6, .. }
        })
    ));
    sim.rotate();
    sim.follow(&mut member, 6).unwrap();
}

#[test]
fn routine_renewal_replaces_nothing() {
    let (mut sim, _, mut member) = stolen();
    let welcome = recover(&mut sim);
    assert_eq!(member.reinstall(welcome), Ok(Installed::Moved));
    assert!([3, 4, 5].iter().all(|epoch| sim.opens(&member, *epoch)));
    sim.rotate();
    sim.follow(&mut member, 6).unwrap();
    assert!([4, 5, 6].iter().all(|epoch| sim.opens(&member, *epoch)));

    // Under one delegation, and once the new one's announcement was followed, a contradiction is
    // an alarm, and nothing else.
    let mut fork = sim.clone();
    fork.epochs.pop();
    fork.salt = 3;
    fork.rotate();
    fork.rotate();
    sim.rotate();
    sim.follow(&mut member, 7).unwrap();
    let before = dump(&member);
    assert!(matches!(
        member.reinstall(fork.welcome(21)),
        Err(InstallError::Fork(Fork { epoch: 7, .. }))
    ));
    assert_eq!(dump(&member), before);
}

#[test]
fn a_stolen_keys_generation_counts_for_nothing_against_a_serial() {
    let (mut sim, mut thief, mut member) = stolen();
    assert_eq!(member.reinstall(recover(&mut sim)), Ok(Installed::Moved));
    thief.generation = u32::MAX;
    thief.first_epoch = 6;
    let before = dump(&member);
    assert_eq!(
        member.reinstall(thief.welcome(19)),
        Err(InstallError::NotNewer)
    );
    assert_eq!(dump(&member), before);
    // Nor does an announcement that the authority's refers to stop counting.
    let authorities = authorities(2);
    let context = FollowContext {
        authorities: &authorities,
        prefix: PREFIX,
        now: Some(NOW + 1000),
        referenced: None,
        chunk: None,
    };
    let known = member.follow(sim.bytes(5), &context);
    assert_eq!(known, Ok(Followed::AlreadyKnown));
}
