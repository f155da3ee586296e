//! Devices on their way in: by file, by a token, or by an operator's approval. Any of them may die
//! at any of its commits; it begins anew with what its store has.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sealmq_authority::GrantSpec;
use sealmq_client::{JoinError, JoinOutput, Joining, Time};
use sealmq_core::object::Access;
use sealmq_keys::member::{JoinOptions, JoinWay, Member, MemberError};
use sealmq_keys::{
    Changes, Fingerprint, JoinRefusalReason, Publication, Store as _, Token, decode_request,
};

use super::Dies;
use super::broker::{Client, Delivery};
use super::device::{Device, Engine, Numbers};
use super::driver::open;
use super::later::every_third;
use super::state::Kept;
use super::world::{START, World};
use crate::fuzz::world::{CountingRng, MemoryStore};

/// Key packages in a request.
const PACKAGES: u32 = 3;

/// A device that is no member yet.
pub(super) struct Newcomer {
    pub(super) name: String,
    store: MemoryStore,
    rng: CountingRng,
    rng_start: u64,
    client: usize,
    access: Access,
    has_clock: bool,
    /// As a URI; without one an operator decides.
    pub(super) token: Option<String>,
    joining: Option<Joining>,
    /// What it shows to the operator, once it was told to wait.
    pub(super) waits: Option<Fingerprint>,
    pub(super) refused: Option<JoinRefusalReason>,
    joined: bool,
}

/// A new member, as it was made.
pub(super) struct Arrived {
    pub(super) engine: Engine,
    pub(super) store: MemoryStore,
    pub(super) rng: CountingRng,
    pub(super) rng_mark: u64,
    pub(super) client: usize,
    pub(super) access: Access,
    pub(super) has_clock: bool,
}

impl Newcomer {
    fn time(&self, now: u64) -> Time {
        Time {
            uptime: now - START * 1000,
            clock: self.has_clock.then_some(now),
        }
    }

    /// Whether it still tries.
    const fn tries(&self) -> bool {
        self.refused.is_none() && !self.joined
    }

    fn die(&mut self) {
        self.joining = None;
        self.rng = CountingRng(self.rng_start);
    }
}

/// Access to the simulation's group.
pub(super) fn grant(access: Access) -> GrantSpec {
    GrantSpec {
        group: "plant".into(),
        access,
        publish_filter: String::new(),
    }
}

impl World {
    pub(super) fn newcomer(&mut self, access: Access, has_clock: bool) -> Newcomer {
        let name = format!("device-{}", self.names);
        self.names += 1;
        let rng_start = (self.settings.seed << 32) | (1 << 30) | ((self.names & 0xff) << 20);
        let client = self.broker.clients.len();
        self.broker.clients.push(Client::default());
        Newcomer {
            name,
            store: MemoryStore::default(),
            rng: CountingRng(rng_start),
            rng_start,
            client,
            access,
            has_clock,
            token: None,
            joining: None,
            waits: None,
            refused: None,
            joined: false,
        }
    }

    /// Commits for a newcomer.
    fn keep(&mut self, new: &mut Newcomer, changes: &Changes) -> Option<Dies> {
        let dies = self.cut(new.client, changes);
        if dies != Some(Dies::Before) {
            new.store.commit(changes).unwrap();
        }
        if dies.is_some() {
            new.die();
        }
        dies
    }

    /// The device's request and the authority's credential travel as files. Whoever dies is
    /// started again with the same command.
    pub(super) fn enrol_by_file(&mut self, access: Access, has_clock: bool, validity: u64) {
        let mut new = self.newcomer(access, has_clock);
        self.trace.note(&format!("{} is enrolled", new.name));
        let clock = has_clock.then_some(self.now);
        while !new.store.0.contains_key("member/identity") {
            let made = Member::request(&new.store, &new.name, PACKAGES, clock, &mut new.rng);
            self.keep(&mut new, &made.unwrap().0);
        }
        let file = Member::request_file(&new.store).unwrap();
        let request = decode_request(&file).unwrap();
        let enrolled = loop {
            let now = self.now / 1000;
            let grants = [grant(access)];
            let rng = &mut self.rng;
            let enrolled = self.authority.enrol(&request, &grants, validity, now, rng);
            let (enrolled, plan) = enrolled.unwrap();
            // The file is written before the commit, and thrown away if that fails.
            if self.carry_out(plan) {
                break enrolled;
            }
        };
        while !new.store.0.contains_key("member/credential") {
            let made = Member::enrol(&new.store, &enrolled.credential_file, clock);
            self.keep(&mut new, &made.unwrap().0);
        }
        self.becomes_member(new);
    }

    /// Begins to join over MQTT, with a token's URI or without; its place among the newcomers.
    pub(super) fn begin_join(
        &mut self,
        access: Access,
        has_clock: bool,
        token: Option<String>,
    ) -> usize {
        let mut new = self.newcomer(access, has_clock);
        self.trace.note(&format!("{} wants in", new.name));
        new.token = token;
        self.newcomers.push(new);
        self.newcomers.len() - 1
    }

    /// Newcomers that are not connected start again, and connect.
    pub(super) fn wake_newcomers(&mut self) {
        for at in 0..self.newcomers.len() {
            let new = &self.newcomers[at];
            if new.tries() && !self.broker.clients[new.client].online {
                self.connect_newcomer(at);
            }
        }
    }

    fn connect_newcomer(&mut self, at: usize) {
        let root_key = *self.authority.root_key();
        let prefix = Some(self.authority.prefix().to_owned());
        let new = &mut self.newcomers[at];
        if new.joining.is_none() {
            let way = match &new.token {
                Some(uri) => JoinWay::Token(Box::new(Token::parse(uri).unwrap())),
                None => JoinWay::Root {
                    root_key,
                    prefix,
                    suite: None,
                    serial: 0,
                },
            };
            let options = JoinOptions {
                name: new.name.clone(),
                way,
                packages: PACKAGES,
                extensions: every_third(new.client as u64),
            };
            match Joining::begin(&new.store, options, &mut new.rng) {
                Ok(joining) => new.joining = Some(joining),
                // It died between its last commit and the news of it.
                Err(MemberError::AlreadyEnrolled) => return self.newcomer_joined(at),
                Err(error) => panic!("{}: {error}", new.name),
            }
        }
        new.joining.as_mut().unwrap().handle_connected();
        self.broker.clients[new.client].online = true;
        self.run_newcomer(at);
    }

    pub(super) fn time_out_newcomers(&mut self) {
        for at in 0..self.newcomers.len() {
            let time = self.newcomers[at].time(self.now);
            let due = |joining: &&mut Joining| {
                let due = joining.poll_timeout();
                due.is_some_and(|due| due <= time.uptime)
            };
            if let Some(joining) = self.newcomers[at].joining.as_mut().filter(due) {
                joining.handle_timeout(time);
                self.run_newcomer(at);
            }
        }
    }

    pub(super) fn deliver_to_newcomer(&mut self, client: usize, delivery: &Delivery) {
        let at = self.newcomers.iter().position(|new| new.client == client);
        let Some(at) = at.filter(|at| self.newcomers[*at].tries()) else {
            return;
        };
        let new = &mut self.newcomers[at];
        let time = new.time(self.now);
        let Some(joining) = &mut new.joining else {
            return;
        };
        let (topic, payload) = (&delivery.topic, &delivery.payload);
        match joining.handle_publish(topic, payload, time, &mut new.rng) {
            Ok(()) => self.run_newcomer(at),
            Err(JoinError::Refused { reason, .. }) => {
                self.run_newcomer(at);
                self.seen.total("joining refused");
                let new = &mut self.newcomers[at];
                new.refused = new.joining.is_some().then_some(reason);
                new.die();
                self.broker.disconnect(client);
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Carries out what a newcomer's loop wants.
    fn run_newcomer(&mut self, at: usize) {
        let client = self.newcomers[at].client;
        let (mut ends, mut gone) = (false, false);
        loop {
            let joining = self.newcomers[at].joining.as_mut();
            let Some(output) = joining.and_then(Joining::poll_output) else {
                break;
            };
            let last = ends;
            match output {
                JoinOutput::Commit(changes) => {
                    let dies = self.cut(client, &changes);
                    let new = &mut self.newcomers[at];
                    if dies != Some(Dies::Before) {
                        new.store.commit(&changes).unwrap();
                    }
                    ends = dies.is_some();
                    gone = matches!(dies, Some(Dies::Before | Dies::After));
                    new.joining.as_mut().unwrap().committed();
                    if !ends {
                        self.follows();
                    }
                }
                JoinOutput::Subscribe(wanted) => {
                    for wanted in wanted {
                        let (dice, seen) = (&mut self.dice, &mut self.seen);
                        self.broker.subscribe(client, &wanted.filter, dice, seen);
                    }
                    let joining = self.newcomers[at].joining.as_mut().unwrap();
                    joining.handle_subscribed(true).unwrap();
                }
                JoinOutput::Publish(wire) => self.publish(Publication {
                    topic: wire.topic,
                    payload: wire.payload.to_vec(),
                    retain: wire.retain,
                }),
                JoinOutput::Waiting(device) => self.newcomers[at].waits = Some(device),
                JoinOutput::Joined(_) => return self.newcomer_joined(at),
                JoinOutput::Ignored { .. } => self.seen.total("answers ignored by newcomers"),
            }
            if last || gone {
                break;
            }
        }
        if ends {
            self.newcomers[at].die();
            self.broker.disconnect(client);
        }
    }

    fn newcomer_joined(&mut self, at: usize) {
        let client = self.newcomers[at].client;
        self.broker.disconnect(client);
        self.newcomers[at].joined = true;
        let new = std::mem::replace(&mut self.newcomers[at], Newcomer::gone(client));
        self.becomes_member(new);
    }

    fn becomes_member(&mut self, new: Newcomer) {
        let engine = Engine::Host(open(&self.settings, &new.store, new.client));
        self.add_device(Arrived {
            engine,
            store: new.store,
            rng: new.rng,
            rng_mark: new.rng_start,
            client: new.client,
            access: new.access,
            has_clock: new.has_clock,
        });
        self.note_delegation(self.devices.len() - 1);
        self.seen.total("joined");
    }

    /// Somebody is a member from now on.
    pub(super) fn add_device(&mut self, new: Arrived) {
        self.devices.push(Device {
            engine: new.engine,
            begun: self.now,
            store: new.store,
            rng: new.rng,
            rng_mark: new.rng_mark,
            client: new.client,
            access: new.access,
            has_clock: new.has_clock,
            joined: self.now,
            removed: None,
            asleep: 0,
            accepted: BTreeSet::new(),
            live: BTreeSet::new(),
            numbers: Numbers::default(),
            state_read: Vec::new(),
            state_shown: Vec::new(),
            epoch_read: (0, 0),
            credential_read: (Vec::new(), (0, 0)),
            backup: None,
            put_back: false,
            alarms: BTreeMap::new(),
            taken: (0, Vec::new()),
            drafts: VecDeque::new(),
            reads: BTreeSet::new(),
            values: BTreeMap::new(),
            connections: 0,
            packet: 0,
            leaving: false,
            connected_at: 0,
            follows_since: 0,
            heard_of: 0,
            late: Vec::new(),
            will_draft: None,
            load_again: false,
            old_packages: Vec::new(),
            will: None,
            kept: Kept::default(),
        });
    }
}

impl Newcomer {
    /// What is left of one that became a member.
    fn gone(client: usize) -> Self {
        Self {
            name: String::new(),
            store: MemoryStore::default(),
            rng: CountingRng(0),
            rng_start: 0,
            client,
            access: Access::BOTH,
            has_clock: false,
            token: None,
            joining: None,
            waits: None,
            refused: None,
            joined: true,
        }
    }

    pub(super) const fn is_in(&self) -> bool {
        self.joined
    }
}
