//! Kind `object`: delegations, and who signs (spec/keys.md §3).

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use sealmq_core::object::Role;
use sealmq_keys::{DelegatedKey, Roles};

use super::super::delegation::weak_keys;
use super::super::heartbeat::{heartbeat, heartbeat_context};
use super::super::objects::{Plan, under_root};
use crate::vectors::prelude::*;

pub(super) fn vectors(file: &mut VectorFile) {
    let key = public("authority key 0");
    let twice =
        [Roles::ALL, Roles::NONE.with(Role::Issue)].map(|roles| DelegatedKey { key, roles });
    table! { Plan::of("delegation", under_root()) => file:
        "key-two-entries": "A key twice, with other roles.",
            delegation_with(1, &elements(&twice), &[], |_| {}) => "field";
    }
    table! { Plan::of("delegation", under_root().with("held", Json::hex(delegation(1)))) => file:
        "held-far-lower": "Serials may leave some out.", delegation(4) => valid ["A32"];
    }
    heartbeats(file);
    weak_identity(file);
}

fn heartbeats(file: &mut VectorFile) {
    table! { Plan::of("heartbeat", heartbeat_context()) => file:
        "older-serial": "Of an older serial, with the same key: nothing refers to it.",
            heartbeat(|f| f.serial = 0) => "role" ["A16"];
    }
    let keys = vec![(controller(1).verifying_key(), Roles::ALL)];
    let all = authority_json(&Authority {
        keys,
        ..authority(1)
    });
    let fields = heartbeat(|f| f.signer = 0);
    let object = sign(
        Kind::Heartbeat,
        body_of(&fields, Kind::Heartbeat),
        &controller(1),
    );
    table! { Plan::of("heartbeat", heartbeat_context().with("authority", all)) => file:
        "all-roles": "One key has every role.", object => valid;
    }
}

/// With a key of small order anybody makes signatures that the plain equation accepts.
fn weak_identity(file: &mut VectorFile) {
    let (_, _, neutral) = weak_keys()[0];
    let mut object = key_package_with("sensor-7", 1, |p| p.identity = neutral);
    let s = Scalar::from(7_u8);
    let r = EdwardsPoint::mul_base(&s).compress().to_bytes();
    let signature = [r, s.to_bytes()].concat();
    let (_, last) = object.split_last_chunk_mut::<64>().unwrap();
    last.copy_from_slice(&signature);
    let comment = "R = sB and S = s hold for the neutral element, whatever was signed.";
    let context = object! { domain: domain().0 };
    Plan::new(
        "key_package",
        "identity-of-small-order",
        comment,
        object,
        context,
    )
    .spec("envelope.md §1")
    .attacks(&["D8"])
    .invalid(file, "signature");
}
