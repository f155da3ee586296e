//! No AES-GCM key meets the same nonce twice (threat model A10, A22, A23, D2).

use std::collections::{HashMap, HashSet};

use crate::world::insider::session_keys;
use crate::world::*;
use sealmq_core::KeyId;
use sealmq_core::crypto::{DeviceSecret, Entropy, Purpose, Secret, SessionSecrets};
use sealmq_core::seal::{Outgoing, SealError, SenderSession, SessionLimits, StateSession, Value};
use sealmq_core::wire::Header;

/// A device whose RNG gives the same bytes after every reboot.
struct Device<'a> {
    member: &'a Member,
    secret: DeviceSecret,
    number: u64,
}

/// Of events, or of state.
enum Session {
    Events(SenderSession),
    State(StateSession),
}

impl Device<'_> {
    fn session(&mut self, group: &Group, for_state: bool) -> Session {
        self.number += 1;
        let entropy = Entropy::take(&mut [0x42; 32]).unwrap();
        let hedged = self.secret.hedge(&entropy, Purpose::Session, self.number);
        self.secret = hedged.next;
        let keys = keys_of(group, for_state);
        let group_key = keys.key_pair.public();
        let limits = SessionLimits {
            messages: 250,
            ..SessionLimits::default()
        };
        let start = group.start(keys, &group_key, self.number, limits, &hedged.seed);
        match for_state {
            true => Session::State(StateSession::start(&start).unwrap()),
            false => Session::Events(SenderSession::start(&start).unwrap()),
        }
    }
}

impl Session {
    fn seal(&mut self, member: &Member, name: &str, payload: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut out = vec![0; 600];
        let (message, publisher) = (Outgoing::new(topic(name)), member.publisher());
        let now = Some(NOW);
        let len = match self {
            Self::Events(session) => {
                session.seal_into(&publisher, &message, now, payload, &mut out)
            }
            Self::State(session) => {
                let credential = member.credential();
                let value = Value {
                    connection: 0,
                    credential: &credential,
                };
                session.seal_into(&publisher, &message, &value, now, payload, &mut out)
            }
        };
        out.truncate(len?);
        Ok(out)
    }
}

const fn keys_of(group: &Group, for_state: bool) -> &Keys {
    match for_state {
        true => &group.kept,
        false => &group.events,
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
    let groups = [Group::new(1, 1), Group::with_kept(1, 2, 2)];
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
    let mut sessions: Vec<_> = devices
        .iter_mut()
        .map(|d| d.session(&groups[0], false))
        .collect();
    let mut random = 7_u64;
    let mut next = |n: usize| {
        random = random
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (random >> 33) as usize % n
    };
    let mut known: HashMap<[u8; 32], SessionSecrets> = HashMap::new();
    let mut seen = HashSet::new();
    let all_keys = [(0, false), (0, true), (1, false), (1, true)];
    let all_keys = all_keys.map(|(group, for_state)| keys_of(&groups[group], for_state));
    let mut sealed = 0;
    while sealed < SEALS {
        let i = next(devices.len());
        if next(500) == 0 {
            // A reboot, an epoch change, state after events, or all of it.
            sessions[i] = devices[i].session(&groups[next(2)], next(2) == 0);
        }
        let name = &topics[next(topics.len())];
        let payload = &[0; 64][..next(64)];
        match sessions[i].seal(devices[i].member, name, payload) {
            Ok(envelope) => {
                let header = Header::parse(&envelope).unwrap();
                let mut all = all_keys.iter();
                let keys = all.find(|keys| KeyId::of(&keys.name) == header.key_id);
                let secrets = known
                    .entry(header.enc)
                    .or_insert_with(|| session_keys(keys.unwrap(), &header.enc));
                assert!(
                    seen.insert(key_stream(secrets, header.counter)),
                    "a nonce was repeated"
                );
                sealed += 1;
            }
            // At a soft limit, or when a call failed: never the same counter again.
            Err(_) => sessions[i] = devices[i].session(&groups[next(2)], next(2) == 0),
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
        key_stream(&session_keys(&group.events, &header.enc), header.counter)
    });
    assert_eq!(blocks[0], blocks[1]);
}

/// A state session and one for events from one seed: the keys are others, and so is the enc's use.
#[test]
fn events_and_state_of_one_seed_share_no_key() {
    let group = Group::new(1, 1);
    let seed = Secret::new([7; 32]);
    let blocks = [&group.events, &group.kept].map(|keys| {
        let group_key = keys.key_pair.public();
        let start = group.start(keys, &group_key, 1, SessionLimits::default(), &seed);
        let session = SenderSession::start(&start).unwrap();
        (
            *session.enc(),
            key_stream(&session_keys(keys, session.enc()), 0),
        )
    });
    assert_eq!(blocks[0].0, blocks[1].0);
    assert_ne!(blocks[0].1, blocks[1].1);
}
