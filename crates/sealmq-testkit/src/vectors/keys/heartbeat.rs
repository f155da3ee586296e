//! Kind `object`: heartbeats and nonce answers (spec/keys.md §8).

use sealmq_core::crypto::IdentityKey;
use sealmq_keys::{HeartbeatFields, NonceAnswerFields, NonceFields};

use super::objects::Plan;
use crate::vectors::prelude::*;

/// The random bytes of a member without a clock.
pub(crate) fn nonce() -> [u8; 16] {
    *bytes("nonce of sensor-7").first_chunk().unwrap()
}

/// A heartbeat, changed by `change`.
pub(crate) fn heartbeat(change: impl FnOnce(&mut HeartbeatFields)) -> Vec<u8> {
    heartbeat_by(&heart(), change)
}

fn heartbeat_by(signer: &IdentityKey, change: impl FnOnce(&mut HeartbeatFields)) -> Vec<u8> {
    let mut fields = HeartbeatFields {
        domain: domain(),
        serial: 1,
        signer: HEART,
        group: plant(),
        epoch: 4,
        announcement: digest("announcement 4"),
        issued_at: NOW,
        lease: 21_600,
        log_size: 57,
        log_head: digest("head of the log"),
    };
    change(&mut fields);
    sign(Kind::Heartbeat, &fields_body(&fields), signer)
}

/// A nonce answer, changed by `change`.
pub(crate) fn nonce_answer(change: impl FnOnce(&mut NonceAnswerFields)) -> Vec<u8> {
    answer_by(&heart(), change)
}

/// What sensor-7 asks with.
pub(crate) fn asked(change: impl FnOnce(&mut NonceFields)) -> Vec<u8> {
    asked_by(&identity("sensor-7"), change)
}

fn asked_by(signer: &IdentityKey, change: impl FnOnce(&mut NonceFields)) -> Vec<u8> {
    let mut fields = NonceFields {
        domain: domain(),
        member: MemberNumber(7),
        number: 9,
        group: plant(),
        nonce: nonce(),
    };
    change(&mut fields);
    sign(Kind::Nonce, &fields_body(&fields), signer)
}

pub(crate) fn asked_context() -> Json {
    object! { domain: domain().0, member: 7_u8, identity: public("sensor-7"), group: plant().0 }
}

fn questions(file: &mut VectorFile) {
    let with = |id: &str, comment, change: fn(&mut NonceFields)| {
        Plan::new("nonce", id, comment, asked(change), asked_context()).attacks(&["A30", "F11"])
    };
    table! { with => file:
        "number-1": "The first one.", |f| f.number = 1 => valid;
        "number-0": "Numbers begin with 1.", |f| f.number = 0 => "field";
        "other-member": "It names another member than the topic.", |f| f.member = MemberNumber(8) => "field";
        "other-group": "It names another group than the topic.", |f| f.group = office() => "group";
        "domain": "Of another domain.", |f| f.domain = DomainId([1; 16]) => "domain";
    }
    table! { Plan::of("nonce", asked_context()), [.attacks(&["F11"])] => file:
        "insider": "Another member asks for this one.", asked_by(&identity("insider-8"), |_| {}) => "signature";
        "bare": "The nonce alone.", nonce().to_vec() => "form";
    }
}

fn answer_by(signer: &IdentityKey, change: impl FnOnce(&mut NonceAnswerFields)) -> Vec<u8> {
    let mut fields = NonceAnswerFields {
        domain: domain(),
        serial: 1,
        signer: HEART,
        group: plant(),
        member: MemberNumber(7),
        nonce: nonce(),
        epoch: 4,
        announcement: digest("announcement 4"),
        lease: 21_600,
    };
    change(&mut fields);
    sign(Kind::NonceAnswer, &fields_body(&fields), signer)
}

pub(crate) fn heartbeat_context() -> Json {
    let context = object! { authority: authority_json(&live_authority()), group: plant().0 };
    context.with("now", NOW).with("skew", 300_u16)
}

pub(crate) fn answer_context() -> Json {
    let context = object! { authority: authority_json(&live_authority()), group: plant().0 };
    context.with("member", 7_u8).with("nonce", nonce())
}

pub(crate) fn vectors(file: &mut VectorFile) {
    heartbeats(file);
    answers(file);
    questions(file);
}

fn heartbeats(file: &mut VectorFile) {
    let plan = |id: &str, comment, object| {
        Plan::new("heartbeat", id, comment, object, heartbeat_context()).attacks(&["A2"])
    };
    let with =
        |id: &str, comment, change: fn(&mut HeartbeatFields)| plan(id, comment, heartbeat(change));
    table! { with => file:
        "empty-log": "A log without entries has no head.",
            |f| (f.log_size, f.log_head) = (0, Digest::ZERO) => valid;
        "lease-1": "The shortest lease.", |f| f.lease = 1 => valid;
        "lease-max": "The longest lease.", |f| f.lease = 1 << 31 => valid;
        "issued-ahead": "Issued ahead by skew.", |f| f.issued_at = NOW + 300 => valid;
        "long-ago": "An old one verifies: its lease has run out, no more.", |f| f.issued_at = 1 => valid;
        "epoch-0": "Epochs begin with 1.", |f| f.epoch = 0 => "field";
        "lease-0": "No lease at all.", |f| f.lease = 0 => "field";
        "lease-too-long": "A lease above 2^31.", |f| f.lease = (1 << 31) + 1 => "field";
        "log-without-head": "A log with entries has a head.", |f| f.log_head = Digest::ZERO => "field";
        "head-without-log": "A head without entries.", |f| f.log_size = 0 => "field";
        "domain": "Of another domain.", |f| f.domain = DomainId([1; 16]) => "domain";
        "other-group": "Of another group.", |f| f.group = office() => "group";
        "no-such-key": "Names a key that the delegation does not have.", |f| f.signer = 3 => "role";
        "other-serial": "Names another delegation.", |f| f.serial = 2 => "role";
        "from-the-future": "Issued ahead by skew and a second.", |f| f.issued_at = NOW + 301 => "expired";
    }
    table! { plan => file:
        "controller": "Signed by a key without the role `heartbeat`.",
            heartbeat_by(&controller(1), |f| f.signer = CONTROLLER) => "role";
        "issuer": "Signed by a key without the role `heartbeat`.",
            heartbeat_by(&issuer(1), |f| f.signer = ISSUER) => "role";
        "member": "Signed by a member.", heartbeat_by(&identity("insider-8"), |_| {}) => "signature";
        "size": "Above 1024 bytes.", too_large(Kind::Heartbeat, &heartbeat(|_| {})) => "size" ["F4"];
    }
}

/// What a broker may put there: longer than any object of the kind.
fn too_large(kind: Kind, object: &[u8]) -> Vec<u8> {
    sign(
        kind,
        &[body_of(object, kind), &[0; 1024]].concat(),
        &heart(),
    )
}

fn answers(file: &mut VectorFile) {
    let plan = |id: &str, comment, object| {
        Plan::new("nonce_answer", id, comment, object, answer_context()).attacks(&["A30"])
    };
    let with = |id: &str, comment, change: fn(&mut NonceAnswerFields)| {
        plan(id, comment, nonce_answer(change))
    };
    // Whichever member the verifier is.
    table! { Plan::of("nonce_answer", heartbeat_context()) => file:
        "member-0": "Members begin with 1.", nonce_answer(|f| f.member = MemberNumber(0)) => "field" ["A30"];
    }
    table! { with => file:
        "lease-max": "The longest lease.", |f| f.lease = 1 << 31 => valid;
        "epoch-0": "Epochs begin with 1.", |f| f.epoch = 0 => "field";
        "lease-0": "No lease at all.", |f| f.lease = 0 => "field";
        "lease-too-long": "A lease above 2^31.", |f| f.lease = (1 << 31) + 1 => "field";
        "domain": "Of another domain.", |f| f.domain = DomainId([1; 16]) => "domain";
        "other-group": "Of another group.", |f| f.group = office() => "group";
        "other-member": "For another member.", |f| f.member = MemberNumber(8) => "recipient";
        "other-nonce": "Answers another nonce: an old answer, played again.", |f| f.nonce[15] ^= 1 => "nonce";
        "other-serial": "Names another delegation.", |f| f.serial = 2 => "role";
    }
    table! { plan => file:
        "controller": "Signed by a key without the role `heartbeat`.",
            answer_by(&controller(1), |f| f.signer = CONTROLLER) => "role";
        "size": "Above 1024 bytes.", too_large(Kind::NonceAnswer, &nonce_answer(|_| {})) => "size" ["F4"];
    }
}
