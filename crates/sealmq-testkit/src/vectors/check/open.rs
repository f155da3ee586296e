//! Kinds `open` and `gap` (spec/envelope.md §8, §9).

use std::collections::BTreeMap;

use sealmq_core::crypto::{KemKeyPair, MessageKey, SessionPsk, session_receiver};
use sealmq_core::open::{
    DecapsulationLimit, Directory, Epochs, KeySlot, Opened, ReadPolicy, ReadingEpoch, Receiver,
    Request, Sender, SenderQuery,
};
use sealmq_core::replay::{Gap, RECENT_SESSIONS, Record, SenderSlot, TopicSlot};
use sealmq_core::topic::{Filter, Topic, matches_grant};
use sealmq_core::wire::{Header, Property};
use sealmq_core::{CredentialOrder, KeyId, VerifiedCredential};
use sealmq_keys::{REMOVED, ReaderSecret};
use serde_json::Value;

use super::{Checked, Input, No, broken, to_value};
use crate::vectors::craft::Draft;
use crate::vectors::group::Group;
use crate::vectors::prelude::*;

type HostReceiver = Receiver<Vec<SenderSlot<16>>, Vec<TopicSlot>, Vec<KeySlot>, 16>;

fn receiver() -> HostReceiver {
    let (senders, topics) = (vec![SenderSlot::EMPTY; 32], vec![TopicSlot::EMPTY; 32]);
    let keys = (0..32).map(|_| KeySlot::EMPTY).collect();
    Receiver::new(senders, topics, keys, DecapsulationLimit::default())
}

/// What a reader holds of one group, as a vector gives it.
struct Reader {
    group: GroupId,
    authority: Authority,
    filters: Vec<String>,
    policy: ReadPolicy,
    issued_at: u64,
    not_after: u64,
    delegation_not_after: u64,
    /// Whether the delivery in hand is read without a clock.
    no_clock: bool,
    epochs: Vec<Epoch>,
    credentials: BTreeMap<u32, VerifiedCredential<Vec<u8>>>,
    /// `None`: the refused list is not there.
    refused: Option<BTreeMap<u32, u32>>,
    drop_own: Option<MemberNumber>,
}

struct Epoch {
    number: u64,
    hash: Digest,
    key_pair: KemKeyPair,
    psk: SessionPsk,
}

impl Reader {
    fn new(input: &Input<'_>) -> Self {
        let (authority, policy) = (input.authority("authority"), input.get("policy"));
        let credentials = input.list("credentials").into_iter().map(|credential| {
            let verified = VerifiedCredential::verify(credential.as_hex(), &authority).unwrap();
            (verified.fields().member.0, verified)
        });
        let epochs = input.list("epochs").into_iter().map(|epoch| {
            let reader = ReaderSecret::new(epoch.secret("reader_secret"));
            Epoch {
                number: epoch.u64("epoch"),
                hash: epoch.digest("hash"),
                key_pair: reader.group_key_pair(),
                psk: reader.psk().session(),
            }
        });
        let text = |filter: &Input<'_>| String::from_utf8(filter.as_text()).unwrap();
        let refusal = |entry: &Input<'_>| (entry.number("member"), entry.number("lowest_serial"));
        let unknown_list = input.raw().get("refused").is_some_and(Value::is_null);
        Self {
            group: input.group("group"),
            credentials: credentials.collect(),
            epochs: epochs.collect(),
            authority,
            filters: input.list("filters").iter().map(text).collect(),
            policy: ReadPolicy {
                skew: policy.number("skew"),
                grace: policy.number("grace"),
                freshness: policy.number("freshness"),
                will_age: policy.number("will_age"),
            },
            issued_at: input.u64("issued_at"),
            not_after: input.u64("not_after"),
            delegation_not_after: input.opt_u64("delegation_not_after").unwrap_or(u64::MAX),
            no_clock: false,
            refused: (!unknown_list).then(|| input.list("refused").iter().map(refusal).collect()),
            drop_own: (!input.flag("own_messages")).then(|| MemberNumber(input.number("number"))),
        }
    }

    fn judge(&self, credential: &VerifiedCredential<impl AsRef<[u8]>>, topic: Topic<'_>) -> Sender {
        let fields = credential.fields();
        let covers = |filter: &String| Filter::new(filter).unwrap().matches(topic);
        let covered = self.filters.iter().any(covers);
        let granted = fields.grant(&self.group).is_some_and(|grant| {
            let filter = Filter::new(grant.publish_filter);
            grant.access.may_publish()
                && (grant.publish_filter.is_empty()
                    || matches_grant(filter.unwrap(), fields.name, topic))
        });
        let lowest = |list: &BTreeMap<_, _>| list.get(&fields.member.0).copied().unwrap_or(0);
        let listed = self.refused.as_ref().map(lowest);
        // spec/keys.md §8: without a clock it is at least the time of the newest announcement.
        let over = self.no_clock && fields.not_after < self.issued_at;
        Sender {
            member: fields.member,
            key: *credential.key(),
            credential_hash: *credential.hash(),
            delegation: fields.serial,
            serial: fields.credential_serial,
            issued_at: fields.issued_at,
            not_after: fields.not_after.min(self.delegation_not_after),
            may_publish: covered && granted,
            lowest_serial: if over { Some(REMOVED) } else { listed },
        }
    }
}

impl Epochs for Reader {
    fn find(&self, key_id: &KeyId) -> Option<ReadingEpoch<'_>> {
        let mut epochs = self.epochs.iter();
        let epoch = epochs.find(|epoch| KeyId::of(&epoch.hash) == *key_id)?;
        Some(ReadingEpoch {
            group: self.group,
            epoch: epoch.number,
            announcement: epoch.hash,
            suite: Suite::One,
            key_pair: &epoch.key_pair,
            psk: &epoch.psk,
            not_after: self.not_after.min(self.delegation_not_after),
            policy: self.policy,
        })
    }
}

impl Directory for Reader {
    fn sender(&self, query: &SenderQuery<'_>) -> Option<Sender> {
        Some(self.judge(self.credentials.get(&query.member.0)?, query.topic))
    }

    fn admit(
        &self,
        query: &SenderQuery<'_>,
        credential: &[u8],
        known: Option<CredentialOrder>,
    ) -> Option<Sender> {
        let verified = VerifiedCredential::verify(credential, &self.authority).ok()?;
        let newer = known.is_none_or(|known| verified.fields().order() > known);
        (newer && verified.fields().member == query.member)
            .then(|| self.judge(&verified, query.topic))
    }
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
    let (mut reader, mut receiver) = (Reader::new(&reader_input), receiver());
    for floor in reader_input.list("floors") {
        let serial = reader.authority.serial;
        receiver.restore(floor_record(reader.group, serial, floor));
    }
    let mut last = None;
    for (n, delivery) in input.list("deliveries").into_iter().enumerate() {
        let at = |fault: String| broken(format_args!("delivery {n}: {fault}"));
        let got = deliver(&mut reader, &mut receiver, delivery).map_err(at)?;
        let (given, expect) = (to_value(&got), delivery.value("expect"));
        if given != *expect {
            return Err(at(format!("gives {given}, the vector says {expect}")));
        }
        last = got.get("reason").cloned();
    }
    match last {
        Some(Json::Text(reason)) => Err(No::Refused(reason)),
        _ => Ok(object! {}),
    }
}

fn deliver(
    reader: &mut Reader,
    receiver: &mut HostReceiver,
    delivery: Input<'_>,
) -> Result<Json, String> {
    let (topic, envelope) = (delivery.text("topic"), delivery.hex("envelope"));
    let topic = Topic::from_bytes(&topic).map_err(|error| error.to_string())?;
    if let Some(plaintext) = delivery.opt("plaintext", Input::hex) {
        check_plaintext(reader, &envelope, topic, &plaintext)?;
    }
    let request = Request {
        retained: delivery.flag("retained"),
        now: delivery.opt_u64("now_ms"),
        drop_own: reader.drop_own,
        ..Request::new(topic)
    };
    reader.no_clock = request.now.is_none();
    let mut buffer = envelope.clone();
    let message = match receiver.open(&request, reader, reader, &mut buffer) {
        Ok(opened) => {
            if let Some(fresh) = opened.credential() {
                let fresh = VerifiedCredential::verify(fresh.to_vec(), &reader.authority).unwrap();
                reader.credentials.insert(fresh.fields().member.0, fresh);
            }
            if opened.is_retained_delivery() != request.retained {
                return Err("not marked as retained".to_owned());
            }
            message(&opened, reader)
        }
        Err(rejection) => {
            if rejection.may_wait() && buffer != envelope {
                return Err(format!("{} does not keep the envelope", rejection.name()));
            }
            return Ok(object! { reason: rejection.name() });
        }
    };
    // What is stored reads back.
    for record in receiver.records() {
        let stored = encoded(&record);
        if Record::decode(&stored).map(|record| encoded(&record)) != Ok(stored) {
            return Err("a record does not read back".to_owned());
        }
    }
    Ok(object! { message: message })
}

fn encoded(record: &Record<16>) -> Vec<u8> {
    let mut stored = vec![0; Record::<16>::MAX_LEN];
    let len = record.encode(&mut stored).unwrap();
    stored.truncate(len);
    stored
}

fn message(opened: &Opened<'_>, reader: &Reader) -> Json {
    let name = reader.credentials[&opened.sender().0].fields().name;
    let mut out = object! {
        epoch: opened.epoch(), sender: opened.sender().0, name: Json::text(name),
        credential_serial: opened.credential_serial(), session_number: opened.session_number(),
        counter: opened.counter(), retain: opened.retain(), will: opened.is_will(),
        payload: Json::hex(opened.payload()),
    };
    let sequence = opened.sequence().map(u64::from);
    for (name, value) in [("sent_at", opened.sent_at()), ("sequence", sequence)] {
        if let Some(value) = value {
            out = out.with(name, value);
        }
    }
    match opened.properties() {
        Some(all) => out.with(
            "properties",
            Json::Array(all.iter().map(property).collect()),
        ),
        None => out,
    }
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

fn check_plaintext(
    reader: &Reader,
    envelope: &[u8],
    topic: Topic<'_>,
    stated: &[u8],
) -> Result<(), String> {
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
    if text == stated {
        Ok(())
    } else {
        Err("another plaintext".to_owned())
    }
}

/// A sender's record with nothing but a floor, in this implementation's stored form.
fn floor_record(group: GroupId, serial: u32, floor: Input<'_>) -> Record<16> {
    let serial = floor.opt_u64("serial").unwrap_or(serial.into()) as u32;
    let mut stored = vec![5];
    stored.extend_from_slice(&group.0);
    stored.extend_from_slice(&floor.number::<u32>("sender").to_be_bytes());
    stored.extend_from_slice(&serial.to_be_bytes());
    stored.extend_from_slice(&floor.number::<u32>("credential_serial").to_be_bytes());
    stored.extend_from_slice(&floor.u64("floor").to_be_bytes());
    stored.resize(Record::<16>::MAX_LEN, 0);
    Record::decode(&stored).unwrap()
}

/// Two messages, sealed here, with the sequences of the vector.
pub(crate) fn gap(input: Input<'_>) -> Checked {
    let mut group = Group::new("gaps", 4);
    group.rotate();
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
