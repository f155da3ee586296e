//! Kinds without keys: names, topics, varints, padding, files.

use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::decode;
use sealmq_core::topic::{Filter, Topic};
use sealmq_core::wire::{Padding, Reader};
use sealmq_core::{DomainId, MemberNumber, check_name};
use sealmq_keys::{
    ReservedTopic, decode_credential_file, decode_request, default_prefix, encode_credential_file,
};

use super::{Input, Outcome, accepted_if, refused};
use crate::vectors::json::{Json, object};

pub(crate) fn domain(input: Input<'_>) -> Outcome {
    match VerifyingKey::from_bytes(&input.array("root_key")) {
        Ok(key) => Outcome::Accepted(object! { domain: DomainId::of_root(&key).0 }),
        Err(_) => refused("field"),
    }
}

pub(crate) fn topic_match(input: Input<'_>) -> Outcome {
    let (filter, topic) = (input.text("filter"), input.text("topic"));
    let filter = std::str::from_utf8(&filter)
        .ok()
        .and_then(|text| Filter::new(text).ok());
    match (filter, Topic::from_bytes(&topic)) {
        (Some(filter), Ok(topic)) => Outcome::Accepted(object! { matches: filter.matches(topic) }),
        _ => refused("field"),
    }
}

pub(crate) fn filter_overlap(input: Input<'_>) -> Outcome {
    let texts = [input.text("a"), input.text("b")];
    let filter = |text| {
        std::str::from_utf8(text)
            .ok()
            .and_then(|text| Filter::new(text).ok())
    };
    match (filter(&texts[0]), filter(&texts[1])) {
        (Some(a), Some(b)) => {
            assert_eq!(a.overlaps(b), b.overlaps(a));
            Outcome::Accepted(object! { overlap: a.overlaps(b) })
        }
        _ => refused("field"),
    }
}

pub(crate) fn name(input: Input<'_>) -> Outcome {
    let text = input.text("name");
    let good = std::str::from_utf8(&text).is_ok_and(|text| check_name(text).is_ok());
    accepted_if(good, "field", object! {})
}

/// A varint of an object's body; one of 64 bits also as envelopes have it.
pub(crate) fn varint(input: Input<'_>) -> Result<Outcome, String> {
    let bytes = input.hex("bytes");
    let value = match input.str("type") {
        "u16" => decode::<u16>(&bytes).map(u64::from),
        "u32" => decode::<u32>(&bytes).map(u64::from),
        _ => decode::<u64>(&bytes),
    };
    if input.str("type") == "u64" {
        let mut reader = Reader::new(&bytes);
        let read = reader.varint().ok().filter(|_| reader.rest().is_empty());
        if read != value.ok() {
            return Err(format!("envelopes read {read:?}, objects {value:?}"));
        }
    }
    Ok(match value {
        Ok(value) => Outcome::Accepted(object! { value: value }),
        Err(_) => refused("encoding"),
    })
}

pub(crate) fn padding_of(mode: u64, bucket: u64) -> Padding {
    match mode {
        0 => Padding::None,
        1 => Padding::Padme,
        _ => Padding::Bucket(u32::try_from(bucket).unwrap()),
    }
}

pub(crate) fn padding(input: Input<'_>) -> Outcome {
    let padding = padding_of(input.u64("mode"), input.u64("bucket"));
    let padded = padding.padded_len(input.number("length")).unwrap();
    Outcome::Accepted(object! { padded: padded as u64 })
}

pub(crate) fn reserved_topic(input: Input<'_>) -> Result<Outcome, String> {
    let domain = input.domain("domain");
    let prefix = if input.has("prefix") {
        String::from_utf8(input.text("prefix")).unwrap()
    } else {
        default_prefix(&domain)
    };
    let member = || MemberNumber(input.number("member"));
    let topic = match input.str("what") {
        "delegation" => ReservedTopic::Delegation,
        "credential" => ReservedTopic::Credential(member()),
        "welcome" => ReservedTopic::Welcome(member(), input.group("group")),
        "announcement" => ReservedTopic::Announcement(input.group("group"), input.u64("epoch")),
        _ => ReservedTopic::RefusedList(input.group("group")),
    };
    let name = topic.name(&prefix);
    if ReservedTopic::parse(&prefix, &name) != Some(topic) {
        return Err(format!("{name} does not read back"));
    }
    Ok(Outcome::Accepted(object! { topic: name }))
}

pub(crate) fn armour(input: Input<'_>) -> Result<Outcome, String> {
    let text = input.str("text");
    if input.str("label") == "SEALMQ REQUEST" {
        return Ok(match decode_request(text) {
            Ok(bytes) => Outcome::Accepted(object! { bytes: Json::hex(bytes) }),
            Err(_) => refused("encoding"),
        });
    }
    let Ok(file) = decode_credential_file(text) else {
        return Ok(refused("encoding"));
    };
    let again = encode_credential_file(
        &file.root_key,
        &file.prefix,
        &file.delegation,
        &file.credential,
    );
    let bytes = crate::vectors::world::body(&(
        file.root_key,
        &file.prefix,
        Blob(&file.delegation),
        Blob(&file.credential),
    ));
    if decode_credential_file(&again.map_err(|error| error.to_string())?).as_ref() != Ok(&file) {
        return Err("the file does not read back".to_owned());
    }
    Ok(Outcome::Accepted(object! {
        bytes: Json::hex(bytes),
        fields: object! {
            root_key: file.root_key,
            prefix: Json::text(&file.prefix),
            delegation: Json::hex(&file.delegation),
            credential: Json::hex(&file.credential),
        },
    }))
}

/// Bytes, encoded as `bytes`.
struct Blob<'a>(&'a [u8]);

impl serde::Serialize for Blob<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}
