//! The sender of state whose credential inside is the known one, or above it (spec/envelope.md §9,
//! "The sender of state").

use sealmq_core::object::Extension;

use super::super::case::Case;
use super::super::open::{known, refused, serial};
use super::super::replay::at;
use super::super::scene::{Scene, renewed};
use crate::vectors::craft::Draft;
use crate::vectors::prelude::*;

pub(super) fn vectors(scene: &Scene, file: &mut VectorFile) {
    decoding(scene, file);
    equal(scene, file);
    above(scene, file);
    hints(scene, file);
    order(scene, file);
}

/// The value of the scene with something else inside than what it was made under.
fn holding(scene: &Scene, credential: Vec<u8>) -> Draft {
    scene
        .value()
        .change(|d| d.message.credential = Some(credential))
}

fn decoding(scene: &Scene, file: &mut VectorFile) {
    let extended = |id: u16| {
        let extensions = elements(&[Extension {
            id,
            value: b"later",
        }]);
        let body = [&fields(&sensor().object())[..], &blob(&extensions)].concat();
        sign(Kind::Credential, &body, &issuer(1))
    };
    let mut bad = |id: &str, comment: &str, credential: Vec<u8>| {
        let draft = holding(scene, credential);
        let case = |id: String| Case::new(scene, id, comment, "§9").attacks(&["A43", "C1"]);
        case(format!("state-{id}"))
            .retained(true)
            .bad(&draft, "Rejected")
            .done(file);
        case(format!("state-{id}-unknown"))
            .with("credentials", known(&[]))
            .with("refused", Json::Null)
            .bad(&draft, "Rejected")
            .done(file);
    };
    table! { bad:
        "undecodable": "What is inside is no credential.", b"not a credential, ".repeat(5);
        "undecodable-cut": "The last byte of the credential is missing.",
            { let object = sensor().object(); object[..object.len() - 1].to_vec() };
        "undecodable-trailing": "A byte too many in its body.",
            sign(Kind::Credential, &trailing(body_of(&sensor().object(), Kind::Credential)), &issuer(1));
        "other-kind": "An object of another kind.", key_package("sensor-7", 1);
        "critical-extension": "A credential with a critical extension.", extended(0x8007);
        "weak-key": "A credential with a weak key.", sensor().signed_by(&issuer(1), &[], |c| c.key = [0; 32]);
        "no-name": "A credential with an empty name.", sensor().signed_by(&issuer(1), &[], |c| c.name = "");
        "other-member": "The credential of another member.", insider().object();
    }
    stories! { Case::of(scene, "§9") => file:
        "state-extension": "An extension that is not critical is ignored."
            => .with("credentials", Json::Array(vec![])).ok(&scene.value().under(extended(7)));
    }
}

/// Encoded fields of a credential, without its extensions.
fn fields(credential: &[u8]) -> Vec<u8> {
    let body = body_of(credential, Kind::Credential);
    let end = body.len() - blob(&[]).len();
    body[..end].to_vec()
}

fn equal(scene: &Scene, file: &mut VectorFile) {
    let value = scene.value();
    let later = CredentialPlan {
        not_after: sensor().not_after + 9,
        ..sensor()
    };
    let other_key = CredentialPlan {
        name: "insider-8",
        ..sensor()
    };
    let forged = sensor().issued_by(&identity("insider-8"), 1);
    let case = |id: &str, comment: &str| {
        Case::new(scene, format!("inside-equal-{id}"), comment, "§9").attacks(&["A43", "C12"])
    };
    stories! { case => file:
        "itself": "The credential that the reader knows." => .ok(&value);
        "other": "Another credential with the numbers of the known one, by the issuer."
            => .retained(true).bad(&value.under(later.object()), "Rejected").ok(&value);
        "other-key": "Another key under the numbers of the known one."
            => .bad(&value.under(other_key.object()).change(|d| d.name = "insider-8"), "Rejected");
        "signature": "The known one's hash does not cover its signature: that is not looked at."
            => .ok(&value.under(forged));
        "expired": "It has expired: it is the known one."
            => .with("credentials", known(&[&ended()])).bad(&value.under(ended().object()), "Stale");
    }
}

/// Expired as the deliveries begin.
fn ended() -> CredentialPlan {
    CredentialPlan {
        issued_at: NOW - 100,
        not_after: NOW - 50,
        ..sensor()
    }
}

fn above(scene: &Scene, file: &mut VectorFile) {
    let value = scene.value();
    let under = |plan: &CredentialPlan| value.under(plan.object());
    let (event, newer) = (scene.sent(), under(&renewed()));
    let other_key = CredentialPlan {
        name: "insider-8",
        ..renewed()
    };
    let expired = CredentialPlan {
        serial: 2,
        ..ended()
    };
    let forged = |plan: &CredentialPlan| plan.issued_by(&identity("insider-8"), 1);
    let by_insider = |draft: &Draft| draft.change(|d| d.name = "insider-8");
    let wrong_role = renewed().signed_by(&controller(1), &[], |c| c.signer = CONTROLLER);
    let case = |id: &str, comment: &str| {
        Case::new(scene, format!("state-above-{id}"), comment, "§9").attacks(&["A43", "C12"])
    };
    stories! { case => file:
        "used": "A newer credential inside takes the place of the known one."
            => .ok(&newer).ok(&scene.sent_by(&renewed())).ok(&event).bad(&event, "Replay");
        "far": "It is not the hint that tells newer ones: 64 to 127 serials ahead."
            => .ok(&under(&serial(65))).ok(&under(&serial(128)).change(|d| d.message.number = 1));
        "forged": "A newer one that the insider signed." => .bad(&value.under(forged(&renewed())), "UnknownSender");
        "other-key": "A newer one that gives the known number another key."
            => .bad(&by_insider(&under(&other_key)), "UnknownSender").ok(&value);
        "role": "A newer one, signed by a key without the role `issue`."
            => .bad(&value.under(wrong_role), "UnknownSender");
        "later-delegation": "A newer one, of a delegation that the reader does not have yet."
            => .bad(&value.under(serial(1).issued_under(2)), "UnknownSender").ok(&value);
        "expired": "A newer one that has expired." => .bad(&under(&expired), "Stale");
        "refused": "A newer one, below the refused list's."
            => .with("refused", refused(&[(7, 3)])).bad(&newer, "Revoked");
        "not-kept": "A newer credential in state that is rejected is not kept."
            => .attacks(&["A8"]).bad(&by_insider(&newer), "Rejected").ok(&event).ok(&value);
        "nobody-known": "Nobody is known: it verifies under the current delegation."
            => .with("credentials", known(&[])).ok(&newer).ok(&scene.sent_by(&renewed()));
        "nobody-known-forged": "Nobody is known, and the insider signed it."
            => .with("credentials", known(&[])).bad(&value.under(forged(&sensor())), "UnknownSender");
        "nobody-known-later-delegation": "Nobody is known, and it is of a delegation that the reader does not have yet."
            => .with("credentials", known(&[])).bad(&value.under(sensor().issued_under(2)), "UnknownSender");
        "nobody-known-expired": "Nobody is known, and it has expired."
            => .with("credentials", known(&[])).bad(&under(&ended()), "Stale");
    }
}

/// The hint is for events.
fn hints(scene: &Scene, file: &mut VectorFile) {
    let hint = |hint: u8| scene.value().change(|d| d.message.hint = hint);
    let case = |id: &str, comment: &str| {
        Case::new(scene, format!("state-hint-{id}"), comment, "§9").attacks(&["A43"])
    };
    stories! { case => file:
        "0": "In state the hint is not looked at: one behind." => .ok(&hint(0));
        "2": "In state the hint is not looked at: one ahead." => .ok(&hint(2));
        "70": "In state the hint is not looked at: far ahead." => .ok(&hint(70));
        "128": "It has to be one all the same." => .bad(&hint(128), "Rejected");
    }
}

/// Two faults: the one that comes first in the order of §9 is the reason.
fn order(scene: &Scene, file: &mut VectorFile) {
    let value = scene.value();
    let elsewhere = value.change(|d| d.topic = "office/temp".to_owned());
    let event = scene.sent();
    let forged = value.under(renewed().issued_by(&identity("insider-8"), 1));
    stories! { Case::of(scene, "§9"), [.attacks(&["A43", "B26"])] => file:
        "state-revoked": "The sender was removed."
            => .attacks(&["A17", "A19"]).with("refused", refused(&[(7, u32::MAX)])).retained(true)
            .bad(&value, "Revoked");
        "state-unknown-list": "The refused list that the newest announcement names is not there."
            => .with("refused", Json::Null).retained(true).bad(&value, "UnknownList");
        "order-state-sender-before-list": "Neither list nor a credential that verifies."
            => .with("refused", Json::Null).bad(&forged, "UnknownSender");
        "order-state-revoked-before-validity": "Removed, and the credential has expired."
            => .with("refused", refused(&[(7, u32::MAX)])).with("credentials", known(&[&ended()]))
            .bad(&value.under(ended().object()), "Revoked");
        "order-state-validity-before-grant": "The credential has expired, and the topic is not covered."
            => .with("delegation_not_after", NOW - 1).bad(&elsewhere, "Stale");
        "order-state-grant-before-freshness": "Not covered, and from the future."
            => .at(Some(1)).with("issued_at", 1_u8)
            .with("credentials", known(&[&young()]))
            .bad(&elsewhere.under(young().object()), "NotAllowed");
        "order-state-freshness-before-replay": "Seen before, and from the future."
            => .ok(&value).at(Some(NOW_MS - 300_001)).bad(&value, "Stale");
        "state-then-event": "State and events of one sender, in turns."
            => .ok(&value).ok(&event).ok(&at(&value, 1)).ok(&at(&event, 1)).bad(&value, "Replay")
            .bad(&event, "Replay").ok(&at(&value, 2));
    }
}

/// Valid from the beginning of time.
fn young() -> CredentialPlan {
    CredentialPlan {
        issued_at: 0,
        ..sensor()
    }
}
