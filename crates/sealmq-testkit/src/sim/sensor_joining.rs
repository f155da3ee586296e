//! Sensors on their way in: by a token. The power may go at any of their commits.

use sealmq_authority::{GrantSpec, TokenSpec};
use sealmq_core::object::Access;
use sealmq_embedded::{Answer, Clock, Joined, Joining, Way};
use sealmq_keys::objects::{JoinRefusalReason, TokenFields};
use sealmq_keys::{NamePattern, Publication};

use super::Dies;
use super::broker::{Client, Delivery};
use super::device::Engine;
use super::joining::{Arrived, grant};
use super::office::CREDENTIAL;
use super::sensor::{Board, Entry, Machine, Sensor, joining_entries};
use super::sensor_records::changes;
use super::world::World;
use crate::fuzz::world::{CountingRng, MemoryStore};

/// A request goes out again after so many milliseconds.
const PAUSE: u64 = 10_000;
/// Seconds that a token is good for.
const TTL: u64 = 3_600;
/// Most sensors beside hosts.
const MOST_SENSORS: usize = 3;
/// What a power cut within a commit may let be done of it.
const WORK: u64 = 2_000;

/// A sensor that is no member yet.
pub(super) struct Arrival {
    pub(super) client: usize,
    name: String,
    token: String,
    access: Access,
    has_clock: bool,
    begun: u64,
    rng: CountingRng,
    rng_mark: u64,
    board: Board,
    /// `None` without power.
    joining: Option<Joining>,
    delegation: Vec<u8>,
    asked: Option<u64>,
}

impl Arrival {
    fn clock(&self, now: u64) -> Clock {
        Clock {
            now: self.has_clock.then_some(now),
            uptime: Some(now - self.begun),
        }
    }
}

impl World {
    /// A token that reaches its devices: one of which nobody heard is of no use.
    pub(super) fn token_for(
        &mut self,
        grants: GrantSpec,
        uses: u32,
        ttl: u64,
        validity: u64,
    ) -> String {
        let spec = TokenSpec {
            grants: vec![grants],
            name: NamePattern::Prefix("device-".into()),
            ttl,
            uses,
            member_validity: validity,
            broker: String::new(),
        };
        loop {
            let (now, deaths) = (self.now / 1000, self.died.len());
            let made = self.authority.create_token(&spec, now, &mut self.rng);
            let (token, plan) = made.unwrap();
            self.carry_out(plan);
            if self.died.len() == deaths {
                self.seen.total("made tokens");
                return token.to_uri().unwrap().to_string();
            }
        }
    }

    /// Whether who joins next is a sensor.
    pub(super) fn wants_sensor(&self) -> bool {
        let sensors = self
            .devices
            .iter()
            .filter(|d| d.is_sensor() && d.removed.is_none());
        self.settings.sensors && sensors.count() + self.arrivals.len() < MOST_SENSORS
    }

    /// A sensor begins to join by a token.
    pub(super) fn begin_sensor(&mut self, access: Access) {
        if !self.acts() {
            return;
        }
        let token = self.token_for(grant(access), 1, TTL, CREDENTIAL);
        let name = format!("device-{}", self.names);
        self.names += 1;
        self.trace.note(&format!("{name} wants in, a sensor"));
        let rng_mark = (self.settings.seed << 32) | (1 << 30) | ((self.names & 0xff) << 20);
        let client = self.broker.clients.len();
        self.broker.clients.push(Client::default());
        self.arrivals.push(Arrival {
            client,
            name,
            token,
            access,
            has_clock: !self.names.is_multiple_of(3),
            begun: self.now,
            rng: CountingRng(rng_mark),
            rng_mark,
            board: Board::new(),
            joining: None,
            delegation: Vec::new(),
            asked: None,
        });
    }

    /// Those without power start again, and connect.
    pub(super) fn wake_arrivals(&mut self) {
        for at in (0..self.arrivals.len()).rev() {
            if !self.broker.clients[self.arrivals[at].client].online {
                self.start_arrival(at);
            }
        }
    }

    fn start_arrival(&mut self, at: usize) {
        let new = &mut self.arrivals[at];
        new.begun = self.now;
        new.rng = CountingRng(new.rng_mark);
        new.board.start();
        let mut place: Box<Option<Machine>> = Box::new(None);
        let (store, scratch) = new.board.store();
        store.load(&mut place, scratch).unwrap();
        if place.is_some() {
            // The power went just after it had become one.
            return self.arrive(at, place);
        }
        let mut begun = None;
        store.load_joining(&mut begun, scratch).unwrap();
        let joining = begun.unwrap_or_else(|| Joining::begin(&mut new.rng).unwrap());
        let filters = joining.subscriptions();
        new.joining = Some(joining);
        new.asked = None;
        let client = new.client;
        self.broker.clients[client].online = true;
        for filter in filters {
            let filter = filter.under(self.authority.prefix()).to_string();
            let (dice, seen) = (&mut self.dice, &mut self.seen);
            self.broker.subscribe(client, &filter, dice, seen);
        }
    }

    fn cut_arrival(&mut self, at: usize, entries: &[Entry]) -> Option<Dies> {
        let client = self.arrivals[at].client;
        let changes = changes(entries, &[], &MemoryStore::default());
        self.cut(client, &changes)
    }

    fn power_goes(&mut self, at: usize) {
        let new = &mut self.arrivals[at];
        new.joining = None;
        self.broker.disconnect(new.client);
    }

    pub(super) fn time_out_arrivals(&mut self) {
        for at in 0..self.arrivals.len() {
            let new = &self.arrivals[at];
            let is_due = new.asked.is_none_or(|asked| self.now >= asked + PAUSE);
            if is_due && new.joining.is_some() && !new.delegation.is_empty() {
                self.ask(at);
            }
        }
    }

    fn ask(&mut self, at: usize) {
        let new = &mut self.arrivals[at];
        let clock = new.clock(self.now);
        let (mut fields, mut out) = ([0; 512], [0; 2048]);
        let fields = TokenFields::parse(&new.token, &mut fields).unwrap();
        let way = Way::by_token(&fields, &new.name).unwrap();
        let joining = new.joining.as_mut().unwrap();
        let asked = joining.ask(&way, &new.delegation, clock, &mut new.rng, &mut out);
        let Ok(len) = asked else {
            // An older delegation than the token's: another will come.
            new.delegation.clear();
            return;
        };
        let entries = joining_entries(joining);
        let topic = joining.topic().under(fields.prefix).to_string();
        new.asked = Some(self.now);
        let dies = self.cut_arrival(at, &entries);
        let work = (dies == Some(Dies::Before)).then(|| self.dice.below(WORK));
        let new = &mut self.arrivals[at];
        let joining = new.joining.as_ref().unwrap();
        match work {
            Some(work) => new
                .board
                .cut(work, |store, scratch| store.save_joining(joining, scratch)),
            None => {
                let (store, scratch) = new.board.store();
                store.save_joining(joining, scratch).unwrap();
                new.rng_mark = new.rng.0;
            }
        }
        if matches!(dies, None | Some(Dies::Later)) {
            self.follows();
            self.publish(Publication {
                topic,
                payload: out[..len].to_vec(),
                retain: true,
            });
        }
        if dies.is_some() {
            self.power_goes(at);
        }
    }

    pub(super) fn deliver_to_arrival(&mut self, client: usize, delivery: &Delivery) {
        let at = self.arrivals.iter().position(|new| new.client == client);
        let at = at.unwrap();
        let new = &mut self.arrivals[at];
        let (topic, payload) = (&delivery.topic, &delivery.payload);
        if new.joining.is_none() || payload.is_empty() {
            return;
        }
        if topic.ends_with("/delegation") {
            new.delegation.clone_from(payload);
            return;
        }
        let clock = new.clock(self.now);
        let mut fields = [0; 512];
        let fields = TokenFields::parse(&new.token, &mut fields).unwrap();
        let way = Way::by_token(&fields, &new.name).unwrap();
        let joining = new.joining.as_mut().unwrap();
        match joining.answer(&way, &new.delegation, clock, payload) {
            Ok(Answer::Credential) => {}
            Ok(Answer::Refused(reason)) => return self.refuse_arrival(at, reason),
            Ok(_) | Err(_) => return self.seen.total("answers ignored by sensors"),
        }
        let joined = Joined {
            root_key: way.root_key.as_bytes(),
            prefix: fields.prefix,
            delegation: &new.delegation,
            credential: payload,
        };
        let mut place: Box<Option<Machine>> = Box::new(None);
        if joining.accept(&mut place, joined, clock).is_err() {
            return self.seen.total("answers ignored by sensors");
        }
        let clear = joining.topic().under(fields.prefix).to_string();
        let group = self.authority.groups().next().unwrap().id;
        let board = std::mem::replace(&mut new.board, Board::new());
        let mut sensor = Sensor::new(board, place, group);
        let due = sensor.due();
        let dies = self.cut_arrival(at, &due);
        let work = (dies == Some(Dies::Before)).then(|| self.dice.below(WORK));
        sensor.store(&[], work);
        if dies.is_some() {
            self.arrivals[at].board = sensor.board;
            return self.power_goes(at);
        }
        self.publish(Publication {
            topic: clear,
            payload: Vec::new(),
            retain: true,
        });
        let new = &mut self.arrivals[at];
        new.rng_mark = new.rng.0;
        sensor.durable.extend(due.clone());
        self.become_member(at, sensor, &due);
    }

    /// An authority whose store was put back has forgotten the token: somebody takes another sensor,
    /// and makes another token.
    fn refuse_arrival(&mut self, at: usize, reason: JoinRefusalReason) {
        let refused = self.arrivals.remove(at);
        assert!(
            self.settings.restores || self.settings.thief,
            "{} is refused: {reason}",
            refused.name
        );
        self.trace.note(&format!("{} is refused", refused.name));
        self.seen.total("a sensor's token was forgotten");
        self.broker.disconnect(refused.client);
        self.begin_sensor(refused.access);
    }

    /// A sensor that was enrolled when it started.
    fn arrive(&mut self, at: usize, place: Box<Option<Machine>>) {
        let group = self.authority.groups().next().unwrap().id;
        let board = std::mem::replace(&mut self.arrivals[at].board, Board::new());
        let mut sensor = Sensor::new(board, place, group);
        let entries = sensor.start();
        self.become_member(at, sensor, &entries);
    }

    fn become_member(&mut self, at: usize, sensor: Sensor, entries: &[Entry]) {
        let new = self.arrivals.remove(at);
        self.broker.disconnect(new.client);
        let store = MemoryStore::default();
        let changes = changes(entries, &[], &store);
        self.add_device(Arrived {
            engine: Engine::Sensor(Box::new(sensor)),
            store,
            rng: CountingRng(new.rng_mark),
            rng_mark: new.rng_mark,
            client: new.client,
            access: new.access,
            has_clock: new.has_clock,
        });
        let device = self.devices.len() - 1;
        self.take_stored(device, &changes);
        self.note_delegation(device);
        self.seen.total("a sensor joined");
    }
}
