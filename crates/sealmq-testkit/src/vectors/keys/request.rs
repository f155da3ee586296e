//! Kind `object`: key packages and enrolment requests (spec/keys.md §4).

use sealmq_keys::{EnrolmentRequest, KeyPackage, UNKNOWN_DOMAIN};

use super::delegation::weak_keys;
use super::objects::{Plan, request, request_with};
use crate::vectors::prelude::*;

pub(crate) fn vectors(file: &mut VectorFile) {
    packages(file);
    requests(file);
}

fn packages(file: &mut VectorFile) {
    let plan = |id: &str, comment: &'static str, change: fn(&mut KeyPackage<'_>)| {
        let context = object! { domain: domain().0, now: NOW, skew: 300_u16 };
        Plan::new(
            "key_package",
            id,
            comment,
            key_package_with("sensor-7", 1, change),
            context,
        )
    };
    table! { plan => file:
        "number-max": "The highest number.", |p| p.number = u32::MAX => valid;
        "issued-ahead": "Issued ahead by skew.", |p| p.issued_at = NOW + 300 => valid;
        "last-second": "The last second.", |p| p.not_after = NOW => valid;
        "number-0": "Numbers begin with 1.", |p| p.number = 0 => "field" ["A31"];
        "kem-id": "Another KEM than X25519.", |p| p.kem = 0x0010 => "field" ["D15"];
        "init-key-short": "31 bytes of init key.", |p| p.init_key = &[9; 31] => "field";
        "low-order-zero": "No welcome can be sealed to this key.",
            |p| p.init_key = LOW_ORDER[0] => "field" ["C8"];
        "low-order-order-8": "No welcome can be sealed to this key.",
            |p| p.init_key = LOW_ORDER[1] => "field" ["C8"];
        "init-key-long": "33 bytes of init key.", |p| p.init_key = &[9; 33] => "field";
        "not-after": "not_after is issued_at.", |p| (p.issued_at, p.not_after) = (NOW, NOW) => "field";
        "domain": "Of another domain.", |p| p.domain = DomainId([1; 16]) => "domain";
        "other-identity": "Another identity inside than the one that signed.",
            |p| p.identity = public("insider-8") => "signature" ["C3"];
        "from-the-future": "Issued ahead by skew and a second.", |p| p.issued_at = NOW + 301 => "expired";
        "expired": "One second after not_after.", |p| p.not_after = NOW - 1 => "expired" ["A31"];
    }
}

fn requests(file: &mut VectorFile) {
    let name = "sensor-7";
    let plan = |id: &str, comment: &'static str, object: Vec<u8>| {
        let context = object! { domain: domain().0 };
        Plan::new("enrolment_request", id, comment, object, context).attacks(&["C3"])
    };
    let with = |change: fn(&mut EnrolmentRequest<'_>)| request_with(name, &[], change);
    let package = |number: u32| key_package(name, number);
    let low_order = |key| key_package_with(name, 2, |p| p.init_key = key);
    let unknown = |number: u32| key_package_with(name, number, |p| p.domain = UNKNOWN_DOMAIN);
    table! { plan => file:
        "token": "For a join token, whose id is signed.",
            request_with(name, &[package(1)], |r| r.token = [7; 8]) => valid ["A42"];
        "no-packages": "No package.", request(name, &[]) => valid;
        "unknown-domain": "The device does not know its domain: zeros, in the packages too.",
            request_with(name, &[unknown(1), unknown(2)], |r| r.domain = UNKNOWN_DOMAIN) => valid;
        "numbers-jump": "Package numbers rise; they need not be consecutive here.",
            request(name, &[package(3), package(9)]) => valid;
    }
    table! { plan => file:
        "domain":     "Of another domain.", with(|r| r.domain = DomainId([1; 16])) => "domain";
        "name-empty": "Not a name.",        with(|r| r.name = "")                  => "field";
        "name-space": "Not a name.",        with(|r| r.name = "a b")               => "field";
        "name-slash": "Not a name.",        with(|r| r.name = "a/b")               => "field";
    }
    for (id, comment, key) in weak_keys() {
        let object = request_with(name, &[], |r| r.key = key);
        plan(&format!("weak-{id}"), comment, object).invalid(file, "field");
    }
    table! { plan => file:
        "other-key": "Signed by another key than the one inside.",
            with(|r| r.key = public("insider-8")) => "signature";
        "numbers-fall": "Package numbers fall.", request(name, &[package(2), package(1)]) => "field";
        "numbers-equal": "A package twice.", request(name, &[package(1), package(1)]) => "field";
        "foreign-package": "A package of somebody else.",
            request(name, &[key_package("insider-8", 1)]) => "field";
        "package-identity": "A package with another identity inside, signed by this key.",
            request(name, &[key_package_with(name, 1, |p| p.identity = public("insider-8"))]) => "field";
        "package-domain": "A package of another domain than the request.",
            request(name, &[unknown(1)]) => "domain";
        "package-domain-known": "The request knows no domain, its package does.",
            request_with(name, &[package(1)], |r| r.domain = UNKNOWN_DOMAIN) => "domain";
        "package-number-0": "A package with the number 0.", request(name, &[package(0)]) => "field";
        "package-low-order-zero": "A package with a key of low order, and a good one.",
            request(name, &[package(1), low_order(LOW_ORDER[0])]) => "field";
        "package-low-order-order-8": "A package with a key of low order, and a good one.",
            request(name, &[package(1), low_order(LOW_ORDER[1])]) => "field";
        "package-altered": "A package with a changed bit.",
            request(name, &[flipped(&package(1), 70, 1)]) => "signature";
        "package-kind": "A request inside the request.", request(name, &[request(name, &[])]) => "kind";
        "package-empty": "An empty package.", request(name, &[vec![]]) => "form";
    }
}
