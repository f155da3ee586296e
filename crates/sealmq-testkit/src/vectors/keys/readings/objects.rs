//! Kind `object`, `package_set` and `welcome_open`: numbers, fields and limits (spec/keys.md §1, §4).

use sealmq_core::Grant;
use sealmq_core::object::Access;
use sealmq_keys::{ConfirmationEntry, default_prefix};

use super::super::announcement::{changed, group, plan};
use super::super::confirmation::{confirmation, confirmation_context, group_entries};
use super::super::objects::{Plan, request_with, under_authority};
use super::super::package_set::{self, SET};
use super::super::welcome::opening::{OPEN, input};
use crate::vectors::group::Group;
use crate::vectors::prelude::*;

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
    let (group, access, publish_filter) = (plant(), Access::BOTH, "$x/#");
    let grants = elements(&[Grant {
        group,
        access,
        publish_filter,
    }]);
    table! { Plan::of("credential", under_authority()) => file:
        "filter-system": "A publish filter may begin with `$`: it only narrows.",
            sensor().with(&grants, |_| {}) => valid;
    }
    let context = object! { domain: domain().0, now: NOW, skew: 300_u16 };
    table! { Plan::of("enrolment_request", context) => file:
        "issued-later": "A request's time is not compared: a new device may have a wrong clock.",
            request_with(NAME, &[], |r| r.issued_at = NOW + WEEK) => valid;
    }
    let in_file = |id: &str, comment: &'static str, token: [u8; 8]| {
        let object = request_with(NAME, &[], |r| r.token = token);
        let context = object! { domain: domain().0, file: true };
        let plan = Plan::new("enrolment_request", id, comment, object, context);
        plan.spec("keys.md §11").attacks(&["A42"])
    };
    table! { in_file => file:
        "file":       "A request in a file.",                                [0; 8] => valid;
        "file-token": "A request in a file that asks for a token's grants.", [7; 8] => "token";
    }
}

fn filters(file: &mut VectorFile) {
    let group = group();
    let with = |filters: [String; 2]| changed(&group, |d| d.filters = filters.to_vec());
    table! { plan => file:
        "filters-1024-together": "Two filters of 600 bytes: all of them together have 1024 at most.",
            with(["x".repeat(600), "y".repeat(600)]) => "field";
    }
    let prefix = default_prefix(&domain());
    let reserved = |id: &str, below: &str| {
        let object = with(["plant/#".to_owned(), format!("{prefix}/{below}")]);
        let comment = "Every topic below the prefix is reserved, whether or not it is in use.";
        plan(id, comment, object).attacks(&["B18"])
    };
    table! { reserved => file:
        "filters-reserved-unused":           "z"            => "field";
        "filters-reserved-below-delegation": "delegation/x" => "field";
        "filters-reserved-unused-wildcard":  "+/x/y/z/w"    => "field";
        "filters-reserved-session-record":   "g/+/s/+/+"    => "field";
    }
}

fn confirmations(file: &mut VectorFile) {
    let own = group_entries()
        .into_iter()
        .find(|entry| entry.group == plant())
        .unwrap();
    let first = ConfirmationEntry {
        generation: 0,
        ..own
    };
    table! { Plan::of("confirmation", confirmation_context()) => file:
        "generation-0": "Generations may begin with 0.", confirmation(&[first], |_| {}) => valid;
    }
    let of_member = |id: &str, member: u32| {
        let object = confirmation(&[own], |f| f.member = MemberNumber(member));
        let context = confirmation_context().with("member", member);
        let comment = "Members have numbers from 1 to 2^28 - 1.";
        Plan::new("confirmation", id, comment, object, context)
    };
    table! { of_member => file:
        "member-0":         0       => "field";
        "member-too-large": 1 << 28 => "field";
    }
}

fn package_sets(file: &mut VectorFile) {
    let comment = "16384 bytes are not too many, but these are no list.";
    let case = SET.case("16384", comment, package_set::input(1, &[0xff; 16_384]));
    file.push(case.attacks(&["F4"]).reason("encoding"));
}

/// The welcome names the package by number and hash.
fn package_number(file: &mut VectorFile) {
    let mut group = Group::new("package numbers", 3);
    group.rotate();
    let package = key_package(NAME, 1);
    let mut fields = group.welcome_fields(7, 9, group.next_epoch(), &package);
    fields.package_number = 2;
    let input = input(
        Suite::One,
        &group.welcome_with(&fields, &package),
        &package,
        1,
    );
    let case = OPEN.case(
        "package-number",
        "The package's hash, under another number.",
        input,
    );
    file.push(case.attacks(&["C6"]).reason("package"));
}
