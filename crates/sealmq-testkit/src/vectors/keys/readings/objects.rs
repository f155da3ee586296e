//! Kind `object`, `package_set` and `welcome_open`: numbers, fields and limits (spec/keys.md §1, §4).

use sealmq_core::Grant;
use sealmq_core::MemberNumber;
use sealmq_core::object::{Access, Kind};
use sealmq_keys::ConfirmationEntry;

use super::super::announcement::{changed, group, plan};
use super::super::confirmation::{confirmation, confirmation_context, group_entries};
use super::super::objects::{Plan, request_with, under_authority};
use crate::vectors::craft::varint;
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::group::Group;
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::{
    ISSUER, NOW, WEEK, authority, authority_json, digest, domain, elements, issuer, key_package,
    package_seed, plant, public, sensor, sign,
};

const NAME: &str = "sensor-7";

pub(super) fn vectors(file: &mut VectorFile) {
    let serial = varint((1 << 32) + 1);
    let request = digest("request of sensor-7");
    let body = [&domain().0[..], &serial, &[ISSUER], &request.0, &[1]].concat();
    table! { Plan::of("join_refusal", under_authority().with("request", request)) => file:
        "serial-33-bits": "A serial of 2^32 + 1: a u32 has 32 bits.",
            sign(Kind::JoinRefusal, &body, &issuer(1)) => "encoding" ["E1"];
    }
    credentials_and_requests(file);
    filters(file);
    confirmations(file);
    package_sets(file);
    package_number(file);
}

fn credentials_and_requests(file: &mut VectorFile) {
    let grants = elements(&[Grant {
        group: plant(),
        access: Access::BOTH,
        publish_filter: "$x/#",
    }]);
    table! { Plan::of("credential", under_authority()) => file:
        "filter-system": "A publish filter may begin with `$`: it only narrows.",
            sensor().with(&grants, |_| {}) => valid;
    }
    let context = || object! { domain: domain().0, now: NOW, skew: 300_u16 };
    table! { Plan::of("enrolment_request", context()) => file:
        "issued-later": "A request's time is not compared: a new device may have a wrong clock.",
            request_with(NAME, &[], |r| r.issued_at = NOW + WEEK) => valid;
    }
    for (id, comment, token, reason) in table! {
        "file":       "A request in a file.",                                [0; 8], None;
        "file-token": "A request in a file that asks for a token's grants.", [7; 8], Some("token");
    } {
        let object = request_with(NAME, &[], |r| r.token = token);
        let context = object! { domain: domain().0, file: true };
        let plan = Plan::new("enrolment_request", id, comment, object, context)
            .spec("keys.md §11")
            .attacks(&["A42"]);
        match reason {
            Some(reason) => plan.invalid(file, reason),
            None => plan.valid(file),
        }
    }
}

fn filters(file: &mut VectorFile) {
    let group = group();
    let with = |filters: [String; 2]| changed(&group, |d| d.filters = filters.to_vec());
    table! { plan => file:
        "filters-1024-together": "Two filters of 600 bytes: all of them together have 1024 at most.",
            with(["x".repeat(600), "y".repeat(600)]) => "field";
    }
    for (id, below) in [
        ("unused", "z"),
        ("below-delegation", "delegation/x"),
        ("unused-wildcard", "+/x/y/z/w"),
        ("session-record", "g/+/s/+/+"),
    ] {
        let prefix = sealmq_keys::default_prefix(&domain());
        plan(
            &format!("filters-reserved-{id}"),
            "Every topic below the prefix is reserved, whether or not it is in use.",
            with(["plant/#".to_owned(), format!("{prefix}/{below}")]),
        )
        .attacks(&["B18"])
        .invalid(file, "field");
    }
}

fn confirmations(file: &mut VectorFile) {
    let own = group_entries();
    let own = own
        .into_iter()
        .find(|entry| entry.group == plant())
        .unwrap();
    let entries = [ConfirmationEntry {
        generation: 0,
        ..own
    }];
    let object = confirmation(&entries, |_| {});
    table! { Plan::of("confirmation", confirmation_context()) => file:
        "generation-0": "Generations may begin with 0.", object => valid;
    }
    for (id, member) in [("member-0", 0), ("member-too-large", 1 << 28)] {
        let object = confirmation(&[own], |f| f.member = MemberNumber(member));
        let context = confirmation_context().with("member", member);
        Plan::new(
            "confirmation",
            id,
            "Members have numbers from 1 to 2^28 - 1.",
            object,
            context,
        )
        .invalid(file, "field");
    }
}

fn package_sets(file: &mut VectorFile) {
    let input = object! {
        bytes: Json::hex([0xff; 16_384]), suite: 1_u8, domain: domain().0, identity: public(NAME),
    };
    let (id, comment) = (
        "package-set-16384",
        "16384 bytes are not too many, but these are no list.",
    );
    let vector = Vector::invalid(
        "package_set",
        id,
        comment,
        &["keys.md §4"],
        input,
        "encoding",
    );
    file.push(vector.attacks(&["F4"]));
}

/// The welcome names the package by number and hash.
fn package_number(file: &mut VectorFile) {
    let mut group = Group::new("package numbers", 3);
    group.rotate();
    let package = key_package(NAME, 1);
    let mut fields = group.welcome_fields(7, 9, group.next_epoch(), &package);
    fields.package_number = 2;
    let input = object! {
        authority: authority_json(&authority(1)), member: 7_u8,
        welcome: Json::hex(group.welcome_with(&fields, &package)),
        package: Json::hex(&package), package_seed: *package_seed(NAME, 1).expose(),
    };
    let (id, comment) = (
        "welcome-open-package-number",
        "The package's hash, under another number.",
    );
    let vector = Vector::invalid(
        "welcome_open",
        id,
        comment,
        &["keys.md §6"],
        input,
        "package",
    );
    file.push(vector.attacks(&["C6"]));
}
