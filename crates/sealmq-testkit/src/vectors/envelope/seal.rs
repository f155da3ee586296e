//! Kind `seal`: from a sender's inputs to the envelope, with every value in between.

use sealmq_core::crypto::{DeviceSecret, Entropy, Purpose};
use sealmq_core::crypto::{Digest, Secret, SignatureContext, extract, sha256};

use super::scene::{Scene, renewed};
use crate::vectors::craft::{Draft, Property, Session, encode_properties, properties_json};
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::hpke;
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::{bytes, hash, identity, sensor};

const SPEC: [&str; 3] = ["envelope.md §4", "envelope.md §6", "envelope.md §7"];

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
    draft: Draft,
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
            announcement_hash: self.announcement,
            group_key: self.group_key,
            psk: self.psk,
            device_secret: self.device_secret,
            rng: self.rng,
            session_number: m.number,
            identity_seed: *identity(draft.name).seed().expose(),
            credential_hash: draft.credential_hash,
            credential_serial: self.credential_serial,
            sender: m.sender,
            counter: draft.counter,
            topic: Json::text(&draft.topic),
        };
        for (name, value) in [("sent_at", m.sent_at), ("sequence", m.sequence)] {
            if let Some(value) = value {
                input = input.with(name, value);
            }
        }
        input = input.with("retain", m.retain).with("will", m.will);
        input = input.with(
            "padding",
            object! { mode: self.padding.0, bucket: self.padding.1 },
        );
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
        let hedged = DeviceSecret::new(Secret::new(self.device_secret)).hedge(
            &Entropy::take(&mut self.rng.clone()).unwrap(),
            Purpose::Session,
            number,
        );
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
            prk: *prk.expose(),
            seed: *hedged.seed.expose(),
            next_device_secret: *hedged.next.expose(),
            session_psk: hpke::session_psk(&psk),
            enc: draft.session.enc,
            message_key: draft.session.message_key,
            base_nonce: Json::hex(draft.session.base_nonce),
            nonce: Json::hex(draft.session.nonce(counter)),
            header: Json::hex(draft.session.header(counter)),
            topic_hash: sha256(&[draft.topic.as_bytes()]),
            aad: Json::hex(draft.session.aad(counter, draft.topic.as_bytes())),
        };
        if !draft.message.properties.is_empty() {
            intermediate = intermediate.with(
                "properties",
                Json::hex(encode_properties(&draft.message.properties)),
            );
        }
        let intermediate = intermediate
            .with("body", Json::hex(&body))
            .with("transcript", Json::hex(&transcript))
            .with("transcript_hash", digest)
            .with(
                "signature_input",
                Json::hex(SignatureContext::Message.signed_bytes(&digest)),
            )
            .with("signature", Json::hex(signature));
        let vector = Vector::valid("seal", format!("seal-{id}"), comment, &SPEC, input)
            .intermediate(intermediate)
            .result(object! { envelope: Json::hex(&envelope) });
        file.push(vector);
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

    let example = seal(
        "example",
        "The example of envelope.md §2: 141 bytes.",
        none,
        &|d| d.message.retain = true,
    );
    assert_eq!(example, 141);
    let smallest = seal(
        "smallest",
        "The smallest envelope: 126 bytes.",
        none,
        &|d| {
            bare(d);
            (d.message.sender, d.message.number) = (1, 1);
            d.message.payload.clear();
        },
    );
    assert_eq!(smallest, 126);
    let largest = seal(
        "largest-overhead",
        "Every number at its limit: 144 bytes around an empty payload.",
        none,
        &|d| {
            d.counter = (1 << 21) - 1;
            d.message.sender = (1 << 28) - 1;
            d.message.number = (1 << 35) - 1;
            d.message.sent_at = Some((1 << 42) - 1);
            d.message.sequence = Some((1 << 21) - 1);
            d.message.payload.clear();
        },
    );
    assert_eq!(largest, 144);

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
    for len in [127_usize, 128] {
        seal(
            &format!("padded-payload-{len}"),
            "The payload's length at the edge of its varint.",
            (2, 16),
            &|d| {
                d.message.payload = vec![0x5a; len];
            },
        );
    }

    table! { seal:
        "properties-all": "Every property, user properties twice.",
            none, &|d| d.message.properties = all_properties();
    }
    for (id, comment, property) in table! {
        "payload-format-0": "Payload format indicator 0.", Property::PayloadFormat(0);
        "payload-format-1": "Payload format indicator 1.", Property::PayloadFormat(1);
        "message-expiry": "A message expiry interval.", Property::MessageExpiry(60);
        "content-type": "A content type that is not ASCII.", Property::ContentType("text/plain; größe");
        "response-topic": "A response topic.", Property::ResponseTopic("answers/7");
        "correlation-data": "Correlation data, empty.", Property::CorrelationData(vec![]);
        "user-empty": "A user property of two empty strings.", Property::User("", "");
    } {
        seal(&format!("property-{id}"), comment, none, &|d| {
            d.message.properties = vec![property.clone()]
        });
    }

    for counter in [1, 127, 128, 16_383, 16_384] {
        seal(
            &format!("counter-{counter}"),
            "The counter at an edge of its varint.",
            none,
            &|d| d.counter = counter,
        );
    }
    for (id, sender) in [("127", 127), ("128", 128), ("max", (1 << 28) - 1)] {
        seal(
            &format!("sender-{id}"),
            "The sender number at an edge.",
            none,
            &|d| d.message.sender = sender,
        );
    }
    for (id, number) in [("1", 1), ("max", (1 << 35) - 1)] {
        seal(
            &format!("session-{id}"),
            "The session number at an edge.",
            none,
            &|d| d.message.number = number,
        );
    }
    for (id, sent_at) in [("0", 0), ("max", (1 << 42) - 1)] {
        seal(
            &format!("sent-at-{id}"),
            "The time at an edge.",
            none,
            &|d| d.message.sent_at = Some(sent_at),
        );
    }
    for (id, sequence) in [("0", 0), ("max", (1 << 21) - 1)] {
        seal(
            &format!("sequence-{id}"),
            "The sequence at an edge.",
            none,
            &|d| d.message.sequence = Some(sequence),
        );
    }
    for serial in [0_u32, 127, 128, 129, 0xffff_fffe] {
        seal(
            &format!("hint-of-{serial}"),
            "The hint is the credential's serial modulo 128.",
            none,
            &|d| {
                d.credential_serial = serial;
                d.message.hint = (serial % 128) as u8;
            },
        );
    }
    table! { seal:
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

fn all_properties() -> Vec<Property> {
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
