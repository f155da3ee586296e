//! Kind `open`: messages that every reader accepts.

use super::case::Case;
use super::scene::{Scene, gateway, renewed};
use super::seal::all_properties;
use crate::vectors::craft::{Draft, Property};
use crate::vectors::prelude::*;

pub(crate) fn vectors(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    stories! { Case::of(scene, "§9") => file:
        "plain": "A plain message; the plaintext is body and signature."
            => .ok(&plain).plaintext(&plain.plaintext());
    }

    let payload = |payload: &[u8], padding: Option<usize>| {
        plain.change(|d| (d.message.payload, d.message.padding) = (payload.to_vec(), padding))
    };
    let on = |topic: &str| plain.change(|d| d.topic = topic.to_owned());
    let with = |change: fn(&mut Draft)| plain.change(change);
    let everything = with(|d| {
        (d.message.sequence, d.message.padding) = (Some(0), Some(7));
        d.message.credential = Some(sensor().object());
        d.message.properties = all_properties();
    });
    let users = ["b", "a", "b"].into_iter().zip(["2", "1", "2"]);
    let users: Vec<_> = users
        .map(|(name, value)| Property::User(name, value))
        .collect();
    let highest = with(|d| {
        (d.counter, d.message.sequence) = ((1 << 21) - 1, Some((1 << 21) - 1));
        d.message.number = (1 << 35) - 1;
    });
    let mut single = |id: &str, comment: &str, spec, draft: Draft| {
        Case::new(scene, id, comment, spec)
            .ok(&draft)
            .plaintext(&draft.plaintext())
            .done(file);
    };
    table! { single:
        "no-flags": "No flag at all.", "§4", with(|d| d.message.sent_at = None);
        "sequence": "With a sequence.", "§4", with(|d| d.message.sequence = Some(4));
        "empty-payload": "An empty payload is a payload.", "§4", with(|d| d.message.payload.clear());
        "credential-known": "The credential that the reader knows anyway.",
            "§4", with(|d| d.message.credential = Some(sensor().object()));
        "everything": "Every flag of an event.", "§4", everything;
        "properties": "Every property; only these copies reach the application.",
            "§5", with(|d| d.message.properties = all_properties());
        "properties-user-order": "User properties keep their order and may repeat.",
            "§5", plain.change(|d| d.message.properties = users);
        "padding-0": "A reader accepts any amount of padding.", "§4", with(|d| d.message.padding = Some(0));
        "padding-1": "A reader accepts any amount of padding.", "§4", with(|d| d.message.padding = Some(1));
        "padding-50": "A reader accepts any amount of padding.", "§4", with(|d| d.message.padding = Some(50));
        "padding-payload-zeros": "A payload of zero bytes is not taken for padding.",
            "§4", payload(&[0; 5], Some(5));
        "sender-unpadded-zeros": "Without PADDED, zero bytes at the end are payload.",
            "§4", payload(&[0; 5], None);
        "numbers-max": "Numbers at their limits.", "§4", highest;
        "second-filter": "A topic of the group's second filter.", "§9", on("shared/x/status");
        "parent-topic": "`plant/#` stands for `plant`, too.", "§9", on("plant");
    }

    let largest = vec![Property::CorrelationData(vec![0x5a; 16_381])];
    let largest = plain.change(|d| d.message.properties = largest);
    let older = Draft::new(scene.group.epoch(2), &sensor(), "a");
    let fresh = scene.sent_by(&renewed());
    let gateway_topic = scene
        .sent_by(&gateway())
        .change(|d| d.topic = "plant/gateway-9/temp".to_owned());
    let inside = |draft: &Draft, plan: &CredentialPlan| {
        draft.change(|d| d.message.credential = Some(plan.object()))
    };
    stories! { |id, comment, spec| Case::new(scene, id, comment, spec) => file:
        "properties-largest": "16384 bytes of properties.", "§5" => .ok(&largest);
        "older-epoch": "An epoch of the window, with the policy of the newest announcement.",
            "§9" => .attacks(&["A5"]).ok(&older).ok(&scene.in_session(older.message.number + 1));
        "credential-inside": "The reader does not know the sender: the credential inside is enough.",
            "§9" => .with("credentials", Json::Array(vec![])).attacks(&["C14"])
            .ok(&inside(&plain, &sensor())).ok(&plain.change(|d| d.counter = 1));
        "credential-newer-inside": "A newer credential inside takes the place of the known one.",
            "§9" => .attacks(&["C12"]).ok(&inside(&fresh, &renewed())).ok(&fresh.change(|d| d.counter = 1));
        "credential-older-inside": "An older credential inside is not looked at: the signature is under the known one.",
            "§9" => .with("credentials", known(&[&renewed()])).ok(&inside(&fresh, &sensor()));
        "own-wanted": "Own messages, for a reader that asked for them.",
            "§9" => .with("number", 7_u8).with("own_messages", true).ok(&plain);
        "own-name-filter": "`%c` in a publish filter stands for the sender's name.",
            "§9" => .attacks(&["B16"]).ok(&gateway_topic);
        "two-senders": "Two senders with the same session number and counter.",
            "§9" => .ok(&plain).ok(&scene.sent_by(&insider()));
        "hint-wraps": "Serial 128: the hint is 0.",
            "§4" => .with("credentials", known(&[&serial(128)])).ok(&scene.sent_by(&serial(128)));
        "hint-of-200": "Serial 200: the hint is 72.",
            "§4" => .with("credentials", known(&[&serial(200)])).ok(&scene.sent_by(&serial(200)));
        "refused-others": "A refused list that does not concern the sender.",
            "§9" => .with("refused", refused(&[(3, u32::MAX), (8, 2)])).ok(&plain);
        "refused-lowest-serial": "The sender's serial is the lowest that is accepted.",
            "§9" => .with("refused", refused(&[(7, 1)])).ok(&plain);
    }
}

/// The credentials that a reader knows.
pub(crate) fn known(plans: &[&CredentialPlan]) -> Json {
    Json::Array(plans.iter().map(|plan| Json::hex(plan.object())).collect())
}

/// Member 7 with a credential of this serial.
pub(crate) fn serial(serial: u32) -> CredentialPlan {
    CredentialPlan { serial, ..sensor() }
}

/// A refused list as a reader holds it.
pub(crate) fn refused(entries: &[(u32, u32)]) -> Json {
    let entry = |(member, lowest_serial): &(u32, u32)| {
        object! { member: *member, lowest_serial: *lowest_serial }
    };
    Json::Array(entries.iter().map(entry).collect())
}
