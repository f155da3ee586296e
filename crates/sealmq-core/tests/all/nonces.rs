//! No AES-GCM key meets the same nonce twice (threat model A10, A22, A23, D2).

use std::collections::{HashMap, HashSet};

use crate::world::insider::session_keys;
use crate::world::*;
use sealmq_core::crypto::{DeviceSecret, Entropy, Purpose, Secret, SessionSecrets};
use sealmq_core::seal::{Membership, Outgoing, SenderSession, SessionLimits, SessionStart};
use sealmq_core::wire::Header;

/// A device whose RNG gives the same bytes after every reboot.
struct Device<'a> {
    member: &'a Member,
    secret: DeviceSecret,
    number: u64,
}

impl Device<'_> {
    fn session(&mut self, group: &Group) -> SenderSession {
        self.number += 1;
        let entropy = Entropy::take(&mut [0x42; 32]).unwrap();
        let hedged = self.secret.hedge(&entropy, Purpose::Session, self.number);
        self.secret = hedged.next;
        SenderSession::start(&SessionStart {
            group: self.member.group(),
            announcement: &group.announcement,
            suite: group.suite,
            group_key: &group.key_pair.public(),
            psk: &group.psk,
            not_after: group.not_after,
            limits: SessionLimits {
                messages: 250,
                ..SessionLimits::default()
            },
            number: self.number,
            seed: &hedged.seed,
            now: Some(NOW),
        })
        .unwrap()
    }
}

/// The first block of key stream under a key and nonce: equal for two messages exactly if they
/// share both.
fn key_stream(secrets: &SessionSecrets, counter: u32) -> [u8; 16] {
    let mut block = [0; 16];
    secrets
        .key
        .seal_in_place(&secrets.nonce(counter.into()), &[], &mut block)
        .unwrap();
    block
}

#[test]
fn a_hundred_thousand_seals_share_no_key_and_nonce() {
    const SEALS: usize = 100_000;
    let groups = [Group::new(1, 1), Group::new(1, 2)];
    let members: Vec<_> = (1..=5).map(|n| Member::new(n, &groups[0])).collect();
    let topics: Vec<_> = (0..37).map(|i| format!("plant/{i}")).collect();
    // The worst start: five devices with the same secret, numbers and RNG, but for the first byte.
    let mut devices: Vec<_> = members
        .iter()
        .map(|member| {
            let secret = [u8::try_from(member.number.0).unwrap(); 32];
            Device {
                member,
                secret: DeviceSecret::new(Secret::new(secret)),
                number: 0,
            }
        })
        .collect();
    let mut sessions: Vec<_> = devices.iter_mut().map(|d| d.session(&groups[0])).collect();
    let mut random = 7_u64;
    let mut next = |n: usize| {
        random = random
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (random >> 33) as usize % n
    };
    let mut known: HashMap<[u8; 32], SessionSecrets> = HashMap::new();
    let mut seen = HashSet::new();
    let mut out = [0; 400];
    let mut sealed = 0;
    while sealed < SEALS {
        let i = next(devices.len());
        if next(500) == 0 {
            // A reboot, an epoch change, or both.
            sessions[i] = devices[i].session(&groups[next(2)]);
        }
        let message = Outgoing::new(topic(&topics[next(topics.len())]));
        let publisher = devices[i].member.publisher();
        let payload = &[0; 64][..next(64)];
        match sessions[i].seal_into(&publisher, &message, Some(NOW), payload, &mut out) {
            Ok(len) => {
                let header = Header::parse(&out[..len]).unwrap();
                let group = groups
                    .iter()
                    .find(|g| *sessions[i].announcement() == g.announcement);
                let secrets = known
                    .entry(header.enc)
                    .or_insert_with(|| session_keys(group.unwrap(), &header.enc));
                assert!(
                    seen.insert(key_stream(secrets, header.counter)),
                    "a nonce was repeated"
                );
                sealed += 1;
            }
            // At a soft limit, or when a call failed: never the same counter again.
            Err(_) => sessions[i] = devices[i].session(&groups[next(2)]),
        }
    }
    assert_eq!(seen.len(), SEALS);
    assert!(known.len() > 400, "{} sessions", known.len());
}

#[test]
fn the_oracle_sees_a_repeated_seed() {
    let group = Group::new(1, 1);
    let alice = Member::new(1, &group);
    let blocks = [(); 2].map(|()| {
        let envelope = alice.seal(&mut group.session(1), &Outgoing::new(topic(TOPIC)), b"x");
        let header = Header::parse(&envelope).unwrap();
        key_stream(&session_keys(&group, &header.enc), header.counter)
    });
    assert_eq!(blocks[0], blocks[1]);
}
