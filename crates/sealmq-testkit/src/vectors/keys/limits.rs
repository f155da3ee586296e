//! Kind `object`: what stands at a limit and right behind it, what answers a device's request, and
//! that suite 2 leaves the other objects as they are.

use sealmq_core::MemberNumber;
use sealmq_core::object::Kind;
use sealmq_keys::{Fingerprint, fingerprint};

use super::confirmation::join_refusal;
use super::heartbeat::{answer_context, nonce_answer};
use super::objects::{Plan, request, samples, under_authority};
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::{
    NOW, body_of, digest, domain, identity, issuer, key_package, public, sensor, sign,
};

const NAME: &str = "sensor-7";

pub(crate) fn vectors(file: &mut VectorFile) {
    sizes(file);
    members(file);
    answers(file);
    suite_2(file);
    fingerprints(file);
}

fn sizes(file: &mut VectorFile) {
    let most: Vec<Vec<u8>> = (1..=65).map(|n| key_package(NAME, n)).collect();
    let plan = |id: &str, comment: &'static str, packages: &[Vec<u8>]| {
        let context = object! { domain: domain().0 };
        Plan::new(
            "enrolment_request",
            id,
            comment,
            request(NAME, packages),
            context,
        )
        .attacks(&["F4"])
    };
    table! { plan => file:
        "64-packages": "The most packages.",  &most[..64] => valid;
        "65-packages": "A package too many.", &most       => "field";
    }

    let refusal = join_refusal(|_| {});
    let long = [body_of(&refusal, Kind::JoinRefusal), &[0; 1024]].concat();
    let object = sign(Kind::JoinRefusal, &long, &issuer(1));
    let context = under_authority().with("request", digest("request of sensor-7"));
    Plan::new("join_refusal", "size", "Above 1024 bytes.", object, context)
        .attacks(&["F4"])
        .invalid(file, "size");
}

fn members(file: &mut VectorFile) {
    let plan = |id: &str, comment: &'static str, member: u32, context: Json| {
        let object = nonce_answer(|f| f.member = MemberNumber(member));
        Plan::new("nonce_answer", id, comment, object, context)
    };
    let last = (1 << 28) - 1;
    let context = answer_context().with("member", last);
    plan("member-max", "The highest member number.", last, context).valid(file);
    let context = answer_context().with("member", last + 1);
    plan("member-too-large", "2^28.", last + 1, context).invalid(file, "field");
    let shortest = nonce_answer(|f| f.lease = 1);
    let right = nonce_answer(|_| {});
    let body = body_of(&right, Kind::NonceAnswer);
    let by_member = sign(Kind::NonceAnswer, body, &identity("insider-8"));
    table! { Plan::of("nonce_answer", answer_context()) => file:
        "lease-1": "The shortest lease.", shortest  => valid;
        "member":  "Signed by a member.", by_member => "signature" ["B19"];
    }
}

/// What a device checks of the credential that answers its request.
fn answers(file: &mut VectorFile) {
    let context = |key: [u8; 32], request: &str| {
        let context = under_authority().with("now", NOW).with("skew", 300_u16);
        context
            .with("identity", key)
            .with("request", digest(request))
    };
    let plan = |id: &str, comment: &'static str, context: Json| {
        Plan::new("credential", id, comment, sensor().object(), context)
            .spec("keys.md §11")
            .attacks(&["G7", "C3"])
    };
    let own = "request of sensor-7";
    table! { plan => file:
        "answer": "It answers the device's request.", context(public(NAME), own) => valid;
        "answer-key": "It is another device's.", context(public("insider-8"), own) => "recipient";
        "answer-request": "It answers another request.",
            context(public(NAME), "an older request") => "recipient";
    }
}

/// In a domain of suite 2 all other objects have the form of suite 1.
fn suite_2(file: &mut VectorFile) {
    let with_kem = ["delegation", "key_package", "enrolment_request", "welcome"];
    for (expected, object, context) in samples() {
        if with_kem.contains(&expected) {
            continue;
        }
        let context = context.with("suite", 2_u8);
        let plan = |id, comment, object| {
            Plan::new(expected, id, comment, object, context.clone())
                .spec("keys.md §10")
                .attacks(&["D15"])
        };
        plan("in-suite-2", "Suite 2 does not change it.", object.clone()).valid(file);
        let relabelled = [&[0x12], &object[1..]].concat();
        plan("in-suite-2-form", "Suite 2 has no form for it.", relabelled).invalid(file, "form");
    }
}

fn fingerprints(file: &mut VectorFile) {
    for name in [NAME, "insider-8"] {
        let key = public(name);
        let id = format!("fingerprint-{name}");
        let comment = "A device's key, as topics name it and as people compare it.";
        let spec = &["keys.md §9", "keys.md §11"];
        let vector = Vector::valid("fingerprint", id, comment, spec, object! { key: key });
        let of = Fingerprint::of_bytes(&key).0;
        file.push(vector.result(object! { fingerprint: of, shown: fingerprint(&key) }));
    }
}
