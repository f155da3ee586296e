//! Kind `open`: plaintexts that break a rule of spec/envelope.md §4 or §5, signed and encrypted by
//! their sender all the same.

use super::case::Case;
use super::scene::Scene;
use crate::vectors::craft::{Property, encode_properties, flag};
use crate::vectors::prelude::*;

pub(crate) fn vectors(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let mut bad = |id: &str, comment: &str, spec: &'static str, body: &[u8]| {
        let envelope = plain.with_body(body);
        // The smallest envelope has 130 bytes; anything shorter is refused before it is opened.
        assert!(envelope.len() >= 130, "{id}");
        Case::new(scene, format!("body-{id}"), comment, spec)
            .raw(&plain.topic, &envelope, "Rejected")
            .done(file);
    };
    numbers(&mut bad);
    lengths(&mut bad);
    properties(&mut bad);

    // Of three bytes of counter only two are left for a body: it cannot hold a session number.
    let short = plain.change(|d| d.counter = 20_000);
    stories! { Case::of(scene, "§4") => file:
        "body-truncated": "130 bytes with a counter of three: the body ends in the hint."
            => .attacks(&["E3"]).raw(&short.topic, &short.with_body(&[0, 7]), "Rejected");
        "body-missing": "130 bytes that decrypt to less than a body and a signature."
            => .raw(&short.topic, &short.encrypt(&[0; 66]), "Rejected");
    }
}

/// `flags ‖ sender ‖ hint ‖ session number ‖ sent_at`, some of it replaced.
struct Head {
    flags: u8,
    sender: Vec<u8>,
    hint: u8,
    number: Vec<u8>,
    sent_at: Vec<u8>,
}

impl Head {
    fn new(flags: u8) -> Self {
        let flags = flags | flag::SENT_AT;
        Self {
            flags,
            sender: varint(7),
            hint: 1,
            number: varint(NOW),
            sent_at: varint(NOW_MS),
        }
    }

    fn then(&self, rest: &[u8]) -> Vec<u8> {
        let start = [&[self.flags], &*self.sender, &[self.hint]].concat();
        [&*start, &self.number, &self.sent_at, rest].concat()
    }
}

type Bad<'f> = dyn FnMut(&str, &str, &'static str, &[u8]) + 'f;

/// A longer spelling of the same number.
fn overlong(value: u64) -> Vec<u8> {
    let mut bytes = varint(value);
    *bytes.last_mut().unwrap() |= 0x80;
    bytes.push(0);
    bytes
}

fn numbers(bad: &mut Bad<'_>) {
    let payload = b"21.5C";
    let sequence = Head::new(flag::SEQUENCE);
    let endless = [0xff; 11].to_vec();
    table! { bad:
        "flag-0x80": "An unknown flag is must-understand.",
            "§4", &Head { flags: 0x81, ..Head::new(0) }.then(payload);
        "sender-0": "Member numbers begin with 1.",
            "§4", &Head { sender: varint(0), ..Head::new(0) }.then(payload);
        "sender-too-large": "The sender 2^28.",
            "§4", &Head { sender: varint(1 << 28), ..Head::new(0) }.then(payload);
        "sender-2-to-the-32": "A sender that is 7 modulo 2^32.",
            "§4", &Head { sender: varint((1 << 32) + 7), ..Head::new(0) }.then(payload);
        "hint-128": "A hint is below 128.", "§4", &Head { hint: 129, ..Head::new(0) }.then(payload);
        "session-too-large": "The session number 2^35.",
            "§4", &Head { number: varint(1 << 35), ..Head::new(0) }.then(payload);
        "sent-at-too-large": "The time 2^42.",
            "§4", &Head { sent_at: varint(1 << 42), ..Head::new(0) }.then(payload);
        "sequence-too-large": "The sequence 2^21.",
            "§4", &sequence.then(&[varint(1 << 21), payload.to_vec()].concat());
        "sender-overlong": "7 spelled with two bytes.",
            "§1", &Head { sender: overlong(7), ..Head::new(0) }.then(payload);
        "session-overlong": "A longer spelling of the session number.",
            "§1", &Head { number: overlong(NOW), ..Head::new(0) }.then(payload);
        "sent-at-overlong": "A longer spelling of the time.",
            "§1", &Head { sent_at: overlong(NOW_MS), ..Head::new(0) }.then(payload);
        "sequence-overlong": "A longer spelling of the sequence.",
            "§1", &sequence.then(&[overlong(4), payload.to_vec()].concat());
        "sent-at-endless": "A varint of 11 bytes.",
            "§1", &Head { sent_at: endless, ..Head::new(0) }.then(payload);
        "sequence-cut": "The body ends inside the sequence.", "§4", &sequence.then(&[0x80]);
        "sequence-missing": "SEQUENCE is set and the body ends before it.", "§4", &sequence.then(&[]);
    }
}

fn lengths(bad: &mut Bad<'_>) {
    let payload = b"21.5C".to_vec();
    let with_credential = Head::new(flag::CREDENTIAL);
    let padded = Head::new(flag::PADDED);
    table! { bad:
        "credential-too-long": "4097 bytes of credential.", "§4", &with_credential.then(&blob(&[0x11; 4097]));
        "credential-past-end": "A credential that reaches past the end.",
            "§4", &with_credential.then(&[9, 1, 2, 3]);
        "credential-length-overlong": "A longer spelling of the credential's length.",
            "§1",
            &{
                let credential = sensor().object();
                with_credential.then(&[overlong(credential.len() as u64), credential, payload.clone()].concat())
            };
        "payload-past-end": "A payload that reaches past the end.", "§4", &padded.then(&[6, 1, 2, 3, 4, 5]);
        "payload-into-signature": "A payload that would reach into the signature.",
            "§4", &padded.then(&[[69].to_vec(), payload.clone()].concat());
        "payload-length-overlong": "A longer spelling of the payload's length.",
            "§1", &padded.then(&[overlong(5), payload.clone()].concat());
        "payload-length-huge": "A length of 2^64 - 1.",
            "§4", &padded.then(&[varint(u64::MAX), payload.clone()].concat());
        "payload-length-missing": "PADDED is set and the body ends.", "§4", &padded.then(&[]);
        "padding-first": "The first byte of the padding is not zero.",
            "§4", &padded.then(&[blob(&payload), vec![1, 0, 0]].concat());
        "padding-last": "The last byte of the padding is not zero.",
            "§4", &padded.then(&[blob(&payload), vec![0, 0, 0x80]].concat());
    }
}

fn properties(bad: &mut Bad<'_>) {
    let payload = b"21.5C".to_vec();
    let head = Head::new(flag::PROPERTIES);
    let mut with = |id: &str, comment: &str, properties: &[u8]| {
        let body = head.then(&[blob(properties), payload.clone()].concat());
        bad(&format!("properties-{id}"), comment, "§5", &body);
    };
    table! { with:
        "none": "PROPERTIES is set and there are none.", &[];
        "too-long": "16385 bytes.", &encode_properties(&[Property::CorrelationData(vec![0x5a; 16_382])]);
        "unknown": "A property that has no place here: topic alias.", &[0x23, 0, 1];
        "id-0": "No property has the id 0.", &[0x00, 0];
        "order": "Content type before payload format.",
            &encode_properties(&[Property::ContentType("a"), Property::PayloadFormat(1)]);
        "twice": "Two content types.",
            &encode_properties(&[Property::ContentType("a"), Property::ContentType("a")]);
        "user-then-other": "A user property before correlation data.",
            &encode_properties(&[Property::User("a", "b"), Property::CorrelationData(vec![1])]);
        "payload-format-2": "The payload format indicator is 0 or 1.", &[0x01, 2];
        "nul": "A string with U+0000.", &encode_properties(&[Property::ContentType("a\0b")]);
        "user-nul": "A user property's value with U+0000.", &encode_properties(&[Property::User("a", "\0")]);
        "not-utf8": "A string that is not UTF-8.", &[0x03, 0, 1, 0xff];
        "surrogate": "A UTF-8 encoded surrogate.", &[0x03, 0, 3, 0xed, 0xa0, 0x80];
        "response-wildcard": "A response topic with a wildcard.",
            &encode_properties(&[Property::ResponseTopic("answers/+")]);
        "response-empty": "An empty response topic.", &encode_properties(&[Property::ResponseTopic("")]);
        "string-past-end": "A string that reaches past the end of the properties.", &[0x03, 0, 6, b'a'];
        "expiry-cut": "A message expiry of three bytes.", &[0x02, 0, 0, 60];
        "user-without-value": "A user property without a value.", &[0x26, 0, 1, b'a'];
        "trailing": "A byte behind the last property.", &[0x01, 1, 0x26];
    }
    let mut untimed = Head::new(0);
    (untimed.flags, untimed.sent_at) = (flag::PROPERTIES, vec![]);
    let expiry = encode_properties(&[Property::MessageExpiry(60)]);
    table! { bad:
        "properties-past-end": "Properties that reach past the end.", "§5", &head.then(&[9, 0x01, 1]);
        "properties-length-overlong": "A longer spelling of the properties' length.",
            "§1", &head.then(&[overlong(2), vec![0x01, 1], payload.clone()].concat());
        "properties-expiry-without-time": "A message expiry interval without sent_at.",
            "§5", &untimed.then(&[blob(&expiry), payload].concat());
    }
}
