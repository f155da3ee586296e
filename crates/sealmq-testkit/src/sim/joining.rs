//! Devices on their way in: by file, by a token, or by an operator's approval. Any of them may die
//! at any of its commits; it begins anew with what its store has.

use std::collections::{BTreeMap, BTreeSet};

use sealmq_authority::GrantSpec;
use sealmq_core::object::Access;
use sealmq_keys::member::{JoinAction, JoinOptions, JoinWay, Joiner, Member, MemberError};
use sealmq_keys::{Changes, Fingerprint, JoinRefusalReason, Store as _, Token, decode_request};

use super::Dies;
use super::broker::{Client, Delivery};
use super::device::{Device, Numbers};
use super::later::{every_third, options_of};
use super::wills::Kept;
use super::world::World;
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
    joiner: Option<Joiner>,
    /// What it shows to the operator, once it was told to wait.
    pub(super) waits: Option<Fingerprint>,
    pub(super) refused: Option<JoinRefusalReason>,
    joined: bool,
}

impl Newcomer {
    /// Whether it still tries.
    const fn tries(&self) -> bool {
        self.refused.is_none() && !self.joined
    }

    fn die(&mut self) {
        self.joiner = None;
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
            joiner: None,
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
        if new.joiner.is_none() {
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
            match Member::join(&new.store, options, &mut new.rng) {
                Ok(joiner) => new.joiner = Some(joiner),
                // It died between its last commit and the news of it.
                Err(MemberError::AlreadyEnrolled) => return self.newcomer_joined(at),
                Err(error) => panic!("{}: {error}", new.name),
            }
        }
        let client = new.client;
        let filters = new.joiner.as_ref().unwrap().subscriptions();
        self.broker.clients[client].online = true;
        for filter in filters {
            let (dice, seen) = (&mut self.dice, &mut self.seen);
            self.broker.subscribe(client, &filter, dice, seen);
        }
    }

    pub(super) fn deliver_to_newcomer(&mut self, client: usize, delivery: &Delivery) {
        let at = self.newcomers.iter().position(|new| new.client == client);
        let Some(at) = at.filter(|at| self.newcomers[*at].tries()) else {
            return;
        };
        let new = &mut self.newcomers[at];
        let Some(joiner) = &mut new.joiner else {
            return;
        };
        let clock = new.has_clock.then_some(self.now);
        let (topic, payload) = (&delivery.topic, &delivery.payload);
        let actions = joiner.handle(topic, payload, clock, &mut new.rng).unwrap();
        let mut dies = None;
        for action in actions {
            match action {
                JoinAction::Commit(changes) => {
                    let mut new =
                        std::mem::replace(&mut self.newcomers[at], Newcomer::gone(client));
                    dies = self.keep(&mut new, &changes);
                    self.newcomers[at] = new;
                    if matches!(dies, Some(Dies::Before | Dies::After)) {
                        break;
                    }
                    continue;
                }
                JoinAction::Publish(publication) => self.publish(publication),
                JoinAction::Waiting(device) => self.newcomers[at].waits = Some(device),
                JoinAction::Joined(_) => return self.newcomer_joined(at),
                JoinAction::Refused(reason) => {
                    self.seen.total("joining refused");
                    self.newcomers[at].refused = Some(reason);
                    self.newcomers[at].die();
                    self.broker.disconnect(client);
                }
                _ => self.seen.total("answers ignored by newcomers"),
            }
            if dies.is_some() {
                break;
            }
        }
        if dies.is_some() {
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
        let member = Member::load(&new.store, options_of(new.client)).unwrap();
        self.devices.push(Device {
            member,
            store: new.store,
            rng: new.rng,
            rng_mark: new.rng_start,
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
            epoch_read: (0, 0),
            backup: None,
            put_back: false,
            alarms: BTreeMap::new(),
            taken: (0, Vec::new()),
            load_again: false,
            old_packages: Vec::new(),
            will: None,
            kept: Kept::default(),
        });
        self.note_delegation(self.devices.len() - 1);
        self.seen.total("joined");
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
            joiner: None,
            waits: None,
            refused: None,
            joined: true,
        }
    }

    pub(super) const fn is_in(&self) -> bool {
        self.joined
    }
}
