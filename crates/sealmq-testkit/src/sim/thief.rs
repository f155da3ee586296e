//! A thief who has copies of the authority's store: epochs of his own, with an end in twenty
//! years, and numbers that nothing can go beyond.

use sealmq_authority::{Authority, Schedule};
use sealmq_core::crypto::{Digest, IdentityKey, Secret, VerifyingKey};
use sealmq_core::object::{Kind, List, Object, encode};
use sealmq_keys::tree::NodeKey;
use sealmq_keys::{
    Announcement, CoverKey, Delegation, Generation, Head, HeartbeatFields, Policy, Publication,
    ReaderSecret, ReservedTopic, Roles, Store as _, VerifiedDelegation,
};

use super::office::group;
use super::world::{OFFICE, World};
use crate::fuzz::world::{MemoryStore, YEAR};

/// Somebody who has copies of the authority's store.
#[derive(Default)]
pub(super) struct Thief {
    /// Announcements under the stolen key.
    pub(super) forged: Vec<Vec<u8>>,
    topics: Vec<String>,
    /// What he published with numbers that leave no room.
    extremes: Vec<Publication>,
    /// When he signed heartbeats for epochs of the authority's, Unix seconds: they prolong leases.
    beats: Vec<u64>,
    /// The root has replaced the keys.
    pub(super) recovered: bool,
    /// With what he goes on under a delegation that has a successor.
    pub(super) copy: Option<MemoryStore>,
}

impl Thief {
    pub(super) fn is_known(&self) -> bool {
        !self.forged.is_empty() || !self.extremes.is_empty()
    }

    /// From when a removal binds at `at`, as far as leases are concerned.
    pub(super) fn binds_from(&self, removed: u64, at: u64) -> u64 {
        let beats = self.beats.iter().filter(|beat| **beat <= at);
        beats.max().map_or(removed, |beat| removed.max(*beat))
    }

    /// What the authority may see of him.
    pub(super) fn traces(&self) -> Vec<Publication> {
        let forged = self.topics.iter().zip(&self.forged).next_back();
        let forged = forged.map(|(topic, payload)| Publication::retained(topic, payload.clone()));
        let extreme = self.extremes.last().cloned();
        forged.into_iter().chain(extreme).collect()
    }
}

/// Puts bytes in the place of others, wherever they stand in a store.
pub(super) fn splice(store: &mut MemoryStore, old: &[u8], new: &[u8]) {
    for value in store.0.values_mut() {
        let mut from = 0;
        while let Some(at) = find(&value[from..], old) {
            value.splice(from + at..from + at + old.len(), new.iter().copied());
            from += at + new.len();
        }
    }
}

pub(super) fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|window| window == what)
}

pub(super) fn encoded<T: serde::Serialize>(value: &T) -> Vec<u8> {
    encode(value, &mut [0; 512]).unwrap().to_vec()
}

impl World {
    /// A copy of the store that knows no end and needs no heartbeats: neither is checked by
    /// anything but what members do with the announcements.
    pub(super) fn stolen_store(&mut self) -> MemoryStore {
        let mut copy = self.store.clone();
        copy.0.remove("authority/suspended");
        let now = self.now / 1000;
        let mut twin = Authority::load(&copy).unwrap();
        let request = twin.request_delegation(false, false, now, &mut self.rng);
        let (request, _) = request.unwrap();
        let delegation = twin.delegation().to_vec();
        let serial = twin.delegation_info().serial;
        let end = now + 20 * YEAR;
        let lineage = self.continued.as_ref();
        let root = &self.root;
        let longer = root.delegate_on(lineage, &request, serial, now, end, Roles::ALL);
        let longer = longer.unwrap();
        // Its length is written before it.
        assert_eq!(delegation.len(), longer.len());
        splice(&mut copy, &delegation, &longer);
        let honest = group();
        let schedule = Schedule {
            validity: 20 * YEAR,
            ..honest.schedule
        };
        splice(&mut copy, &encoded(&honest.schedule), &encoded(&schedule));
        let policy = Policy {
            lease: 0,
            ..honest.policy
        };
        splice(&mut copy, &encoded(&honest.policy), &encoded(&policy));
        copy
    }

    /// A thief with a fresh copy of the store starts an epoch of his own, and the broker shows it
    /// to some members instead of the authority's.
    pub(super) fn forge(&mut self, step: u64) {
        if self.thief.recovered || !self.acts() {
            return;
        }
        let mut copy = self.stolen_store();
        // Perhaps some epochs ahead of the authority.
        let epochs = 1 + self.dice.below(3);
        let forged = self.start_epochs(&mut copy, epochs);
        self.trace.note("the thief starts an epoch");
        self.seen.fault("forged epoch");
        for publication in forged {
            for device in 0..self.devices.len() {
                let client = self.devices[device].client;
                if self.broker.clients[client].online && self.dice.one_in(2) {
                    let (topic, payload) = (&publication.topic, &publication.payload);
                    self.broker.inject(client, topic, payload, false);
                    self.broker.clients[client].withheld = step + self.dice.below(10);
                }
            }
        }
    }

    /// Epochs of the thief's; his announcements.
    pub(super) fn start_epochs(&mut self, copy: &mut MemoryStore, epochs: u64) -> Vec<Publication> {
        let mut twin = Authority::load(copy).unwrap();
        let now = self.now / 1000;
        let prefix = self.authority.prefix().to_owned();
        let mut forged = Vec::new();
        for _ in 0..epochs {
            let plan = twin.rotate("plant", now, &mut self.rng).unwrap();
            copy.commit(&plan.changes).unwrap();
            let announced = |p: &Publication| {
                let topic = ReservedTopic::parse(&prefix, &p.topic);
                matches!(topic, Some(ReservedTopic::Announcement(..))) && !p.payload.is_empty()
            };
            forged.extend(plan.publications.into_iter().filter(announced));
        }
        for publication in &forged {
            self.thief.topics.push(publication.topic.clone());
            self.thief.forged.push(publication.payload.clone());
        }
        forged
    }

    /// The key that the authority signs with, as it stands in its store.
    fn stolen_key(&self) -> IdentityKey {
        let object = Object::parse(self.authority.delegation(), Kind::Delegation).unwrap();
        let (delegation, _) = object.decode::<Delegation<'_>>().unwrap();
        let key = delegation.keys.iter().next().unwrap().key;
        let mut seeds = self.store.0["authority/domain"].windows(32);
        let found = seeds.find_map(|seed| {
            let key_pair = IdentityKey::from_seed(&Secret::new(seed.try_into().unwrap()));
            (*key_pair.verifying_key().as_bytes() == key).then_some(key_pair)
        });
        found.unwrap()
    }

    /// The least that a thief can do with a key, and the most that a number can say.
    pub(super) fn exaggerate(&mut self) {
        if self.thief.recovered || !self.acts() {
            return;
        }
        let key = self.stolen_key();
        let newest = self.published.announcements.last_key_value();
        let Some(bytes) = newest.map(|(_, bytes)| bytes.clone()) else {
            return;
        };
        let root = VerifyingKey::from_bytes(self.authority.root_key()).unwrap();
        let delegation = VerifiedDelegation::verify(self.authority.delegation(), &root).unwrap();
        let prefix = self.authority.prefix().to_owned();
        let Ok(newest) = Announcement::verify(&bytes, &delegation, &prefix) else {
            return;
        };
        let head = *newest.head();
        let roll = self.dice.below(6);
        let (topic, payload) = if roll < 4 {
            let log = self.authority.audit_head();
            let mut fields = HeartbeatFields {
                domain: head.domain,
                serial: head.serial,
                signer: head.signer,
                group: head.group,
                epoch: head.epoch,
                announcement: *newest.hash(),
                issued_at: self.now / 1000,
                lease: 30,
                log_size: log.size,
                log_head: log.head,
            };
            match roll {
                0 | 1 => {
                    fields.epoch = u64::MAX - roll;
                    fields.announcement = Digest([7; 32]);
                }
                2 => (fields.log_size, fields.log_head) = (u64::MAX, Digest([7; 32])),
                _ => (fields.log_size, fields.log_head) = (1 << 63, Digest([7; 32])),
            }
            if roll >= 2 {
                self.thief.beats.push(fields.issued_at);
            }
            let payload = fields.sign(&key, &mut [0; 1024]).unwrap().0.to_vec();
            (ReservedTopic::Heartbeat(head.group), payload)
        } else {
            let epoch = if roll == 4 {
                head.epoch + 1
            } else {
                u64::MAX - 1
            };
            let payload = exaggerated(&head, newest.hash(), epoch, &prefix, &key);
            (ReservedTopic::Announcement(head.group, epoch), payload)
        };
        self.trace.note(&format!("the thief exaggerates ({roll})"));
        self.seen.fault("extreme numbers");
        let topic = topic.name(&prefix);
        for client in 0..self.broker.clients.len() {
            let shown = if client == OFFICE { 4 } else { 2 };
            if self.broker.clients[client].online && self.dice.one_in(shown) {
                self.broker.inject(client, &topic, &payload, false);
            }
        }
        if roll >= 4 {
            self.thief.forged.push(payload.clone());
            self.thief.topics.push(topic.clone());
        }
        let extreme = Publication::retained(topic, payload);
        self.thief.extremes.push(extreme);
    }
}

/// An announcement with the highest generation that there is; nobody is covered by it.
fn exaggerated(
    head: &Head<'_>,
    previous: &Digest,
    epoch: u64,
    prefix: &str,
    key: &IdentityKey,
) -> Vec<u8> {
    let generation = Generation {
        number: u32::MAX,
        depth: 6,
        first_epoch: epoch,
        deadline: 0,
    };
    let mut list = [0; 64];
    let head = Head {
        epoch,
        previous: *previous,
        generations: List::encode(&[generation], &mut list).unwrap(),
        ..*head
    };
    let cover = [2, 3].map(|node| CoverKey {
        node,
        key: NodeKey::new(Secret::new([9; 32])),
    });
    let secret = ReaderSecret::new(Secret::new([8; 32]));
    let mut out = [0; 4096];
    let signed = head.sign(prefix, &secret, &[&cover], key, &mut out);
    signed.unwrap().0.to_vec()
}
