//! What members write, leases, and the answers to join requests.

use sealmq_core::object::{Extensions, Kind, List, Object, decode, suite_of};
use sealmq_keys::objects::{
    Confirmation, HeartbeatFields, JoinRefusalReason, KeyPackage, NonceAnswerFields, NonceFields,
};
use serde::{Deserialize, Serialize};

use super::Line;
use super::objects::{Described, domain, signer, with};
use crate::clock::iso_seconds;

/// Second byte of a join request, which is no signed object.
const JOIN_REQUEST: u8 = 10;

pub(super) fn confirmation(body: &[u8], _: &[u8]) -> Option<Described> {
    let (object, extensions): (Confirmation<'_>, Extensions<'_>) = decode(body).ok()?;
    let mut lines = vec![domain(object.domain), ("member", object.member.to_string())];
    for entry in object.entries.iter() {
        lines.push((
            "has installed",
            format!(
                "the welcome to group {}, generation {}, epoch {}, with key package {}",
                entry.group, entry.generation, entry.epoch, entry.package_number
            ),
        ));
    }
    Some((
        "confirmation: what a member has installed",
        with(lines, &extensions),
    ))
}

pub(super) fn heartbeat(body: &[u8], _: &[u8]) -> Option<Described> {
    let (object, extensions): (HeartbeatFields, Extensions<'_>) = decode(body).ok()?;
    let until = object.issued_at.saturating_add(object.lease.into());
    let lines = vec![
        domain(object.domain),
        ("group", object.group.to_string()),
        ("epoch", object.epoch.to_string()),
        ("announcement", hex::encode(object.announcement.0)),
        ("issued", iso_seconds(object.issued_at)),
        (
            "lease",
            format!("{} s, until {}", object.lease, iso_seconds(until)),
        ),
        (
            "audit log",
            format!(
                "{} entries, head {}",
                object.log_size,
                hex::encode(object.log_head.0)
            ),
        ),
        signer(object.serial, object.signer),
    ];
    Some(("heartbeat: keeps an epoch in use", with(lines, &extensions)))
}

pub(super) fn nonce(body: &[u8], _: &[u8]) -> Option<Described> {
    let (object, extensions): (NonceFields, Extensions<'_>) = decode(body).ok()?;
    let lines = vec![
        domain(object.domain),
        ("group", object.group.to_string()),
        ("member", object.member.to_string()),
        ("number", object.number.to_string()),
        ("nonce", hex::encode(object.nonce)),
    ];
    let what = "nonce: a member without a clock asks for a lease";
    Some((what, with(lines, &extensions)))
}

pub(super) fn nonce_answer(body: &[u8], _: &[u8]) -> Option<Described> {
    let (object, extensions): (NonceAnswerFields, Extensions<'_>) = decode(body).ok()?;
    let lines = vec![
        domain(object.domain),
        ("group", object.group.to_string()),
        ("member", object.member.to_string()),
        ("nonce", hex::encode(object.nonce)),
        ("epoch", object.epoch.to_string()),
        ("announcement", hex::encode(object.announcement.0)),
        (
            "lease",
            format!("{} s from when the nonce was made", object.lease),
        ),
        signer(object.serial, object.signer),
    ];
    Some((
        "nonce answer: a lease for a member without a clock",
        with(lines, &extensions),
    ))
}

#[derive(Serialize, Deserialize)]
struct RefusalBody {
    domain: sealmq_core::DomainId,
    serial: u32,
    signer: u8,
    request: [u8; 32],
    reason: u8,
}

pub(super) fn join_refusal(body: &[u8], _: &[u8]) -> Option<Described> {
    let (object, extensions): (RefusalBody, Extensions<'_>) = decode(body).ok()?;
    let reason = JoinRefusalReason::ALL
        .into_iter()
        .find(|reason| *reason as u8 == object.reason)?;
    let lines = vec![
        domain(object.domain),
        ("request", hex::encode(object.request)),
        ("reason", reason.to_string()),
        signer(object.serial, object.signer),
    ];
    Some((
        "join refusal: why a device was not let in",
        with(lines, &extensions),
    ))
}

/// Key packages that a member publishes; each is signed by itself.
pub(super) fn package_set(bytes: &[u8]) -> Option<(String, Vec<Line>)> {
    let packages: List<'_, &[u8]> = decode(bytes).ok()?;
    let mut lines = Vec::new();
    for package in packages.iter() {
        let object = Object::parse_any(package, Kind::KeyPackage).ok()?;
        let (fields, _) = object.decode::<KeyPackage<'_>>().ok()?;
        if lines.is_empty() {
            lines.push(domain(fields.domain));
        }
        let text = format!(
            "{}, valid until {}",
            fields.number,
            iso_seconds(fields.not_after)
        );
        lines.push(("key package", text));
    }
    if lines.is_empty() {
        return None;
    }
    Some((
        format!(
            "sealmq key packages: one-time keys of one member, {} bytes",
            bytes.len()
        ),
        lines,
    ))
}

#[derive(Serialize, Deserialize)]
struct JoinBody<'a> {
    serial: u32,
    key: u8,
    #[serde(borrow)]
    extensions: Extensions<'a>,
    enc: &'a [u8],
    sealed: &'a [u8],
}

/// A join request: encrypted to the authority as a whole.
pub(super) fn join_request(bytes: &[u8]) -> Option<(String, Vec<Line>)> {
    suite_of(bytes).ok()?;
    let (&JOIN_REQUEST, body) = bytes.get(1..)?.split_first()? else {
        return None;
    };
    let body: JoinBody<'_> = decode(body).ok()?;
    let lines = vec![
        (
            "encrypted to",
            format!("key {} of delegation {}", body.key, body.serial),
        ),
        ("enc", format!("{} bytes", body.enc.len())),
        (
            "sealed",
            format!(
                "{} bytes: the device's request and the proof of its token",
                body.sealed.len()
            ),
        ),
    ];
    Some((
        format!(
            "sealmq join request: a device that wants in, {} bytes",
            bytes.len()
        ),
        with(lines, &body.extensions),
    ))
}
