//! Kinds `varint`, `padding`, `name`, `domain` and `hedge`.

use sealmq_core::crypto::{ChangeContext, DeviceSecret, Entropy, Purpose, Secret, extract};

use crate::vectors::craft::varint as encode;
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::{bytes, domain, root_key};

pub(crate) fn vectors(file: &mut VectorFile) {
    varints(file);
    padding(file);
    names(file);
    hedges(file);
    let result = object! { domain: domain().0 };
    file.push(
        Vector::valid(
            "domain",
            "domain",
            "The domain of the root key of all vectors.",
            &["keys.md §2"],
            object! { root_key: root_key() },
        )
        .result(result),
    );
    let other = bytes("another root");
    let seed = sealmq_core::crypto::IdentityKey::from_seed(&Secret::new(other)).verifying_key();
    let result = object! { domain: sealmq_core::DomainId::of_root(&seed).0 };
    file.push(
        Vector::valid(
            "domain",
            "domain-other",
            "Another root is another domain.",
            &["keys.md §2"],
            object! { root_key: *seed.as_bytes() },
        )
        .result(result),
    );
}

fn varints(file: &mut VectorFile) {
    const SPEC: [&str; 2] = ["envelope.md §1", "keys.md §1"];
    let edges: [(&str, &[u64]); 3] = table! {
        "u16": &[0, 127, 128, 16_383, 16_384, 65_535];
        "u32": &[0, 1 << 21, u32::MAX as u64];
        "u64": &[0, 1, 127, 128, 16_383, 16_384, (1 << 35) - 1, 1 << 35, 1 << 63, u64::MAX];
    };
    for (kind, values) in edges {
        for value in values {
            let input = object! { "type": kind, bytes: Json::hex(encode(*value)) };
            let vector = Vector::valid(
                "varint",
                format!("varint-{kind}-{value}"),
                "An edge of the encoding.",
                &SPEC,
                input,
            );
            file.push(vector.result(object! { value: *value }));
        }
    }
    for (kind, id, comment, bytes) in table! {
        "u64": "overlong-0",       "80 00 would be a second spelling of 0.", "8000";
        "u64": "overlong-127",     "ff 00 would be a second spelling of 127.", "ff00";
        "u32": "overlong-u32",     "A longer spelling of 5 as a u32.", "8500";
        "u16": "overlong-u16",     "A longer spelling of 5 as a u16.", "8500";
        "u64": "overlong-9-bytes", "Zeros to the ninth byte.", "818080808080808000";
        "u64": "cut",              "The second byte is missing.", "80";
        "u64": "empty",            "No byte at all.", "";
        "u64": "2-to-the-64",      "One above the largest.", "80808080808080808002";
        "u64": "11-bytes",         "11 bytes.", "8080808080808080808001";
        "u64": "endless",          "Never an end.", "ffffffffffffffffffffff";
        "u64": "trailing",         "A byte behind the number.", "0500";
        "u32": "u32-too-large",    "2^32.", "8080808010";
        "u16": "u16-too-large",    "2^16.", "808004";
        "u16": "u16-4-bytes",      "Four bytes for a u16.", "80808001";
    } {
        let input = object! { "type": kind, bytes: bytes };
        let vector = Vector::invalid(
            "varint",
            format!("varint-{id}"),
            comment,
            &SPEC,
            input,
            "encoding",
        );
        file.push(vector.attacks(&["E1"]));
    }
}

/// Mode, bucket, and lengths with what they are padded to.
type Paddings<'a> = (u8, u32, &'a [(u64, u64)]);

fn padding(file: &mut VectorFile) {
    let cases: [Paddings<'_>; 6] = [
        (0, 0, &[(0, 0), (77, 77)]),
        (
            1,
            0,
            &[
                (0, 0),
                (1, 1),
                (2, 2),
                (3, 3),
                (8, 8),
                (9, 10),
                (11, 12),
                (15, 16),
                (16, 16),
                (17, 18),
            ],
        ),
        (
            1,
            0,
            &[
                (100, 104),
                (127, 128),
                (1000, 1024),
                (1025, 1088),
                (65_537, 67_584),
                (1 << 20, 1 << 20),
            ],
        ),
        (2, 16, &[(0, 0), (1, 16), (16, 16), (17, 32)]),
        (2, 100, &[(99, 100), (101, 200)]),
        (2, 65_536, &[(1, 65_536), (65_537, 131_072)]),
    ];
    for (mode, bucket, lengths) in cases {
        for (length, padded) in lengths {
            let id = match mode {
                0 => format!("padding-none-{length}"),
                1 => format!("padding-padme-{length}"),
                _ => format!("padding-bucket-{bucket}-{length}"),
            };
            let comment = ["No padding.", "Padmé.", "A bucket."][usize::from(mode)];
            let input = object! { length: *length, mode: mode, bucket: bucket };
            file.push(
                Vector::valid("padding", id, comment, &["envelope.md §4"], input)
                    .result(object! { padded: *padded }),
            );
        }
    }
}

fn names(file: &mut VectorFile) {
    let long = "x".repeat(64);
    for (id, name) in [
        ("one", "a"),
        ("all-signs", "A-z_0.9"),
        ("dots", ".."),
        ("longest", &long),
    ] {
        let vector = Vector::valid(
            "name",
            format!("name-{id}"),
            "A name from the closed alphabet.",
            &["keys.md §1"],
            object! { name: name },
        );
        file.push(vector.attacks(&["B16"]));
    }
    let too_long = "x".repeat(65);
    for (id, name) in [
        ("empty", &b""[..]),
        ("too-long", too_long.as_bytes()),
        ("space", b"a b"),
        ("slash", b"a/b"),
        ("plus", b"+"),
        ("hash", b"#"),
        ("percent", b"%c"),
        ("nul", b"a\0"),
        ("newline", b"a\n"),
        ("umlaut", "ä".as_bytes()),
        ("digit-not-ascii", "٣".as_bytes()),
        ("at", b"@a"),
        ("colon", b"a:b"),
    ] {
        let vector = Vector::invalid(
            "name",
            format!("name-{id}"),
            "Not a name.",
            &["keys.md §1"],
            object! { name: Json::text(name) },
            "field",
        );
        file.push(vector.attacks(&["B16"]));
    }
}

type Made = (Json, Json, Json, [u8; 32]);

/// What an authority draws: the change that it is drawn in goes in, too (spec/keys.md §6).
fn authority_hedges(
    push: &mut impl FnMut(&str, &str, Made) -> [u8; 32],
    device: [u8; 32],
    rng: [u8; 32],
) {
    let hedge = |device: [u8; 32], change: ChangeContext, number: u64| {
        let hedged = DeviceSecret::new(Secret::new(device)).hedge_change(
            &Entropy::take(&mut rng.clone()).unwrap(),
            &change,
            number,
        );
        let (serial, at, log_head) = (change.serial, change.at, change.log_head);
        let input = object! {
            device_secret: device, rng: rng, purpose: 5_u8, number: number,
            change: object! { serial: serial, at: at, log_head: log_head },
        };
        let ikm = [
            &rng[..],
            &serial.to_be_bytes(),
            &at.to_be_bytes(),
            &log_head,
        ]
        .concat();
        let result =
            object! { seed: *hedged.seed.expose(), next_device_secret: *hedged.next.expose() };
        let intermediate = object! { prk: *extract(&Secret::new(device), &[&ikm]).expose() };
        (input, intermediate, result, *hedged.next.expose())
    };
    let change = ChangeContext {
        serial: 1,
        at: 1_762_949_760,
        log_head: bytes("head of a log"),
    };
    let next = push(
        "authority",
        "The first that an authority draws in a change.",
        hedge(device, change, 0),
    );
    push(
        "authority-second",
        "The second, though the RNG repeats.",
        hedge(next, change, 1),
    );
    let later = ChangeContext {
        at: change.at + 1,
        ..change
    };
    push(
        "authority-put-back",
        "The store was put back, and the RNG with it: the time differs.",
        hedge(device, later, 0),
    );
}

fn hedges(file: &mut VectorFile) {
    let hedge = |device: [u8; 32], rng: [u8; 32], purpose: (u8, Purpose), number: u64| {
        let hedged = DeviceSecret::new(Secret::new(device)).hedge(
            &Entropy::take(&mut rng.clone()).unwrap(),
            purpose.1,
            number,
        );
        let input = object! { device_secret: device, rng: rng, purpose: purpose.0, number: number };
        let result =
            object! { seed: *hedged.seed.expose(), next_device_secret: *hedged.next.expose() };
        let intermediate = object! { prk: *extract(&Secret::new(device), &[&rng]).expose() };
        (input, intermediate, result, *hedged.next.expose())
    };
    let (device, rng) = (bytes("device secret"), bytes("rng"));
    let mut push = |id: &str, comment: &str, made: Made| {
        let vector = Vector::valid(
            "hedge",
            format!("hedge-{id}"),
            comment,
            &["envelope.md §6"],
            made.0,
        );
        file.push(vector.attacks(&["A23"]).intermediate(made.1).result(made.2));
        made.3
    };
    let next = push(
        "session",
        "The seed of a session.",
        hedge(device, rng, (1, Purpose::Session), 1_762_949_760),
    );
    table! { push:
        "stuck-rng": "The RNG and the number repeat: the ratcheted secret makes another seed.",
            hedge(next, rng, (1, Purpose::Session), 1_762_949_760);
        "key-package": "The seed of a key package.", hedge(device, rng, (2, Purpose::KeyPackage), 5);
        "nonce": "A nonce.", hedge(device, rng, (3, Purpose::Nonce), 0);
        "join": "The encryption of a join request.", hedge(device, rng, (4, Purpose::Join), 6);
        "number-max": "The number is 8 bytes.", hedge(device, rng, (2, Purpose::KeyPackage), u64::MAX);
        "device-zero": "A new device's secret may be anything: the RNG's share is enough.",
            hedge([0; 32], rng, (1, Purpose::Session), 1);
    }
    authority_hedges(&mut push, device, rng);
    let input = object! { device_secret: device, rng: [0_u8; 32], purpose: 1_u8, number: 1_u8 };
    let vector = Vector::invalid(
        "hedge",
        "hedge-rng-zero",
        "32 zero bytes are how a failing RNG looks.",
        &["envelope.md §6"],
        input,
        "rng",
    );
    file.push(vector.attacks(&["D11"]));
}
