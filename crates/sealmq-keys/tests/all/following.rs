//! The steps of spec/keys.md §7.

use crate::sim::{NOW, PREFIX, Sim, authorities, dump, follow, refused};
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
fn keys_that_do_not_fit_are_refused() {
    for leaf in [READER, PUBLISHER] {
        let mut sim = Sim::new(4);
        let mut member = sim.join(leaf);
        // Wrapped with the node keys of another epoch.
        let mut ahead = sim.clone();
        ahead.rotate();
        let secret = ReaderSecret::new(Secret::new([1; 32]));
        let bytes = ahead.build(false, &secret, |head| {
            head.epoch = 1;
            head.previous = Digest::ZERO;
        });
        assert_eq!(refused(&mut member, &bytes), FollowError::WrongSecret);
        sim.rotate();
        sim.follow(&mut member, 1).unwrap();
    }
}

#[test]
fn the_announced_keys_are_checked() {
    // Honest wraps under a head that announces other keys (C7): signed raw, because `Head::sign`
    // computes them itself.
    let mut sim = Sim::new(4);
    let mut reader = sim.join(READER);
    let mut publisher = sim.join(PUBLISHER);
    sim.rotate();
    let honest = sim.bytes(1).to_vec();
    let announcement = Announcement::verify(&honest, &authorities(1), PREFIX).unwrap();
    let resigned = |head: &Head<'_>| {
        // Wrap keys depend on the head, so the entries are wrapped anew.
        raw_announcement(&sim, head, &sim.epoch(1).reader_secret())
    };
    let same = resigned(announcement.head());
    assert_eq!(
        same, honest,
        "the raw builder builds what the real one does"
    );

    let mut head = *announcement.head();
    head.group_key.0[0] ^= 1;
    assert_eq!(
        refused(&mut reader, &resigned(&head)),
        FollowError::WrongSecret
    );
    // A publisher cannot tell: it does not know the private key.
    let mut fooled = GroupState::decode(&dump(&publisher)).unwrap();
    assert!(follow(&mut fooled, &resigned(&head), 1).is_ok());

    let mut head = *announcement.head();
    head.psk_check[0] ^= 1;
    assert_eq!(
        refused(&mut reader, &resigned(&head)),
        FollowError::WrongSecret
    );
    assert_eq!(
        refused(&mut publisher, &resigned(&head)),
        FollowError::WrongSecret
    );
}

fn raw_announcement(sim: &Sim, head: &Head<'_>, secret: &ReaderSecret) -> Vec<u8> {
    use sealmq_core::object::{FORM_SUITE_1, Kind, encode, sign_encoded};
    let mut buffer = vec![0; MAX_ANNOUNCEMENT_LEN];
    let no_extensions = 0_u8;
    let head_bytes = encode(&(head, no_extensions), &mut buffer)
        .unwrap()
        .to_vec();
    let mut signed = vec![FORM_SUITE_1, Kind::Announcement as u8];
    signed.extend(&head_bytes);
    let head_hash = sealmq_core::crypto::sha256(&[&signed]);
    let mut entries = Vec::new();
    for (node, secret) in [(2_u32, secret.secret()), (3, secret.psk().secret())] {
        entries.extend(node.to_be_bytes());
        entries.extend(
            sim.node_key(node, head.epoch)
                .wrap(node, &head_hash, secret)
                .unwrap(),
        );
    }
    let mut cover = vec![0, u8::try_from(entries.len()).unwrap()];
    cover.extend(entries);
    signed.push(u8::try_from(cover.len()).unwrap());
    signed.extend(cover);
    let body_len = signed.len() - 2;
    buffer[..signed.len()].copy_from_slice(&signed);
    sign_encoded(
        Kind::Announcement,
        body_len,
        &crate::sim::signer(sim.serial),
        &mut buffer,
    )
    .unwrap()
    .0
    .to_vec()
}

#[test]
fn times_and_groups() {
    let mut sim = Sim::new(4);
    sim.policy.skew = 10;
    let mut member = sim.join(READER);
    sim.rotate();
    sim.rotate();
    let authorities = authorities(1);
    let at = |state: &mut GroupState, epoch: u64, now| {
        let context = FollowContext {
            authorities: &authorities,
            prefix: PREFIX,
            now,
            referenced: None,
            chunk: None,
        };
        state.follow(sim.bytes(epoch), &context)
    };
    // 300 seconds until a policy is known, then those of the policy. Issued at NOW + epoch.
    let expired = Err(FollowError::Object(ObjectError::Expired));
    assert_eq!(at(&mut member, 1, Some(NOW + 1 - 301)), expired);
    assert!(at(&mut member, 1, Some(NOW + 1 - 300)).is_ok());
    assert_eq!(at(&mut member, 2, Some(NOW + 2 - 11)), expired);
    let mut clockless = GroupState::decode(&dump(&member)).unwrap();
    assert!(at(&mut member, 2, Some(NOW + 2 - 10)).is_ok());
    assert!(at(&mut clockless, 2, None).is_ok());

    // Expired ones are followed: what was queued under them still opens.
    let secret = ReaderSecret::new(Secret::new([1; 32]));
    let bytes = sim.build(false, &secret, |_| ());
    let context = FollowContext {
        authorities: &authorities,
        prefix: PREFIX,
        now: Some(u64::MAX),
        referenced: None,
        chunk: None,
    };
    assert_eq!(
        clockless.follow(&bytes, &context),
        Ok(Followed::Current {
            epoch: 3,
            healed: false
        })
    );

    let other = sim.build(false, &secret, |head| {
        head.group = sealmq_core::GroupId([1; 16])
    });
    assert_eq!(refused(&mut member, &other), FollowError::OtherGroup);
}

#[test]
fn an_older_serial_counts_only_by_reference() {
    let mut sim = Sim::new(4);
    sim.policy.window = 4;
    let mut member = sim.join(READER);
    sim.rotate(); // 1
    sim.follow(&mut member, 1).unwrap();
    sim.heal_now(); // 2
    sim.heal_now(); // 3
    sim.rotate(); // 4
    sim.rotate(); // 5
    sim.serial = 2;
    sim.rotate(); // 6

    let role = FollowError::Object(ObjectError::Role);
    // With the new delegation, what is known stays known; nothing else of the old one counts.
    assert_eq!(sim.follow(&mut member, 1), Ok(Followed::AlreadyKnown));
    for epoch in 2..=5 {
        assert_eq!(sim.follow(&mut member, epoch), Err(role));
    }
    // The new one leads to the healing announcements, each by the hash in the one before it.
    assert_eq!(sim.catch_up(&mut member, 6), Ok(vec![2, 3]));
    // Skipped epochs: the one before a known one is vouched for by it.
    assert_eq!(sim.follow(&mut member, 4), Err(role));
    assert_eq!(
        sim.follow(&mut member, 5),
        Ok(Followed::Filled { epoch: 5 })
    );
    assert_eq!(
        sim.follow(&mut member, 4),
        Ok(Followed::Filled { epoch: 4 })
    );
    assert!((2..=6).all(|epoch| sim.opens(&member, epoch)));
    // What is known stays known.
    assert_eq!(sim.follow(&mut member, 4), Ok(Followed::AlreadyKnown));
}

#[test]
fn a_reference_does_not_excuse_a_bad_signature() {
    let mut sim = Sim::new(4);
    let mut member = sim.join(READER);
    for _ in 0..3 {
        sim.rotate();
    }
    sim.follow(&mut member, 1).unwrap();
    sim.follow(&mut member, 3).unwrap();
    // One that is known, and one that the next vouches for: both name a current key.
    for epoch in [1, 2] {
        let mut bytes = sim.bytes(epoch).to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        let error = FollowError::Object(ObjectError::Signature);
        assert_eq!(refused(&mut member, &bytes), error);
    }
}

#[test]
fn no_way_back_to_an_older_delegation() {
    let mut sim = Sim::new(4);
    sim.serial = 2;
    let mut member = sim.join(READER);
    sim.rotate();
    sim.follow(&mut member, 1).unwrap();
    // A member whose delegation was rolled back, with what the old key signs.
    sim.serial = 1;
    sim.rotate();
    let error = FollowError::Object(ObjectError::Serial);
    assert_eq!(refused(&mut member, sim.bytes(2)), error);
}

#[test]
fn a_reference_fits_one_object_only() {
    let mut sim = Sim::new(4);
    let mut member = sim.join(READER);
    sim.heal_now();
    let authorities = authorities(1);
    let context = FollowContext {
        authorities: &authorities,
        prefix: PREFIX,
        now: None,
        referenced: Some(Digest([1; 32])),
        chunk: None,
    };
    let serial = Err(FollowError::Object(ObjectError::Serial));
    assert_eq!(member.follow(sim.bytes(1), &context), serial);
    assert_eq!(member.current_epoch(), 0);
}

#[test]
fn no_flipped_bit_is_followed() {
    let mut sim = Sim::new(4);
    let mut member = sim.join(READER);
    sim.rotate();
    let good = sim.bytes(1).to_vec();
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        refused(&mut member, &bad);
    }
    for len in 0..good.len() {
        assert!(follow(&mut member, &good[..len], 1).is_err());
    }
    assert!(follow(&mut member, &[good.as_slice(), &[0]].concat(), 1).is_err());
    assert!(follow(&mut member, &good, 1).is_ok());
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
