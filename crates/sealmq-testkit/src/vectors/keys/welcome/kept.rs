//! Kind `welcome_open`: the kept keys inside (spec/keys.md §6).

use sealmq_core::crypto::{KemId, KemKeyPair};
use sealmq_core::object::Extension;
use sealmq_keys::WelcomeFields;
use sealmq_keys::tree::Half;

use super::opening::{NAME, OPEN, input, opens};
use crate::vectors::group::{Group, welcome_aad, welcome_info, welcome_object};
use crate::vectors::hpke;
use crate::vectors::prelude::*;

const READER: u32 = 17;
const PUBLISHER: u32 = 31;

/// A welcome whose plaintext has this behind the path keys, and that plaintext.
fn made(group: &Group, fields: &WelcomeFields, inside: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let path = group.path_bytes(fields.leaf, fields.epoch);
    let text = [&path, inside].concat();
    let to = KemKeyPair::derive(&package_seed(NAME, 1)).public().0;
    let (info, aad) = (welcome_info(fields), welcome_aad(Suite::One, fields));
    let seed = secret("a welcome with kept keys");
    let (enc, sealed) = hpke::seal_base(&to, &info, &aad, &seed, &text);
    let of = (fields, NO_EXTENSIONS);
    let welcome = welcome_object(Suite::One, of, (&enc, &sealed), &controller(1));
    (welcome, text)
}

/// Extensions that have this many bytes with their length.
fn extensions(length: usize) -> Vec<u8> {
    let value = vec![0; length - 2 - 3];
    blob(&elements(&[Extension {
        id: 7,
        value: &value,
    }]))
}

pub(super) fn vectors(group: &Group, package: &[u8], file: &mut VectorFile) {
    let fields = |leaf: u32| group.welcome_fields(7, leaf, group.next_epoch(), package);
    // No healing epoch before it.
    let early = |leaf: u32| WelcomeFields {
        healing_epoch: 0,
        healing: Digest::ZERO,
        ..fields(leaf)
    };
    let case = |id: &str, comment: &str, welcome: &[u8]| {
        let case = OPEN.case(id, comment, input(Suite::One, welcome, package, 1));
        case.attacks(&["A43", "A44"])
    };
    let good = |id: &str, comment: &str, fields: WelcomeFields, inside: &[u8]| {
        let (welcome, text) = made(group, &fields, inside);
        let aad = welcome_aad(Suite::One, &fields);
        opens(
            case(id, comment, &welcome),
            KemId::X25519,
            &fields,
            &aad,
            &text,
        )
    };
    let bad = |id: &str, comment: &str, fields: WelcomeFields, inside: &[u8]| {
        case(id, comment, &made(group, &fields, inside).0)
    };
    let kept = |leaf: u32| group.kept_blob(&fields(leaf));
    let none = vec![0, 0];
    let with = |inside: &[u8]| [inside, &[0]].concat();
    table! { good => file:
        "kept-reader": "K, kept_psk, kept_secret.", fields(READER), &with(&kept(READER)) => valid;
        "kept-publisher": "K, kept_psk, kept_key.", fields(PUBLISHER), &with(&kept(PUBLISHER)) => valid;
        "kept-none": "None, although an epoch healed.", fields(READER), &none => valid;
        "kept-none-publisher": "None, in the other half.", fields(PUBLISHER), &none => valid;
        "kept-no-healing": "None, because no epoch healed.", early(READER), &none => valid;
        "kept-extensions-1024": "1024 bytes of extensions behind them.",
            fields(READER), &[kept(READER), extensions(1024)].concat() => valid;
        "kept-none-extensions-1024": "1024 bytes of extensions behind none.",
            fields(READER), &[vec![0], extensions(1024)].concat() => valid;
    }
    let of_length = |length: usize| {
        let bytes = [&kept(READER)[1..], &[0]].concat();
        with(&blob(&bytes[..length]))
    };
    let held = group
        .brought(group.healing_before(group.next_epoch()), Half::Publishers)
        .unwrap();
    let low = |key: &[u8; 32]| with(&blob(&held.clone().announced_as(*key).bytes()));
    let other = group.held((3, digest("another epoch")), 1, Half::Readers);
    let other_half = group.held((3, digest("another epoch")), 1, Half::Publishers);
    table! { bad => file:
        "kept-95": "A byte too few.", fields(READER), &of_length(95) => "field";
        "kept-97": "A byte too many.", fields(READER), &of_length(97) => "field";
        "kept-64": "K and kept_psk alone.", fields(READER), &of_length(64) => "field";
        "kept-1": "One byte.", fields(READER), &of_length(1) => "field";
        "kept-other": "Of another epoch than the last healing one.",
            fields(READER), &with(&blob(&other.bytes())) => "field";
        "kept-other-publisher": "The same in the other half.",
            fields(PUBLISHER), &with(&blob(&other_half.bytes())) => "field";
        "kept-without-healing": "Kept keys, although no epoch healed.",
            early(READER), &with(&kept(READER)) => "field";
        "kept-without-healing-zero": "The same, and K is zeros, as `healing`.",
            early(READER), &with(&blob(&[[0; 32], [1; 32], [2; 32]].concat())) => "field";
        "kept-low-order-zero": "A kept_key of zeros.", fields(PUBLISHER), &low(LOW_ORDER[0]) => "field" ["C8"];
        "kept-low-order-8": "A kept_key of order 8.", fields(PUBLISHER), &low(LOW_ORDER[1]) => "field" ["C8"];
        "kept-critical": "An extension behind them that must be understood.",
            fields(READER), &[kept(READER), blob(&[0x80, 0x80, 2, 0])].concat() => "unsupported";
        "kept-trailing": "A byte behind the extensions.",
            fields(READER), &[kept(READER), none.clone()].concat() => "encoding";
        "kept-extensions-1025": "1025 bytes of extensions behind them.",
            fields(READER), &[kept(READER), extensions(1025)].concat() => "field";
        "kept-none-extensions-1025": "1025 bytes of extensions behind none.",
            fields(READER), &[vec![0], extensions(1025)].concat() => "field";
    }
}
