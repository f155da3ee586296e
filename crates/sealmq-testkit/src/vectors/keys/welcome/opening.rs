//! Kind `welcome_open`: what is sealed, and to what it is bound (spec/keys.md §6).

use sealmq_core::object::Kind;
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, MemberNumber};
use sealmq_keys::WelcomeFields;

use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::group::{Group, welcome_aad, welcome_info};
use crate::vectors::hpke;
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::{
    NO_EXTENSIONS, WelcomeBody, authority, authority_json, body, body_of, controller, digest, hash,
    key_package, key_package_with, office, package_seed, sign,
};

type Change = fn(&mut WelcomeFields);

pub(super) fn vectors(group: &Group, package: &[u8], file: &mut VectorFile) {
    let input = |welcome: &[u8], package: &[u8], seed: [u8; 32]| {
        object! {
            authority: authority_json(&authority(1)), member: 7_u8, welcome: Json::hex(welcome),
            package: Json::hex(package), package_seed: seed,
        }
    };
    let seed = *package_seed("sensor-7", 1).expose();
    let right = group.welcome(7, "sensor-7", 17, package);
    let mut good = |id: &str, comment: &str, leaf: u32, input: Json| {
        let fields = group.welcome_fields(7, leaf, group.next_epoch(), package);
        let plaintext = group.welcome_text(leaf, fields.epoch);
        let path = sealmq_keys::tree::path_nodes(4, leaf).zip(plaintext.chunks(32));
        let path = path.map(|(node, key)| object! { node: node, key: Json::hex(key) });
        let vector = Vector::valid(
            "welcome_open",
            format!("welcome-open-{id}"),
            comment,
            &["keys.md §6"],
            input,
        );
        let intermediate = object! {
            secret_key: hpke::private_key(&package_seed("sensor-7", 1)),
            info: Json::hex(welcome_info(&fields)),
            aad: Json::hex(welcome_aad(Suite::One, &fields)),
            plaintext: Json::hex(&plaintext),
        };
        file.push(
            vector
                .attacks(&["A1", "A20"])
                .intermediate(intermediate)
                .result(object! { path: Json::Array(path.collect()) }),
        );
    };
    let publisher = group.welcome(7, "sensor-7", 31, package);
    table! { good:
        "reader": "A reader's welcome.", 17, input(&right, package, seed);
        "publisher": "A publish-only member's welcome: the path ends in node 3.",
            31, input(&publisher, package, seed);
    }
    for (id, generation, epoch) in [("newer-epoch", 1_u8, 5_u8), ("newer-generation", 0, 9)] {
        let installed = object! { generation: generation, epoch: epoch };
        good(
            id,
            "An older welcome is installed.",
            17,
            input(&right, package, seed).with("installed", installed),
        );
    }

    let mut bad = |id: &str, comment: &str, attacks: &[&str], input: Json, reason: &'static str| {
        let vector = Vector::invalid(
            "welcome_open",
            format!("welcome-open-{id}"),
            comment,
            &["keys.md §6"],
            input,
            reason,
        );
        file.push(vector.attacks(attacks));
    };
    for (id, generation, epoch) in [
        ("same", 1_u8, 6_u8),
        ("older-epoch", 1, 7),
        ("older-generation", 2, 1),
    ] {
        let installed = object! { generation: generation, epoch: epoch };
        bad(
            &format!("installed-{id}"),
            "Generation and epoch are not above the installed ones.",
            &["B5"],
            input(&right, package, seed).with("installed", installed),
            "too_old",
        );
    }
    let second = key_package("sensor-7", 2);
    let second_seed = *package_seed("sensor-7", 2).expose();
    let renumbered = key_package_with("sensor-7", 1, |p| p.issued_at += 1);
    table! { bad:
        "other-member": "The welcome of member 8.",
            &["C6"], input(&group.welcome(8, "sensor-7", 17, package), package, seed) => "recipient";
        "other-package": "Sealed to another package than the unused one.",
            &["A1"], input(&right, &second, second_seed) => "package";
        "other-package-same-number": "Another package of the same number.",
            &["A1"], input(&right, &renumbered, seed) => "package";
    }

    // Right in everything but what is sealed.
    let fields = group.welcome_fields(7, 17, group.next_epoch(), package);
    let path = group.welcome_text(17, 6);
    let init_key = sealmq_core::crypto::KemKeyPair::derive(&package_seed("sensor-7", 1))
        .public()
        .0;
    let sealing_seed = crate::vectors::world::secret("a welcome of its own");
    let sealed_for = |info: &[u8], aad: &[u8], to: &[u8; 32]| {
        let (enc, sealed) = hpke::seal_base(to, info, aad, &sealing_seed, &path);
        sign(
            Kind::Welcome,
            &body(&WelcomeBody {
                fields,
                extensions: NO_EXTENSIONS,
                enc: &enc,
                sealed: &sealed,
            }),
            &controller(1),
        )
    };
    let other = |change: fn(&mut WelcomeFields)| {
        let mut other = fields;
        change(&mut other);
        other
    };
    let aad = welcome_aad(Suite::One, &fields);
    let cases: [(&str, &str, Change); 8] = table! {
        "domain":     "Sealed for another domain.",     |f| f.domain = DomainId([1; 16]);
        "group":      "Sealed for another group.",      |f| f.group = office();
        "member":     "Sealed for another member.",     |f| f.member = MemberNumber(8);
        "generation": "Sealed for another generation.", |f| f.generation = 2;
        "depth":      "Sealed for another depth.",      |f| f.depth = 5;
        "leaf":       "Sealed for another leaf.",       |f| f.leaf = 16;
        "epoch":      "Sealed for another epoch.",      |f| f.epoch = 5;
        "package":    "Sealed for another package.",    |f| f.package = digest("another package");
    };
    for (id, comment, change) in cases {
        let welcome = sealed_for(&welcome_info(&other(change)), &aad, &init_key);
        bad(
            &format!("info-{id}"),
            comment,
            &["C6"],
            input(&welcome, package, seed),
            "wrong_secret",
        );
    }
    let cases: [(&str, &str, Change); 14] = table! {
        "domain":         "Of another domain.",                 |f| f.domain = DomainId([1; 16]);
        "serial":         "Of another delegation.",             |f| f.serial = 2;
        "signer":         "Of another key of the delegation.",  |f| f.signer = 0;
        "member":         "Of another member.",                 |f| f.member = MemberNumber(8);
        "group":          "Of another group.",                  |f| f.group = office();
        "generation":     "Of another generation.",             |f| f.generation = 2;
        "depth":          "Of another depth.",                  |f| f.depth = 5;
        "leaf":           "Of another leaf.",                   |f| f.leaf = 16;
        "epoch":          "Of another epoch.",                  |f| f.epoch = 5;
        "previous":       "After another epoch.",               |f| f.previous = digest("another epoch");
        "healing-epoch":  "With another healing epoch.",        |f| f.healing_epoch = 2;
        "healing":        "With another healing announcement.", |f| f.healing = digest("another healing");
        "package-number": "Of another package number.",         |f| f.package_number = 2;
        "package":        "Of another package.",                |f| f.package = digest("another package");
    };
    let info = welcome_info(&fields);
    let fields_at = aad.len() - 2;
    let mut cases: Vec<(String, String, Vec<u8>)> = cases
        .into_iter()
        .map(|(id, comment, change)| {
            let comment = format!("{comment} The ciphertext was sealed so, and signed anew.");
            (
                id.to_owned(),
                comment,
                welcome_aad(Suite::One, &other(change)),
            )
        })
        .collect();
    for (id, comment, aad) in table! {
        "empty":      "Sealed without aad.",                      vec![];
        "fields":     "The fields alone, without form and kind.", aad[2..].to_vec();
        "form":       "With the form of suite 2.",                welcome_aad(Suite::Two, &fields);
        "kind":       "With another kind.",                       [&[0x11, 5][..], &aad[2..]].concat();
        "short":      "Without the last byte before `enc`.",      aad[..fields_at + 1].to_vec();
        "enc-length": "With the length of `enc`, too.",           [&aad[..], &[32]].concat();
    } {
        cases.push((id.to_owned(), comment.to_owned(), aad));
    }
    for (id, comment, aad) in cases {
        bad(
            &format!("aad-{id}"),
            &comment,
            &["C6", "A16"],
            input(&sealed_for(&info, &aad, &init_key), package, seed),
            "wrong_secret",
        );
    }
    let other_key = sealmq_core::crypto::KemKeyPair::derive(&package_seed("sensor-7", 2))
        .public()
        .0;
    let mut altered: Vec<u8> = body_of(&right, Kind::Welcome).to_vec();
    *altered.last_mut().unwrap() ^= 1;
    let low = sign(
        Kind::Welcome,
        &body(&WelcomeBody {
            fields,
            extensions: NO_EXTENSIONS,
            enc: &[0; 32],
            sealed: &[0x5a; 145],
        }),
        &controller(1),
    );
    let mut unsigned = right.clone();
    *unsigned.last_mut().unwrap() ^= 0x10;
    table! { bad:
        "other-key": "Sealed to another key than the package's.",
            &["C6"], input(&sealed_for(&welcome_info(&fields), &aad, &other_key), package, seed)
            => "wrong_secret";
        "altered-tag": "The last bit of the tag, signed.",
            &["D18"], input(&sign(Kind::Welcome, &altered, &controller(1)), package, seed) => "wrong_secret";
        "low-order-enc": "An enc of low order.", &["D1"], input(&low, package, seed) => "wrong_secret";
        "signature": "A bit of the signature.", &["B19"], input(&unsigned, package, seed) => "signature";
    }
    assert_eq!(hash(package), fields.package);
}
