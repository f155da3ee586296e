//! Kind `join_request`: requests for membership as they stand on their topic (spec/keys.md §12).

use sealmq_core::DomainId;
use sealmq_core::crypto::{KemId, RecipientKeyPair, Secret, seal_base};
use sealmq_core::object::Extensions;
use sealmq_core::object::List;
use sealmq_keys::{EnrolmentRequest, Fingerprint, UNKNOWN_DOMAIN, join_mac};

use super::objects::{request, request_with};
use super::token::{EXPIRES, TOKEN_SECRET, token_id};
use crate::vectors::check::joining::join_info;
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::{
    LOW_ORDER_KEYS, NOW, body, domain, hash, key_package, key_package_with, public, secret,
};

pub(super) const NAME: &str = "sensor-7";
const SPEC: &[&str] = &["keys.md §12"];

/// A join request in the making.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) form: u8,
    kind: u8,
    serial: u32,
    key: u8,
    /// Encoded.
    pub(super) extensions: Vec<u8>,
    /// Domain in the info.
    pub(super) domain: [u8; 16],
    /// That the request inside names.
    pub(super) token: Option<[u8; 8]>,
    pub(super) mac: [u8; 32],
    pub(super) request: Vec<u8>,
}

fn kem_seed() -> Secret {
    secret("kem key of the authority")
}

/// With the mac of the token that the request names.
pub(super) fn with_request(request: Vec<u8>) -> Plan {
    let mac = join_mac(&secret(TOKEN_SECRET), &hash(&request));
    Plan {
        form: 0x11,
        kind: 10,
        serial: 1,
        key: 0,
        extensions: vec![],
        domain: domain().0,
        token: Some(token_id()),
        mac,
        request,
    }
}

/// For an operator.
pub(super) fn without_token(request: Vec<u8>) -> Plan {
    Plan {
        token: None,
        mac: [0; 32],
        ..with_request(request)
    }
}

/// A request for the token.
fn asks(packages: &[Vec<u8>], change: impl FnOnce(&mut EnrolmentRequest<'_>)) -> Vec<u8> {
    request_with(NAME, packages, |r| {
        r.token = token_id();
        change(r);
    })
}

/// The right one, with a token.
pub(super) fn plan() -> Plan {
    with_request(asks(&[key_package(NAME, 1)], |_| {}))
}

impl Plan {
    pub(super) fn info(&self) -> Vec<u8> {
        join_info(&self.domain, self.serial, self.key)
    }

    fn extensions(&self) -> Extensions<'_> {
        List::from_encoded(&self.extensions).unwrap()
    }

    /// keys.md §12: form, kind and what stands before `enc`.
    pub(super) fn aad(&self) -> Vec<u8> {
        let fields = body(&(self.serial, self.key, self.extensions()));
        [vec![self.form, self.kind], fields].concat()
    }

    pub(super) fn plaintext(&self) -> Vec<u8> {
        [&self.mac[..], &self.request].concat()
    }

    pub(super) fn parts(&self, plaintext: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let kem = if self.form == 0x12 {
            KemId::XWing
        } else {
            KemId::X25519
        };
        let pair = RecipientKeyPair::derive(kem, &kem_seed());
        let mut text = plaintext.to_vec();
        let seed = secret("seed of the join request");
        let (enc, tag) =
            seal_base(pair.public(), &self.info(), &self.aad(), &seed, &mut text).unwrap();
        text.extend_from_slice(&tag);
        (enc.as_bytes().to_vec(), text)
    }

    pub(super) fn frame(&self, enc: &[u8], sealed: &[u8]) -> Vec<u8> {
        let body = body(&(self.serial, self.key, self.extensions(), enc, sealed));
        [&[self.form, self.kind], &body[..]].concat()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let (enc, sealed) = self.parts(&self.plaintext());
        self.frame(&enc, &sealed)
    }
}

/// What the authority has, and the topic's fingerprint.
pub(super) fn input(suite: u8, bytes: &[u8]) -> Json {
    let token = object! {
        token: Json::hex(token_id()), secret: *secret(TOKEN_SECRET).expose(), expires: EXPIRES, uses_left: 1_u8, name: "sensor-*",
    };
    let key = object! { serial: 1_u8, key: 0_u8, seed: *kem_seed().expose() };
    object! {
        suite: suite,
        domain: domain().0,
        bytes: Json::hex(bytes),
        fingerprint: Fingerprint::of_bytes(&public(NAME)).0,
        now: NOW,
        keys: Json::Array(vec![key]),
        tokens: Json::Array(vec![token]),
    }
}

pub(crate) fn vectors(file: &mut VectorFile) {
    good(file);
    outside(file);
    inside(file);
}

/// The vector of a request that counts.
pub(super) fn accepted(id: &str, comment: &str, input: Json, plan: &Plan, name: &str) -> Vector {
    let token = plan.token.map(hex::encode);
    let intermediate = object! { info: Json::hex(plan.info()), aad: Json::hex(plan.aad()), plaintext: Json::hex(plan.plaintext()) };
    let result = object! {
        hash: hash(&plan.request),
        token: token,
        mac: plan.mac,
        name: Json::text(name),
        request: Json::hex(&plan.request),
    };
    Vector::valid(
        "join_request",
        format!("join-request-{id}"),
        comment,
        SPEC,
        input,
    )
    .attacks(&["G7"])
    .intermediate(intermediate)
    .result(result)
}

/// The token's authority has this for it.
fn with_token(change: impl FnOnce(Json) -> Json) -> Json {
    let input = input(1, &plan().bytes());
    let Some(Json::Array(tokens)) = input.get("tokens") else {
        unreachable!("a list");
    };
    let token = change(tokens[0].clone());
    input.with("tokens", Json::Array(vec![token]))
}

fn good(file: &mut VectorFile) {
    let mut push = |id: &str, comment: &str, plan: &Plan| {
        file.push(accepted(id, comment, input(1, &plan.bytes()), plan, NAME));
    };
    let waiting = without_token(request(NAME, &[key_package(NAME, 1)]));
    table! { push:
        "token":       "With a token.",               &plan();
        "no-token":    "An operator decides.",        &waiting;
        "no-packages": "A request without packages.", &with_request(asks(&[], |_| {}));
    }
    let last_second = input(1, &plan().bytes()).with("now", EXPIRES);
    file.push(accepted(
        "token-last-second",
        "The last second at which the token is good.",
        last_second,
        &plan(),
        NAME,
    ));
    for (id, comment, name) in table! {
        "token-any-name":   "The token admits any name.",                      "";
        "token-one-name":   "The token admits this name only.",                NAME;
        "token-whole-name": "The beginning that it admits is the whole name.", "sensor-7*";
    } {
        let input = with_token(|token| token.with("name", name));
        file.push(accepted(id, comment, input, &plan(), NAME));
    }
    tokens(file);
}

/// The request is right; what the authority knows of the token is not.
fn tokens(file: &mut VectorFile) {
    let mut push = |id: &str, comment: &str, input: Json, reason| {
        let id = format!("join-request-{id}");
        let vector = Vector::invalid("join_request", id, comment, SPEC, input, reason);
        file.push(vector.attacks(&["G7"]));
    };
    let late = input(1, &plan().bytes()).with("now", EXPIRES + 1);
    let used = with_token(|token| token.with("uses_left", 0_u8));
    let revoked = input(1, &plan().bytes()).with("tokens", Json::Array(vec![]));
    let other = with_token(|token| token.with("secret", *secret("another token").expose()));
    table! { push:
        "token-expired":      "One second after it expired.",          late    => "token";
        "token-used-up":      "No use is left.",                       used    => "token";
        "token-revoked":      "It was revoked.",                       revoked => "token";
        "token-other-secret": "The mac is of another token's secret.", other   => "proof";
    }
    let mut other = plan();
    other.mac = join_mac(&secret("another token"), &hash(&other.request));
    let mut two = input(1, &other.bytes());
    if let Some(Json::Array(tokens)) = two.get("tokens") {
        let second = tokens[0].clone().with("token", Json::hex([9; 8]));
        let second = second.with("secret", *secret("another token").expose());
        let both = Json::Array(vec![tokens[0].clone(), second]);
        two = two.with("tokens", both);
    }
    table! { push:
        "token-mac-of-other": "It names one token, and the mac is of another one that is known.",
            two => "proof";
    }
    for (id, comment, name) in table! {
        "name-case":   "Names are compared as they are.",                       "Sensor-7";
        "name-one":    "The token is for another name.",                        "sensor-8";
        "name-longer": "The beginning that it admits is longer than the name.", "sensor-77*";
        "name-prefix": "Only a beginning with `*` admits longer names.",        "sensor-";
    } {
        push(
            id,
            comment,
            with_token(|token| token.with("name", name)),
            "name",
        );
    }
}

/// What is refused before the request inside is looked at.
fn outside(file: &mut VectorFile) {
    let mut push = |id: &str, comment: &str, bytes: &[u8], reason| {
        let id = format!("join-request-{id}");
        let vector = Vector::invalid("join_request", id, comment, SPEC, input(1, bytes), reason);
        file.push(vector.attacks(&["F4"]));
    };
    let right = plan();
    let (enc, sealed) = right.parts(&right.plaintext());
    let bytes = right.bytes();
    let with = |change: fn(&mut Plan)| {
        let mut plan = plan();
        change(&mut plan);
        plan.bytes()
    };
    table! { push:
        "cleared": "A cleared topic.", &[] => "form";
        "form": "Version 2.", &[&[0x21], &bytes[1..]].concat() => "form";
        "kind": "Another kind.", &with(|p| p.kind = 9) => "kind";
        "trailing": "A byte behind the last field.", &[&bytes[..], &[0]].concat() => "encoding";
        "truncated": "The last byte is missing.", &bytes[..bytes.len() - 1] => "encoding";
        "overlong": "The serial is spelled with two bytes.",
            &[&bytes[..2], &[0x81, 0], &bytes[3..]].concat() => "encoding";
        "size": "Above 65536 bytes.", &right.frame(&enc, &[0; 65_536]) => "size";
    }
    let at_limit = right.frame(&enc, &[0; 65_536 - 2 - 3 - 33 - 3]);
    assert_eq!(at_limit.len(), 65_536);
    let mut altered = sealed.clone();
    altered[50] ^= 1;
    let other: Vec<u8> = enc.iter().map(|byte| byte ^ 1).collect();
    table! { push:
        "65536": "65536 bytes are not too many, but they do not open.", &at_limit => "wrong_secret";
        "enc-short": "31 bytes of enc.", &right.frame(&enc[..31], &sealed) => "field";
        "sealed-short": "Too short for a request.", &right.frame(&enc, &sealed[..48]) => "field";
        "serial": "Sealed to a key of another delegation.", &with(|p| p.serial = 2) => "role";
        "no-such-key": "Sealed to a key that there is not.", &with(|p| p.key = 1) => "role";
        "altered": "A bit of the ciphertext.", &right.frame(&enc, &altered) => "wrong_secret";
        "enc": "Another enc.", &right.frame(&other, &sealed) => "wrong_secret";
        "low-order": "An enc of low order.", &right.frame(&[0; 32], &sealed) => "wrong_secret";
        "info-domain": "Sealed for another domain.", &with(|p| p.domain = [1; 16]) => "wrong_secret";
    }
}

fn inside(file: &mut VectorFile) {
    let mut push = |id: &str, comment: &str, plan: &Plan, reason| {
        let id = format!("join-request-{id}");
        let input = input(1, &plan.bytes());
        let vector = Vector::invalid("join_request", id, comment, SPEC, input, reason);
        file.push(vector.attacks(&["G7", "C3"]));
    };
    let with = |change: fn(&mut Plan)| {
        let mut plan = plan();
        change(&mut plan);
        plan
    };
    let other_label = sealmq_core::crypto::expand(
        &secret(TOKEN_SECRET),
        &[b"sealmq/1 confirmed", &hash(&plan().request).0],
    );
    let mut other = plan();
    other.mac = join_mac(&secret(TOKEN_SECRET), &hash(&asks(&[], |_| {})));
    table! { push:
        "mac-without-token": "A mac, and no token.", &with_request(request(NAME, &[])) => "field";
        "unknown-token": "A token that nobody gave out.",
            &with_request(asks(&[], |r| r.token[0] ^= 1)) => "token";
        "mac": "Made without the token's secret.", &with(|p| p.mac[31] ^= 1) => "proof";
        "mac-purpose": "Made with the token's secret, but under another label.",
            &Plan { mac: *other_label.expose(), ..plan() } => "proof";
        "mac-zeros": "A token's id alone.", &with(|p| p.mac = [0; 32]) => "proof";
        "mac-other-request": "The mac of another request.", &other => "proof";
        "unknown-domain": "The request does not name the domain.",
            &with_request(asks(&[], |r| r.domain = UNKNOWN_DOMAIN)) => "domain";
        "domain": "The request names another domain.",
            &with_request(asks(&[], |r| r.domain = DomainId([1; 16]))) => "domain";
        "request-key": "The request is signed by another key than the one inside.",
            &with_request(asks(&[], |r| r.key = public("insider-8"))) => "signature";
        "request-kind": "A key package in the request's place.",
            &with_request(key_package(NAME, 1)) => "kind";
    }
    for (id, key) in LOW_ORDER_KEYS {
        let low = key_package_with(NAME, 1, |p| p.init_key = key);
        push(
            &format!("package-low-order-{id}"),
            "A package with a key of low order.",
            &with_request(asks(&[low], |_| {})),
            "field",
        );
    }
    let mut unproven = with_request(asks(&[], |r| r.name = "pump-7"));
    unproven.mac[31] ^= 1;
    table! { push:
        "fingerprint": "On the topic of another key.",
            &with_request(request_with("sensor-8", &[], |r| r.token = token_id())) => "recipient";
        "mac-before-name": "The mac comes before the name: who has no secret gets no answer.",
            &unproven => "proof";
        "name": "A name that the token does not admit.",
            &with_request(asks(&[], |r| r.name = "pump-7")) => "name";
    }
}
