//! A domain whose stores are of the version before state had keys of its own.

use sealmq_authority::{Authority, AuthorityError, AuthorityEvent, LoadError, Schedule};
use sealmq_core::GroupId;
use sealmq_core::crypto::Digest;
use sealmq_core::object::Access;
use sealmq_core::wire::Suite;
use sealmq_keys::member::{Member, MemberError};
use sealmq_keys::{Policy, ReservedTopic, Store};
use serde::{Deserialize, Serialize};

use super::{join_late, keep, values};
use crate::common::MemoryStore;
use crate::net::serve::{generations, settle, talk};
use crate::net::{Net, grant};

type PolicyV3 = (u8, u32, u32, u32, u32, u8, u32, u32, u64, u32, u32);
type Secret = [u8; 32];

/// A tree with its healings and removed leaves.
type Generation = (
    (u32, u8, u64, u64, u64, bool),
    Secret,
    Vec<(u64, Secret)>,
    Vec<u32>,
);

#[derive(Serialize, Deserialize)]
struct GroupRecord {
    head: (GroupId, String, Vec<String>),
    policy: PolicyV3,
}

#[derive(Serialize, Deserialize)]
struct GroupRest {
    schedule: Schedule,
    epoch: (u64, Digest, u64, Digest, u64, u64, u64, u64, u64),
    joins_since: Option<u64>,
    moved_at: u64,
    generations: Vec<Generation>,
    refused: Digest,
    retained: Vec<(u64, u32)>,
}

/// An authority's record of a group as version 4 had it.
fn old_group(body: &[u8]) -> Vec<u8> {
    let (head, rest) = postcard::take_from_bytes::<GroupRecord>(body).unwrap();
    let (_kept, rest) = postcard::take_from_bytes::<u8>(rest).unwrap();
    let (rest, _new) = postcard::take_from_bytes::<GroupRest>(rest).unwrap();
    postcard::to_allocvec(&(head, rest)).unwrap()
}

/// The authority's store as version 4 would have left it.
fn old_authority(store: &MemoryStore, prefix: &str) -> MemoryStore {
    let mut old = MemoryStore::default();
    for (key, value) in &store.0 {
        let value = if let Some(topic) = key.strip_prefix("outbox/") {
            if let Some(ReservedTopic::KeptKeys(_)) = ReservedTopic::parse(prefix, topic) {
                continue;
            }
            value.clone()
        } else if key.starts_with("authority/group/") {
            [&[4], &old_group(&value[1..])[..]].concat()
        } else if value[0] == 6 && key.starts_with("authority/") {
            [&[4], &value[1..]].concat()
        } else {
            value.clone()
        };
        old.0.insert(key.clone(), value);
    }
    old
}

#[derive(Serialize, Deserialize)]
struct StateStart<'a> {
    version: u8,
    ids: ([u8; 16], GroupId, u32, u32, u64, u32, Secret),
    leaf: (u8, u32),
    keys: &'a [u8],
    base: u64,
    before: Option<Digest>,
    healing: (u64, Digest),
    slots: &'a [u8],
}

/// A member's state of a group as version 3 had it.
fn old_state(body: &[u8]) -> Vec<u8> {
    let (start, rest) = postcard::take_from_bytes::<StateStart<'_>>(body).unwrap();
    let (_kept, rest) = postcard::take_from_bytes::<Option<(u64, u32, &[u8])>>(rest).unwrap();
    let (is_there, rest) = rest.split_first().unwrap();
    assert_eq!(*is_there, 1);
    type Serial = (u32, u8, u64, u64, Digest);
    let (newest, rest) = postcard::take_from_bytes::<(Serial, PolicyV3)>(rest).unwrap();
    let (_kept, rest) = postcard::take_from_bytes::<u8>(rest).unwrap();
    let start = StateStart {
        version: 3,
        ..start
    };
    let start = postcard::to_allocvec(&start).unwrap();
    let newest = postcard::to_allocvec(&newest).unwrap();
    [&start[..], &[1], &newest, rest].concat()
}

/// The record of one session of one sender, as version 3 had it.
fn old_sender(record: &[u8]) -> Vec<u8> {
    let sessions = 4 * (8 + 32 + 4 + 8 * 16);
    let (_, sessions) = record.split_at(record.len() - sessions);
    // Delegation 1, credential 1; no floor, no will, no retained value.
    let order = [0, 0, 0, 1, 0, 0, 0, 1];
    [&[5], &record[1..21], &order, &[0; 8 + 8 + 12], sessions].concat()
}

/// A member's store as version 3 would have left it.
fn old_member(store: &MemoryStore) -> MemoryStore {
    let mut old = MemoryStore::default();
    for (key, value) in &store.0 {
        let body = &value[1..];
        let (key, body) = match key.as_str() {
            "member/device" => (key.clone(), body[..body.len() - 1].to_vec()),
            kept if kept.ends_with("/kept") => continue,
            state if state.ends_with("/state") => (key.clone(), old_state(body)),
            replay if replay.starts_with("replay/09") => {
                (replay.replace("replay/09", "replay/05"), old_sender(body))
            }
            replay if replay.starts_with("replay/") => continue,
            _ => (key.clone(), body.to_vec()),
        };
        old.0.insert(key, [&[3], &body[..]].concat());
    }
    old
}

/// Every program is replaced by one of this version.
fn upgrade(net: &mut Net) {
    let prefix = net.authority.prefix().to_owned();
    net.authority_store = old_authority(&net.authority_store, &prefix);
    let refused = Authority::load(&net.authority_store).err().unwrap();
    assert!(matches!(
        refused,
        LoadError::Authority(AuthorityError::OldStore)
    ));
    let changes = Authority::migration(&net.authority_store).unwrap().unwrap();
    net.authority_store.commit(&changes).unwrap();
    assert!(
        Authority::migration(&net.authority_store)
            .unwrap()
            .is_none()
    );
    net.authority = Authority::load(&net.authority_store).unwrap();
    net.retained.clear();
    for publication in net.authority.outbox(&net.authority_store).unwrap() {
        net.publish(publication);
    }
    for device in 0..net.devices.len() {
        let changes = net.devices[device].member.flush();
        net.devices[device].store.commit(&changes).unwrap();
        let this = &mut net.devices[device];
        this.store = old_member(&this.store);
        let options = this.member.options().clone();
        let refused = Member::load(&this.store, options.clone()).err().unwrap();
        assert!(matches!(refused, MemberError::OldStore));
        let changes = Member::migration(&this.store).unwrap().unwrap();
        this.store.commit(&changes).unwrap();
        this.member = Member::load(&this.store, options).unwrap();
        net.disconnect(device);
    }
}

#[test]
fn everybody_comes_through() {
    for suite in [Suite::One, Suite::Two] {
        let mut net = Net::with_suite(suite, Policy::default());
        let alice = net.join("alice", Access::BOTH);
        let pump = net.join("pump", Access::PUBLISH);
        let sleeper = net.join("sleeper", Access::SUBSCRIBE);
        let eve = net.join("eve", Access::SUBSCRIBE);
        settle(&mut net);
        // One misses an epoch that heals, and one has not opened its welcome.
        net.disconnect(sleeper);
        net.remove(eve);
        let new = net.enrol("new", &[grant("plant", Access::SUBSCRIBE)]);
        net.tick_authority();
        let early = net.send(pump, "plant/a", b"before");
        assert_eq!(net.texts(alice), ["before"]);
        let numbers = [alice, pump, sleeper, eve].map(|device| net.number(device));

        upgrade(&mut net);
        let part = |part: &str| net.retained.keys().filter(|t| t.contains(part)).count();
        assert_eq!(
            (part("/a/"), part("/w/"), part("/k")),
            (0, 0, 0),
            "taken back"
        );
        assert_eq!((part("/delegation"), part("/credential")), (1, 5));
        assert!(net.authority.next_due().unwrap() <= net.now / 1000);
        for device in [alice, pump, sleeper, new] {
            net.connect(device);
            net.subscribe(device, "plant/#");
        }
        // Events go on in the epoch that they had; what was seen is seen.
        net.deliver(alice, "plant/a", &early, false);
        assert_eq!(net.rejections(alice), ["Replay"]);
        talk(&mut net, pump, &[alice], "still the same epoch");
        let message = sealmq_keys::member::OutgoingMessage::new("plant/s", b"x").retained();
        assert!(net.seal(pump, &message).is_err(), "no keys for state yet");

        net.tick_authority();
        assert_eq!(generations(&net), [1, 2], "those who missed one are moved");
        keep(&mut net, pump, "plant/s", "first");
        assert_eq!(values(&mut net, alice), ["first"]);
        talk(&mut net, pump, &[alice], "followed");
        for _ in 0..3 {
            settle(&mut net);
            net.now += 600_000;
        }
        settle(&mut net);
        assert_eq!(generations(&net), [2]);
        let late = join_late(&mut net, "late");
        for reader in [alice, sleeper, new, late] {
            assert_eq!(values(&mut net, reader), ["first"], "{reader}");
        }
        talk(&mut net, pump, &[alice, sleeper, new, late], "all");
        let again = [alice, pump, sleeper, eve].map(|device| net.number(device));
        assert_eq!(again, numbers);
        // Whoever was removed stays so.
        net.connect(eve);
        assert!(values(&mut net, eve).is_empty());
    }
}

/// The store is brought forward once, and a move that was under way goes on.
#[test]
fn a_move_that_was_under_way_goes_on() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::SUBSCRIBE);
    let pump = net.join("pump", Access::PUBLISH);
    settle(&mut net);
    crate::net::serve::renew(&mut net);
    upgrade(&mut net);
    for device in [alice, pump] {
        net.connect(device);
        net.subscribe(device, "plant/#");
    }
    let plan = net.authority.tick(net.now / 1000, &mut net.rng).unwrap();
    let begun = |e: &AuthorityEvent| matches!(e, AuthorityEvent::Epoch { .. });
    assert_eq!(plan.events.iter().filter(|e| begun(e)).count(), 1);
    net.carry_out(plan);
    for _ in 0..3 {
        settle(&mut net);
        net.now += 600_000;
    }
    settle(&mut net);
    assert_eq!(generations(&net), [2]);
    keep(&mut net, pump, "plant/s", "value");
    assert_eq!(values(&mut net, alice), ["value"]);
}
