//! Kind `token` (spec/keys.md §12).

use sealmq_core::crypto::sha256;
use sealmq_core::wire::Suite;
use sealmq_keys::{NamePattern, Token, default_prefix};

use super::delegation::weak_keys;
use crate::vectors::craft::blob;
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::{NOW, body, bytes, domain, identity, root_key, secret};

/// A token's fields, also such as no authority would give out.
#[derive(Clone)]
struct Plan {
    version: u8,
    suite: u8,
    root_key: [u8; 32],
    token: [u8; 8],
    serial: u32,
    expires: u64,
    name: String,
    prefix: String,
    broker: String,
}

pub(crate) fn token_id() -> [u8; 8] {
    *bytes("id of the token").first_chunk().unwrap()
}

pub(crate) const TOKEN_SECRET: &str = "secret of the token";
pub(crate) const EXPIRES: u64 = NOW + 86_400;

fn plan() -> Plan {
    Plan {
        version: 1,
        suite: 1,
        root_key: root_key(),
        token: token_id(),
        serial: 3,
        expires: EXPIRES,
        name: "sensor-*".to_owned(),
        prefix: default_prefix(&domain()),
        broker: "mqtts://broker.example:8883".to_owned(),
    }
}

impl Plan {
    fn bytes(&self) -> Vec<u8> {
        [
            &[self.version, self.suite],
            &self.root_key[..],
            &self.token,
            &bytes(TOKEN_SECRET),
            &body(&self.serial),
            &body(&self.expires),
            &blob(self.name.as_bytes()),
            &blob(self.prefix.as_bytes()),
            &blob(self.broker.as_bytes()),
        ]
        .concat()
    }

    fn uri(&self) -> String {
        uri(&self.bytes())
    }
}

/// A token around a body, right or wrong, with the right checksum.
fn uri(body: &[u8]) -> String {
    let sum = sha256(&[b"sealmq/1 token", body]).0;
    text(&[body, &sum[..4]].concat())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64url without padding, without the real code's decoder or encoder.
fn text(bytes: &[u8]) -> String {
    let mut text = "sealmq:join/".to_owned();
    for chunk in bytes.chunks(3) {
        let all = chunk
            .iter()
            .fold(0_u32, |all, byte| all << 8 | u32::from(*byte));
        let all = all << (8 * (3 - chunk.len()));
        let digits = (0..=chunk.len()).map(|i| ALPHABET[(all >> (18 - 6 * i) & 63) as usize]);
        text.extend(digits.map(char::from));
    }
    text
}

const SPEC: &[&str] = &["keys.md §12"];

pub(crate) fn vectors(file: &mut VectorFile) {
    good(file);
    fields(file);
    texts(file);
}

fn good(file: &mut VectorFile) {
    let mut push = |id: &str, comment: &str, plan: &Plan, uri: String| {
        let id = format!("token-{id}");
        let input = object! { uri: Json::text(&uri) };
        let result = object! {
            suite: plan.suite,
            root_key: plan.root_key,
            token: Json::hex(plan.token),
            secret: bytes(TOKEN_SECRET),
            serial: plan.serial,
            expires: plan.expires,
            name: Json::text(&plan.name),
            prefix: Json::text(&plan.prefix),
            broker: Json::text(&plan.broker),
        };
        file.push(Vector::valid("token", id, comment, SPEC, input).result(result));
    };
    let real = Token {
        suite: Suite::One,
        root_key: identity("root").verifying_key(),
        id: token_id(),
        secret: secret(TOKEN_SECRET),
        serial: 3,
        expires: EXPIRES,
        name: NamePattern::parse("sensor-*").unwrap(),
        prefix: default_prefix(&domain()),
        broker: plan().broker,
    };
    assert_eq!(plan().uri(), *real.to_uri().unwrap().as_str());
    push("good", "Names that begin so.", &plan(), plan().uri());
    let mut with = |id: &str, comment: &str, change: &dyn Fn(&mut Plan)| {
        let mut plan = plan();
        change(&mut plan);
        push(id, comment, &plan, plan.uri());
    };
    table! { with:
        "any-name": "Any name.", &|p| p.name.clear();
        "one-name": "One name.", &|p| p.name = "sensor-7".to_owned();
        "name-64": "The longest beginning of a name.", &|p| p.name = format!("{}*", "n".repeat(64));
        "no-broker": "The broker is known.", &|p| p.broker.clear();
        "expired": "Whether it has expired, only the authority says.", &|p| p.expires = 1;
        "suite-2": "A domain of suite 2.", &|p| p.suite = 2;
        "prefix-1024": "The longest prefix.", &|p| p.prefix = "x".repeat(1024);
        "serial-0": "It pins no serial.", &|p| p.serial = 0;
        "serial-max": "The highest serial.", &|p| p.serial = u32::MAX;
        "expires-max": "Good for ever.", &|p| p.expires = u64::MAX;
    }
    for (id, broker) in [
        ("plain", "mqtt://10.0.0.1:1883"),
        ("ipv6", "mqtts://[2001:db8::1]:8883"),
        ("port-65535", "mqtt://a:65535"),
        ("underscore", "mqtt://a_b:1883"),
        ("upper-case", "mqtt://Broker.Example:1883"),
    ] {
        with(&format!("broker-{id}"), "An address.", &|p| {
            p.broker = broker.to_owned()
        });
    }
    with("broker-host-253", "The longest host.", &|p| {
        p.broker = format!("mqtt://{}:1883", "h".repeat(253))
    });
    let spaced = format!(" \n{}\t\r\n", plan().uri());
    push("spaces", "White space around it.", &plan(), spaced);
    let spaced = format!("{}{}", plan().uri(), " ".repeat(2048));
    table! { push:
        "spaces-many": "White space does not count as its characters.", &plan(), spaced;
    }
}

fn fields(file: &mut VectorFile) {
    let mut push = |id: &str, comment: &str, reason, change: &dyn Fn(&mut Plan)| {
        let mut plan = plan();
        change(&mut plan);
        let input = object! { uri: Json::text(plan.uri()) };
        let id = format!("token-{id}");
        file.push(Vector::invalid("token", id, comment, SPEC, input, reason).attacks(&["G7"]));
    };
    push("version-2", "Of another version.", "unsupported", &|p| {
        p.version = 2
    });
    for suite in [0, 3] {
        push(&format!("suite-{suite}"), "No suite.", "field", &|p| {
            p.suite = suite
        });
    }
    push("id-zeros", "Zeros stand for no token.", "field", &|p| {
        p.token = [0; 8]
    });
    for (id, comment, key) in weak_keys() {
        push(&format!("root-{id}"), comment, "field", &|p| {
            p.root_key = key
        });
    }
    for (id, name) in [
        ("star", "*"),
        ("star-inside", "a*b"),
        ("stars", "a**"),
        ("space", "a b"),
    ] {
        push(&format!("name-{id}"), "Not a pattern.", "field", &|p| {
            p.name = name.to_owned()
        });
    }
    push("name-65", "A name of 65 characters.", "field", &|p| {
        p.name = "n".repeat(65)
    });
    for (id, comment, prefix) in table! {
        "":        "No prefix of topics.",             "a/+".to_owned();
        "-empty":  "An empty prefix.",                 String::new();
        "-system": "A prefix for system topics.",      "$SYS/x".to_owned();
        "-slash":  "A prefix that ends with a slash.", "site/".to_owned();
        "-1025":   "A prefix of 1025 bytes.",          "x".repeat(1025);
    } {
        push(&format!("prefix{id}"), comment, "field", &|p| {
            p.prefix.clone_from(&prefix)
        });
    }
    for (id, broker) in [
        ("scheme", "http://a:1883"),
        ("no-port", "mqtt://a"),
        ("port-0", "mqtt://a:0"),
        ("port-leading-zero", "mqtt://a:01883"),
        ("port-65536", "mqtt://a:65536"),
        ("port-sign", "mqtt://a:+1883"),
        ("no-host", "mqtt://:1883"),
        ("user", "mqtt://u@a:1883"),
        ("path", "mqtt://a:1883/"),
        ("ipv6-bare", "mqtt://2001:db8::1:1883"),
        ("ipv6-bad", "mqtt://[2001:db8::z]:1883"),
        ("ipv6-short", "mqtt://[1:2]:1883"),
    ] {
        push(
            &format!("broker-bad-{id}"),
            "Not an address.",
            "field",
            &|p| p.broker = broker.to_owned(),
        );
    }
    table! { push:
        "broker-bad-host-254": "A host of 254 letters.",
            "field", &|p| p.broker = format!("mqtt://{}:1883", "h".repeat(254));
    }
}

fn texts(file: &mut VectorFile) {
    let mut push = |id: &str, comment: &str, uri: &str, reason| {
        let input = object! { uri: Json::text(uri) };
        let id = format!("token-{id}");
        file.push(Vector::invalid("token", id, comment, SPEC, input, reason).attacks(&["E1"]));
    };
    let (right, plain) = (plan().uri(), plan().bytes());
    table! { push:
        "empty":     "No text.",                   ""                                 => "form";
        "scheme":    "Another scheme.",            &right.replacen("join", "jion", 1) => "form";
        "no-scheme": "Without the scheme.",        &right[12..]                       => "form";
        "no-body":   "Nothing behind the scheme.", "sealmq:join/"                     => "encoding";
    }
    // In the secret, of which any value is right: only the checksum tells.
    let other = if right[82..].starts_with('A') {
        'B'
    } else {
        'A'
    };
    let mistyped = format!("{}{other}{}", &right[..82], &right[83..]);
    assert_ne!(mistyped, right);
    table! { push:
        "mistyped": "A character is another one.", &mistyped => "encoding";
        "cut": "The last four characters are missing.", &right[..right.len() - 4] => "encoding";
        "padding": "Base64 with padding.", &format!("{right}=") => "encoding";
        "space-inside": "A space inside.", &format!("{} {}", &right[..60], &right[60..]) => "encoding";
    }
    let mut standard = plan();
    while !standard.uri().contains('_') {
        standard.expires += 1;
    }
    let at = 2 + 32 + 8 + 32 + 1 + body(&EXPIRES).len();
    let overlong = [&plain[..at], &[plain[at] | 0x80, 0], &plain[at + 1..]].concat();
    table! { push:
        "alphabet": "The standard alphabet in the place of the one for URLs.",
            &standard.uri().replace('_', "/") => "encoding";
        "trailing": "A byte behind the last field.", &uri(&[&plain[..], &[0]].concat()) => "encoding";
        "truncated": "The last byte of the body is missing.", &uri(&plain[..plain.len() - 1]) => "encoding";
        "overlong": "A length with one byte more.", &uri(&overlong) => "encoding";
    }
    // Bits that stand for no byte: any length but a multiple of three has some.
    let mut spare = plan();
    while (spare.bytes().len() + 4).is_multiple_of(3) {
        spare.name.insert(0, 'a');
    }
    let spare = spare.uri();
    let (head, tail) = spare.split_at(spare.len() - 1);
    let digit = ALPHABET
        .iter()
        .position(|c| tail.as_bytes() == [*c])
        .unwrap();
    let next = char::from(ALPHABET[digit + 1]);
    let long = format!("sealmq:join/{}", "A".repeat(2037));
    table! { push:
        "not-canonical": "A spare bit is set.", &format!("{head}{next}") => "encoding";
        "scheme-upper-case": "The scheme in upper case.",
            &right.replacen("sealmq:join", "SEALMQ:JOIN", 1) => "form";
        "version-2-other-body": "Of another version, with another body.", &uri(&[2, 9]) => "unsupported";
        "version-2-mistyped": "Of another version, and the checksum is wrong: it may be mistyped.",
            &text(&[2, 9, 0, 0, 0, 0]) => "encoding";
        "2048": "2048 characters are not too many, but these have no checksum.",
            &format!("sealmq:join/{}", "A".repeat(2036)) => "encoding";
        "size": "2049 characters.", &long => "size";
    }
}
