//! Kinds `seal`, `hedge` and `session_number`.

use sealmq_core::KeyId;
use sealmq_core::crypto::{
    ChangeContext, DeviceSecret, Entropy, IdentityKey, KemPublicKey, Purpose, SessionPsk,
    SignatureContext, extract,
};
use sealmq_core::seal::{
    Outgoing, Publisher, SealError, SenderSession, SessionLimits, SessionRecord, SessionStart,
    StateSession, Value, next_session_number,
};
use sealmq_core::topic::Topic;
use sealmq_core::wire::{
    Head, MAX_COUNTER, PropertiesBuilder, PropertiesError, Property, PropertyList, Writer,
};
use sealmq_keys::kept_name;

use super::basics::padding_of;
use super::{Checked, Input, No, broken, require};
use crate::stand_ins::AnyMember;
use crate::vectors::craft::{Session, Transcript};
use crate::vectors::hpke;
use crate::vectors::prelude::*;

const GROUP: GroupId = GroupId([7; 16]);

/// Above this the messages before it are not sealed, but the last one is put together by hand.
const MAX_SEALED_BEFORE: u32 = 300;

pub(crate) fn hedge(input: Input<'_>) -> Checked {
    let purpose = match input.u64("purpose") {
        1 => Purpose::Session,
        2 => Purpose::KeyPackage,
        3 => Purpose::Nonce,
        _ => Purpose::Join,
    };
    let entropy = Entropy::take(&mut input.array("rng")).map_err(|_| "rng")?;
    let secret = DeviceSecret::new(input.secret("device_secret"));
    let (number, mut ikm) = (input.u64("number"), input.hex("rng"));
    let hedged = if let Some(change) = input.opt("change", Input::get) {
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
    Ok(object! {
        prk: *extract(&input.secret("device_secret"), &[&ikm]).expose(),
        seed: *hedged.seed.expose(), next_device_secret: *hedged.next.expose(),
    })
}

pub(crate) fn seal(input: Input<'_>) -> Checked {
    let entropy = Entropy::take(&mut input.array("rng")).map_err(|_| "rng")?;
    let (number, device_secret) = (input.u64("session_number"), input.secret("device_secret"));
    let prk = extract(&device_secret, &[&input.hex("rng")]);
    let hedged = DeviceSecret::new(device_secret).hedge(&entropy, Purpose::Session, number);
    let keys = Keys::of(input);
    let envelope = seal_with(input, &keys, &hedged.seed)?;
    let mut all = intermediate(input, &keys, &envelope, &hedged.seed)?
        .with("seed", *hedged.seed.expose())
        .with("next_device_secret", *hedged.next.expose())
        .with("session_psk", hpke::session_psk(&keys.psk))
        .with("prk", *prk.expose())
        .with("envelope", Json::hex(&envelope));
    if keys.kept {
        all = all.with("kept_name", keys.name.0);
    }
    Ok(all)
}

/// What a session is made from: an epoch's keys, or kept keys.
struct Keys {
    kept: bool,
    /// H, or K'.
    name: Digest,
    public: [u8; 32],
    psk: Secret,
}

impl Keys {
    fn of(input: Input<'_>) -> Self {
        let kept = input.has("kept");
        let (name, public, psk) = if kept {
            (kept_name(&input.digest("kept")), "kept_key", "kept_psk")
        } else {
            (input.digest("announcement_hash"), "group_key", "psk")
        };
        let (public, psk) = (input.array(public), input.secret(psk));
        Self {
            kept,
            name,
            public,
            psk,
        }
    }

    /// In the form of the vector.
    fn session(&self, input: Input<'_>, seed: &Secret) -> Session {
        let session = Session::with_seed(&self.public, &self.psk, &self.name, seed).unwrap();
        match input.flag("short") {
            true => session.short(input.number("sender")),
            false => session,
        }
    }
}

/// A session of the class that its keys are for.
enum Sealing {
    Events(SenderSession),
    State(StateSession),
}

impl Sealing {
    fn start(keys: &Keys, number: u64, seed: &Secret) -> Result<Self, SealError> {
        let psk = SessionPsk::derive(&keys.psk);
        let start = SessionStart {
            group: GROUP,
            announcement: &keys.name,
            suite: Suite::One,
            group_key: &KemPublicKey(keys.public),
            psk: &psk,
            not_after: u64::MAX,
            limits: SessionLimits::default(),
            number,
            seed,
            now: None,
        };
        match keys.kept {
            true => StateSession::start(&start).map(Self::State),
            false => SenderSession::start(&start).map(Self::Events),
        }
    }

    /// Its record, which the broker then has.
    fn record(&mut self, publisher: &Publisher<'_, &AnyMember>, psk: &Secret, out: &mut [u8]) {
        let record = SessionRecord {
            topic: Topic::new("record").unwrap(),
            psk: &SessionPsk::derive(psk),
            credential: b"credential",
            sent_at: None,
        };
        if let Self::Events(session) = self {
            session
                .seal_record_into(publisher, &record, None, out)
                .unwrap();
            session.record_published();
        }
    }

    /// `value` is of no account to events.
    fn seal(
        &mut self,
        publisher: &Publisher<'_, &AnyMember>,
        message: &Outgoing<'_>,
        value: &Value<'_>,
        payload: &[u8],
        out: &mut [u8],
    ) -> Result<usize, SealError> {
        match self {
            Self::Events(session) => session.seal_into(publisher, message, None, payload, out),
            Self::State(session) => {
                session.seal_into(publisher, message, value, None, payload, out)
            }
        }
    }
}

/// The envelope, or the reason for refusing.
fn seal_with(input: Input<'_>, keys: &Keys, seed: &Secret) -> Result<Vec<u8>, No> {
    let key = IdentityKey::from_seed(&input.secret("identity_seed"));
    let sender = AnyMember {
        group: GROUP,
        member: MemberNumber(input.number("sender")),
        key: key.verifying_key(),
        credential_hash: input.digest("credential_hash"),
        serial: input.number("credential_serial"),
    };
    let publisher = Publisher::new(&key, &sender).unwrap();
    let number = input.u64("session_number");
    let mut session = Sealing::start(keys, number, seed).map_err(|error| match error {
        SealError::GroupKey => "group_key",
        _ => "field",
    })?;
    let topic = input.text("topic");
    let topic = Topic::from_bytes(&topic).map_err(|_| "field")?;
    let mut buffer = vec![0; 1 << 17];
    let properties = properties(input, &mut buffer).map_err(|_| "field")?;
    let credential = input.opt("credential", Input::hex);
    let padding = input.get("padding");
    let message = Outgoing {
        topic,
        sent_at: input.opt_u64("sent_at"),
        sequence: input.opt("sequence", Input::number),
        properties,
        credential: credential.as_deref(),
        padding: padding_of(padding.u64("mode"), padding.u64("bucket")),
        short: input.flag("short"),
    };
    let (retain, will) = (input.flag("retain"), input.flag("will"));
    // What the types forbid: each class has its sessions, and only a value has a connection.
    require((retain || will) == keys.kept, "field")?;
    require((retain && !will) == input.has("connection"), "field")?;
    let is_full = keys.kept || credential.is_some();
    require(!(message.short && is_full), "field")?;
    let age = message
        .sent_at
        .map(|at| at.checked_add(1 << 31)?.checked_sub(1000 * number));
    let is_sayable = age.is_none_or(|age| age.is_some_and(|age| age < 1 << 32));
    require(!message.short || is_sayable, "field")?;
    let value = Value {
        connection: input.opt_u64("connection").unwrap_or(0),
        credential: match (&credential, will) {
            (Some(credential), _) => credential,
            (None, true) => &[],
            (None, false) if retain => return Err("field".into()),
            (None, false) => &[],
        },
    };
    let counter = input.number::<u32>("counter");
    require(counter <= MAX_COUNTER, "field")?;
    let mut out = vec![0; 1 << 18];
    let mut before = counter.min(MAX_SEALED_BEFORE);
    if message.short {
        session.record(&publisher, &keys.psk, &mut out);
        before = before.saturating_sub(1);
    }
    for _ in 0..before {
        let before = Outgoing::new(topic);
        session
            .seal(&publisher, &before, &value, b"before", &mut out)
            .unwrap();
    }
    let payload = input.hex("payload");
    let sealed = match session {
        Sealing::State(session) if will => {
            session.seal_will_into(&publisher, &message, retain, None, &payload, &mut out)
        }
        mut session => session.seal(&publisher, &message, &value, &payload, &mut out),
    };
    out.truncate(sealed.map_err(|_| "field")?);
    if counter > MAX_SEALED_BEFORE {
        out = move_to_counter(input, &keys.session(input, seed), &out, counter);
    }
    Ok(out)
}

/// The same message under a higher counter. Its body is the real code's; header, signature and
/// encryption are put together anew.
fn move_to_counter(input: Input<'_>, session: &Session, envelope: &[u8], counter: u32) -> Vec<u8> {
    let topic = input.text("topic");
    let plaintext = decrypt(session, envelope, &topic).unwrap();
    let body = &plaintext[..plaintext.len() - 64];
    let transcript = transcript(input, session, counter);
    let digest = sha256(&[&transcript.bytes(body)]);
    let key = IdentityKey::from_seed(&input.secret("identity_seed"));
    let signature = key.sign(SignatureContext::Message, &digest);
    session.encrypt(counter, &topic, &[body, &signature].concat())
}

fn transcript(input: Input<'_>, session: &Session, counter: u32) -> Transcript {
    let credential = input.digest("credential_hash");
    let number = input.u64("session_number");
    session.transcript(counter, &input.text("topic"), credential, number)
}

fn decrypt(session: &Session, envelope: &[u8], topic: &[u8]) -> Result<Vec<u8>, No> {
    let head = Head::parse(envelope).map_err(broken)?;
    let (text, tag) = envelope[head.encoded_len()..]
        .split_last_chunk::<16>()
        .unwrap();
    let mut text = text.to_vec();
    let key = sealmq_core::crypto::MessageKey::new(&Secret::new(session.message_key));
    let (nonce, aad) = (
        session.nonce(head.counter()),
        session.aad(head.counter(), topic),
    );
    key.open_in_place(&nonce, &aad, &mut text, tag)
        .map_err(broken)?;
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
            "message_expiry" => {
                let seconds = u32::try_from(value.as_u64()).unwrap();
                builder.push(Property::MessageExpiry(seconds))?;
            }
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
fn intermediate(input: Input<'_>, keys: &Keys, envelope: &[u8], seed: &Secret) -> Checked {
    let (session, topic) = (keys.session(input, seed), input.text("topic"));
    let head = Head::parse(envelope).map_err(broken)?;
    let counter = head.counter();
    let mut written = [0; 48];
    let mut writer = Writer::new(&mut written);
    head.emit(&mut writer).unwrap();
    let (enc, mac, tag) = match head {
        Head::Full(header) => {
            assert_eq!(header.key_id, KeyId::of(&session.announcement));
            (header.enc, header.mac, None)
        }
        Head::Short(header) => (session.enc, session.mac, Some(header.tag)),
    };
    let plaintext = decrypt(&session, envelope, &topic)?;
    let (body, signature) = plaintext.split_last_chunk::<64>().unwrap();
    let transcript = transcript(input, &session, head.counter()).bytes(body);
    let digest = sha256(&[&transcript]);
    let key = IdentityKey::from_seed(&input.secret("identity_seed")).verifying_key();
    key.verify(SignatureContext::Message, &digest, signature)
        .map_err(broken)?;
    let mut buffer = vec![0; 1 << 17];
    let properties = properties(input, &mut buffer).unwrap();
    let values = object! {
        enc: enc, mac: Json::hex(mac), message_key: session.message_key, base_nonce: Json::hex(session.base_nonce),
        nonce: Json::hex(session.nonce(counter)), header: Json::hex(writer.finish()),
        topic_hash: sha256(&[&topic]), aad: Json::hex(session.aad(counter, &topic)),
        body: Json::hex(body), transcript: Json::hex(&transcript), transcript_hash: digest,
        signature_input: Json::hex(SignatureContext::Message.signed_bytes(&digest)),
        signature: Json::hex(signature),
    };
    let values = match tag {
        Some(tag) => values.with("session_tag", Json::hex(tag.0)),
        None => values,
    };
    Ok(match properties {
        Some(properties) => values.with("properties", Json::hex(properties.as_bytes())),
        None => values,
    })
}

pub(crate) fn session_number(input: Input<'_>) -> Checked {
    let now = input.opt_u64("now").map(|seconds| seconds * 1000 + 999);
    let number = next_session_number(input.u64("previous"), now).ok_or("field")?;
    Ok(object! { session_number: number })
}
