//! Kind `join_request`: requests for membership as they stand on their topic (spec/keys.md §12).

use sealmq_core::crypto::{KemId, RecipientKeyPair, expand, seal_base};
use sealmq_core::object::Extensions;
use sealmq_keys::{EnrolmentRequest, Fingerprint, UNKNOWN_DOMAIN, join_mac};

use super::objects::{request, request_with};
use super::token::{EXPIRES, TOKEN_SECRET, token_id};
use crate::vectors::check::joining::join_info;
use crate::vectors::prelude::*;

pub(super) const NAME: &str = "sensor-7";
pub(super) const JOIN: Series =
    Series::new("join_request", "join-request-", &["keys.md §12"]).attacks(&["G7"]);

/// A join request in the making.
#[derive(Clone)]
pub(super) struct Join {
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
pub(super) fn with_request(request: Vec<u8>) -> Join {
    let mac = join_mac(&secret(TOKEN_SECRET), &hash(&request));
    Join {
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
pub(super) fn without_token(request: Vec<u8>) -> Join {
    Join {
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
pub(super) fn plan() -> Join {
    with_request(asks(&[key_package(NAME, 1)], |_| {}))
}

impl Join {
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
        let (info, aad) = (self.info(), self.aad());
        let (enc, tag) = seal_base(pair.public(), &info, &aad, &seed, &mut text).unwrap();
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
        token: Json::hex(token_id()), secret: *secret(TOKEN_SECRET).expose(), expires: EXPIRES,
        uses_left: 1_u8, name: "sensor-*",
    };
    let key = object! { serial: 1_u8, key: 0_u8, seed: *kem_seed().expose() };
    object! {
        suite: suite, domain: domain().0, bytes: Json::hex(bytes),
        fingerprint: Fingerprint::of_bytes(&public(NAME)).0, now: NOW,
        keys: Json::Array(vec![key]), tokens: Json::Array(vec![token]),
    }
}

pub(crate) fn vectors(file: &mut VectorFile) {
    good(file);
    outside(file);
    inside(file);
}

/// A request that counts, and says this name.
pub(super) fn accepted(id: &str, comment: &str, input: Json, join: &Join) -> Vector {
    let intermediate = object! {
        info: Json::hex(join.info()), aad: Json::hex(join.aad()), plaintext: Json::hex(join.plaintext()),
    };
    let result = object! {
        hash: hash(&join.request), token: join.token.map(hex::encode), mac: join.mac, name: NAME,
        request: Json::hex(&join.request),
    };
    JOIN.case(id, comment, input)
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
    let case =
        |id: &str, comment: &str, join: Join| accepted(id, comment, input(1, &join.bytes()), &join);
    table! { case => file:
        "token": "With a token.", plan() => valid;
        "no-token": "An operator decides.", without_token(request(NAME, &[key_package(NAME, 1)])) => valid;
        "no-packages": "A request without packages.", with_request(asks(&[], |_| {})) => valid;
    }
    let case = |id: &str, comment: &str, input: Json| accepted(id, comment, input, &plan());
    let named = |name: &str| with_token(|token| token.with("name", name));
    table! { case => file:
        "token-last-second": "The last second at which the token is good.",
            input(1, &plan().bytes()).with("now", EXPIRES) => valid;
        "token-any-name": "The token admits any name.", named("") => valid;
        "token-one-name": "The token admits this name only.", named(NAME) => valid;
        "token-whole-name": "The beginning that it admits is the whole name.", named("sensor-7*") => valid;
    }
    tokens(file);
}

/// The request is right; what the authority knows of the token is not.
fn tokens(file: &mut VectorFile) {
    let right = input(1, &plan().bytes());
    let other_secret = *secret("another token").expose();
    let other = altered(&plan(), |p| {
        p.mac = join_mac(&secret("another token"), &hash(&p.request))
    });
    let mut two = input(1, &other.bytes());
    if let Some(Json::Array(tokens)) = two.get("tokens") {
        let second = tokens[0].clone().with("token", Json::hex([9; 8]));
        let second = second.with("secret", other_secret);
        let both = Json::Array(vec![tokens[0].clone(), second]);
        two = two.with("tokens", both);
    }
    let named = |name: &str| with_token(|token| token.with("name", name));
    let case = |id: &str, comment: &str, input: Json| JOIN.case(id, comment, input);
    table! { case => file:
        "token-expired": "One second after it expired.", right.clone().with("now", EXPIRES + 1) => "token";
        "token-used-up": "No use is left.", with_token(|token| token.with("uses_left", 0_u8)) => "token";
        "token-revoked": "It was revoked.", right.with("tokens", Json::Array(vec![])) => "token";
        "token-other-secret": "The mac is of another token's secret.",
            with_token(|token| token.with("secret", other_secret)) => "proof";
        "token-mac-of-other": "It names one token, and the mac is of another one that is known.",
            two => "proof";
        "name-case": "Names are compared as they are.", named("Sensor-7") => "name";
        "name-one": "The token is for another name.", named("sensor-8") => "name";
        "name-longer": "The beginning that it admits is longer than the name.", named("sensor-77*") => "name";
        "name-prefix": "Only a beginning with `*` admits longer names.", named("sensor-") => "name";
    }
}

/// What is refused before the request inside is looked at.
fn outside(file: &mut VectorFile) {
    let case = |id: &str, comment: &str, bytes: &[u8]| {
        JOIN.case(id, comment, input(1, bytes)).attacks(&["F4"])
    };
    let right = plan();
    let (enc, sealed) = right.parts(&right.plaintext());
    let bytes = right.bytes();
    let with = |change: fn(&mut Join)| altered(&right, change).bytes();
    let at_limit = right.frame(&enc, &[0; 65_536 - 2 - 3 - 33 - 3]);
    assert_eq!(at_limit.len(), 65_536);
    let other: Vec<u8> = enc.iter().map(|byte| byte ^ 1).collect();
    table! { case => file:
        "cleared": "A cleared topic.", &[] => "form";
        "form": "Version 2.", &[&[0x21], &bytes[1..]].concat() => "form";
        "kind": "Another kind.", &with(|p| p.kind = 9) => "kind";
        "trailing": "A byte behind the last field.", &trailing(&bytes) => "encoding";
        "truncated": "The last byte is missing.", &bytes[..bytes.len() - 1] => "encoding";
        "overlong": "The serial is spelled with two bytes.",
            &[&bytes[..2], &[0x81, 0], &bytes[3..]].concat() => "encoding";
        "size": "Above 65536 bytes.", &right.frame(&enc, &[0; 65_536]) => "size";
        "65536": "65536 bytes are not too many, but they do not open.", &at_limit => "wrong_secret";
        "enc-short": "31 bytes of enc.", &right.frame(&enc[..31], &sealed) => "field";
        "sealed-short": "Too short for a request.", &right.frame(&enc, &sealed[..48]) => "field";
        "serial": "Sealed to a key of another delegation.", &with(|p| p.serial = 2) => "role";
        "no-such-key": "Sealed to a key that there is not.", &with(|p| p.key = 1) => "role";
        "altered": "A bit of the ciphertext.", &right.frame(&enc, &flipped(&sealed, 50, 1)) => "wrong_secret";
        "enc": "Another enc.", &right.frame(&other, &sealed) => "wrong_secret";
        "low-order": "An enc of low order.", &right.frame(&[0; 32], &sealed) => "wrong_secret";
        "info-domain": "Sealed for another domain.", &with(|p| p.domain = [1; 16]) => "wrong_secret";
    }
}

fn inside(file: &mut VectorFile) {
    let case = |id: &str, comment: &str, join: Join| {
        JOIN.case(id, comment, input(1, &join.bytes()))
            .attacks(&["G7", "C3"])
    };
    let with = |change: fn(&mut Join)| altered(&plan(), change);
    let asking = |change: fn(&mut EnrolmentRequest<'_>)| with_request(asks(&[], change));
    let low_order = |key| key_package_with(NAME, 1, |p| p.init_key = key);
    let mac = |label: &[u8], about: &[u8]| {
        *expand(&secret(TOKEN_SECRET), &[label, &hash(about).0]).expose()
    };
    let other_label = mac(b"sealmq/1 confirmed", &plan().request);
    let other_request = mac(b"sealmq/1 join mac", &asks(&[], |_| {}));
    let unproven = altered(&asking(|r| r.name = "pump-7"), |p| p.mac[31] ^= 1);
    table! { case => file:
        "mac-without-token": "A mac, and no token.", with_request(request(NAME, &[])) => "field";
        "unknown-token": "A token that nobody gave out.", asking(|r| r.token[0] ^= 1) => "token";
        "mac": "Made without the token's secret.", with(|p| p.mac[31] ^= 1) => "proof";
        "mac-purpose": "Made with the token's secret, but under another label.",
            Join { mac: other_label, ..plan() } => "proof";
        "mac-zeros": "A token's id alone.", with(|p| p.mac = [0; 32]) => "proof";
        "mac-other-request": "The mac of another request.", Join { mac: other_request, ..plan() } => "proof";
        "unknown-domain": "The request does not name the domain.",
            asking(|r| r.domain = UNKNOWN_DOMAIN) => "domain";
        "domain": "The request names another domain.", asking(|r| r.domain = DomainId([1; 16])) => "domain";
        "request-key": "The request is signed by another key than the one inside.",
            asking(|r| r.key = public("insider-8")) => "signature";
        "request-kind": "A key package in the request's place.", with_request(key_package(NAME, 1)) => "kind";
        "package-low-order-zero": "A package with a key of low order.",
            with_request(asks(&[low_order(LOW_ORDER[0])], |_| {})) => "field";
        "package-low-order-order-8": "A package with a key of low order.",
            with_request(asks(&[low_order(LOW_ORDER[1])], |_| {})) => "field";
        "fingerprint": "On the topic of another key.",
            with_request(request_with("sensor-8", &[], |r| r.token = token_id())) => "recipient";
        "mac-before-name": "The mac comes before the name: who has no secret gets no answer.",
            unproven => "proof";
        "name": "A name that the token does not admit.", asking(|r| r.name = "pump-7") => "name";
    }
}
