//! The authority: its process, its operators, and its root.

use std::collections::BTreeSet;

use sealmq_core::object::Access;
use sealmq_keys::authority::{
    Authority, AuthorityEvent, DomainOptions, GrantSpec, NewGroup, Plan, Schedule,
};
use sealmq_keys::member::Member;
use sealmq_keys::{
    Policy, ReservedTopic, Roles, RootKey, Store as _, authority_filters, decode_request,
};

use super::broker::{Broker, Client, Delivery};
use super::checks::Published;
use super::device::{Device, Numbers, options};
use super::faults::Thief;
use super::report::{Report, Trace};
use super::restore::Backups;
use super::world::{Cut, LEASE, OFFICE, START, World};
use super::{Dice, Sabotage, Settings};
use crate::fuzz::world::{CountingRng, MemoryStore, YEAR};

/// Seconds that credentials are valid: short, so that they are renewed.
const CREDENTIAL: u64 = 400;

fn group() -> NewGroup {
    NewGroup {
        policy: Policy {
            lease: LEASE,
            grace: 10,
            skew: 5,
            ..Policy::default()
        },
        schedule: Schedule {
            validity: 180,
            rotate_every: 60,
            heal_every: 150,
            coalesce: 2,
            cover_limit: 8,
            healing_limit: 6,
            generation_every: 300,
            migration: 60,
            ..Schedule::default()
        },
        depth: 6,
        ..NewGroup::new("plant", ["plant/#"])
    }
}

impl World {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut rng = CountingRng((settings.seed << 32) | (1 << 31));
        let options = DomainOptions {
            prefix: Some("_sealmq/sim".into()),
            // The root answers when it is asked (not beside a thief or a backup, to keep apart
            // what each of them does).
            delegation_seconds: if settings.seed % 2 == 0 { 600 } else { YEAR },
            ..DomainOptions::default()
        };
        let new = Authority::create_with(&options, START, &mut rng).unwrap();
        let mut broker = Broker::new(settings.hostile, new.authority.prefix());
        broker.clients.push(Client::default());
        let mut store = MemoryStore::default();
        store.commit(&new.plan.changes).unwrap();
        let mut authority = new.authority;
        let plan = authority.add_group(&group(), START, &mut rng).unwrap();
        store.commit(&plan.changes).unwrap();
        let mut world = Self {
            settings: *settings,
            trace: Trace::new(settings.seed),
            seen: Report::default(),
            dice: Dice::new(settings.seed),
            rng,
            now: START * 1000,
            broker,
            authority,
            store,
            root: RootKey::from_seed(&new.root_seed),
            devices: Vec::new(),
            messages: Vec::new(),
            published: Published::default(),
            thief: Thief::default(),
            commits: 0,
            closed: 0,
            names: 0,
            calm_since: None,
            held: None,
            backups: Backups::default(),
        };
        world.connect_office();
        for access in [
            Access::BOTH,
            Access::SUBSCRIBE,
            Access::PUBLISH,
            Access::BOTH,
        ] {
            world.join_with(access);
        }
        world
    }

    /// Commits a plan, and publishes what it says.
    pub(super) fn carry_out(&mut self, plan: Plan) -> bool {
        let cut = if plan.changes.is_empty() {
            Cut::None
        } else {
            self.cut()
        };
        if cut != Cut::Lost {
            self.store.commit(&plan.changes).unwrap();
            for event in &plan.events {
                self.seen.authority_event(event);
                if matches!(event, AuthorityEvent::DelegationEnds { .. }) {
                    self.backups.delegation_ends = true;
                }
                self.trace.detail(|| {
                    let text: String = format!("{event:?}").chars().take(150).collect();
                    format!("authority: {text}")
                });
            }
        }
        if cut != Cut::None {
            self.trace.note("the authority dies");
            self.reload_office();
            return cut == Cut::After;
        }
        let again = plan.republications(&self.store).unwrap();
        for publication in plan.publications.into_iter().chain(again) {
            self.check_published(&publication);
            self.publish(publication);
        }
        true
    }

    pub(super) fn reload_office(&mut self) {
        self.authority = Authority::load(&self.store).unwrap();
        self.broker.disconnect(OFFICE);
    }

    /// Takes what the broker has of the authority's own; what others wrote waits.
    pub(super) fn listen_office(&mut self) {
        self.broker.disconnect(OFFICE);
        self.broker.clients[OFFICE].online = true;
        self.held = Some(Vec::new());
        for filter in authority_filters(self.authority.prefix()) {
            let (dice, seen) = (&mut self.dice, &mut self.seen);
            self.broker.subscribe(OFFICE, &filter, dice, seen);
        }
        self.flow();
    }

    /// What the broker has comes first; only then everything is published again.
    pub(super) fn connect_office(&mut self) {
        self.listen_office();
        let held = self.held.take().unwrap_or_default();
        if !self.broker.clients[OFFICE].online {
            return;
        }
        for delivery in held {
            self.receive(delivery);
        }
        for publication in self.authority.outbox(&self.store).unwrap() {
            self.check_published(&publication);
            self.publish(publication);
        }
    }

    /// The authority's turn in a step.
    pub(super) fn open_office(&mut self, step: u64) {
        if self.closed > step {
            return;
        }
        if !self.broker.clients[OFFICE].online {
            self.connect_office();
        }
        if !self.acts() {
            self.resume(step);
            return;
        }
        let plan = self.authority.tick(self.now / 1000, &mut self.rng);
        self.carry_out(plan.unwrap());
        if self.backups.delegation_ends {
            self.renew_delegation();
        }
    }

    /// Gives the authority what arrived.
    pub(super) fn receive(&mut self, delivery: Delivery) {
        let Delivery { topic, payload, .. } = &delivery;
        let now = self.now / 1000;
        let own = matches!(
            ReservedTopic::parse(self.authority.prefix(), topic),
            Some(
                ReservedTopic::Delegation
                    | ReservedTopic::Announcement(..)
                    | ReservedTopic::Heartbeat(_)
            )
        );
        if let Some(held) = self.held.as_mut().filter(|_| !own) {
            held.push(delivery);
            return;
        }
        let plan = if own {
            let plan = self.authority.observe(&self.store, topic, payload, now);
            plan.unwrap()
        } else if !self.acts() {
            return;
        } else {
            let plan = self.authority.handle(topic, payload, now, &mut self.rng);
            plan.unwrap()
        };
        self.carry_out(plan);
    }

    /// Whether the authority is not suspended.
    pub(super) fn acts(&self) -> bool {
        self.authority.suspension().is_none()
    }

    pub(super) fn rotate(&mut self) {
        if !self.acts() {
            return;
        }
        self.trace.note("rotate");
        let now = self.now / 1000;
        let plan = self.authority.rotate("plant", now, &mut self.rng);
        self.carry_out(plan.unwrap());
    }

    /// Removes devices together.
    pub(super) fn remove(&mut self, devices: &[usize]) {
        let mut devices = devices.to_vec();
        devices.retain(|device| self.devices[*device].removed.is_none());
        if devices.is_empty() || !self.acts() {
            return;
        }
        self.trace.note(&format!("remove {devices:?}"));
        let numbers: Vec<_> = devices.iter().map(|d| self.devices[*d].number()).collect();
        let now = self.now / 1000;
        let forgotten = self.settings.sabotage == Sabotage::ForgottenRemoval;
        let plan = if forgotten {
            Plan::default()
        } else {
            let plan = self.authority.remove_all(&numbers, now, &mut self.rng);
            plan.unwrap()
        };
        if self.carry_out(plan) {
            if devices.len() > 1 {
                self.seen.total("removed together");
            }
            for device in devices {
                self.devices[device].removed = Some(now);
                self.seen.total("removed");
            }
        }
    }

    pub(super) fn heal(&mut self) {
        if self.acts() {
            self.trace.note("heal");
            let now = self.now / 1000;
            let plan = self.authority.heal("plant", now, &mut self.rng);
            self.carry_out(plan.unwrap());
        }
    }

    pub(super) fn join_with(&mut self, access: Access) {
        if !self.acts() {
            return;
        }
        let index = self.devices.len();
        let name = format!("device-{}", self.names);
        self.names += 1;
        self.trace.note(&format!("{index} joins"));
        let has_clock = index % 5 != 3;
        let clock = has_clock.then_some(self.now);
        let mut store = MemoryStore::default();
        let mut rng =
            CountingRng((self.settings.seed << 32) | (1 << 30) | ((self.names & 0xff) << 20));
        let (changes, file) = Member::request(&store, &name, 3, clock, &mut rng).unwrap();
        store.commit(&changes).unwrap();
        let request = decode_request(&file).unwrap();
        let grant = GrantSpec {
            group: "plant".into(),
            access,
            publish_filter: String::new(),
        };
        let now = self.now / 1000;
        let enrolled = self
            .authority
            .enrol(&request, &[grant], CREDENTIAL, now, &mut self.rng);
        let (enrolled, plan) = enrolled.unwrap();
        if !self.carry_out(plan) {
            return;
        }
        let (changes, _) = Member::enrol(&store, &enrolled.credential_file, clock).unwrap();
        store.commit(&changes).unwrap();
        let member = Member::load(&store, options()).unwrap();
        let client = self.broker.clients.len();
        self.broker.clients.push(Client::default());
        self.check_new_number(member.number());
        self.devices.push(Device {
            member,
            store,
            rng,
            client,
            access,
            has_clock,
            joined: self.now,
            removed: None,
            asleep: 0,
            accepted: BTreeSet::new(),
            live: BTreeSet::new(),
            numbers: Numbers::default(),
            state_read: Vec::new(),
            epoch_read: (0, 0),
            backup: None,
            put_back: false,
        });
        self.seen.total("joined");
    }

    /// The root replaces stolen keys (spec/keys.md §3, §13).
    pub(super) fn recover(&mut self) {
        let now = self.now / 1000;
        let request = self
            .authority
            .request_delegation(true, false, now, &mut self.rng);
        let (request, plan) = request.unwrap();
        if !self.carry_out(plan) {
            return;
        }
        let serial = self.authority.delegation_info().serial + 1;
        let object = self
            .root
            .delegate(&request, serial, now, now + YEAR, Roles::ALL)
            .unwrap();
        let plan = if self.authority.suspension().is_some() {
            let log = self.store.list("audit/").unwrap();
            let log: Vec<Vec<u8>> = log.iter().map(|(_, entry)| entry.to_vec()).collect();
            self.authority
                .resume(&object, Some(&log), now, &mut self.rng)
        } else {
            let rng = &mut self.rng;
            self.authority.install_delegation(&object, true, now, rng)
        };
        self.trace.note("the root replaces the keys");
        if self.carry_out(plan.unwrap()) {
            self.seen.total("keys replaced");
        }
        self.thief.recovered = true;
    }
}
