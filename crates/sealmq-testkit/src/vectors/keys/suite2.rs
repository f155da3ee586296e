//! Domains of suite 2: what X-Wing changes (spec/keys.md §10).

use sealmq_core::GroupId;
use sealmq_core::crypto::{KemId, RecipientKey, RecipientKeyPair, Secret, seal_base};
use sealmq_core::object::Kind;
use sealmq_core::wire::Suite;
use sealmq_keys::{
    DelegatedKemKey, KEM_X25519, KEM_XWING, KeyPackage, VerifiedKeyPackage, WelcomeFields,
};

use super::join_request::{
    Plan as Join, accepted, input as join_input, with_request, without_token,
};
use super::objects::{Plan, request, request_as, under_authority, under_root};
use super::token::token_id;
use crate::vectors::craft::{blob, varint};
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::group::{Group, welcome_aad, welcome_info};
use crate::vectors::hpke;
use crate::vectors::json::{Json, object};
use crate::vectors::world::{
    NOW, WelcomeBody, authority, authority_json, body, body_of, controller, delegated, delegation,
    delegation_with, domain, elements, hash, identity, key_package, package_seed, plant, public,
    secret, sign_as,
};

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
        &body(&fields),
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
    let plan = |id: &str, comment: &'static str, object: Vec<u8>, context: Json| {
        Plan::new("delegation", id, comment, object, context)
            .spec(SPEC)
            .attacks(&["D15", "A24"])
    };
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
    let right = made(Suite::Two, 1, KEM_XWING, key);
    plan(
        "suite-2",
        "A domain of suite 2.",
        right.clone(),
        under_root(),
    )
    .valid(file);
    let mut bad = |id: &str, comment: &'static str, object: Vec<u8>| {
        plan(id, comment, object, under_root()).invalid(file, "field");
    };
    let x25519 = [9; 32];
    bad(
        "suite-2-x25519",
        "A key of suite 1.",
        made(Suite::Two, 1, KEM_X25519, &x25519),
    );
    bad(
        "suite-1-xwing",
        "A key of suite 2 in suite 1.",
        made(Suite::One, 1, KEM_XWING, key),
    );
    bad(
        "suite-2-key-short",
        "1215 bytes.",
        made(Suite::Two, 1, KEM_XWING, &key[..1215]),
    );
    let longer = [key, &[0]].concat();
    bad(
        "suite-2-key-long",
        "1217 bytes.",
        made(Suite::Two, 1, KEM_XWING, &longer),
    );
    let mut wrong = key.to_vec();
    unreduced(&mut wrong);
    bad(
        "suite-2-ml-kem",
        "A coefficient out of range.",
        made(Suite::Two, 1, KEM_XWING, &wrong),
    );
    let next = made(Suite::Two, 2, KEM_XWING, key);
    let held = under_root().with("held", Json::hex(delegation(1)));
    plan(
        "suite-changes",
        "No domain changes its suite: 2 after 1.",
        next,
        held,
    )
    .invalid(file, "form");
    let held = under_root().with("held", Json::hex(&right));
    plan(
        "suite-changes-back",
        "No domain changes its suite: 1 after 2.",
        delegation(2),
        held,
    )
    .invalid(file, "form");
}

fn packages(file: &mut VectorFile) {
    let plan = |id: &str, comment: &'static str, object: Vec<u8>| {
        let context = object! { domain: domain().0, now: NOW, skew: 300_u16, suite: 2_u8 };
        Plan::new("key_package", id, comment, object, context)
            .spec(SPEC)
            .attacks(&["A24"])
    };
    plan("suite-2", "An X-Wing key.", package(1)).valid(file);
    let zeros = altered_package(|body| body[KEY_AT + X25519_AT..][..32].fill(0));
    plan("suite-2-low-order", "X-Wing takes any X25519 half.", zeros).valid(file);
    let mut bad = |id: &str, comment: &'static str, object: Vec<u8>, reason: &'static str| {
        plan(id, comment, object).invalid(file, reason);
    };
    bad(
        "suite-2-form",
        "A package of suite 1.",
        key_package(NAME, 1),
        "form",
    );
    let coefficient = altered_package(|body| unreduced(&mut body[KEY_AT..]));
    bad(
        "suite-2-ml-kem",
        "A coefficient out of range.",
        coefficient,
        "field",
    );
    let with_key = |kem: u16, key: &[u8]| {
        altered_package(|body| {
            let times = body.split_off(KEY_AT + 1216);
            body.truncate(16 + 32 + 1);
            body.extend([varint(kem.into()), blob(key), times].concat());
        })
    };
    let key = pair(1).public().as_bytes().to_vec();
    bad(
        "suite-2-kem",
        "The KEM of suite 1.",
        with_key(KEM_X25519, &[9; 32]),
        "field",
    );
    bad(
        "suite-2-kem-id",
        "The id of suite 1's KEM alone.",
        with_key(KEM_X25519, &key),
        "field",
    );
    bad(
        "suite-2-short",
        "1215 bytes.",
        with_key(KEM_XWING, &key[..1215]),
        "field",
    );
    let longer = [&key[..], &[0]].concat();
    bad(
        "suite-2-long",
        "1217 bytes.",
        with_key(KEM_XWING, &longer),
        "field",
    );
    let mut flipped = package(1);
    flipped[100] ^= 1;
    bad("suite-2-altered", "A bit of the key.", flipped, "signature");
}

fn requests(file: &mut VectorFile) {
    let plan = |id: &str, comment: &'static str, object: Vec<u8>| {
        let context = object! { domain: domain().0, suite: 2_u8 };
        Plan::new("enrolment_request", id, comment, object, context)
            .spec(SPEC)
            .attacks(&["A24"])
    };
    let made = |packages: &[Vec<u8>]| request_as(Suite::Two, NAME, packages, |_| {});
    plan("suite-2", "A request with a package.", made(&[package(1)])).valid(file);
    plan(
        "suite-2-no-packages",
        "A request without packages.",
        made(&[]),
    )
    .valid(file);
    let mut bad = |id: &str, comment: &'static str, object: Vec<u8>, reason: &'static str| {
        plan(id, comment, object).invalid(file, reason);
    };
    bad(
        "suite-2-form",
        "A request of suite 1.",
        request(NAME, &[]),
        "form",
    );
    bad(
        "suite-2-package",
        "A package of suite 1.",
        made(&[key_package(NAME, 1)]),
        "form",
    );
    let coefficient = altered_package(|body| unreduced(&mut body[KEY_AT..]));
    bad(
        "suite-2-ml-kem",
        "A package with a bad key.",
        made(&[coefficient]),
        "field",
    );
    let mut flipped = made(&[]);
    *flipped.last_mut().unwrap() ^= 0x10;
    bad(
        "suite-2-signature",
        "A bit of the signature.",
        flipped,
        "signature",
    );
}

fn welcome_fields(group: &Group, leaf: u32) -> WelcomeFields {
    group.welcome_fields(7, leaf, group.next_epoch(), &package(1))
}

fn raw(fields: &WelcomeFields, enc: &[u8], sealed: &[u8]) -> Vec<u8> {
    let fields = *fields;
    let body = body(&WelcomeBody {
        fields,
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
    let mut text = group.path_bytes(leaf, group.next_epoch());
    let (enc, tag) = seal_base(to, info, aad, &sealing_seed(), &mut text).unwrap();
    text.extend_from_slice(&tag);
    (enc.as_bytes().to_vec(), text)
}

fn sealing_seed() -> Secret {
    secret("welcome of suite 2")
}

/// The right welcome, as the authority makes it.
fn welcome(group: &Group, leaf: u32) -> Vec<u8> {
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

fn welcomes(group: &Group, right: &[u8], file: &mut VectorFile) {
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
    bad("suite-2-form", "A welcome of suite 1.", of_suite_1, "form");
    let text = [0x5a; 112];
    bad(
        "suite-2-enc-32",
        "An enc of suite 1.",
        raw(&fields, &[9; 32], &text),
        "field",
    );
    bad(
        "suite-2-enc-1119",
        "1119 bytes of enc.",
        raw(&fields, &[9; 1119], &text),
        "field",
    );
    bad(
        "suite-2-enc-1121",
        "1121 bytes of enc.",
        raw(&fields, &[9; 1121], &text),
        "field",
    );
    let mut flipped = right.to_vec();
    flipped[1000] ^= 1;
    bad("suite-2-altered", "A bit of enc.", flipped, "signature");
}

fn opening(group: &Group, right: &[u8], file: &mut VectorFile) {
    let input = |welcome: &[u8], number: u32| {
        object! {
            authority: authority_json(&authority(1)), suite: 2_u8, member: 7_u8,
            welcome: Json::hex(welcome), package: Json::hex(package(number)),
            package_seed: *package_seed(NAME, number).expose(),
        }
    };
    for (id, leaf) in [("reader", 9), ("publisher", 15)] {
        let fields = welcome_fields(group, leaf);
        let plaintext = group.path_bytes(leaf, fields.epoch);
        let path = sealmq_keys::tree::path_nodes(3, leaf).zip(plaintext.chunks(32));
        let path = path.map(|(node, key)| object! { node: node, key: Json::hex(key) });
        let welcome = welcome(group, leaf);
        let id = format!("welcome-open-suite-2-{id}");
        let comment = "A welcome that was sealed with X-Wing.";
        let vector = Vector::valid("welcome_open", id, comment, &[SPEC], input(&welcome, 1));
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
    for (id, comment, welcome) in [
        (
            "enc-ml-kem",
            "A bit of ML-KEM's ciphertext.",
            raw(&fields, &altered(0, &enc), &text),
        ),
        (
            "enc-x25519",
            "A bit of X25519's public key.",
            raw(&fields, &altered(ENC_X25519_AT, &enc), &text),
        ),
        (
            "tag",
            "The last bit of the tag.",
            raw(&fields, &enc, &altered(last, &text)),
        ),
    ] {
        bad(id, comment, input(&welcome, 1), "wrong_secret");
    }
    let (enc, text) = sealed(group, 9, &info, &aad, pair(2).public());
    let other = raw(&fields, &enc, &text);
    bad(
        "other-key",
        "Sealed to another key.",
        input(&other, 1),
        "wrong_secret",
    );
    let elsewhere = WelcomeFields {
        group: GroupId([1; 16]),
        ..fields
    };
    let of_elsewhere = welcome_info(&elsewhere);
    let other_serial = WelcomeFields {
        serial: 2,
        ..fields
    };
    for (id, comment, info, aad) in [
        (
            "info-group",
            "Sealed for another group.",
            &of_elsewhere,
            &aad,
        ),
        (
            "aad-serial",
            "Sealed under another serial.",
            &info,
            &welcome_aad(Suite::Two, &other_serial),
        ),
        (
            "aad-form",
            "Sealed with the form of suite 1.",
            &info,
            &welcome_aad(Suite::One, &fields),
        ),
    ] {
        let (enc, text) = sealed(group, 9, info, aad, pair(1).public());
        let other = raw(&fields, &enc, &text);
        bad(id, comment, input(&other, 1), "wrong_secret");
    }
    bad(
        "other-package",
        "To another package.",
        input(right, 2),
        "package",
    );
    let of_suite_1 = group.welcome(7, NAME, 9, &key_package(NAME, 1));
    bad(
        "form",
        "A welcome of suite 1.",
        input(&of_suite_1, 1),
        "form",
    );
}

fn joining(file: &mut VectorFile) {
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
    push("token", "With a token.", &plan(made(&[package(1)])));
    let mut waiting = without_token(request_as(Suite::Two, NAME, &[], |_| {}));
    waiting.form = Suite::Two.form();
    push("no-token", "An operator decides.", &waiting);

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
    bad(
        "form",
        "A join request of suite 1.",
        &of_suite_1.bytes(),
        "form",
    );
    bad(
        "enc-short",
        "1119 bytes of enc.",
        &right.frame(&enc[..1119], &text),
        "field",
    );
    bad(
        "enc-32",
        "An enc of suite 1.",
        &right.frame(&[9; 32], &text),
        "field",
    );
    let other = flipped(0, &enc);
    bad(
        "enc-ml-kem",
        "A bit of ML-KEM's ciphertext.",
        &right.frame(&other, &text),
        "wrong_secret",
    );
    let other = flipped(ENC_X25519_AT, &enc);
    bad(
        "enc-x25519",
        "A bit of X25519's key.",
        &right.frame(&other, &text),
        "wrong_secret",
    );
    let other = flipped(50, &text);
    bad(
        "altered",
        "A bit of the ciphertext.",
        &right.frame(&enc, &other),
        "wrong_secret",
    );
    let mut elsewhere = plan(made(&[]));
    elsewhere.domain = [1; 16];
    bad(
        "info-domain",
        "Sealed for another domain.",
        &elsewhere.bytes(),
        "wrong_secret",
    );
    bad(
        "request-form",
        "A request of suite 1 inside.",
        &plan(request(NAME, &[])).bytes(),
        "form",
    );
    let package_form = plan(made(&[key_package(NAME, 1)]));
    bad(
        "package-form",
        "A package of suite 1 inside.",
        &package_form.bytes(),
        "form",
    );
    let mut mac = plan(made(&[]));
    mac.mac[0] ^= 1;
    bad(
        "mac",
        "Made without the token's secret.",
        &mac.bytes(),
        "proof",
    );
}

fn sets(file: &mut VectorFile) {
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
    let comment = "The second is of suite 1.";
    file.push(Vector::invalid(
        "package_set",
        "package-set-suite-2-mixed",
        comment,
        &[SPEC],
        mixed,
        "form",
    ));
}
