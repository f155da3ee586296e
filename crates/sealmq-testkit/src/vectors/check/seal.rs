//! Kinds `seal`, `hedge` and `session_number`.

use std::ops::ControlFlow;

use sealmq_core::KeyId;
use sealmq_core::crypto::{
    ChangeContext, DeviceSecret, Entropy, IdentityKey, KemPublicKey, Purpose, SessionPsk,
    SignatureContext, extract,
};
use sealmq_core::seal::{
    Outgoing, Publisher, SealError, SenderSession, SessionLimits, SessionStart, next_session_number,
};
use sealmq_core::topic::Topic;
use sealmq_core::wire::{
    Header, MAX_COUNTER, PropertiesBuilder, PropertiesError, Property, PropertyList, Writer,
};

use super::basics::padding_of;
use super::{Input, Outcome, refused};
use crate::stand_ins::AnyMember;
use crate::vectors::craft::Session;
use crate::vectors::hpke;
use crate::vectors::prelude::*;

const GROUP: GroupId = GroupId([7; 16]);

/// Above this the messages before it are not sealed, but the last one is put together by hand.
const MAX_SEALED_BEFORE: u32 = 300;

pub(crate) fn hedge(input: Input<'_>) -> Outcome {
    let purpose = match input.u64("purpose") {
        1 => Purpose::Session,
        2 => Purpose::KeyPackage,
        3 => Purpose::Nonce,
        _ => Purpose::Join,
    };
    let Ok(entropy) = Entropy::take(&mut input.array("rng")) else {
        return refused("rng");
    };
    let secret = DeviceSecret::new(input.secret("device_secret"));
    let (number, mut ikm) = (input.u64("number"), input.hex("rng"));
    let hedged = if input.has("change") {
        let change = input.get("change");
        let change = ChangeContext {
            serial: change.number("serial"),
            at: change.u64("at"),
            log_head: change.array("log_head"),
        };
        ikm.extend(change.serial.to_be_bytes());
        ikm.extend(change.at.to_be_bytes());
        ikm.extend(change.log_head);
        secret.hedge_change(&entropy, &change, number)
    } else {
        secret.hedge(&entropy, purpose, number)
    };
    Outcome::Accepted(object! {
        prk: *extract(&input.secret("device_secret"), &[&ikm]).expose(),
        seed: *hedged.seed.expose(),
        next_device_secret: *hedged.next.expose(),
    })
}

pub(crate) fn seal(input: Input<'_>) -> Result<Outcome, String> {
    let Ok(entropy) = Entropy::take(&mut input.array("rng")) else {
        return Ok(refused("rng"));
    };
    let number = input.u64("session_number");
    let hedged =
        DeviceSecret::new(input.secret("device_secret")).hedge(&entropy, Purpose::Session, number);
    match seal_with(input, &hedged.seed) {
        ControlFlow::Break(reason) => Ok(refused(reason)),
        ControlFlow::Continue(envelope) => {
            let values = intermediate(input, &envelope, &hedged.seed)?
                .with("seed", *hedged.seed.expose())
                .with("next_device_secret", *hedged.next.expose())
                .with("session_psk", hpke::session_psk(&input.secret("psk")))
                .with(
                    "prk",
                    *extract(&input.secret("device_secret"), &[&input.hex("rng")]).expose(),
                )
                .with("envelope", Json::hex(&envelope));
            Ok(Outcome::Accepted(values))
        }
    }
}

/// The envelope, or the reason for refusing.
fn seal_with(input: Input<'_>, seed: &Secret) -> ControlFlow<&'static str, Vec<u8>> {
    let key = IdentityKey::from_seed(&input.secret("identity_seed"));
    let sender = AnyMember {
        group: GROUP,
        member: MemberNumber(input.number("sender")),
        key: key.verifying_key(),
        credential_hash: input.digest("credential_hash"),
        serial: input.number("credential_serial"),
    };
    let publisher = Publisher::new(&key, &sender).unwrap();
    let announcement = input.digest("announcement_hash");
    let psk = SessionPsk::derive(&input.secret("psk"));
    let start = SessionStart {
        group: GROUP,
        announcement: &announcement,
        suite: Suite::One,
        group_key: &KemPublicKey(input.array("group_key")),
        psk: &psk,
        not_after: u64::MAX,
        limits: SessionLimits::default(),
        number: input.u64("session_number"),
        seed,
        now: None,
    };
    let mut session = match SenderSession::start(&start) {
        Ok(session) => session,
        Err(SealError::GroupKey) => return ControlFlow::Break("group_key"),
        Err(_) => return ControlFlow::Break("field"),
    };
    let topic = input.text("topic");
    let Ok(topic) = Topic::from_bytes(&topic) else {
        return ControlFlow::Break("field");
    };
    let mut buffer = vec![0; 1 << 17];
    let properties = match properties(input, &mut buffer) {
        Ok(properties) => properties,
        Err(_) => return ControlFlow::Break("field"),
    };
    let credential = input.has("credential").then(|| input.hex("credential"));
    let padding = input.get("padding");
    let message = Outgoing {
        topic,
        sent_at: input.opt_u64("sent_at"),
        sequence: input
            .opt_u64("sequence")
            .map(|sequence| u32::try_from(sequence).unwrap()),
        retain: input.flag("retain"),
        properties,
        credential: credential.as_deref(),
        padding: padding_of(padding.u64("mode"), padding.u64("bucket")),
    };
    let counter = input.number::<u32>("counter");
    if counter > MAX_COUNTER {
        return ControlFlow::Break("field");
    }
    let mut out = vec![0; 1 << 18];
    for _ in 0..counter.min(MAX_SEALED_BEFORE) {
        session
            .seal_into(&publisher, &Outgoing::new(topic), None, b"before", &mut out)
            .unwrap();
    }
    let payload = input.hex("payload");
    let sealed = if input.flag("will") {
        session.seal_will_into(&publisher, &message, None, &payload, &mut out)
    } else {
        session.seal_into(&publisher, &message, None, &payload, &mut out)
    };
    let Ok(len) = sealed else {
        return ControlFlow::Break("field");
    };
    out.truncate(len);
    if counter > MAX_SEALED_BEFORE {
        out = move_to_counter(input, seed, &out, counter);
    }
    ControlFlow::Continue(out)
}

/// The same message under a higher counter. Its body is the real code's; header, signature and
/// encryption are put together anew.
fn move_to_counter(input: Input<'_>, seed: &Secret, envelope: &[u8], counter: u32) -> Vec<u8> {
    let session = session(input, seed);
    let plaintext = decrypt(&session, envelope, &input.text("topic")).unwrap();
    let body = &plaintext[..plaintext.len() - 64];
    let transcript = session.transcript(
        counter,
        &input.text("topic"),
        input.digest("credential_hash"),
    );
    let key = IdentityKey::from_seed(&input.secret("identity_seed"));
    let signature = key.sign(
        SignatureContext::Message,
        &sha256(&[&transcript.bytes(body)]),
    );
    session.encrypt(counter, &input.text("topic"), &[body, &signature].concat())
}

fn session(input: Input<'_>, seed: &Secret) -> Session {
    Session::with_seed(
        &input.array("group_key"),
        &input.secret("psk"),
        &input.digest("announcement_hash"),
        seed,
    )
    .unwrap()
}

fn decrypt(session: &Session, envelope: &[u8], topic: &[u8]) -> Result<Vec<u8>, String> {
    let header = Header::parse(envelope).map_err(|error| error.to_string())?;
    let (text, tag) = envelope[header.encoded_len()..]
        .split_last_chunk::<16>()
        .unwrap();
    let mut text = text.to_vec();
    let key = sealmq_core::crypto::MessageKey::new(&Secret::new(session.message_key));
    let aad = session.aad(header.counter, topic);
    key.open_in_place(&session.nonce(header.counter), &aad, &mut text, tag)
        .map_err(|error| error.to_string())?;
    Ok(text)
}

fn properties<'b>(
    input: Input<'_>,
    buffer: &'b mut [u8],
) -> Result<Option<PropertyList<'b>>, PropertiesError> {
    if !input.has("properties") {
        return Ok(None);
    }
    let mut builder = PropertiesBuilder::new(buffer);
    for property in input.list("properties") {
        let (name, value) = property.only_member();
        let text = |value: &Input<'_>| String::from_utf8(value.as_text()).unwrap();
        match name {
            "payload_format" => builder.push(Property::PayloadFormat(value.as_u64() == 1))?,
            "message_expiry" => builder.push(Property::MessageExpiry(
                u32::try_from(value.as_u64()).unwrap(),
            ))?,
            "content_type" => builder.push(Property::ContentType(&text(&value)))?,
            "response_topic" => {
                let topic = text(&value);
                let topic = Topic::new(&topic).map_err(|_| PropertiesError::Value)?;
                builder.push(Property::ResponseTopic(topic))?;
            }
            "correlation_data" => builder.push(Property::CorrelationData(&value.as_hex()))?,
            _ => {
                let texts: Vec<String> = value.items().iter().map(text).collect();
                builder.push(Property::User(&texts[0], &texts[1]))?;
            }
        }
    }
    builder.finish().map(Some)
}

/// What stands between the inputs and the envelope, taken from the envelope where it can be.
fn intermediate(input: Input<'_>, envelope: &[u8], seed: &Secret) -> Result<Json, String> {
    let (session, topic) = (session(input, seed), input.text("topic"));
    let header = Header::parse(envelope).map_err(|error| error.to_string())?;
    let mut written = [0; 44];
    let mut writer = Writer::new(&mut written);
    header.emit(&mut writer).unwrap();
    assert_eq!(header.key_id, KeyId::of(&session.announcement));
    let plaintext = decrypt(&session, envelope, &topic)?;
    let (body, signature) = plaintext.split_last_chunk::<64>().unwrap();
    let transcript = session
        .transcript(header.counter, &topic, input.digest("credential_hash"))
        .bytes(body);
    let digest = sha256(&[&transcript]);
    let key = IdentityKey::from_seed(&input.secret("identity_seed")).verifying_key();
    key.verify(SignatureContext::Message, &digest, signature)
        .map_err(|error| error.to_string())?;
    let mut buffer = vec![0; 1 << 17];
    let properties = properties(input, &mut buffer).unwrap();
    let values = object! {
        enc: header.enc,
        message_key: session.message_key,
        base_nonce: Json::hex(session.base_nonce),
        nonce: Json::hex(session.nonce(header.counter)),
        header: Json::hex(writer.finish()),
        topic_hash: sha256(&[&topic]),
        aad: Json::hex(session.aad(header.counter, &topic)),
        body: Json::hex(body),
        transcript: Json::hex(&transcript),
        transcript_hash: digest,
        signature_input: Json::hex(SignatureContext::Message.signed_bytes(&digest)),
        signature: Json::hex(signature),
    };
    Ok(match properties {
        Some(properties) => values.with("properties", Json::hex(properties.as_bytes())),
        None => values,
    })
}

pub(crate) fn session_number(input: Input<'_>) -> Outcome {
    let now = input.opt_u64("now").map(|seconds| seconds * 1000 + 999);
    match next_session_number(input.u64("previous"), now) {
        Some(number) => Outcome::Accepted(object! { session_number: number }),
        None => refused("field"),
    }
}
