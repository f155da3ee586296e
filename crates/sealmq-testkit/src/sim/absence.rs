//! Publishers that are switched off for weeks, with a broker that delivers: their state is read by
//! who was there, by who was off as well, and by who joins in the end.

use sealmq_authority::{Authority, DomainOptions, NewGroup, RootKey};
use sealmq_core::object::Access;
use sealmq_keys::{Roles, Store as _};

use super::report::Report;
use super::world::{Held, START, World};
use super::{Crashes, Sabotage, Settings};
use crate::fuzz::world::{CountingRng, MemoryStore};

const DAY: u64 = 86_400;
/// Seconds that credentials are valid: a third before their end they are renewed.
const CREDENTIAL: u64 = 30 * DAY;
const DELEGATION: u64 = 90 * DAY;
/// Days between removals.
const REMOVAL: u64 = 9;
/// Each publisher has one topic with a value that changed, and one with a value that did not.
const TOPICS: [(&str, usize); 2] = [("level", 2), ("firmware", 1)];

/// Plays it. Everything that is left to the authority's schedule is as by default.
///
/// # Panics
/// A current value is not read.
#[must_use]
pub fn absence(publishers: usize, days: u64) -> Report {
    let settings = Settings {
        seed: 0,
        steps: 0,
        hostile: false,
        thief: false,
        restores: false,
        floods: false,
        sensors: false,
        crashes: Crashes::Never,
        sabotage: Sabotage::None,
    };
    let mut rng = CountingRng(1 << 31);
    let options = DomainOptions {
        prefix: Some("_sealmq/sim".into()),
        delegation_seconds: DELEGATION,
        ..DomainOptions::default()
    };
    let new = Authority::create_with(&options, START, &mut rng).unwrap();
    let (mut authority, mut store) = (new.authority, MemoryStore::default());
    store.commit(&new.plan.changes).unwrap();
    let group = NewGroup::new("plant", ["plant/#"]);
    let plan = authority.add_group(&group, START, &mut rng).unwrap();
    store.commit(&plan.changes).unwrap();
    let root = RootKey::from_seed(&new.root_seed);
    let mut world = World::with(&settings, authority, Held { store, root, rng });
    world.note_delegated();
    world.connect_office();
    world.play_absence(publishers, days);
    std::mem::take(&mut world.seen)
}

impl World {
    fn play_absence(&mut self, publishers: usize, days: u64) {
        let (stays, sleeps) = (self.member(Access::SUBSCRIBE), self.member(Access::BOTH));
        let access = |n: usize| match n % 40 {
            0 => Access::BOTH,
            _ => Access::PUBLISH,
        };
        let plant: Vec<usize> = (0..publishers).map(|n| self.member(access(n))).collect();
        let leave: Vec<usize> = (0..days / REMOVAL)
            .map(|_| self.member(Access::SUBSCRIBE))
            .collect();
        for device in 0..self.devices.len() {
            self.connect(device);
        }
        self.pass_seconds(10);
        let texts = self.publish_values(&plant);
        for device in plant.iter().chain(&leave).chain([&sleeps]) {
            self.disconnect(*device);
        }
        let mut leave = leave.into_iter();
        for day in 1..=days {
            if day % REMOVAL == 0 {
                self.remove(&[leave.next().unwrap()]);
            }
            if day % (days / 2) == days / 4 {
                self.continue_delegation();
            }
            // The authority looks at its schedule every six hours.
            for _ in 0..4 {
                self.now += DAY / 4 * 1000;
                self.pass_seconds(2);
            }
        }
        self.load(sleeps);
        let late = self.member(Access::SUBSCRIBE);
        self.connect(sleeps);
        self.connect(late);
        self.pass_seconds(15);
        for (reader, who) in [
            (stays, "was there"),
            (sleeps, "was off"),
            (late, "joined in the end"),
        ] {
            for text in &texts {
                let read = self.devices[reader].accepted.contains(text);
                let topic = &self.messages[*text].topic;
                assert!(read, "who {who} does not read the value of {topic}");
                self.seen
                    .total(&format!("values read by a reader that {who}"));
            }
        }
    }

    fn member(&mut self, access: Access) -> usize {
        self.enrol_by_file(access, true, CREDENTIAL);
        self.devices.len() - 1
    }

    /// The current value of each topic.
    fn publish_values(&mut self, plant: &[usize]) -> Vec<usize> {
        let mut current = Vec::new();
        for device in plant {
            for (topic, times) in TOPICS {
                for _ in 0..times {
                    let topic = format!("plant/{device}/{topic}");
                    assert!(self.send_on(*device, topic, true), "{device} cannot send");
                }
                current.push(self.messages.len() - 1);
            }
        }
        self.pass_seconds(5);
        current
    }

    /// As operators do it every now and then: new keys, of the same lineage.
    fn continue_delegation(&mut self) {
        let now = self.now / 1000;
        let authority = &mut self.authority;
        let request = authority.request_delegation(true, true, now, &mut self.rng);
        let (request, plan) = request.unwrap();
        assert!(self.carry_out(plan));
        let serial = self.authority.delegation_info().serial + 1;
        let (end, lineage) = (now + DELEGATION, Some(&self.lineage));
        let object = self
            .root
            .delegate_on(lineage, &request, serial, now, end, Roles::ALL);
        let authority = &mut self.authority;
        let plan = authority.install_delegation(&object.unwrap(), false, now, &mut self.rng);
        assert!(self.carry_out(plan.unwrap()));
        self.seen.total("delegations continued");
    }
}
