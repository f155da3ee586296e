//! The authority's operators and its root: commands, which commit to the store that the office
//! looks at.

use sealmq_authority::{
    Authority, AuthorityEvent, DomainOptions, NewGroup, Plan, ResumeOptions, RootKey, Schedule,
};
use sealmq_core::object::Access;
use sealmq_keys::{Policy, Roles, Store as _};

use super::world::{COMMANDS, Held, LEASE, OFFICE, START, World};
use super::{Dies, Sabotage, Settings};
use crate::fuzz::world::{CountingRng, MemoryStore, YEAR};

/// Seconds that credentials are valid: short, so that they are renewed.
pub(super) const CREDENTIAL: u64 = 400;

pub(super) fn group() -> NewGroup {
    NewGroup {
        policy: Policy {
            lease: LEASE,
            grace: 10,
            skew: 5,
            will_age: 200,
            ..Policy::default()
        },
        schedule: Schedule {
            validity: 180,
            rotate_every: 60,
            heal_every: 150,
            coalesce: 2,
            move_every: 0,
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
            // The root answers when it is asked (not beside a backup, to keep apart what each
            // of them does).
            delegation_seconds: if settings.seed.is_multiple_of(2) || settings.seed % 8 == 7 {
                600
            } else {
                YEAR
            },
            ..DomainOptions::default()
        };
        let new = Authority::create_with(&options, START, &mut rng).unwrap();
        let mut store = MemoryStore::default();
        store.commit(&new.plan.changes).unwrap();
        let mut authority = new.authority;
        let group = NewGroup {
            depth: settings.depth(),
            ..group()
        };
        let plan = authority.add_group(&group, START, &mut rng).unwrap();
        store.commit(&plan.changes).unwrap();
        let root = RootKey::from_seed(&new.root_seed);
        let held = Held { store, root, rng };
        let mut world = Self::with(settings, authority, held);
        world.start_office();
        world.connect_office();
        for access in [
            Access::BOTH,
            Access::SUBSCRIBE,
            Access::PUBLISH,
            Access::BOTH,
        ] {
            world.join_with(access);
        }
        if settings.sensors {
            world.begin_sensor(Access::BOTH);
            world.begin_sensor(Access::BOTH);
        }
        world
    }

    /// Commits what a command planned; `false` if it was lost. The office publishes it.
    pub(super) fn carry_out(&mut self, plan: Plan) -> bool {
        if plan.changes.is_empty() {
            return true;
        }
        let dies = self.cut(COMMANDS, &plan.changes);
        let done = dies != Some(Dies::Before);
        if done {
            self.store.commit(&plan.changes).unwrap();
            self.store_changed = true;
            self.note_delegated();
            plan.events.iter().for_each(|event| self.note_done(event));
        }
        if dies.is_some() {
            self.read_store();
        }
        done
    }

    /// What the authority has done.
    pub(super) fn note_done(&mut self, event: &AuthorityEvent) {
        self.seen.authority_event(event);
        self.trace.detail(|| {
            let text: String = format!("{event:?}").chars().take(150).collect();
            format!("authority: {text}")
        });
        match event {
            AuthorityEvent::DelegationEnds { .. } => self.backups.delegation_ends = true,
            AuthorityEvent::Enrolled { member, .. } => self.check_new_number(*member),
            AuthorityEvent::Epoch { reason, chunks, .. } => {
                self.seen.total(&format!("epoch: {reason:?}"));
                if *chunks > 0 {
                    self.seen.total("epoch with chunks");
                }
            }
            AuthorityEvent::GenerationEnded { left: 1.., .. } => {
                self.seen.total("a generation's deadline has passed");
            }
            _ => {}
        }
    }

    /// What a command that begins now loads.
    pub(super) fn read_store(&mut self) {
        self.authority = Authority::load(&self.store).unwrap();
        self.authority.set_extensions(&self.extensions).unwrap();
        self.note_delegated();
    }

    /// Another store lies there now, or another version of the program.
    pub(super) fn replace_store(&mut self, store: Option<MemoryStore>) {
        self.store = store.unwrap_or_else(|| std::mem::take(&mut self.store));
        self.store_changed = true;
        self.read_store();
    }

    /// What people do beside the authority's process.
    pub(super) fn open_office(&mut self, step: u64) {
        if self.closed > step {
            return;
        }
        if !self.broker.clients[OFFICE].online {
            self.connect_office();
        }
        if !self.acts() {
            // Stolen keys are replaced when the broker behaves.
            if !self.settings.thief || self.thief.recovered {
                self.resume(step);
            }
            return;
        }
        if self.backups.delegation_ends {
            self.renew_delegation();
        }
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
                if self.devices[device].is_sensor() {
                    self.seen.total("a sensor was removed");
                }
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
        let has_clock = self.devices.len() % 5 != 3;
        self.enrol_by_file(access, has_clock, CREDENTIAL);
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
        let plan = if let Some(suspension) = self.authority.suspension() {
            let log = self.store.list("audit/").unwrap();
            let log: Vec<Vec<u8>> = log.iter().map(|(_, entry)| entry.to_vec()).collect();
            // It is the store that was never put back: the log is whole, whatever a thief tells.
            let options = ResumeOptions {
                log: Some(&log),
                heads: &suspension.heads,
                keep: &suspension.removed,
                ..ResumeOptions::default()
            };
            self.authority.resume(&object, &options, now, &mut self.rng)
        } else {
            let rng = &mut self.rng;
            self.authority.install_delegation(&object, true, now, rng)
        };
        self.trace.note("the root replaces the keys");
        if self.carry_out(plan.unwrap()) {
            self.seen.total("keys replaced");
            self.thief.recovered = true;
            // Whatever the thief's numbers were, there is room for the authority's.
            self.rotate();
        }
    }
}
