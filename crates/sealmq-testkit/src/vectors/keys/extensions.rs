//! Extensions (spec/keys.md §1): what a later version may add, and what this one makes of it.

use sealmq_core::object::{Extension, List};
use sealmq_core::wire::Suite;

use super::follow::{READER, ordinary};
use super::follower::{Follower, fixtures};
use super::join_request::{self, accepted};
use super::objects::{Plan, samples, signer_of};
use crate::vectors::craft::blob;
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::group::{Group, welcome_aad_with, welcome_info};
use crate::vectors::hpke;
use crate::vectors::json::{Json, object};
use crate::vectors::table::{stories, table};
use crate::vectors::world::{
    NO_EXTENSIONS, WelcomeBody, authority, authority_json, body, body_of, controller, elements,
    key_package, package_seed, secret, sign,
};

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
        "welcome" => body.len() - (1 + 1 + 32 + 2 + 4 * 32 + 1 + 16),
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
        plan("extension", "An extension that nobody knows.", &later()).valid(file);
        plan(
            "extension-critical",
            "One that must be understood.",
            &critical(),
        )
        .invalid(file, "unsupported");
        plan(
            "extension-twice",
            "The same id twice.",
            &encoded(&[(7, b"a"), (7, b"a")]),
        )
        .invalid(file, "field");
        if !matches!(expected, "delegation" | "heartbeat") {
            continue;
        }
        plan(
            "extensions",
            "The lowest and the highest id that may be ignored; empty values.",
            &encoded(&[(0, b""), (0x7fff, b"")]),
        )
        .valid(file);
        plan(
            "extension-critical-first",
            "The lowest id that must be understood.",
            &encoded(&[(0x8000, b"")]),
        )
        .invalid(file, "unsupported");
        plan(
            "extension-critical-last",
            "The highest id, behind one that may be ignored.",
            &encoded(&[(1, b"a"), (0xffff, b"")]),
        )
        .invalid(file, "unsupported");
        plan(
            "extensions-descending",
            "Ids descend.",
            &encoded(&[(2, b"a"), (1, b"a")]),
        )
        .invalid(file, "field");
        plan(
            "extension-id-too-large",
            "An id of 2^16.",
            &[0x80, 0x80, 0x04, 0],
        )
        .invalid(file, "encoding");
        plan(
            "extension-id-overlong",
            "The id 7 in two bytes.",
            &[0x87, 0, 0],
        )
        .attacks(&["E1"])
        .invalid(file, "encoding");
        plan(
            "extension-cut",
            "A value that is longer than the list.",
            &[7, 2, b'a'],
        )
        .attacks(&["E1"])
        .invalid(file, "encoding");
    }
}

/// Welcomes with extensions in their fields and inside the ciphertext.
fn welcomes(file: &mut VectorFile) {
    let mut group = Group::new("objects", 4);
    group.remove(&[20]);
    let package = key_package("sensor-7", 1);
    let fields = group.welcome_fields(7, 17, group.next_epoch(), &package);
    let seed = package_seed("sensor-7", 1);
    let path = group.path_bytes(17, fields.epoch);
    let made = |outer: &[u8], bound: &[u8], inner: &[u8]| {
        let list = |bytes| List::from_encoded(bytes).unwrap();
        let aad = welcome_aad_with(Suite::One, &fields, &list(bound));
        let text = [&path, inner].concat();
        let to = sealmq_core::crypto::KemKeyPair::derive(&seed).public().0;
        let drawn = secret("a welcome with extensions");
        let (enc, sealed) = hpke::seal_base(&to, &welcome_info(&fields), &aad, &drawn, &text);
        let body = body(&WelcomeBody {
            fields,
            extensions: list(outer),
            enc: &enc,
            sealed: &sealed,
        });
        let welcome = sign(sealmq_core::object::Kind::Welcome, &body, &controller(1));
        (welcome, aad, text)
    };
    let input = |welcome: &[u8]| {
        object! {
            authority: authority_json(&authority(1)), member: 7_u8, welcome: Json::hex(welcome),
            package: Json::hex(&package), package_seed: *seed.expose(),
        }
    };
    let most = blob(&encoded(&[(7, &[0; 1024 - 2 - 3])]));
    assert_eq!(most.len(), 1024);
    let (none, later_inside) = (body(&NO_EXTENSIONS), blob(&later()));
    for (id, comment, outer, inner) in table! {
        "fields":      "An extension before enc, which the aad covers.", later(), &none;
        "inside":      "One behind the path keys.",                      vec![], &later_inside;
        "inside-most": "1024 bytes of them behind the path keys.",       vec![], &most;
    } {
        let (welcome, aad, text) = made(&outer, &outer, inner);
        let keys = sealmq_keys::tree::path_nodes(4, 17).zip(path.chunks(32));
        let keys = keys.map(|(node, key)| object! { node: node, key: Json::hex(key) });
        let intermediate = object! {
            secret_key: hpke::private_key(&seed),
            info: Json::hex(welcome_info(&fields)),
            aad: Json::hex(aad),
            plaintext: Json::hex(&text),
        };
        let id = format!("welcome-open-extension-{id}");
        let vector = Vector::valid("welcome_open", id, comment, SPEC, input(&welcome));
        file.push(
            vector
                .intermediate(intermediate)
                .result(object! { path: Json::Array(keys.collect()) }),
        );
    }
    let too_many = blob(&encoded(&[(7, &[0; 1024 - 2 - 3 + 1])]));
    for (id, comment, outer, bound, inner, reason) in table! {
        "unbound": "An extension that the aad does not cover.", later(), vec![], &none => "wrong_secret";
        "cut-off": "The aad covers one that is not there.", vec![], later(), &none => "wrong_secret";
        "critical-inside": "A critical one behind the path keys.",
            vec![], vec![], &blob(&critical()) => "unsupported";
        "inside-twice": "The same id twice behind the path keys.",
            vec![], vec![], &blob(&encoded(&[(7, b""), (7, b"")])) => "field";
        "inside-trailing": "A byte behind them.", vec![], vec![], &vec![0, 0] => "encoding";
        "inside-missing": "No list behind the path keys.", vec![], vec![], &vec![] => "field";
        "inside-too-many": "1025 bytes behind the path keys.", vec![], vec![], &too_many => "field";
    } {
        let (welcome, ..) = made(&outer, &bound, inner);
        let id = format!("welcome-open-extension-{id}");
        let input = input(&welcome);
        file.push(Vector::invalid(
            "welcome_open",
            id,
            comment,
            SPEC,
            input,
            reason,
        ));
    }
}

/// Members follow what a later version announces, unless it must be understood.
fn announcements(file: &mut VectorFile) {
    let mut group = ordinary();
    let mut draft = group.draft(false);
    draft.extensions = later();
    group.accept(draft);
    group.rotate();
    fixtures(&group, file);
    let mut draft = group.draft_of(8, false);
    draft.extensions = critical();
    let refused = group.encode(&draft);
    stories! { Follower::of(&group, READER, 7) => file:
        "extension": "Epoch 8 has an extension; its entries are bound to the head with it."
            => .ok(7).ok(8).ok(9);
        "extension-critical": "Epoch 8 in a form that must be understood."
            => .ok(7).raw(&refused, "unsupported");
    }
}

/// What is behind the key's index is bound to the ciphertext.
fn join_requests(file: &mut VectorFile) {
    let mut plan = join_request::plan();
    plan.extensions = later();
    let (id, comment) = ("extension", "An extension that nobody knows.");
    let input = join_request::input(1, &plan.bytes());
    file.push(accepted(id, comment, input, &plan, join_request::NAME));
    let (enc, sealed) = join_request::plan().parts(&plan.plaintext());
    let unbound = plan.frame(&enc, &sealed);
    plan.extensions = critical();
    let critical = plan.bytes();
    plan.extensions = encoded(&[(7, b""), (7, b"")]);
    for (id, comment, bytes, reason) in table! {
        "critical": "One that must be understood.",     critical     => "unsupported";
        "unbound":  "One that the aad does not cover.", unbound      => "wrong_secret";
        "twice":    "The same id twice.",               plan.bytes() => "field";
    } {
        let id = format!("join-request-extension-{id}");
        let input = join_request::input(1, &bytes);
        file.push(Vector::invalid(
            "join_request",
            id,
            comment,
            SPEC,
            input,
            reason,
        ));
    }
}
