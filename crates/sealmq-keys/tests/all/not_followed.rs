//! Announcements that are not followed (spec/keys.md §7): wrong keys, times, signers and references.

use crate::sim::{NOW, PREFIX, Sim, authorities, dump, follow, refused};
use sealmq_core::crypto::{Digest, Secret};
use sealmq_core::object::ObjectError;
use sealmq_keys::*;

const READER: u32 = 17;
const PUBLISHER: u32 = 26;

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
