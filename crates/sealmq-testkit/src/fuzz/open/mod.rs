//! One reader, two senders, an insider, and a broker that does what it likes. The fuzz bytes are
//! what everybody does.

mod actors;
mod model;
mod sealing;

use std::collections::BTreeMap;

use sealmq_core::crypto::{
    ENC_LEN, IdentityKey, Secret, SessionSecrets, session_receiver, session_sender,
};
use sealmq_core::open::{DecapsulationLimit, DeviceReceiver, Rejection, Request};
use sealmq_core::replay::{Durable, RECORD_KEY_LEN, Record};
use sealmq_core::seal::Connection;
use sealmq_core::topic::Topic;
use sealmq_core::wire::Header;
use sealmq_core::{KeyId, MemberNumber};

use self::actors::{KEPT, Keys, Known, SenderState, Sent, TOPICS, aad, card_of, encrypt};
use self::model::Accepted;
use super::input::Input;
use super::world::{NOW, sha256_secret};

const MAX_ACTIONS: usize = 40;
const MAX_MESSAGES: usize = 24;
const NOW_MS: u64 = NOW * 1000;

type Reader = DeviceReceiver<8, 16, 16>;

struct Run {
    senders: [SenderState; 2],
    known: Known,
    reader: Reader,
    stored: BTreeMap<[u8; RECORD_KEY_LEN], Vec<u8>>,
    sent: Vec<Sent>,
    accepted: Accepted,
    entropy: u64,
}

/// Opening, spec/envelope.md §9, whatever arrives: nothing opens but what its sender sealed, as it
/// sealed it, where it sealed it; events once and live, state never backwards.
pub fn open(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let mut run = Run::new();
    for _ in 0..MAX_ACTIONS {
        if input.is_empty() {
            break;
        }
        run.act(&mut input);
    }
    run.sent.iter().any(|sent| sent.opened_live)
}

const fn limit() -> DecapsulationLimit {
    DecapsulationLimit {
        burst: 1000,
        per_second: 1000,
        without_clock: 1,
    }
}

impl Run {
    fn new() -> Self {
        let senders = [1_u8, 2].map(|n| {
            let key = IdentityKey::from_seed(&Secret::new([n; 32]));
            let card = card_of(MemberNumber(n.into()), 1, key.verifying_key());
            SenderState {
                key,
                card,
                session: None,
                state: None,
                connection: Connection::of(0),
                numbers: 1 << 30,
            }
        });
        Self {
            known: Known {
                cards: [senders[0].card, senders[1].card],
                hidden: [false; 2],
                epochs: 2,
                kept: true,
                issued: [1; 2],
            },
            senders,
            reader: Reader::on_device(limit()),
            stored: BTreeMap::new(),
            sent: Vec::new(),
            accepted: Accepted::default(),
            entropy: 0,
        }
    }

    fn act(&mut self, input: &mut Input<'_>) {
        match input.byte() % 12 {
            0..=2 if self.sent.len() < MAX_MESSAGES => self.seal(input),
            3 => self.damaged(input),
            4 => self.moved(input),
            5 => self.retained(input),
            6 => self.forged(input),
            7 => self.rewrapped(input),
            8 => {
                let raw = input.bytes().to_vec();
                self.deliver(&raw, 0, false);
            }
            9 => self.restart(),
            10 => self.learn(input),
            _ => {
                let Some(sent) = self.pick(input) else { return };
                self.deliver(&sent.bytes, sent.topic, false);
            }
        }
    }

    fn pick(&self, input: &mut Input<'_>) -> Option<Sent> {
        self.sent.get(input.index(self.sent.len())).cloned()
    }

    fn secret(&mut self) -> Secret {
        self.entropy += 1;
        sha256_secret(&[b"entropy", &self.entropy.to_be_bytes()])
    }

    fn damaged(&mut self, input: &mut Input<'_>) {
        let Some(sent) = self.pick(input) else { return };
        let (mut bytes, topic) = (sent.bytes, sent.topic);
        let place = input.index(bytes.len());
        match input.byte() % 3 {
            0 => bytes.truncate(place),
            1 => bytes.insert(place, input.byte()),
            _ => bytes[place] ^= input.byte().max(1),
        }
        self.deliver(&bytes, topic, false);
    }

    fn moved(&mut self, input: &mut Input<'_>) {
        let Some(sent) = self.pick(input) else { return };
        let topic = (sent.topic + 1) % TOPICS.len();
        self.deliver(&sent.bytes, topic, input.byte() & 1 == 1);
    }

    fn retained(&mut self, input: &mut Input<'_>) {
        let Some(sent) = self.pick(input) else { return };
        self.deliver(&sent.bytes, sent.topic, true);
    }

    /// Another reader of the group knows all session keys: it changes a plaintext and encrypts it
    /// again.
    fn forged(&mut self, input: &mut Input<'_>) {
        let Some((sent, mut plain, secrets)) = self.insider(input) else {
            return;
        };
        let mut header = Header::parse(&sent.bytes).unwrap();
        let mut topic = sent.topic;
        match input.byte() % 4 {
            0 => header.counter ^= 1,
            1 => topic = (topic + 1) % TOPICS.len(),
            2 => plain.truncate(plain.len() - 1 - input.index(plain.len() - 1)),
            _ => {
                let place = input.index(plain.len());
                plain[place] ^= input.byte().max(1);
            }
        }
        let forged = encrypt(&header, &secrets, topic, plain);
        self.deliver(&forged, topic, false);
    }

    /// The same insider takes a signed message over into a session of its own (threat model A7).
    fn rewrapped(&mut self, input: &mut Input<'_>) {
        let Some((sent, plain, _)) = self.insider(input) else {
            return;
        };
        let all = Keys::all();
        let to = &all[(sent.keys + usize::from(input.byte() & 3)) % all.len()];
        let seed = self.secret();
        let made = session_sender(&to.key_pair.public(), &to.psk, &to.name, &seed);
        let (enc, secrets) = made.unwrap();
        let header = Header {
            key_id: KeyId::of(&to.name),
            enc,
            mac: to.psk.mac(&enc),
            ..Header::parse(&sent.bytes).unwrap()
        };
        let forged = encrypt(&header, &secrets, sent.topic, plain);
        self.deliver(&forged, sent.topic, false);
    }

    fn insider(&mut self, input: &mut Input<'_>) -> Option<(Sent, Vec<u8>, SessionSecrets)> {
        let sent = self.pick(input)?;
        let keys = &Keys::all()[sent.keys];
        let header = Header::parse(&sent.bytes).unwrap();
        let enc: &[u8; ENC_LEN] = &header.enc;
        let secrets = session_receiver(&keys.key_pair, &keys.psk, &keys.name, enc);
        let secrets = secrets.unwrap();
        let (head, rest) = sent.bytes.split_at(header.encoded_len());
        let (text, tag) = rest.split_last_chunk().unwrap();
        let (mut plain, aad) = (text.to_vec(), aad(head, sent.topic));
        let nonce = secrets.nonce(header.counter.into());
        let opened = secrets.key.open_in_place(&nonce, &aad, &mut plain, tag);
        opened.unwrap();
        Some((sent, plain, secrets))
    }

    /// A crash: memory is lost, what was stored after each message is there.
    fn restart(&mut self) {
        self.reader = Reader::on_device(limit());
        for bytes in self.stored.values() {
            self.reader.restore(Record::decode(bytes).unwrap());
        }
    }

    /// What the reader knows changes.
    fn learn(&mut self, input: &mut Input<'_>) {
        let what = input.byte();
        let who = usize::from(what & 1);
        match what >> 1 & 3 {
            // A credential is lost sight of, or arrives.
            1 => self.known.hidden[who] ^= true,
            // The newer epoch falls out of the window, or its announcement arrives.
            2 => {
                self.known.epochs = 3 - self.known.epochs;
                self.forget_keys();
            }
            // The kept keys go, or come.
            3 => {
                self.known.kept ^= true;
                self.forget_keys();
            }
            // A sender got a new credential: because it lost its state, or in time, and then the
            // reader may not know it yet.
            _ => {
                let sender = &mut self.senders[who];
                let card = &mut sender.card;
                if card.serial < 4 {
                    *card = card_of(card.member, card.serial + 1, card.key);
                    (sender.session, sender.state) = (None, None);
                    sender.connection.renewed();
                    self.known.issued[who] = card.serial;
                    if what & 8 == 0 {
                        self.known.cards[who] = *card;
                    }
                }
            }
        }
    }

    fn forget_keys(&mut self) {
        let known = &self.known;
        let all = Keys::all().iter().enumerate();
        let there: Vec<_> = all.filter(|(at, _)| known.has(*at)).collect();
        let there = |name: &_| there.iter().any(|(_, keys)| keys.name == *name);
        self.reader.retain_epochs(there);
    }

    /// Whether genuine state that arrives where it belongs is to open; `None` of all else.
    fn is_due(&self, bytes: &[u8], topic: usize, retained: bool) -> Option<bool> {
        let mut sent = self.sent.iter();
        let sent = sent.find(|sent| sent.bytes == bytes && sent.topic == topic)?;
        let good = self.known.kept && !sent.future && !sent.is_denied();
        let due = good && self.accepted.takes(sent, retained);
        sent.is_state().then_some(due)
    }

    /// Delivers and checks everything that must hold; returns whether it opened.
    fn deliver(&mut self, bytes: &[u8], topic: usize, retained: bool) -> bool {
        let mut buf = bytes.to_vec();
        let request = Request {
            retained,
            now: Some(NOW_MS),
            ..Request::new(Topic::new(TOPICS[topic]).unwrap())
        };
        let due = self.is_due(bytes, topic, retained);
        let known = &self.known;
        let mut brought = None;
        let rejection = match self.reader.open(&request, known, known, &mut buf) {
            Ok(message) => {
                let sent = self.sent.iter_mut().find(|sent| sent.bytes == bytes);
                let sent = sent.expect("opened what nobody sealed");
                assert_eq!(message.payload(), sent.payload);
                assert_eq!(message.sender(), sent.sender);
                assert_eq!(message.credential_serial(), sent.place.0);
                assert_eq!(
                    (message.session_number(), message.counter()),
                    (sent.place.3, sent.place.4)
                );
                assert_eq!(topic, sent.topic, "moved to another topic");
                assert_eq!(message.epoch(), sent.keys as u64 + 1);
                assert_eq!(sent.is_state(), sent.keys == KEPT, "under the other keys");
                assert_eq!(message.retain(), sent.retain);
                assert_eq!(message.is_will(), sent.will);
                assert_eq!(message.is_retained_delivery(), retained);
                assert!(!retained || sent.retain, "retained, but not by its sender");
                assert!(retained || !sent.opened_live, "opened twice");
                assert!(!retained || sent.is_state(), "an event that was kept");
                sent.opened_live |= !retained;
                if sent.is_state() {
                    self.accepted.take(sent, retained);
                }
                brought = message.credential().and_then(|object| known.issued(object));
                None
            }
            Err(rejection) => Some(rejection),
        };
        if let Some(card) = brought {
            let who = usize::from(card.member.0 != 1);
            (self.known.cards[who], self.known.hidden[who]) = (card, false);
        }
        let opened = rejection.is_none();
        assert!(
            due.is_none_or(|due| due == opened),
            "{rejection:?}: state is due: {due:?}"
        );
        match rejection {
            None => {}
            Some(rejection) if rejection.may_wait() => {
                assert_eq!(buf, bytes, "{rejection}: the envelope is to be kept");
            }
            Some(rejection) => {
                let mut both = buf.iter().zip(bytes.iter());
                let clean = both.all(|(now, was)| *now == 0 || now == was);
                assert!(clean, "{rejection}: plaintext left in the buffer");
                assert!(!matches!(rejection, Rejection::Own));
                let change = self.reader.next_dirty();
                assert!(change.is_none(), "{rejection}: changed the state");
            }
        }
        while let Some(change) = self.reader.next_dirty() {
            match change {
                Durable::Put(record) => {
                    let mut out = vec![0; Record::<2>::MAX_LEN];
                    let len = record.encode(&mut out).unwrap();
                    out.truncate(len);
                    self.stored.insert(record.key(), out);
                }
                Durable::Delete(key) => assert!(self.stored.remove(&key).is_some()),
            }
        }
        opened
    }
}

/// Replay records as a run leaves them, for the corpus.
pub(super) fn records() -> Vec<(String, Vec<u8>)> {
    let mut run = Run::new();
    // A retained message, a will, and more sessions than are remembered.
    let sealed = [
        (1, 65),
        (1, 67),
        (5, 64),
        (5, 64),
        (5, 64),
        (5, 64),
        (5, 65),
    ];
    for (who, kind) in sealed {
        run.seal(&mut Input::new(&[who, kind, 2, 1, b'x']));
    }
    let named = run.stored.into_values().zip(0..);
    named.map(|(bytes, at)| (at.to_string(), bytes)).collect()
}
