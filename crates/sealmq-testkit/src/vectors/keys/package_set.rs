//! Kind `package_set`: the unused key packages that a member publishes (spec/keys.md §4).

use sealmq_keys::{KeyPackage, UNKNOWN_DOMAIN};

use crate::vectors::prelude::*;

const NAME: &str = "sensor-7";
pub(super) const SET: Series =
    Series::new("package_set", "package-set-", &["keys.md §4"]).attacks(&["A31"]);

pub(super) fn set(packages: &[Vec<u8>]) -> Vec<u8> {
    let list: Vec<u8> = packages.iter().flat_map(|package| blob(package)).collect();
    blob(&list)
}

pub(super) fn input(suite: u8, bytes: &[u8]) -> Json {
    object! { bytes: Json::hex(bytes), suite: suite, domain: domain().0, identity: public(NAME) }
}

/// A set that is right, and states these numbers.
pub(super) fn good(
    id: &str,
    comment: &str,
    suite: u8,
    packages: &[Vec<u8>],
    numbers: &[u32],
) -> Vector {
    let stated = packages.iter().zip(numbers);
    let stated = stated.map(|(package, n)| object! { number: *n, hash: hash(package) });
    let result = object! { packages: Json::Array(stated.collect()) };
    SET.case(id, comment, input(suite, &set(packages)))
        .result(result)
}

pub(crate) fn vectors(file: &mut VectorFile) {
    let package = |number| key_package(NAME, number);
    let some = [package(3), package(4), package(9)];
    let numbers: Vec<u32> = (1..=64).collect();
    let most: Vec<_> = numbers.iter().map(|n| package(*n)).collect();
    let unknown = [key_package_with(NAME, 1, |p| p.domain = UNKNOWN_DOMAIN)];
    table! { good => file:
        "one":            "One package.",                            1, &[package(1)], &[1] => valid;
        "numbers-jump":   "Numbers rise.",                           1, &some, &[3, 4, 9]   => valid;
        "64":             "The most packages.",                      1, &most, &numbers     => valid;
        "unknown-domain": "Made before the device knew its domain.", 1, &unknown, &[1]      => valid;
    }

    let case = |id: &str, comment: &str, bytes: &[u8]| SET.case(id, comment, input(1, bytes));
    let second =
        |change: fn(&mut KeyPackage<'_>)| set(&[package(1), key_package_with(NAME, 2, change)]);
    let many = [&most[..], &[package(65)]].concat();
    let suite_2 = [&[0x12], &package(2)[1..]].concat();
    let right = set(&some);
    table! { case => file:
        "cleared": "A cleared topic.", &[] => "encoding";
        "none": "No package.", &set(&[]) => "field";
        "65": "More than 64 packages.", &set(&many) => "field";
        "numbers-fall": "Numbers fall.", &set(&[package(2), package(1)]) => "field";
        "twice": "A package twice.", &set(&[package(2), package(2)]) => "field";
        "low-order-zero": "A good package, and one with a key of low order.",
            &second(|p| p.init_key = LOW_ORDER[0]) => "field";
        "low-order-order-8": "A good package, and one with a key of low order.",
            &second(|p| p.init_key = LOW_ORDER[1]) => "field";
        "number-0": "Numbers begin with 1.", &set(&[package(0)]) => "field";
        "foreign": "A package of somebody else.", &set(&[package(1), key_package("insider-8", 2)]) => "field";
        "forged": "A package in this member's name, signed by another one.",
            &set(&[key_package_with("insider-8", 2, |p| p.identity = public(NAME))]) => "signature";
        "domain": "A package of another domain.", &second(|p| p.domain = DomainId([1; 16])) => "domain";
        "kem": "Another KEM.", &second(|p| p.kem = 0x0010) => "field";
        "altered": "A package with a changed bit.",
            &set(&[package(1), flipped(&package(2), 70, 1)]) => "signature";
        "form": "A package of the other suite.", &set(&[package(1), suite_2]) => "form";
        "kind": "Something else than a package.", &set(&[super::objects::request(NAME, &[])]) => "kind";
        "empty-package": "An empty package.", &set(&[package(1), vec![]]) => "form";
        "trailing": "A byte behind the list.", &trailing(&right) => "encoding";
        "truncated": "The last byte is missing.", &right[..right.len() - 1] => "encoding";
        "size": "Above 16384 bytes.", &blob(&[0; 16_384]) => "size";
    }
}
