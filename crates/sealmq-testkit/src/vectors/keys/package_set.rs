//! Kind `package_set`: the unused key packages that a member publishes (spec/keys.md §4).

use sealmq_core::DomainId;
use sealmq_keys::{KeyPackage, UNKNOWN_DOMAIN};

use crate::vectors::craft::blob;
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::{LOW_ORDER_KEYS, domain, hash, key_package, key_package_with, public};

const NAME: &str = "sensor-7";
const SPEC: &[&str] = &["keys.md §4"];

fn set(packages: &[Vec<u8>]) -> Vec<u8> {
    let list: Vec<u8> = packages.iter().flat_map(|package| blob(package)).collect();
    blob(&list)
}

fn input(bytes: &[u8]) -> Json {
    object! { bytes: Json::hex(bytes), suite: 1_u8, domain: domain().0, identity: public(NAME) }
}

pub(crate) fn vectors(file: &mut VectorFile) {
    let package = |number| key_package(NAME, number);
    let mut good = |id: &str, comment: &str, packages: &[Vec<u8>], numbers: &[u32]| {
        let stated = packages.iter().zip(numbers);
        let stated = stated.map(|(package, n)| object! { number: *n, hash: hash(package) });
        let result = object! { packages: Json::Array(stated.collect()) };
        let id = format!("package-set-{id}");
        let vector = Vector::valid("package_set", id, comment, SPEC, input(&set(packages)));
        file.push(vector.attacks(&["A31"]).result(result));
    };
    let some = [package(3), package(4), package(9)];
    table! { good:
        "one":          "One package.",  &[package(1)], &[1];
        "numbers-jump": "Numbers rise.", &some, &[3, 4, 9];
    }
    let numbers: Vec<u32> = (1..=64).collect();
    let most: Vec<_> = numbers.iter().map(|n| package(*n)).collect();
    let unknown = [key_package_with(NAME, 1, |p| p.domain = UNKNOWN_DOMAIN)];
    table! { good:
        "64":             "The most packages.",                      &most, &numbers;
        "unknown-domain": "Made before the device knew its domain.", &unknown, &[1];
    }

    let mut bad = |id: &str, comment: &str, bytes: &[u8], reason: &'static str| {
        let id = format!("package-set-{id}");
        let vector = Vector::invalid("package_set", id, comment, SPEC, input(bytes), reason);
        file.push(vector.attacks(&["A31"]));
    };
    let with =
        |change: fn(&mut KeyPackage<'_>)| set(&[package(1), key_package_with(NAME, 2, change)]);
    let mut many = most;
    many.push(package(65));
    table! { bad:
        "cleared":      "A cleared topic.",       &[]                             => "encoding";
        "none":         "No package.",            &set(&[])                       => "field";
        "65":           "More than 64 packages.", &set(&many)                     => "field";
        "numbers-fall": "Numbers fall.",          &set(&[package(2), package(1)]) => "field";
        "twice":        "A package twice.",       &set(&[package(2), package(2)]) => "field";
    }
    for (id, key) in LOW_ORDER_KEYS {
        bad(
            &format!("low-order-{id}"),
            "A good package, and one with a key of low order.",
            &set(&[package(1), key_package_with(NAME, 2, |p| p.init_key = key)]),
            "field",
        );
    }
    let mut altered = package(2);
    altered[70] ^= 1;
    let suite_2 = [&[0x12], &package(2)[1..]].concat();
    let right = set(&some);
    table! { bad:
        "number-0": "Numbers begin with 1.", &set(&[package(0)]) => "field";
        "foreign": "A package of somebody else.", &set(&[package(1), key_package("insider-8", 2)]) => "field";
        "forged": "A package in this member's name, signed by another one.",
            &set(&[key_package_with("insider-8", 2, |p| p.identity = public(NAME))]) => "signature";
        "domain": "A package of another domain.", &with(|p| p.domain = DomainId([1; 16])) => "domain";
        "kem": "Another KEM.", &with(|p| p.kem = 0x0010) => "field";
        "altered": "A package with a changed bit.", &set(&[package(1), altered]) => "signature";
        "form": "A package of the other suite.", &set(&[package(1), suite_2]) => "form";
        "kind": "Something else than a package.", &set(&[super::objects::request(NAME, &[])]) => "kind";
        "empty-package": "An empty package.", &set(&[package(1), vec![]]) => "form";
        "trailing": "A byte behind the list.", &[&right[..], &[0]].concat() => "encoding";
        "truncated": "The last byte is missing.", &right[..right.len() - 1] => "encoding";
        "size": "Above 16384 bytes.", &blob(&[0; 16_384]) => "size";
    }
}
