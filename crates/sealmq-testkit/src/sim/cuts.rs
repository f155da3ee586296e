//! Fixed histories in which everything that commits happens, to be played once for each of their
//! commits with a process that dies there: it starts again with what its store has, operators and
//! devices repeat what was interrupted, and in the end everything has to be as if nothing had
//! happened.

use std::sync::OnceLock;

use sealmq_authority::{
    AuditLog, Authority, DelegationRequest, DomainOptions, Lineage, NewGroup, Plan, ResumeOptions,
    RootKey, Schedule,
};
use sealmq_core::object::Access;
use sealmq_keys::member::Member;
use sealmq_keys::{Policy, Roles, Store as _, decode_request};

use super::joining::grant;
use super::report::Report;
use super::world::{Held, LEASE, START, World};
use super::{Crashes, Sabotage, Settings};
use crate::fuzz::world::{CountingRng, MemoryStore, YEAR};

/// A fixed history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// A domain with an offline root begins; devices join by file, by token and by approval, are
    /// refused and rejected; credentials are renewed.
    Joining,
    /// Rotations, healing epochs, removals of one and of many with chunked covers, and members
    /// that slept meanwhile.
    Rotation,
    /// New key trees, with members that are late and fresh key packages.
    Generations,
    /// Delegations are renewed, stolen keys replaced, and the authority goes on from a backup.
    Recovery,
}

/// Seconds that a step takes.
pub(super) const STEP: u64 = 4;
/// Seconds that most credentials are valid.
pub(super) const LONG: u64 = 10_000;
/// Members that are only there to be removed.
pub(super) const CROWD: u64 = 36;

/// The same in each run.
pub(super) static CROWD_REQUESTS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();

pub(super) fn crowd_requests() -> Vec<Vec<u8>> {
    let request = |number: u64| {
        let (store, name) = (MemoryStore::default(), format!("crowd-{number}"));
        let rng = &mut CountingRng((1 << 60) + (number << 32));
        let made = Member::request(&store, &name, 1, Some(START * 1000), rng);
        decode_request(&made.unwrap().1).unwrap()
    };
    (0..CROWD).map(request).collect()
}

pub(super) fn group() -> NewGroup {
    NewGroup {
        policy: Policy {
            lease: LEASE,
            grace: 10,
            skew: 5,
            ..Policy::default()
        },
        schedule: Schedule {
            validity: 180,
            rotate_every: 50,
            coalesce: 2,
            move_every: 0,
            generation_every: LONG,
            migration: 40,
            ..Schedule::default()
        },
        depth: 12,
        ..NewGroup::new("plant", ["plant/#"])
    }
}

pub(super) fn domain_options() -> DomainOptions {
    DomainOptions {
        prefix: Some("_sealmq/sim".into()),
        delegation_seconds: YEAR,
        ..DomainOptions::default()
    }
}

/// Tells which run it was, if it fails.
struct Witness(History, Crashes);

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:?} failed with {:?}", self.0, self.1);
        }
    }
}

/// Plays a history. The report's total `commits` says how many there are to die at.
///
/// # Panics
/// An invariant is broken, or something is not as it should be in the end.
#[must_use]
pub fn play(history: History, crashes: Crashes) -> Report {
    let _witness = Witness(history, crashes);
    let settings = Settings {
        seed: 1,
        steps: 0,
        hostile: false,
        thief: false,
        restores: false,
        floods: false,
        sensors: false,
        crashes,
        sabotage: Sabotage::None,
    };
    let mut rng = CountingRng(1 << 31);
    let new = Authority::create_with(&domain_options(), START, &mut rng).unwrap();
    let mut store = MemoryStore::default();
    store.commit(&new.plan.changes).unwrap();
    let root = RootKey::from_seed(&new.root_seed);
    let held = Held { store, root, rng };
    let mut world = World::with(&settings, new.authority, held);
    world.note_delegated();
    match history {
        History::Joining => world.joining(),
        History::Rotation => world.rotation(),
        History::Generations => world.generations(),
        History::Recovery => world.recovery(),
    }
    world.finish()
}

// What people do. Somebody whose command died looks whether it was done, and repeats it.
impl World {
    pub(super) fn now_s(&self) -> u64 {
        self.now / 1000
    }

    pub(super) fn epoch(&self) -> u64 {
        self.authority
            .groups()
            .next()
            .map_or(0, |group| group.epoch)
    }

    pub(super) fn generation(&self) -> u32 {
        let group = self.authority.groups().next();
        let newest = group.and_then(|group| group.generations.last().copied());
        newest.map_or(0, |generation| generation.number)
    }

    /// A command at the authority, until it is done.
    pub(super) fn command(
        &mut self,
        what: &str,
        done: impl Fn(&Self) -> bool,
        act: impl Fn(&mut Authority, u64, &mut CountingRng) -> Plan,
    ) {
        self.trace.note(what);
        for _ in 0..4 {
            if done(self) {
                self.seen.total(what);
                return;
            }
            let now = self.now_s();
            let plan = act(&mut self.authority, now, &mut self.rng);
            self.carry_out(plan);
        }
        panic!("{what} is not done");
    }

    pub(super) fn rotate_now(&mut self) {
        let before = self.epoch();
        self.command(
            "rotated",
            |world| world.epoch() > before,
            |authority, now, rng| authority.rotate("plant", now, rng).unwrap(),
        );
    }

    pub(super) fn heal_now(&mut self) {
        let before = self.epoch();
        self.command(
            "healed",
            |world| world.epoch() > before,
            |authority, now, rng| authority.heal("plant", now, rng).unwrap(),
        );
    }

    pub(super) fn new_generation(&mut self) {
        let before = self.generation();
        self.command(
            "began a generation",
            |world| world.generation() > before,
            |authority, now, rng| authority.renew_generation("plant", now, rng).unwrap(),
        );
    }

    /// Removes members together.
    pub(super) fn remove_now(&mut self, devices: &[usize], others: &[u32]) {
        let mut numbers: Vec<_> = devices.iter().map(|d| self.devices[*d].number()).collect();
        numbers.extend(others.iter().copied().map(sealmq_core::MemberNumber));
        let gone = numbers.clone();
        let removed_at = move |world: &Self| {
            let known = world.authority.members().find(|m| m.number == gone[0]);
            known.unwrap().removed_at
        };
        self.command(
            "removed members",
            |world| removed_at(world).is_some(),
            |authority, now, rng| authority.remove_all(&numbers, now, rng).unwrap(),
        );
        for device in devices {
            self.devices[*device].removed = removed_at(self);
        }
    }

    pub(super) fn renew(&mut self, device: usize) {
        let number = self.devices[device].number();
        let until = |world: &Self| {
            let known = world.authority.members().find(|m| m.number == number);
            known.unwrap().not_after
        };
        let before = until(self);
        self.command(
            "renewed a credential",
            |world| until(world) > before,
            |authority, now, _| authority.renew(number, 2 * LONG, now).unwrap(),
        );
    }

    pub(super) fn token(&mut self, uses: u32) -> String {
        self.token_for(grant(Access::BOTH), uses, 300, LONG)
    }

    pub(super) fn approve(&mut self, newcomer: usize) {
        let device = self.newcomers[newcomer].waits.unwrap();
        let members = self.authority.members().count();
        self.command(
            "approved",
            |world| world.authority.members().count() > members,
            |authority, now, rng| {
                let grants = [grant(Access::SUBSCRIBE)];
                let approved = authority.approve(device, None, &grants, LONG, now, rng);
                approved.unwrap().1
            },
        );
    }

    pub(super) fn reject(&mut self, newcomer: usize) {
        let device = self.newcomers[newcomer].waits.unwrap();
        self.command(
            "rejected",
            |world| world.authority.pending().all(|p| p.device != device),
            |authority, now, _| authority.reject(device, now).unwrap(),
        );
    }

    /// The root signs each serial once.
    pub(super) fn sign(
        &self,
        lineage: Option<&Lineage>,
        request: &DelegationRequest,
        serial: u32,
    ) -> Vec<u8> {
        let (now, root) = (self.now_s(), &self.root);
        let signed = root.delegate_on(lineage, request, serial, now, now + YEAR, Roles::ALL);
        signed.unwrap()
    }

    /// For the keys in use, or for new ones that replace stolen ones.
    pub(super) fn new_delegation(&mut self, recovery: bool) {
        let serial = self.authority.delegation_info().serial + 1;
        let request = self.request(recovery);
        let lineage = (!recovery).then_some(&self.lineage);
        let object = self.sign(lineage, &request, serial);
        self.command(
            if recovery {
                "replaced the keys"
            } else {
                "renewed the delegation"
            },
            |world| world.authority.delegation_info().serial == serial,
            |authority, now, rng| {
                let plan = authority.install_delegation(&object, recovery, now, rng);
                plan.unwrap()
            },
        );
        self.thief.recovered |= recovery;
    }

    pub(super) fn request(&mut self, new_keys: bool) -> DelegationRequest {
        loop {
            let (now, deaths) = (self.now_s(), self.died.len());
            let rng = &mut self.rng;
            let made = self.authority.request_delegation(new_keys, false, now, rng);
            let (request, plan) = made.unwrap();
            self.carry_out(plan);
            if self.died.len() == deaths {
                return request;
            }
        }
    }

    /// Puts an old copy of the store back. It notices, and goes on with the copy of the log.
    pub(super) fn put_back(&mut self, copy: MemoryStore) {
        let log = Authority::audit_log(&self.store).unwrap();
        let enrolled: Vec<_> = self.authority.members().map(|m| m.number).collect();
        let serial = self.authority.delegation_info().serial + 1;
        self.trace.note("a backup is put back");
        // An operator resumes, and not by chance.
        self.backups.resume = u64::MAX;
        self.replace_store(Some(copy));
        for _ in 0..4 {
            if self.acts() {
                self.pass(STEP);
            }
        }
        assert!(self.authority.suspension().is_some(), "it notices nothing");
        let known: Vec<_> = self.authority.members().map(|m| m.number).collect();
        let request = self.request(true);
        let object = self.sign(None, &request, serial);
        // The operator kept the copy well: it counts to its end, whatever heartbeats tell.
        let end = AuditLog::verify(log.iter().map(Vec::as_slice)).unwrap();
        let options = ResumeOptions {
            log: Some(&log),
            heads: &[end],
            keep: &[],
            ..ResumeOptions::default()
        };
        self.command(
            "resumed",
            |world| world.authority.suspension().is_none(),
            |authority, now, rng| authority.resume(&object, &options, now, rng).unwrap(),
        );
        self.thief.recovered = true;
        // Who was enrolled since has to join again, and is as good as removed.
        let since = |number| enrolled.contains(&number) && !known.contains(&number);
        let now = self.now_s();
        for device in &mut self.devices {
            if since(device.number()) && device.removed.is_none() {
                device.removed = Some(now);
                self.seen.total("enrolled after the backup");
            }
        }
    }

    /// Time passes.
    pub(super) fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds.div_ceil(STEP) {
            self.broker.step += 1;
            let step = self.broker.step;
            self.trace.begin(step);
            self.go_on(step, STEP);
        }
    }

    pub(super) fn sleep(&mut self, device: usize, seconds: u64) {
        self.disconnect(device);
        self.devices[device].asleep = self.broker.step + seconds.div_ceil(STEP);
    }

    /// Everyone who may says something, and those who are there hear it.
    pub(super) fn talk(&mut self) {
        for device in 0..self.devices.len() {
            let this = &self.devices[device];
            if this.access.may_publish() && self.broker.clients[this.client].online {
                self.send(device);
                self.flow();
            }
        }
    }
}

// The end.
impl World {
    /// Two heartbeats later everybody is there, and talks; nothing that came before comes again.
    pub(super) fn finish(mut self) -> Report {
        for device in 0..self.devices.len() {
            self.devices[device].asleep = 0;
        }
        let calm = |world: &Self| {
            let since = world.calm_since.unwrap();
            world.now >= since + 2 * (u64::from(LEASE / 3) + 3) * 1000
        };
        self.calm_since = Some(self.now);
        while !calm(&self) {
            self.pass(STEP);
        }
        self.uncounted = true;
        self.check_convergence();
        self.check_conversation();
        self.check_removed();
        self.check_pool();
        self.check_log();
        self.replay_all();
        std::mem::take(&mut self.seen)
    }

    /// The audit log is whole, and the newest heartbeat tells of it.
    pub(super) fn check_log(&self) {
        let log = Authority::audit_log(&self.store).unwrap();
        let log = AuditLog::verify(log.iter().map(Vec::as_slice)).unwrap();
        assert_eq!(log, self.authority.audit_head());
    }

    /// The broker plays everything once more to those who died, or to everybody if nobody did:
    /// `accepted` refuses what came before.
    pub(super) fn replay_all(&mut self) {
        let prefix = self.broker.prefix.clone();
        let log = std::mem::take(&mut self.broker.log);
        for publication in log.iter().filter(|p| !p.topic.starts_with(&prefix)) {
            for client in 1..self.broker.clients.len() {
                let meant = self.died.is_empty() || self.died.contains(&client);
                if meant && self.broker.clients[client].online {
                    let (topic, payload) = (&publication.topic, &publication.payload);
                    self.broker.inject(client, topic, payload, false);
                }
            }
            self.flow();
        }
    }
}
