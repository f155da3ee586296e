//! Key objects (spec/keys.md). They are public; what is secret in them is encrypted.

use sealmq_core::crypto::Digest;
use sealmq_core::object::{
    Access, CRITICAL, Extension, Extensions, Kind, List, Object, decode, decode_prefix, suite_of,
};
use sealmq_core::{Credential, DomainId, GroupId, KeyId};
use sealmq_keys::objects::{
    Delegation, ENTRY_LEN, EnrolmentRequest, Head, KeyPackage, NO_TOKEN, UnverifiedAnnouncement,
    VerifiedEnrolment, WelcomeFields, fingerprint,
};
use serde::{Deserialize, Serialize};

use super::{Line, kept, small};
use crate::clock::iso_seconds;

pub(super) type Described = (&'static str, Vec<Line>);
/// Gets the body and the whole object.
type Describe = fn(&[u8], &[u8]) -> Option<Described>;

/// The lines of an object, and one for each of its extensions.
pub(super) fn with(lines: Vec<Line>, extensions: &Extensions<'_>) -> Vec<Line> {
    with_all(lines, extensions.iter())
}

fn with_all<'a>(
    mut lines: Vec<Line>,
    extensions: impl Iterator<Item = Extension<'a>>,
) -> Vec<Line> {
    for extension in extensions {
        let effect = if extension.id & CRITICAL == 0 {
            "ignored by this version"
        } else {
            "critical: this version refuses the object, update it"
        };
        let len = extension.value.len();
        lines.push((
            "extension",
            format!("{:#06x}, {len} bytes, {effect}", extension.id),
        ));
    }
    lines
}

/// Describes an object, if the bytes are one.
pub(super) fn describe(bytes: &[u8]) -> Option<(String, Vec<Line>)> {
    let kinds: [(Kind, Describe); 13] = [
        (Kind::Delegation, delegation),
        (Kind::Credential, credential),
        (Kind::KeyPackage, key_package),
        (Kind::Welcome, welcome),
        (Kind::Announcement, announcement),
        (Kind::RefusedList, refused),
        (Kind::KeptKeys, kept::list),
        (Kind::EnrolmentRequest, request),
        (Kind::Confirmation, small::confirmation),
        (Kind::Heartbeat, small::heartbeat),
        (Kind::NonceAnswer, small::nonce_answer),
        (Kind::Nonce, small::nonce),
        (Kind::JoinRefusal, small::join_refusal),
    ];
    let signed = kinds.into_iter().find_map(|(kind, describe)| {
        let object = Object::parse_any(bytes, kind).ok()?;
        let (name, mut lines) = describe(object.body(), bytes)?;
        lines.push(("hash", hex::encode(object.hash().0)));
        let is_self_signed = kind == Kind::EnrolmentRequest;
        if !is_self_signed {
            lines.push((
                "signature",
                "64 bytes, not checked: that takes the domain's keys".to_owned(),
            ));
        }
        Some((format!("sealmq {name}, {} bytes", bytes.len()), lines))
    });
    signed
        .or_else(|| small::package_set(bytes))
        .or_else(|| small::join_request(bytes))
}

fn delegation(body: &[u8], _: &[u8]) -> Option<Described> {
    let (object, extensions): (Delegation<'_>, Extensions<'_>) = decode(body).ok()?;
    let mut lines = vec![
        domain(object.domain),
        ("root key", fingerprint(&object.root_key)),
        ("serial", object.serial.to_string()),
        ("issued", iso_seconds(object.issued_at)),
        ("valid until", iso_seconds(object.not_after)),
    ];
    for key in object.keys.iter() {
        lines.push(("authority key", fingerprint(&key.key)));
    }
    let (line, rest) = kept::continuation(&extensions, object.serial);
    lines.push(line);
    Some((
        "delegation: which keys act for the root",
        with_all(lines, rest),
    ))
}

fn credential(body: &[u8], _: &[u8]) -> Option<Described> {
    let (object, extensions): (Credential<'_>, Extensions<'_>) = decode(body).ok()?;
    let mut lines = vec![
        domain(object.domain),
        (
            "member",
            format!(
                "{} {}, credential serial {}",
                object.member, object.name, object.credential_serial
            ),
        ),
        ("key", fingerprint(&object.key)),
        ("issued", iso_seconds(object.issued_at)),
        ("valid until", iso_seconds(object.not_after)),
        signer(object.serial, object.signer),
    ];
    for grant in object.grants.iter() {
        let filter = if grant.publish_filter.is_empty() {
            String::new()
        } else {
            format!(", publishing on {} only", grant.publish_filter)
        };
        lines.push((
            "grant",
            format!("group {}: {}{filter}", grant.group, access(grant.access)),
        ));
    }
    Some((
        "credential: who a member is and what it may do",
        with(lines, &extensions),
    ))
}

fn key_package(body: &[u8], _: &[u8]) -> Option<Described> {
    let (object, extensions): (KeyPackage<'_>, Extensions<'_>) = decode(body).ok()?;
    let lines = vec![
        domain(object.domain),
        ("identity", fingerprint(&object.identity)),
        ("number", object.number.to_string()),
        ("valid until", iso_seconds(object.not_after)),
    ];
    Some((
        "key package: a one-time key for one welcome",
        with(lines, &extensions),
    ))
}

#[derive(Serialize, Deserialize)]
struct WelcomeBody<'a> {
    fields: WelcomeFields,
    #[serde(borrow)]
    extensions: Extensions<'a>,
    enc: &'a [u8],
    sealed: &'a [u8],
}

fn welcome(body: &[u8], _: &[u8]) -> Option<Described> {
    let object: WelcomeBody<'_> = decode(body).ok()?;
    let extensions = object.extensions;
    let fields = object.fields;
    let lines = vec![
        domain(fields.domain),
        ("member", fields.member.to_string()),
        ("group", fields.group.to_string()),
        (
            "leaf",
            format!(
                "{} of a tree of depth {}, generation {}",
                fields.leaf, fields.depth, fields.generation
            ),
        ),
        ("first epoch", fields.epoch.to_string()),
        ("key package", fields.package_number.to_string()),
        (
            "path keys",
            format!(
                "{} bytes, encrypted to the member's one-time key",
                object.sealed.len()
            ),
        ),
        signer(fields.serial, fields.signer),
    ];
    Some((
        "welcome: hands one member its keys",
        with(lines, &extensions),
    ))
}

fn announcement(body: &[u8], bytes: &[u8]) -> Option<Described> {
    // Strict in every part; the head is decoded again because unverified ones do not show theirs.
    let whole = UnverifiedAnnouncement::decode(bytes).ok()?;
    let ((head, extensions), covers) = decode_prefix::<(Head<'_>, Extensions<'_>)>(body).ok()?;
    let filters: Vec<&str> = head.filters.iter().collect();
    let kind = if head.epoch_kind.is_healing() {
        "healing: somebody may have been removed"
    } else {
        "ordinary"
    };
    let refused = if head.refused.0 == [0; 32] {
        "nobody".to_owned()
    } else {
        format!("a list, hash {}", hex::encode(head.refused.0))
    };
    let mut lines = vec![
        domain(head.domain),
        ("group", format!("{} {}", head.name, head.group)),
        ("epoch", format!("{}, {kind}", head.epoch)),
        (
            "key id",
            format!("{} in its events", KeyId::of(whole.hash())),
        ),
        kept::newest(&head, whole.hash()),
        ("topics", filters.join(" ")),
        ("issued", iso_seconds(head.issued_at)),
        ("valid until", iso_seconds(head.not_after)),
        (
            "window",
            format!("{} epochs before this one", head.policy.window),
        ),
        (
            "padding",
            ["none", "padme", "bucket"]
                .get(usize::from(head.policy.padding))
                .copied()
                .unwrap_or("?")
                .to_owned(),
        ),
        ("refused", refused),
    ];
    for generation in head.generations.iter() {
        lines.push((
            "generation",
            format!("{}, tree of depth {}", generation.number, generation.depth),
        ));
    }
    lines.push((
        "cover",
        format!(
            "{} bytes, at most {} wrapped secrets, readable with the right node keys only",
            covers.len(),
            covers.len() / ENTRY_LEN
        ),
    ));
    lines.push(signer(head.serial, head.signer));
    Some((
        "announcement: the keys of one epoch of a group",
        with(lines, &extensions),
    ))
}

#[derive(Serialize, Deserialize)]
struct RefusedBody<'a> {
    domain: DomainId,
    serial: u32,
    signer: u8,
    group: GroupId,
    entries: &'a [u8],
    #[serde(borrow)]
    chunks: List<'a, (u32, Digest)>,
}

fn refused(body: &[u8], _: &[u8]) -> Option<Described> {
    let (object, extensions): (RefusedBody<'_>, Extensions<'_>) = decode(body).ok()?;
    let (entries, []) = object.entries.as_chunks::<8>() else {
        return None;
    };
    let mut lines = vec![
        domain(object.domain),
        ("group", object.group.to_string()),
        signer(object.serial, object.signer),
    ];
    for entry in entries {
        let (member, serial) = entry.split_first_chunk::<4>()?;
        let member = u32::from_be_bytes(*member);
        let text = match u32::from_be_bytes(serial.try_into().ok()?) {
            u32::MAX => format!("member {member}, removed"),
            lowest => format!("member {member} with a credential serial below {lowest}"),
        };
        lines.push(("refused", text));
    }
    for (first, _) in object.chunks.iter() {
        lines.push(("chunk", format!("members from {first} on")));
    }
    Some((
        "refused list: whom a group no longer accepts",
        with(lines, &extensions),
    ))
}

fn request(body: &[u8], bytes: &[u8]) -> Option<Described> {
    let (object, extensions): (EnrolmentRequest<'_>, Extensions<'_>) = decode(body).ok()?;
    let verified =
        suite_of(bytes).and_then(|suite| VerifiedEnrolment::verify(bytes, suite, &object.domain));
    let verdict = match verified {
        Ok(_) => "verifies under the key inside: whoever made this has the key".to_owned(),
        Err(error) => format!("NOT VALID: {error}"),
    };
    let token = match object.token {
        NO_TOKEN => "none: an operator decides".to_owned(),
        id => hex::encode(id),
    };
    let lines = vec![
        ("name", object.name.to_owned()),
        ("key", fingerprint(&object.key)),
        ("token", token),
        ("issued", iso_seconds(object.issued_at)),
        ("one-time keys", object.packages.iter().count().to_string()),
        ("signature", verdict),
    ];
    Some(("enrolment request", with(lines, &extensions)))
}

pub(super) fn domain(domain: DomainId) -> Line {
    ("domain", domain.to_string())
}

pub(super) fn signer(serial: u32, signer: u8) -> Line {
    ("signer", format!("key {signer} of delegation {serial}"))
}

fn access(access: Access) -> &'static str {
    match (access.may_publish(), access.may_subscribe()) {
        (true, true) => "publish and subscribe",
        (true, false) => "publish",
        (false, true) => "subscribe",
        (false, false) => "nothing",
    }
}
