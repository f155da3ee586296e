//! Kinds without keys: names, topics, varints, padding.

use sealmq_core::check_name;
use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::decode;
use sealmq_core::topic::{Filter, Topic};
use sealmq_core::wire::{Padding, Reader};
use sealmq_keys::{Fingerprint, ReservedTopic, check_prefix, default_prefix};

use super::{Input, Outcome, accepted_if, refused};
use crate::vectors::keys::reserved::described;
use crate::vectors::prelude::*;

pub(crate) fn domain(input: Input<'_>) -> Outcome {
    match VerifyingKey::from_bytes(&input.array("root_key")) {
        Ok(key) => Outcome::Accepted(object! { domain: DomainId::of_root(&key).0 }),
        Err(_) => refused("field"),
    }
}

pub(crate) fn fingerprint(input: Input<'_>) -> Outcome {
    let key = input.array("key");
    let of = Fingerprint::of_bytes(&key).0;
    Outcome::Accepted(object! { fingerprint: of, shown: sealmq_keys::fingerprint(&key) })
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

/// Writes what is described, or reads a name.
pub(crate) fn reserved_topic(input: Input<'_>) -> Result<Outcome, String> {
    let domain = input.domain("domain");
    let prefix = if input.has("prefix") {
        String::from_utf8(input.text("prefix")).unwrap()
    } else {
        default_prefix(&domain)
    };
    if check_prefix(&prefix).is_err() {
        return Ok(refused("field"));
    }
    if input.has("topic") {
        let name = String::from_utf8(input.text("topic")).unwrap();
        return Ok(match ReservedTopic::parse(&prefix, &name) {
            Some(topic) => Outcome::Accepted(described(&topic)),
            None => refused("field"),
        });
    }
    let member = || MemberNumber(input.number("member"));
    let group = || input.group("group");
    let of = || Fingerprint(input.array("fingerprint"));
    let topic = match input.str("what") {
        "delegation" => ReservedTopic::Delegation,
        "credential" => ReservedTopic::Credential(member()),
        "welcome" => ReservedTopic::Welcome(member(), group()),
        "confirmation" => ReservedTopic::Confirm(member()),
        "packages" => ReservedTopic::Packages(member()),
        "nonce_answer" => ReservedTopic::NonceAnswer(member(), group()),
        "announcement" => ReservedTopic::Announcement(group(), input.u64("epoch")),
        "chunk" => ReservedTopic::Chunk(group(), input.u64("epoch"), input.number("chunk")),
        "refused_list" => ReservedTopic::RefusedList(group()),
        "heartbeat" => ReservedTopic::Heartbeat(group()),
        "nonce" => ReservedTopic::Nonce(group(), member()),
        "join" => ReservedTopic::Join(of()),
        "answer" => ReservedTopic::Answer(of()),
        other => return Err(format!("unknown topic {other}")),
    };
    let name = topic.name(&prefix);
    if ReservedTopic::parse(&prefix, &name) != Some(topic) {
        return Err(format!("{name} does not read back"));
    }
    let at_most = topic.max_len() as u64;
    Ok(Outcome::Accepted(object! { topic: name, at_most: at_most }))
}
