//! Kind `object`: what stands at a limit and right behind it, what answers a device's request, and
//! that suite 2 leaves the other objects as they are.

use sealmq_keys::{Fingerprint, fingerprint};

use super::confirmation::join_refusal;
use super::heartbeat::{answer_context, nonce_answer};
use super::objects::{Plan, request, samples, under_authority};
use crate::vectors::prelude::*;

const NAME: &str = "sensor-7";
const FINGERPRINT: Series = Series::new(
    "fingerprint",
    "fingerprint-",
    &["keys.md §9", "keys.md §11"],
);

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
        let (object, context) = (request(NAME, packages), object! { domain: domain().0 });
        Plan::new("enrolment_request", id, comment, object, context).attacks(&["F4"])
    };
    table! { plan => file:
        "64-packages": "The most packages.",  &most[..64] => valid;
        "65-packages": "A package too many.", &most       => "field";
    }
    let long = [
        body_of(&join_refusal(|_| {}), Kind::JoinRefusal),
        &[0; 1024],
    ]
    .concat();
    let context = under_authority().with("request", digest("request of sensor-7"));
    table! { Plan::of("join_refusal", context) => file:
        "size": "Above 1024 bytes.", sign(Kind::JoinRefusal, &long, &issuer(1)) => "size" ["F4"];
    }
}

fn members(file: &mut VectorFile) {
    let last = (1 << 28) - 1;
    let plan = |id: &str, comment: &'static str, member: u32| {
        let object = nonce_answer(|f| f.member = MemberNumber(member));
        Plan::new(
            "nonce_answer",
            id,
            comment,
            object,
            answer_context().with("member", member),
        )
    };
    table! { plan => file:
        "member-max":       "The highest member number.", last     => valid;
        "member-too-large": "2^28.",                      last + 1 => "field";
    }
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
            let plan = Plan::new(expected, id, comment, object, context.clone());
            plan.spec("keys.md §10").attacks(&["D15"])
        };
        table! { plan => file:
            "in-suite-2":      "Suite 2 does not change it.", object.clone()                   => valid;
            "in-suite-2-form": "Suite 2 has no form for it.", [&[0x12], &object[1..]].concat() => "form";
        }
    }
}

fn fingerprints(file: &mut VectorFile) {
    let case = |id: &str, key: [u8; 32]| {
        let comment = "A device's key, as topics name it and as people compare it.";
        let of = Fingerprint::of_bytes(&key).0;
        let result = object! { fingerprint: of, shown: fingerprint(&key) };
        FINGERPRINT
            .case(id, comment, object! { key: key })
            .result(result)
    };
    table! { case => file:
        "sensor-7":  public(NAME)        => valid;
        "insider-8": public("insider-8") => valid;
    }
}
