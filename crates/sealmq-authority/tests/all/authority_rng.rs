//! An authority whose random number generator repeats: nothing that it draws repeats (A46).

use std::collections::BTreeSet;

use crate::common::device::Device;
use crate::common::{MemoryStore, TestRng, request};
use crate::net::{Net, START, YEAR, grant};
use sealmq_authority::{Authority, NewGroup, Plan};
use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::Access;
use sealmq_core::wire::Suite;
use sealmq_keys::objects::{Announcement, VerifiedDelegation};
use sealmq_keys::{Publication, ReservedTopic, Store};

/// Group key and salt of every announcement, the encapsulations of all welcomes.
#[derive(Default)]
struct Drawn {
    group_keys: Vec<[u8; 32]>,
    salts: Vec<[u8; 32]>,
    encapsulations: Vec<[u8; 32]>,
}

impl Drawn {
    fn take(&mut self, authority: &Authority, publications: &[Publication]) {
        for publication in publications.iter().filter(|p| !p.payload.is_empty()) {
            match ReservedTopic::parse(authority.prefix(), &publication.topic) {
                Some(ReservedTopic::Announcement(..)) => {
                    let root = VerifyingKey::from_bytes(authority.root_key()).unwrap();
                    let delegation = authority.delegation();
                    let delegation = VerifiedDelegation::verify(delegation, &root).unwrap();
                    let prefix = authority.prefix();
                    let seen = Announcement::verify(&publication.payload, &delegation, prefix);
                    let head = *seen.unwrap().head();
                    self.group_keys.push(head.group_key.0);
                    self.salts.push(head.salt);
                }
                Some(ReservedTopic::Welcome(..)) => {
                    // enc ‖ length (2) ‖ 16 path keys and a tag ‖ signature
                    let end = publication.payload.len() - 64 - (16 * 32 + 16) - 2;
                    let enc = &publication.payload[end - 32..end];
                    self.encapsulations.push(enc.try_into().unwrap());
                }
                _ => {}
            }
        }
    }

    fn all_differ(&self, epochs: usize, welcomes: usize) {
        let count = |all: &[[u8; 32]]| all.iter().collect::<BTreeSet<_>>().len();
        assert_eq!(
            (self.group_keys.len(), count(&self.group_keys)),
            (epochs, epochs)
        );
        assert_eq!(count(&self.salts), epochs);
        let welcomed = (self.encapsulations.len(), count(&self.encapsulations));
        assert_eq!(welcomed, (welcomes, welcomes));
    }
}

struct Office {
    authority: Authority,
    store: MemoryStore,
    drawn: Drawn,
}

impl Office {
    fn done(&mut self, plan: Plan) {
        self.store.commit(&plan.changes).unwrap();
        self.drawn.take(&self.authority, &plan.publications);
    }

    fn new() -> Self {
        let new = Authority::create(None, YEAR, START, &mut TestRng::stuck()).unwrap();
        let mut office = Self {
            authority: new.authority,
            store: MemoryStore::default(),
            drawn: Drawn::default(),
        };
        office.store.commit(&new.plan.changes).unwrap();
        let group = NewGroup::new("plant", ["plant/#"]);
        let plan = office
            .authority
            .add_group(&group, START, &mut TestRng::stuck());
        office.done(plan.unwrap());
        office
    }

    fn act(&mut self, change: impl FnOnce(&mut Authority, &mut TestRng) -> Plan) {
        let plan = change(&mut self.authority, &mut TestRng::stuck());
        self.done(plan);
    }

    /// A process that starts again, with the same numbers from its RNG.
    fn restart(&mut self) {
        self.authority = Authority::load(&self.store).unwrap();
    }
}

fn enrol(office: &mut Office, seed: u8) {
    let object = request(seed, &format!("device-{seed}"), 2, START);
    office.act(|authority, rng| {
        let grants = [grant("plant", Access::BOTH)];
        authority
            .enrol(&object, &grants, YEAR, START, rng)
            .unwrap()
            .1
    });
}

/// All within one second, so that time does not help.
#[test]
fn a_stuck_rng_repeats_no_secret() {
    let mut office = Office::new();
    for seed in 1..=3 {
        enrol(&mut office, seed);
    }
    office.act(|a, rng| a.tick(START, rng).unwrap());
    let eve = office.authority.members().next().unwrap().number;
    office.restart();
    office.act(|a, rng| a.remove(eve, START, rng).unwrap());
    office.restart();
    office.act(|a, rng| a.rotate("plant", START, rng).unwrap());
    office.act(|a, rng| a.heal("plant", START, rng).unwrap());
    office.act(|a, rng| a.renew_generation("plant", START, rng).unwrap());
    office.act(|a, rng| a.tick(START, rng).unwrap());
    let members: Vec<_> = office.authority.members().map(|m| m.number).collect();
    for (number, seed) in members.into_iter().zip(1..=3).skip(1) {
        let device = Device::new(seed, Suite::One, office.authority.domain());
        let set = device.package_set(&[device.package(9, START, START + 60)]);
        let topic = ReservedTopic::Packages(number).name(office.authority.prefix());
        office.act(|a, rng| a.handle(&topic, &set, START, rng).unwrap());
    }
    office.act(|a, rng| a.tick(START, rng).unwrap());
    office.drawn.all_differ(7, 5);
}

/// The backup has the old secret, and the machine's RNG was put back with it.
#[test]
fn two_lives_of_a_store_draw_different_secrets() {
    let mut office = Office::new();
    enrol(&mut office, 1);
    let backup = office.store.clone();
    office.act(|a, rng| a.rotate("plant", START + 1, rng).unwrap());
    office.store = backup;
    office.restart();
    office.act(|a, rng| a.rotate("plant", START + 2, rng).unwrap());
    office.drawn.all_differ(3, 1);
}

/// What the removed member knows of the epoch before opens nothing of the next.
#[test]
fn a_removal_under_a_stuck_rng_locks_out() {
    let mut net = Net::new();
    net.rng = TestRng::stuck();
    let alice = net.join("alice", Access::BOTH);
    let bob = net.join("bob", Access::BOTH);
    let eve = net.join("eve", Access::BOTH);
    for device in [alice, bob, eve] {
        net.subscribe(device, "plant/#");
    }
    net.send(bob, "plant/a", b"before");
    net.remove(eve);
    net.send(bob, "plant/a", b"after");
    assert_eq!(net.texts(alice), ["before", "after"]);
    assert_eq!(net.texts(eve), ["before"]);
    let mut drawn = Drawn::default();
    let retained: Vec<Publication> = net
        .retained
        .iter()
        .filter(|(topic, _)| topic.contains("/a/"))
        .map(|(topic, payload)| Publication::retained(topic.as_str(), payload.as_slice()))
        .collect();
    drawn.take(&net.authority, &retained);
    drawn.all_differ(drawn.group_keys.len(), 0);
}
