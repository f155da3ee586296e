//! Welcomes that are sealed with X-Wing.

use sealmq_core::crypto::{KemId, RecipientKey, seal_base};
use sealmq_keys::{VerifiedKeyPackage, WelcomeFields, WelcomeSecrets};

use super::super::objects::{Plan, under_authority};
use super::super::welcome::opening::{OPEN, input, opens};
use super::{ENC_X25519_AT, NAME, SPEC, package, pair};
use crate::vectors::group::{Group, welcome_aad, welcome_info, welcome_object};
use crate::vectors::prelude::*;

fn welcome_fields(group: &Group, leaf: u32) -> WelcomeFields {
    group.welcome_fields(7, leaf, group.next_epoch(), &package(1))
}

fn raw(fields: &WelcomeFields, enc: &[u8], sealed: &[u8]) -> Vec<u8> {
    welcome_object(
        Suite::Two,
        (fields, NO_EXTENSIONS),
        (enc, sealed),
        &controller(1),
    )
}

/// Enc, and what is sealed with it.
fn sealed(
    group: &Group,
    leaf: u32,
    info: &[u8],
    aad: &[u8],
    to: &RecipientKey,
) -> (Vec<u8>, Vec<u8>) {
    let mut text = group.welcome_text(&welcome_fields(group, leaf));
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
    let kept = group.kept_key((fields.healing_epoch, fields.healing), path.half());
    let secrets = WelcomeSecrets {
        kept: kept.as_ref(),
        ..WelcomeSecrets::from(&path)
    };
    let out = &mut [0; 4096];
    let real = fields
        .seal(secrets, &package, &sealing_seed(), &controller(1), out)
        .unwrap()
        .0;
    assert_eq!(made, real, "the real authority code makes the same");
    made
}

pub(super) fn welcomes(group: &Group, right: &[u8], file: &mut VectorFile) {
    let plan = |id: &str, comment: &'static str, object: Vec<u8>| {
        let context = under_authority()
            .with("member", 7_u8)
            .with("group", plant().0);
        let plan = Plan::new("welcome", id, comment, object, context.with("suite", 2_u8));
        plan.spec(SPEC).attacks(&["A24"])
    };
    let fields = welcome_fields(group, 9);
    let of_suite_1 = group.welcome(7, NAME, 9, &key_package(NAME, 1));
    let text = [0x5a; 112];
    table! { plan => file:
        "suite-2":          "Sealed with X-Wing.",   right.to_vec()                  => valid;
        "suite-2-form":     "A welcome of suite 1.", of_suite_1                      => "form";
        "suite-2-enc-32":   "An enc of suite 1.",    raw(&fields, &[9; 32], &text)   => "field";
        "suite-2-enc-1119": "1119 bytes of enc.",    raw(&fields, &[9; 1119], &text) => "field";
        "suite-2-enc-1121": "1121 bytes of enc.",    raw(&fields, &[9; 1121], &text) => "field";
        "suite-2-altered":  "A bit of enc.",         flipped(right, 1000, 1)         => "signature";
    }
}

pub(super) fn opening(group: &Group, right: &[u8], file: &mut VectorFile) {
    let case = |id: &str, comment: &str, welcome: &[u8], number: u32| {
        let input = input(Suite::Two, welcome, &package(number), number);
        OPEN.case(id, comment, input)
            .spec(&[SPEC])
            .attacks(&["A24", "C6"])
    };
    let good = |id: &str, leaf: u32| {
        let fields = welcome_fields(group, leaf);
        let (aad, text) = (
            welcome_aad(Suite::Two, &fields),
            group.welcome_text(&fields),
        );
        let case = case(
            id,
            "A welcome that was sealed with X-Wing.",
            &welcome(group, leaf),
            1,
        );
        opens(case.attacks(&["A24"]), KemId::XWing, &fields, &aad, &text)
    };
    table! { good => file:
        "suite-2-reader":    9  => valid;
        "suite-2-publisher": 15 => valid;
    }
    let fields = welcome_fields(group, 9);
    let (info, aad) = (welcome_info(&fields), welcome_aad(Suite::Two, &fields));
    let sealed_to = |number: u32, info: &[u8], aad: &[u8]| {
        let (enc, text) = sealed(group, 9, info, aad, pair(number).public());
        raw(&fields, &enc, &text)
    };
    let (enc, text) = sealed(group, 9, &info, &aad, pair(1).public());
    let elsewhere = welcome_info(&WelcomeFields {
        group: GroupId([1; 16]),
        ..fields
    });
    let other_serial = welcome_aad(
        Suite::Two,
        &WelcomeFields {
            serial: 2,
            ..fields
        },
    );
    let of_suite_1 = group.welcome(7, NAME, 9, &key_package(NAME, 1));
    table! { case => file:
        "suite-2-enc-ml-kem": "A bit of ML-KEM's ciphertext.",
            &raw(&fields, &flipped(&enc, 0, 1), &text), 1 => "wrong_secret";
        "suite-2-enc-x25519": "A bit of X25519's public key.",
            &raw(&fields, &flipped(&enc, ENC_X25519_AT, 1), &text), 1 => "wrong_secret";
        "suite-2-tag": "The last bit of the tag.",
            &raw(&fields, &enc, &flipped(&text, text.len() - 1, 1)), 1 => "wrong_secret";
        "suite-2-other-key": "Sealed to another key.", &sealed_to(2, &info, &aad), 1 => "wrong_secret";
        "suite-2-info-group": "Sealed for another group.",
            &sealed_to(1, &elsewhere, &aad), 1 => "wrong_secret";
        "suite-2-aad-serial": "Sealed under another serial.",
            &sealed_to(1, &info, &other_serial), 1 => "wrong_secret";
        "suite-2-aad-form": "Sealed with the form of suite 1.",
            &sealed_to(1, &info, &welcome_aad(Suite::One, &fields)), 1 => "wrong_secret";
        "suite-2-other-package": "To another package.", right, 2 => "package";
        "suite-2-form": "A welcome of suite 1.", &of_suite_1, 1 => "form";
    }
}
