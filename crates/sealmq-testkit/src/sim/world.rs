//! Everybody and everything, and what happens in a step.

use std::collections::BTreeMap;

use sealmq_authority::office::Office;
use sealmq_authority::{Authority, Lineage, RootKey};
use sealmq_core::object::Access;
use sealmq_core::wire::SessionTag;
use sealmq_keys::{Changes, Publication};

use super::broker::{Broker, Client};
use super::checks::Published;
use super::device::Device;
use super::joining::Newcomer;
use super::report::{Report, Trace};
use super::restore::Backups;
use super::sealed::{Message, Nonce, Session};
use super::sensor_joining::Arrival;
use super::successor::delegation_of;
use super::thief::Thief;
use super::{Crashes, Dice, Dies, Settings};
use crate::fuzz::world::{CountingRng, MemoryStore};

/// Unix seconds at which everything begins.
pub(super) const START: u64 = 1_764_000_000;
/// The authority's number at the broker.
pub(super) const OFFICE: usize = 0;
/// The number of a command beside it, which has none at the broker.
pub(super) const COMMANDS: usize = usize::MAX;
pub(super) const LEASE: u32 = 30;
const MOST_MEMBERS: usize = 6;
/// Milliseconds at a time: the shortest waits of the loops are not much shorter.
const MOMENT: u64 = 250;

pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) trace: Trace,
    pub(super) seen: Report,
    pub(super) dice: Dice,
    pub(super) rng: CountingRng,
    /// Unix milliseconds.
    pub(super) now: u64,
    pub(super) broker: Broker,
    /// As the next command loads it.
    pub(super) authority: Authority,
    pub(super) office: Office,
    pub(super) office_rng: CountingRng,
    /// Its process dies when it has sent something.
    pub(super) office_ends: bool,
    /// Somebody has acted on the store since the office's last look.
    pub(super) store_changed: bool,
    /// What the authority's version adds to what it signs.
    pub(super) extensions: Vec<u8>,
    pub(super) store: MemoryStore,
    pub(super) root: RootKey,
    pub(super) devices: Vec<Device>,
    pub(super) messages: Vec<Message>,
    pub(super) published: Published,
    pub(super) thief: Thief,
    /// Commits of all stores so far.
    pub(super) commits: u64,
    /// Until this step the authority is down.
    pub(super) closed: u64,
    pub(super) names: u64,
    /// When the broker began to behave, Unix milliseconds.
    pub(super) calm_since: Option<u64>,
    pub(super) backups: Backups,
    /// Commits are not numbered now, and nobody dies.
    pub(super) uncounted: bool,
    /// The processes that died, in order.
    pub(super) died: Vec<usize>,
    /// Devices that are not members yet.
    pub(super) newcomers: Vec<Newcomer>,
    /// Sensors that are not, either.
    pub(super) arrivals: Vec<Arrival>,
    /// Of every envelope, with its message; of records of sessions without one.
    pub(super) nonces: BTreeMap<Nonce, Option<usize>>,
    /// Sessions of the short form, with their encapsulated keys.
    pub(super) tags: BTreeMap<SessionTag, [u8; 32]>,
    /// Their records, as they were published first.
    pub(super) records: Vec<Publication>,
    /// By encapsulated key.
    pub(super) sessions: BTreeMap<[u8; 32], Session>,
    /// Envelopes by sender, session number and counter.
    pub(super) places: BTreeMap<(usize, u64, u64), Vec<usize>>,
    /// What the root keeps of delegations, to continue them.
    pub(super) lineage: Lineage,
    /// The same when the newest delegation was signed, if that continues it.
    pub(super) continued: Option<Lineage>,
    /// Until this step epochs follow fast.
    pub(super) hurry: u64,
    /// All wills that the broker was ever given, with their messages' numbers.
    pub(super) wills: Vec<(usize, Publication)>,
}

/// What an authority has beside its memory.
pub(super) struct Held {
    pub(super) store: MemoryStore,
    pub(super) root: RootKey,
    pub(super) rng: CountingRng,
}

/// What became of a process at a commit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Goes,
    /// It ends after something of what follows went out.
    Ends,
    /// It is gone.
    Gone,
}

impl World {
    /// An authority and its broker, and nobody else.
    pub(super) fn with(settings: &Settings, authority: Authority, held: Held) -> Self {
        let mut broker = Broker::new(settings.hostile, authority.prefix());
        broker.clients.push(Client::default());
        let lineage = Lineage::begin(&delegation_of(&authority));
        Self {
            settings: *settings,
            trace: Trace::new(settings.seed),
            seen: Report::default(),
            dice: Dice::new(settings.seed),
            rng: held.rng,
            now: START * 1000,
            broker,
            authority,
            office: Office::new(),
            office_rng: CountingRng((settings.seed << 32) | (3 << 30)),
            office_ends: false,
            store_changed: true,
            extensions: Vec::new(),
            store: held.store,
            root: held.root,
            devices: Vec::new(),
            messages: Vec::new(),
            published: Published::default(),
            thief: Thief::default(),
            commits: 0,
            closed: 0,
            names: 0,
            calm_since: None,
            backups: Backups::default(),
            uncounted: false,
            died: Vec::new(),
            newcomers: Vec::new(),
            arrivals: Vec::new(),
            nonces: BTreeMap::new(),
            tags: BTreeMap::new(),
            records: Vec::new(),
            sessions: BTreeMap::new(),
            places: BTreeMap::new(),
            lineage,
            continued: None,
            hurry: 0,
            wills: Vec::new(),
        }
    }

    /// Whether the process, by its number at the broker, dies at this commit.
    pub(super) fn cut(&mut self, process: usize, changes: &Changes) -> Option<Dies> {
        if self.uncounted {
            return None;
        }
        let number = self.commits;
        self.commits += 1;
        self.seen.total("commits");
        self.seen
            .commit(matches!(process, OFFICE | COMMANDS), changes);
        let dies = match self.settings.crashes {
            Crashes::Never => None,
            Crashes::OneIn(of) => (self.calm_since.is_none() && self.dice.one_in(of))
                .then(|| [Dies::Before, Dies::After, Dies::Later][self.dice.index(3)]),
            Crashes::At {
                commit,
                dies,
                again,
            } => {
                let first = (commit == number).then_some(dies);
                let second = again.filter(|_| self.died == [process]);
                first.or(second)
            }
        };
        let dies = dies?;
        self.died.push(process);
        self.seen.fault(match dies {
            Dies::Before => "crash before a commit",
            Dies::After => "crash after a commit",
            Dies::Later => "crash after a part of what follows a commit",
        });
        let text = format!("{process} dies at {number} ({dies:?}): {changes:?}");
        self.trace.note(&text);
        // Heartbeats are counted from here.
        self.calm_since = self.calm_since.map(|_| self.now);
        Some(dies)
    }

    /// Something goes out after the last commit.
    pub(super) fn follows(&mut self) {
        if let Some(last) = self.commits.checked_sub(1).filter(|_| !self.uncounted) {
            self.seen.followed(last);
        }
    }

    pub(super) fn publish(&mut self, publication: Publication) {
        let (dice, seen) = (&mut self.dice, &mut self.seen);
        self.broker.publish(publication, dice, seen);
    }

    /// Delivers what arrives in this step, and what follows from it.
    pub(super) fn flow(&mut self) {
        for _ in 0..1000 {
            let mut idle = true;
            for client in 0..self.broker.clients.len() {
                let Some(delivery) = self.broker.arriving(client) else {
                    continue;
                };
                idle = false;
                if client == OFFICE {
                    self.receive(&delivery);
                } else if let Some(device) = self.devices.iter().position(|d| d.client == client) {
                    self.deliver(device, delivery);
                } else if self.arrivals.iter().any(|new| new.client == client) {
                    self.deliver_to_arrival(client, &delivery);
                } else {
                    self.deliver_to_newcomer(client, &delivery);
                }
            }
            if idle {
                return;
            }
        }
    }

    /// One to three seconds.
    pub(super) fn step(&mut self, step: u64, hostile: bool) {
        self.broker.step = step;
        self.trace.begin(step);
        let seconds = 1 + self.dice.below(3);
        for _ in 0..2 {
            let device = self.dice.index(self.devices.len());
            let client = self.devices[device].client;
            // Who is offline has little to say, and says it later.
            if self.broker.clients[client].online || self.dice.one_in(3) {
                self.send(device);
            }
        }
        self.happen(step);
        if hostile {
            self.misbehave(step);
            self.thief_goes_on(step);
            self.go_on_with_generations(step);
        }
        self.go_on(step, seconds);
    }

    /// A step in which nobody does anything by choice.
    pub(super) fn quiet_step(&mut self, seconds: u64) {
        self.go_on(u64::MAX, seconds);
    }

    /// What is due happens, and time passes.
    pub(super) fn go_on(&mut self, step: u64, seconds: u64) {
        self.wake(step);
        self.sabotage(step);
        self.wake_newcomers();
        self.wake_arrivals();
        self.open_office(step);
        self.flow();
        self.pass_seconds(seconds);
        self.check_convergence();
    }

    /// Everybody does in time what is due.
    pub(super) fn pass_seconds(&mut self, seconds: u64) {
        for _ in 0..seconds * 1000 / MOMENT {
            self.now += MOMENT;
            for device in 0..self.devices.len() {
                self.time_out(device);
            }
            self.time_out_newcomers();
            self.time_out_arrivals();
            self.run_office();
            self.flow();
        }
    }

    fn wake(&mut self, step: u64) {
        for device in 0..self.devices.len() {
            let this = &self.devices[device];
            let offline = !self.broker.clients[this.client].online;
            if offline && this.asleep <= step {
                self.connect(device);
            }
        }
    }

    /// What people and devices do.
    fn happen(&mut self, step: u64) {
        let device = self.dice.index(self.devices.len());
        match self.dice.below(60) {
            0 => self.rotate(),
            1 if self.devices.len() < 4 || self.active() < 4 => self.join(),
            2 if self.devices.len() < MOST_MEMBERS + 4 && self.active() < MOST_MEMBERS => {
                self.join();
            }
            3 | 4 if self.active() > 3 && self.dice.one_in(2) => self.remove(&[device]),
            5 if self.calm_since.is_none() => {
                let asleep = step + 5 + self.dice.below(120);
                self.trace.note(&format!("{device} sleeps until {asleep}"));
                self.seen.fault("a member sleeps");
                self.devices[device].asleep = asleep;
                self.disconnect(device);
            }
            6 => {
                self.trace.note(&format!("{device} restarts"));
                self.restart(device);
            }
            7 if self.calm_since.is_none() => {
                self.trace.note("the authority restarts");
                self.seen.fault("the authority is down");
                self.closed = step + self.dice.below(20);
                self.start_office();
            }
            8 => self.connect(device),
            9 if self.dice.one_in(2) => self.renew_delegation(),
            10 => self.back_up(device),
            11 if self.calm_since.is_none() => self.restore(step),
            12 if self.calm_since.is_none() => self.restore_device(device),
            13 if self.active() > 4 => {
                let other = self.dice.index(self.devices.len());
                self.remove(&[device, other]);
            }
            14 if self.dice.one_in(2) => self.heal(),
            15 if self.calm_since.is_none() && self.dice.one_in(2) => {
                self.switch_off(device, step);
            }
            _ => {}
        }
    }

    pub(super) fn active(&self) -> usize {
        self.devices.iter().filter(|d| d.removed.is_none()).count()
    }

    /// Members whose stores were never put back.
    pub(super) fn honest(&self) -> Vec<usize> {
        let honest = |d: &usize| self.devices[*d].removed.is_none() && !self.devices[*d].put_back;
        (0..self.devices.len()).filter(honest).collect()
    }

    /// Another device, with one of the three kinds of access.
    pub(super) fn join(&mut self) {
        let access = match self.devices.len() % 4 {
            0 => Access::BOTH,
            1 => Access::SUBSCRIBE,
            2 => Access::PUBLISH,
            _ => Access::BOTH,
        };
        if self.wants_sensor() {
            return self.begin_sensor(access);
        }
        self.join_with(access);
    }
}
