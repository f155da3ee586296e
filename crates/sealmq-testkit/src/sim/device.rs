//! One device: a member, its store, and what is remembered of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sealmq_client::{Client, PublishId};
use sealmq_core::object::{Access, Kind, Object};
use sealmq_core::open::DecapsulationLimit;
use sealmq_core::{Credential, KeyId, MemberNumber};
use sealmq_keys::member::{MemberOptions, Now};
use sealmq_keys::{Change, Changes, Delegation, GroupState, Publication};

use super::Settings;
use super::sensor::Sensor;
use super::state::Kept;
use crate::fuzz::world::{CountingRng, MemoryStore};

/// What a device runs.
pub(super) enum Engine {
    Host(Box<Client>),
    Sensor(Box<Sensor>),
}

impl Engine {
    pub(super) fn host(&self) -> &Client {
        match self {
            Self::Host(client) => client,
            Self::Sensor(_) => panic!("a sensor is no host"),
        }
    }

    pub(super) fn host_mut(&mut self) -> &mut Client {
        match self {
            Self::Host(client) => client,
            Self::Sensor(_) => panic!("a sensor is no host"),
        }
    }

    pub(super) fn sensor_mut(&mut self) -> &mut Sensor {
        match self {
            Self::Sensor(sensor) => sensor,
            Self::Host(_) => panic!("a host is no sensor"),
        }
    }
}

pub(super) struct Device {
    pub(super) engine: Engine,
    /// When its process began, Unix milliseconds.
    pub(super) begun: u64,
    /// Of a sensor what its flash holds, as a host would store it.
    pub(super) store: MemoryStore,
    pub(super) rng: CountingRng,
    /// Where its random numbers stood at its last commit: after a start they go on from there.
    pub(super) rng_mark: u64,
    /// Its number at the broker.
    pub(super) client: usize,
    pub(super) access: Access,
    /// Without one it counts its uptime.
    pub(super) has_clock: bool,
    /// When it was enrolled, Unix milliseconds.
    pub(super) joined: u64,
    /// When it was removed, Unix seconds.
    pub(super) removed: Option<u64>,
    /// Until this step it stays offline.
    pub(super) asleep: u64,
    /// Texts that it took for authentic, and the envelopes that came live.
    pub(super) accepted: BTreeSet<usize>,
    pub(super) live: BTreeSet<usize>,
    /// What may not go back, as of the last commit.
    pub(super) numbers: Numbers,
    /// The group's state as it was last decoded, and what it said.
    pub(super) state_read: Vec<u8>,
    pub(super) epoch_read: (u32, u64),
    /// Of a sensor the same, when its announcements were taken into the store.
    pub(super) state_shown: Vec<u8>,
    /// The credential, likewise.
    pub(super) credential_read: (Vec<u8>, (u32, u32)),
    /// Announcements that it has reported as forks, and when.
    pub(super) alarms: BTreeMap<[u8; 32], u64>,
    /// A copy of its store, with what it had accepted live by then.
    pub(super) backup: Option<(MemoryStore, BTreeSet<usize>, Kept)>,
    /// Its store was put back: it has to be enrolled anew.
    pub(super) put_back: bool,
    /// The newest delegation that it has ever taken, and the record.
    pub(super) taken: (u32, Vec<u8>),
    /// Package records that it has deleted, if somebody keeps them on purpose.
    pub(super) old_packages: Vec<Vec<u8>>,
    /// The will of its connection.
    pub(super) will: Option<Publication>,
    /// The message that its will is.
    pub(super) will_draft: Option<usize>,
    /// Wills and retained values that it accepted.
    pub(super) kept: Kept,
    /// Messages that its client has taken and not sent.
    pub(super) drafts: VecDeque<(PublishId, usize)>,
    /// Envelopes of state that it has accepted since somebody began to look.
    pub(super) reads: BTreeSet<usize>,
    /// What its process has published as retained values, by topic.
    pub(super) values: BTreeMap<String, usize>,
    /// Connections that it has made, in all its processes.
    pub(super) connections: u64,
    /// The last packet identifier.
    pub(super) packet: u16,
    /// It shuts down.
    pub(super) leaving: bool,
    /// When it last began to follow a group, Unix milliseconds: without a clock it knows no time
    /// before.
    pub(super) follows_since: u64,
    /// When it first heard of the group: packages have no age before.
    pub(super) heard_of: u64,
    /// When it connected, Unix milliseconds.
    pub(super) connected_at: u64,
    /// What is committed too late, if somebody does that on purpose.
    pub(super) late: Vec<Changes>,
    /// Its process is started again, with what stands in its store then.
    pub(super) load_again: bool,
}

/// Numbers of a member's store that never go back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) session: u64,
    pub(super) package: u64,
    /// Serial of the delegation, and of the credential under it.
    pub(super) credential: (u32, u32),
    /// Delegation serial of the installed welcome, and the newest epoch under it: what a thief
    /// of an older delegation's keys did to epochs ends with it (spec/keys.md §3).
    pub(super) epoch: (u32, u64),
}

/// Strict: a crash forgets nothing that was accepted.
pub(super) fn options(settings: &Settings) -> MemberOptions {
    let mut options = MemberOptions {
        replay_persist_every: 1,
        ..MemberOptions::default()
    };
    if settings.hostile {
        // A flood does not fit, nor is all of it worked on.
        options.pending_messages = 64;
        options.decapsulations = DecapsulationLimit::default();
    }
    options
}

pub(super) fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    value
}

fn bytes<'a>(from: &mut &'a [u8]) -> &'a [u8] {
    let len = varint(from) as usize;
    let (value, rest) = from.split_at(len);
    *from = rest;
    value
}

/// A signed object in a record: whether it has the form of an earlier build, then its bytes.
fn kept<'a>(from: &mut &'a [u8]) -> &'a [u8] {
    assert_eq!(varint(from), 0, "nothing here is of an earlier build");
    bytes(from)
}

impl Device {
    pub(super) fn now(&self, now: u64) -> Now {
        self.has_clock.then_some(now)
    }

    pub(super) fn number(&self) -> MemberNumber {
        match &self.engine {
            Engine::Host(client) => client.member().number(),
            Engine::Sensor(sensor) => sensor.number(),
        }
    }

    pub(super) const fn is_sensor(&self) -> bool {
        matches!(self.engine, Engine::Sensor(_))
    }

    /// Objects on reserved topics that its process has refused.
    pub(super) fn reserved_refused(&self) -> u64 {
        match &self.engine {
            Engine::Host(client) => client.member().stats().reserved_refused,
            Engine::Sensor(sensor) => sensor.refused,
        }
    }

    pub(super) const fn next_packet(&mut self) -> u16 {
        self.packet = self.packet % u16::MAX + 1;
        self.packet
    }

    /// From the records (version byte first), and the epoch from the loaded member.
    pub(super) fn read_numbers(&mut self) -> Numbers {
        // To decode it takes a scalar multiplication for each epoch.
        let record = self.state_record().unwrap_or_default();
        if record != self.state_read {
            self.state_read = record.to_vec();
            let state = self.state();
            self.epoch_read = state.map_or((0, 0), |state| {
                (state.installed_serial(), state.current_epoch())
            });
        }
        if self.credential() != self.credential_read.0 {
            let bytes = self.credential().to_vec();
            let object = Object::parse(&bytes, Kind::Credential).unwrap();
            let (credential, _) = object.decode::<Credential<'_>>().unwrap();
            let serials = (credential.serial, credential.credential_serial);
            self.credential_read = (bytes, serials);
        }
        let mut device = &self.store.0["member/device"][1 + 32..];
        Numbers {
            session: varint(&mut device),
            package: varint(&mut device),
            credential: self.credential_read.1,
            epoch: self.epoch_read,
        }
    }

    /// The highest session number, durable or on its way.
    pub(super) fn newest_session(&self) -> u64 {
        let late = self.late.iter().flat_map(Changes::iter);
        let mut late = late.filter_map(|change| match change {
            Change::Put { key, value } if key == "member/device" => Some(&value[..]),
            _ => None,
        });
        let record = late.next_back().unwrap_or(&self.store.0["member/device"]);
        varint(&mut &record[1 + 32..])
    }

    /// Its store says again that no will was ever sealed.
    pub(super) fn forget_connection(&mut self) {
        let record = self.store.0.get_mut("member/device").unwrap();
        let mut rest = &record[1 + 32..];
        varint(&mut rest);
        varint(&mut rest);
        let end = record.len() - rest.len();
        record.truncate(end);
        record.push(0);
    }

    /// Serial of the delegation in the store, and the record.
    pub(super) fn delegation(&self) -> (u32, Vec<u8>) {
        let stored = &self.store.0["member/domain"];
        let mut record = &stored[1 + 32..];
        let _prefix = bytes(&mut record);
        let object = Object::parse(kept(&mut record), Kind::Delegation).unwrap();
        let (delegation, _) = object.decode::<Delegation<'_>>().unwrap();
        (delegation.serial, stored.clone())
    }

    /// The credential object in the store.
    pub(super) fn credential(&self) -> &[u8] {
        let mut record = &self.store.0["member/credential"][1..];
        let _delegation = kept(&mut record);
        kept(&mut record)
    }

    /// The group's state in the store.
    pub(super) fn state(&self) -> Option<GroupState> {
        Some(GroupState::decode(&self.state_record()?[1..]).unwrap())
    }

    fn state_record(&self) -> Option<&[u8]> {
        let mut records = self.store.0.range("group/".to_owned()..);
        let state = records.find(|(key, _)| key.ends_with("/state"));
        state.map(|(_, record)| record.as_slice())
    }

    pub(super) fn epoch(&self) -> u64 {
        let epoch = match &self.engine {
            Engine::Host(client) => client.member().groups().next().and_then(|g| g.epoch),
            Engine::Sensor(sensor) => sensor.epoch(),
        };
        epoch.unwrap_or(0)
    }

    /// Epoch and announcement that a key id names.
    pub(super) fn named(&self, key: KeyId) -> Option<(u64, &[u8])> {
        let mut records = self.store.0.range("group/".to_owned()..).rev();
        records.find_map(|(path, value)| {
            let (_, epoch) = path.split_once("/announcement/")?;
            let object = Object::parse(&value[1..], Kind::Announcement).unwrap();
            (KeyId::of(&object.hash()) == key).then(|| (epoch.parse().unwrap(), &value[1..]))
        })
    }

    /// The announcement of an epoch that its keys rest on.
    pub(super) fn announcement(&self, epoch: u64) -> Option<&[u8]> {
        let suffix = format!("/announcement/{epoch}");
        let mut records = self.store.0.range("group/".to_owned()..);
        records
            .find(|(key, _)| key.starts_with("group/") && key.ends_with(&suffix))
            .map(|(_, value)| &value[1..])
    }
}
