//! What holds for objects of every kind (spec/keys.md §1), and how object vectors are made.

use sealmq_keys::{Announcement, EnrolmentRequest};

use super::confirmation::{confirmation, confirmation_context, group_entries, join_refusal};
use super::heartbeat::{
    answer_context, asked, asked_context, heartbeat, heartbeat_context, nonce_answer,
};
use crate::vectors::fields;
use crate::vectors::group::Group;
use crate::vectors::prelude::*;

/// Each says its section itself.
const OBJECT: Series = Series::new("object", "", &[]);

/// An object vector in the making.
pub(crate) struct Plan<'a> {
    pub(crate) id: String,
    pub(crate) comment: &'a str,
    pub(crate) spec: &'static str,
    pub(crate) attacks: &'a [&'a str],
    pub(crate) expected: &'static str,
    pub(crate) object: Vec<u8>,
    pub(crate) context: Json,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(
        expected: &'static str,
        id: &str,
        comment: &'a str,
        object: Vec<u8>,
        context: Json,
    ) -> Self {
        let spec = match expected {
            "delegation" => "keys.md §3",
            "credential" | "key_package" | "enrolment_request" => "keys.md §4",
            "announcement" => "keys.md §5",
            "welcome" => "keys.md §6",
            "heartbeat" | "nonce" | "nonce_answer" => "keys.md §8",
            "confirmation" => "keys.md §4",
            "join_refusal" => "keys.md §12",
            _ => "keys.md §7",
        };
        let id = format!("{}-{id}", expected.replace('_', "-"));
        Self {
            id,
            comment,
            spec,
            attacks: &[],
            expected,
            object,
            context,
        }
    }

    /// Makes objects of one kind, verified in one context.
    pub(crate) fn of(
        expected: &'static str,
        context: Json,
    ) -> impl Fn(&str, &'a str, Vec<u8>) -> Self {
        move |id, comment, object| Self::new(expected, id, comment, object, context.clone())
    }

    pub(crate) fn spec(mut self, section: &'static str) -> Self {
        self.spec = section;
        self
    }

    pub(crate) fn attacks(mut self, attacks: &'a [&'a str]) -> Self {
        self.attacks = attacks;
        self
    }

    /// Verifies, or does not for this reason. Without attacks those stay that are set.
    pub(crate) fn verdict(
        mut self,
        reason: Option<&'static str>,
        attacks: &'a [&'a str],
        file: &mut VectorFile,
    ) {
        if !attacks.is_empty() {
            self.attacks = attacks;
        }
        match reason {
            Some(reason) => self.invalid(file, reason),
            None => self.valid(file),
        }
    }

    /// It verifies; the vector states hash and fields.
    pub(crate) fn valid(self, file: &mut VectorFile) {
        let extensions = fields::extensions(&self.object);
        let fields = fields_of(self.expected, &self.object).with("extensions", extensions);
        let mut result = object! { hash: hash(&self.object), fields: fields };
        if self.expected == "announcement" {
            let announcement = verified(&self.object);
            result = result
                .with("key_id", Json::hex(&hash(&self.object).0[..8]))
                .with("head_hash", *announcement.head_hash());
        }
        if self.expected == "delegation"
            && let Some(continued) = fields::continued(&self.object)
        {
            result = result.with("continues", continued);
        }
        file.push(self.case().result(result));
    }

    /// It has one fault.
    pub(crate) fn invalid(self, file: &mut VectorFile, reason: &'static str) {
        file.push(self.case().reason(reason));
    }

    fn case(&self) -> Vector {
        let (expected, object) = (self.expected, Json::hex(&self.object));
        let input = object! { expected: expected, object: object, context: self.context.clone() };
        let case = OBJECT.case(&self.id, self.comment, input);
        case.spec(&[self.spec]).attacks(self.attacks)
    }
}

fn fields_of(expected: &str, object: &[u8]) -> Json {
    fn decoded<'a, T: serde::Deserialize<'a> + serde::Serialize>(
        object: &'a [u8],
        kind: Kind,
    ) -> T {
        crate::vectors::world::fields_of(object, kind)
    }
    match expected {
        "delegation" => fields::delegation(&decoded(object, Kind::Delegation)),
        "credential" => fields::credential(&decoded(object, Kind::Credential)),
        "key_package" => fields::key_package(&decoded(object, Kind::KeyPackage)),
        "enrolment_request" => fields::enrolment_request(&decoded(object, Kind::EnrolmentRequest)),
        "welcome" => {
            fields::welcome(&sealmq_core::object::decode(body_of(object, Kind::Welcome)).unwrap())
        }
        "announcement" => fields::announcement(&verified(object)),
        "heartbeat" => fields::heartbeat(&decoded(object, Kind::Heartbeat)),
        "nonce" => fields::nonce(&decoded(object, Kind::Nonce)),
        "nonce_answer" => fields::nonce_answer(&decoded(object, Kind::NonceAnswer)),
        "confirmation" => fields::confirmation(&decoded(object, Kind::Confirmation)),
        "join_refusal" => fields::join_refusal(&decoded(object, Kind::JoinRefusal)),
        "kept_keys" => fields::kept_keys(decoded(object, Kind::KeptKeys)),
        _ => fields::refused_list(object),
    }
}

/// Under a prefix that no filter of the right vectors matches.
fn verified(object: &[u8]) -> Announcement<'_> {
    Announcement::verify(object, &authority(1), "site/x/keys").unwrap()
}

/// The context in which most objects are verified.
pub(crate) fn under_authority() -> Json {
    object! { authority: authority_json(&authority(1)) }
}

pub(crate) fn under_root() -> Json {
    object! { root_key: root_key(), now: NOW, skew: 300_u16 }
}

/// An enrolment request with these packages.
pub(crate) fn request(name: &str, packages: &[Vec<u8>]) -> Vec<u8> {
    request_with(name, packages, |_| {})
}

pub(crate) fn request_with(
    name: &str,
    packages: &[Vec<u8>],
    change: impl FnOnce(&mut EnrolmentRequest<'_>),
) -> Vec<u8> {
    request_as(Suite::One, name, packages, change)
}

pub(crate) fn request_as(
    suite: Suite,
    name: &str,
    packages: &[Vec<u8>],
    change: impl FnOnce(&mut EnrolmentRequest<'_>),
) -> Vec<u8> {
    let packages: Vec<&[u8]> = packages.iter().map(Vec::as_slice).collect();
    let packages = elements(&packages);
    let mut fields = EnrolmentRequest {
        domain: domain(),
        token: [0; 8],
        name,
        key: public(name),
        issued_at: NOW,
        packages: List::from_encoded(&packages).unwrap(),
    };
    change(&mut fields);
    sign_as(
        suite,
        Kind::EnrolmentRequest,
        &fields_body(&fields),
        &identity(name),
    )
}

/// A refused list's object with entries as they are.
pub(crate) fn refused_list(entries: &[u8]) -> Vec<u8> {
    refused_list_of(plant(), entries)
}

pub(crate) fn refused_list_of(group: GroupId, entries: &[u8]) -> Vec<u8> {
    refused_list_with(group, entries, &[])
}

/// The same with chunks as they are.
pub(crate) fn refused_list_with(group: GroupId, entries: &[u8], chunks: &[u8]) -> Vec<u8> {
    // A sequence of bytes is encoded like `bytes`: its length, then the bytes.
    let body = fields_body(&(domain(), 1_u32, CONTROLLER, group, entries, chunks));
    sign(Kind::RefusedList, &body, &controller(1))
}

/// Chunks as a list names them.
pub(crate) fn refused_chunks(chunks: &[(u64, &[u8])]) -> Vec<u8> {
    let chunks = chunks.iter();
    let chunks = chunks.map(|(first, of)| [varint(*first), sha256(&[*of]).0.to_vec()].concat());
    chunks.collect::<Vec<_>>().concat()
}

pub(crate) fn records(list: &[(u32, u32)]) -> Vec<u8> {
    list.iter()
        .flat_map(|(member, serial)| [member.to_be_bytes(), serial.to_be_bytes()].concat())
        .collect()
}

/// One right object of each kind.
pub(crate) fn samples() -> Vec<(&'static str, Vec<u8>, Json)> {
    let mut group = Group::new("objects", 4);
    group.remove(&[20]);
    let package = key_package("sensor-7", 1);
    table! {
        "delegation": delegation(1), under_root();
        "credential": sensor().object(), under_authority().with("now", NOW).with("skew", 300_u16);
        "key_package": package.clone(), object! { domain: domain().0, now: NOW, skew: 300_u16 };
        "enrolment_request": request("sensor-7", &[package.clone(), key_package("sensor-7", 2)]),
            object! { domain: domain().0 };
        "welcome": group.welcome(7, "sensor-7", 17, &package),
            under_authority().with("member", 7_u8).with("group", plant().0);
        "announcement": group.announcement(1).to_vec(),
            under_authority().with("group", plant().0).with("now", NOW).with("skew", 300_u16);
        "refused_list": refused_list(&records(&[(3, u32::MAX), (9, 4)])),
            under_authority().with("group", plant().0);
        "heartbeat": heartbeat(|_| {}), heartbeat_context();
        "nonce_answer": nonce_answer(|_| {}), answer_context();
        "nonce": asked(|_| {}), asked_context();
        "confirmation": confirmation(&group_entries(), |_| {}), confirmation_context();
        "join_refusal": join_refusal(|_| {}),
            under_authority().with("request", digest("request of sensor-7"));
        "kept_keys": chained().kept_list().object(), under_authority().with("group", plant().0);
    }
    .into()
}

/// A group that healed three times: one for which a list of kept keys has something to say.
pub(crate) fn chained() -> Group {
    let mut group = Group::new("chained", 4);
    for leaf in [20, 21, 30] {
        group.remove(&[leaf]);
        group.rotate();
    }
    group
}

pub(crate) fn vectors(file: &mut VectorFile) {
    let samples = samples();
    for (expected, object, _) in &samples {
        file.fixture(expected.replace('_', "-"), Json::hex(object));
    }
    for (n, (expected, object, context)) in samples.iter().enumerate() {
        let plan = |id: &str, comment, object: Vec<u8>| {
            Plan::new(expected, id, comment, object, context.clone()).spec("keys.md §1")
        };
        let other = &samples[(n + 1) % samples.len()].1;
        let suite_2 = [&[0x12], &object[1..]].concat();
        // A delegation's form says what its domain's suite is: here only the signature tells.
        let (comment, reason) = match *expected {
            "delegation" => ("The same bytes as of suite 2.", "signature"),
            _ => ("Suite 2 is not the expected form.", "form"),
        };
        let signed_by = |signature: &[u8]| [&object[..object.len() - 64], signature].concat();
        let (kind, signer) = signer_of(expected);
        let body = body_of(object, kind);
        let resigned = |body: &[u8]| sign(kind, body, &signer);
        // The first varint of a body: behind 16 bytes of domain, or more.
        let at = if matches!(*expected, "delegation" | "key_package") {
            48
        } else {
            16
        };
        let overlong = [&body[..at], &[body[at] | 0x80, 0], &body[at + 1..]].concat();
        assert!(body[at] < 0x80);
        table! { plan => file:
            "good": "A right object with everything that is checked.", object.clone() => valid;
            "kind": "A right object of another kind.", other.clone() => "kind" ["C4"];
            "kind-byte": "The same bytes under another kind's number.",
                [&[0x11, other[1]], &object[2..]].concat() => "kind" ["C4"];
        }
        plan("form-0x12", comment, suite_2)
            .attacks(&["D15"])
            .invalid(file, reason);
        table! { plan => file:
            "form-0x21": "Version 2.", [&[0x21], &object[1..]].concat() => "form";
            "empty": "A cleared topic.", vec![] => "form" ["B4"];
            "65-bytes": "One byte shorter than the smallest object.", object[..65].to_vec() => "form";
            "signature-bit": "A bit of the signature.",
                flipped(object, object.len() - 1, 0x10) => "signature" ["D8"];
            "signature-zero": "64 zero bytes for a signature.", signed_by(&[0; 64]) => "signature" ["D8"];
            "signature-of-other-kind": "The signature of another object.",
                signed_by(&other[other.len() - 64..]) => "signature" ["C4"];
            "trailing": "A byte behind the last field, signed.",
                resigned(&trailing(body)) => "encoding" ["E1"];
            "truncated": "The last byte of the body is missing, the rest is signed.",
                resigned(&body[..body.len() - 1]) => "encoding" ["E1"];
            "no-body": "No body at all, signed.", resigned(&[]) => "encoding" ["E1"];
            "overlong": "The first number (or length) is spelled with one byte more, and signed.",
                resigned(&overlong) => "encoding" ["E1"];
        }
    }
}

pub(crate) fn signer_of(expected: &str) -> (Kind, sealmq_core::crypto::IdentityKey) {
    match expected {
        "delegation" => (Kind::Delegation, identity("root")),
        "credential" => (Kind::Credential, issuer(1)),
        "key_package" => (Kind::KeyPackage, identity("sensor-7")),
        "enrolment_request" => (Kind::EnrolmentRequest, identity("sensor-7")),
        "welcome" => (Kind::Welcome, controller(1)),
        "announcement" => (Kind::Announcement, controller(1)),
        "heartbeat" => (Kind::Heartbeat, heart()),
        "nonce_answer" => (Kind::NonceAnswer, heart()),
        "nonce" => (Kind::Nonce, identity("sensor-7")),
        "confirmation" => (Kind::Confirmation, identity("sensor-7")),
        "join_refusal" => (Kind::JoinRefusal, issuer(1)),
        "kept_keys" => (Kind::KeptKeys, controller(1)),
        _ => (Kind::RefusedList, controller(1)),
    }
}
