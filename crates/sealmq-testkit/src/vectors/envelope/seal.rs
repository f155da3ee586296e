//! Kind `seal`: from a sender's inputs to the envelope, with every value in between.

use sealmq_core::crypto::{DeviceSecret, Entropy, Purpose, SignatureContext, extract};
use sealmq_keys::kept_name;

use super::scene::{Scene, renewed};
use crate::vectors::craft::{Draft, Property, Session, encode_properties, properties_json};
use crate::vectors::group::Epoch;
use crate::vectors::hpke;
use crate::vectors::prelude::*;

pub(super) const SEAL: Series = Series::new(
    "seal",
    "seal-",
    &["envelope.md §4", "envelope.md §6", "envelope.md §7"],
);

/// The keys of an epoch, or kept keys.
pub(super) struct Keys {
    kept: bool,
    /// H, or K.
    hash: Digest,
    pub(super) public: [u8; 32],
    psk: [u8; 32],
}

impl Keys {
    pub(super) fn of_epoch(epoch: &Epoch) -> Self {
        Self {
            kept: false,
            hash: epoch.hash,
            public: epoch.reader.group_key_pair().public().0,
            psk: *epoch.reader.psk().secret().expose(),
        }
    }

    pub(super) fn kept(epoch: &Epoch) -> Self {
        Self {
            kept: true,
            hash: epoch.hash,
            public: epoch.reader.kept().key_pair().public().0,
            psk: *epoch.reader.psk().kept().secret().expose(),
        }
    }

    fn json(&self) -> Json {
        let (hash, public, psk) = (self.hash, self.public, self.psk);
        if self.kept {
            return object! { kept: hash, kept_key: public, kept_psk: psk };
        }
        object! { announcement_hash: hash, group_key: public, psk: psk }
    }

    fn session(&self, seed: &Secret) -> Session {
        let psk = Secret::new(self.psk);
        let name = match self.kept {
            true => kept_name(&self.hash),
            false => self.hash,
        };
        Session::with_seed(&self.public, &psk, &name, seed).unwrap()
    }
}

/// The inputs of a `seal` vector.
pub(crate) struct Plan {
    pub(super) keys: Keys,
    device_secret: [u8; 32],
    pub(super) rng: [u8; 32],
    /// Mode and bucket.
    pub(super) padding: (u8, u32),
    /// In the place of what the message has.
    pub(super) connection: Option<Option<u64>>,
    pub(super) draft: Draft,
}

impl Plan {
    pub(super) fn new(scene: &Scene, id: &str) -> Self {
        Self {
            keys: Keys::of_epoch(scene.epoch()),
            device_secret: bytes("device secret of sensor-7"),
            rng: bytes(&format!("rng of {id}")),
            padding: (0, 0),
            connection: None,
            draft: scene.sent(),
        }
    }

    /// Of a retained value.
    pub(super) fn of_state(scene: &Scene, id: &str) -> Self {
        Self {
            keys: Keys::kept(scene.kept_epoch()),
            draft: scene.value(),
            ..Self::new(scene, id)
        }
    }

    pub(super) fn input(&self) -> Json {
        let (draft, m) = (&self.draft, &self.draft.message);
        let mut input = self
            .keys
            .json()
            .with("device_secret", self.device_secret)
            .with("rng", self.rng)
            .with("session_number", m.number)
            .with("identity_seed", *identity(draft.name).seed().expose())
            .with("credential_hash", draft.credential_hash)
            .with("credential_serial", draft.credential_serial)
            .with("sender", m.sender)
            .with("counter", draft.counter)
            .with("topic", Json::text(&draft.topic));
        let connection = self.connection.unwrap_or(m.connection());
        let numbers = [
            ("sent_at", m.sent_at),
            ("sequence", m.sequence),
            ("connection", connection),
        ];
        for (name, value) in numbers {
            if let Some(value) = value {
                input = input.with(name, value);
            }
        }
        let padding = object! { mode: self.padding.0, bucket: self.padding.1 };
        input = input
            .with("retain", m.retain)
            .with("will", m.will)
            .with("padding", padding);
        if m.short {
            input = input.with("short", true);
        }
        if let Some(credential) = &m.credential {
            input = input.with("credential", Json::hex(credential));
        }
        if !m.properties.is_empty() {
            input = input.with("properties", properties_json(&m.properties));
        }
        input.with("payload", Json::hex(&m.payload))
    }

    /// Seals step by step as the spec says. Whoever checks the vector has the real code do it.
    pub(super) fn seal(mut self, file: &mut VectorFile, id: &str, comment: &str) -> Vec<u8> {
        let input = self.input();
        let (mode, bucket) = self.padding;
        if mode != 0 {
            self.draft.message.padding = Some(0);
            let len = self.draft.message.body().len();
            self.draft.message.padding = Some(padded(len, mode, bucket) - len);
        }
        let number = self.draft.message.number;
        let prk = extract(&Secret::new(self.device_secret), &[&self.rng]);
        let entropy = Entropy::take(&mut self.rng.clone()).unwrap();
        let device_secret = DeviceSecret::new(Secret::new(self.device_secret));
        let hedged = device_secret.hedge(&entropy, Purpose::Session, number);
        self.draft.session = self.keys.session(&hedged.seed);
        if self.draft.message.short {
            self.draft = self.draft.short();
        }

        let (draft, counter) = (&self.draft, self.draft.counter);
        let body = draft.message.body();
        let transcript = draft.transcript().bytes(&body);
        let digest = sha256(&[&transcript]);
        let signature = draft.transcript().sign(draft.name, &body);
        let envelope = draft.envelope();
        let mut intermediate = object! {
            prk: *prk.expose(), seed: *hedged.seed.expose(), next_device_secret: *hedged.next.expose(),
            session_psk: hpke::session_psk(&Secret::new(self.keys.psk)),
            enc: draft.session.enc, mac: Json::hex(draft.session.mac), message_key: draft.session.message_key,
            base_nonce: Json::hex(draft.session.base_nonce),
            nonce: Json::hex(draft.session.nonce(counter)), header: Json::hex(draft.session.header(counter)),
            topic_hash: sha256(&[draft.topic.as_bytes()]),
            aad: Json::hex(draft.session.aad(counter, draft.topic.as_bytes())),
        };
        if draft.message.short {
            intermediate = intermediate.with("session_tag", Json::hex(draft.session.tag));
        }
        if self.keys.kept {
            intermediate = intermediate.with("kept_name", draft.session.announcement);
        }
        if !draft.message.properties.is_empty() {
            let properties = encode_properties(&draft.message.properties);
            intermediate = intermediate.with("properties", Json::hex(properties));
        }
        let signed = SignatureContext::Message.signed_bytes(&digest);
        let intermediate = intermediate
            .with("body", Json::hex(&body))
            .with("transcript", Json::hex(&transcript))
            .with("transcript_hash", digest)
            .with("signature_input", Json::hex(signed))
            .with("signature", Json::hex(signature));
        let case = SEAL.case(id, comment, input).intermediate(intermediate);
        file.push(case.result(object! { envelope: Json::hex(&envelope) }));
        envelope
    }
}

fn padded(len: usize, mode: u8, bucket: u32) -> usize {
    if mode == 2 {
        return len.next_multiple_of(usize::try_from(bucket).unwrap());
    }
    let e = len.ilog2();
    let s = e.ilog2() + 1;
    let mask = (1_usize << e.saturating_sub(s)) - 1;
    (len + mask) & !mask
}

pub(crate) fn vectors(scene: &Scene, file: &mut VectorFile) {
    events(scene, file);
    state(scene, file);
}

fn events(scene: &Scene, file: &mut VectorFile) {
    let mut seal = |id: &str, comment: &str, padding: (u8, u32), change: &dyn Fn(&mut Draft)| {
        let mut plan = Plan::new(scene, id);
        change(&mut plan.draft);
        plan.padding = padding;
        plan.seal(file, id, comment).len()
    };
    let none = (0, 0);
    let bare = |d: &mut Draft| d.message.sent_at = None;

    let smallest = |d: &mut Draft| {
        bare(d);
        (d.message.sender, d.message.number) = (1, 1);
        d.message.payload.clear();
    };
    let largest = |d: &mut Draft| {
        d.counter = (1 << 21) - 1;
        (d.message.sender, d.message.number) = ((1 << 28) - 1, (1 << 35) - 1);
        (d.message.sent_at, d.message.sequence) = (Some((1 << 42) - 1), Some((1 << 21) - 1));
        d.message.payload.clear();
    };
    let mut sized = |id: &str, comment: &str, len: usize, change: &dyn Fn(&mut Draft)| {
        assert_eq!(seal(id, comment, none, change), len);
    };
    table! { sized:
        "example": "The example of envelope.md §2: 145 bytes.", 145, &|_| {};
        "smallest": "The smallest envelope: 130 bytes.", 130, &smallest;
        "largest-overhead": "Every number at its limit: 148 bytes around an empty payload.", 148, &largest;
    }
    table! { seal:
        "bare": "No flag at all.", none, &bare;
        "sequence": "SEQUENCE alone.",
            none, &|d| {
                bare(d);
                d.message.sequence = Some(4);
            };
        "credential": "The sender's credential travels inside.",
            none, &|d| d.message.credential = Some(sensor().object());
        "everything": "Every flag of events.",
            (1, 0), &|d| {
                d.message.sequence = Some(9);
                d.message.credential = Some(sensor().object());
                d.message.properties = all_properties();
            };
        "padme": "Padmé.", (1, 0), &|_| {};
        "padme-large": "Padmé on a body of some hundred bytes.",
            (1, 0), &|d| d.message.payload = vec![0x5a; 300];
        "padme-fits": "A body whose length is a Padmé length: PADDED without padding.",
            (1, 0), &|d| {
                d.message.payload = vec![0x5a; 14];
                assert_eq!(padded(32, 1, 0), 32);
            };
        "bucket-64": "A bucket of 64 bytes.", (2, 64), &|_| {};
        "bucket-16-fits": "A body of a multiple of the bucket.",
            (2, 16), &|d| d.message.payload = vec![0x5a; 14];
        "bucket-1024": "A bucket of 1024 bytes, and a body that is one byte too long for it.",
            (2, 1024), &|d| d.message.payload = vec![0x5a; 1009];
    }
    let edge = |len: usize| move |d: &mut Draft| d.message.payload = vec![0x5a; len];
    let property =
        |property: Property| move |d: &mut Draft| d.message.properties = vec![property.clone()];
    let hint = |serial: u32| {
        move |d: &mut Draft| (d.credential_serial, d.message.hint) = (serial, (serial % 128) as u8)
    };
    table! { seal:
        "padded-payload-127": "The payload's length at the edge of its varint.", (2, 16), &edge(127);
        "padded-payload-128": "The payload's length at the edge of its varint.", (2, 16), &edge(128);
        "properties-all": "Every property, user properties twice.",
            none, &|d| d.message.properties = all_properties();
        "property-payload-format-0": "Payload format indicator 0.",
            none, &property(Property::PayloadFormat(0));
        "property-payload-format-1": "Payload format indicator 1.",
            none, &property(Property::PayloadFormat(1));
        "property-message-expiry": "A message expiry interval.", none, &property(Property::MessageExpiry(60));
        "property-content-type": "A content type that is not ASCII.",
            none, &property(Property::ContentType("text/plain; größe"));
        "property-response-topic": "A response topic.", none, &property(Property::ResponseTopic("answers/7"));
        "property-correlation-data": "Correlation data, empty.",
            none, &property(Property::CorrelationData(vec![]));
        "property-user-empty": "A user property of two empty strings.",
            none, &property(Property::User("", ""));
        "counter-1": "The counter at an edge of its varint.", none, &|d| d.counter = 1;
        "counter-127": "The counter at an edge of its varint.", none, &|d| d.counter = 127;
        "counter-128": "The counter at an edge of its varint.", none, &|d| d.counter = 128;
        "counter-16383": "The counter at an edge of its varint.", none, &|d| d.counter = 16_383;
        "counter-16384": "The counter at an edge of its varint.", none, &|d| d.counter = 16_384;
        "sender-127": "The sender number at an edge.", none, &|d| d.message.sender = 127;
        "sender-128": "The sender number at an edge.", none, &|d| d.message.sender = 128;
        "sender-max": "The sender number at an edge.", none, &|d| d.message.sender = (1 << 28) - 1;
        "session-1": "The session number at an edge.", none, &|d| d.message.number = 1;
        "session-max": "The session number at an edge.", none, &|d| d.message.number = (1 << 35) - 1;
        "sent-at-0": "The time at an edge.", none, &|d| d.message.sent_at = Some(0);
        "sent-at-max": "The time at an edge.", none, &|d| d.message.sent_at = Some((1 << 42) - 1);
        "sequence-0": "The sequence at an edge.", none, &|d| d.message.sequence = Some(0);
        "sequence-max": "The sequence at an edge.", none, &|d| d.message.sequence = Some((1 << 21) - 1);
        "hint-of-0": "The hint is the credential's serial modulo 128.", none, &hint(0);
        "hint-of-127": "The hint is the credential's serial modulo 128.", none, &hint(127);
        "hint-of-128": "The hint is the credential's serial modulo 128.", none, &hint(128);
        "hint-of-129": "The hint is the credential's serial modulo 128.", none, &hint(129);
        "hint-of-4294967294": "The hint is the credential's serial modulo 128.", none, &hint(u32::MAX - 1);
        "topic-utf8": "A topic that is not ASCII enters as its bytes.",
            none, &|d| d.topic = "plant/überdruck".to_owned();
        "topic-long": "The topic has no part in the length.",
            none, &|d| d.topic = format!("plant/{}", "x".repeat(400));
        "payload-binary": "A payload of every byte value.",
            none, &|d| d.message.payload = (0..=255).collect();
        "renewed": "The credential hash is the one of the current credential.",
            none, &|d| {
                d.credential_serial = 2;
                d.message.hint = 2;
                d.credential_hash = hash(&renewed().object());
            };
    }
}

/// Retained values and wills.
fn state(scene: &Scene, file: &mut VectorFile) {
    let mut seal = |id: &str, comment: &str, padding: (u8, u32), change: &dyn Fn(&mut Draft)| {
        let mut plan = Plan::of_state(scene, id);
        change(&mut plan.draft);
        plan.padding = padding;
        plan.seal(file, id, comment).len()
    };
    let none = (0, 0);
    let connection = |number: u64| move |d: &mut Draft| d.message.connection = number;
    table! { seal:
        "value": "A retained value: under kept keys, with the sender's credential.", none, &|_| {};
        "value-bare": "No other flag than those of state.", none, &|d| d.message.sent_at = None;
        "value-sequence": "The connection stands behind the sequence.",
            none, &|d| (d.message.sequence, d.message.connection) = (Some(4), NOW - 9);
        "value-second": "A later message of its session.", none, &|d| d.counter = 1;
        "value-counter-16384": "The counter at an edge of its varint.", none, &|d| d.counter = 16_384;
        "connection-1": "The connection at an edge.", none, &connection(1);
        "connection-127": "The connection at an edge of its varint.", none, &connection(127);
        "connection-128": "The connection at an edge of its varint.", none, &connection(128);
        "connection-max": "The connection at an edge.", none, &connection((1 << 35) - 1);
        "value-renewed": "Its credential is the one that was signed under.",
            none, &|d| *d = d.under(renewed().object());
        "value-everything": "Every flag of a retained value.",
            (2, 64), &|d| {
                (d.message.sequence, d.message.connection) = (Some(9), NOW);
                d.message.properties = all_properties();
            };
        "will": "A Last Will that is to be retained, with the time at which it was sealed.",
            none, &|d| d.message.will = true;
        "will-without-retain": "A Last Will that is to be delivered and not kept: it has no connection either.",
            none, &|d| (d.message.will, d.message.retain) = (true, false);
        "will-everything": "Every flag set.",
            (1, 0), &|d| {
                (d.message.will, d.message.sequence) = (true, Some(9));
                d.message.properties = all_properties();
            };
    }
    let largest = |d: &mut Draft| {
        d.counter = (1 << 21) - 1;
        (d.message.sender, d.message.number) = ((1 << 28) - 1, (1 << 35) - 1);
        (d.message.sent_at, d.message.sequence) = (Some((1 << 42) - 1), Some((1 << 21) - 1));
        d.message.connection = (1 << 35) - 1;
        d.message.payload.clear();
    };
    let comment =
        "Every number at its limit: 153 bytes around an empty payload, beside the credential.";
    let len = seal("value-largest-overhead", comment, none, &largest);
    assert_eq!(len, 153 + blob(&sensor().object()).len());
}

pub(super) fn all_properties() -> Vec<Property> {
    vec![
        Property::PayloadFormat(1),
        Property::MessageExpiry(3600),
        Property::ContentType("text/plain"),
        Property::ResponseTopic("answers/7"),
        Property::CorrelationData(vec![0, 1, 255]),
        Property::User("unit", "C"),
        Property::User("unit", "K"),
    ]
}
