//! Wills: sealed at connecting, delivered when the broker likes, kept by it for ever, and put back
//! over whatever is newer (spec/envelope.md §9).

use std::collections::BTreeMap;

use sealmq_client::{Message as Incoming, Qos, Will, Wire};
use sealmq_keys::Publication;
use sealmq_keys::member::Properties;

use super::Sabotage;
use super::device::Device;
use super::office::group;
use super::world::World;

/// What a reader remembers here of kept messages, to compare.
#[derive(Default, Clone)]
pub(super) struct Kept {
    /// The newest will that it accepted, by sender.
    wills: BTreeMap<usize, usize>,
    /// Accepted as retained values.
    retained: std::collections::BTreeSet<usize>,
}

impl World {
    /// A will for the connection that begins, for some of those who can say when they sealed it.
    pub(super) fn leave_will(&mut self, device: usize) {
        self.fire_will(device);
        let this = &self.devices[device];
        let wanted = self.settings.hostile && this.has_clock && this.access.may_publish();
        let draft = (wanted && self.dice.one_in(3)).then(|| self.draft(device));
        let will = draft.map(|id| Will {
            topic: self.messages[id].topic.clone().into(),
            payload: id.to_string().into(),
            qos: Qos::AtLeastOnce,
            retain: self.dice.one_in(2),
            properties: Properties::default(),
            delay: None,
        });
        let this = &mut self.devices[device];
        this.will_draft = draft;
        this.engine.set_will(will).unwrap();
    }

    /// The broker has it from now on.
    pub(super) fn note_will(&mut self, device: usize, wire: Wire) {
        let id = self.devices[device].will_draft.unwrap();
        let will = Publication {
            topic: wire.topic,
            payload: wire.payload.to_vec(),
            retain: wire.retain,
        };
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
                self.forget_replays(device);
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
            let window = u64::from(group().policy.window);
            let newest = this.kept.retained.last().map(|id| &self.messages[*id]);
            let newest = newest.filter(|message| message.epoch + window >= this.epoch());
            let Some(message) = newest.filter(|_| self.broker.clients[client].online) else {
                continue;
            };
            let (topic, envelope) = (message.topic.clone(), message.envelope.clone());
            self.seen.fault("retained value as live");
            if self.settings.sabotage == Sabotage::ForgottenValues {
                self.forget_replays(device);
            }
            self.broker.inject(client, &topic, &envelope, false);
        }
    }

    /// Whether somebody has accepted a newer will of the same sender, while this one is not too old.
    fn is_passed(&self, id: usize) -> bool {
        let will = &self.messages[id];
        let newer = |device: &Device| {
            let newest = device.kept.wills.get(&will.sender);
            newest.is_some_and(|newest| *newest > id)
                && device.epoch() <= will.epoch + u64::from(group().policy.window)
        };
        self.now / 1000 <= will.at + u64::from(group().policy.will_age)
            && self.devices.iter().any(newer)
    }

    fn forget_replays(&mut self, device: usize) {
        let store = &mut self.devices[device].store;
        store.0.retain(|key, _| !key.starts_with("replay/"));
        self.load(device);
        self.connect(device);
    }

    /// What was kept does not come again as an event, and no will after a newer one.
    pub(super) fn check_kept(&mut self, device: usize, received: &Incoming, id: usize) {
        let sender = self.messages[id].sender;
        let late = self.messages[id].at + u64::from(group().policy.will_age + group().policy.skew);
        let this: &mut Device = &mut self.devices[device];
        if received.retained {
            this.kept.retained.insert(id);
        } else {
            let new = !this.kept.retained.contains(&id);
            assert!(new, "{device} accepts {id} live, which it had as retained");
        }
        if !received.will {
            return;
        }
        let newest = this.kept.wills.get(&sender).copied();
        let new = match newest {
            Some(newest) if received.retained => id >= newest,
            Some(newest) => id > newest,
            None => true,
        };
        assert!(
            new,
            "{device} accepts will {id} of {sender} after {newest:?}"
        );
        this.kept.wills.insert(sender, id);
        assert!(
            !this.has_clock || self.now / 1000 <= late,
            "{device} accepts will {id} after its age"
        );
        let how = if received.retained {
            "retained"
        } else {
            "live"
        };
        self.seen.total(&format!("wills accepted, {how}"));
    }
}
