//! What devices seal, and the checks of it.

use sealmq_keys::Publication;
use sealmq_keys::member::{OutgoingMessage, Sealed};

use super::checks::Message;
use super::world::{Life, START, World};

impl World {
    /// Seals and publishes, if the device may and can.
    pub(super) fn send(&mut self, device: usize) -> bool {
        let topic = format!("plant/{}", self.messages.len() % 3);
        let text = self.messages.len().to_string();
        let mut message = OutgoingMessage::new(&topic, text.as_bytes());
        message.retain = self.dice.one_in(4);
        message.announce_credential = self.dice.one_in(4);
        let retain = message.retain;
        let this = &mut self.devices[device];
        let now = this.now(self.now);
        if !this.has_clock {
            this.member.set_uptime(self.now - START * 1000);
        }
        let sealed = match this.member.seal(&message, now, &mut this.rng) {
            Ok(sealed) => sealed,
            Err(error) => {
                self.seen.unsealed(&error);
                return false;
            }
        };
        let mut ends = false;
        match self.commit(device, &sealed.changes) {
            Life::Gone => return false,
            Life::Ends => ends = true,
            Life::Goes if sealed.changes.is_empty() => {}
            Life::Goes => self.follows(),
        }
        let client = self.devices[device].client;
        let publication = self.note_sealed(device, topic, sealed, retain);
        self.seen.total("sealed");
        if self.broker.clients[client].online {
            self.publish(publication);
        }
        if ends {
            self.load(device);
        }
        true
    }

    /// What a device sealed, after its commit: checked, and kept to compare.
    pub(super) fn note_sealed(
        &mut self,
        device: usize,
        topic: String,
        sealed: Sealed,
        retain: bool,
    ) -> Publication {
        self.check_numbers(device);
        self.check_nonce(&sealed.payload);
        let announcement = self.devices[device].announcement(sealed.epoch);
        let announcement = announcement.map(<[u8]>::to_vec);
        self.check_sealed(device, announcement.as_deref());
        self.messages.push(Message {
            sender: device,
            at: self.now / 1000,
            epoch: sealed.epoch,
            announcement,
            topic: topic.clone(),
            envelope: sealed.payload.clone(),
        });
        Publication {
            topic,
            payload: sealed.payload,
            retain,
        }
    }
}
