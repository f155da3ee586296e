//! What devices have sealed: every envelope, with what orders it and what its keys rest on.

use sealmq_client::Message as Incoming;
use sealmq_core::KeyId;
use sealmq_core::object::{Kind, Object};
use sealmq_keys::kept_name;

use super::Sabotage;
use super::device::varint;
use super::world::World;

/// A sealed message.
pub(super) struct Message {
    pub(super) sender: usize,
    /// Number of the message that it was first: a value that is sealed again says the same.
    pub(super) text: usize,
    /// When it was sealed, Unix seconds.
    pub(super) at: u64,
    /// How many envelopes were sealed before.
    pub(super) turn: usize,
    /// Of state the kept epoch.
    pub(super) epoch: u64,
    /// What the sender's keys rest on; of state the announcement of the kept epoch.
    pub(super) announcement: Option<Vec<u8>>,
    pub(super) topic: String,
    pub(super) envelope: Vec<u8>,
    pub(super) retain: bool,
    pub(super) will: bool,
    /// Its sender followed epochs of a thief's.
    pub(super) misled: bool,
    /// The sender's credential: serial of the delegation, and its own.
    pub(super) credential: (u32, u32),
    /// The sender's connection, by the simulation's own count.
    pub(super) connection: u64,
}

/// The order of a sender's state on a topic, by what happened, and not by what envelopes say of it
/// (spec/envelope.md §8): credential, connection, whether it is the will of that, and when it was
/// sealed.
pub(super) type Order = ((u32, u32), u64, bool, usize);

impl Message {
    pub(super) const fn is_state(&self) -> bool {
        self.retain || self.will
    }

    /// `None` of what has no place.
    pub(super) fn order(&self) -> Option<Order> {
        let order = (self.credential, self.connection, self.will, self.turn);
        self.retain.then_some(order)
    }
}

/// What all envelopes of a session share.
#[derive(Clone)]
pub(super) struct Session {
    number: u64,
    epoch: u64,
    announcement: Vec<u8>,
}

/// Version, key id, encapsulated key, its mac, and the counter's varint.
fn header(envelope: &[u8]) -> (&[u8], KeyId, [u8; 32], u64) {
    let mut rest = &envelope[1 + 8 + 32 + 4..];
    let counter = varint(&mut rest);
    let header = &envelope[..envelope.len() - rest.len()];
    let key = KeyId(envelope[1..9].try_into().unwrap());
    (header, key, envelope[9..41].try_into().unwrap(), counter)
}

impl World {
    /// A message that nobody has sealed yet; its text is its number.
    pub(super) fn draft(&mut self, device: usize, topic: String) -> usize {
        let id = self.messages.len();
        self.messages.push(Message {
            sender: device,
            text: id,
            at: self.now / 1000,
            turn: 0,
            epoch: 0,
            announcement: None,
            topic,
            envelope: Vec::new(),
            retain: false,
            will: false,
            misled: false,
            credential: (0, 0),
            connection: 0,
        });
        id
    }

    /// An envelope's number, if a device sealed it.
    pub(super) fn number_of(&self, envelope: &[u8]) -> Option<usize> {
        self.headers.get(header(envelope).0).copied()
    }

    /// Whether this very envelope was seen before. No two have one key and nonce, whatever a sender
    /// forgot.
    pub(super) fn is_sealed_before(&self, envelope: &[u8]) -> bool {
        let known = self.headers.get(header(envelope).0);
        let same = |known: &usize| self.messages[*known].envelope == envelope;
        assert!(known.is_none_or(same), "a nonce twice");
        known.is_some()
    }

    /// What a device sealed, after its commit: checked, and kept to compare.
    pub(super) fn note_sealed(&mut self, device: usize, id: usize, envelope: &[u8]) {
        let (header, key, enc, counter) = header(envelope);
        self.headers.insert(header.to_vec(), id);
        let session = match self.sessions.get(&enc) {
            Some(session) => session.clone(),
            None => {
                let session = self.begun_session(device, id, key);
                self.sessions.insert(enc, session.clone());
                session
            }
        };
        let place = (device, session.number, counter);
        self.places.entry(place).or_default().push(id);
        let is_state = self.messages[id].is_state();
        self.check_sealed(device, &session.announcement, is_state);
        self.check_settled(device);
        let (now, turn) = (self.now / 1000, self.headers.len());
        let this = &self.devices[device];
        let newest = this.announcement(this.epoch());
        let misled = newest.is_some_and(|newest| self.is_forged(newest))
            || self.is_forged(&session.announcement);
        let this = &mut self.devices[device];
        let message = &mut self.messages[id];
        message.credential = this.read_numbers().credential;
        message.connection = this.connections;
        message.misled = misled;
        message.at = now;
        message.turn = turn;
        message.epoch = session.epoch;
        message.announcement = Some(session.announcement);
        message.envelope = envelope.to_vec();
    }

    /// The session that a device has just begun.
    fn begun_session(&mut self, device: usize, id: usize, key: KeyId) -> Session {
        let this = &mut self.devices[device];
        let number = this.newest_session();
        let (epoch, announcement) = if self.messages[id].is_state() {
            let state = this.state().unwrap();
            let (epoch, _, kept) = state.kept_key().unwrap();
            let named = KeyId::of(&kept_name(&kept.kept));
            assert_eq!(named, key, "{device} seals state under other keys");
            let announced = self.published.announcements.get(&epoch);
            let mut all = announced.into_iter().chain(&self.thief.forged);
            let hash = |bytes: &&Vec<u8>| {
                Object::parse(bytes, Kind::Announcement).unwrap().hash() == kept.kept
            };
            (epoch, all.find(hash).unwrap().clone())
        } else {
            let (epoch, announcement) = this.named(key).unwrap();
            (epoch, announcement.to_vec())
        };
        Session {
            number,
            epoch,
            announcement,
        }
    }

    /// The envelope that a message came in.
    pub(super) fn envelope_of(&self, received: &Incoming) -> usize {
        let text = String::from_utf8(received.payload.to_vec()).unwrap();
        let text: usize = text.parse().unwrap();
        let sender = self.messages[text].sender;
        let place = (sender, received.session, received.counter);
        let found = self.places.get(&place).into_iter().flatten().rev();
        // A store that was put back begins sessions with numbers that it used.
        let mut same = found.clone();
        let same = same.find(|id| self.messages[**id].text == text);
        // Two drafts that wait for one topic are told apart here.
        let topic = |id: &usize| {
            let message = &self.messages[*id];
            (&message.topic, message.is_state()) == (&received.topic, true)
        };
        let same = same.or_else(|| found.clone().find(|id| topic(id)));
        let is_known = same.is_some() || !self.is_orderly(sender);
        assert!(is_known, "nobody has sealed {text} as it is accepted");
        same.copied().unwrap_or(text)
    }

    /// Whether a device begins no numbers again that it used.
    pub(super) fn is_orderly(&self, device: usize) -> bool {
        !self.devices[device].put_back && self.settings.sabotage != Sabotage::SentFirst
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
