//! Kind `welcome_open`: what is sealed, and to what it is bound (spec/keys.md §6).

use sealmq_core::crypto::{KemId, KemKeyPair};
use sealmq_keys::WelcomeFields;
use sealmq_keys::tree::{Half, half_of, path_nodes};

use crate::vectors::group::{Group, welcome_aad, welcome_info, welcome_object};
use crate::vectors::hpke;
use crate::vectors::prelude::*;

pub(crate) const OPEN: Series = Series::new("welcome_open", "welcome-open-", &["keys.md §6"]);
pub(super) const NAME: &str = "sensor-7";

/// A welcome and what member 7 opens it with: its package of this number.
pub(crate) fn input(suite: Suite, welcome: &[u8], package: &[u8], number: u32) -> Json {
    let input = object! { authority: authority_json(&authority(1)) };
    let input = if suite == Suite::Two {
        input.with("suite", 2_u8)
    } else {
        input
    };
    input
        .with("member", 7_u8)
        .with("welcome", Json::hex(welcome))
        .with("package", Json::hex(package))
        .with("package_seed", *package_seed(NAME, number).expose())
}

/// It opens, and gives this text.
pub(crate) fn opens(
    case: Vector,
    kem: KemId,
    fields: &WelcomeFields,
    aad: &[u8],
    text: &[u8],
) -> Vector {
    let path = path_nodes(fields.depth, fields.leaf).zip(text.chunks(32));
    let path = path.map(|(node, key)| object! { node: node, key: Json::hex(key) });
    case.intermediate(object! {
        secret_key: hpke::private_key_of(kem, &package_seed(NAME, fields.package_number)),
        info: Json::hex(welcome_info(fields)),
        aad: Json::hex(aad),
        plaintext: Json::hex(text),
    })
    .result(object! { path: Json::Array(path.collect()), kept: kept_of(fields, text) })
}

/// The kept keys in a welcome's plaintext: behind the path keys and their own length.
fn kept_of(fields: &WelcomeFields, text: &[u8]) -> Option<Json> {
    let kept = &text[32 * usize::from(fields.depth)..];
    if kept[0] == 0 {
        return None;
    }
    let thirds: Vec<Json> = kept[1..97].chunks(32).map(Json::hex).collect();
    let access = match half_of(fields.leaf) {
        Some(Half::Readers) => "kept_secret",
        _ => "kept_key",
    };
    let json = object! { kept: thirds[0].clone(), kept_psk: thirds[1].clone() };
    Some(json.with(access, thirds[2].clone()))
}

pub(super) fn vectors(group: &Group, package: &[u8], file: &mut VectorFile) {
    installed(group, package, file);
    sealed(group, package, file);
}

/// Whose welcome it is, for which package, and what is installed already.
fn installed(group: &Group, package: &[u8], file: &mut VectorFile) {
    let input =
        |welcome: &[u8], package: &[u8], number| input(Suite::One, welcome, package, number);
    let right = group.welcome(7, NAME, 17, package);
    let good = |id: &str, comment: &str, leaf: u32, input: Json| {
        let fields = group.welcome_fields(7, leaf, group.next_epoch(), package);
        let (aad, text) = (
            welcome_aad(Suite::One, &fields),
            group.welcome_text(&fields),
        );
        let case = OPEN.case(id, comment, input).attacks(&["A1", "A20"]);
        opens(case, KemId::X25519, &fields, &aad, &text)
    };
    let third = key_package(NAME, 3);
    let again = group.welcome(7, NAME, 17, &third);
    let after = |generation: u8, epoch: u8, package_number: u32| {
        let installed =
            object! { generation: generation, epoch: epoch, package_number: package_number };
        input(&again, &third, 3).with("installed", installed)
    };
    let repeated = |id: &str, comment: &str, leaf: u32, input: Json| {
        let fields = group.welcome_fields(7, leaf, group.next_epoch(), &third);
        let (aad, text) = (
            welcome_aad(Suite::One, &fields),
            group.welcome_text(&fields),
        );
        let case = OPEN.case(id, comment, input).attacks(&["A1", "A20"]);
        opens(case, KemId::X25519, &fields, &aad, &text)
    };
    table! { good => file:
        "reader": "A reader's welcome.", 17, input(&right, package, 1) => valid;
        "publisher": "A publish-only member's welcome: the path ends in node 3.",
            31, input(&group.welcome(7, NAME, 31, package), package, 1) => valid;
    }
    table! { repeated => file:
        "newer-epoch": "An older welcome is installed.", 17, after(1, 5, 9) => valid;
        "newer-generation": "An older welcome is installed.", 17, after(0, 9, 9) => valid;
        "newer-package": "One for the same epoch, to an older package, is installed.",
            17, after(1, 6, 2) => valid;
    }
    let second = key_package(NAME, 2);
    let renumbered = key_package_with(NAME, 1, |p| p.issued_at += 1);
    let case = |id: &str, comment: &str, input: Json| OPEN.case(id, comment, input);
    table! { case => file:
        "installed-same": "It is the installed one.", after(1, 6, 3) => "too_old" ["B5"];
        "installed-older-package": "The installed one is for the same epoch, to a later package.",
            after(1, 6, 4) => "too_old" ["B5"];
        "installed-older-epoch": "Generation and epoch are not above the installed ones.",
            after(1, 7, 1) => "too_old" ["B5"];
        "installed-older-generation": "Generation and epoch are not above the installed ones.",
            after(2, 1, 1) => "too_old" ["B5"];
        "other-member": "The welcome of member 8.",
            input(&group.welcome(8, NAME, 17, package), package, 1) => "recipient" ["C6"];
        "other-package": "Sealed to another package than the unused one.",
            input(&right, &second, 2) => "package" ["A1"];
        "other-package-same-number": "Another package of the same number.",
            input(&right, &renumbered, 1) => "package" ["A1"];
    }
}

/// Right in everything but what is sealed, or how.
fn sealed(group: &Group, package: &[u8], file: &mut VectorFile) {
    let fields = group.welcome_fields(7, 17, group.next_epoch(), package);
    assert_eq!(hash(package), fields.package);
    let (info, aad) = (welcome_info(&fields), welcome_aad(Suite::One, &fields));
    let (path, seed) = (group.welcome_text(&fields), secret("a welcome of its own"));
    let key = |number: u32| KemKeyPair::derive(&package_seed(NAME, number)).public().0;
    let raw = |enc: &[u8], sealed: &[u8]| {
        welcome_object(
            Suite::One,
            (&fields, NO_EXTENSIONS),
            (enc, sealed),
            &controller(1),
        )
    };
    let sealed_for = |info: &[u8], aad: &[u8], to: &[u8; 32]| {
        let (enc, sealed) = hpke::seal_base(to, info, aad, &seed, &path);
        raw(&enc, &sealed)
    };
    let case = |id: &str, comment: &str, welcome: &[u8]| {
        OPEN.case(id, comment, input(Suite::One, welcome, package, 1))
    };
    let for_info = |id: &str, comment: &str, change: fn(&mut WelcomeFields)| {
        let info = welcome_info(&altered(&fields, change));
        case(id, comment, &sealed_for(&info, &aad, &key(1))).attacks(&["C6"])
    };
    table! { for_info => file:
        "info-domain": "Sealed for another domain.", |f| f.domain = DomainId([1; 16]) => "wrong_secret";
        "info-group": "Sealed for another group.", |f| f.group = office() => "wrong_secret";
        "info-member": "Sealed for another member.", |f| f.member = MemberNumber(8) => "wrong_secret";
        "info-generation": "Sealed for another generation.", |f| f.generation = 2 => "wrong_secret";
        "info-depth": "Sealed for another depth.", |f| f.depth = 5 => "wrong_secret";
        "info-leaf": "Sealed for another leaf.", |f| f.leaf = 16 => "wrong_secret";
        "info-epoch": "Sealed for another epoch.", |f| f.epoch = 5 => "wrong_secret";
        "info-package": "Sealed for another package.",
            |f| f.package = digest("another package") => "wrong_secret";
    }
    let with_aad = |id: &str, comment: &str, aad: &[u8]| {
        case(id, comment, &sealed_for(&info, aad, &key(1))).attacks(&["C6", "A16"])
    };
    let of_aad = |id: &str, comment: &str, change: fn(&mut WelcomeFields)| {
        let comment = format!("{comment} The ciphertext was sealed so, and signed anew.");
        with_aad(
            id,
            &comment,
            &welcome_aad(Suite::One, &altered(&fields, change)),
        )
    };
    table! { of_aad => file:
        "aad-domain": "Of another domain.", |f| f.domain = DomainId([1; 16]) => "wrong_secret";
        "aad-serial": "Of another delegation.", |f| f.serial = 2 => "wrong_secret";
        "aad-signer": "Of another key of the delegation.", |f| f.signer = 0 => "wrong_secret";
        "aad-member": "Of another member.", |f| f.member = MemberNumber(8) => "wrong_secret";
        "aad-group": "Of another group.", |f| f.group = office() => "wrong_secret";
        "aad-generation": "Of another generation.", |f| f.generation = 2 => "wrong_secret";
        "aad-depth": "Of another depth.", |f| f.depth = 5 => "wrong_secret";
        "aad-leaf": "Of another leaf.", |f| f.leaf = 16 => "wrong_secret";
        "aad-epoch": "Of another epoch.", |f| f.epoch = 5 => "wrong_secret";
        "aad-previous": "After another epoch.", |f| f.previous = digest("another epoch") => "wrong_secret";
        "aad-healing-epoch": "With another healing epoch.", |f| f.healing_epoch = 2 => "wrong_secret";
        "aad-healing": "With another healing announcement.",
            |f| f.healing = digest("another healing") => "wrong_secret";
        "aad-package-number": "Of another package number.", |f| f.package_number = 2 => "wrong_secret";
        "aad-package": "Of another package.", |f| f.package = digest("another package") => "wrong_secret";
    }
    table! { with_aad => file:
        "aad-empty": "Sealed without aad.", &[] => "wrong_secret";
        "aad-fields": "The fields alone, without form and kind.", &aad[2..] => "wrong_secret";
        "aad-form": "With the form of suite 2.", &welcome_aad(Suite::Two, &fields) => "wrong_secret";
        "aad-kind": "With another kind.", &[&[0x11, 5][..], &aad[2..]].concat() => "wrong_secret";
        "aad-short": "Without the last byte before `enc`.", &aad[..aad.len() - 1] => "wrong_secret";
        "aad-enc-length": "With the length of `enc`, too.", &[&aad[..], &[32]].concat() => "wrong_secret";
    }
    let right = group.welcome(7, NAME, 17, package);
    let body = body_of(&right, Kind::Welcome);
    let altered_tag = sign(
        Kind::Welcome,
        &flipped(body, body.len() - 1, 1),
        &controller(1),
    );
    table! { case => file:
        "other-key": "Sealed to another key than the package's.",
            &sealed_for(&info, &aad, &key(2)) => "wrong_secret" ["C6"];
        "altered-tag": "The last bit of the tag, signed.", &altered_tag => "wrong_secret" ["D18"];
        "low-order-enc": "An enc of low order.", &raw(&[0; 32], &[0x5a; 146]) => "wrong_secret" ["D1"];
        "signature": "A bit of the signature.",
            &flipped(&right, right.len() - 1, 0x10) => "signature" ["B19"];
    }
}
