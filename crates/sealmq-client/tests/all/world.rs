//! An authority, a broker and clients that share one clock.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use sealmq_authority::{Authority, GrantSpec, NewGroup, Plan, RootKey};
use sealmq_client::{Options, Time, Wire};
use sealmq_core::object::Access;
use sealmq_core::topic::{Filter, Topic};
use sealmq_keys::member::Member;
use sealmq_keys::objects::{Policy, Roles, decode_request};
use sealmq_keys::{Store as _, is_reserved};
use sealmq_store::MemoryStore;

use crate::all::node::{Message, Node};

/// Unix milliseconds when the uptime is 0.
const BEGAN: u64 = 1_800_000_000_000;

pub struct Rng(u64);

impl TryRng for Rng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.try_next_u64()? as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(z ^ (z >> 31))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(8) {
            let bytes = self.try_next_u64()?.to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Rng {}

pub struct World {
    /// Milliseconds.
    pub uptime: u64,
    pub authority: Authority,
    pub root: RootKey,
    pub store: MemoryStore,
    pub retained: BTreeMap<String, Vec<u8>>,
    /// What went out last on other topics without being retained.
    pub passed: BTreeMap<String, Vec<u8>>,
    pub nodes: Vec<Node>,
    pub rng: Rng,
}

impl World {
    /// With one group, `plant`, for `plant/#`.
    pub fn new() -> Self {
        Self::with_policy(Policy::default())
    }

    pub fn with_policy(policy: Policy) -> Self {
        let mut rng = Rng(1);
        let mut store = MemoryStore::new();
        let domain = Authority::create(None, 30 * 86_400, BEGAN / 1000, &mut rng).unwrap();
        store.commit(&domain.plan.changes).unwrap();
        let mut world = Self {
            uptime: 0,
            authority: domain.authority,
            root: RootKey::from_seed(&domain.root_seed),
            store,
            retained: BTreeMap::new(),
            passed: BTreeMap::new(),
            nodes: Vec::new(),
            rng,
        };
        world.carry_out_plan(domain.plan);
        let group = NewGroup {
            policy,
            ..NewGroup::new("plant", ["plant/#"])
        };
        let now = world.now();
        let plan = world.authority.add_group(&group, now, &mut world.rng);
        world.carry_out(plan.unwrap());
        world
    }

    /// Unix seconds.
    pub fn now(&self) -> u64 {
        (BEGAN + self.uptime) / 1000
    }

    pub fn time(&self, has_clock: bool) -> Time {
        if has_clock {
            Time::new(self.uptime, BEGAN + self.uptime)
        } else {
            Time::without_clock(self.uptime)
        }
    }

    pub fn carry_out(&mut self, plan: Plan) {
        self.store.commit(&plan.changes).unwrap();
        self.carry_out_plan(plan);
    }

    fn carry_out_plan(&mut self, plan: Plan) {
        for publication in plan.publications {
            self.route(Wire::from(publication));
        }
    }

    /// An enrolled member's store, before the epoch in which it can read.
    pub fn enrol_only(&mut self, name: &str, access: Access) -> MemoryStore {
        self.enrol_with(name, &[grant(access)])
    }

    pub fn enrol_with(&mut self, name: &str, grants: &[GrantSpec]) -> MemoryStore {
        let (mut store, clock) = (MemoryStore::new(), self.time(true).clock);
        let packages = u32::try_from(grants.len().max(4)).unwrap();
        let request = Member::request(&store, name, packages, clock, &mut self.rng);
        let (changes, request) = request.unwrap();
        store.commit(&changes).unwrap();
        let (request, now) = (decode_request(&request).unwrap(), self.now());
        let enrolled = self
            .authority
            .enrol(&request, grants, 86_400, now, &mut self.rng);
        let (enrolled, plan) = enrolled.unwrap();
        self.carry_out(plan);
        let (changes, _) = Member::enrol(&store, &enrolled.credential_file, clock).unwrap();
        store.commit(&changes).unwrap();
        store
    }

    /// Starts what is due at the authority.
    pub fn tick(&mut self) {
        let plan = self.authority.tick(self.now(), &mut self.rng).unwrap();
        self.carry_out(plan);
    }

    pub fn rotate(&mut self) {
        let plan = self
            .authority
            .rotate("plant", self.now(), &mut self.rng)
            .unwrap();
        self.carry_out(plan);
    }

    /// A healing epoch, as if somebody had been removed.
    pub fn heal(&mut self) {
        let now = self.now();
        let plan = self.authority.heal("plant", now, &mut self.rng).unwrap();
        self.carry_out(plan);
    }

    /// Recovery from stolen keys of the authority; its announcements are held back.
    pub fn recover(&mut self) -> Plan {
        let now = self.now();
        let asked = self
            .authority
            .request_delegation(true, true, now, &mut self.rng);
        let (request, plan) = asked.unwrap();
        self.carry_out(plan);
        let signed = self
            .root
            .delegate(&request, 2, now, now + 86_400, Roles::ALL);
        let object = signed.unwrap();
        let installed = self
            .authority
            .install_delegation(&object, true, now, &mut self.rng);
        let mut plan = installed.unwrap();
        let mut later = Plan::default();
        later.publications = plan
            .publications
            .extract_if(.., |publication| publication.topic.contains("/a/"))
            .collect();
        self.carry_out(plan);
        later
    }

    /// A member that is running, connected and settled.
    pub fn member(&mut self, name: &str, access: Access, filters: &[&str]) -> usize {
        let store = self.enrol_only(name, access);
        self.tick();
        let node = self.start(store, &Options::default());
        for filter in filters {
            self.nodes[node].subscribe(filter);
        }
        self.run(1_000);
        node
    }

    /// A client that connects at once.
    pub fn start(&mut self, store: MemoryStore, options: &Options) -> usize {
        let mut node = Node::open(store, options);
        node.connect_at = Some(self.uptime);
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Plays a span of time.
    pub fn run(&mut self, span: u64) {
        let end = self.uptime + span;
        loop {
            self.settle();
            let due = self.nodes.iter().filter_map(Node::due).min();
            let Some(due) = due.filter(|due| *due <= end) else {
                break;
            };
            self.uptime = self.uptime.max(due);
            let at = self.uptime;
            for node in 0..self.nodes.len() {
                let time = self.time(self.nodes[node].has_clock);
                self.nodes[node].wake(at, time, &mut self.rng);
            }
        }
        self.uptime = end;
        self.settle();
    }

    /// Until nothing happens any more at this moment.
    pub fn settle(&mut self) {
        loop {
            let mut published = Vec::new();
            let mut moved = false;
            for at in 0..self.nodes.len() {
                let time = self.time(self.nodes[at].has_clock);
                moved |= self.nodes[at].work(time, &mut self.rng, &self.retained, &mut published);
            }
            for wire in published {
                self.route(wire);
            }
            if !moved {
                return;
            }
        }
    }

    /// The broker takes a publish.
    pub fn route(&mut self, wire: Wire) {
        if is_reserved(self.authority.prefix(), &wire.topic) {
            let now = self.now();
            let handled = self
                .authority
                .handle(&wire.topic, &wire.payload, now, &mut self.rng);
            self.carry_out(handled.unwrap());
        }
        if !wire.retain {
            self.passed
                .insert(wire.topic.clone(), wire.payload.to_vec());
        }
        if wire.retain && wire.payload.is_empty() {
            self.retained.remove(&wire.topic);
        } else if wire.retain {
            self.retained
                .insert(wire.topic.clone(), wire.payload.to_vec());
        }
        for node in &mut self.nodes {
            if let Some(qos) = granted(&node.filters, &wire.topic) {
                let (topic, payload) = (wire.topic.clone(), wire.payload.clone());
                node.inbox.push_back(Message {
                    topic,
                    payload,
                    retain: false,
                    qos: qos.min(wire.qos),
                });
            }
        }
    }
}

pub fn grant(access: Access) -> GrantSpec {
    GrantSpec {
        group: "plant".into(),
        access,
        publish_filter: String::new(),
    }
}

/// The highest quality of service among the subscriptions to a topic.
fn granted(
    filters: &BTreeSet<(String, sealmq_client::Qos)>,
    topic: &str,
) -> Option<sealmq_client::Qos> {
    let matching = filters.iter().filter(|(filter, _)| matches(filter, topic));
    matching.map(|(_, qos)| *qos).max()
}

pub fn matches(filter: &str, topic: &str) -> bool {
    let filter = match filter.strip_prefix("$share/") {
        Some(rest) => rest.split_once('/').unwrap().1,
        None => filter,
    };
    Filter::new(filter)
        .unwrap()
        .matches(Topic::new(topic).unwrap())
}
