//! What is state, and under which keys it stands (spec/envelope.md §4, §7, §9 steps 2 to 5).

use super::super::case::Case;
use super::super::open::{known, refused};
use super::super::replay::at;
use super::super::scene::{Scene, renewed};
use super::super::seal::all_properties;
use super::{mark_of_topic, one};
use crate::vectors::craft::{Draft, Session, flag};
use crate::vectors::prelude::*;

pub(super) fn vectors(scene: &Scene, file: &mut VectorFile) {
    good(scene, file);
    classes(scene, file);
    bodies(scene, file);
    keys(scene, file);
    signatures(scene, file);
}

fn good(scene: &Scene, file: &mut VectorFile) {
    let value = scene.value();
    let mut single = |id: &str, comment: &str, draft: &Draft| {
        Case::new(scene, id, comment, "§7")
            .attacks(&["A43"])
            .ok(draft)
            .plaintext(&draft.plaintext())
            .retained(true)
            .ok(draft)
            .done(file);
    };
    let with = |change: fn(&mut Draft)| value.change(change);
    table! { single:
        "value": "A retained value: live, and as a later subscriber receives it.", &value;
        "will": "A will that is to be retained.", &scene.will(NOW);
        "value-without-time": "A retained value of a device without a clock.",
            &with(|d| d.message.sent_at = None);
        "value-sequence": "The connection stands behind the sequence.",
            &with(|d| (d.message.sequence, d.message.connection) = (Some(4), 9));
        "value-everything": "Every flag of a retained value.",
            &with(|d| {
                (d.message.sequence, d.message.connection) = (Some(0), 1);
                (d.message.padding, d.message.properties) = (Some(7), all_properties());
            });
        "value-empty": "An empty payload under seal clears nothing: it is a value.",
            &with(|d| d.message.payload.clear());
        "value-numbers-max": "Numbers at their limits.",
            &with(|d| {
                (d.counter, d.message.sequence) = ((1 << 21) - 1, Some((1 << 21) - 1));
                (d.message.number, d.message.connection) = ((1 << 35) - 1, (1 << 35) - 1);
            });
        "value-credential-serial-2": "Under a newer credential than the reader knows.",
            &value.under(renewed().object());
        "kept-older-epoch": "Under kept keys of before: they open as long as the reader has them.",
            &Draft::value(scene.group.epoch(1), &sensor(), "a");
    }
    let passing = scene.will(NOW).change(|d| d.message.retain = false);
    stories! { Case::of(scene, "§7"), [.attacks(&["A43"])] => file:
        "will-passing": "A will that is not to be retained is state, too."
            => .ok(&passing).plaintext(&passing.plaintext());
        "value-unknown-sender": "The credential inside is enough for a reader that knows nobody."
            => .with("credentials", known(&[])).retained(true).ok(&value).retained(false)
            .ok(&scene.sent());
    }
}

/// §7: each class under its own keys.
fn classes(scene: &Scene, file: &mut VectorFile) {
    let (plain, value) = (scene.sent(), scene.value());
    let inside = |draft: &Draft| draft.under(sensor().object());
    // Signed and encrypted by the sender itself, in a session for the other class.
    let value_of_epoch = inside(&plain).change(|d| d.message.retain = true);
    let will_of_epoch = inside(&plain).change(|d| d.message.will = true);
    let event = value.change(|d| (d.message.retain, d.message.credential) = (false, None));
    let event_inside = value.change(|d| d.message.retain = false);
    let first = |d: &mut Draft| d.message.will = true;
    stories! { Case::of(scene, "§9"), [.attacks(&["A43", "A44"])] => file:
        "class-state-epoch": "State under the keys of an epoch." => .bad(&value_of_epoch, "Rejected");
        "class-state-epoch-shown": "However it comes." => .retained(true).bad(&value_of_epoch, "Rejected");
        "class-will-epoch": "A will under the keys of an epoch." => .bad(&will_of_epoch, "Rejected");
        "class-event-kept": "An event under kept keys." => .bad(&event, "Rejected");
        "class-event-kept-inside": "Not with a credential inside either."
            => .bad(&event_inside, "Rejected");
        "class-event-kept-shown": "However it comes." => .retained(true).bad(&event, "Rejected");
        "state-no-credential": "State carries the sender's credential."
            => .bad(&value.change(|d| d.message.credential = None), "Rejected");
        "will-no-credential": "A will carries the sender's credential."
            => .bad(&scene.will(NOW).change(|d| d.message.credential = None), "Rejected");
        "order-class-own": "State under the keys of an epoch, by this reader itself."
            => .with("number", 7_u8).bad(&value_of_epoch, "Rejected");
        "order-class-own-event": "An event under kept keys, by this reader itself."
            => .with("number", 7_u8).bad(&event, "Rejected");
        "order-credential-own": "A value without a credential, by this reader itself."
            => .with("number", 7_u8).bad(&value.change(|d| d.message.credential = None), "Rejected");
        "value-own": "A reader that did not ask for its own messages."
            => .with("number", 7_u8).bad(&value, "Own");
        "will-own": "A reader that did not ask for its own messages."
            => .with("number", 7_u8).bad(&value.change(first), "Own");
        "value-own-wanted": "Own state, for a reader that asked for it."
            => .with("number", 7_u8).with("own_messages", true).ok(&value);
    }
}

/// §4: plaintexts of state that break a rule, signed and encrypted by their sender all the same.
fn bodies(scene: &Scene, file: &mut VectorFile) {
    let (value, will) = (scene.value(), scene.will(NOW));
    let flags = flag::RETAIN | flag::CREDENTIAL;
    let body = |flags: u8, connection: &[u8]| {
        let head = [&[flags, 7, 1][..], &varint(NOW)].concat();
        [&*head, connection, &blob(&sensor().object()), b"21.5C"].concat()
    };
    let mut bad = |id: &str, comment: &str, spec: &'static str, body: &[u8]| {
        Case::new(scene, format!("state-{id}"), comment, spec)
            .raw(&value.topic, &value.with_body(body), "Rejected")
            .done(file);
    };
    table! { bad:
        "connection-limit": "The connection 2^35.", "§4", &body(flags, &varint(1 << 35));
        "connection-2-to-the-64": "A connection above 64 bits.",
            "§1", &body(flags, &[&[0xff; 9][..], &[2]].concat());
        "connection-overlong": "A longer spelling of the connection.", "§1", &body(flags, &[0x80, 0]);
        "connection-missing": "A retained value without a connection.", "§4", &body(flags, &[]);
        "flag-0x80": "An unknown flag is must-understand.", "§4", &body(flags | 0x80, &[0]);
        "without-credential-bit": "RETAIN without CREDENTIAL.", "§4", &body(flag::RETAIN, &[0]);
    }
    let with_connection = body(flags | flag::WILL, &[0]);
    stories! { Case::of(scene, "§4") => file:
        "state-connection-in-will": "A will has no connection: what stands there is read as the credential."
            => .raw(&will.topic, &will.with_body(&with_connection), "Rejected");
        "state-credential-too-long": "4097 bytes of credential."
            => .bad(&value.change(|d| d.message.credential = Some(vec![0x11; 4097])), "Rejected");
    }
}

/// Steps 2 to 4.
fn keys(scene: &Scene, file: &mut VectorFile) {
    let value = scene.value();
    let (topic, envelope) = (value.topic.as_str(), value.envelope());
    let other = Draft::value(scene.group.epoch(1), &sensor(), "a");
    let mixed = value.change(|d| {
        d.session.message_key = other.session.message_key;
        d.session.base_nonce = other.session.base_nonce;
    });
    let named = value.change(|d| d.session.announcement = scene.kept_epoch().hash);
    let last_byte = flipped(&envelope, envelope.len() - 1, 1);
    stories! { Case::of(scene, "§9"), [.attacks(&["A43"])] => file:
        "kept-unknown": "Kept keys that the reader does not have, or not any more."
            => .with("kept", Json::Array(vec![])).bad(&value, "UnknownKey");
        "kept-named-by-epoch": "K' names the keys, and not K." => .bad(&named, "Rejected");
        "kept-keys-of-other": "The name of one, the keys of the other: there is no trial decryption."
            => .attacks(&["D5"]).bad(&mixed, "Rejected");
        "value-flip-key-id": "A bit of the key id." => .raw(topic, &flipped(&envelope, 8, 1), "UnknownKey");
        "value-flip-enc": "A bit of enc." => .raw(topic, &flipped(&envelope, 9, 1), "Rejected");
        "value-flip-flags": "The first byte of the ciphertext: a value is not made an event."
            => .raw(topic, &flipped(&envelope, 42, flag::RETAIN), "Rejected");
        "value-flip-tag": "The last bit of the tag." => .raw(topic, &last_byte, "Rejected");
        "value-topic-moved": "The broker shows it on another topic of the group."
            => .attacks(&["B11"]).retained(true).raw("plant/b/temp", &envelope, "Rejected").ok(&value);
        "value-outside-group": "No filter of the group matches the topic."
            => .bad(&value.change(|d| d.topic = "office/temp".to_owned()), "NotAllowed");
    }
}

/// Step 9: an insider has the kept keys, too.
fn signatures(scene: &Scene, file: &mut VectorFile) {
    let value = scene.value();
    let topic = value.topic.as_str();
    let older = Draft::value(scene.group.epoch(1), &sensor(), "a");
    let own = Session::start_kept(scene.kept_epoch(), "insider's own");
    let elsewhere = value.change(|d| d.session = own.clone());
    let forged = |counter: u32| at(&value, counter).change(|d| d.name = "insider-8");
    let raised = value.change(|d| d.message.connection = 9);
    let signed = value.plaintext();
    let (_, signature) = signed.split_last_chunk::<64>().unwrap();
    let raised = raised.encrypt(&[&raised.message.body()[..], signature].concat());
    stories! { Case::of(scene, "§9"), [.attacks(&["A8", "A43"])] => file:
        "state-forged": "An insider writes in the sender's name." => .bad(&forged(0), "Rejected").ok(&value);
        "state-forged-mark": "A forged value does not raise the mark."
            => .retained(true).bad(&forged(9), "Rejected").ok(&value).retained(false)
            .ok(&at(&value, 1));
        "state-forged-connection": "The connection is signed."
            => .raw(topic, &raised, "Rejected").ok(&value);
        "state-moved-session": "The insider carries the signed value into a session of its own."
            => .attacks(&["A7"]).raw(topic, &elsewhere.encrypt(&value.plaintext()), "Rejected").ok(&value);
        "state-moved-kept": "The insider carries the signed value under other kept keys."
            => .attacks(&["A7", "A19"]).raw(topic, &older.encrypt(&value.plaintext()), "Rejected").ok(&value);
        "state-signed-for-epoch": "Signed for the hash of the announcement in the place of K'."
            => .raw(topic, &value.encrypt(&signed_under(&value, scene.kept_epoch().hash)), "Rejected");
        "state-signed-under-none": "Signed under no credential."
            => .bad(&value.change(|d| d.credential_hash = Digest::ZERO), "Rejected");
        "order-state-replay-before-signature": "A forged value that is below the mark."
            => .with("marks", one(mark_of_topic((1, 0, false, NOW, 5)))).bad(&forged(4), "Replay");
        "order-state-sender-before-replay": "Removed, and below the mark."
            => .with("marks", one(mark_of_topic((1, 0, false, NOW, 5))))
            .with("refused", refused(&[(7, u32::MAX)])).bad(&value, "Revoked");
    }
}

/// The plaintext with a signature for another name of the keys.
fn signed_under(draft: &Draft, name: Digest) -> Vec<u8> {
    let body = draft.message.body();
    let mut transcript = draft.transcript();
    transcript.announcement = name;
    [&body[..], &transcript.sign(draft.name, &body)].concat()
}
