//! What devices have sealed: every envelope, with what orders it and what its keys rest on.

use sealmq_core::KeyId;
use sealmq_core::crypto::session_receiver;
use sealmq_core::object::{Kind, Object};
use sealmq_core::topic::Topic;
use sealmq_core::wire::{BodyFields, Head, Header, SessionTag};
use sealmq_keys::{Publication, kept_name};

use super::Sabotage;
use super::world::World;

/// What names key and nonce of an envelope, whatever its form: the encapsulated key, and the
/// counter.
pub(super) type Nonce = ([u8; 32], u32);

/// What a device has opened, whichever kind it is.
pub(super) struct Received {
    pub(super) topic: String,
    pub(super) session: u64,
    pub(super) counter: u64,
    pub(super) retained: bool,
    pub(super) will: bool,
    pub(super) payload: Vec<u8>,
}

impl Received {
    pub(super) fn of(message: &sealmq_client::Message) -> Self {
        Self {
            topic: message.topic.clone(),
            session: message.session,
            counter: message.counter,
            retained: message.retained,
            will: message.will,
            payload: message.payload.to_vec(),
        }
    }
}

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
    /// The number of its session is a guess.
    pub(super) guessed: bool,
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
    /// Nobody could read it yet when it was published, so that it may be one before the newest.
    guessed: bool,
    epoch: u64,
    announcement: Vec<u8>,
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
            guessed: false,
            credential: (0, 0),
            connection: 0,
        });
        id
    }

    /// Of the short form: by the records of sessions.
    fn nonce_of(&self, envelope: &[u8]) -> Option<Nonce> {
        match Head::parse(envelope).ok()? {
            Head::Full(header) => Some((header.enc, header.counter)),
            Head::Short(header) => Some((*self.tags.get(&header.tag)?, header.counter)),
        }
    }

    /// An envelope's number, if a device sealed it as a message.
    pub(super) fn number_of(&self, envelope: &[u8]) -> Option<usize> {
        self.nonces.get(&self.nonce_of(envelope)?).copied()?
    }

    /// Whether this very envelope was seen before. No two have one key and nonce, whatever a sender
    /// forgot.
    pub(super) fn is_sealed_before(&self, envelope: &[u8]) -> bool {
        let nonce = self.nonce_of(envelope);
        let known = self
            .nonces
            .get(&nonce.expect("short before its record was sealed"));
        let is_it = |id: usize| self.messages[id].envelope == envelope;
        assert!(
            known.is_none_or(|id| id.is_some_and(is_it)),
            "a nonce twice"
        );
        known.is_some()
    }

    /// What a device sealed, after its commit: checked, and kept to compare.
    pub(super) fn note_sealed(&mut self, device: usize, id: usize, envelope: &[u8]) {
        let nonce = self.nonce_of(envelope).unwrap();
        self.nonces.insert(nonce, Some(id));
        let is_state = self.messages[id].is_state();
        let session = match Head::parse(envelope).unwrap() {
            Head::Full(header) => {
                let topic = self.messages[id].topic.clone();
                self.session_of(device, &header, is_state, (&topic, envelope))
            }
            Head::Short(_) => {
                self.seen.total("sealed in the short form");
                self.sessions[&nonce.0].clone()
            }
        };
        let place = (device, session.number, nonce.1.into());
        self.places.entry(place).or_default().push(id);
        self.check_sealed(device, &session.announcement, is_state);
        self.check_settled(device);
        let (now, turn) = (self.now / 1000, self.nonces.len());
        let this = &self.devices[device];
        let newest = this.announcement(this.epoch());
        let misled = newest.is_some_and(|newest| self.is_forged(newest))
            || self.is_forged(&session.announcement);
        let this = &mut self.devices[device];
        let message = &mut self.messages[id];
        message.credential = this.read_numbers().credential;
        message.connection = this.connections;
        message.misled = misled;
        message.guessed = session.guessed;
        message.at = now;
        message.turn = turn;
        message.epoch = session.epoch;
        message.announcement = Some(session.announcement);
        message.envelope = envelope.to_vec();
    }

    /// A device publishes the record of a session, perhaps once more.
    pub(super) fn note_record(&mut self, device: usize, record: &Publication) {
        let header = Header::parse(&record.payload).unwrap();
        let state = self.devices[device].state().unwrap();
        let Some(epoch) = state.by_key_id(&header.key_id) else {
            // It waited for the broker for longer than its epoch lasted.
            return self.seen.total("records published late");
        };
        let psk = epoch.psk().session();
        let tag = SessionTag(psk.tag(&header.enc, self.devices[device].number()));
        if self.tags.insert(tag, header.enc).is_some() {
            if self.devices[device].is_sensor() && !self.records.contains(record) {
                // It keeps no copy, and seals another one.
                let known = self.nonces.insert((header.enc, header.counter), None);
                assert!(known.is_none(), "a nonce twice");
                self.records.push(record.clone());
                return self.seen.total("records sealed again");
            }
            assert!(self.records.contains(record), "another record of a session");
            return self.seen.total("records published again");
        }
        self.seen.total("records published");
        self.records.push(record.clone());
        let known = self.nonces.insert((header.enc, header.counter), None);
        assert!(known.is_none(), "a nonce twice");
        let session = self.session_of(device, &header, false, (&record.topic, &record.payload));
        self.check_sealed(device, &session.announcement, false);
        self.check_settled(device);
    }

    /// The session number in an event, as whoever reads in its epoch sees it.
    fn number_in(&self, header: &Header, (topic, envelope): (&str, &[u8])) -> Option<u64> {
        self.devices.iter().find_map(|device| {
            let state = device.state()?;
            let epoch = state.by_key_id(&header.key_id)?;
            let psk = epoch.psk().session();
            let secrets = session_receiver(epoch.key_pair?, &psk, epoch.hash, &header.enc).ok()?;
            let (head, rest) = envelope.split_at(header.encoded_len());
            let (text, tag) = rest.split_last_chunk()?;
            let topic = Topic::new(topic).ok()?.hash();
            let (nonce, aad) = (
                secrets.nonce(header.counter.into()),
                [head, &topic.0].concat(),
            );
            let mut text = text.to_vec();
            secrets
                .key
                .open_in_place(&nonce, &aad, &mut text, tag)
                .ok()?;
            let (body, _) = text.split_last_chunk::<64>()?;
            Some(BodyFields::parse(body).ok()?.session_number)
        })
    }

    fn session_of(
        &mut self,
        device: usize,
        header: &Header,
        is_state: bool,
        sent: (&str, &[u8]),
    ) -> Session {
        if let Some(session) = self.sessions.get(&header.enc) {
            return session.clone();
        }
        let mut session = self.begun_session(device, is_state, header.key_id);
        if !is_state {
            // Other sessions may have begun while this one waited for its record.
            let number = self.number_in(header, sent);
            session.guessed = number.is_none();
            session.number = number.unwrap_or(session.number);
        }
        self.sessions.insert(header.enc, session.clone());
        session
    }

    /// The session that a device has just begun.
    fn begun_session(&mut self, device: usize, is_state: bool, key: KeyId) -> Session {
        let this = &mut self.devices[device];
        let number = this.newest_session();
        let (epoch, announcement) = if is_state {
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
            guessed: false,
            epoch,
            announcement,
        }
    }

    /// The envelope that a message came in.
    pub(super) fn envelope_of(&self, received: &Received) -> usize {
        let text = String::from_utf8(received.payload.clone()).unwrap();
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
        let guess = || self.guessed(sender, text, received);
        let guess = same.is_none().then(guess).flatten();
        let same = same.or(guess.as_ref());
        let is_known = same.is_some() || !self.is_orderly(sender);
        assert!(is_known, "nobody has sealed {text} as it is accepted");
        same.copied().unwrap_or(text)
    }

    /// The envelope of a message whose session number could only be guessed.
    fn guessed(&self, sender: usize, text: usize, received: &Received) -> Option<usize> {
        let mut messages = self.messages.iter().enumerate();
        let found = messages.find(|(_, message)| {
            let counter = match Head::parse(&message.envelope) {
                Ok(Head::Full(header)) => header.counter,
                Ok(Head::Short(header)) => header.counter,
                Err(_) => return false,
            };
            (message.sender, message.text, message.guessed) == (sender, text, true)
                && received.counter == u64::from(counter)
        });
        found.map(|(id, _)| id)
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
