//! What firmware does around a sensor's machine: stores before anything goes out, subscribes,
//! publishes, seals, opens, and starts again when the power was gone.

use sealmq_embedded::{Event, RecordId, Refused, Sealing};
use sealmq_keys::Publication;
use sealmq_keys::group::{FollowError, Fork, InstallError};

use super::device::Engine;
use super::driver::is_record;
use super::sealed::Received;
use super::sensor::{Entry, Waiting};
use super::sensor_records::changes;
use super::world::{Life, World};
use super::{Dies, Sabotage};
use crate::fuzz::world::CountingRng;

/// After a connect, milliseconds: what the broker keeps arrives, and then it seals.
const SETTLING: u64 = 1_500;
/// What time brings is looked at so often, in milliseconds.
const EVERY: u64 = 1_000;
/// Envelopes that wait; the oldest gives way.
const WAITING: usize = 64;
/// What a power cut within a commit may let be done of it: a part, or all.
const WORK: u64 = 3_000;

impl World {
    /// The power comes back.
    pub(super) fn start_sensor(&mut self, device: usize) {
        let this = &mut self.devices[device];
        let sensor = this.engine.sensor_mut();
        let entries = sensor.start();
        let changes = changes(&entries, &[], &this.store);
        this.rng = CountingRng(this.rng_mark);
        self.broker.disconnect(this.client);
        self.take_stored(device, &changes);
        self.check_numbers(device);
        let sensor = self.devices[device].engine.sensor_mut();
        for (id, record) in entries {
            // Packages may have ended with it.
            let stored = sensor.durable.get(&id);
            let is_same = stored.is_none_or(|stored| *stored == record);
            assert!(
                is_same || id == RecordId::Packages,
                "{device} starts with another {id:?} than it stored"
            );
        }
        self.seen.total("a sensor lost power");
    }

    /// After the power went within a transaction, all of it is there, or nothing.
    fn check_whole(&mut self, device: usize, due: &[Entry], old: &[Entry]) {
        let sensor = self.devices[device].engine.sensor_mut();
        let is_there = |entries: &[Entry]| {
            // Of packages some may have ended with it; the request is no member's any more.
            let mut rest = entries
                .iter()
                .filter(|(id, _)| !matches!(id, RecordId::Packages | RecordId::Request));
            rest.all(|entry| sensor.entry(entry.0) == *entry)
        };
        assert!(
            is_there(due) || is_there(old),
            "{device} has stored a part of {due:?}"
        );
        for (id, _) in due {
            let entry = sensor.entry(*id);
            sensor.durable.insert(entry.0, entry.1);
        }
        self.seen.total("a sensor lost power within a commit");
    }

    pub(super) fn connect_sensor(&mut self, device: usize) {
        let this = &mut self.devices[device];
        this.connections += 1;
        this.connected_at = self.now;
        this.engine.sensor_mut().disconnected();
        self.broker.clients[this.client].online = true;
        self.run_sensor(device);
    }

    /// Stores what is due and was seen.
    fn save(&mut self, device: usize) -> Life {
        let this = &mut self.devices[device];
        let sensor = this.engine.sensor_mut();
        sensor.forgets = self.settings.sabotage == Sabotage::ForgottenNumbers;
        let (due, seen) = (sensor.due(), sensor.seen());
        if due.is_empty() && seen.is_empty() {
            return Life::Goes;
        }
        let changes = changes(&due, &seen, &this.store);
        self.check_floors(device, &changes);
        let dies = self.cut(self.devices[device].client, &changes);
        let work = (dies == Some(Dies::Before)).then(|| self.dice.below(WORK));
        let sensor = self.devices[device].engine.sensor_mut();
        sensor.store(&seen, work);
        if dies == Some(Dies::Before) {
            // Of one transaction, all or nothing is there.
            let old = due.iter().filter_map(|(id, _)| {
                let old = sensor.durable.get(id)?.clone();
                Some((*id, old))
            });
            let old: Vec<_> = old.collect();
            due.iter()
                .for_each(|(id, _)| drop(sensor.durable.remove(id)));
            self.load(device);
            self.check_whole(device, &due, &old);
            return Life::Gone;
        }
        sensor.durable.extend(due);
        self.take_stored(device, &changes);
        self.note_delegation(device);
        match dies {
            None => {
                self.check_numbers(device);
                let this = &mut self.devices[device];
                this.rng_mark = this.rng.0;
                Life::Goes
            }
            Some(Dies::Later) => Life::Ends,
            Some(_) => {
                self.load(device);
                Life::Gone
            }
        }
    }

    /// Carries out what is due for a sensor; `false` if its power went on the way.
    pub(super) fn run_sensor(&mut self, device: usize) -> bool {
        loop {
            let life = self.save(device);
            if life == Life::Gone {
                return false;
            }
            let went = self.next_of_sensor(device);
            if life == Life::Ends {
                self.load(device);
                return false;
            }
            match went {
                None => return true,
                Some(Life::Goes) => {}
                Some(_) => return false,
            }
        }
    }

    /// One thing that is due; `None` if nothing is.
    fn next_of_sensor(&mut self, device: usize) -> Option<Life> {
        let this = &mut self.devices[device];
        let client = this.client;
        if !self.broker.clients[client].online {
            return None;
        }
        let is_settled = self.now >= this.connected_at + SETTLING;
        let sensor = this.engine.sensor_mut();
        if let Some(unused) = sensor.next_unused() {
            self.broker.unsubscribe(client, &unused);
            return Some(Life::Goes);
        }
        let filter = sensor.next_filter();
        let filter = filter.or_else(|| {
            let had = std::mem::replace(&mut sensor.has_topics, true);
            (!had).then(|| "plant/#".to_owned())
        });
        if let Some(filter) = filter {
            if is_settled && filter.ends_with("/r") {
                self.seen.total("refused lists that sensors fetch");
            }
            if filter.contains("/c/") {
                self.seen.total("chunks that sensors fetch");
            }
            let (dice, seen) = (&mut self.dice, &mut self.seen);
            self.broker.subscribe(client, &filter, dice, seen);
            return Some(Life::Goes);
        }
        if self.publish_for_sensor(device) {
            return Some(Life::Goes);
        }
        if !is_settled {
            return None;
        }
        let sensor = self.devices[device].engine.sensor_mut();
        let id = sensor.drafts.pop_front()?;
        Some(self.seal_on_sensor(device, id))
    }

    /// Publishes the next thing of a sensor's keys; `false` if there is none.
    fn publish_for_sensor(&mut self, device: usize) -> bool {
        let this = &mut self.devices[device];
        let at = this.clock(self.now);
        let Some((topic, publication)) = this.engine.sensor_mut().next_publication(at) else {
            return false;
        };
        if is_record(&self.broker.prefix, &publication.topic) {
            self.note_record(device, &publication);
        }
        self.follows();
        self.publish(publication);
        let sensor = self.devices[device].engine.sensor_mut();
        sensor.machine().acknowledged(&topic);
        true
    }

    /// Seals a message and publishes it, with the record of its session before it.
    fn seal_on_sensor(&mut self, device: usize, id: usize) -> Life {
        self.take_announcements(device);
        let message = &self.messages[id];
        let (topic, retain) = (message.topic.clone(), message.retain);
        let this = &mut self.devices[device];
        let announce = this.client.is_multiple_of(4);
        let sealing = Sealing {
            retain,
            announce,
            short: this.client % 2 == 1,
            ..Sealing::event(&topic)
        };
        let at = this.clock(self.now);
        let Engine::Sensor(sensor) = &mut this.engine else {
            return Life::Goes;
        };
        if let Err(refused) = sensor.machine().prepare(&sealing, at, &mut this.rng) {
            self.seen.unsealed_by_sensor(&refused);
            return Life::Goes;
        }
        let life = self.save(device);
        if life == Life::Gone {
            return life;
        }
        while self.publish_for_sensor(device) {}
        let sensor = self.devices[device].engine.sensor_mut();
        let text = id.to_string();
        let machine = sensor.machine();
        let sealed = machine.room(&sealing, text.len(), at).and_then(|room| {
            let mut buf = vec![0; room.headroom];
            buf.extend_from_slice(text.as_bytes());
            buf.resize(buf.len() + room.tailroom, 0);
            let payload = room.headroom..room.headroom + text.len();
            let envelope = machine.seal(&sealing, at, &mut buf, payload)?;
            Ok(buf[envelope].to_vec())
        });
        match sealed {
            Ok(payload) => {
                assert!(!self.is_sealed_before(&payload));
                self.note_sealed(device, id, &payload);
                self.seen.total("a sensor published");
                self.follows();
                self.publish(Publication {
                    topic,
                    payload,
                    retain,
                });
            }
            Err(refused) => self.seen.unsealed_by_sensor(&refused),
        }
        if life == Life::Ends {
            self.load(device);
        }
        life
    }

    /// A publish from the broker; `false` if the power went over it.
    pub(super) fn hand_to_sensor(
        &mut self,
        device: usize,
        topic: &str,
        payload: &[u8],
        retain: bool,
    ) -> bool {
        self.take_announcements(device);
        let this = &mut self.devices[device];
        let at = this.clock(self.now);
        let machine = this.engine.sensor_mut().machine();
        let event = if machine.is_reserved(topic) {
            match machine.handle(topic, &mut payload.to_vec(), at) {
                Ok(event) => event,
                Err(refused) => {
                    self.refused_by_sensor(device, &refused);
                    None
                }
            }
        } else {
            if !self.open_on_sensor(device, (topic.to_owned(), payload.to_vec(), retain)) {
                return false;
            }
            None
        };
        if let Some(event) = event {
            self.noticed_by_sensor(device, &event);
            let sensor = self.devices[device].engine.sensor_mut();
            for waiting in std::mem::take(&mut sensor.waiting) {
                if !self.open_on_sensor(device, waiting) {
                    return false;
                }
            }
        }
        self.run_sensor(device)
    }

    /// Opens a message, or lets it wait; `false` if the power went over it.
    fn open_on_sensor(&mut self, device: usize, (topic, payload, retained): Waiting) -> bool {
        let this = &mut self.devices[device];
        let at = this.clock(self.now);
        let sensor = this.engine.sensor_mut();
        let mut buf = payload;
        let received = match sensor.machine().open(&topic, retained, at, &mut buf) {
            Ok(message) => Received {
                topic,
                session: message.session_number(),
                counter: message.counter().into(),
                retained: message.is_retained_delivery(),
                will: message.is_will(),
                payload: message.payload().to_vec(),
            },
            Err(rejection) if rejection.may_wait() => {
                if sensor.waiting.len() == WAITING {
                    sensor.waiting.pop_front();
                }
                sensor.waiting.push_back((topic, buf, retained));
                return true;
            }
            Err(rejection) => {
                self.seen.total("a sensor refused a message");
                self.seen.rejection(rejection.name());
                self.trace
                    .detail(|| format!("{device} refuses {topic}: {rejection:?}"));
                return true;
            }
        };
        let life = self.save(device);
        if life != Life::Gone {
            self.seen.total("a sensor opened");
            self.accepted(device, &received);
        }
        if life == Life::Ends {
            self.load(device);
        }
        life == Life::Goes
    }

    fn noticed_by_sensor(&mut self, device: usize, event: &Event) {
        self.seen.sensor_event(event);
        self.trace.detail(|| format!("{device}: {event:?}"));
        if let Event::Joined { replaced, .. } = event {
            let this = &mut self.devices[device];
            this.follows_since = self.now;
            if this.heard_of == 0 {
                this.heard_of = self.now;
            }
            replaced.inspect(|fork| self.fork_at_sensor(device, fork));
        }
    }

    fn refused_by_sensor(&mut self, device: usize, refused: &Refused) {
        self.trace
            .detail(|| format!("{device} refuses: {refused:?}"));
        self.devices[device].engine.sensor_mut().refused += 1;
        self.seen.total("a sensor refused an object");
        if let Refused::Record(rejection) = refused {
            self.seen.rejection(rejection.name());
        }
        if let Refused::Follow(FollowError::Fork(fork))
        | Refused::Install(InstallError::Fork(fork)) = refused
        {
            self.fork_at_sensor(device, fork);
        }
    }

    fn fork_at_sensor(&mut self, device: usize, fork: &Fork) {
        self.devices[device].alarms.insert(fork.other.0, self.now);
        self.trace
            .note(&format!("{device} sees a fork at {}", fork.epoch));
    }

    /// What time brings, and what waits for it.
    pub(super) fn maintain_sensor(&mut self, device: usize) {
        let this = &mut self.devices[device];
        if !self.broker.clients[this.client].online {
            return;
        }
        let at = this.clock(self.now);
        let Engine::Sensor(sensor) = &mut this.engine else {
            return;
        };
        let uptime = at.uptime.unwrap_or_default();
        if uptime >= sensor.maintained + EVERY {
            sensor.maintained = uptime;
            sensor.machine().maintain(at, &mut this.rng).unwrap();
        } else if sensor.drafts.is_empty() {
            return;
        }
        self.run_sensor(device);
    }
}
