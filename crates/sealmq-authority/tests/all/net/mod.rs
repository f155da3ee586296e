//! A broker, an authority and devices in one thread: retained messages, subscriptions, and a
//! store per device whose every commit can be replayed.

pub mod delegations;
pub mod serve;

use std::collections::{BTreeMap, BTreeSet};

use sealmq_authority::{
    Authority, DelegationRequest, DomainOptions, GrantSpec, NewGroup, Plan, RootKey,
};
use sealmq_core::crypto::{Digest, IdentityKey, Secret};
use sealmq_core::object::{Access, Kind, Object, suite_of_number};
use sealmq_core::open::Rejection;
use sealmq_core::topic::{Filter, Topic};
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, GroupId};
use sealmq_keys::member::{
    Action, Delivery, Member, MemberEvent, MemberOptions, OutgoingMessage, Received, SealError,
};
use sealmq_keys::objects::{HeartbeatFields, Policy, Roles, UNKNOWN_DOMAIN, decode_request};
use sealmq_keys::{Publication, ReservedTopic, Store};

use super::common::{MemoryStore, TestRng};

/// Unix seconds at which every test begins.
pub const START: u64 = 1_764_000_000;
pub const YEAR: u64 = 365 * 86_400;

pub struct Device {
    pub member: Member,
    pub store: MemoryStore,
    pub rng: TestRng,
    pub online: bool,
    pub subscriptions: BTreeSet<String>,
    /// Every filter ever subscribed after connecting, in order.
    pub asked: Vec<String>,
    pub inbox: Vec<Received>,
    pub events: Vec<MemberEvent>,
    pub rejected: Vec<Rejection>,
    /// The store after each commit, the first one before any.
    pub history: Vec<MemoryStore>,
}

pub struct Net {
    pub authority: Authority,
    pub authority_store: MemoryStore,
    pub root: IdentityKey,
    /// What the delegation answers.
    pub request: DelegationRequest,
    pub rng: TestRng,
    /// Unix milliseconds.
    pub now: u64,
    pub retained: BTreeMap<String, Vec<u8>>,
    pub devices: Vec<Device>,
    /// Everything that was published, for replays.
    pub log: Vec<Publication>,
}

pub fn grant(group: &str, access: Access) -> GrantSpec {
    GrantSpec {
        group: group.into(),
        access,
        publish_filter: String::new(),
    }
}

impl Net {
    /// A domain with one group `plant` on `plant/#`.
    pub fn new() -> Self {
        Self::with_policy(Policy::default())
    }

    pub fn with_policy(policy: Policy) -> Self {
        Self::with_suite(Suite::One, policy)
    }

    pub fn with_suite(suite: Suite, policy: Policy) -> Self {
        let mut rng = TestRng::new(1);
        let root = RootKey::generate(&mut rng).unwrap();
        let options = DomainOptions {
            suite,
            ..DomainOptions::default()
        };
        let (prepared, plan) = Authority::prepare(&root.public(), &options, &mut rng).unwrap();
        let mut authority_store = MemoryStore::default();
        authority_store.commit(&plan.changes).unwrap();
        let request = prepared.request().unwrap();
        let delegation = root.delegate(&request, 1, START, START + YEAR, Roles::ALL);
        let (authority, plan) = prepared.install(&delegation.unwrap(), START).unwrap();
        let mut net = Self {
            authority,
            authority_store,
            root: IdentityKey::from_seed(&root.seed()),
            request,
            rng,
            now: START * 1000,
            retained: BTreeMap::new(),
            devices: Vec::new(),
            log: Vec::new(),
        };
        net.carry_out(plan);
        net.add_group("plant", &["plant/#"], policy);
        net
    }

    pub fn add_group(&mut self, name: &str, filters: &[&str], policy: Policy) -> GroupId {
        let group = NewGroup {
            policy,
            depth: 8,
            ..NewGroup::new(name, filters.iter().copied())
        };
        let plan = self
            .authority
            .add_group(&group, self.now / 1000, &mut self.rng)
            .unwrap();
        self.carry_out(plan);
        self.group(name)
    }

    pub fn group(&self, name: &str) -> GroupId {
        self.authority.groups().find(|g| g.name == name).unwrap().id
    }

    /// Commits a plan and publishes what it says.
    pub fn carry_out(&mut self, plan: Plan) {
        self.authority_store.commit(&plan.changes).unwrap();
        for publication in plan.publications {
            self.publish(publication);
        }
    }

    /// Commits a plan and gives back what it would publish.
    pub fn withhold(&mut self, plan: Plan) -> Vec<Publication> {
        self.authority_store.commit(&plan.changes).unwrap();
        plan.publications
    }

    pub fn publish(&mut self, publication: Publication) {
        let Publication {
            topic,
            payload,
            retain,
        } = &publication;
        if *retain {
            if payload.is_empty() {
                self.retained.remove(topic);
            } else {
                self.retained.insert(topic.clone(), payload.clone());
            }
        }
        for device in 0..self.devices.len() {
            if self.devices[device].online && self.devices[device].matches(topic) {
                self.deliver(device, topic, payload, false);
            }
        }
        self.log.push(publication);
    }

    /// Makes a device's keys and has the authority enrol it; it is not connected yet.
    pub fn enrol(&mut self, name: &str, grants: &[GrantSpec]) -> usize {
        self.enrol_with(name, grants, MemberOptions::default())
    }

    pub fn enrol_with(
        &mut self,
        name: &str,
        grants: &[GrantSpec],
        options: MemberOptions,
    ) -> usize {
        let mut store = MemoryStore::default();
        let suite = suite_of_number(self.request.suite).unwrap();
        let mut rng = TestRng::new(100 + self.devices.len() as u64);
        let packages = grants.len() as u32 + 2;
        let (changes, file) = Member::request_in(
            UNKNOWN_DOMAIN,
            suite,
            &store,
            name,
            packages,
            Some(self.now),
            &mut rng,
        )
        .unwrap();
        store.commit(&changes).unwrap();
        let request = decode_request(&file).unwrap();
        let (enrolled, plan) = self
            .authority
            .enrol(&request, grants, YEAR, self.now / 1000, &mut self.rng)
            .unwrap();
        self.carry_out(plan);
        let (changes, _) =
            Member::enrol(&store, &enrolled.credential_file, Some(self.now)).unwrap();
        store.commit(&changes).unwrap();
        let member = Member::load(&store, options).unwrap();
        self.devices.push(Device {
            member,
            history: vec![store.clone()],
            store,
            rng,
            online: false,
            subscriptions: BTreeSet::new(),
            asked: Vec::new(),
            inbox: Vec::new(),
            events: Vec::new(),
            rejected: Vec::new(),
        });
        self.devices.len() - 1
    }

    /// A device that is enrolled, joined and connected.
    pub fn join(&mut self, name: &str, access: Access) -> usize {
        self.join_with(name, access, MemberOptions::default())
    }

    pub fn join_with(&mut self, name: &str, access: Access, options: MemberOptions) -> usize {
        let device = self.enrol_with(name, &[grant("plant", access)], options);
        self.tick_authority();
        self.connect(device);
        self.subscribe(device, "plant/#");
        device
    }

    pub fn tick_authority(&mut self) {
        let plan = self.authority.tick(self.now / 1000, &mut self.rng).unwrap();
        self.carry_out(plan);
    }

    pub fn rotate(&mut self) {
        let plan = self
            .authority
            .rotate("plant", self.now / 1000, &mut self.rng)
            .unwrap();
        self.carry_out(plan);
    }

    pub fn heal(&mut self) {
        let plan = self
            .authority
            .heal("plant", self.now / 1000, &mut self.rng)
            .unwrap();
        self.carry_out(plan);
    }

    pub fn remove(&mut self, device: usize) {
        let number = self.devices[device].member.number();
        let plan = self
            .authority
            .remove(number, self.now / 1000, &mut self.rng)
            .unwrap();
        self.carry_out(plan);
    }

    pub fn connect(&mut self, device: usize) {
        self.devices[device].online = true;
        for filter in self.devices[device].member.reserved_subscriptions() {
            self.subscribe(device, &filter);
        }
        let actions = self.devices[device].member.connected();
        self.act(device, actions);
    }

    pub fn disconnect(&mut self, device: usize) {
        self.devices[device].online = false;
        self.devices[device].subscriptions.clear();
    }

    /// Stores everything, then loads the device again.
    pub fn restart(&mut self, device: usize) {
        let changes = self.devices[device].member.flush();
        self.devices[device].store.commit(&changes).unwrap();
        self.crash(device);
    }

    /// Loads a device again from its store, as after a crash.
    pub fn crash(&mut self, device: usize) {
        self.disconnect(device);
        let device = &mut self.devices[device];
        let options = device.member.options().clone();
        device.member = Member::load(&device.store, options).unwrap();
    }

    pub fn subscribe(&mut self, device: usize, filter: &str) {
        self.devices[device].subscriptions.insert(filter.into());
        let matching: Vec<(String, Vec<u8>)> = self
            .retained
            .iter()
            .filter(|(topic, _)| matches(filter, topic))
            .map(|(t, p)| (t.clone(), p.clone()))
            .collect();
        for (topic, payload) in matching {
            self.deliver(device, &topic, &payload, true);
        }
    }

    /// Gives one message to a device, subscribed or not.
    pub fn deliver(&mut self, device: usize, topic: &str, payload: &[u8], retain: bool) {
        let now = Some(self.now);
        let this = &mut self.devices[device];
        if this.member.is_reserved(topic) {
            let actions = this.member.handle_reserved(topic, payload, now);
            self.act(device, actions);
        } else {
            let (opened, actions) = this.member.open(topic, payload, retain, now);
            self.act(device, actions);
            let this = &mut self.devices[device];
            match opened {
                Delivery::Message(message) => this.inbox.push(message),
                Delivery::Rejected(rejection) => this.rejected.push(rejection),
                Delivery::Waiting(_) => {}
            }
        }
    }

    /// Carries out actions in order, as an adapter does.
    pub fn act(&mut self, device: usize, actions: Vec<Action>) {
        for action in actions {
            let this = &mut self.devices[device];
            match action {
                Action::Commit(changes) => {
                    this.store.commit(&changes).unwrap();
                    this.history.push(this.store.clone());
                }
                Action::Subscribe(filter) => {
                    this.asked.push(filter.clone());
                    if this.online {
                        self.subscribe(device, &filter);
                    }
                }
                Action::Unsubscribe(filter) => drop(this.subscriptions.remove(&filter)),
                Action::Publish(publication) => self.publish(publication),
                Action::Message(_, message) => this.inbox.push(*message),
                Action::Rejected(_, _, rejection) => this.rejected.push(rejection),
                Action::Event(event) => this.events.push(event),
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    pub fn tick(&mut self, device: usize) {
        let actions = self.devices[device].member.tick(Some(self.now));
        self.act(device, actions);
        let this = &mut self.devices[device];
        let actions = this.member.maintain(Some(self.now), &mut this.rng);
        self.act(device, actions);
    }

    /// A device without a clock asks for its leases with nonces, and is answered.
    pub fn prove_lease(&mut self, device: usize) {
        let this = &mut self.devices[device];
        this.member.set_uptime(1_000);
        let actions = this.member.maintain(None, &mut this.rng);
        for action in actions {
            match action {
                Action::Commit(changes) => {
                    self.devices[device].store.commit(&changes).unwrap();
                }
                Action::Publish(nonce) => {
                    let (topic, now) = (&nonce.topic, self.now / 1000);
                    let plan = self
                        .authority
                        .handle(topic, &nonce.payload, now, &mut self.rng);
                    for answer in self.withhold(plan.unwrap()) {
                        let member = &mut self.devices[device].member;
                        let actions = member.handle_reserved(&answer.topic, &answer.payload, None);
                        self.act(device, actions);
                    }
                }
                _ => {}
            }
        }
    }

    /// The authority's signing key, from its store.
    pub fn authority_key(&self) -> IdentityKey {
        let public = self.request.keys[0].key;
        let mut values = self.authority_store.0.values().flat_map(|v| v.windows(32));
        let found = values.find_map(|window| {
            let key = IdentityKey::from_seed(&Secret::new(window.try_into().unwrap()));
            (*key.verifying_key().as_bytes() == public).then_some(key)
        });
        found.unwrap()
    }

    /// A heartbeat for the announcement of an epoch that is retained now, issued at `issued_at`
    /// in Unix seconds.
    pub fn heartbeat(&self, epoch: u64, issued_at: u64, lease: u32) -> Publication {
        let group = self.group("plant");
        let announcement = self.topic(ReservedTopic::Announcement(group, epoch));
        let announcement = Object::parse(&self.retained[&announcement], Kind::Announcement);
        let fields = HeartbeatFields {
            domain: DomainId::of_root(&self.root.verifying_key()),
            serial: 1,
            signer: 0,
            group,
            epoch,
            announcement: announcement.unwrap().hash(),
            issued_at,
            lease,
            log_size: 0,
            log_head: Digest::ZERO,
        };
        let mut buffer = [0; 1024];
        let (object, _) = fields.sign(&self.authority_key(), &mut buffer).unwrap();
        Publication::retained(self.topic(ReservedTopic::Heartbeat(group)), object)
    }

    /// Seals without publishing.
    pub fn seal(
        &mut self,
        device: usize,
        message: &OutgoingMessage<'_>,
    ) -> Result<Vec<u8>, SealError> {
        let this = &mut self.devices[device];
        let sealed = this.member.seal(message, Some(self.now), &mut this.rng)?;
        if !sealed.changes.is_empty() {
            this.store.commit(&sealed.changes).unwrap();
            this.history.push(this.store.clone());
        }
        Ok(sealed.payload)
    }

    /// Seals and publishes.
    pub fn send(&mut self, device: usize, topic: &str, payload: &[u8]) -> Vec<u8> {
        let envelope = self
            .seal(device, &OutgoingMessage::new(topic, payload))
            .unwrap();
        self.publish(Publication {
            topic: topic.into(),
            payload: envelope.clone(),
            retain: false,
        });
        envelope
    }

    pub fn inbox(&mut self, device: usize) -> Vec<Received> {
        std::mem::take(&mut self.devices[device].inbox)
    }

    /// Payloads in the inbox, as text.
    pub fn texts(&mut self, device: usize) -> Vec<String> {
        self.inbox(device)
            .iter()
            .map(|m| String::from_utf8(m.payload().to_vec()).unwrap())
            .collect()
    }

    pub fn rejections(&mut self, device: usize) -> Vec<&'static str> {
        std::mem::take(&mut self.devices[device].rejected)
            .iter()
            .map(Rejection::name)
            .collect()
    }

    pub fn topic(&self, topic: ReservedTopic) -> String {
        topic.name(self.authority.prefix())
    }

    pub fn number(&self, device: usize) -> sealmq_core::MemberNumber {
        self.devices[device].member.number()
    }

    /// The epoch whose keys a device has.
    pub fn epoch(&self, device: usize) -> Option<u64> {
        let group = self.group("plant");
        self.devices[device]
            .member
            .groups()
            .find(|g| g.id == group)
            .unwrap()
            .epoch
    }
}

impl Device {
    fn matches(&self, topic: &str) -> bool {
        self.subscriptions
            .iter()
            .any(|filter| matches(filter, topic))
    }
}

fn matches(filter: &str, topic: &str) -> bool {
    Filter::new(filter)
        .unwrap()
        .matches(Topic::new(topic).unwrap())
}
