//! Kind `object`: the sizes of spec/keys.md §9. What has its topic's size is decoded, and these objects
//! end in zeros that belong to nothing; what is longer is not even decoded.

use sealmq_core::crypto::IdentityKey;

use super::super::objects::{Plan, samples};
use crate::vectors::prelude::*;

fn limit(expected: &str) -> Option<(Kind, usize, IdentityKey)> {
    Some(match expected {
        "delegation" => (Kind::Delegation, 8192, identity("root")),
        "credential" => (Kind::Credential, 8192, issuer(1)),
        "welcome" => (Kind::Welcome, 4096, controller(1)),
        "announcement" => (Kind::Announcement, 65_536, controller(1)),
        "refused_list" => (Kind::RefusedList, 65_536, controller(1)),
        "heartbeat" => (Kind::Heartbeat, 1024, heart()),
        "nonce" => (Kind::Nonce, 256, identity("sensor-7")),
        "nonce_answer" => (Kind::NonceAnswer, 1024, heart()),
        "confirmation" => (Kind::Confirmation, 8192, identity("sensor-7")),
        "join_refusal" => (Kind::JoinRefusal, 1024, issuer(1)),
        _ => return None,
    })
}

pub(super) fn vectors(file: &mut VectorFile) {
    for (expected, object, context) in samples() {
        let Some((kind, most, signer)) = limit(expected) else {
            continue;
        };
        for (length, reason) in [(most, "encoding"), (most + 1, "size")] {
            let mut body = body_of(&object, kind).to_vec();
            body.resize(length - 2 - 64, 0);
            let object = sign(kind, &body, &signer);
            let (id, comment) = if reason == "size" {
                ("over-limit", "A byte more than its topic may hold.")
            } else {
                (
                    "at-limit",
                    "As long as its topic allows: only the end is wrong.",
                )
            };
            Plan::new(expected, id, comment, object, context.clone())
                .spec("keys.md §9")
                .attacks(&["F4"])
                .invalid(file, reason);
        }
    }
}
