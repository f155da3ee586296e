//! Join requests and sets of packages in a domain of suite 2.

use super::super::join_request::{
    JOIN, Join, accepted, input as join_input, with_request, without_token,
};
use super::super::objects::{request, request_as};
use super::super::package_set::{self, SET, set};
use super::super::token::token_id;
use super::{ENC_X25519_AT, NAME, SPEC, package};
use crate::vectors::prelude::*;

pub(super) fn joining(file: &mut VectorFile) {
    let made =
        |packages: &[Vec<u8>]| request_as(Suite::Two, NAME, packages, |r| r.token = token_id());
    let of = |join: Join| altered(&join, |join| join.form = Suite::Two.form());
    let plan = |packages: &[Vec<u8>]| of(with_request(made(packages)));
    let good = |id: &str, comment: &str, join: Join| {
        accepted(id, comment, join_input(2, &join.bytes()), &join)
    };
    table! { good => file:
        "suite-2-token": "With a token.", plan(&[package(1)]) => valid;
        "suite-2-no-token": "An operator decides.",
            of(without_token(request_as(Suite::Two, NAME, &[], |_| {}))) => valid;
    }

    let case = |id: &str, comment: &str, bytes: &[u8]| {
        JOIN.case(id, comment, join_input(2, bytes))
            .spec(&[SPEC])
            .attacks(&["A24", "G7"])
    };
    let right = plan(&[]);
    let (enc, text) = right.parts(&right.plaintext());
    table! { case => file:
        "suite-2-form": "A join request of suite 1.", &with_request(request(NAME, &[])).bytes() => "form";
        "suite-2-enc-short": "1119 bytes of enc.", &right.frame(&enc[..1119], &text) => "field";
        "suite-2-enc-32": "An enc of suite 1.", &right.frame(&[9; 32], &text) => "field";
        "suite-2-enc-ml-kem": "A bit of ML-KEM's ciphertext.",
            &right.frame(&flipped(&enc, 0, 1), &text) => "wrong_secret";
        "suite-2-enc-x25519": "A bit of X25519's key.",
            &right.frame(&flipped(&enc, ENC_X25519_AT, 1), &text) => "wrong_secret";
        "suite-2-altered": "A bit of the ciphertext.",
            &right.frame(&enc, &flipped(&text, 50, 1)) => "wrong_secret";
        "suite-2-info-domain": "Sealed for another domain.",
            &altered(&right, |p| p.domain = [1; 16]).bytes() => "wrong_secret";
        "suite-2-request-form": "A request of suite 1 inside.",
            &of(with_request(request(NAME, &[]))).bytes() => "form";
        "suite-2-package-form": "A package of suite 1 inside.",
            &plan(&[key_package(NAME, 1)]).bytes() => "form";
        "suite-2-mac": "Made without the token's secret.",
            &altered(&right, |p| p.mac[0] ^= 1).bytes() => "proof";
    }
}

pub(super) fn sets(file: &mut VectorFile) {
    let two = [package(1), package(2)];
    let mixed = set(&[package(1), key_package(NAME, 2)]);
    let right = package_set::good("suite-2", "Two packages.", 2, &two, &[1, 2]);
    file.push(right.spec(&[SPEC]).attacks(&[]));
    let bad = SET.case(
        "suite-2-mixed",
        "The second is of suite 1.",
        package_set::input(2, &mixed),
    );
    file.push(bad.spec(&[SPEC]).attacks(&[]).reason("form"));
}
