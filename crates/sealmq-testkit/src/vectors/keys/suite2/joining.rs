//! Join requests and sets of packages in a domain of suite 2.

use sealmq_core::wire::Suite;

use super::super::join_request::{
    Plan as Join, accepted, input as join_input, with_request, without_token,
};
use super::super::objects::{request, request_as};
use super::super::token::token_id;
use super::{ENC_X25519_AT, NAME, SPEC, package};
use crate::vectors::craft::blob;
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::{domain, hash, key_package, public};

pub(super) fn joining(file: &mut VectorFile) {
    let made =
        |packages: &[Vec<u8>]| request_as(Suite::Two, NAME, packages, |r| r.token = token_id());
    let plan = |request: Vec<u8>| {
        let mut plan = with_request(request);
        plan.form = Suite::Two.form();
        plan
    };
    let mut push = |id: &str, comment: &str, plan: &Join| {
        let id = format!("suite-2-{id}");
        file.push(accepted(
            &id,
            comment,
            join_input(2, &plan.bytes()),
            plan,
            NAME,
        ));
    };
    let mut waiting = without_token(request_as(Suite::Two, NAME, &[], |_| {}));
    waiting.form = Suite::Two.form();
    table! { push:
        "token":    "With a token.",        &plan(made(&[package(1)]));
        "no-token": "An operator decides.", &waiting;
    }

    let mut bad = |id: &str, comment: &str, bytes: &[u8], reason| {
        let id = format!("join-request-suite-2-{id}");
        let input = join_input(2, bytes);
        let vector = Vector::invalid("join_request", id, comment, &[SPEC], input, reason);
        file.push(vector.attacks(&["A24", "G7"]));
    };
    let right = plan(made(&[]));
    let (enc, text) = right.parts(&right.plaintext());
    let flipped = |at: usize, bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    let of_suite_1 = with_request(request(NAME, &[]));
    let other = flipped(0, &enc);
    table! { bad:
        "form":       "A join request of suite 1.",    &of_suite_1.bytes()               => "form";
        "enc-short":  "1119 bytes of enc.",            &right.frame(&enc[..1119], &text) => "field";
        "enc-32":     "An enc of suite 1.",            &right.frame(&[9; 32], &text)     => "field";
        "enc-ml-kem": "A bit of ML-KEM's ciphertext.", &right.frame(&other, &text)       => "wrong_secret";
    }
    let other = flipped(ENC_X25519_AT, &enc);
    table! { bad:
        "enc-x25519": "A bit of X25519's key.", &right.frame(&other, &text) => "wrong_secret";
    }
    let other = flipped(50, &text);
    let mut elsewhere = plan(made(&[]));
    elsewhere.domain = [1; 16];
    let package_form = plan(made(&[key_package(NAME, 1)]));
    let mut mac = plan(made(&[]));
    mac.mac[0] ^= 1;
    table! { bad:
        "altered":      "A bit of the ciphertext.",         &right.frame(&enc, &other) => "wrong_secret";
        "info-domain":  "Sealed for another domain.",       &elsewhere.bytes() => "wrong_secret";
        "request-form": "A request of suite 1 inside.",     &plan(request(NAME, &[])).bytes() => "form";
        "package-form": "A package of suite 1 inside.",     &package_form.bytes() => "form";
        "mac":          "Made without the token's secret.", &mac.bytes() => "proof";
    }
}

pub(super) fn sets(file: &mut VectorFile) {
    let set = |packages: &[Vec<u8>]| {
        let list: Vec<u8> = packages.iter().flat_map(|package| blob(package)).collect();
        let bytes = Json::hex(blob(&list));
        object! { bytes: bytes, suite: 2_u8, domain: domain().0, identity: public(NAME) }
    };
    let two = [package(1), package(2)];
    let stated = (1_u8..).zip(&two);
    let stated = stated.map(|(n, package)| object! { number: n, hash: hash(package) });
    let id = "package-set-suite-2";
    let vector = Vector::valid("package_set", id, "Two packages.", &[SPEC], set(&two));
    file.push(vector.result(object! { packages: Json::Array(stated.collect()) }));
    let mixed = set(&[package(1), key_package(NAME, 2)]);
    file.push(Vector::invalid(
        "package_set",
        "package-set-suite-2-mixed",
        "The second is of suite 1.",
        &[SPEC],
        mixed,
        "form",
    ));
}
