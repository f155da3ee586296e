//! Kinds `open` and `gap` (spec/envelope.md §8, §9).

mod reader;
mod records;

use sealmq_core::Credential;
use sealmq_core::crypto::{MessageKey, session_receiver};
use sealmq_core::object::Object;
use sealmq_core::open::{
    DecapsulationLimit, Epochs, KeySlot, Opened, Receiver, Request, SessionSlot,
};
use sealmq_core::replay::{Gap, RECENT_SESSIONS, Record, SenderSlot, TopicSlot};
use sealmq_core::topic::Topic;
use sealmq_core::wire::{BodyFields, Head, Header, Property};
use serde_json::Value;

use self::reader::{Of, Reader};
use super::{Checked, Input, No, broken, to_value};
use crate::vectors::craft::Draft;
use crate::vectors::group::Group;
use crate::vectors::prelude::*;

type HostReceiver =
    Receiver<Vec<SenderSlot<16>>, Vec<TopicSlot>, Vec<KeySlot>, Vec<SessionSlot>, 16>;

fn receiver() -> HostReceiver {
    let (senders, topics) = (vec![SenderSlot::EMPTY; 32], vec![TopicSlot::EMPTY; 32]);
    let keys = (0..32).map(|_| KeySlot::EMPTY).collect();
    let sessions = (0..32).map(|_| SessionSlot::EMPTY).collect();
    let limit = DecapsulationLimit::default();
    Receiver::new(senders, topics, keys, sessions, limit)
}

pub(crate) fn open(input: Input<'_>) -> Checked {
    let mut reader = input.value("reader").clone();
    let with = input.opt("with", Input::value);
    for (name, value) in with.and_then(Value::as_object).into_iter().flatten() {
        reader[name] = value.clone();
    }
    let reader_input = Input::new(&reader);
    let sessions = reader_input.opt_u64("sessions");
    if sessions.is_some_and(|sessions| sessions != RECENT_SESSIONS as u64) {
        return Err(broken(
            "this implementation remembers another number of sessions",
        ));
    }
    // The second time it starts again after each delivery: what is stored is all that it needs.
    let last = deliveries(input, &reader_input, false)?;
    // But for the sessions of the short form, which it asks for.
    let is_short = |delivery: &Input<'_>| {
        delivery.has("record_of") || delivery.hex("envelope").first() == Some(&0x91)
    };
    if !input.list("deliveries").iter().any(is_short) {
        deliveries(input, &reader_input, true)?;
    }
    match last {
        Some(Json::Text(reason)) => Err(No::Refused(reason)),
        _ => Ok(object! {}),
    }
}

/// The last delivery's reason for rejecting it, if there is one.
fn deliveries(input: Input<'_>, reader: &Input<'_>, restarts: bool) -> Result<Option<Json>, No> {
    let records = records::records(reader);
    let (mut reader, mut receiver) = (Reader::new(reader), receiver());
    records
        .into_iter()
        .for_each(|record| receiver.restore(record));
    let mut last = None;
    for (n, delivery) in input.list("deliveries").into_iter().enumerate() {
        let again = if restarts { ", after a start" } else { "" };
        let at = |fault: String| broken(format_args!("delivery {n}{again}: {fault}"));
        let got = deliver(&mut reader, &mut receiver, delivery).map_err(at)?;
        let (given, expect) = (to_value(&got), delivery.value("expect"));
        if given != *expect {
            return Err(at(format!("gives {given}, the vector says {expect}")));
        }
        last = got.get("reason").cloned();
        if restarts {
            receiver =
                started(&receiver).ok_or_else(|| at("a record does not read back".into()))?;
        }
    }
    Ok(last)
}

/// A receiver with what another one would have stored.
fn started(before: &HostReceiver) -> Option<HostReceiver> {
    let mut receiver = receiver();
    for record in before.records() {
        let mut stored = vec![0; Record::<16>::MAX_LEN];
        let len = record.encode(&mut stored).ok()?;
        let decoded = Record::decode(&stored[..len]).ok()?;
        if decoded.key() != record.key() {
            return None;
        }
        receiver.restore(decoded);
    }
    Some(receiver)
}

fn deliver(
    reader: &mut Reader,
    receiver: &mut HostReceiver,
    delivery: Input<'_>,
) -> Result<Json, String> {
    let (topic, envelope) = (delivery.text("topic"), delivery.hex("envelope"));
    let topic = Topic::from_bytes(&topic).map_err(|error| error.to_string())?;
    if let Some(plaintext) = delivery.opt("plaintext", Input::hex)
        && decrypt(reader, &envelope, topic)? != plaintext
    {
        return Err("another plaintext".to_owned());
    }
    let request = Request {
        retained: delivery.flag("retained"),
        now: delivery.opt_u64("now_ms"),
        drop_own: reader.drop_own,
        ..Request::new(topic)
    };
    reader.no_clock = request.now.is_none();
    let mut buffer = envelope.clone();
    if let Some(sender) = delivery.opt("record_of", Input::number) {
        let sender = MemberNumber(sender);
        let recorded = receiver.open_record(&request, sender, reader, reader, &mut buffer);
        return Ok(match recorded {
            Ok(recorded) => {
                let record = object! {
                    sender: recorded.sender().0, session_number: recorded.number(),
                    session_tag: Json::hex(recorded.tag().0),
                };
                let fresh = recorded.credential().map(<[u8]>::to_vec);
                if let Some(fresh) = fresh {
                    reader.learn(fresh);
                }
                object! { record: record }
            }
            Err(rejection) => object! { reason: rejection.name() },
        });
    }
    let message = match receiver.open(&request, reader, reader, &mut buffer) {
        Ok(opened) => {
            if let Some(fresh) = opened.credential() {
                reader.learn(fresh.to_vec());
            }
            if opened.is_retained_delivery() != request.retained {
                return Err("not marked as retained".to_owned());
            }
            let inside = match Head::parse(&envelope) {
                // It has neither a connection nor a credential.
                Ok(Head::Short(_)) => vec![],
                _ => decrypt(reader, &envelope, topic)?,
            };
            message(&opened, reader, &inside).ok_or("no message")?
        }
        Err(rejection) => {
            if rejection.may_wait() && buffer != envelope {
                return Err(format!("{} does not keep the envelope", rejection.name()));
            }
            return Ok(object! { reason: rejection.name() });
        }
    };
    Ok(object! { message: message })
}

/// What the application learns, and of state what stands in the plaintext beside it.
fn message(opened: &Opened<'_>, reader: &Reader, plaintext: &[u8]) -> Option<Json> {
    let (body, _) = plaintext
        .split_last_chunk::<64>()
        .unwrap_or((&[], &[0; 64]));
    let fields = match body {
        [] => None,
        body => Some(BodyFields::parse(body).ok()?),
    };
    let connection = fields.as_ref().and_then(|fields| fields.connection);
    let (first, name) = match reader.keys_of(opened.announcement())? {
        Of::Epoch(epoch) => {
            let sender = &reader.credentials[&opened.sender().0];
            let epoch = (opened.epoch() == epoch).then_some(epoch)?;
            (object! { epoch: epoch }, sender.fields().name)
        }
        Of::Kept(kept) => {
            let inside = body.get(fields?.credential?)?;
            let inside = Object::parse(inside, Kind::Credential).ok()?;
            let (inside, _) = inside.decode::<Credential<'_>>().ok()?;
            (object! { kept: kept }, inside.name)
        }
    };
    let mut out = first
        .with("sender", opened.sender().0)
        .with("name", Json::text(name))
        .with("credential_serial", opened.credential_serial())
        .with("session_number", opened.session_number())
        .with("counter", opened.counter())
        .with("retain", opened.retain())
        .with("will", opened.is_will())
        .with("payload", Json::hex(opened.payload()));
    let sequence = opened.sequence().map(u64::from);
    for (name, value) in [
        ("sent_at", opened.sent_at()),
        ("sequence", sequence),
        ("connection", connection),
    ] {
        if let Some(value) = value {
            out = out.with(name, value);
        }
    }
    Some(match opened.properties() {
        Some(all) => out.with(
            "properties",
            Json::Array(all.iter().map(property).collect()),
        ),
        None => out,
    })
}

fn property(property: Property<'_>) -> Json {
    match property {
        Property::PayloadFormat(text) => object! { payload_format: u8::from(text) },
        Property::MessageExpiry(seconds) => object! { message_expiry: seconds },
        Property::ContentType(text) => object! { content_type: Json::text(text) },
        Property::ResponseTopic(topic) => object! { response_topic: Json::text(topic.as_str()) },
        Property::CorrelationData(bytes) => object! { correlation_data: Json::hex(bytes) },
        Property::User(name, value) => {
            object! { user: Json::Array(vec![Json::text(name), Json::text(value)]) }
        }
        _ => Json::Null,
    }
}

/// The plaintext, as everybody in the group finds it.
fn decrypt(reader: &Reader, envelope: &[u8], topic: Topic<'_>) -> Result<Vec<u8>, String> {
    let header = Header::parse(envelope).map_err(|error| error.to_string())?;
    let epoch = reader
        .find(&header.key_id)
        .ok_or("no epoch for the plaintext")?;
    let secrets = session_receiver(epoch.key_pair, epoch.psk, &epoch.announcement, &header.enc)
        .map_err(|error| error.to_string())?;
    let (head, rest) = envelope.split_at(header.encoded_len());
    let (text, tag) = rest.split_last_chunk::<16>().ok_or("no tag")?;
    let mut text = text.to_vec();
    let aad = [head, &topic.hash().0].concat();
    let key: &MessageKey = &secrets.key;
    key.open_in_place(&secrets.nonce(header.counter.into()), &aad, &mut text, tag)
        .map_err(|error| error.to_string())?;
    Ok(text)
}

/// Two messages, sealed here, with the sequences of the vector.
pub(crate) fn gap(input: Input<'_>) -> Checked {
    let mut group = Group::new("gaps", 4);
    group.begin_ordinary();
    let epoch = group.epoch(1);
    let reader = object! {
        authority: authority_json(&authority(1)), group: group.id.0, filters: vec!["plant/#"],
        policy: object! { grace: 0_u8, freshness: 0_u8, skew: 0_u8, will_age: 0_u8 },
        issued_at: NOW, not_after: NOW,
        epochs: Json::Array(vec![object! {
            epoch: 1_u8, hash: epoch.hash, reader_secret: *epoch.reader.secret().expose(),
        }]),
        credentials: Json::Array(vec![Json::hex(sensor().object())]),
        number: 1_u8,
    };
    let reader = to_value(&reader);
    let (reader, mut receiver) = (Reader::new(&Input::new(&reader)), receiver());
    let later = input.flag("later_session");
    let mut reported = None;
    for (first, sequence) in [(true, input.u64("last")), (false, input.u64("sequence"))] {
        let session = if first || !later { "a" } else { "b" };
        let draft = Draft::new(epoch, &sensor(), session).change(|d| {
            d.counter = u32::from(!first);
            d.message.number = NOW + u64::from(session == "b");
            d.message.sequence = Some(sequence);
        });
        let topic = draft.topic.clone();
        let request = Request::new(Topic::new(&topic).unwrap());
        let mut buffer = draft.envelope();
        let opened = receiver
            .open(&request, &reader, &reader, &mut buffer)
            .map_err(broken)?;
        reported = opened.gap();
    }
    let (missed, restart) = match reported {
        Some(Gap::Missed(missed)) => (Json::from(missed), false),
        Some(Gap::Restarted) => (Json::Null, true),
        Some(Gap::Late) => (Json::Null, false),
        other => return Err(broken(format_args!("reported {other:?}"))),
    };
    Ok(object! { missed: missed, restart: restart })
}
