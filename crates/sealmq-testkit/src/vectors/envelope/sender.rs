//! Kind `open`: who may publish (spec/envelope.md §9, steps 5 and 6).

use sealmq_core::object::Access;

use super::case::Case;
use super::open::{refused, serial};
use super::scene::{Scene, gateway, renewed};
use crate::vectors::craft::Draft;
use crate::vectors::prelude::*;

pub(crate) fn vectors(scene: &Scene, file: &mut VectorFile) {
    known(scene, file);
    inside(scene, file);
    serials(scene, file);
    grants(scene, file);
}

fn credentials(plans: &[CredentialPlan]) -> Json {
    Json::Array(plans.iter().map(|plan| Json::hex(plan.object())).collect())
}

fn known(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    stories! { Case::of(scene, "§9") => file:
        "own": "A reader that did not ask for its own messages."
            => .with("number", 7_u8).attacks(&["B21"]).bad(&plain, "Own");
        "order-own-before-signature": "Another member's message under the reader's number is dropped without a look at the signature."
            => .with("number", 7_u8).bad(&plain.change(|d| d.name = "insider-8"), "Own");
        "unknown-sender": "No credential of the sender."
            => .with("credentials", credentials(&[gateway()])).attacks(&["C14"]).bad(&plain, "UnknownSender");
        "unknown-list": "The refused list that the newest announcement names is not there."
            => .with("refused", Json::Null).attacks(&["A29"]).bad(&plain, "UnknownList");
        "order-sender-before-list": "Neither list nor credential: the credential is asked for first."
            => .with("refused", Json::Null).with("credentials", credentials(&[]))
            .bad(&plain, "UnknownSender");
        "revoked": "The sender was removed."
            => .with("refused", refused(&[(7, u32::MAX)])).attacks(&["A17", "A19"]).bad(&plain, "Revoked");
        "revoked-in-older-epoch": "Removed is removed in every epoch of the window."
            => .with("refused", refused(&[(3, u32::MAX), (7, u32::MAX)])).attacks(&["A19"])
            .bad(&Draft::new(scene.group.epoch(2), &sensor(), "a"), "Revoked");
        "revoked-serial": "The sender's credential is below the lowest that the list accepts."
            => .with("refused", refused(&[(7, 2)])).attacks(&["A29"]).bad(&plain, "Revoked");
    }
}

fn inside(scene: &Scene, file: &mut VectorFile) {
    let carrying = |credential: Vec<u8>, plan: &CredentialPlan| {
        scene.sent_by(plan).change(|d| {
            d.credential_hash = hash(&credential);
            d.message.credential = Some(credential);
        })
    };
    let grants = elements(&[sealmq_core::Grant {
        group: sensor().group,
        access: Access::BOTH,
        publish_filter: "",
    }]);
    let mut unknown = |id: &str, comment: &str, credential: Vec<u8>| {
        Case::new(scene, format!("inside-{id}"), comment, "§9")
            .with("credentials", credentials(&[]))
            .attacks(&["C1"])
            .bad(&carrying(credential, &sensor()), "UnknownSender")
            .done(file);
    };
    table! { unknown:
        "forged": "The credential inside was signed by the insider.",
            sensor().signed_by(&identity("insider-8"), &grants, |_| {});
        "wrong-role": "The credential inside was signed by a key without the role `issue`.",
            sensor().signed_by(&controller(1), &grants, |c| c.signer = CONTROLLER);
        "older-delegation": "The credential inside was issued under another delegation.",
            sensor().signed_by(&issuer(2), &grants, |c| c.serial = 2);
        "other-member": "The credential inside is another member's.",
            CredentialPlan { member: 8, ..sensor() }.object();
        "other-domain": "The credential inside is of another domain.",
            sensor().with(&grants, |c| c.domain = DomainId([9; 16]));
        "broken": "What is inside is no credential.", b"not a credential, ".repeat(5);
    }

    let mut other_key = renewed();
    other_key.name = "insider-8";
    let unsigned = carrying(renewed().object(), &renewed()).change(|d| d.name = "insider-8");
    stories! { Case::of(scene, "§9") => file:
        "inside-revoked": "The newer credential inside is below the lowest that the list accepts."
            => .with("refused", refused(&[(7, 3)])).bad(&carrying(renewed().object(), &renewed()), "Revoked");
        "inside-other-key": "The newer credential inside gives the known number another key."
            => .attacks(&["C12"]).bad(&carrying(other_key.object(), &other_key), "UnknownSender");
        "inside-not-kept": "A newer credential in a message that is rejected is not kept."
            => .attacks(&["A8", "C12"]).bad(&unsigned, "Rejected").ok(&scene.sent());
    }
}

fn serials(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    for (id, comment, sender_has, reason) in table! {
        "newer":    "The sender uses the next credential.",              2  => "UnknownSender";
        "newer-63": "63 serials ahead is the most that reads as newer.", 64 => "UnknownSender";
        "older-64": "64 ahead reads as older.",                          65 => "Revoked";
        "older":    "One serial behind.",                                0  => "Revoked";
    } {
        Case::new(scene, format!("hint-{id}"), comment, "§9")
            .attacks(&["C12"])
            .bad(&scene.sent_by(&serial(sender_has)), reason)
            .done(file);
    }
    let floor = object! { sender: 7_u8, credential_serial: 2_u8, floor: 0_u8 };
    stories! { Case::of(scene, "§9") => file:
        "hint-same-modulo-128": "The hint of serial 129 is the one of 1: the credential hash tells them apart."
            => .attacks(&["C12"]).bad(&scene.sent_by(&serial(129)), "Rejected");
        "hint-lies": "The hint says another serial than the credential that was signed."
            => .bad(&plain.change(|d| d.message.hint = 3), "UnknownSender");
        "superseded": "After the first message under serial 2, serial 1 is refused."
            => .attacks(&["C12"])
            .ok(&scene.sent_by(&renewed()).change(|d| d.message.credential = Some(renewed().object())))
            .bad(&plain.change(|d| d.counter = 5), "Revoked");
        "floor-of-newer-serial": "The replay state knows a higher serial than the credential."
            => .with("floors", Json::Array(vec![floor])).attacks(&["C12"]).bad(&plain, "Revoked");
    }

    let validity = table! {
        "not-yet": "Issued one second further ahead than skew allows.", NOW + 302, NOW + 1000, Some("Stale");
        "early": "Issued ahead by exactly skew.", NOW + 301, NOW + 1000, None;
        "last-second": "The last second of the credential.", NOW - 10, NOW + 1, None;
        "expired": "One second after the credential's not_after.", NOW - 10, NOW, Some("Stale");
    };
    for (id, comment, issued_at, not_after, reason) in validity {
        let plan = CredentialPlan {
            issued_at,
            not_after,
            ..sensor()
        };
        let case = Case::new(scene, format!("credential-{id}"), comment, "§9")
            .with("credentials", credentials(std::slice::from_ref(&plan)));
        let draft = scene.sent_by(&plan);
        match reason {
            Some(reason) => case.bad(&draft, reason),
            None => case.ok(&draft),
        }
        .done(file);
    }
}

fn grants(scene: &Scene, file: &mut VectorFile) {
    let on = |plan: &CredentialPlan, topic: &str| {
        scene.sent_by(plan).change(|d| d.topic = topic.to_owned())
    };
    let mut refused = |id: &str, comment: &str, plan: CredentialPlan, topic: &str| {
        Case::new(scene, format!("not-allowed-{id}"), comment, "§9")
            .spec("§7")
            .with("credentials", credentials(std::slice::from_ref(&plan)))
            .attacks(&["C2"])
            .bad(&on(&plan, topic), "NotAllowed")
            .done(file);
    };
    table! { refused:
        "outside-group": "No filter of the group matches the topic.", sensor(), "office/temp";
        "system-topic": "`#` does not match topics that begin with `$`.", sensor(), "$SYS/plant";
        "read-only": "The grant has no publish access.",
            CredentialPlan { access: Access::SUBSCRIBE, ..sensor() }, "plant/a/temp";
        "other-group": "A grant for another group only.",
            CredentialPlan { group: office(), ..sensor() }, "plant/a/temp";
        "publish-filter": "The publish filter does not match.",
            CredentialPlan { publish_filter: "plant/b/#", ..sensor() }, "plant/a/temp";
        "filter-not-group": "The publish filter matches, no filter of the group does.",
            CredentialPlan { publish_filter: "office/#", ..sensor() }, "office/temp";
        "other-name": "`%c` is another member's name.", gateway(), "plant/sensor-7/temp";
        "name-literal": "`%c` is not matched literally.", gateway(), "plant/%c/temp";
        "partial-name": "Only a whole level `%c` stands for the name.",
            CredentialPlan { publish_filter: "plant/x%c/#", ..sensor() }, "plant/xsensor-7/temp";
    }

    stories! { Case::of(scene, "§9") => file:
        "filters-of-newest": "A topic that the newest announcement no longer covers."
            => .with("filters", vec!["plant/b/#"]).bad(&scene.sent(), "NotAllowed");
    }
}
