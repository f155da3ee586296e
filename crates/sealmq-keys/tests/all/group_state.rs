//! A group state over its life: new leaves, new generations, storage.

use crate::sim::{Sim, dump};
use sealmq_core::KeyId;
use sealmq_core::crypto::Digest;
use sealmq_core::object::ObjectError;
use sealmq_keys::*;

const READER: u32 = 17;
const PUBLISHER: u32 = 26;

#[test]
fn a_second_generation_keeps_the_window() {
    let mut sim = Sim::new(4);
    let mut member = sim.join(READER);
    sim.rotate();
    sim.heal_now();
    sim.rotate();
    for epoch in 1..=3 {
        sim.follow(&mut member, epoch).unwrap();
    }
    let old = sim.clone();
    sim.generation = 2;
    sim.first_epoch = 4;
    let mut same = sim.clone();
    let welcome = sim.welcome(18);
    assert!(member.is_newer(welcome.fields()));
    member.reinstall(welcome).unwrap();
    assert_eq!(member.installed(), (2, 4));
    assert!((1..=3).all(|epoch| sim.opens(&member, epoch)));
    sim.rotate();
    sim.follow(&mut member, 4).unwrap();
    assert!(
        (1..=4)
            .filter(|epoch| sim.opens(&member, *epoch))
            .eq([2, 3, 4])
    );

    // Twice, or an older one: ignored.
    let mut older = old.clone();
    let before = dump(&member);
    assert_eq!(
        member.reinstall(older.welcome(17)),
        Err(InstallError::NotNewer)
    );
    assert_eq!(
        member.reinstall(same.welcome(18)),
        Err(InstallError::NotNewer)
    );
    assert_eq!(dump(&member), before);
    // Another one for the same epoch, to a later package: the same keys.
    member.reinstall(same.welcome(18)).unwrap();
    assert_eq!(member.installed(), (2, 4));
    assert!((2..=4).all(|epoch| sim.opens(&member, epoch)));
}

#[test]
fn a_welcome_that_arrives_after_its_announcement() {
    let mut sim = Sim::new(4);
    sim.policy.window = 8;
    let mut member = sim.join(READER);
    sim.rotate();
    sim.follow(&mut member, 1).unwrap();
    // A second leaf of the same generation, for epoch 2; the announcements come first.
    let welcome = sim.welcome(18);
    let healing = sim.heal_now();
    sim.rotate();
    for epoch in healing..=3 {
        sim.follow(&mut member, epoch).unwrap();
    }
    member.reinstall(welcome).unwrap();
    assert_eq!(member.current_epoch(), 3);
    // The healing epoch after the welcome is still applied to the new path.
    sim.remove(READER);
    sim.rotate();
    assert_eq!(sim.catch_up(&mut member, 5), Ok(vec![4]));
    assert!((1..=5).all(|epoch| sim.opens(&member, epoch)));
}

#[test]
fn a_gap_between_the_old_leaf_and_the_new() {
    let mut sim = Sim::new(4);
    sim.policy.window = 8;
    let mut member = sim.join(READER);
    for epoch in 1..=8 {
        if epoch == 3 || epoch == 6 {
            sim.heal_now();
        } else {
            sim.rotate();
        }
        if epoch <= 4 {
            sim.follow(&mut member, epoch).unwrap();
        }
    }
    // Epochs 5 to 8 pass it by; a new leaf begins at 9, and counts from healing epoch 6.
    member.reinstall(sim.welcome(18)).unwrap();
    assert_eq!(member.last_healing(), (6, sim.epoch(6).hash));
    sim.rotate();
    assert_eq!(sim.follow(&mut member, 8), Err(FollowError::TooOld));
    sim.follow(&mut member, 9).unwrap();
    let open = (1..=9).filter(|epoch| sim.opens(&member, *epoch));
    assert!(open.eq([1, 2, 3, 4, 9]));
}

#[test]
fn a_welcome_into_the_other_half() {
    let mut sim = Sim::new(4);
    let mut member = sim.join(PUBLISHER);
    sim.rotate();
    sim.follow(&mut member, 1).unwrap();
    let welcome = sim.welcome(READER);
    sim.heal_now();
    sim.rotate();
    sim.follow(&mut member, 2).unwrap();
    sim.follow(&mut member, 3).unwrap();
    member.reinstall(welcome).unwrap();
    // Epochs 2 and 3 were a publisher's; they have to be followed again, as a reader.
    assert_eq!(member.current_epoch(), 1);
    assert_eq!(sim.catch_up(&mut member, 3), Ok(vec![2]));
    for epoch in [2, 3] {
        assert!(sim.opens(&member, epoch));
        let id = KeyId::of(&sim.epoch(epoch).hash);
        assert!(member.by_key_id(&id).unwrap().key_pair.is_some());
    }
    let id = KeyId::of(&sim.epoch(1).hash);
    assert!(member.by_key_id(&id).unwrap().key_pair.is_none());
}

#[test]
fn welcomes_that_contradict_are_refused() {
    let mut sim = Sim::new(4);
    let mut member = sim.join(READER);
    sim.rotate();
    sim.heal_now();
    let mut fork = sim.clone();
    fork.salt = 1;
    sim.rotate();
    sim.rotate();
    fork.rotate();
    for epoch in 1..=4 {
        sim.follow(&mut member, epoch).unwrap();
    }
    let before = dump(&member);
    let mut refused = |welcome| member.reinstall(welcome);
    // Another epoch 3.
    fork.generation = 2;
    fork.first_epoch = 1;
    let error = InstallError::Fork(Fork {
        epoch: 3,
        known: sim.epoch(3).hash,
        other: fork.epoch(3).hash,
    });
    assert_eq!(refused(fork.welcome(18)), Err(error));
    // A later one that has not heard of the healing epoch.
    let mut unhealed = sim.clone();
    unhealed.generation = 2;
    unhealed.epochs[1].healing = false;
    let error = InstallError::Fork(Fork {
        epoch: 2,
        known: sim.epoch(2).hash,
        other: Digest::ZERO,
    });
    assert_eq!(refused(unhealed.welcome(18)), Err(error));
    // One that calls an ordinary epoch a healing one.
    let mut healed = sim.clone();
    healed.generation = 2;
    healed.epochs[2].healing = true;
    assert!(matches!(
        refused(healed.welcome(18)),
        Err(InstallError::Fork(Fork { epoch: 3, .. }))
    ));
    // One from before the window.
    let mut early = sim.clone();
    early.generation = 2;
    early.epochs.truncate(0);
    assert_eq!(refused(early.welcome(18)), Err(InstallError::TooOld));
    assert_eq!(dump(&member), before);
}

#[test]
fn stored_and_loaded_at_every_step() {
    for leaf in [READER, PUBLISHER] {
        let mut sim = Sim::new(4);
        sim.policy.window = 3;
        let mut member = sim.join(leaf);
        for round in 1..12_u64 {
            let bytes = dump(&member);
            member = GroupState::decode(&bytes).unwrap();
            assert_eq!(dump(&member), bytes);
            if round % 4 == 0 {
                sim.heal_now()
            } else {
                sim.rotate()
            };
            if round % 5 != 0 {
                sim.catch_up(&mut member, round).unwrap();
                assert!(sim.opens(&member, round));
            }
        }
    }
}

#[test]
fn a_stored_state_is_canonical_and_small() {
    let mut sim = Sim::new(24);
    sim.policy.window = 16;
    let filters = vec!["0123456789/0123456789/0123456789"; 31];
    sim.filters = filters[..31].to_vec();
    let mut member = sim.join((1 << 24) + 12345);
    for epoch in 1..=20 {
        if epoch % 7 == 0 {
            sim.heal_now()
        } else {
            sim.rotate()
        };
        sim.follow(&mut member, epoch).unwrap();
    }
    let bytes = dump(&member);
    println!(
        "stored: {} bytes, in memory: {}",
        bytes.len(),
        size_of::<GroupState>()
    );
    assert!(bytes.len() <= MAX_STATE_LEN);
    assert!(size_of::<GroupState>() <= 6144);
    let mut small = [0; 1000];
    assert_eq!(member.encode(&mut small), Err(ObjectError::TooLarge));

    for len in 0..bytes.len() {
        assert!(GroupState::decode(&bytes[..len]).is_err());
    }
    assert!(GroupState::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    // Any other bytes are refused, or are another state's only encoding.
    for (index, _) in bytes.iter().enumerate().step_by(11) {
        for flip in [0x01, 0x80, 0xff] {
            let mut bad = bytes.clone();
            bad[index] ^= flip;
            if let Ok(state) = GroupState::decode(&bad) {
                assert_eq!(dump(&state), bad);
            }
        }
    }
}

#[test]
fn stored_epochs_stand_in_order_and_close_together() {
    let mut sim = Sim::new(4);
    let mut member = sim.join(READER);
    for epoch in 1..=2 {
        sim.rotate();
        sim.follow(&mut member, epoch).unwrap();
    }
    let store = dump(&member);
    let record = |epoch: u64| {
        // epoch 1, hash 32, previous 32, healed, reader, length, secret 32, group key 32.
        let hash = sim.epoch(epoch).hash.0;
        let at = (0..store.len())
            .find(|at| store[*at..].starts_with(&hash))
            .unwrap()
            - 1;
        at..at + 132
    };
    let (one, two) = (record(1), record(2));
    assert_eq!(one.end, two.start);
    let with = |first: &[u8], second: &[u8]| {
        let bytes = [&store[..one.start], first, second, &store[two.end..]].concat();
        GroupState::decode(&bytes).map(|state| dump(&state) == bytes)
    };
    let (one, two) = (store[one.clone()].to_vec(), store[two.clone()].to_vec());
    assert_eq!(with(&one, &two), Ok(true));
    assert_eq!(with(&two, &one), Err(StateError));
    assert_eq!(with(&one, &one), Err(StateError));
    let mut far = two.clone();
    far[0] = 18;
    assert_eq!(with(&one, &far), Err(StateError));
    far[0] = 17;
    assert_eq!(with(&one, &far), Ok(true));
    let mut other_key = two;
    *other_key.last_mut().unwrap() ^= 1;
    assert_eq!(with(&one, &other_key), Err(StateError));
}

#[test]
fn a_publishers_store_holds_no_reader_secret() {
    let mut sim = Sim::new(4);
    let mut members = [sim.join(PUBLISHER), sim.join(READER)];
    for epoch in 1..=3 {
        sim.rotate();
        for member in &mut members {
            sim.follow(member, epoch).unwrap();
        }
    }
    let [publisher, reader] = members.map(|member| dump(&member));
    let contains = |store: &[u8], secret: &[u8; 32]| store.windows(32).any(|w| w == secret);
    for epoch in 1..=3 {
        let secret = sim.epoch(epoch).reader_secret();
        assert!(contains(&reader, secret.secret().expose()));
        assert!(!contains(&publisher, secret.secret().expose()));
        assert!(contains(&publisher, secret.psk().secret().expose()));
    }
}

#[test]
fn what_left_the_window_is_gone_from_the_store() {
    let mut sim = Sim::new(4);
    let mut member = sim.join(READER);
    for epoch in 1..=6 {
        sim.rotate();
        sim.follow(&mut member, epoch).unwrap();
    }
    let store = dump(&member);
    let contains = |secret: &[u8; 32]| store.windows(32).any(|w| w == secret);
    for epoch in 1..=6 {
        let kept = epoch >= 4;
        assert_eq!(
            contains(&sim.epoch(epoch).secret),
            kept,
            "secret of epoch {epoch}"
        );
        // Path keys: those of the base epoch only, from which nothing older follows.
        let at_base = epoch == 4;
        assert_eq!(
            contains(sim.node_key(READER, epoch).expose()),
            at_base,
            "path of epoch {epoch}"
        );
        assert_eq!(contains(sim.node_key(2, epoch).expose()), at_base);
    }
}
