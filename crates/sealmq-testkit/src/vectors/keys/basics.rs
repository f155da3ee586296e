//! Kinds `varint`, `padding`, `name`, `domain` and `hedge`.

use sealmq_core::crypto::{
    ChangeContext, DeviceSecret, Entropy, Hedged, IdentityKey, Purpose, extract,
};

use crate::vectors::prelude::*;

const VARINT: Series = Series::new("varint", "varint-", &["envelope.md §1", "keys.md §1"]);
const PADDING: Series = Series::new("padding", "padding-", &["envelope.md §4"]);
const NAME: Series = Series::new("name", "name-", &["keys.md §1"]).attacks(&["B16"]);
const DOMAIN: Series = Series::new("domain", "", &["keys.md §2"]);
const HEDGE: Series = Series::new("hedge", "hedge-", &["envelope.md §6"]).attacks(&["A23"]);

pub(crate) fn vectors(file: &mut VectorFile) {
    varints(file);
    padding(file);
    names(file);
    hedges(file);
    let case = |id: &str, comment: &str, root: IdentityKey| {
        let root = root.verifying_key();
        let input = object! { root_key: *root.as_bytes() };
        let result = object! { domain: DomainId::of_root(&root).0 };
        DOMAIN.case(id, comment, input).result(result)
    };
    table! { case => file:
        "domain": "The domain of the root key of all vectors.", identity("root") => valid;
        "domain-other": "Another root is another domain.",
            IdentityKey::from_seed(&secret("another root")) => valid;
    }
}

fn varints(file: &mut VectorFile) {
    let edges: [(&str, &[u64]); 3] = table! {
        "u16": &[0, 127, 128, 16_383, 16_384, 65_535];
        "u32": &[0, 1 << 21, u32::MAX as u64];
        "u64": &[0, 1, 127, 128, 16_383, 16_384, (1 << 35) - 1, 1 << 35, 1 << 63, u64::MAX];
    };
    for (kind, values) in edges {
        for value in values {
            let input = object! { "type": kind, bytes: Json::hex(varint(*value)) };
            let id = format!("{kind}-{value}");
            let case = VARINT.case(&id, "An edge of the encoding.", input);
            file.push(case.result(object! { value: *value }));
        }
    }
    let case = |id: &str, comment: &str, kind: &str, bytes: &str| {
        let input = object! { "type": kind, bytes: bytes };
        VARINT.case(id, comment, input).attacks(&["E1"])
    };
    table! { case => file:
        "overlong-0": "80 00 would be a second spelling of 0.", "u64", "8000" => "encoding";
        "overlong-127": "ff 00 would be a second spelling of 127.", "u64", "ff00" => "encoding";
        "overlong-u32": "A longer spelling of 5 as a u32.", "u32", "8500" => "encoding";
        "overlong-u16": "A longer spelling of 5 as a u16.", "u16", "8500" => "encoding";
        "overlong-9-bytes": "Zeros to the ninth byte.", "u64", "818080808080808000" => "encoding";
        "cut": "The second byte is missing.", "u64", "80" => "encoding";
        "empty": "No byte at all.", "u64", "" => "encoding";
        "2-to-the-64": "One above the largest.", "u64", "80808080808080808002" => "encoding";
        "11-bytes": "11 bytes.", "u64", "8080808080808080808001" => "encoding";
        "endless": "Never an end.", "u64", "ffffffffffffffffffffff" => "encoding";
        "trailing": "A byte behind the number.", "u64", "0500" => "encoding";
        "u32-too-large": "2^32.", "u32", "8080808010" => "encoding";
        "u16-too-large": "2^16.", "u16", "808004" => "encoding";
        "u16-4-bytes": "Four bytes for a u16.", "u16", "80808001" => "encoding";
    }
}

fn padding(file: &mut VectorFile) {
    type Lengths<'a> = (&'a str, &'a str, u8, u32, &'a [(u64, u64)]);
    let cases: [Lengths<'_>; 6] = table! {
        "none": "No padding.", 0, 0, &[(0, 0), (77, 77)];
        "padme": "Padmé.",
            1, 0, &[(0, 0), (1, 1), (2, 2), (3, 3), (8, 8), (9, 10), (11, 12), (15, 16), (16, 16), (17, 18)];
        "padme": "Padmé.",
            1, 0, &[(100, 104), (127, 128), (1000, 1024), (1025, 1088), (65_537, 67_584), (1 << 20, 1 << 20)];
        "bucket-16": "A bucket.", 2, 16, &[(0, 0), (1, 16), (16, 16), (17, 32)];
        "bucket-100": "A bucket.", 2, 100, &[(99, 100), (101, 200)];
        "bucket-65536": "A bucket.", 2, 65_536, &[(1, 65_536), (65_537, 131_072)];
    };
    for (id, comment, mode, bucket, lengths) in cases {
        for (length, padded) in lengths {
            let input = object! { length: *length, mode: mode, bucket: bucket };
            let case = PADDING.case(&format!("{id}-{length}"), comment, input);
            file.push(case.result(object! { padded: *padded }));
        }
    }
}

fn names(file: &mut VectorFile) {
    let (longest, too_long) = ("x".repeat(64), "x".repeat(65));
    let good = |id: &str, name: &str| {
        let input = object! { name: name };
        NAME.case(id, "A name from the closed alphabet.", input)
    };
    table! { good => file:
        "one":       "a"       => valid;
        "all-signs": "A-z_0.9" => valid;
        "dots":      ".."      => valid;
        "longest":   &longest  => valid;
    }
    let bad =
        |id: &str, name: &[u8]| NAME.case(id, "Not a name.", object! { name: Json::text(name) });
    table! { bad => file:
        "empty":           b""                 => "field";
        "too-long":        too_long.as_bytes() => "field";
        "space":           b"a b"              => "field";
        "slash":           b"a/b"              => "field";
        "plus":            b"+"                => "field";
        "hash":            b"#"                => "field";
        "percent":         b"%c"               => "field";
        "nul":             b"a\0"              => "field";
        "newline":         b"a\n"              => "field";
        "umlaut":          "ä".as_bytes()      => "field";
        "digit-not-ascii": "٣".as_bytes()      => "field";
        "at":              b"@a"               => "field";
        "colon":           b"a:b"              => "field";
    }
}

fn hedges(file: &mut VectorFile) {
    let (device, rng) = (bytes("device secret"), bytes("rng"));
    let draw = |device: [u8; 32], (code, purpose): (u8, Purpose), number: u64| {
        let entropy = Entropy::take(&mut rng.clone()).unwrap();
        let hedged = DeviceSecret::new(Secret::new(device)).hedge(&entropy, purpose, number);
        let input = object! { device_secret: device, rng: rng, purpose: code, number: number };
        (hedged, input, rng.to_vec())
    };
    // What an authority draws: the change that it is drawn in goes in, too (spec/keys.md §6).
    let draw_in = |device: [u8; 32], change: ChangeContext, number: u64| {
        let entropy = Entropy::take(&mut rng.clone()).unwrap();
        let hedged = DeviceSecret::new(Secret::new(device)).hedge_change(&entropy, &change, number);
        let (serial, at, head) = (change.serial, change.at, change.log_head);
        let input = object! {
            device_secret: device, rng: rng, purpose: 5_u8, number: number,
            change: object! { serial: serial, at: at, log_head: head },
        };
        let ikm = [&rng[..], &serial.to_be_bytes(), &at.to_be_bytes(), &head].concat();
        (hedged, input, ikm)
    };
    let case = |id: &str, comment: &str, (hedged, input, ikm): (Hedged, Json, Vec<u8>)| {
        let Some(Json::Text(device)) = input.get("device_secret") else {
            panic!("no secret")
        };
        let device = Secret::new(hex::decode(device).unwrap().try_into().unwrap());
        let intermediate = object! { prk: *extract(&device, &[&ikm]).expose() };
        let (seed, next) = (*hedged.seed.expose(), *hedged.next.expose());
        let case = HEDGE.case(id, comment, input).intermediate(intermediate);
        case.result(object! { seed: seed, next_device_secret: next })
    };
    let (session, package) = ((1, Purpose::Session), (2, Purpose::KeyPackage));
    let (serial, at, log_head) = (1, NOW, bytes("head of a log"));
    let change = ChangeContext {
        serial,
        at,
        log_head,
    };
    let next = *draw(device, session, NOW).0.next.expose();
    let next_in = *draw_in(device, change, 0).0.next.expose();
    let later = ChangeContext {
        at: NOW + 1,
        ..change
    };
    table! { case => file:
        "session": "The seed of a session.", draw(device, session, NOW) => valid;
        "stuck-rng": "The RNG and the number repeat: the ratcheted secret makes another seed.",
            draw(next, session, NOW) => valid;
        "key-package": "The seed of a key package.", draw(device, package, 5) => valid;
        "nonce": "A nonce.", draw(device, (3, Purpose::Nonce), 0) => valid;
        "join": "The encryption of a join request.", draw(device, (4, Purpose::Join), 6) => valid;
        "number-max": "The number is 8 bytes.", draw(device, package, u64::MAX) => valid;
        "device-zero": "A new device's secret may be anything: the RNG's share is enough.",
            draw([0; 32], session, 1) => valid;
        "authority": "The first that an authority draws in a change.", draw_in(device, change, 0) => valid;
        "authority-second": "The second, though the RNG repeats.", draw_in(next_in, change, 1) => valid;
        "authority-put-back": "The store was put back, and the RNG with it: the time differs.",
            draw_in(device, later, 0) => valid;
    }
    let input = object! { device_secret: device, rng: [0_u8; 32], purpose: 1_u8, number: 1_u8 };
    let comment = "32 zero bytes are how a failing RNG looks.";
    let case = HEDGE.case("rng-zero", comment, input);
    file.push(case.attacks(&["D11"]).reason("rng"));
}
