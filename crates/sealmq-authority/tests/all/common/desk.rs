//! An authority with its store: what it decides is committed, and can be lost with the process.

use std::collections::BTreeMap;

use sealmq_authority::{
    Authority, AuthorityEvent, DomainOptions, GrantSpec, NewGroup, Plan, RootKey, TokenSpec,
};
use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::Access;
use sealmq_core::wire::Suite;
use sealmq_keys::objects::{Fingerprint, NamePattern, Roles, Token, VerifiedDelegation};
use sealmq_keys::{ReservedTopic, Store};

use super::{MemoryStore, TestRng};

pub const NOW: u64 = 1_764_000_000;
pub const YEAR: u64 = 365 * 86_400;

pub struct Desk {
    pub authority: Authority,
    pub root: RootKey,
    pub store: MemoryStore,
    pub rng: TestRng,
    pub events: Vec<AuthorityEvent>,
    /// What the broker has retained.
    pub retained: BTreeMap<String, Vec<u8>>,
    /// What went out without being retained, until something was.
    pub passed: BTreeMap<String, Vec<u8>>,
    pub republished: Vec<String>,
}

impl Desk {
    pub fn new(suite: Suite, seed: u64) -> Self {
        let mut rng = TestRng::new(seed);
        let options = DomainOptions {
            suite,
            delegation_seconds: YEAR,
            ..DomainOptions::default()
        };
        let new = Authority::create_with(&options, NOW, &mut rng).unwrap();
        let mut desk = Self {
            authority: new.authority,
            root: RootKey::from_seed(&new.root_seed),
            store: MemoryStore::default(),
            rng,
            events: Vec::new(),
            retained: BTreeMap::new(),
            passed: BTreeMap::new(),
            republished: Vec::new(),
        };
        desk.commit(new.plan);
        desk
    }

    /// With the groups `plant` and `office`.
    pub fn with_groups(suite: Suite) -> Self {
        let mut desk = Self::new(suite, 1);
        for name in ["plant", "office"] {
            desk.add_group(&NewGroup::new(name, [format!("{name}/#")]));
        }
        desk
    }

    pub fn add_group(&mut self, group: &NewGroup) {
        let plan = self.authority.add_group(group, NOW, &mut self.rng).unwrap();
        self.commit(plan);
    }

    /// Commits a plan and publishes it; returns how many changes it had.
    pub fn commit(&mut self, plan: Plan) -> usize {
        self.store.commit(&plan.changes).unwrap();
        self.events = plan.events;
        self.republished = plan.republish;
        for publication in plan.publications {
            if !publication.retain {
                self.passed.insert(publication.topic, publication.payload);
                continue;
            }
            self.passed.remove(&publication.topic);
            if publication.payload.is_empty() {
                self.retained.remove(&publication.topic);
            } else {
                self.retained.insert(publication.topic, publication.payload);
            }
        }
        plan.changes.iter().count()
    }

    /// Commits a plan of which nothing gets published.
    pub fn store_only(&mut self, plan: Plan) {
        self.store.commit(&plan.changes).unwrap();
    }

    /// Hands over what arrived, and commits.
    pub fn handle(&mut self, topic: ReservedTopic, payload: &[u8], now: u64) -> usize {
        let topic = self.name(topic);
        self.retained.insert(topic.clone(), payload.to_vec());
        let plan = self.authority.handle(&topic, payload, now, &mut self.rng);
        self.commit(plan.unwrap())
    }

    /// The process ends and starts again.
    pub fn reload(&mut self) {
        self.authority = Authority::load(&self.store).unwrap();
    }

    pub fn name(&self, topic: ReservedTopic) -> String {
        topic.name(self.authority.prefix())
    }

    /// What a device was told last.
    pub fn answer(&self, device: Fingerprint) -> Option<&[u8]> {
        let topic = self.name(ReservedTopic::Answer(device));
        let told = self.passed.get(&topic).or(self.retained.get(&topic));
        told.map(Vec::as_slice)
    }

    pub fn at(&self, topic: ReservedTopic) -> Option<&[u8]> {
        self.retained.get(&self.name(topic)).map(Vec::as_slice)
    }

    pub fn delegation(&self) -> VerifiedDelegation {
        let root = VerifyingKey::from_bytes(self.authority.root_key()).unwrap();
        VerifiedDelegation::verify(self.authority.delegation(), &root).unwrap()
    }

    pub fn token(&mut self, name: &str, uses: u32) -> Token {
        let spec = TokenSpec {
            grants: grants(&["plant"]),
            name: NamePattern::parse(name).unwrap(),
            ttl: 3600,
            uses,
            member_validity: YEAR / 4,
            broker: String::new(),
        };
        let (token, plan) = self
            .authority
            .create_token(&spec, NOW, &mut self.rng)
            .unwrap();
        self.commit(plan);
        // What the device reads is what it joins with.
        Token::parse(&token.to_uri().unwrap()).unwrap()
    }

    /// The root signs the next delegation with new keys, because the old ones were stolen.
    pub fn recover(&mut self) {
        let request = self
            .authority
            .request_delegation(true, false, NOW, &mut self.rng);
        let (request, plan) = request.unwrap();
        self.commit(plan);
        let serial = self.delegation().serial() + 1;
        let object = self
            .root
            .delegate(&request, serial, NOW, NOW + YEAR, Roles::ALL);
        let object = object.unwrap();
        let plan = self
            .authority
            .install_delegation(&object, true, NOW, &mut self.rng);
        self.commit(plan.unwrap());
    }

    pub fn uses_left(&self) -> Vec<u32> {
        self.authority.tokens().map(|t| t.uses_left).collect()
    }

    pub fn refusals(&self) -> usize {
        let refused = |e: &&AuthorityEvent| matches!(e, AuthorityEvent::Refused { .. });
        self.events.iter().filter(refused).count()
    }
}

pub fn grants(groups: &[&str]) -> Vec<GrantSpec> {
    let spec = |group: &&str| GrantSpec {
        group: (*group).into(),
        access: Access::BOTH,
        publish_filter: String::new(),
    };
    groups.iter().map(spec).collect()
}
