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
    let context = under_authority().with("now", NOW).with("skew", 300_u16);
    Plan::new("credential", id, comment, object, context)
}

/// Any byte as `access`; its encoding is the byte itself.
fn grant(group: GroupId, access: u8, publish_filter: &str) -> Grant<'_> {
    let access = decode(&[access]).unwrap();
    Grant {
        group,
        access,
        publish_filter,
    }
}

/// Grants for groups in ascending order.
fn many(count: u32, access: u8, publish_filter: &str) -> Vec<Grant<'_>> {
    let mut groups: Vec<GroupId> = (0..count)
        .map(|n| group_id(&format!("group {n}")))
        .collect();
    groups.sort_unstable();
    groups
        .into_iter()
        .map(|group| grant(group, access, publish_filter))
        .collect()
}

fn changed<'a>(id: &str, comment: &'a str, change: impl FnOnce(&mut Credential<'_>)) -> Plan<'a> {
    plan(
        id,
        comment,
        sensor().with(&elements(&[grant(plant(), 3, "")]), change),
    )
}

fn granted<'a>(id: &str, comment: &'a str, grants: &[Grant<'_>]) -> Plan<'a> {
    plan(id, comment, sensor().with(&elements(grants), |_| {}))
}

fn good(file: &mut VectorFile) {
    let mut ordered = [grant(plant(), 1, "plant/%c/#"), grant(office(), 2, "")];
    ordered.sort_by_key(|grant| grant.group);
    table! { granted => file:
        "two-grants": "Publishing below the own name in one group, reading in another.", &ordered => valid;
        "no-grants": "A member of no group.", &[] => valid;
        "64-grants": "64 grants.", &many(64, 2, "") => valid;
    }
    let with = |id: &str, comment, change: fn(&mut Credential<'_>)| changed(id, comment, change);
    table! { with => file:
        "member-1": "A member number at an edge.", |c| c.member = MemberNumber(1) => valid;
        "member-max": "A member number at an edge.", |c| c.member = MemberNumber((1 << 28) - 1) => valid;
        "serial-0": "A credential serial at an edge.", |c| c.credential_serial = 0 => valid;
        "serial-max": "A credential serial at an edge.", |c| c.credential_serial = u32::MAX - 1 => valid;
        "name-longest": "A name of 64 characters.", |c| c.name = LONGEST_NAME => valid;
        "issued-ahead": "Issued ahead by skew.", |c| c.issued_at = NOW + 300 => valid;
        "last-second": "The last second.", |c| c.not_after = NOW => valid;
    }
    table! { granted => file:
        "filter-plus":               "A publish filter.", &[grant(plant(), 3, "plant/+/temp")] => valid;
        "filter-hash":               "A publish filter.", &[grant(plant(), 3, "#")]            => valid;
        "filter-name-and-wildcards": "A publish filter.", &[grant(plant(), 3, "+/%c/#")]       => valid;
        "filter-percent-not-alone":  "A publish filter.", &[grant(plant(), 3, "plant/x%c")]    => valid;
    }
}

fn fields(file: &mut VectorFile) {
    let with = |id: &str, comment, change: fn(&mut Credential<'_>)| changed(id, comment, change);
    table! { with => file:
        "member-0": "No member has the number 0.", |c| c.member = MemberNumber(0) => "field";
        "member-too-large": "Member 2^28.", |c| c.member = MemberNumber(1 << 28) => "field";
        "serial-removed": "The serial that stands for removal.",
            |c| c.credential_serial = u32::MAX => "field";
        "name-empty": "Not a name.", |c| c.name = "" => "field";
        "name-too-long": "Not a name.", |c| c.name = TOO_LONG_NAME => "field";
        "name-slash": "Not a name.", |c| c.name = "a/b" => "field";
        "name-plus": "Not a name.", |c| c.name = "+" => "field";
        "name-percent": "Not a name.", |c| c.name = "%c" => "field";
        "name-umlaut": "Not a name.", |c| c.name = "ä" => "field";
    }
    for (id, comment, key) in weak_keys() {
        changed(&format!("weak-{id}"), comment, |c| c.key = key).invalid(file, "field");
    }
    table! { with => file:
        "not-after": "not_after is issued_at.", |c| (c.issued_at, c.not_after) = (NOW, NOW) => "field";
        "not-after-below": "not_after is below issued_at.",
            |c| (c.issued_at, c.not_after) = (NOW + 1, NOW) => "field";
        "from-the-future": "Issued ahead by skew and a second.",
            |c| c.issued_at = NOW + 301 => "expired" ["A32"];
        "expired": "One second after not_after.", |c| c.not_after = NOW - 1 => "expired";
    }
}

fn grants(file: &mut VectorFile) {
    let [one, two] = [0, 1].map(|n| many(2, 2, "")[n]);
    let publishes = Grant {
        access: Access::PUBLISH,
        ..one
    };
    let filter = |filter| [grant(plant(), 1, filter)];
    table! { granted, [.attacks(&["A18", "B16"])] => file:
        "grants-descending": "Groups descend.", &[two, one] => "field";
        "grants-twice": "A group twice.", &[publishes, one] => "field";
        "grants-access-0": "Access to nothing.", &[grant(plant(), 0, "")] => "field";
        "grants-access-4": "An unknown bit of access.", &[grant(plant(), 5, "")] => "field";
        "grants-filter-without-publish": "A publish filter for a member that may only read: reading cannot be narrowed.",
            &[grant(plant(), 2, "plant/a/#")] => "field";
        "grants-hash-not-last": "Not a filter.", &filter("plant/#/a") => "field";
        "grants-plus-in-level": "Not a filter.", &filter("plant/a+") => "field";
        "grants-nul": "Not a filter.", &filter("plant/\0") => "field";
        "grants-65": "65 grants.", &many(65, 2, "") => "field";
    }
    let long = "x".repeat(120);
    table! { granted, [.spec("keys.md §9")] => file:
        "too-large": "Above 8 KiB, by nothing but filters.", &many(64, 1, &long) => "size" ["B23"];
    }
    let raw = elements(&[grant(plant(), 3, "a")]);
    table! { plan => file:
        "filter-not-utf8": "A publish filter that is not UTF-8.",
            not_utf8(&[&raw[..raw.len() - 1], &[0xff]].concat()) => "encoding" ["E1"];
    }
}

/// The sensor's credential with grants that do not decode.
fn not_utf8(grants: &[u8]) -> Vec<u8> {
    let good = sensor().with(&[], |_| {});
    let body = body_of(&good, Kind::Credential);
    // Neither grants nor extensions.
    let (without_grants, [0, 0]) = body.split_last_chunk().unwrap() else {
        panic!("two empty lists")
    };
    let body = [without_grants, &blob(grants), &[0]].concat();
    sign(Kind::Credential, &body, &issuer(1))
}

fn signers(file: &mut VectorFile) {
    let grants = elements(&[grant(plant(), 3, "")]);
    let by = |id: &str, comment, signer, change: fn(&mut Credential<'_>)| {
        plan(id, comment, sensor().signed_by(&signer, &grants, change))
    };
    let wider = CredentialPlan {
        access: Access::BOTH,
        ..sensor()
    }
    .object();
    let narrow = CredentialPlan {
        access: Access::PUBLISH,
        ..sensor()
    }
    .object();
    table! { by => file:
        "domain": "Of another domain.", issuer(1), |c| c.domain = DomainId([1; 16]) => "domain";
        "wrong-role": "Signed by a key that runs groups only.",
            controller(1), |c| c.signer = CONTROLLER => "role" ["A16"];
        "no-such-key": "Names a key that the delegation does not have.",
            issuer(1), |c| c.signer = 2 => "role";
        "older-delegation": "Issued under another delegation, which had the same key.",
            issuer(1), |c| c.serial = 2 => "role" ["A16"];
        "self-signed": "Signed by the member itself.", identity("sensor-7"), |_| {} => "signature" ["B19"];
    }
    table! { plan => file:
        "wider-grant": "The signature of a narrower credential.",
            [&wider[..wider.len() - 64], &narrow[narrow.len() - 64..]].concat() => "signature" ["B19"];
    }
}
