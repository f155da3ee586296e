//! Welcomes that are sealed with X-Wing.

use sealmq_core::GroupId;
use sealmq_core::crypto::{KemId, RecipientKey, Secret, seal_base};
use sealmq_core::object::Kind;
use sealmq_core::wire::Suite;
use sealmq_keys::{VerifiedKeyPackage, WelcomeFields};

use super::super::objects::{Plan, under_authority};
use super::{ENC_X25519_AT, NAME, SPEC, package, pair};
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::group::{Group, welcome_aad, welcome_info};
use crate::vectors::hpke;
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::{
    NO_EXTENSIONS, WelcomeBody, authority, authority_json, body, controller, domain, identity,
    key_package, package_seed, plant, secret, sign_as,
};

fn welcome_fields(group: &Group, leaf: u32) -> WelcomeFields {
    group.welcome_fields(7, leaf, group.next_epoch(), &package(1))
}

fn raw(fields: &WelcomeFields, enc: &[u8], sealed: &[u8]) -> Vec<u8> {
    let fields = *fields;
    let body = body(&WelcomeBody {
        fields,
        extensions: NO_EXTENSIONS,
        enc,
        sealed,
    });
    sign_as(Suite::Two, Kind::Welcome, &body, &controller(1))
}

/// Enc, and what is sealed with it.
fn sealed(
    group: &Group,
    leaf: u32,
    info: &[u8],
    aad: &[u8],
    to: &RecipientKey,
) -> (Vec<u8>, Vec<u8>) {
    let mut text = group.welcome_text(leaf, group.next_epoch());
    let (enc, tag) = seal_base(to, info, aad, &sealing_seed(), &mut text).unwrap();
    text.extend_from_slice(&tag);
    (enc.as_bytes().to_vec(), text)
}

fn sealing_seed() -> Secret {
    secret("welcome of suite 2")
}

/// The right welcome, as the authority makes it.
pub(super) fn welcome(group: &Group, leaf: u32) -> Vec<u8> {
    let fields = welcome_fields(group, leaf);
    let aad = welcome_aad(Suite::Two, &fields);
    let (enc, text) = sealed(group, leaf, &welcome_info(&fields), &aad, pair(1).public());
    let made = raw(&fields, &enc, &text);
    let of = identity(NAME).verifying_key();
    let package = VerifiedKeyPackage::verify(&package(1), Suite::Two, &domain(), &of).unwrap();
    let path = group.path(leaf, fields.epoch);
    let out = &mut [0; 4096];
    let real = fields
        .seal(&path, &package, &sealing_seed(), &controller(1), out)
        .unwrap()
        .0;
    assert_eq!(made, real, "the real authority code makes the same");
    made
}

pub(super) fn welcomes(group: &Group, right: &[u8], file: &mut VectorFile) {
    let plan = |id: &str, comment: &'static str, object: Vec<u8>| {
        let context = under_authority()
            .with("member", 7_u8)
            .with("group", plant().0)
            .with("suite", 2_u8);
        Plan::new("welcome", id, comment, object, context)
            .spec(SPEC)
            .attacks(&["A24"])
    };
    plan("suite-2", "Sealed with X-Wing.", right.to_vec()).valid(file);
    let fields = welcome_fields(group, 9);
    let mut bad = |id: &str, comment: &'static str, object: Vec<u8>, reason: &'static str| {
        plan(id, comment, object).invalid(file, reason);
    };
    let of_suite_1 = group.welcome(7, NAME, 9, &key_package(NAME, 1));
    let text = [0x5a; 112];
    let mut flipped = right.to_vec();
    flipped[1000] ^= 1;
    table! { bad:
        "suite-2-form":     "A welcome of suite 1.", of_suite_1                      => "form";
        "suite-2-enc-32":   "An enc of suite 1.",    raw(&fields, &[9; 32], &text)   => "field";
        "suite-2-enc-1119": "1119 bytes of enc.",    raw(&fields, &[9; 1119], &text) => "field";
        "suite-2-enc-1121": "1121 bytes of enc.",    raw(&fields, &[9; 1121], &text) => "field";
        "suite-2-altered":  "A bit of enc.",         flipped                         => "signature";
    }
}

pub(super) fn opening(group: &Group, right: &[u8], file: &mut VectorFile) {
    let input = |welcome: &[u8], number: u32| {
        object! {
            authority: authority_json(&authority(1)), suite: 2_u8, member: 7_u8,
            welcome: Json::hex(welcome), package: Json::hex(package(number)),
            package_seed: *package_seed(NAME, number).expose(),
        }
    };
    for (id, leaf) in [("reader", 9), ("publisher", 15)] {
        let fields = welcome_fields(group, leaf);
        let plaintext = group.welcome_text(leaf, fields.epoch);
        let path = sealmq_keys::tree::path_nodes(3, leaf).zip(plaintext.chunks(32));
        let path = path.map(|(node, key)| object! { node: node, key: Json::hex(key) });
        let welcome = welcome(group, leaf);
        let id = format!("welcome-open-suite-2-{id}");
        let vector = Vector::valid(
            "welcome_open",
            id,
            "A welcome that was sealed with X-Wing.",
            &[SPEC],
            input(&welcome, 1),
        );
        let intermediate = object! {
            secret_key: hpke::private_key_of(KemId::XWing, &package_seed(NAME, 1)),
            info: Json::hex(welcome_info(&fields)),
            aad: Json::hex(welcome_aad(Suite::Two, &fields)),
            plaintext: Json::hex(&plaintext),
        };
        let result = object! { path: Json::Array(path.collect()) };
        file.push(
            vector
                .attacks(&["A24"])
                .intermediate(intermediate)
                .result(result),
        );
    }
    let mut bad = |id: &str, comment: &str, input: Json, reason: &'static str| {
        let id = format!("welcome-open-suite-2-{id}");
        let vector = Vector::invalid("welcome_open", id, comment, &[SPEC], input, reason);
        file.push(vector.attacks(&["A24", "C6"]));
    };
    let fields = welcome_fields(group, 9);
    let (info, aad) = (welcome_info(&fields), welcome_aad(Suite::Two, &fields));
    let (enc, text) = sealed(group, 9, &info, &aad, pair(1).public());
    let altered = |at: usize, bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    let last = text.len() - 1;
    for (id, comment, welcome) in table! {
        "enc-ml-kem": "A bit of ML-KEM's ciphertext.", raw(&fields, &altered(0, &enc), &text);
        "enc-x25519": "A bit of X25519's public key.", raw(&fields, &altered(ENC_X25519_AT, &enc), &text);
        "tag":        "The last bit of the tag.",      raw(&fields, &enc, &altered(last, &text));
    } {
        bad(id, comment, input(&welcome, 1), "wrong_secret");
    }
    let (enc, text) = sealed(group, 9, &info, &aad, pair(2).public());
    let other = raw(&fields, &enc, &text);
    table! { bad:
        "other-key": "Sealed to another key.", input(&other, 1) => "wrong_secret";
    }
    let elsewhere = WelcomeFields {
        group: GroupId([1; 16]),
        ..fields
    };
    let of_elsewhere = welcome_info(&elsewhere);
    let other_serial = WelcomeFields {
        serial: 2,
        ..fields
    };
    for (id, comment, info, aad) in table! {
        "info-group": "Sealed for another group.",        &of_elsewhere, &aad;
        "aad-serial": "Sealed under another serial.",     &info, &welcome_aad(Suite::Two, &other_serial);
        "aad-form":   "Sealed with the form of suite 1.", &info, &welcome_aad(Suite::One, &fields);
    } {
        let (enc, text) = sealed(group, 9, info, aad, pair(1).public());
        let other = raw(&fields, &enc, &text);
        bad(id, comment, input(&other, 1), "wrong_secret");
    }
    let of_suite_1 = group.welcome(7, NAME, 9, &key_package(NAME, 1));
    table! { bad:
        "other-package": "To another package.",   input(right, 2)       => "package";
        "form":          "A welcome of suite 1.", input(&of_suite_1, 1) => "form";
    }
}
