//! What a driver does for a device's client: connects, commits, sends, and brings what arrives.

use sealmq_client::{
    Acknowledged, Client, Ending, Event, Incoming, Limits, Options, Output, Qos, ReasonCode,
    Subscription, Time,
};
use sealmq_core::open::Rejection;
use sealmq_keys::member::Properties;
use sealmq_keys::{Change, Changes, Publication, ReservedTopic, Store as _};

use super::broker::Delivery;
use super::device::{Device, Engine};
use super::later::options_of;
use super::sealed::Received;
use super::world::{Life, World};
use super::{Dies, Sabotage, Settings};
use crate::fuzz::world::{CountingRng, MemoryStore};

/// The longest that a client waits for silence after a connect, milliseconds.
const SETTLING: u64 = 5_000;

/// A new process of the device with this number at the broker.
pub(super) fn open(settings: &Settings, store: &MemoryStore, client: usize) -> Box<Client> {
    let mut options = Options {
        member: options_of(settings, client),
        announce_credential: client.is_multiple_of(4),
        short_form: client % 2 == 1,
        ..Options::default()
    };
    if settings.sabotage == Sabotage::NotSealedAgain {
        options.kept_values = None;
    }
    let mut opened = Client::open(store, &options).unwrap();
    opened.subscribe(vec![Subscription::new("plant/#".into(), Qos::AtLeastOnce)]);
    Box::new(opened)
}

impl World {
    pub(super) fn time_of(&self, device: usize) -> Time {
        let this = &self.devices[device];
        Time {
            uptime: self.now - this.begun,
            clock: this.now(self.now),
        }
    }

    /// A new process of a device, not connected yet.
    pub(super) fn load(&mut self, device: usize) {
        let this = &mut self.devices[device];
        this.load_again = false;
        this.leaving = false;
        this.begun = self.now;
        if this.is_sensor() {
            return self.start_sensor(device);
        }
        if self.settings.sabotage == Sabotage::NoConnections {
            this.forget_connection();
        }
        this.engine = Engine::Host(open(&self.settings, &this.store, this.client));
        this.drafts.clear();
        this.values.clear();
        this.late.clear();
        // What was drawn for a commit is drawn again: none of it may serve twice.
        if !this.put_back {
            this.rng = CountingRng(this.rng_mark);
        }
        self.broker.disconnect(this.client);
        self.check_numbers(device);
    }

    /// The network fails.
    pub(super) fn disconnect(&mut self, device: usize) {
        let time = self.time_of(device);
        let this = &mut self.devices[device];
        if self.broker.clients[this.client].online && !this.is_sensor() {
            this.engine
                .host_mut()
                .handle_disconnected(Ending::Unrelated, time, &mut this.rng);
        }
        self.broker.disconnect(this.client);
    }

    /// Connects, whatever became of the connection before.
    pub(super) fn connect(&mut self, device: usize) {
        self.disconnect(device);
        if self.devices[device].is_sensor() {
            return self.connect_sensor(device);
        }
        self.begin_connection(device);
        self.run(device);
    }

    fn begin_connection(&mut self, device: usize) {
        self.leave_will(device);
        self.connect_with_will(device);
    }

    /// Connects a device that is not, with the will that its client has.
    pub(super) fn connect_as_it_is(&mut self, device: usize) {
        self.connect_with_will(device);
        self.run(device);
    }

    fn connect_with_will(&mut self, device: usize) {
        let time = self.time_of(device);
        let this = &mut self.devices[device];
        this.engine.host_mut().connect(time, &mut this.rng);
    }

    /// Commits for a device.
    fn commit(&mut self, device: usize, changes: &Changes) -> Life {
        self.check_floors(device, changes);
        self.keep_packages(device, changes);
        let client = self.devices[device].client;
        let dies = self.cut(client, changes);
        if dies != Some(Dies::Before) {
            self.devices[device].store.commit(changes).unwrap();
            self.note_delegation(device);
        }
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

    /// Carries out what a device's client wants; `false` if the process died on the way.
    pub(super) fn run(&mut self, device: usize) -> bool {
        let (mut ends, mut committed) = (false, false);
        loop {
            let mut time = self.time_of(device);
            if self.settings.sabotage == Sabotage::Unsettled {
                time.uptime += SETTLING;
            }
            let this = &mut self.devices[device];
            let Some(output) = this.engine.host_mut().poll_output(time, &mut this.rng) else {
                break;
            };
            let Output::Commit(changes) = output else {
                if std::mem::take(&mut committed) {
                    self.follows();
                }
                self.carry_out_output(device, output);
                if ends {
                    break;
                }
                continue;
            };
            let is_late = match self.settings.sabotage {
                Sabotage::SentFirst => begins_session(&changes),
                Sabotage::LateMarks => super::floors::is_of_state(&changes),
                _ => false,
            };
            let life = if is_late {
                self.devices[device].late.push(changes);
                Life::Goes
            } else {
                self.commit(device, &changes)
            };
            if life == Life::Gone {
                return false;
            }
            committed = life == Life::Goes;
            ends |= life == Life::Ends;
            self.devices[device].engine.host_mut().committed();
        }
        for changes in std::mem::take(&mut self.devices[device].late) {
            match self.commit(device, &changes) {
                Life::Goes => {}
                Life::Ends => ends = true,
                Life::Gone => return false,
            }
        }
        if ends || self.devices[device].load_again {
            self.load(device);
        }
        !ends
    }

    fn carry_out_output(&mut self, device: usize, output: Output) {
        let time = self.time_of(device);
        let this = &mut self.devices[device];
        let client = this.client;
        let packet = this.next_packet();
        match output {
            Output::Connect(will) => {
                this.connections += 1;
                if let Some(will) = will {
                    self.note_will(device, will.wire);
                }
                self.broker.clients[client].online = true;
                let this = &mut self.devices[device];
                this.connected_at = self.now;
                this.engine
                    .host_mut()
                    .handle_connected(false, Limits::default(), time);
            }
            Output::Subscribe(wanted) => {
                this.engine.host_mut().handle_subscribe_written(packet);
                for wanted in &wanted {
                    if wanted.filter.contains("/c/") {
                        self.seen.total("chunks that hosts fetch");
                    }
                    let (dice, seen) = (&mut self.dice, &mut self.seen);
                    self.broker.subscribe(client, &wanted.filter, dice, seen);
                }
                let granted = vec![Ok(Qos::AtLeastOnce); wanted.len()];
                let this = &mut self.devices[device];
                this.engine
                    .host_mut()
                    .handle_subscribed(packet, &granted, time);
            }
            Output::Unsubscribe(filter) => {
                this.engine.host_mut().handle_unsubscribe_written(packet);
                self.broker.unsubscribe(client, &filter);
                this.engine.host_mut().handle_unsubscribed(packet);
            }
            Output::Publish(wire) => {
                let of_keys = self.broker.is_reserved(&wire.topic);
                let kept = wire.qos != Qos::AtMostOnce;
                this.engine
                    .host_mut()
                    .handle_publish_written(if kept { packet } else { 0 });
                let publication = Publication {
                    topic: wire.topic,
                    payload: wire.payload.to_vec(),
                    retain: wire.retain,
                };
                let is_record = is_record(&self.broker.prefix, &publication.topic);
                if is_record {
                    self.note_record(device, &publication);
                } else if !of_keys {
                    self.note_sent(device, &publication);
                }
                if !(is_record && self.settings.sabotage == Sabotage::LostRecords) {
                    self.publish(publication);
                }
                if kept {
                    let this = &mut self.devices[device];
                    this.engine
                        .host_mut()
                        .handle_acknowledged(packet, Acknowledged::Complete(ReasonCode::SUCCESS));
                }
            }
            Output::Refused { id, error, .. } => {
                this.drafts.retain(|(draft, _)| *draft != id);
                self.seen.unsealed(&error);
            }
            Output::Event(event, token) => {
                match event {
                    Event::Message(message) => self.accepted(device, &Received::of(&message)),
                    Event::Rejected { reason, topic } => {
                        self.seen.rejection(reason.name());
                        self.trace
                            .detail(|| format!("{device} refuses {topic}: {reason:?}"));
                    }
                    Event::Key(event) => self.noticed(device, &event),
                    _ => {}
                }
                if let Some(token) = token {
                    self.devices[device]
                        .engine
                        .host_mut()
                        .handle_delivered(token);
                }
            }
            Output::Disconnect => {
                // The broker forgets the will.
                this.will = None;
                this.engine.host_mut().handle_disconnect_written();
                let leaving = this.leaving;
                self.disconnect(device);
                if !leaving {
                    self.seen.total("connected again for a new will");
                    self.begin_connection(device);
                }
            }
            _ => {}
        }
    }

    /// Gives a device what arrived.
    pub(super) fn deliver(&mut self, device: usize, delivery: Delivery) {
        let Delivery {
            topic,
            payload,
            retain,
            ..
        } = delivery;
        let reserved = self.broker.is_reserved(&topic);
        let fork = reserved && self.is_fork(device, &topic, &payload);
        let before = counted(&self.devices[device]);
        if !self.hand(device, &topic, &payload, retain) {
            return;
        }
        if fork {
            self.check_alarm(device, &topic, &payload);
        }
        let (waited, own) = counted(&self.devices[device]);
        if waited > before.0 {
            self.seen.total("waited");
        }
        if own > before.1 {
            self.seen.rejection(Rejection::Own.name());
        }
    }

    /// A publish from the broker; `false` if the process died over it.
    pub(super) fn hand(
        &mut self,
        device: usize,
        topic: &str,
        payload: &[u8],
        retain: bool,
    ) -> bool {
        if self.devices[device].is_sensor() {
            return self.hand_to_sensor(device, topic, payload, retain);
        }
        let time = self.time_of(device);
        let shown = incoming(topic, payload, retain);
        let client = self.devices[device].engine.host_mut();
        // As drivers do of what came together: at every other device, and nothing may come of it.
        if device % 2 == 1 {
            client.verify_ahead([(topic, payload, retain)], time);
        }
        client.handle_publish(shown, time);
        self.run(device)
    }

    /// Time has passed for a device.
    pub(super) fn time_out(&mut self, device: usize) {
        if self.devices[device].is_sensor() {
            return self.maintain_sensor(device);
        }
        let time = self.time_of(device);
        let this = &mut self.devices[device];
        let online = self.broker.clients[this.client].online;
        let due = this.engine.host_mut().poll_timeout();
        if online && due.is_some_and(|due| due <= time.uptime) {
            this.engine.host_mut().handle_timeout(time, &mut this.rng);
            self.run(device);
        }
    }

    /// Shuts a device's process down in an orderly way, and starts another one.
    pub(super) fn restart(&mut self, device: usize) {
        if self.devices[device].is_sensor() {
            // It has no orderly end.
            return self.load(device);
        }
        let time = self.time_of(device);
        let this = &mut self.devices[device];
        this.leaving = true;
        if this.has_clock {
            this.engine.host_mut().disconnect(time);
        } else {
            this.engine.host_mut().leave();
        }
        if self.run(device) {
            self.load(device);
        }
    }
}

/// Whether a message is sealed that needs it.
fn begins_session(changes: &Changes) -> bool {
    let device =
        |change: &Change| matches!(change, Change::Put { key, .. } if key == "member/device");
    changes.iter().all(device)
}

pub(super) fn is_record(prefix: &str, topic: &str) -> bool {
    let topic = ReservedTopic::parse(prefix, topic);
    matches!(topic, Some(ReservedTopic::SessionRecord(..)))
}

/// How many messages had to wait, and how many came back to their sender.
fn counted(device: &Device) -> (u64, u64) {
    let Engine::Host(client) = &device.engine else {
        return (0, 0);
    };
    let stats = client.member().stats();
    let own = stats.rejected.get(Rejection::Own.name());
    (stats.waited, own.copied().unwrap_or(0))
}

pub(super) fn incoming(topic: &str, payload: &[u8], retain: bool) -> Incoming {
    Incoming {
        topic: topic.into(),
        payload: payload.to_vec().into(),
        retain,
        qos: Qos::AtLeastOnce,
        packet: 1,
        properties: Properties::default(),
    }
}
