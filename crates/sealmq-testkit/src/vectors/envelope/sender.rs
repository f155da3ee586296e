//! Kind `open`: who may publish (spec/envelope.md §9, steps 5 and 6).

use sealmq_core::Grant;
use sealmq_core::object::Access;

use super::case::Case;
use super::open::{known, refused, serial};
use super::replay::at;
use super::scene::{Scene, gateway, renewed};
use crate::vectors::craft::Draft;
use crate::vectors::prelude::*;

pub(crate) fn vectors(scene: &Scene, file: &mut VectorFile) {
    held(scene, file);
    inside(scene, file);
    serials(scene, file);
    grants(scene, file);
}

fn held(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    stories! { Case::of(scene, "§9") => file:
        "own": "A reader that did not ask for its own messages."
            => .with("number", 7_u8).attacks(&["B21"]).bad(&plain, "Own");
        "order-own-before-signature": "Another member's message under the reader's number is dropped without a look at the signature."
            => .with("number", 7_u8).bad(&plain.change(|d| d.name = "insider-8"), "Own");
        "unknown-sender": "No credential of the sender."
            => .with("credentials", known(&[&gateway()])).attacks(&["C14"]).bad(&plain, "UnknownSender");
        "unknown-list": "The refused list that the newest announcement names is not there."
            => .with("refused", Json::Null).attacks(&["A29"]).bad(&plain, "UnknownList");
        "order-sender-before-list": "Neither list nor credential: the credential is asked for first."
            => .with("refused", Json::Null).with("credentials", known(&[]))
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
    let (group, access, publish_filter) = (plant(), Access::BOTH, "");
    let grants = elements(&[Grant {
        group,
        access,
        publish_filter,
    }]);
    let mut unknown = |id: &str, comment: &str, credential: Vec<u8>| {
        let draft = carrying(credential, &sensor());
        let case = Case::new(scene, id, comment, "§9").with("credentials", known(&[]));
        case.attacks(&["C1"])
            .bad(&draft, "UnknownSender")
            .done(file);
    };
    table! { unknown:
        "inside-forged": "The credential inside was signed by the insider.",
            sensor().signed_by(&identity("insider-8"), &grants, |_| {});
        "inside-wrong-role": "The credential inside was signed by a key without the role `issue`.",
            sensor().signed_by(&controller(1), &grants, |c| c.signer = CONTROLLER);
        "inside-older-delegation": "The credential inside was issued under another delegation.",
            sensor().signed_by(&issuer(2), &grants, |c| c.serial = 2);
        "inside-other-member": "The credential inside is another member's.",
            CredentialPlan { member: 8, ..sensor() }.object();
        "inside-other-domain": "The credential inside is of another domain.",
            sensor().with(&grants, |c| c.domain = DomainId([9; 16]));
        "inside-broken": "What is inside is no credential.", b"not a credential, ".repeat(5);
    }

    let other_key = CredentialPlan {
        name: "insider-8",
        ..renewed()
    };
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
    stories! { Case::of(scene, "§9"), [.attacks(&["C12"])] => file:
        "hint-newer": "The sender uses the next credential." => .bad(&scene.sent_by(&serial(2)), "UnknownSender");
        "hint-newer-63": "63 serials ahead is the most that reads as newer."
            => .bad(&scene.sent_by(&serial(64)), "UnknownSender");
        "hint-older-64": "64 ahead reads as older." => .bad(&scene.sent_by(&serial(65)), "Revoked");
        "hint-older": "One serial behind." => .bad(&scene.sent_by(&serial(0)), "Revoked");
    }
    let floor = object! { sender: 7_u8, credential_serial: 2_u8, floor: 0_u8 };
    let carrying = |plan: &CredentialPlan| scene.sent_by(plan).under(plan.object());
    let over = CredentialPlan {
        issued_at: NOW - 10,
        not_after: NOW,
        ..sensor()
    };
    let narrow = CredentialPlan {
        publish_filter: "plant/b/#",
        ..sensor()
    };
    let with_other_key = CredentialPlan {
        name: "insider-8",
        ..sensor()
    };
    let other_key = carrying(&with_other_key);
    stories! { Case::of(scene, "§9") => file:
        "hint-same-modulo-128": "The hint of serial 129 is the one of 1: the credential hash tells them apart."
            => .attacks(&["C12"]).bad(&scene.sent_by(&serial(129)), "Rejected");
        "hint-lies": "The hint says another serial than the credential that was signed."
            => .bad(&plain.change(|d| d.message.hint = 3), "UnknownSender");
        "superseded": "After the first message under serial 2, what was under way under serial 1 is accepted once."
            => .attacks(&["C12"]).ok(&plain).ok(&carrying(&renewed()))
            .ok(&at(&plain, 5)).bad(&at(&plain, 5), "Replay").bad(&plain, "Replay").ok(&at(&plain, 4));
        "superseded-unseen": "Nothing was seen under serial 1 before."
            => .ok(&carrying(&renewed())).ok(&at(&plain, 5)).bad(&at(&plain, 5), "Replay");
        "superseded-twice": "The credential before the one before is refused."
            => .attacks(&["C12"]).ok(&plain).ok(&carrying(&renewed())).ok(&carrying(&serial(3)))
            .bad(&at(&plain, 5), "Revoked").ok(&at(&scene.sent_by(&renewed()), 6));
        "superseded-between": "A credential between the two ends the lower one."
            => .ok(&plain).ok(&carrying(&serial(3))).ok(&at(&plain, 1)).ok(&carrying(&renewed()))
            .bad(&at(&plain, 5), "Revoked").ok(&at(&scene.sent_by(&serial(3)), 6));
        "older-inside": "The older one inside, which the reader has never had."
            => .with("credentials", known(&[&renewed()])).ok(&carrying(&sensor()))
            .bad(&at(&plain, 5), "Revoked");
        "older-inside-refused": "It is below the lowest that the list accepts."
            => .with("credentials", known(&[&renewed()])).with("refused", refused(&[(7, 2)]))
            .attacks(&["A29"]).bad(&carrying(&sensor()), "Revoked");
        "older-inside-expired": "Its time is over."
            => .with("credentials", known(&[&renewed()])).bad(&carrying(&over), "Stale");
        "older-inside-narrower": "It does not grant the topic."
            => .with("credentials", known(&[&renewed()])).attacks(&["C2"]).bad(&carrying(&narrow), "NotAllowed");
        "older-inside-other-hint": "It has another hint than the message."
            => .with("credentials", known(&[&serial(3)]))
            .bad(&carrying(&sensor()).change(|d| d.message.hint = 2), "Revoked");
        "older-inside-other-key": "It gives the number another key."
            => .with("credentials", known(&[&renewed()])).attacks(&["C12"]).bad(&other_key, "Revoked");
        "floor-of-newer-serial": "The replay state knows a higher serial than the credential."
            => .with("floors", Json::Array(vec![floor])).attacks(&["C12"]).bad(&plain, "Revoked");
    }

    let valid = |issued_at: u64, not_after: u64| CredentialPlan {
        issued_at,
        not_after,
        ..sensor()
    };
    let (not_yet, early) = (valid(NOW + 302, NOW + 1000), valid(NOW + 301, NOW + 1000));
    let (last, expired) = (valid(NOW - 10, NOW + 1), valid(NOW - 10, NOW));
    stories! { Case::of(scene, "§9") => file:
        "credential-not-yet": "Issued one second further ahead than skew allows."
            => .with("credentials", known(&[&not_yet])).bad(&scene.sent_by(&not_yet), "Stale");
        "credential-early": "Issued ahead by exactly skew."
            => .with("credentials", known(&[&early])).ok(&scene.sent_by(&early));
        "credential-last-second": "The last second of the credential."
            => .with("credentials", known(&[&last])).ok(&scene.sent_by(&last));
        "credential-expired": "One second after the credential's not_after."
            => .with("credentials", known(&[&expired])).bad(&scene.sent_by(&expired), "Stale");
    }
}

fn grants(scene: &Scene, file: &mut VectorFile) {
    let mut refused = |id: &str, comment: &str, plan: CredentialPlan, topic: &str| {
        let draft = scene.sent_by(&plan).change(|d| d.topic = topic.to_owned());
        let case = Case::new(scene, id, comment, "§9")
            .spec("§7")
            .attacks(&["C2"]);
        case.with("credentials", known(&[&plan]))
            .bad(&draft, "NotAllowed")
            .done(file);
    };
    table! { refused:
        "not-allowed-outside-group": "No filter of the group matches the topic.", sensor(), "office/temp";
        "not-allowed-system-topic": "`#` does not match topics that begin with `$`.", sensor(), "$SYS/plant";
        "not-allowed-read-only": "The grant has no publish access.",
            CredentialPlan { access: Access::SUBSCRIBE, ..sensor() }, "plant/a/temp";
        "not-allowed-other-group": "A grant for another group only.",
            CredentialPlan { group: office(), ..sensor() }, "plant/a/temp";
        "not-allowed-publish-filter": "The publish filter does not match.",
            CredentialPlan { publish_filter: "plant/b/#", ..sensor() }, "plant/a/temp";
        "not-allowed-filter-not-group": "The publish filter matches, no filter of the group does.",
            CredentialPlan { publish_filter: "office/#", ..sensor() }, "office/temp";
        "not-allowed-other-name": "`%c` is another member's name.", gateway(), "plant/sensor-7/temp";
        "not-allowed-name-literal": "`%c` is not matched literally.", gateway(), "plant/%c/temp";
        "not-allowed-partial-name": "Only a whole level `%c` stands for the name.",
            CredentialPlan { publish_filter: "plant/x%c/#", ..sensor() }, "plant/xsensor-7/temp";
    }

    stories! { Case::of(scene, "§9") => file:
        "filters-of-newest": "A topic that the newest announcement no longer covers."
            => .with("filters", vec!["plant/b/#"]).bad(&scene.sent(), "NotAllowed");
    }
}
