//! Kinds `seal` and `open`: the short form and the records of its sessions (spec/envelope.md §12).

use sealmq_core::Grant;
use sealmq_core::object::Access;

use super::case::Case;
use super::open::{known, refused};
use super::replay::at;
use super::scene::{Scene, policy, renewed};
use super::seal::{Plan, all_properties};
use crate::vectors::craft::{Draft, flag, record_topic};
use crate::vectors::prelude::*;

pub(crate) fn vectors(scene: &Scene, file: &mut VectorFile) {
    sealing(scene, file);
    opening(scene, file);
    bytes(scene, file);
    records(scene, file);
}

fn sealing(scene: &Scene, file: &mut VectorFile) {
    let mut sized = |id: &str, comment: &str, len: usize, change: &dyn Fn(&mut Draft)| {
        let mut plan = Plan::new(scene, id);
        (plan.draft.message.short, plan.draft.counter) = (true, 1);
        change(&mut plan.draft);
        assert_eq!(plan.seal(file, id, comment).len(), len, "{id}");
    };
    let largest = |d: &mut Draft| {
        d.counter = (1 << 21) - 1;
        (d.message.sender, d.message.sequence) = ((1 << 28) - 1, Some((1 << 21) - 1));
        d.message.sent_at = Some(1000 * d.message.number + (1 << 31) - 1);
        d.message.payload.clear();
    };
    let smallest = |d: &mut Draft| {
        d.message.sent_at = None;
        d.message.payload.clear();
    };
    table! { sized:
        "short": "The short form of the example: 100 bytes.", 100, &|_| {};
        "short-smallest": "The smallest one: 91 bytes.", 91, &smallest;
        "short-earliest": "The earliest time that can be said: 2^31 ms before the session's number.", 100,
            &|d| d.message.sent_at = Some(1000 * d.message.number - (1 << 31));
        "short-largest-overhead": "Every number at its limit: 100 bytes around an empty payload.", 100, &largest;
        "short-of-64": "64 bytes of payload.", 159, &|d| d.message.payload = vec![0x5a; 64];
        "short-counter-128": "The counter at an edge of its varint.", 101, &|d| d.counter = 128;
        "short-properties": "With properties.", 159, &|d| d.message.properties = all_properties();
    }
    let mut plan = Plan::new(scene, "short-padded");
    (plan.draft.message.short, plan.draft.counter) = (true, 1);
    plan.padding = (2, 64);
    plan.seal(
        file,
        "short-padded",
        "Padded: it is this body that is padded.",
    );
}

fn opening(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let record = plain.record(sensor().object());
    let short = at(&plain, 1).short();
    let sequence = short.change(|d| (d.counter, d.message.sequence) = (2, Some(4)));
    let everything = short.change(|d| {
        (d.counter, d.message.sequence, d.message.padding) = (3, Some(0), Some(7));
        d.message.properties = all_properties();
    });
    let bare = short.change(|d| (d.counter, d.message.sent_at) = (4, None));
    let smallest = bare.change(|d| {
        d.counter = 5;
        d.message.payload.clear();
    });
    stories! { Case::of(scene, "§12") => file:
        "short": "The record, then messages of the session."
            => .record(7, &record).ok(&short).ok(&sequence).ok(&everything).ok(&bare).ok(&smallest);
        "short-unknown": "Without the record nothing can be said of it; with it, it opens."
            => .attacks(&["F1"]).bad(&short, "UnknownSession").record(7, &record).ok(&short);
        "short-after-full": "An event of the full form tells of its session as well."
            => .bad(&short, "UnknownSession").ok(&plain).ok(&short);
        "short-replay": "Both forms share the session's counters."
            => .attacks(&["B1"]).record(7, &record).ok(&short).bad(&short, "Replay")
            .bad(&at(&plain, 1), "Replay").ok(&at(&plain, 2)).bad(&at(&plain, 2).short(), "Replay");
        "short-record-again": "A record may come as often as it likes, and resets nothing."
            => .attacks(&["B5"]).record(7, &record).ok(&short).record(7, &record).bad(&short, "Replay");
        "short-record-retained": "Retained delivery is what records are for; a message is none of it."
            => .attacks(&["B2"]).retained(true).record(7, &record).bad(&short, "Replay").retained(false).ok(&short);
        "short-credential-inside": "The sender's credential comes with the record."
            => .with("credentials", known(&[])).attacks(&["C14"]).record(7, &record).ok(&short);
        "short-renewed": "What was under way when the sender's credential was renewed."
            => .attacks(&["C12"]).record(7, &record).ok(&scene.in_session(NOW + 9).under(renewed().object())).ok(&short);
        "short-of-other-session": "Another session of the sender has another tag."
            => .record(7, &record).bad(&scene.in_session(NOW + 1).short(), "UnknownSession");
    }
    let moved = short.change(|d| d.topic = "plant/b/temp".to_owned());
    let with_other_key = short.change(|d| d.name = "insider-8");
    let other_hash = short.change(|d| d.credential_hash = hash(&insider().object()));
    let narrow = CredentialPlan {
        publish_filter: "plant/b/#",
        ..sensor()
    };
    let outside = narrow_draft(scene, &narrow);
    stories! { Case::of(scene, "§12"), [.record(7, &record)] => file:
        "short-topic-moved": "The broker delivers it on another topic of the group."
            => .attacks(&["B11"]).raw(&moved.topic, &short.envelope(), "Rejected");
        "short-signature": "Signed with another member's key." => .attacks(&["A7"]).bad(&with_other_key, "Rejected");
        "short-credential-hash": "Signed under another credential." => .bad(&other_hash, "Rejected");
        "short-revoked": "The sender was removed." => .with("refused", refused(&[(7, u32::MAX)]))
            .attacks(&["A17"]).bad(&short, "Revoked");
        "short-own": "A reader that did not ask for its own messages."
            => .with("number", 7_u8).attacks(&["B21"]).bad(&short, "Own");
        "short-stale": "Sent in the future."
            => .bad(&short.change(|d| d.message.sent_at = Some(NOW_MS + 400_000)), "Stale");
    }
    let (record, short) = outside;
    stories! { Case::of(scene, "§12") => file:
        "short-not-allowed": "A record needs no grant for a topic; the message does."
            => .with("credentials", known(&[&narrow])).attacks(&["C2"]).record(7, &record).bad(&short, "NotAllowed");
    }
}

fn narrow_draft(scene: &Scene, plan: &CredentialPlan) -> (Draft, Draft) {
    let sent = scene.sent_by(plan);
    (sent.record(plan.object()), at(&sent, 1).short())
}

/// What stands in a short one, and what is signed.
fn bytes(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let record = plain.record(sensor().object());
    let short = at(&plain, 1).short();
    let (topic, envelope) = (short.topic.as_str(), short.envelope());
    let mut rejected = |id: &str, comment: &str, bytes: Vec<u8>, reason| {
        let case = Case::new(scene, id, comment, "§12").attacks(&["E1"]);
        case.record(7, &record)
            .raw(topic, &bytes, reason)
            .ok(&short)
            .done(file);
    };
    let with_flag = |flag: u8| {
        let mut body = short.message.body();
        body[0] |= flag;
        short.with_body(&body)
    };
    let full_inside = short.encrypt(&at(&plain, 1).plaintext());
    let signed_as_full =
        short.encrypt(&at(&plain, 1).change(|d| d.message.short = true).plaintext());
    let full = at(&plain, 1);
    let short_inside = full.encrypt(&short.plaintext());
    let other_number = {
        let other = short.change(|d| d.message.number += 1);
        short.encrypt(&other.plaintext())
    };
    let without_number = {
        let mut transcript = short.transcript();
        transcript.number = None;
        let body = short.message.body();
        let signature = transcript.sign(short.name, &body);
        short.encrypt(&[&body[..], &signature].concat())
    };
    table! { rejected:
        "short-too-short": "90 bytes: one below the smallest.", envelope[..90].to_vec() => "Malformed";
        "short-counter-overlong": "1 spelled with two bytes.",
            [&envelope[..9], &[0x81, 0], &envelope[10..]].concat() => "Malformed";
        "short-counter-large": "The counter 2^21.",
            [&envelope[..9], &varint(1 << 21), &envelope[10..]].concat() => "Malformed";
        "short-flip-tag": "A bit of the session tag.", flipped(&envelope, 8, 1) => "UnknownSession";
        "short-flip-counter": "Another counter is another nonce.", flipped(&envelope, 9, 2) => "Rejected";
        "short-flip-flags": "A bit of the flags.", flipped(&envelope, 10, 1) => "Rejected";
        "short-flip-last": "The last bit of the tag.", flipped(&envelope, envelope.len() - 1, 1) => "Rejected";
        "short-retain": "State is never short.", with_flag(flag::RETAIN) => "Rejected";
        "short-will": "A will is never short.", with_flag(flag::WILL) => "Rejected";
        "short-credential": "What carries a credential is never short.", with_flag(flag::CREDENTIAL) => "Rejected";
        "short-unknown-flag": "The flag without a meaning.", with_flag(0x80) => "Rejected";
        "short-with-full-inside": "A message of the full form, body and signature, in a short one.", full_inside => "Rejected";
        "short-signed-as-full": "A short body under the full form's signature.", signed_as_full => "Rejected";
        "short-other-number": "Signed with another session number.", other_number => "Rejected";
        "short-without-number": "Signed without the session's number.", without_number => "Rejected";
        "full-with-short-inside": "The other way round.", short_inside => "Rejected";
    }
}

fn records(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let record = plain.record(sensor().object());
    let short = at(&plain, 1).short();
    // The insider begins a session of its own with the sensor's enc, and is heard first.
    let taken = scene
        .sent_by(&insider())
        .change(|d| d.session = plain.session.clone());
    let his = taken
        .record(insider().object())
        .change(|d| d.message.number = NOW + 5);
    let his_short = at(&taken, 9).change(|d| d.message.number = NOW + 5).short();
    let in_her_name = record.change(|d| d.name = "insider-8");
    let on_message_topic = plain.under(sensor().object());
    let value = scene.value().change(|d| d.topic = record_topic(7));
    let unsigned = {
        let body = record.change(|d| d.message.number += 1).message.body();
        let signature = record
            .transcript()
            .sign(record.name, &record.message.body());
        record.encrypt(&[&body[..], &signature].concat())
    };
    let with_payload = record.change(|d| d.message.payload = b"later".to_vec());
    let old = record.change(|d| d.message.sent_at = Some(NOW_MS - 1_000_000_000));
    let outside = Draft::new(scene.group.epoch(1), &sensor(), "a").record(sensor().object());
    let grants = elements(&[Grant {
        group: plant(),
        access: Access::BOTH,
        publish_filter: "",
    }]);
    let forged = plain.record(sensor().signed_by(&identity("insider-8"), &grants, |_| {}));
    let topic = record_topic(7);
    let numbered = |number| move |d: &mut Draft| d.message.number = number;
    let other_number = record.change(numbered(NOW + 1));
    let (first, of_first) = (record.change(numbered(1)), short.change(numbered(1)));
    let before_1970 = of_first.with_body(&[&[flag::SENT_AT, 0, 0, 0, 0][..], b"21.5C"].concat());
    let old_short = short.change(|d| d.message.sent_at = Some(NOW_MS));
    stories! { Case::of(scene, "§12") => file:
        "record-of-taken-enc": "Another member's session with the same enc has another tag, whichever is heard first."
            => .attacks(&["A9"]).record(8, &his).bad(&short, "UnknownSession").record(7, &record)
            .ok(&short).ok(&his_short);
        "record-forged": "Made by another member in the sender's name."
            => .attacks(&["A9"]).no_record(7, &in_her_name, "Rejected").bad(&short, "UnknownSession");
        "record-of-other-member": "A member's record on another one's topic."
            => .no_record(8, &record, "Rejected").record(7, &record);
        "record-is-a-message": "A message is no record."
            => .raw(&topic, &on_message_topic.envelope(), "Rejected").offered_as(7);
        "record-as-message": "A record is no message."
            => .raw("plant/a/temp", &record.envelope(), "Rejected");
        "record-of-state": "A retained value is no record." => .no_record(7, &value, "Rejected");
        "record-short": "A short one is no record."
            => .record(7, &record).no_record(7, &short.change(|d| d.topic = record_topic(7)), "Rejected");
        "record-altered": "Its session number was altered by a member." => .raw(&topic, &unsigned, "Rejected").offered_as(7);
        "record-unknown-key": "Of an epoch that has left the window."
            => .no_record(7, &outside, "UnknownKey");
        "record-unknown-sender": "The credential inside does not verify."
            => .with("credentials", known(&[])).no_record(7, &forged, "UnknownSender");
        "record-with-other-number": "What is known of a session stays as it is."
            => .record(7, &record).record(7, &other_number).ok(&short);
        "short-before-1970": "The time that it tells is below 0."
            => .record(7, &first).raw("plant/a/temp", &before_1970, "Rejected");
        "record-with-payload": "What it carries is ignored." => .record(7, &with_payload).ok(&short);
        "record-old": "However old it is."
            => .with("policy", policy(60, WEEK)).record(7, &old).ok(&old_short);
    }
}
