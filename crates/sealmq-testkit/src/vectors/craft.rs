//! Envelopes by hand, right ones and wrong ones: the real code would not make the wrong ones, and
//! keeps to itself what the vectors show.

use sealmq_core::Credential;
use sealmq_core::crypto::{Digest, MessageKey, Secret, SignatureContext, sha256};
use sealmq_core::object::Kind;
use sealmq_keys::kept_name;

use super::group::Epoch;
use super::hpke;
use super::json::{Json, object};
use super::world::{CredentialPlan, NOW, NOW_MS, domain, fields_of, hash, identity, plant, secret};

/// The flags of spec/envelope.md §4.
pub(crate) mod flag {
    pub(crate) const SENT_AT: u8 = 0x01;
    pub(crate) const SEQUENCE: u8 = 0x02;
    pub(crate) const PROPERTIES: u8 = 0x04;
    pub(crate) const CREDENTIAL: u8 = 0x08;
    pub(crate) const PADDED: u8 = 0x10;
    pub(crate) const RETAIN: u8 = 0x20;
    pub(crate) const WILL: u8 = 0x40;
}

const SHORT_FORM: u8 = 0x91;

/// Where a member's session record stands in the group of the vectors.
pub(crate) fn record_topic(member: u32) -> String {
    let (domain, group) = (hex::encode(domain().0), hex::encode(plant().0));
    format!("_sealmq/{domain}/g/{group}/s/{member}")
}

pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut out = vec![];
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

pub(crate) fn blob(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len() as u64), bytes.to_vec()].concat()
}

/// One protected property.
#[derive(Debug, Clone)]
pub(crate) enum Property {
    PayloadFormat(u8),
    MessageExpiry(u32),
    ContentType(&'static str),
    ResponseTopic(&'static str),
    CorrelationData(Vec<u8>),
    User(&'static str, &'static str),
}

impl Property {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let string =
            |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
        match self {
            Self::PayloadFormat(value) => vec![0x01, *value],
            Self::MessageExpiry(value) => [&[0x02][..], &value.to_be_bytes()].concat(),
            Self::ContentType(text) => [vec![0x03], string(text.as_bytes())].concat(),
            Self::ResponseTopic(text) => [vec![0x08], string(text.as_bytes())].concat(),
            Self::CorrelationData(bytes) => [vec![0x09], string(bytes)].concat(),
            Self::User(name, value) => [
                vec![0x26],
                string(name.as_bytes()),
                string(value.as_bytes()),
            ]
            .concat(),
        }
    }

    pub(crate) fn json(&self) -> Json {
        match self {
            Self::PayloadFormat(value) => object! { payload_format: *value },
            Self::MessageExpiry(value) => object! { message_expiry: *value },
            Self::ContentType(text) => object! { content_type: Json::text(text) },
            Self::ResponseTopic(text) => object! { response_topic: Json::text(text) },
            Self::CorrelationData(bytes) => object! { correlation_data: Json::hex(bytes) },
            Self::User(name, value) => {
                object! { user: Json::Array(vec![Json::text(name), Json::text(value)]) }
            }
        }
    }
}

pub(crate) fn encode_properties(properties: &[Property]) -> Vec<u8> {
    properties.iter().flat_map(Property::encode).collect()
}

pub(crate) fn properties_json(properties: &[Property]) -> Json {
    Json::Array(properties.iter().map(Property::json).collect())
}

/// The keys of a session, as its sender and every reader know them.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// 0x11, or 0x91 in the short form; its lower half is the suite.
    pub(crate) form: u8,
    /// In the short form.
    pub(crate) tag: [u8; 8],
    /// H; K' for state.
    pub(crate) announcement: Digest,
    pub(crate) enc: [u8; 32],
    pub(crate) mac: [u8; 4],
    pub(crate) message_key: [u8; 32],
    pub(crate) base_nonce: [u8; 12],
    /// What its mac and tags are made with.
    psk: [u8; 32],
}

impl Session {
    /// The session that follows from a seed of this label.
    pub(crate) fn start(epoch: &Epoch, label: &str) -> Self {
        let seed = secret(&format!("seed of session {label}"));
        let group_key = epoch.reader.group_key_pair().public();
        let psk = epoch.reader.psk();
        Self::with_seed(&group_key.0, psk.secret(), &epoch.hash, &seed).unwrap()
    }

    /// A session for state, under the kept keys of a healing epoch.
    pub(crate) fn start_kept(epoch: &Epoch, label: &str) -> Self {
        let seed = secret(&format!("seed of state session {label}"));
        let kept_key = epoch.reader.kept().key_pair().public();
        let psk = epoch.reader.psk().kept();
        let name = kept_name(&epoch.hash);
        Self::with_seed(&kept_key.0, psk.secret(), &name, &seed).unwrap()
    }

    /// `None` for a group key of low order.
    pub(crate) fn with_seed(
        group_key: &[u8; 32],
        psk: &Secret,
        announcement: &Digest,
        seed: &Secret,
    ) -> Option<Self> {
        let values = hpke::session(group_key, psk, announcement, seed)?;
        Some(Self {
            form: 0x11,
            tag: [0; 8],
            psk: *psk.expose(),
            announcement: *announcement,
            enc: values.enc,
            mac: values.mac,
            message_key: values.message_key,
            base_nonce: values.base_nonce,
        })
    }

    /// The same session, in the short form.
    pub(crate) fn short(mut self, sender: u32) -> Self {
        self.form = SHORT_FORM;
        self.tag = hpke::session_tag(&Secret::new(self.psk), &self.enc, sender);
        self
    }

    pub(crate) fn header(&self, counter: u32) -> Vec<u8> {
        if self.form == SHORT_FORM {
            return [&[self.form][..], &self.tag, &varint(counter.into())].concat();
        }
        let key_id = &self.announcement.0[..8];
        let counter = varint(counter.into());
        [&[self.form], key_id, &self.enc, &self.mac, &counter].concat()
    }

    pub(crate) fn nonce(&self, counter: u32) -> [u8; 12] {
        let mut nonce = self.base_nonce;
        for (byte, c) in nonce[4..].iter_mut().zip(u64::from(counter).to_be_bytes()) {
            *byte ^= c;
        }
        nonce
    }

    pub(crate) fn aad(&self, counter: u32, topic: &[u8]) -> Vec<u8> {
        [self.header(counter), sha256(&[topic]).0.to_vec()].concat()
    }

    /// What the sender of a message in this session signs. In the short form with the session's
    /// number.
    pub(crate) fn transcript(
        &self,
        counter: u32,
        topic: &[u8],
        credential_hash: Digest,
        number: u64,
    ) -> Transcript {
        Transcript {
            suite: self.form & 0x8f,
            number: (self.form == SHORT_FORM).then_some(number),
            announcement: self.announcement,
            enc: self.enc,
            counter: counter.into(),
            topic_hash: sha256(&[topic]),
            credential_hash,
        }
    }

    /// The envelope around a plaintext.
    pub(crate) fn encrypt(&self, counter: u32, topic: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let key = MessageKey::new(&Secret::new(self.message_key));
        let (nonce, aad) = (self.nonce(counter), self.aad(counter, topic));
        let mut text = plaintext.to_vec();
        let tag = key.seal_in_place(&nonce, &aad, &mut text).unwrap();
        [self.header(counter), text, tag.to_vec()].concat()
    }
}

/// spec/envelope.md §7, every field of it free.
#[derive(Debug, Clone)]
pub(crate) struct Transcript {
    /// With the highest bit set in the short form.
    pub(crate) suite: u8,
    /// The session's, in the short form.
    pub(crate) number: Option<u64>,
    pub(crate) announcement: Digest,
    pub(crate) enc: [u8; 32],
    pub(crate) counter: u64,
    pub(crate) topic_hash: Digest,
    pub(crate) credential_hash: Digest,
}

impl Transcript {
    pub(crate) fn bytes(&self, body: &[u8]) -> Vec<u8> {
        [
            &[self.suite][..],
            &self.announcement.0,
            &self.enc,
            &self.counter.to_be_bytes(),
            &self.topic_hash.0,
            &self.credential_hash.0,
            &self.number.map_or(vec![], |n| n.to_be_bytes().to_vec()),
            &(body.len() as u64).to_be_bytes(),
            body,
        ]
        .concat()
    }

    pub(crate) fn sign(&self, name: &str, body: &[u8]) -> [u8; 64] {
        let digest = sha256(&[&self.bytes(body)]);
        identity(name).sign(SignatureContext::Message, &digest)
    }
}

/// What stands in a body.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) sender: u32,
    pub(crate) hint: u8,
    pub(crate) number: u64,
    pub(crate) sent_at: Option<u64>,
    pub(crate) sequence: Option<u64>,
    /// Of retained values; others do not have it.
    pub(crate) connection: u64,
    pub(crate) credential: Option<Vec<u8>>,
    pub(crate) properties: Vec<Property>,
    pub(crate) payload: Vec<u8>,
    /// Zero bytes behind the payload; `Some` sets PADDED.
    pub(crate) padding: Option<usize>,
    pub(crate) retain: bool,
    pub(crate) will: bool,
    /// Sender, hint and number are left out.
    pub(crate) short: bool,
}

impl Message {
    pub(crate) fn flags(&self) -> u8 {
        let bit = |set: bool, flag: u8| if set { flag } else { 0 };
        bit(self.sent_at.is_some(), flag::SENT_AT)
            | bit(self.sequence.is_some(), flag::SEQUENCE)
            | bit(!self.properties.is_empty(), flag::PROPERTIES)
            | bit(self.credential.is_some(), flag::CREDENTIAL)
            | bit(self.padding.is_some(), flag::PADDED)
            | bit(self.retain, flag::RETAIN)
            | bit(self.will, flag::WILL)
    }

    /// Those that may be absent, with their names.
    pub(crate) fn numbers(&self) -> [(&'static str, Option<u64>); 3] {
        let connection = self.connection();
        [
            ("sent_at", self.sent_at),
            ("sequence", self.sequence),
            ("connection", connection),
        ]
    }

    pub(crate) fn connection(&self) -> Option<u64> {
        (self.retain && !self.will).then_some(self.connection)
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let mut out = vec![self.flags()];
        if !self.short {
            out.extend(varint(self.sender.into()));
            out.push(self.hint);
            out.extend(varint(self.number));
        }
        for (name, value) in self.numbers() {
            match value {
                Some(sent_at) if self.short && name == "sent_at" => {
                    out.extend(session_age(self.number, sent_at));
                }
                Some(value) => out.extend(varint(value)),
                None => {}
            }
        }
        if let Some(credential) = &self.credential {
            out.extend(blob(credential));
        }
        if !self.properties.is_empty() {
            out.extend(blob(&encode_properties(&self.properties)));
        }
        match self.padding {
            Some(padding) => {
                out.extend(blob(&self.payload));
                out.extend(vec![0; padding]);
            }
            None => out.extend_from_slice(&self.payload),
        }
        out
    }
}

/// What stands in the place of sent_at in the short form.
fn session_age(number: u64, sent_at: u64) -> [u8; 4] {
    let age = sent_at + (1 << 31) - 1000 * number;
    u32::try_from(age).unwrap().to_be_bytes()
}

/// A message on its way: who seals it how, and what is said in it.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) session: Session,
    pub(crate) epoch: u64,
    /// K: in a session for state.
    pub(crate) kept: Option<Digest>,
    pub(crate) counter: u32,
    pub(crate) topic: String,
    pub(crate) name: &'static str,
    pub(crate) credential_serial: u32,
    pub(crate) credential_hash: Digest,
    pub(crate) message: Message,
}

impl Draft {
    /// The plain message of spec/envelope.md §2, in the sender's session of this label.
    pub(crate) fn new(epoch: &Epoch, sender: &CredentialPlan, session: &str) -> Self {
        Self {
            session: Session::start(epoch, &format!("{} {session}", sender.name)),
            epoch: epoch.number,
            kept: None,
            counter: 0,
            topic: "plant/a/temp".to_owned(),
            name: sender.name,
            credential_serial: sender.serial,
            credential_hash: hash(&sender.object()),
            message: Message {
                sender: sender.member,
                hint: (sender.serial % 128) as u8,
                number: NOW,
                sent_at: Some(NOW_MS),
                sequence: None,
                connection: 0,
                credential: None,
                properties: vec![],
                payload: b"21.5C".to_vec(),
                padding: None,
                retain: false,
                will: false,
                short: false,
            },
        }
    }

    /// A retained value under the kept keys of a healing epoch.
    pub(crate) fn value(epoch: &Epoch, sender: &CredentialPlan, session: &str) -> Self {
        let value = Self::new(epoch, sender, session).change(|d| {
            d.session = Session::start_kept(epoch, &format!("{} {session}", sender.name));
            (d.kept, d.message.retain) = (Some(epoch.hash), true);
        });
        value.under(sender.object())
    }

    /// The same message in the short form.
    pub(crate) fn short(&self) -> Self {
        self.change(|d| {
            d.session = d.session.clone().short(d.message.sender);
            d.message.short = true;
        })
    }

    /// The record of its session.
    pub(crate) fn record(&self, credential: Vec<u8>) -> Self {
        self.under(credential).change(|d| {
            d.topic = record_topic(d.message.sender);
            d.message.payload.clear();
        })
    }

    /// Made under this credential, which travels inside.
    pub(crate) fn under(&self, credential: Vec<u8>) -> Self {
        let fields: Credential<'_> = fields_of(&credential, Kind::Credential);
        let serial = fields.credential_serial;
        let hash = hash(&credential);
        self.change(|d| {
            (d.credential_serial, d.message.hint) = (serial, (serial % 128) as u8);
            (d.credential_hash, d.message.credential) = (hash, Some(credential));
        })
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut draft = self.clone();
        change(&mut draft);
        draft
    }

    pub(crate) fn transcript(&self) -> Transcript {
        let (topic, number) = (self.topic.as_bytes(), self.message.number);
        self.session
            .transcript(self.counter, topic, self.credential_hash, number)
    }

    /// body ‖ signature
    pub(crate) fn plaintext(&self) -> Vec<u8> {
        self.sign_body(&self.message.body())
    }

    pub(crate) fn sign_body(&self, body: &[u8]) -> Vec<u8> {
        [body, &self.transcript().sign(self.name, body)].concat()
    }

    pub(crate) fn envelope(&self) -> Vec<u8> {
        self.encrypt(&self.plaintext())
    }

    /// The envelope with this body in the place of its own, signed and encrypted as it should be.
    pub(crate) fn with_body(&self, body: &[u8]) -> Vec<u8> {
        self.encrypt(&self.sign_body(body))
    }

    pub(crate) fn encrypt(&self, plaintext: &[u8]) -> Vec<u8> {
        self.session
            .encrypt(self.counter, self.topic.as_bytes(), plaintext)
    }

    /// What the application receives.
    pub(crate) fn expected(&self) -> Json {
        let m = &self.message;
        let mut out = match self.kept {
            Some(kept) => object! { kept: kept },
            None => object! { epoch: self.epoch },
        };
        out = out
            .with("sender", m.sender)
            .with("name", self.name)
            .with("credential_serial", self.credential_serial)
            .with("session_number", m.number)
            .with("counter", self.counter);
        for (name, value) in m.numbers() {
            if let Some(value) = value {
                out = out.with(name, value);
            }
        }
        out = out.with("retain", m.retain).with("will", m.will);
        if !m.properties.is_empty() {
            out = out.with("properties", properties_json(&m.properties));
        }
        out.with("payload", Json::hex(&m.payload))
    }
}
