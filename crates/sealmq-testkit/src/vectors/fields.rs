//! The decoded fields of objects as they stand in the vectors: the names of the spec, in wire order.

use sealmq_core::crypto::{Digest, VerifyingKey};
use sealmq_core::object::Extensions;
use sealmq_core::object::Kind;
use sealmq_core::object::List;
use sealmq_core::object::decode_prefix;
use sealmq_core::{Credential, DomainId, GroupId};
use sealmq_keys::{
    Announcement, Confirmation, Delegation, EnrolmentRequest, Head, HeartbeatFields,
    KeptKeysFields, KeyPackage, NonceAnswerFields, NonceFields, Policy, VerifiedDelegation,
    WelcomeFields,
};

use super::json::{Json, object};
use super::world::{Continued, WelcomeBody, body, continued_json, fields_of};

pub(crate) fn delegation(f: &Delegation<'_>) -> Json {
    let keys = f
        .keys
        .iter()
        .map(|k| object! { key: k.key, roles: body(&k.roles)[0] });
    let kem_keys = f
        .kem_keys
        .iter()
        .map(|k| object! { kem: k.kem, key: Json::hex(k.key) });
    object! {
        domain: f.domain.0, root_key: f.root_key, serial: f.serial, issued_at: f.issued_at, not_after: f.not_after,
        keys: Json::Array(keys.collect()), kem_keys: Json::Array(kem_keys.collect()),
    }
}

pub(crate) fn credential(f: &Credential<'_>) -> Json {
    let grants = f.grants.iter().map(|g| {
        object! { group: g.group.0, access: body(&g.access)[0], publish_filter: Json::text(g.publish_filter) }
    });
    object! {
        domain: f.domain.0, serial: f.serial, signer: f.signer, member: f.member.0, credential_serial: f.credential_serial,
        name: Json::text(f.name), key: f.key, request: f.request, issued_at: f.issued_at, not_after: f.not_after,
        grants: Json::Array(grants.collect()),
    }
}

pub(crate) fn key_package(f: &KeyPackage<'_>) -> Json {
    object! {
        domain: f.domain.0, identity: f.identity, number: f.number, kem: f.kem, init_key: Json::hex(f.init_key),
        issued_at: f.issued_at, not_after: f.not_after,
    }
}

pub(crate) fn enrolment_request(f: &EnrolmentRequest<'_>) -> Json {
    let packages = f.packages.iter().map(Json::hex);
    object! {
        domain: f.domain.0, token: Json::hex(f.token), name: Json::text(f.name), key: f.key,
        issued_at: f.issued_at, packages: Json::Array(packages.collect()),
    }
}

pub(crate) fn welcome(body: &WelcomeBody<'_>) -> Json {
    let f = &body.fields;
    object! {
        domain: f.domain.0, serial: f.serial, signer: f.signer, member: f.member.0, group: f.group.0,
        generation: f.generation, depth: f.depth, leaf: f.leaf, epoch: f.epoch, previous: f.previous,
        healing_epoch: f.healing_epoch, healing: f.healing, package_number: f.package_number, package: f.package,
        enc: Json::hex(body.enc), sealed: Json::hex(body.sealed),
    }
}

pub(crate) fn policy(p: &Policy) -> Json {
    object! {
        window: p.window, lease: p.lease, grace: p.grace, freshness: p.freshness, skew: p.skew, padding: p.padding,
        bucket: p.bucket, session_messages: p.session_messages, session_bytes: p.session_bytes,
        session_seconds: p.session_seconds, will_age: p.will_age, kept: p.kept,
    }
}

pub(crate) fn announcement(announcement: &Announcement<'_>) -> Json {
    let f = announcement.head();
    let generations = f.generations.iter().map(|g| {
        object! { number: g.number, depth: g.depth, first_epoch: g.first_epoch, deadline: g.deadline }
    });
    let covers = announcement.covers().map(|(_, cover)| {
        if let Some(chunks) = cover.chunked() {
            let chunks = chunks
                .iter()
                .map(|chunk| object! { first_leaf: chunk.first_leaf, hash: chunk.hash });
            return object! { chunked: Json::Array(chunks.collect()) };
        }
        let entries = cover.inline().unwrap();
        let entries = entries.iter().map(|entry| {
            object! { node: entry.node, wrapped: Json::hex(&entry.wrapped[..32]), tag: Json::hex(&entry.wrapped[32..]) }
        });
        object! { inline: Json::Array(entries.collect()) }
    });
    object! {
        domain: f.domain.0, serial: f.serial, signer: f.signer, epoch_kind: u8::from(f.epoch_kind.is_healing()),
        group: f.group.0, name: Json::text(f.name), epoch: f.epoch, salt: f.salt, previous: f.previous,
        healing_epoch: f.healing_epoch, healing: f.healing, issued_at: f.issued_at, not_after: f.not_after,
        policy: policy(&f.policy), filters: Json::Array(f.filters.iter().map(Json::text).collect()),
        group_key: f.group_key.0, psk_check: f.psk_check, kept_key: Json::hex(f.kept_key), refused: f.refused,
        generations: Json::Array(generations.collect()), covers: Json::Array(covers.collect()),
    }
}

/// Of a whole refused list: its fields before the entries are not public in the real code.
pub(crate) fn refused_list(object: &[u8]) -> Json {
    type Chunks<'a> = List<'a, (u32, Digest)>;
    let (domain, serial, signer, group, entries, chunks): (
        DomainId,
        u32,
        u8,
        GroupId,
        &[u8],
        Chunks<'_>,
    ) = fields_of(object, Kind::RefusedList);
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    let entries = entries.chunks(8).map(|entry| {
        object! { member: number(&entry[..4]), lowest_serial: number(&entry[4..]) }
    });
    object! {
        domain: domain.0, serial: serial, signer: signer, group: group.0, entries: Json::Array(entries.collect()),
        chunks: Json::Array(chunks.iter().map(|(first, hash)| object! { first: first, hash: hash }).collect()),
    }
}

pub(crate) fn heartbeat(f: &HeartbeatFields) -> Json {
    object! {
        domain: f.domain.0, serial: f.serial, signer: f.signer, group: f.group.0, epoch: f.epoch,
        announcement: f.announcement, issued_at: f.issued_at, lease: f.lease, log_size: f.log_size,
        log_head: f.log_head,
    }
}

pub(crate) fn nonce(f: &NonceFields) -> Json {
    object! {
        domain: f.domain.0, member: f.member.0, number: f.number, group: f.group.0, nonce: f.nonce,
    }
}

pub(crate) fn nonce_answer(f: &NonceAnswerFields) -> Json {
    object! {
        domain: f.domain.0, serial: f.serial, signer: f.signer, group: f.group.0, member: f.member.0,
        nonce: f.nonce, epoch: f.epoch, announcement: f.announcement, lease: f.lease,
    }
}

pub(crate) fn confirmation(f: &Confirmation<'_>) -> Json {
    let entries = f.entries.iter().map(|e| {
        object! {
            group: e.group.0, generation: e.generation, epoch: e.epoch,
            package_number: e.package_number, proof: e.proof,
        }
    });
    object! { domain: f.domain.0, member: f.member.0, entries: Json::Array(entries.collect()) }
}

/// The body of kept keys, as it is encoded.
pub(crate) type KeptKeysBody<'a> = (KeptKeysFields, &'a [u8]);

pub(crate) fn kept_keys((f, mut entries): KeptKeysBody<'_>) -> Json {
    let mut list = vec![];
    while !entries.is_empty() {
        let ((epoch, kept), rest) = decode_prefix::<(u64, Digest)>(entries).unwrap();
        let (sealed, rest) = rest.split_at(80);
        list.push(object! { epoch: epoch, kept: kept, sealed: Json::hex(sealed) });
        entries = rest;
    }
    object! {
        domain: f.domain.0, serial: f.serial, signer: f.signer, group: f.group.0, epoch: f.epoch,
        newest: f.newest, entries: Json::Array(list),
    }
}

/// What a delegation says of those before it.
pub(crate) fn continued(object: &[u8]) -> Option<Json> {
    let root = fields_of::<Delegation<'_>>(object, Kind::Delegation).root_key;
    let root = VerifyingKey::from_bytes(&root).ok()?;
    let verified = VerifiedDelegation::verify(object, &root).ok()?;
    let found = verified.continuation(object)?;
    Some(continued_json(&Continued {
        since: found.since,
        issuers: found.issuers.iter().collect(),
    }))
}

/// The body of a join refusal, as it is encoded.
pub(crate) type RefusalBody = (DomainId, u32, u8, Digest, u8);

pub(crate) fn join_refusal((domain, serial, signer, request, reason): &RefusalBody) -> Json {
    object! { domain: domain.0, serial: *serial, signer: *signer, request: *request, reason: *reason }
}

/// The extensions of an object whose body decodes.
pub(crate) fn extensions(bytes: &[u8]) -> Json {
    let body = &bytes[2..bytes.len() - 64];
    fn behind<'a, T>(body: &'a [u8]) -> Extensions<'a>
    where
        T: serde::Deserialize<'a> + serde::Serialize,
    {
        decode_prefix::<(T, Extensions<'a>)>(body).unwrap().0.1
    }
    let list = match bytes[1] {
        1 => behind::<Delegation<'_>>(body),
        2 => behind::<Credential<'_>>(body),
        3 => behind::<KeyPackage<'_>>(body),
        4 => behind::<WelcomeFields>(body),
        5 => behind::<Head<'_>>(body),
        6 => behind::<(DomainId, u32, u8, GroupId, &[u8], &[u8])>(body),
        7 => behind::<HeartbeatFields>(body),
        8 => behind::<NonceAnswerFields>(body),
        9 => behind::<EnrolmentRequest<'_>>(body),
        11 => behind::<Confirmation<'_>>(body),
        13 => behind::<KeptKeysBody<'_>>(body),
        14 => behind::<NonceFields>(body),
        _ => behind::<RefusalBody>(body),
    };
    let list = list
        .iter()
        .map(|e| object! { id: e.id, value: Json::hex(e.value) });
    Json::Array(list.collect())
}
