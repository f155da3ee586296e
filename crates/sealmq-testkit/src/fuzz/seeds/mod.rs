//! First entries of the corpora: real objects, and scripts that reach every action.

mod scripts;
mod small;

use sealmq_core::crypto::{IdentityKey, Secret, sha256};
use sealmq_core::object::{Access, Extension, Extensions, List, OBJECT_OVERHEAD, encode};
use sealmq_core::wire::{BodyPrefix, MAX_COUNTER, PropertiesBuilder, Property, Suite, Writer};
use sealmq_core::{Credential, DomainId, Grant, GroupId, KeyId, MemberNumber};
use sealmq_core::{topic::Topic, wire::Header};
use sealmq_keys::{
    CONTINUES, Continuation, DelegatedKemKey, DelegatedKey, Delegation, Fingerprint, FollowContext,
    Generation, GroupState, Issuer, KEM_X25519, ReservedTopic, Roles, encode_request,
};

use crate::fuzz::world::{Device, NOW, World, YEAR};
use crate::table::table;

/// A target's name, a name for the entry, its bytes.
pub type Seed = (&'static str, String, Vec<u8>);

/// The seeds of every target. The same at every call.
#[must_use]
pub fn seeds() -> Vec<Seed> {
    let mut all = Vec::new();
    let mut add = |target: &'static str, name: &str, bytes: Vec<u8>| {
        all.push((target, format!("seed-{name}"), bytes));
    };
    wire(&mut add);
    topics(&mut add);
    objects(&mut add);
    small::small(&mut add);
    states(&mut add);
    files(&mut add);
    scripts::scripts(&mut add);
    all
}

const NO_EXTENSIONS: Extensions<'static> = List::EMPTY;

/// Bodies with one extension that is ignored, and one that is critical.
fn extended(fields: &impl serde::Serialize, add: Add<'_>, target: &'static str) {
    for (name, id) in [("extended", 7_u16), ("critical", 0x8007)] {
        let (mut list, mut out) = ([0; 32], vec![0; 4096]);
        let value = b"later".as_slice();
        let list = List::encode(&[Extension { id, value }], &mut list).unwrap();
        let body = encode(&(fields, list), &mut out).unwrap();
        add(target, name, body.to_vec());
    }
}

type Add<'a> = &'a mut dyn FnMut(&'static str, &str, Vec<u8>);

fn wire(add: Add<'_>) {
    for value in [0, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
        let mut out = [0; 10];
        let mut writer = Writer::new(&mut out);
        writer.varint(value).unwrap();
        add("varint", &value.to_string(), writer.finish().to_vec());
    }
    table! { add:
        "varint": "overlong", vec![0x85, 0];
        "varint": "eleven",   vec![0xff; 11];
    }
    for (name, counter) in [("first", 0), ("two", 128), ("last", MAX_COUNTER)] {
        let header = Header {
            suite: Suite::One,
            key_id: KeyId([7; 8]),
            enc: [9; 32],
            mac: [3; 4],
            counter,
        };
        let mut out = [0; 160];
        header.emit(&mut Writer::new(&mut out)).unwrap();
        add("envelope_header", name, out.to_vec());
    }
    table! { add:
        "envelope_header": "short-form", vec![0x91; 100];
        "envelope_header": "clear",      b"21.5C".to_vec();
    }

    let mut buffer = [0; 256];
    let mut builder = PropertiesBuilder::new(&mut buffer);
    for property in [
        Property::PayloadFormat(true),
        Property::MessageExpiry(60),
        Property::ContentType("text/plain"),
        Property::ResponseTopic(Topic::new("answers/7").unwrap()),
        Property::CorrelationData(&[1, 2, 3]),
        Property::User("unit", "C"),
        Property::User("unit", "K"),
    ] {
        builder.push(property).unwrap();
    }
    let properties = builder.finish().unwrap();
    table! { add:
        "properties": "all", properties.as_bytes().to_vec();
        "properties": "one", b"\x03\x00\x01x".to_vec();
    }

    let plain = BodyPrefix {
        sender: MemberNumber(7),
        hint: 1,
        session_number: 1_762_949_760,
        sent_at: None,
        sequence: None,
        credential: None,
        properties: None,
        retain: false,
        will: false,
        connection: 0,
        payload_len: None,
        short: false,
    };
    let full = BodyPrefix {
        sent_at: Some(1_762_949_761_000),
        sequence: Some(300),
        credential: Some(b"credential"),
        properties: Some(properties),
        retain: true,
        will: true,
        payload_len: Some(5),
        ..plain
    };
    let value = BodyPrefix {
        will: false,
        connection: 300,
        ..full
    };
    let short = BodyPrefix {
        session_number: 1_762_949_760,
        sent_at: Some(1_762_949_761_000),
        properties: Some(properties),
        short: true,
        ..plain
    };
    for (name, prefix, rest) in [
        ("plain", plain, &b"21.5C"[..]),
        ("short", short, b"21.5C"),
        ("value", value, b"21.5C\0\0"),
        ("full", full, b"21.5C\0\0\0"),
    ] {
        let mut out = vec![0; prefix.encoded_len().unwrap()];
        prefix.emit(&mut Writer::new(&mut out)).unwrap();
        add("body", name, [out.as_slice(), rest].concat());
    }
}

fn topics(add: Add<'_>) {
    for (name, text) in [
        ("plain", "plant/a/temp\0plant/+/temp\0plant/#"),
        ("parent", "a\0a/#\0a"),
        ("system", "$SYS/x\0#\0+/x"),
        ("empty-levels", "//\0+/+/+\0/#"),
        ("own-name", "plant/gateway/x\0plant/%c/#\0plant/+/x"),
    ] {
        add("topics", name, text.as_bytes().to_vec());
    }
}

/// The encoded fields of an object.
fn body(object: &[u8]) -> Vec<u8> {
    object[2..object.len() - (OBJECT_OVERHEAD - 2)].to_vec()
}

fn objects(add: Add<'_>) {
    let world = World::get();
    table! { add:
        "delegation": "real",     body(&world.delegation_object);
        "delegation": "two-keys", delegation(&[]);
        "delegation": "continues", delegation(&[(1, 0, 3), (2, 1, 4)]);
    }
    let member = |at: usize| format!("member-{at}");
    for (at, file) in world.credential_files.iter().enumerate() {
        let file = sealmq_keys::decode_credential_file(file).unwrap();
        add("credential", &member(at), body(&file.credential));
    }
    add("credential", "grants", credential());
    for (at, device) in world.devices.iter().enumerate().take(2) {
        add("key_package", &member(at), body(&device.package()));
        add("enrolment_request", &member(at), body(&device.request));
    }
    let genuine = &world.devices[0].request;
    // No token, a good one, a wrong mac, a mac without a token, a request without a domain.
    for (name, choice, id) in [
        ("operator", 0, [0; 8]),
        ("token", 1, [2; 8]),
        ("wrong-mac", 2, [2; 8]),
        ("mac-alone", 1, [0; 8]),
        ("no-domain", 5, [2; 8]),
    ] {
        let data = [&[choice], &id[..], &body(genuine)].concat();
        add("join_request", name, data);
    }
    table! { add:
        "join_request":      "no-request",   vec![7; 300];
        "enrolment_request": "whole-object", genuine.clone();
    }
    for (at, joined) in world.members.iter().enumerate() {
        add("welcome", &member(at), body(&joined.welcome));
    }
    let names = ["ordinary", "healing", "after"];
    for (name, announcement) in names.iter().zip(&world.announcements) {
        add("announcement", name, body(announcement));
    }
    table! { add:
        "announcement": "two-generations", two_generations(&world.announcements[0]);
    }
    let head = (DomainId([1; 16]), 1_u32, 0_u8, world.group);
    for (name, members) in [("one", 1_u32), ("many", 9)] {
        let records: Vec<u8> = (1..=members)
            .flat_map(|m| [m.to_be_bytes(), (u32::MAX - m % 2).to_be_bytes()].concat())
            .collect();
        let mut out = vec![0; records.len() + 64];
        let fields = (head, records.as_slice(), 0_u8, NO_EXTENSIONS);
        add(
            "refused_list",
            name,
            encode(&fields, &mut out).unwrap().to_vec(),
        );
    }
    let chunks = (2_u8, (1_u32, [7_u8; 32]), (900_u32, [8_u8; 32]));
    let fields = (head, [].as_slice() as &[u8], chunks, NO_EXTENSIONS);
    let mut out = [0; 256];
    add(
        "refused_list",
        "chunks",
        encode(&fields, &mut out).unwrap().to_vec(),
    );
}

fn public(seed: u8) -> [u8; 32] {
    *IdentityKey::from_seed(&Secret::new([seed; 32]))
        .verifying_key()
        .as_bytes()
}

/// With a continuation that has these issuers, if there are any.
fn delegation(issuers: &[(u32, u8, u8)]) -> Vec<u8> {
    let keys = [1, 2].map(|n| DelegatedKey {
        key: public(n),
        roles: Roles::ALL,
    });
    let kem = DelegatedKemKey {
        kem: KEM_X25519,
        key: &[9; 32],
    };
    let (mut key_bytes, mut kem_bytes, mut out) = ([0; 128], [0; 64], [0; 512]);
    let fields = Delegation {
        domain: DomainId([0; 16]),
        root_key: [0; 32],
        serial: 3,
        issued_at: NOW,
        not_after: NOW + YEAR,
        keys: List::encode(&keys, &mut key_bytes).unwrap(),
        kem_keys: List::encode(&[kem], &mut kem_bytes).unwrap(),
    };
    if issuers.is_empty() {
        return encode(&(fields, NO_EXTENSIONS), &mut out).unwrap().to_vec();
    }
    let issuers = issuers.iter().map(|(serial, signer, seed)| Issuer {
        serial: *serial,
        signer: *signer,
        key: public(*seed),
    });
    let (mut list, mut value, mut extension) = ([0; 256], [0; 256], [0; 256]);
    let issuers = List::encode(&issuers.collect::<Vec<_>>(), &mut list).unwrap();
    let value = encode(&Continuation { since: 1, issuers }, &mut value).unwrap();
    let id = CONTINUES;
    let extensions = List::encode(&[Extension { id, value }], &mut extension).unwrap();
    let mut out = [0; 1024];
    encode(&(fields, extensions), &mut out).unwrap().to_vec()
}

fn credential() -> Vec<u8> {
    let grants = [(1, Access::BOTH, "plant/%c/#"), (2, Access::SUBSCRIBE, "")];
    let grants = grants.map(|(group, access, publish_filter)| {
        let group = GroupId([group; 16]);
        Grant {
            group,
            access,
            publish_filter,
        }
    });
    let (mut list, mut out) = ([0; 256], [0; 512]);
    let fields = Credential {
        domain: DomainId([0; 16]),
        serial: 1,
        signer: 0,
        member: MemberNumber(7),
        credential_serial: 2,
        name: "gateway-7",
        key: public(5),
        request: sha256(&[b"request"]),
        issued_at: NOW,
        not_after: NOW + YEAR,
        grants: List::encode(&grants, &mut list).unwrap(),
    };
    encode(&(fields, NO_EXTENSIONS), &mut out).unwrap().to_vec()
}

/// The same announcement with a second generation, which has a cover of its own.
fn two_generations(announcement: &[u8]) -> Vec<u8> {
    let body = body(announcement);
    let ((head, extensions), covers) =
        sealmq_core::object::decode_prefix::<(sealmq_keys::Head<'_>, Extensions<'_>)>(&body)
            .unwrap();
    let generations = [1, 2].map(|number| Generation {
        number,
        depth: 4,
        first_epoch: 1,
        deadline: 0,
    });
    let mut list = [0; 64];
    let head = sealmq_keys::Head {
        generations: List::encode(&generations, &mut list).unwrap(),
        ..head
    };
    let covers: &[u8] = sealmq_core::object::decode(covers).unwrap();
    let twice = [covers, covers].concat();
    let mut out = vec![0; 2048];
    encode(&(head, extensions, twice.as_slice()), &mut out)
        .unwrap()
        .to_vec()
}

fn states(add: Add<'_>) {
    let world = World::get();
    let context = FollowContext {
        authorities: &world.delegation,
        prefix: &world.prefix,
        now: Some(NOW),
        referenced: None,
        chunk: None,
    };
    for (at, member) in world.members.iter().enumerate().step_by(2) {
        let mut state = GroupState::decode(&member.state).unwrap();
        add("group_state", &format!("{at}-fresh"), member.state.clone());
        for announcement in &world.announcements {
            let _ = state.follow(announcement, &context);
        }
        let current = state.to_bytes().unwrap().to_vec();
        add("group_state", &format!("{at}-current"), current);
    }
    for (name, record) in crate::fuzz::kept::stored() {
        add("kept_state", name, record);
    }
    for (name, list) in crate::fuzz::kept::lists() {
        add("kept_keys", name, list);
    }
    for (name, record) in crate::fuzz::open::records() {
        add("replay_record", &name, record);
    }
}

fn files(add: Add<'_>) {
    let world = World::get();
    let request = encode_request(&Device::new(9, "spare").request).unwrap();
    table! { add:
        "armour": "request",    request.into_bytes();
        "armour": "credential", world.credential_files[0].clone().into_bytes();
        "armour": "crlf",       world.credential_files[1].replace('\n', "\r\n").into_bytes();
    }
    let (member, device) = (MemberNumber(7), Fingerprint([0xfe; 16]));
    for (name, topic) in table! {
        "delegation":   ReservedTopic::Delegation;
        "credential":   ReservedTopic::Credential(member);
        "welcome":      ReservedTopic::Welcome(member, world.group);
        "confirm":      ReservedTopic::Confirm(member);
        "packages":     ReservedTopic::Packages(member);
        "nonce-answer": ReservedTopic::NonceAnswer(member, world.group);
        "announcement": ReservedTopic::Announcement(world.group, 42);
        "chunk":        ReservedTopic::Chunk(world.group, 42, 3);
        "refused-list": ReservedTopic::RefusedList(world.group);
        "kept-keys":    ReservedTopic::KeptKeys(world.group);
        "heartbeat":    ReservedTopic::Heartbeat(world.group);
        "nonce":        ReservedTopic::Nonce(world.group, member);
        "session-record": ReservedTopic::SessionRecord(world.group, member);
        "join":         ReservedTopic::Join(device);
        "answer":       ReservedTopic::Answer(device);
    } {
        let text = format!("{}\0{}", world.prefix, topic.name(&world.prefix));
        add("reserved_topic", name, text.into_bytes());
    }
}
