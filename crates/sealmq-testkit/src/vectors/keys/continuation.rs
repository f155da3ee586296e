//! Kind `object`: what a delegation continues (spec/keys.md §3, "Continuation").

use sealmq_core::object::Extension;
use sealmq_keys::{CONTINUES, Issuer};

use super::delegation::weak_keys;
use super::objects::{Plan, under_authority, under_root};
use crate::vectors::prelude::*;

pub(crate) fn vectors(file: &mut VectorFile) {
    good(file);
    bad(file);
    encodings(file);
    elsewhere(file);
}

/// The value of the extension.
fn value(since: u32, issuers: &[Issuer]) -> Vec<u8> {
    [varint(since.into()), blob(&elements(issuers))].concat()
}

/// A delegation with these extensions.
fn extended(serial: u32, extensions: &[(u16, &[u8])]) -> Vec<u8> {
    extending(&delegation(serial), extensions)
}

/// The same delegation, continuing those from `since` on.
pub(super) fn from(right: &[u8], since: u32) -> Vec<u8> {
    extending(right, &[(CONTINUES, &value(since, &[]))])
}

fn extending(right: &[u8], extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let body_of = body_of(right, Kind::Delegation);
    let list = extensions
        .iter()
        .map(|(id, value)| Extension { id: *id, value });
    let list = elements(&list.collect::<Vec<_>>());
    let without = &body_of[..body_of.len() - 1];
    let body = [without, &blob(&list)].concat();
    sign(Kind::Delegation, &body, &identity("root"))
}

fn plan<'a>(id: &str, comment: &'a str, object: Vec<u8>) -> Plan<'a> {
    let id = format!("continues{id}");
    Plan::new("delegation", &id, comment, object, under_root()).attacks(&["A43"])
}

/// The delegation of this serial, with this continuation.
fn said<'a>(
    id: &str,
    comment: &'a str,
    (serial, since): (u32, u32),
    issuers: &[Issuer],
) -> Plan<'a> {
    let object = extended(serial, &[(CONTINUES, &value(since, issuers))]);
    plan(id, comment, object)
}

/// Another issuer of that serial.
fn second(serial: u32) -> Issuer {
    let key = public(&format!("another issuer {serial}"));
    Issuer {
        serial,
        signer: 3,
        key,
    }
}

/// Issuers of the serials from 1 on, eight of each.
fn many(count: u32) -> Vec<Issuer> {
    let made = (0..count).map(|n| Issuer {
        serial: 1 + n / 8,
        signer: u8::try_from(n % 8).unwrap(),
        key: public(&format!("issuer key {n}")),
    });
    made.collect()
}

fn good(file: &mut VectorFile) {
    let (one, two) = (issuer_entry(1), issuer_entry(2));
    table! { said => file:
        "": "Two serials, and an issuer of each.", (3, 1), &[one, two] => valid;
        "-empty": "State goes on, but none that needs an issuer of before.", (3, 2), &[] => valid;
        "-from-0": "Serials may begin with 0.", (1, 0), &[Issuer { serial: 0, ..one }] => valid;
        "-two-of-one": "Two issuers of one serial.", (3, 1), &[one, second(1), two] => valid;
        "-same-key": "One key in two delegations: they are told apart by their places.",
            (3, 1), &[one, Issuer { serial: 2, ..one }] => valid;
        "-64": "The most issuers.", (9, 1), &many(64) => valid;
    }
}

fn bad(file: &mut VectorFile) {
    let (one, two) = (issuer_entry(1), issuer_entry(2));
    table! { said => file:
        "-65": "An issuer too many.", (10, 1), &many(65) => "field";
        "-since-own": "It continues itself.", (3, 3), &[] => "field";
        "-since-later": "It continues one to come.", (3, 4), &[] => "field";
        "-issuer-before": "An issuer of a serial that is not continued.", (3, 2), &[one, two] => "field";
        "-issuer-own": "An issuer of its own serial.", (3, 1), &[one, issuer_entry(3)] => "field";
        "-order": "Serials of issuers descend.", (3, 1), &[two, one] => "field";
        "-order-signer": "Signers of one serial descend.", (3, 1), &[second(1), one] => "field";
        "-twice": "An issuer twice.", (3, 1), &[one, one, two] => "field";
        "-place-twice": "Two keys for one place.",
            (3, 1), &[one, Issuer { key: two.key, ..one }] => "field";
    }
    for (id, comment, key) in weak_keys() {
        let id = format!("-weak-{id}");
        said(&id, comment, (3, 1), &[one, Issuer { key, ..two }]).invalid(file, "field");
    }
}

fn encodings(file: &mut VectorFile) {
    let right = value(1, &[issuer_entry(1), issuer_entry(2)]);
    let raw = |id: &str, comment, value: &[u8]| {
        plan(id, comment, extended(3, &[(CONTINUES, value)])).attacks(&["E1"])
    };
    table! { raw => file:
        "-empty-value": "No value.", &[] => "encoding";
        "-trailing": "A byte behind the issuers.", &trailing(&right) => "encoding";
        "-cut": "The last byte is missing.", &right[..right.len() - 1] => "encoding";
        "-entry-cut": "The list ends inside an issuer.",
            &[vec![1], blob(&elements(&[issuer_entry(1)])[..33])].concat() => "encoding";
        "-overlong": "since is spelled with one byte more.", &[&[0x81, 0], &right[1..]].concat() => "encoding";
    }
    let beside =
        |id: &str, comment, extensions: &[(u16, &[u8])]| plan(id, comment, extended(3, extensions));
    table! { beside => file:
        "-beside": "Beside an extension that nobody knows.", &[(CONTINUES, &right), (2, b"later")] => valid;
        "-critical": "Beside one that must be understood.",
            &[(CONTINUES, &right), (0x8002, b"later")] => "unsupported";
        "-again": "Two continuations.", &[(CONTINUES, &right), (CONTINUES, &right)] => "field";
        "-none": "Another extension, and no continuation.", &[(2, &right)] => valid;
    }
}

/// Id 1 is defined in delegations only.
fn elsewhere(file: &mut VectorFile) {
    let credential = sensor().object();
    let body = body_of(&credential, Kind::Credential);
    let list = elements(&[Extension {
        id: CONTINUES,
        value: b"anything",
    }]);
    let body = [&body[..body.len() - 1], &blob(&list)].concat();
    let extended = sign(Kind::Credential, &body, &issuer(1));
    table! { Plan::of("credential", under_authority()), [.spec("keys.md §1")] => file:
        "extension-1": "Continuations are an extension of delegations: here nobody knows it.", extended => valid;
    }
}
