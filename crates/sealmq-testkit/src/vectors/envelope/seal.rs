//! Kind `seal`: from a sender's inputs to the envelope, with every value in between.

use sealmq_core::crypto::{DeviceSecret, Entropy, Purpose, SignatureContext, extract};

use super::scene::{Scene, renewed};
use crate::vectors::craft::{Draft, Property, Session, encode_properties, properties_json};
use crate::vectors::hpke;
use crate::vectors::prelude::*;

pub(super) const SEAL: Series = Series::new(
    "seal",
    "seal-",
    &["envelope.md §4", "envelope.md §6", "envelope.md §7"],
);

/// The inputs of a `seal` vector.
pub(crate) struct Plan {
    pub(super) group_key: [u8; 32],
    psk: [u8; 32],
    announcement: Digest,
    device_secret: [u8; 32],
    pub(super) rng: [u8; 32],
    /// Mode and bucket.
    padding: (u8, u32),
    credential_serial: u32,
    pub(super) draft: Draft,
}

impl Plan {
    pub(super) fn new(scene: &Scene, id: &str) -> Self {
        let epoch = scene.epoch();
        Self {
            group_key: epoch.reader.group_key_pair().public().0,
            psk: *epoch.reader.psk().secret().expose(),
            announcement: epoch.hash,
            device_secret: bytes("device secret of sensor-7"),
            rng: bytes(&format!("rng of {id}")),
            padding: (0, 0),
            credential_serial: 1,
            draft: scene.sent(),
        }
    }

    pub(super) fn message(mut self, change: impl FnOnce(&mut Draft)) -> Self {
        change(&mut self.draft);
        self
    }

    pub(super) fn input(&self) -> Json {
        let (draft, m) = (&self.draft, &self.draft.message);
        let mut input = object! {
            announcement_hash: self.announcement, group_key: self.group_key, psk: self.psk,
            device_secret: self.device_secret, rng: self.rng, session_number: m.number,
            identity_seed: *identity(draft.name).seed().expose(),
            credential_hash: draft.credential_hash, credential_serial: self.credential_serial,
            sender: m.sender, counter: draft.counter, topic: Json::text(&draft.topic),
        };
        for (name, value) in [("sent_at", m.sent_at), ("sequence", m.sequence)] {
            if let Some(value) = value {
                input = input.with(name, value);
            }
        }
        let padding = object! { mode: self.padding.0, bucket: self.padding.1 };
        input = input
            .with("retain", m.retain)
            .with("will", m.will)
            .with("padding", padding);
        if let Some(credential) = &m.credential {
            input = input.with("credential", Json::hex(credential));
        }
        if !m.properties.is_empty() {
            input = input.with("properties", properties_json(&m.properties));
        }
        input.with("payload", Json::hex(&m.payload))
    }

    /// Seals step by step as the spec says. Whoever checks the vector has the real code do it.
    fn seal(mut self, file: &mut VectorFile, id: &str, comment: &str) -> Vec<u8> {
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
        let psk = Secret::new(self.psk);
        self.draft.session =
            Session::with_seed(&self.group_key, &psk, &self.announcement, &hedged.seed).unwrap();

        let (draft, counter) = (&self.draft, self.draft.counter);
        let body = draft.message.body();
        let transcript = draft.transcript().bytes(&body);
        let digest = sha256(&[&transcript]);
        let signature = draft.transcript().sign(draft.name, &body);
        let envelope = draft.envelope();
        let mut intermediate = object! {
            prk: *prk.expose(), seed: *hedged.seed.expose(), next_device_secret: *hedged.next.expose(),
            session_psk: hpke::session_psk(&psk), enc: draft.session.enc,
            message_key: draft.session.message_key, base_nonce: Json::hex(draft.session.base_nonce),
            nonce: Json::hex(draft.session.nonce(counter)), header: Json::hex(draft.session.header(counter)),
            topic_hash: sha256(&[draft.topic.as_bytes()]),
            aad: Json::hex(draft.session.aad(counter, draft.topic.as_bytes())),
        };
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
    let mut seal = |id: &str, comment: &str, padding: (u8, u32), change: &dyn Fn(&mut Draft)| {
        let mut plan = Plan::new(scene, id).message(change);
        plan.padding = padding;
        plan.credential_serial = plan.draft.credential_serial;
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
        "example": "The example of envelope.md §2: 141 bytes.", 141, &|d| d.message.retain = true;
        "smallest": "The smallest envelope: 126 bytes.", 126, &smallest;
        "largest-overhead": "Every number at its limit: 144 bytes around an empty payload.", 144, &largest;
    }
    table! { seal:
        "bare": "No flag at all.", none, &bare;
        "retain": "RETAIN alone.",
            none, &|d| {
                bare(d);
                d.message.retain = true;
            };
        "sequence": "SEQUENCE alone.",
            none, &|d| {
                bare(d);
                d.message.sequence = Some(4);
            };
        "will": "A Last Will with the time at which it was sealed.", none, &|d| d.message.will = true;
        "retained-will": "A will that is to be retained.",
            none, &|d| (d.message.will, d.message.retain) = (true, true);
        "credential": "The sender's credential travels inside.",
            none, &|d| d.message.credential = Some(sensor().object());
        "everything": "Every flag set.",
            (1, 0), &|d| {
                d.message.sequence = Some(9);
                d.message.credential = Some(sensor().object());
                d.message.properties = all_properties();
                (d.message.retain, d.message.will) = (true, true);
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
