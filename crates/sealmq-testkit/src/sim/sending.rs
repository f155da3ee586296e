//! What devices seal, and the checks of it.

use sealmq_client::{Draft, Qos};
use sealmq_core::KeyId;
use sealmq_keys::Publication;

use super::checks::Message;
use super::world::World;

impl World {
    /// A message that nobody has sealed yet; its text is its number.
    pub(super) fn draft(&mut self, device: usize) -> usize {
        let id = self.messages.len();
        self.messages.push(Message {
            sender: device,
            at: self.now / 1000,
            epoch: 0,
            announcement: None,
            topic: format!("plant/{}", id % 3),
            envelope: Vec::new(),
        });
        id
    }

    /// Gives a message to a device's client; `false` if it refuses it, or its process dies.
    pub(super) fn send(&mut self, device: usize) -> bool {
        let id = self.draft(device);
        let topic = self.messages[id].topic.clone();
        let mut draft = Draft::new(topic, id.to_string().into()).unwrap();
        draft.retain = self.dice.one_in(4);
        if self.dice.one_in(4) {
            draft.qos = Qos::AtMostOnce;
        }
        let time = self.time_of(device);
        let this = &mut self.devices[device];
        let publish = this.engine.publish(draft, time);
        this.drafts.push_back((publish, id));
        let refused = self.seen.refused;
        self.run(device) && self.seen.refused == refused
    }

    /// A device has sent this, perhaps once more.
    pub(super) fn note_sent(&mut self, device: usize, sent: &Publication) {
        let id = self.devices[device].drafts.front().map(|(_, id)| *id);
        if self.note_sealed(device, id.unwrap_or(usize::MAX), &sent.payload) {
            self.devices[device].drafts.pop_front();
            self.seen.total("sealed");
        } else {
            self.seen.total("sent again");
        }
    }

    /// What a device sealed, after its commit: checked, and kept to compare. Whether it is new.
    pub(super) fn note_sealed(&mut self, device: usize, id: usize, envelope: &[u8]) -> bool {
        if !self.check_nonce(envelope, id) {
            return false;
        }
        // Behind the version.
        let key = KeyId(envelope[1..9].try_into().unwrap());
        let (epoch, announcement) = self.devices[device].named(key).unwrap();
        let announcement = announcement.to_vec();
        self.check_sealed(device, Some(&announcement));
        self.check_settled(device);
        let message = &mut self.messages[id];
        message.at = self.now / 1000;
        message.epoch = epoch;
        message.announcement = Some(announcement);
        message.envelope = envelope.to_vec();
        true
    }

    /// Nothing is sealed before what the broker sends at a connect has arrived.
    fn check_settled(&self, device: usize) {
        let this = &self.devices[device];
        let early = this.connected_at == self.now && self.broker.announces(this.client);
        assert!(
            !early,
            "{device} seals while announcements are on their way, since it has just connected"
        );
    }
}
