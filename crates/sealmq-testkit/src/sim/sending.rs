//! What devices send: events, and values that the broker keeps.

use sealmq_client::{Draft, Qos};
use sealmq_keys::Publication;

use super::device::Engine;
use super::world::World;

/// Topics that have several publishers.
const SHARED: u64 = 3;

impl World {
    /// Gives a message to a device's client; `false` if it refuses it, or its process dies.
    pub(super) fn send(&mut self, device: usize) -> bool {
        let retain = self.dice.one_in(4);
        self.send_as(device, retain)
    }

    /// An event, or a value: of a topic of its own, or of one that others publish on, too.
    pub(super) fn send_as(&mut self, device: usize, retain: bool) -> bool {
        let own = retain && self.dice.one_in(2);
        let topic = if own {
            own_topic(device)
        } else {
            format!("plant/{}", self.messages.len() as u64 % SHARED)
        };
        self.send_on(device, topic, retain)
    }

    /// The same on this topic.
    pub(super) fn send_on(&mut self, device: usize, topic: String, retain: bool) -> bool {
        let id = self.draft(device, topic.clone());
        self.messages[id].retain = retain;
        if let Engine::Sensor(sensor) = &mut self.devices[device].engine {
            sensor.drafts.push_back(id);
            return self.run_sensor(device);
        }
        let mut draft = Draft::new(topic, id.to_string().into()).unwrap();
        draft.retain = retain;
        if self.dice.one_in(4) {
            draft.qos = Qos::AtMostOnce;
        }
        let time = self.time_of(device);
        let this = &mut self.devices[device];
        let publish = this.engine.host_mut().publish(draft, time);
        this.drafts.push_back((publish, id));
        let refused = self.seen.refused;
        self.run(device) && self.seen.refused == refused
    }

    /// A device has sent this: a draft, perhaps once more, or a value that it sealed again.
    pub(super) fn note_sent(&mut self, device: usize, sent: &Publication) {
        if self.is_sealed_before(&sent.payload) {
            return self.seen.total("sent again");
        }
        let next = self.next_draft(device, sent);
        let id = if let Some(index) = next {
            self.seen.total(if index == 0 {
                "sealed"
            } else {
                "sealed before others"
            });
            let draft = self.devices[device].drafts.remove(index);
            draft.unwrap().1
        } else {
            let value = self.devices[device].values.get(&sent.topic);
            let value = value.filter(|_| sent.retain).copied();
            let id = self.draft(device, sent.topic.clone());
            self.messages[id].text = value.expect("nobody asked for what a device sends");
            self.messages[id].retain = true;
            self.seen.total("values sealed again");
            id
        };
        if sent.retain {
            let text = self.messages[id].text;
            let values = &mut self.devices[device].values;
            values.insert(sent.topic.clone(), text);
        }
        self.note_sealed(device, id, &sent.payload);
    }

    /// Which draft this is: the first one of its topic and kind. Those of others may wait for keys
    /// meanwhile; if it waits itself, this is the value before, sealed again.
    fn next_draft(&self, device: usize, sent: &Publication) -> Option<usize> {
        let this = &self.devices[device];
        let index = this.drafts.iter().position(|(_, id)| {
            let message = &self.messages[*id];
            (&message.topic, message.retain) == (&sent.topic, sent.retain)
        })?;
        if index > 0 && sent.retain {
            let message = &self.messages[this.drafts[index].1];
            let text = message.text.to_string();
            let mut draft = Draft::new(message.topic.clone(), text.into()).unwrap();
            draft.retain = true;
            this.engine
                .host()
                .check(&draft, self.time_of(device))
                .ok()?;
        }
        Some(index)
    }
}

/// Where nobody else publishes.
pub(super) fn own_topic(device: usize) -> String {
    format!("plant/of/{device}")
}
