//! Extreme numbers, by whichever role: they neither stop an authority for ever, nor keep it from
//! being resumed, nor use up its numbers (A37).

use crate::common::TestRng;
use crate::net::{Net, START, YEAR};
use crate::restored::{Restored, delegation, put_in_place};
use crate::thief::{Thief, announced};
use sealmq_authority::{AuditLog, Authority, AuthorityEvent, ResumeOptions, RootKey, What};
use sealmq_core::crypto::Digest;
use sealmq_core::object::{Access, List};
use sealmq_core::{GroupId, MemberNumber};
use sealmq_keys::group::ReaderSecret;
use sealmq_keys::objects::{
    Announcement, CoverKey, Generation, Head, HeartbeatFields, MAX_ANNOUNCEMENT_LEN,
    MAX_HEARTBEAT_LEN, MAX_REFUSED_LEN, Policy, REMOVED, Refusal, RefusedList, Roles,
};
use sealmq_keys::{ReservedTopic, Store};

const REACH: u64 = 1 << 20;

struct Scene {
    net: Net,
    thief: Thief,
    group: GroupId,
    epoch: u64,
}

impl Scene {
    fn new() -> Self {
        let mut net = Net::with_policy(Policy {
            lease: 300,
            ..Policy::default()
        });
        net.join("alice", Access::BOTH);
        net.join("bob", Access::BOTH);
        let thief = Thief::with_copy_of(&net);
        let group = net.authority.groups().next().unwrap();
        Self {
            thief,
            group: group.id,
            epoch: group.epoch,
            net,
        }
    }

    fn name(&self, topic: ReservedTopic) -> String {
        self.net.topic(topic)
    }

    fn beat(&self, epoch: u64, log_size: u64) -> (String, Vec<u8>) {
        let fields = HeartbeatFields {
            domain: self.net.authority.domain(),
            serial: 1,
            signer: self.thief.keys[0].0,
            group: self.group,
            epoch,
            announcement: Digest([1; 32]),
            issued_at: START,
            lease: 300,
            log_size,
            log_head: Digest([1; 32]),
        };
        let mut buffer = [0; MAX_HEARTBEAT_LEN];
        let (object, _) = fields.sign(&self.thief.keys[0].2, &mut buffer).unwrap();
        (
            self.name(ReservedTopic::Heartbeat(self.group)),
            object.to_vec(),
        )
    }

    fn announce(&self, epoch: u64, generation: u32) -> (String, Vec<u8>) {
        let own = announced(&self.net, self.epoch);
        let prefix = self.net.authority.prefix();
        let own = Announcement::verify(&own, &self.thief.delegation, prefix).unwrap();
        let tree = self.thief.tree_secret(&own).unwrap();
        let mut buffer = [0; 64];
        let living = own.head().generations.iter().next().unwrap();
        let generations = [Generation {
            number: generation,
            ..living
        }];
        let head = Head {
            epoch,
            previous: Digest([9; 32]),
            generations: List::encode(&generations, &mut buffer).unwrap(),
            ..*own.head()
        };
        let cover = [2, 3].map(|node| CoverKey {
            node,
            key: sealmq_keys::tree::NodeKey::first(&tree, node),
        });
        let secret = ReaderSecret::new(sealmq_core::crypto::Secret::new([0x66; 32]));
        let mut out = vec![0; MAX_ANNOUNCEMENT_LEN];
        let (object, _) = head
            .sign(prefix, &secret, &[&cover], &self.thief.keys[0].2, &mut out)
            .unwrap();
        let topic = ReservedTopic::Announcement(self.group, epoch);
        (self.name(topic), object.to_vec())
    }

    fn refuse(&self, members: &[u32]) -> (String, Vec<u8>) {
        let refusals: Vec<Refusal> = members
            .iter()
            .map(|member| Refusal {
                member: MemberNumber(*member),
                lowest_serial: REMOVED,
            })
            .collect();
        let mut out = vec![0; MAX_REFUSED_LEN];
        let (index, _, key) = &self.thief.keys[0];
        let domain = self.net.authority.domain();
        let (object, _) =
            RefusedList::sign(domain, 1, *index, self.group, &refusals, key, &mut out).unwrap();
        (
            self.name(ReservedTopic::RefusedList(self.group)),
            object.to_vec(),
        )
    }

    fn delegate(&self, serial: u32) -> (String, Vec<u8>) {
        let root = RootKey::from_seed(&self.net.root.seed());
        let object = root
            .delegate(&self.net.request, serial, START, START + YEAR, Roles::ALL)
            .unwrap();
        (self.name(ReservedTopic::Delegation), object)
    }

    fn extremes(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        for epoch in [u64::MAX, u64::MAX - 1, u64::MAX - 2, self.epoch + REACH + 1] {
            all.push(self.beat(epoch, 1));
            all.push(self.announce(epoch, 1));
        }
        for size in [u64::MAX, u64::MAX - 1, 1 << 33] {
            all.push(self.beat(self.epoch, size));
        }
        for generation in [u32::MAX, u32::MAX - 1, 2 + (1 << 20)] {
            all.push(self.announce(self.epoch, generation));
            all.push(self.announce(self.epoch + 1, generation));
        }
        for member in [(1 << 28) - 1, 4 + (1 << 20)] {
            all.push(self.refuse(&[1, member]));
        }
        for serial in [u32::MAX, u32::MAX - 1, u32::MAX - 2] {
            all.push(self.delegate(serial));
        }
        all
    }
}

fn is_ignored(event: &AuthorityEvent, place: &str) -> bool {
    matches!(event, AuthorityEvent::NumberIgnored { place: at, .. } if at == place)
}

#[test]
fn extreme_numbers_do_not_suspend() {
    let scene = Scene::new();
    for (topic, object) in scene.extremes() {
        let mut restored = Restored::from(&scene.net.authority_store);
        restored.observe(&topic, &object);
        assert!(restored.authority.suspension().is_none(), "{topic}");
        let ignored = restored.events.iter().filter(|e| is_ignored(e, &topic));
        assert_eq!(ignored.count(), 1, "{topic}");
        // Said once, not again and again.
        restored.observe(&topic, &object);
        let ignored = restored.events.iter().filter(|e| is_ignored(e, &topic));
        assert_eq!(ignored.count(), 1, "{topic}");
        let rng = &mut TestRng::new(3);
        assert!(restored.authority.rotate("plant", START, rng).is_ok());
    }
}

#[test]
fn what_is_within_reach_is_evidence() {
    let scene = Scene::new();
    for (topic, object) in [
        scene.beat(scene.epoch + REACH, 1),
        scene.beat(scene.epoch, 1 << 32),
        scene.announce(scene.epoch + 1, 1 + (1 << 20)),
        scene.refuse(&[1, 1 << 20]),
        scene.delegate(u32::MAX - (1 << 20)),
    ] {
        let mut restored = Restored::from(&scene.net.authority_store);
        restored.observe(&topic, &object);
        assert!(restored.authority.suspension().is_some(), "{topic}");
    }
}

/// All of it, seen by a suspended authority, and the highest that counts besides.
#[test]
fn extreme_numbers_do_not_stop_a_resumption() {
    let mut scene = Scene::new();
    let mut copy = scene.net.authority_store.clone();
    let changes = Authority::mark_restored(&copy, START).unwrap();
    copy.commit(&changes).unwrap();
    let mut restored = Restored::from(&copy);
    let mut all = scene.extremes();
    all.push(scene.beat(scene.epoch + REACH, 1));
    all.push(scene.announce(scene.epoch + 1, 1 + (1 << 20)));
    for (topic, object) in all {
        restored.observe(&topic, &object);
    }
    assert_eq!(restored.authority.suspension().unwrap().serial, 1);
    let good = delegation(&scene.net, &mut restored.authority, 2);
    let heads = restored.authority.suspension().unwrap().heads;
    let options = ResumeOptions {
        heads: &heads,
        ..ResumeOptions::default()
    };
    let rng = &mut TestRng::new(4);
    let plan = restored.authority.resume(&good, &options, START, rng);
    let publications = restored.commit(plan.unwrap());
    put_in_place(&mut scene.net, &restored, publications);
    let net = &mut scene.net;
    let group = net.authority.groups().next().unwrap();
    assert!(group.epoch > scene.epoch + REACH && group.epoch < scene.epoch + 2 * REACH);
    assert!(group.generations[0].number < 2 << 20);
    net.rotate();
    net.heal();
    let carol = net.join("carol", Access::BOTH);
    assert!(net.number(carol).0 < 5000);
    assert_eq!(net.epoch(carol), net.epoch(0));
}

/// What a copy of the log says that nothing proves, and that the operator trusts.
#[test]
fn extreme_numbers_in_a_log_do_not_count() {
    let mut scene = Scene::new();
    let store = &scene.net.authority_store;
    let mut entries = Authority::audit_log(store).unwrap();
    let mut end = AuditLog::verify(entries.iter().map(Vec::as_slice)).unwrap();
    let (group, hash) = (scene.group, Digest([1; 32]));
    let topics = [
        ReservedTopic::Announcement(group, u64::MAX),
        ReservedTopic::Announcement(group, u64::MAX - 1),
        ReservedTopic::Chunk(group, scene.epoch + 1, u32::MAX),
        ReservedTopic::Chunk(group, u64::MAX, 1),
        ReservedTopic::Credential(MemberNumber((1 << 28) - 1)),
        ReservedTopic::Welcome(MemberNumber((1 << 28) - 1), group),
    ];
    let topics = topics.map(|topic| scene.name(topic));
    let mut forged: Vec<What<'_>> = topics
        .iter()
        .map(|topic| What::Signed { topic, hash })
        .collect();
    let (log_size, log_head) = (u64::MAX, hash);
    for serial in [u32::MAX, u32::MAX - 1] {
        forged.push(What::Delegation { serial, hash });
        forged.push(What::Resumed {
            serial,
            log_size,
            log_head,
        });
    }
    forged.push(What::Generation {
        group,
        number: u32::MAX,
        epoch: u64::MAX,
    });
    forged.push(What::Enrolled {
        member: MemberNumber((1 << 28) - 1),
        key: [9; 32],
        name: "last",
    });
    // Nor is anybody put out by an entry about a number or a key that is known.
    forged.push(What::Enrolled {
        member: scene.net.number(0),
        key: [9; 32],
        name: "alice",
    });
    for what in forged {
        entries.push(end.append(START, what).unwrap().bytes);
    }
    let mut copy = store.clone();
    let changes = Authority::mark_restored(&copy, START).unwrap();
    copy.commit(&changes).unwrap();
    let mut restored = Restored::from(&copy);
    let good = delegation(&scene.net, &mut restored.authority, 2);
    let rng = &mut TestRng::new(4);
    let options = crate::restored::log(&entries);
    let plan = restored.authority.resume(&good, &options, START, rng);
    let publications = restored.commit(plan.unwrap());
    let ignored = |e: &AuthorityEvent| is_ignored(e, "the audit log");
    assert!(restored.events.iter().any(ignored));
    put_in_place(&mut scene.net, &restored, publications);
    let net = &mut scene.net;
    let group = net.authority.groups().next().unwrap();
    assert_eq!(group.epoch, scene.epoch + 1);
    assert_eq!(group.generations[0].number, 2);
    assert_eq!(net.epoch(0), Some(group.epoch));
    let carol = net.join("carol", Access::BOTH);
    assert!(net.number(carol).0 < 5000);
}

/// The numbers of a domain may really end: the last member is enrolled, then a resumption still
/// works.
#[test]
fn the_gap_of_member_numbers_does_not_stop_a_resumption() {
    let scene = Scene::new();
    let mut copy = scene.net.authority_store.clone();
    let changes = Authority::mark_restored(&copy, START).unwrap();
    copy.commit(&changes).unwrap();
    let mut restored = Restored::from(&copy);
    let rng = &mut TestRng::new(4);
    for serial in 2..300_u32 {
        if restored.authority.suspension().is_none() {
            let changes = Authority::mark_restored(&restored.store, START).unwrap();
            restored.store.commit(&changes).unwrap();
            restored.authority = Authority::load(&restored.store).unwrap();
        }
        let log = Authority::audit_log(&restored.store).unwrap();
        let mut end = AuditLog::verify(log.iter().map(Vec::as_slice)).unwrap();
        let mut log = log;
        let member = MemberNumber((serial - 1).saturating_mul(1 << 20).min((1 << 28) - 1));
        let key = [u8::try_from(serial % 251).unwrap(); 32];
        let name = "x";
        let what = What::Enrolled { member, key, name };
        log.push(end.append(START, what).unwrap().bytes);
        let good = delegation(&scene.net, &mut restored.authority, serial);
        let options = crate::restored::log(&log);
        let plan = restored.authority.resume(&good, &options, START, rng);
        let _published = restored.commit(plan.unwrap());
    }
    let request = crate::common::request(9, "late", 1, START);
    let grants = [crate::net::grant("plant", Access::BOTH)];
    let refused = restored
        .authority
        .enrol(&request, &grants, YEAR, START, rng);
    assert!(refused.err().unwrap().to_string().contains("numbers"));
    assert!(restored.authority.rotate("plant", START, rng).is_ok());
}
