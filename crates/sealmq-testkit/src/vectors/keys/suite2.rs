//! Domains of suite 2: what X-Wing changes (spec/keys.md §10).

mod joining;
mod welcomes;

use sealmq_core::crypto::{KemId, RecipientKeyPair};
use sealmq_keys::{DelegatedKemKey, KEM_X25519, KEM_XWING, KeyPackage};

use self::joining::{joining, sets};
use self::welcomes::{opening, welcome, welcomes};
use super::objects::{Plan, request, request_as, under_root};
use crate::vectors::group::Group;
use crate::vectors::prelude::*;

const NAME: &str = "sensor-7";
const SPEC: &str = "keys.md §10";
/// Where the key begins in a key package's body, and its X25519 half in the key.
const KEY_AT: usize = 16 + 32 + 1 + 3 + 2;
const X25519_AT: usize = 1184;
/// Where X25519's half begins in enc.
const ENC_X25519_AT: usize = 1088;

pub(crate) fn vectors(file: &mut VectorFile) {
    file.fixture("package-suite-2", Json::hex(package(1)));
    delegations(file);
    packages(file);
    requests(file);
    let mut group = Group::new("suite-2", 3);
    group.rotate();
    let welcome = welcome(&group, 9);
    file.fixture("welcome-suite-2", Json::hex(&welcome));
    welcomes(&group, &welcome, file);
    opening(&group, &welcome, file);
    joining(file);
    sets(file);
}

fn pair(number: u32) -> RecipientKeyPair {
    RecipientKeyPair::derive(KemId::XWing, &package_seed(NAME, number))
}

fn package(number: u32) -> Vec<u8> {
    let pair = pair(number);
    let fields = KeyPackage {
        domain: domain(),
        identity: public(NAME),
        number,
        kem: KEM_XWING,
        init_key: pair.public().as_bytes(),
        issued_at: NOW - 60,
        not_after: NOW + 30 * 86_400,
    };
    sign_as(
        Suite::Two,
        Kind::KeyPackage,
        &fields_body(&fields),
        &identity(NAME),
    )
}

/// The first package with other bytes, signed again.
fn altered_package(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = body_of(&package(1), Kind::KeyPackage).to_vec();
    change(&mut body);
    sign_as(Suite::Two, Kind::KeyPackage, &body, &identity(NAME))
}

/// The first coefficient of the ML-KEM half becomes 3329.
fn unreduced(key: &mut [u8]) {
    key[0] = 0x01;
    key[1] = key[1] & 0xf0 | 0x0d;
}

fn delegations(file: &mut VectorFile) {
    let made = |suite: Suite, serial: u32, kem: u16, key: &[u8]| {
        let kem_keys = elements(&[DelegatedKemKey { kem, key }]);
        let one = delegation_with(serial, &elements(&delegated(1)), &kem_keys, |_| {});
        sign_as(
            suite,
            Kind::Delegation,
            body_of(&one, Kind::Delegation),
            &identity("root"),
        )
    };
    let pair = RecipientKeyPair::derive(KemId::XWing, &secret("kem key of the authority"));
    let key = pair.public().as_bytes();
    let of = |key: &[u8]| made(Suite::Two, 1, KEM_XWING, key);
    let held = |held: &[u8]| Plan::of("delegation", under_root().with("held", Json::hex(held)));
    table! { Plan::of("delegation", under_root()), [.spec(SPEC).attacks(&["D15", "A24"])] => file:
        "suite-2": "A domain of suite 2.", of(key) => valid;
        "suite-2-x25519": "A key of suite 1.", made(Suite::Two, 1, KEM_X25519, &[9; 32]) => "field";
        "suite-1-xwing": "A key of suite 2 in suite 1.", made(Suite::One, 1, KEM_XWING, key) => "field";
        "suite-2-key-short": "1215 bytes.", of(&key[..1215]) => "field";
        "suite-2-key-long": "1217 bytes.", of(&trailing(key)) => "field";
        "suite-2-ml-kem": "A coefficient out of range.", of(&altered(&key.to_vec(), |key| unreduced(key))) => "field";
    }
    table! { held(&delegation(1)), [.spec(SPEC).attacks(&["D15", "A24"])] => file:
        "suite-changes": "No domain changes its suite: 2 after 1.",
            made(Suite::Two, 2, KEM_XWING, key) => "form";
    }
    table! { held(&of(key)), [.spec(SPEC).attacks(&["D15", "A24"])] => file:
        "suite-changes-back": "No domain changes its suite: 1 after 2.", delegation(2) => "form";
    }
}

fn packages(file: &mut VectorFile) {
    let with_key = |kem: u16, key: &[u8]| {
        altered_package(|body| {
            let times = body.split_off(KEY_AT + 1216);
            body.truncate(16 + 32 + 1);
            body.extend([varint(kem.into()), blob(key), times].concat());
        })
    };
    let key = pair(1).public().as_bytes().to_vec();
    let zeros = altered_package(|body| body[KEY_AT + X25519_AT..][..32].fill(0));
    let coefficient = altered_package(|body| unreduced(&mut body[KEY_AT..]));
    let of_3329 =
        |at: usize| altered_package(|body| body[KEY_AT + at..][..2].copy_from_slice(&[0x10, 0xd0]));
    let context = object! { domain: domain().0, now: NOW, skew: 300_u16, suite: 2_u8 };
    table! { Plan::of("key_package", context), [.spec(SPEC).attacks(&["A24"])] => file:
        "suite-2": "An X-Wing key.", package(1) => valid;
        "suite-2-low-order": "X-Wing takes any X25519 half.", zeros => valid;
        "suite-2-form": "A package of suite 1.", key_package(NAME, 1) => "form";
        "suite-2-ml-kem": "A coefficient out of range.", coefficient => "field";
        "suite-2-ml-kem-odd": "The second coefficient is 3329.", of_3329(1) => "field";
        "suite-2-ml-kem-last": "The last coefficient is 3329.", of_3329(1150) => "field";
        "suite-2-kem": "The KEM of suite 1.", with_key(KEM_X25519, &[9; 32]) => "field";
        "suite-2-kem-id": "The id of suite 1's KEM alone.", with_key(KEM_X25519, &key) => "field";
        "suite-2-short": "1215 bytes.", with_key(KEM_XWING, &key[..1215]) => "field";
        "suite-2-long": "1217 bytes.", with_key(KEM_XWING, &trailing(&key)) => "field";
        "suite-2-altered": "A bit of the key.", flipped(&package(1), 100, 1) => "signature";
    }
}

fn requests(file: &mut VectorFile) {
    let made = |packages: &[Vec<u8>]| request_as(Suite::Two, NAME, packages, |_| {});
    let coefficient = altered_package(|body| unreduced(&mut body[KEY_AT..]));
    let (none, context) = (made(&[]), object! { domain: domain().0, suite: 2_u8 });
    table! { Plan::of("enrolment_request", context), [.spec(SPEC).attacks(&["A24"])] => file:
        "suite-2": "A request with a package.", made(&[package(1)]) => valid;
        "suite-2-no-packages": "A request without packages.", none.clone() => valid;
        "suite-2-form": "A request of suite 1.", request(NAME, &[]) => "form";
        "suite-2-package": "A package of suite 1.", made(&[key_package(NAME, 1)]) => "form";
        "suite-2-ml-kem": "A package with a bad key.", made(&[coefficient]) => "field";
        "suite-2-signature": "A bit of the signature.", flipped(&none, none.len() - 1, 0x10) => "signature";
    }
}
