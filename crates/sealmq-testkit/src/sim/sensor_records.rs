//! A sensor's records as a host would store them: what is checked of hosts is checked of sensors by
//! the same code.

use std::collections::{BTreeMap, BTreeSet};

use sealmq_core::object::{Kind, Object};
use sealmq_core::replay::{Durable, Record};
use sealmq_embedded::RecordId;
use sealmq_keys::{Changes, GroupState, Store as _};

use super::device::varint;
use super::floors::SENSOR_WORDS;
use super::sensor::Entry;
use super::world::World;
use crate::fuzz::world::MemoryStore;

/// The one group's records.
const GROUP: &str = "group/shared";
/// More epochs than a window has.
const RECENT: u64 = 64;
/// Groups for which a package notes an epoch.
const NOTED: usize = 12;

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // A length of less than 2^14, as a varint.
    assert!(bytes.len() < 1 << 14);
    out.push(bytes.len() as u8 | 0x80);
    out.push((bytes.len() >> 7) as u8);
    out.extend(bytes);
}

fn take_bytes<'a>(from: &mut &'a [u8]) -> &'a [u8] {
    let len = varint(from) as usize;
    let (value, rest) = from.split_at(len);
    *from = rest;
    value
}

/// Packages by number: version, number, hash, seed, set, issued_at.
fn packages(record: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut rest = &record[1..];
    while let Some((is_there, package)) = rest.split_first() {
        rest = package;
        if *is_there == 0 {
            continue;
        }
        let number = varint(&mut rest);
        rest = &rest[32 + 32..];
        varint(&mut rest);
        varint(&mut rest);
        let kept = &package[..package.len() - rest.len()];
        let kept = [&record[..1], kept].concat();
        found.insert(format!("member/package/{number}"), kept);
        for _ in 0..1 + NOTED {
            varint(&mut rest);
        }
    }
    found
}

/// What storing these changes, in the names and forms of a host's store.
pub(super) fn changes(
    entries: &[Entry],
    seen: &[Durable<SENSOR_WORDS>],
    store: &MemoryStore,
) -> Changes {
    let mut changes = Changes::new();
    for (id, record) in entries {
        match id {
            RecordId::Identity => changes.put("member/identity", record.clone()),
            RecordId::Numbers => {
                // Version and secret; numbers of session, connection, package: the last two change places.
                let (head, mut rest) = record.split_at(1 + 32);
                let numbers = [(); 3].map(|()| {
                    let before = rest;
                    varint(&mut rest);
                    &before[..before.len() - rest.len()]
                });
                let [session, connection, package] = numbers;
                let hosts = [head, session, package, connection].concat();
                changes.put("member/device", hosts);
            }
            RecordId::Domain => {
                // Version and root, prefix, delegation.
                let mut rest = &record[1 + 32..];
                let _prefix = take_bytes(&mut rest);
                let mut hosts = record[..record.len() - rest.len()].to_vec();
                hosts.push(0);
                hosts.extend(rest);
                changes.put("member/domain", hosts);
            }
            RecordId::Credential => {
                // Version; serial, end and key of who stands behind it; credential.
                let mut rest = &record[1..];
                varint(&mut rest);
                varint(&mut rest);
                rest = &rest[32..];
                let credential = take_bytes(&mut rest);
                let mut hosts = vec![record[0], 0, 0, 0];
                put_bytes(&mut hosts, credential);
                changes.put("member/credential", hosts);
            }
            RecordId::Packages => {
                let found = packages(record);
                for key in store.0.keys() {
                    if key.starts_with("member/package/") && !found.contains_key(key) {
                        changes.delete(key.clone());
                    }
                }
                for (key, package) in found {
                    changes.put(key, package);
                }
            }
            RecordId::Group(_) if !record.is_empty() => {
                changes.put(format!("{GROUP}/state"), record.clone());
            }
            _ => {}
        }
    }
    for change in seen {
        match change {
            Durable::Put(record) => {
                let mut bytes = vec![0; 1 + Record::<SENSOR_WORDS>::MAX_LEN];
                let len = record.encode(&mut bytes[1..]).unwrap();
                bytes.truncate(1 + len);
                changes.put(format!("replay/{}", hex::encode(record.key())), bytes);
            }
            Durable::Delete(key) => changes.delete(format!("replay/{}", hex::encode(key))),
        }
    }
    changes
}

impl World {
    /// Takes what a sensor has stored into the form of a host's store.
    pub(super) fn take_stored(&mut self, device: usize, changes: &Changes) {
        self.devices[device].store.commit(changes).unwrap();
        self.take_announcements(device);
    }

    /// Those that its state names by their hashes, as far as they were published.
    pub(super) fn take_announcements(&mut self, device: usize) {
        let this = &mut self.devices[device];
        let Some(state) = this.store.0.get(&format!("{GROUP}/state")) else {
            return;
        };
        if *state == this.state_shown {
            return;
        }
        let record = state.clone();
        let state = GroupState::decode(&state[1..]).unwrap();
        let hash = |bytes: &[u8]| Object::parse(bytes, Kind::Announcement).unwrap().hash();
        let published = &self.published.announcements;
        let (mut shown, mut is_complete) = (BTreeMap::new(), true);
        // Those of a thief's, and of before the newest welcome.
        let current = state.current_epoch();
        let forged = current.saturating_sub(RECENT)..=current;
        let epochs: BTreeSet<u64> = published.keys().copied().chain(forged).collect();
        for epoch in epochs {
            let Some(known) = state.announcement_hash(epoch) else {
                continue;
            };
            let mut all = published.get(&epoch).into_iter().chain(&self.thief.forged);
            match all.find(|bytes| hash(bytes) == *known) {
                Some(bytes) => {
                    let record = [&[1][..], bytes].concat();
                    shown.insert(format!("{GROUP}/announcement/{epoch}"), record);
                }
                // A welcome was faster than the announcement.
                None => is_complete = false,
            }
        }
        if is_complete {
            this.state_shown = record;
        }
        let is_old = |key: &String| key.contains("/announcement/") && !shown.contains_key(key);
        this.store.0.retain(|key, _| !is_old(key));
        this.store.0.extend(shown);
    }
}
