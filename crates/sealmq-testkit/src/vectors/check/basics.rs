//! Kinds without keys: names, topics, varints, padding.

use sealmq_core::check_name;
use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::decode;
use sealmq_core::topic::{Filter, Topic};
use sealmq_core::wire::{Padding, Reader};
use sealmq_keys::{Fingerprint, ReservedTopic, check_prefix};

use super::{Checked, Input, broken, require};
use crate::vectors::keys::reserved::described;
use crate::vectors::prelude::*;

pub(crate) fn domain(input: Input<'_>) -> Checked {
    let key = VerifyingKey::from_bytes(&input.array("root_key")).map_err(|_| "field")?;
    Ok(object! { domain: DomainId::of_root(&key).0 })
}

pub(crate) fn fingerprint(input: Input<'_>) -> Checked {
    let key = input.array("key");
    let of = Fingerprint::of_bytes(&key).0;
    Ok(object! { fingerprint: of, shown: sealmq_keys::fingerprint(&key) })
}

fn filter(text: &[u8]) -> Result<Filter<'_>, &'static str> {
    let text = core::str::from_utf8(text).map_err(|_| "field")?;
    Filter::new(text).map_err(|_| "field")
}

pub(crate) fn topic_match(input: Input<'_>) -> Checked {
    let (text, topic) = (input.text("filter"), input.text("topic"));
    let topic = Topic::from_bytes(&topic).map_err(|_| "field")?;
    Ok(object! { matches: filter(&text)?.matches(topic) })
}

pub(crate) fn filter_overlap(input: Input<'_>) -> Checked {
    let texts = [input.text("a"), input.text("b")];
    let (a, b) = (filter(&texts[0])?, filter(&texts[1])?);
    assert_eq!(a.overlaps(b), b.overlaps(a));
    Ok(object! { overlap: a.overlaps(b) })
}

pub(crate) fn name(input: Input<'_>) -> Checked {
    let text = input.text("name");
    let good = core::str::from_utf8(&text).is_ok_and(|text| check_name(text).is_ok());
    require(good, "field")?;
    Ok(object! {})
}

/// A varint of an object's body; one of 64 bits also as envelopes have it.
pub(crate) fn varint(input: Input<'_>) -> Checked {
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
            let fault = format_args!("envelopes read {read:?}, objects {value:?}");
            return Err(broken(fault));
        }
    }
    let value = value.map_err(|_| "encoding")?;
    Ok(object! { value: value })
}

pub(crate) fn padding_of(mode: u64, bucket: u64) -> Padding {
    match mode {
        0 => Padding::None,
        1 => Padding::Padme,
        _ => Padding::Bucket(u32::try_from(bucket).unwrap()),
    }
}

pub(crate) fn padding(input: Input<'_>) -> Checked {
    let padding = padding_of(input.u64("mode"), input.u64("bucket"));
    let padded = padding.padded_len(input.number("length")).unwrap();
    Ok(object! { padded: padded as u64 })
}

/// Writes what is described, or reads a name.
pub(crate) fn reserved_topic(input: Input<'_>) -> Checked {
    let prefix = input.prefix(&input.domain("domain"));
    require(check_prefix(&prefix).is_ok(), "field")?;
    if let Some(name) = input.opt("topic", Input::string) {
        return Ok(described(
            &ReservedTopic::parse(&prefix, &name).ok_or("field")?,
        ));
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
        "refused_chunk" => ReservedTopic::RefusedChunk(group(), member()),
        "kept_keys" => ReservedTopic::KeptKeys(group()),
        "heartbeat" => ReservedTopic::Heartbeat(group()),
        "nonce" => ReservedTopic::Nonce(group(), member()),
        "session_record" => ReservedTopic::SessionRecord(group(), member()),
        "join" => ReservedTopic::Join(of()),
        "answer" => ReservedTopic::Answer(of()),
        other => return Err(broken(format_args!("unknown topic {other}"))),
    };
    let name = topic.name(&prefix);
    if ReservedTopic::parse(&prefix, &name) != Some(topic) {
        return Err(broken(format_args!("{name} does not read back")));
    }
    Ok(object! { topic: name, at_most: topic.max_len() as u64 })
}
