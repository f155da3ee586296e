//! Kind `open`: what is refused before anything is decrypted, and what does not decrypt
//! (spec/envelope.md §9, steps 1 to 4).

use super::case::Case;
use super::scene::Scene;
use crate::vectors::craft::Draft;
use crate::vectors::hpke;
use crate::vectors::prelude::*;

pub(crate) fn vectors(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let (topic, envelope) = (plain.topic.as_str(), plain.envelope());
    let with_form = |form: u8| [&[form], &envelope[1..]].concat();
    let mut refused = |id: &str, comment: &str, spec, bytes: &[u8], reason| {
        let case = Case::new(scene, id, comment, spec).attacks(&["E5"]);
        case.raw(topic, bytes, reason)
            .ok(&plain)
            .raw(topic, bytes, reason)
            .done(file);
    };
    table! { refused:
        "empty": "An empty payload is not an envelope.", "§9", b""                        => "NotSealed";
        "json":  "Another program's payload.",           "§9", br#"{"temperature":21.5}"# => "NotSealed";
    }
    for form in [0x00, 0x01, 0x10, 0x13, 0x21, 0x90, 0x93, 0xff] {
        let (id, comment) = (format!("form-{form:02x}"), "Not a form of the table.");
        refused(&id, comment, "§3", &with_form(form), "NotSealed");
    }
    let short = [&[0x91], &envelope[1..9], &[0], &envelope[10..]].concat();
    table! { refused:
        "form-91": "The short form of a session that nobody knows.", "§12", &short => "UnknownSession";
        "form-92": "A short form of another data path is reserved.", "§3", &with_form(0x92) => "Unsupported";
    }
    let consistent = plain.change(|d| d.session.form = 0x12);
    stories! { |id, comment, spec| Case::new(scene, id, comment, spec) => file:
        "form-12": "Reserved: in a domain of suite 2 envelopes have the form 0x11, too.",
            "§3" => .attacks(&["D15"]).raw(topic, &with_form(0x12), "Unsupported");
        "form-12-consistent": "Sealed and signed for suite 2 throughout.",
            "§9" => .attacks(&["D15"]).bad(&consistent, "Unsupported");
        "form-12-short": "Reserved and too short.",
            "§3" => .raw(topic, &with_form(0x12)[..129], "Unsupported");
    }

    let with_counter = |counter: &[u8]| [&envelope[..45], counter, &envelope[46..]].concat();
    let mut malformed = |id: &str, comment: &str, bytes: &[u8]| {
        let case = Case::new(scene, id, comment, "§3").attacks(&["E1"]);
        case.raw(topic, bytes, "Malformed").done(file);
    };
    table! { malformed:
        "one-byte": "The form alone.", &envelope[..1];
        "header-only": "Cut off behind the header.", &envelope[..46];
        "too-short": "129 bytes: one below the smallest envelope.", &envelope[..129];
        "counter-overlong": "0 spelled with two bytes.", &with_counter(&[0x80, 0]);
        "counter-too-large": "The counter 2^21.", &with_counter(&varint(1 << 21));
        "counter-2-to-the-32": "A counter that is 0 modulo 2^32.", &with_counter(&varint(1 << 32));
        "counter-11-bytes": "A varint of 11 bytes.", &with_counter(&[&[0xff; 10][..], &[1]].concat());
    }

    let mut flip = |id: &str, comment: &str, at: usize, bit: u8, reason| {
        let case = Case::new(scene, id, comment, "§9").attacks(&["D18"]);
        case.raw(topic, &flipped(&envelope, at, bit), reason)
            .done(file);
    };
    let payload = envelope.len() - 16 - 64 - 1;
    table! { flip:
        "flip-key-id-first": "A bit of the key id.", 1, 0x80 => "UnknownKey";
        "flip-key-id-last": "The last bit of the key id.", 8, 0x01 => "UnknownKey";
        "flip-enc-first": "A bit of enc.", 9, 0x01 => "Rejected";
        "flip-enc-last": "A bit of the last byte of enc.", 40, 0x10 => "Rejected";
        "flip-enc-high-bit": "The bit of enc that X25519 ignores: enc is in the KEM context, too.",
            40, 0x80 => "Rejected";
        "flip-mac-first": "The first bit of the session's mac.", 41, 0x80 => "Rejected";
        "flip-mac-last": "The last bit of the session's mac.", 44, 0x01 => "Rejected";
        "flip-counter": "Another counter is another nonce.", 45, 0x01 => "Rejected";
        "flip-flags": "The first byte of the ciphertext: the flags.", 46, 0x20 => "Rejected";
        "flip-payload": "The last byte of the payload.", payload, 0x01 => "Rejected";
        "flip-signature": "A bit of the signature's ciphertext.", payload + 1, 0x01 => "Rejected";
        "flip-tag-first": "The first bit of the tag.", envelope.len() - 16, 0x80 => "Rejected";
        "flip-tag-last": "The last bit of the tag.", envelope.len() - 1, 0x01 => "Rejected";
    }

    let forged = flipped(&envelope, 60, 1);
    let composed = plain.change(|d| d.topic = "plant/ö".to_owned()).envelope();
    stories! { |id, comment, spec| Case::new(scene, id, comment, spec) => file:
        "forgery-before-genuine": "A forgery that the AEAD refuses does not burn the genuine message.",
            "§9" => .attacks(&["A8"]).raw(topic, &forged, "Rejected").ok(&plain);
        "cut-tag": "The last byte is missing.",
            "§9" => .raw(topic, &envelope[..envelope.len() - 1], "Rejected");
        "extra-byte": "A byte too many.", "§9" => .raw(topic, &trailing(&envelope), "Rejected");
        "topic-moved": "The broker delivers it on another topic of the group.",
            "§7" => .attacks(&["B11"]).raw("plant/b/temp", &envelope, "Rejected").ok(&plain);
        "topic-case": "Topics are compared as bytes.",
            "§1" => .attacks(&["B15"]).raw("Plant/a/temp", &envelope, "Rejected");
        "topic-normalised": "No Unicode normalisation.",
            "§1" => .attacks(&["B15"]).raw("plant/o\u{308}", &composed, "Rejected");
    }
    let mut low_order = |id: &str, point: &str| {
        let point = hex::decode(point).unwrap();
        let psk = scene.epoch().reader.psk();
        let mac = hpke::session_mac(psk.secret(), point.as_slice().try_into().unwrap());
        let bytes = [&envelope[..9], &point, &mac, &envelope[45..]].concat();
        let comment = "An enc of low order gives an all-zero X25519 result.";
        let case = Case::new(scene, id, comment, "§9").attacks(&["D1"]);
        case.raw(topic, &bytes, "Rejected").done(file);
    };
    table! { low_order:
        "enc-low-order-zero":          "0000000000000000000000000000000000000000000000000000000000000000";
        "enc-low-order-one":           "0100000000000000000000000000000000000000000000000000000000000000";
        "enc-low-order-order-8":       "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157";
        "enc-low-order-non-canonical": "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
    }

    // Sealed under a header with another mac: only a look at the mac itself notices.
    let mac = plain.change(|d| d.session.mac[3] ^= 1);
    let of_session_psk = plain.change(|d| {
        let psk = scene.epoch().reader.psk();
        let psk = Secret::new(hpke::session_psk(psk.secret()));
        d.session.mac = hpke::session_mac(&psk, &d.session.enc);
    });
    stories! { |id, comment, spec| Case::new(scene, id, comment, spec).attacks(&["F1"]) => file:
        "mac-other": "Not the mac of this enc.", "§6" => .bad(&mac, "Rejected").ok(&plain);
        "mac-other-known-session": "Not in a session that is known, either.",
            "§9" => .ok(&plain).bad(&mac.change(|d| d.counter = 1), "Rejected");
        "mac-of-session-psk": "The key is psk, and not what HPKE gets of it.",
            "§6" => .bad(&of_session_psk, "Rejected");
    }
    let outside = Draft::new(scene.group.epoch(1), &sensor(), "a");
    let mixed = plain.change(|d| {
        let other = Draft::new(scene.group.epoch(2), &sensor(), "a");
        d.session.message_key = other.session.message_key;
        d.session.base_nonce = other.session.base_nonce;
    });
    let nonce = plain.change(|d| d.session.base_nonce[11] ^= 1);
    let key_id = plain.change(|d| d.session.announcement.0[31] ^= 1);
    stories! { |id, comment, spec| Case::new(scene, id, comment, spec) => file:
        "epoch-outside-window": "An epoch that has left the window.",
            "§9" => .attacks(&["A19"]).bad(&outside, "UnknownKey");
        // The key id of the one epoch, the keys of the other.
        "keys-of-other-epoch": "The key id names the one candidate: there is no trial decryption.",
            "§3" => .attacks(&["D5"]).bad(&mixed, "Rejected");
        "nonce": "Encrypted under another nonce than the counter's.", "§6" => .bad(&nonce, "Rejected");
        "announcement-other-tail": "The key id fits, the announcement that was signed has another hash.",
            "§7" => .attacks(&["A14"]).bad(&key_id, "Rejected");
    }
}
