//! Wills: sealed at connecting, delivered when the broker likes, kept by it for ever, and put back
//! over whatever is newer (spec/envelope.md §9).

use sealmq_client::{Qos, Will, Wire};
use sealmq_core::replay::Record;
use sealmq_keys::Publication;
use sealmq_keys::member::Properties;

use super::Sabotage;
use super::device::Device;
use super::floors::WORDS;
use super::office::group;
use super::sending::own_topic;
use super::world::World;

impl World {
    /// A will for the connection that begins, for some of those who can say when they sealed it.
    pub(super) fn leave_will(&mut self, device: usize) {
        self.fire_will(device);
        let this = &self.devices[device];
        let wanted = self.settings.hostile && this.has_clock && this.access.may_publish();
        let draft = (wanted && self.dice.one_in(3)).then(|| {
            let topic = format!("plant/{}", self.messages.len() % 3);
            let id = self.draft(device, topic);
            self.messages[id].will = true;
            self.messages[id].retain = self.dice.one_in(2);
            id
        });
        let will = draft.map(|id| Will {
            topic: self.messages[id].topic.clone().into(),
            payload: id.to_string().into(),
            qos: Qos::AtLeastOnce,
            retain: self.messages[id].retain,
            properties: Properties::default(),
            delay: None,
        });
        let this = &mut self.devices[device];
        this.will_draft = draft;
        this.engine.host_mut().set_will(will).unwrap();
    }

    /// A retained will where the device alone publishes; the broker sets it free, and the process
    /// ends. The next one connects without a will, and publishes a value.
    pub(super) fn value_after_will(&mut self, device: usize) {
        let this = &self.devices[device];
        if this.is_sensor()
            || !this.has_clock
            || !this.access.may_publish()
            || this.asleep > self.broker.step
        {
            return;
        }
        let id = self.draft(device, own_topic(device));
        let message = &mut self.messages[id];
        (message.will, message.retain) = (true, true);
        let will = Will {
            topic: own_topic(device).into(),
            payload: id.to_string().into(),
            qos: Qos::AtLeastOnce,
            retain: true,
            properties: Properties::default(),
            delay: None,
        };
        self.disconnect(device);
        self.devices[device].will_draft = Some(id);
        let engine = &mut self.devices[device].engine;
        engine.host_mut().set_will(Some(will)).unwrap();
        self.connect_as_it_is(device);
        self.pass_seconds(6);
        let will = self.devices[device].will.take();
        self.load(device);
        if let Some(will) = will {
            self.publish(will);
        }
        self.devices[device].will_draft = None;
        self.connect_as_it_is(device);
        self.pass_seconds(6);
        self.send_on(device, own_topic(device), true);
        self.flow();
    }

    /// The broker has it from now on.
    pub(super) fn note_will(&mut self, device: usize, wire: Wire) {
        let id = self.devices[device].will_draft.unwrap();
        let will = Publication {
            topic: wire.topic,
            payload: wire.payload.to_vec(),
            retain: wire.retain,
        };
        assert!(!self.is_sealed_before(&will.payload));
        self.note_sealed(device, id, &will.payload);
        self.seen.total("wills sealed");
        self.wills.push((id, will.clone()));
        self.devices[device].will = Some(will);
    }

    /// The connection before has ended somehow.
    fn fire_will(&mut self, device: usize) {
        if let Some(will) = self.devices[device].will.take()
            && self.dice.one_in(2)
        {
            self.publish(will);
        }
    }

    /// The broker puts a captured will in the place of a retained value, and shows it live.
    pub(super) fn put_will_back(&mut self) {
        if self.wills.is_empty() {
            return;
        }
        let at = self.dice.index(self.wills.len());
        // Most of them are too old for anything.
        let passed = self.wills.iter().rev().find(|will| self.is_passed(will.0));
        let will = passed.filter(|_| self.dice.one_in(2));
        let (_, Publication { topic, payload, .. }) = will.unwrap_or(&self.wills[at]).clone();
        self.seen.fault("old will put back");
        self.broker.retained.insert(topic.clone(), payload.clone());
        for device in 0..self.devices.len() {
            let client = self.devices[device].client;
            if !self.broker.clients[client].online {
                continue;
            }
            if self.settings.sabotage == Sabotage::ForgottenWills {
                // Marks would tell of all wills but the passing ones.
                self.forget_replays(device, |record| !matches!(record, Record::Topic(_)));
            }
            let retain = self.dice.one_in(2);
            self.broker.inject(client, &topic, &payload, retain);
        }
    }

    /// Retained values, as live messages, to who had them as retained.
    pub(super) fn put_value_back(&mut self) {
        for device in 0..self.devices.len() {
            let this = &self.devices[device];
            let client = this.client;
            let newest = this.kept.retained.last().map(|id| &self.messages[*id]);
            let Some(message) = newest.filter(|_| self.broker.clients[client].online) else {
                continue;
            };
            let (topic, envelope) = (message.topic.clone(), message.envelope.clone());
            self.seen.fault("retained value as live");
            if self.settings.sabotage == Sabotage::ForgottenValues {
                self.forget_replays(device, |_| true);
            }
            self.broker.inject(client, &topic, &envelope, false);
        }
    }

    /// Whether somebody has accepted a newer will of the same sender, while this one is not too old.
    fn is_passed(&self, id: usize) -> bool {
        let will = &self.messages[id];
        let newer = |device: &Device| {
            let newest = device.kept.wills.get(&will.sender);
            newest.is_some_and(|(_, newest)| *newest > will.turn)
        };
        self.now / 1000 <= will.at + u64::from(group().policy.will_age)
            && self.devices.iter().any(newer)
    }

    fn forget_replays(&mut self, device: usize, forgets: fn(&Record<WORDS>) -> bool) {
        let store = &mut self.devices[device].store;
        store.0.retain(|key, value| {
            let is_forgotten = || forgets(&Record::decode(&value[1..]).unwrap());
            !(key.starts_with("replay/") && is_forgotten())
        });
        self.load(device);
        self.connect(device);
    }
}
