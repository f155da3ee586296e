//! Kind `token` (spec/keys.md §12).

use sealmq_keys::{NamePattern, Token, default_prefix};

use super::delegation::weak_keys;
use crate::vectors::prelude::*;

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
        let mut all = 0_u32;
        chunk
            .iter()
            .for_each(|byte| all = all << 8 | u32::from(*byte));
        let all = all << (8 * (3 - chunk.len()));
        let digits = (0..=chunk.len()).map(|i| ALPHABET[(all >> (18 - 6 * i) & 63) as usize]);
        text.extend(digits.map(char::from));
    }
    text
}

const TOKEN: Series = Series::new("token", "token-", &["keys.md §12"]);

fn of_uri(id: &str, comment: &str, uri: &str) -> Vector {
    TOKEN.case(id, comment, object! { uri: Json::text(uri) })
}

pub(crate) fn vectors(file: &mut VectorFile) {
    good(file);
    fields(file);
    texts(file);
}

fn good(file: &mut VectorFile) {
    let stated = |id: &str, comment: &str, plan: &Plan, uri: &str| {
        of_uri(id, comment, uri).result(object! {
            suite: plan.suite, root_key: plan.root_key, token: Json::hex(plan.token), secret: bytes(TOKEN_SECRET),
            serial: plan.serial, expires: plan.expires,
            name: Json::text(&plan.name), prefix: Json::text(&plan.prefix), broker: Json::text(&plan.broker),
        })
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
    let case = |id: &str, comment: &str, change: fn(&mut Plan)| {
        let plan = altered(&plan(), change);
        stated(id, comment, &plan, &plan.uri())
    };
    table! { case => file:
        "good": "Names that begin so.", |_| {} => valid;
        "any-name": "Any name.", |p| p.name.clear() => valid;
        "one-name": "One name.", |p| p.name = "sensor-7".to_owned() => valid;
        "name-64": "The longest beginning of a name.", |p| p.name = format!("{}*", "n".repeat(64)) => valid;
        "no-broker": "The broker is known.", |p| p.broker.clear() => valid;
        "expired": "Whether it has expired, only the authority says.", |p| p.expires = 1 => valid;
        "suite-2": "A domain of suite 2.", |p| p.suite = 2 => valid;
        "prefix-1024": "The longest prefix.", |p| p.prefix = "x".repeat(1024) => valid;
        "serial-0": "It pins no serial.", |p| p.serial = 0 => valid;
        "serial-max": "The highest serial.", |p| p.serial = u32::MAX => valid;
        "expires-max": "Good for ever.", |p| p.expires = u64::MAX => valid;
    }
    let broker = |id: &str, broker: &str| {
        let plan = altered(&plan(), |p| p.broker = broker.to_owned());
        stated(id, "An address.", &plan, &plan.uri())
    };
    table! { broker => file:
        "broker-plain":      "mqtt://10.0.0.1:1883"       => valid;
        "broker-ipv6":       "mqtts://[2001:db8::1]:8883" => valid;
        "broker-port-65535": "mqtt://a:65535"             => valid;
        "broker-underscore": "mqtt://a_b:1883"            => valid;
        "broker-upper-case": "mqtt://Broker.Example:1883" => valid;
    }
    let (right, spaces) = (plan().uri(), " ".repeat(2048));
    table! { case => file:
        "broker-host-253": "The longest host.",
            |p| p.broker = format!("mqtt://{}:1883", "h".repeat(253)) => valid;
    }
    table! { stated => file:
        "spaces": "White space around it.", &plan(), &format!(" \n{right}\t\r\n") => valid;
        "spaces-many": "White space does not count as its characters.",
            &plan(), &format!("{right}{spaces}") => valid;
    }
}

fn fields(file: &mut VectorFile) {
    let with = |id: &str, comment: &str, change: &dyn Fn(&mut Plan)| {
        of_uri(id, comment, &altered(&plan(), change).uri()).attacks(&["G7"])
    };
    table! { with => file:
        "version-2": "Of another version.",       &|p| p.version = 2    => "unsupported";
        "suite-0":   "No suite.",                 &|p| p.suite = 0      => "field";
        "suite-3":   "No suite.",                 &|p| p.suite = 3      => "field";
        "id-zeros":  "Zeros stand for no token.", &|p| p.token = [0; 8] => "field";
    }
    for (id, comment, key) in weak_keys() {
        file.push(with(&format!("root-{id}"), comment, &|p| p.root_key = key).reason("field"));
    }
    let name = |id: &str, name: &str| with(id, "Not a pattern.", &|p| p.name = name.to_owned());
    table! { name => file:
        "name-star":        "*"   => "field";
        "name-star-inside": "a*b" => "field";
        "name-stars":       "a**" => "field";
        "name-space":       "a b" => "field";
    }
    table! { with => file:
        "name-65":       "A name of 65 characters.",         &|p| p.name = "n".repeat(65)        => "field";
        "prefix":        "No prefix of topics.",             &|p| p.prefix = "a/+".to_owned()    => "field";
        "prefix-empty":  "An empty prefix.",                 &|p| p.prefix.clear()               => "field";
        "prefix-system": "A prefix for system topics.",      &|p| p.prefix = "$SYS/x".to_owned() => "field";
        "prefix-slash":  "A prefix that ends with a slash.", &|p| p.prefix = "site/".to_owned()  => "field";
        "prefix-1025":   "A prefix of 1025 bytes.",          &|p| p.prefix = "x".repeat(1025)    => "field";
    }
    let broker =
        |id: &str, broker: &str| with(id, "Not an address.", &|p| p.broker = broker.to_owned());
    table! { broker => file:
        "broker-bad-scheme":            "http://a:1883"             => "field";
        "broker-bad-no-port":           "mqtt://a"                  => "field";
        "broker-bad-port-0":            "mqtt://a:0"                => "field";
        "broker-bad-port-leading-zero": "mqtt://a:01883"            => "field";
        "broker-bad-port-65536":        "mqtt://a:65536"            => "field";
        "broker-bad-port-sign":         "mqtt://a:+1883"            => "field";
        "broker-bad-no-host":           "mqtt://:1883"              => "field";
        "broker-bad-user":              "mqtt://u@a:1883"           => "field";
        "broker-bad-path":              "mqtt://a:1883/"            => "field";
        "broker-bad-ipv6-bare":         "mqtt://2001:db8::1:1883"   => "field";
        "broker-bad-ipv6-bad":          "mqtt://[2001:db8::z]:1883" => "field";
        "broker-bad-ipv6-short":        "mqtt://[1:2]:1883"         => "field";
    }
    table! { with => file:
        "broker-bad-host-254": "A host of 254 letters.",
            &|p| p.broker = format!("mqtt://{}:1883", "h".repeat(254)) => "field";
    }
}

fn texts(file: &mut VectorFile) {
    let case = |id: &str, comment: &str, uri: &str| of_uri(id, comment, uri).attacks(&["E1"]);
    let (right, plain) = (plan().uri(), plan().bytes());
    // In the secret, of which any value is right: only the checksum tells.
    let other = if right[82..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    let mistyped = altered(&right, |text| text.replace_range(82..83, other));
    assert_ne!(mistyped, right);
    let mut standard = plan();
    while !standard.uri().contains('_') {
        standard.expires += 1;
    }
    let at = 2 + 32 + 8 + 32 + 1 + body(&EXPIRES).len();
    let overlong = [&plain[..at], &[plain[at] | 0x80, 0], &plain[at + 1..]].concat();
    // Bits that stand for no byte: any length but a multiple of three has some.
    let mut spare = plan();
    while (spare.bytes().len() + 4).is_multiple_of(3) {
        spare.name.insert(0, 'a');
    }
    let spare = spare.uri();
    let (head, tail) = spare.split_at(spare.len() - 1);
    let digit = ALPHABET.iter().position(|c| tail.as_bytes() == [*c]);
    let next = char::from(ALPHABET[digit.unwrap() + 1]);
    let no_checksum = |len: usize| format!("sealmq:join/{}", "A".repeat(len));
    table! { case => file:
        "empty": "No text.", "" => "form";
        "scheme": "Another scheme.", &right.replacen("join", "jion", 1) => "form";
        "no-scheme": "Without the scheme.", &right[12..] => "form";
        "no-body": "Nothing behind the scheme.", "sealmq:join/" => "encoding";
        "mistyped": "A character is another one.", &mistyped => "encoding";
        "cut": "The last four characters are missing.", &right[..right.len() - 4] => "encoding";
        "padding": "Base64 with padding.", &format!("{right}=") => "encoding";
        "space-inside": "A space inside.", &format!("{} {}", &right[..60], &right[60..]) => "encoding";
        "alphabet": "The standard alphabet in the place of the one for URLs.",
            &standard.uri().replace('_', "/") => "encoding";
        "trailing": "A byte behind the last field.", &uri(&trailing(&plain)) => "encoding";
        "truncated": "The last byte of the body is missing.", &uri(&plain[..plain.len() - 1]) => "encoding";
        "overlong": "A length with one byte more.", &uri(&overlong) => "encoding";
        "not-canonical": "A spare bit is set.", &format!("{head}{next}") => "encoding";
        "scheme-upper-case": "The scheme in upper case.",
            &right.replacen("sealmq:join", "SEALMQ:JOIN", 1) => "form";
        "version-2-other-body": "Of another version, with another body.", &uri(&[2, 9]) => "unsupported";
        "version-2-mistyped": "Of another version, and the checksum is wrong: it may be mistyped.",
            &text(&[2, 9, 0, 0, 0, 0]) => "encoding";
        "2048": "2048 characters are not too many, but these have no checksum.",
            &no_checksum(2036) => "encoding";
        "size": "2049 characters.", &no_checksum(2037) => "size";
    }
}
