//! Kind `object`: credentials (spec/keys.md §4).

use sealmq_core::object::{Access, decode};
use sealmq_core::{Credential, Grant};

use super::delegation::weak_keys;
use super::objects::{Plan, under_authority};
use crate::vectors::prelude::*;

const LONGEST_NAME: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
pub(super) const TOO_LONG_NAME: &str =
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

pub(crate) fn vectors(file: &mut VectorFile) {
    good(file);
    fields(file);
    grants(file);
    signers(file);
}

fn plan<'a>(id: &str, comment: &'a str, object: Vec<u8>) -> Plan<'a> {
    Plan::new(
        "credential",
        id,
        comment,
        object,
        under_authority().with("now", NOW).with("skew", 300_u16),
    )
}

fn grant(group: GroupId, access: u8, publish_filter: &str) -> Grant<'_> {
    Grant {
        group,
        access: access_of(access),
        publish_filter,
    }
}

/// Any byte as `access`; its encoding is the byte itself.
fn access_of(bits: u8) -> Access {
    decode(&[bits]).unwrap()
}

/// Groups in ascending order.
fn groups(count: u32) -> Vec<GroupId> {
    let mut groups: Vec<GroupId> = (0..count)
        .map(|n| group_id(&format!("group {n}")))
        .collect();
    groups.sort_unstable();
    groups
}

fn changed(change: impl FnOnce(&mut Credential<'_>)) -> Vec<u8> {
    sensor().with(&elements(&[grant(plant(), 3, "")]), change)
}

fn granted(grants: &[Grant<'_>]) -> Vec<u8> {
    sensor().with(&elements(grants), |_| {})
}

fn good(file: &mut VectorFile) {
    let mut ordered = [grant(plant(), 1, "plant/%c/#"), grant(office(), 2, "")];
    ordered.sort_by_key(|grant| grant.group);
    let many: Vec<Grant<'_>> = groups(64)
        .into_iter()
        .map(|group| grant(group, 2, ""))
        .collect();
    table! { plan => file:
        "two-grants": "Publishing below the own name in one group, reading in another.",
            granted(&ordered) => valid;
        "no-grants": "A member of no group.", granted(&[]) => valid;
        "64-grants": "64 grants.", granted(&many) => valid;
    }
    for (id, member) in [("1", 1), ("max", (1 << 28) - 1)] {
        plan(
            &format!("member-{id}"),
            "A member number at an edge.",
            changed(|c| c.member = MemberNumber(member)),
        )
        .valid(file);
    }
    for (id, serial) in [("0", 0), ("max", u32::MAX - 1)] {
        plan(
            &format!("serial-{id}"),
            "A credential serial at an edge.",
            changed(|c| c.credential_serial = serial),
        )
        .valid(file);
    }
    table! { plan => file:
        "name-longest": "A name of 64 characters.", changed(|c| c.name = LONGEST_NAME)   => valid;
        "issued-ahead": "Issued ahead by skew.",    changed(|c| c.issued_at = NOW + 300) => valid;
        "last-second":  "The last second.",         changed(|c| c.not_after = NOW)       => valid;
    }
    for (id, filter) in [
        ("plus", "plant/+/temp"),
        ("hash", "#"),
        ("name-and-wildcards", "+/%c/#"),
        ("percent-not-alone", "plant/x%c"),
    ] {
        plan(
            &format!("filter-{id}"),
            "A publish filter.",
            granted(&[grant(plant(), 3, filter)]),
        )
        .valid(file);
    }
}

fn fields(file: &mut VectorFile) {
    let mut bad =
        |id: &str, comment: &str, object: Vec<u8>| plan(id, comment, object).invalid(file, "field");
    table! { bad:
        "member-0": "No member has the number 0.", changed(|c| c.member = MemberNumber(0));
        "member-too-large": "Member 2^28.", changed(|c| c.member = MemberNumber(1 << 28));
        "serial-removed": "The serial that stands for removal.", changed(|c| c.credential_serial = u32::MAX);
    }
    for (id, name) in [
        ("empty", ""),
        ("too-long", TOO_LONG_NAME),
        ("slash", "a/b"),
        ("plus", "+"),
        ("percent", "%c"),
        ("umlaut", "ä"),
    ] {
        bad(
            &format!("name-{id}"),
            "Not a name.",
            changed(|c| c.name = name),
        );
    }
    for (id, comment, key) in weak_keys() {
        bad(&format!("weak-{id}"), comment, changed(|c| c.key = key));
    }
    table! { bad:
        "not-after": "not_after is issued_at.", changed(|c| (c.issued_at, c.not_after) = (NOW, NOW));
        "not-after-below": "not_after is below issued_at.",
            changed(|c| (c.issued_at, c.not_after) = (NOW + 1, NOW));
    }
    table! { plan => file:
        "from-the-future": "Issued ahead by skew and a second.",
            changed(|c| c.issued_at = NOW + 301) => "expired" ["A32"];
        "expired": "One second after not_after.", changed(|c| c.not_after = NOW - 1) => "expired";
    }
}

fn grants(file: &mut VectorFile) {
    let mut bad = |id: &str, comment: &str, grants: &[Grant<'_>]| {
        plan(&format!("grants-{id}"), comment, granted(grants))
            .attacks(&["A18", "B16"])
            .invalid(file, "field");
    };
    let two = groups(2);
    table! { bad:
        "descending": "Groups descend.", &[grant(two[1], 2, ""), grant(two[0], 2, "")];
        "twice": "A group twice.", &[grant(two[0], 1, ""), grant(two[0], 2, "")];
        "access-0": "Access to nothing.", &[grant(plant(), 0, "")];
        "access-4": "An unknown bit of access.", &[grant(plant(), 5, "")];
        "filter-without-publish": "A publish filter for a member that may only read: reading cannot be narrowed.",
            &[grant(plant(), 2, "plant/a/#")];
    }
    for (id, filter) in [
        ("hash-not-last", "plant/#/a"),
        ("plus-in-level", "plant/a+"),
        ("nul", "plant/\0"),
    ] {
        bad(id, "Not a filter.", &[grant(plant(), 1, filter)]);
    }
    let many: Vec<Grant<'_>> = groups(65)
        .into_iter()
        .map(|group| grant(group, 2, ""))
        .collect();
    bad("65", "65 grants.", &many);

    let filter = "x".repeat(120);
    let large: Vec<Grant<'_>> = groups(64)
        .into_iter()
        .map(|group| grant(group, 1, &filter))
        .collect();
    plan(
        "too-large",
        "Above 8 KiB, by nothing but filters.",
        granted(&large),
    )
    .spec("keys.md §9")
    .attacks(&["B23"])
    .invalid(file, "size");
    let mut raw = elements(&[grant(plant(), 3, "a")]);
    *raw.last_mut().unwrap() = 0xff;
    table! { plan => file:
        "filter-not-utf8": "A publish filter that is not UTF-8.", not_utf8(&raw) => "encoding" ["E1"];
    }
}

/// The sensor's credential with grants that do not decode.
fn not_utf8(grants: &[u8]) -> Vec<u8> {
    use sealmq_core::object::Kind;

    let good = sensor().with(&[], |_| {});
    let body = body_of(&good, Kind::Credential);
    // Neither grants nor extensions.
    let (without_grants, [0, 0]) = body.split_last_chunk().unwrap() else {
        panic!("two empty lists")
    };
    sign(
        Kind::Credential,
        &[without_grants.to_vec(), blob(grants), vec![0]].concat(),
        &issuer(1),
    )
}

fn signers(file: &mut VectorFile) {
    let grants = elements(&[grant(plant(), 3, "")]);
    let plan_of =
        |change: fn(&mut Credential<'_>), signer| sensor().signed_by(&signer, &grants, change);
    let wider = CredentialPlan {
        access: Access::BOTH,
        ..sensor()
    };
    let narrow = CredentialPlan {
        access: Access::PUBLISH,
        ..sensor()
    }
    .object();
    let object = wider.object();
    let swapped = [&object[..object.len() - 64], &narrow[narrow.len() - 64..]].concat();
    table! { plan => file:
        "domain": "Of another domain.", plan_of(|c| c.domain = DomainId([1; 16]), issuer(1)) => "domain";
        "wrong-role": "Signed by a key that runs groups only.",
            plan_of(|c| c.signer = CONTROLLER, controller(1)) => "role" ["A16"];
        "no-such-key": "Names a key that the delegation does not have.",
            plan_of(|c| c.signer = 2, issuer(1)) => "role";
        "older-delegation": "Issued under another delegation, which had the same key.",
            plan_of(|c| c.serial = 2, issuer(1)) => "role" ["A16"];
        "self-signed": "Signed by the member itself.",
            plan_of(|_| {}, identity("sensor-7")) => "signature" ["B19"];
        "wider-grant": "The signature of a narrower credential.", swapped => "signature" ["B19"];
    }
}
