//! Extensions (spec/keys.md §1): what a later version may add, and what this one makes of it.

use sealmq_core::crypto::{KemId, KemKeyPair};
use sealmq_core::object::Extension;

use super::follow::{READER, ordinary};
use super::follower::{Follower, fixtures};
use super::join_request::{self, JOIN, NAME, accepted};
use super::objects::{Plan, samples, signer_of};
use super::welcome::opening::{OPEN, input, opens};
use crate::vectors::group::{Draft, Group, welcome_aad_with, welcome_info, welcome_object};
use crate::vectors::hpke;
use crate::vectors::prelude::*;

const SPEC: &[&str] = &["keys.md §1"];

fn encoded(list: &[(u16, &[u8])]) -> Vec<u8> {
    let list = list.iter().map(|(id, value)| Extension { id: *id, value });
    elements(&list.collect::<Vec<_>>())
}

/// An ignorable one of a later version.
fn later() -> Vec<u8> {
    encoded(&[(7, b"later")])
}

/// One that must not be ignored.
fn critical() -> Vec<u8> {
    encoded(&[(0x8007, b"later")])
}

pub(crate) fn vectors(file: &mut VectorFile) {
    objects(file);
    welcomes(file);
    announcements(file);
    join_requests(file);
}

/// Where the list of extensions begins in a body that has none: its one byte, zero.
fn place(expected: &str, group: &Group, body: &[u8]) -> usize {
    match expected {
        "announcement" => group.head(&group.draft_of(1, true)).0.len() - 1,
        // Then enc and sealed, each behind its length.
        "welcome" => body.len() - (1 + 1 + 32 + 2 + 4 * 32 + 97 + 1 + 16),
        _ => body.len() - 1,
    }
}

/// The sample of each kind with other extensions, signed again.
fn objects(file: &mut VectorFile) {
    let mut group = Group::new("objects", 4);
    group.remove(&[20]);
    for (expected, object, context) in samples() {
        let (kind, signer) = signer_of(expected);
        let right = body_of(&object, kind);
        let at = place(expected, &group, right);
        assert_eq!(right[at], 0, "{expected}");
        let plan = |id: &str, comment, list: &[u8]| {
            let changed = [&right[..at], &blob(list), &right[at + 1..]].concat();
            let object = sign(kind, &changed, &signer);
            Plan::new(expected, id, comment, object, context.clone()).spec("keys.md §1")
        };
        let twice = encoded(&[(7, b"a"), (7, b"a")]);
        table! { plan => file:
            "extension":          "An extension that nobody knows.", &later()    => valid;
            "extension-critical": "One that must be understood.",    &critical() => "unsupported";
            "extension-twice":    "The same id twice.",              &twice      => "field";
        }
        if !matches!(expected, "delegation" | "heartbeat") {
            continue;
        }
        table! { plan => file:
            "extensions": "The lowest and the highest id that may be ignored; empty values.",
                &encoded(&[(0, b""), (0x7fff, b"")]) => valid;
            "extension-critical-first": "The lowest id that must be understood.",
                &encoded(&[(0x8000, b"")]) => "unsupported";
            "extension-critical-last": "The highest id, behind one that may be ignored.",
                &encoded(&[(1, b"a"), (0xffff, b"")]) => "unsupported";
            "extensions-descending": "Ids descend.", &encoded(&[(2, b"a"), (1, b"a")]) => "field";
            "extension-id-too-large": "An id of 2^16.", &[0x80, 0x80, 0x04, 0] => "encoding";
            "extension-id-overlong": "The id 7 in two bytes.", &[0x87, 0, 0] => "encoding" ["E1"];
            "extension-cut": "A value that is longer than the list.", &[7, 2, b'a'] => "encoding" ["E1"];
        }
    }
}

/// Welcomes with extensions in their fields and inside the ciphertext.
fn welcomes(file: &mut VectorFile) {
    let mut group = Group::new("objects", 4);
    group.remove(&[20]);
    let package = key_package(NAME, 1);
    let fields = group.welcome_fields(7, 17, group.next_epoch(), &package);
    let path = group.path_bytes(17, fields.epoch);
    let path = [path, group.kept_blob(&fields)].concat();
    let made = |outer: &[u8], bound: &[u8], inner: &[u8]| {
        let list = |bytes| List::from_encoded(bytes).unwrap();
        let aad = welcome_aad_with(Suite::One, &fields, &list(bound));
        let text = [&path, inner].concat();
        let to = KemKeyPair::derive(&package_seed(NAME, 1)).public().0;
        let drawn = secret("a welcome with extensions");
        let (enc, sealed) = hpke::seal_base(&to, &welcome_info(&fields), &aad, &drawn, &text);
        let of = (&fields, list(outer));
        (
            welcome_object(Suite::One, of, (&enc, &sealed), &controller(1)),
            aad,
            text,
        )
    };
    let case = |id: &str, comment: &str, welcome: &[u8]| {
        OPEN.case(id, comment, input(Suite::One, welcome, &package, 1))
            .spec(SPEC)
    };
    let good = |id: &str, comment: &str, outer: &[u8], inner: &[u8]| {
        let (welcome, aad, text) = made(outer, outer, inner);
        opens(
            case(id, comment, &welcome),
            KemId::X25519,
            &fields,
            &aad,
            &text,
        )
    };
    let bad = |id: &str, comment: &str, outer: &[u8], bound: &[u8], inner: &[u8]| {
        case(id, comment, &made(outer, bound, inner).0)
    };
    let of_length = |length: usize| blob(&encoded(&[(7, &vec![0; length - 2 - 3])]));
    assert_eq!(of_length(1024).len(), 1024);
    let (none, later) = (body(&NO_EXTENSIONS), later());
    table! { good => file:
        "extension-fields": "An extension before enc, which the aad covers.", &later, &none => valid;
        "extension-inside": "One behind the path keys.", &[], &blob(&later) => valid;
        "extension-inside-most": "1024 bytes of them behind the path keys.", &[], &of_length(1024) => valid;
    }
    table! { bad => file:
        "extension-unbound": "An extension that the aad does not cover.",
            &later, &[], &none => "wrong_secret";
        "extension-cut-off": "The aad covers one that is not there.", &[], &later, &none => "wrong_secret";
        "extension-critical-inside": "A critical one behind the path keys.",
            &[], &[], &blob(&critical()) => "unsupported";
        "extension-inside-twice": "The same id twice behind the path keys.",
            &[], &[], &blob(&encoded(&[(7, b""), (7, b"")])) => "field";
        "extension-inside-trailing": "A byte behind them.", &[], &[], &[0, 0] => "encoding";
        "extension-inside-missing": "No list behind the kept keys.", &[], &[], &[] => "encoding";
        "extension-inside-too-many": "1025 bytes behind the path keys.",
            &[], &[], &of_length(1025) => "field";
    }
}

/// Members follow what a later version announces, unless it must be understood.
fn announcements(file: &mut VectorFile) {
    let mut group = ordinary();
    group.accept(Draft {
        extensions: later(),
        ..group.draft(false)
    });
    group.rotate();
    fixtures(&group, file);
    let refused = group.encode(&Draft {
        extensions: critical(),
        ..group.draft_of(8, false)
    });
    stories! { Follower::of(&group, READER, 7) => file:
        "extension": "Epoch 8 has an extension; its entries are bound to the head with it."
            => .through(7..=9);
        "extension-critical": "Epoch 8 in a form that must be understood."
            => .ok(7).raw(&refused, "unsupported");
    }
}

/// What is behind the key's index is bound to the ciphertext.
fn join_requests(file: &mut VectorFile) {
    let plan = join_request::plan;
    let with = |extensions: Vec<u8>| altered(&plan(), |join| join.extensions = extensions);
    let extended = with(later());
    let (enc, sealed) = plan().parts(&plan().plaintext());
    let unbound = extended.frame(&enc, &sealed);
    let input = |bytes: &[u8]| join_request::input(1, bytes);
    let (id, comment) = ("extension", "An extension that nobody knows.");
    file.push(accepted(id, comment, input(&extended.bytes()), &extended));
    let case = |id: &str, comment: &str, bytes: &[u8]| {
        JOIN.case(id, comment, input(bytes)).spec(SPEC).attacks(&[])
    };
    table! { case => file:
        "extension-critical": "One that must be understood.", &with(critical()).bytes() => "unsupported";
        "extension-unbound": "One that the aad does not cover.", &unbound => "wrong_secret";
        "extension-twice": "The same id twice.", &with(encoded(&[(7, b""), (7, b"")])).bytes() => "field";
    }
}
