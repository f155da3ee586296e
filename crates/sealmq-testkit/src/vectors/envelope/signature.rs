//! Kind `open`: everything decrypts, the signature is the fault (spec/envelope.md §9, step 9). Every
//! reader of a group can make such envelopes.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use sealmq_core::crypto::SignatureContext;
use sha2::{Digest as _, Sha512};

use super::case::Case;
use super::scene::Scene;
use crate::vectors::craft::{Draft, Session, Transcript};
use crate::vectors::prelude::*;

pub(crate) fn vectors(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let body = plain.message.body();
    let mut rejected = |id: &str, comment: &str, attacks: &[&'static str], plaintext: Vec<u8>| {
        Case::new(scene, format!("signature-{id}"), comment, "§9")
            .attacks(attacks)
            .raw(&plain.topic, &plain.encrypt(&plaintext), "Rejected")
            .ok(&plain)
            .raw(&plain.topic, &plain.encrypt(&plaintext), "Replay")
            .done(file);
    };
    // --- by or for somebody else ---
    let mut genuine = plain.plaintext();
    let at = genuine.len() - 64;
    genuine[at] ^= 1;
    table! { rejected:
        "insider": "An insider writes in the sender's name, in the sender's own session.",
            &["C1", "A8"], plain.change(|d| d.name = "insider-8").plaintext();
        "zero": "64 zero bytes.", &["D8"], [&body[..], &[0; 64]].concat();
        "bit-of-r": "A bit of R.", &["D8"], genuine;
    }
    let mut genuine = plain.plaintext();
    genuine[at + 63] ^= 0x10;
    table! { rejected:
        "bit-of-s": "A bit of S.", &["D8"], genuine;
        "s-plus-l": "S + L: the same equation, another signature.",
            &["D8"], {
                let mut plaintext = plain.plaintext();
                add_group_order(&mut plaintext[at + 32..]);
                plaintext
            };
    }
    for (id, comment, nonce, torsion) in table! {
        "r-identity": "R is the neutral point: the equation holds, even byte by byte.", 0_u8, 0;
        "r-order-2": "R of order 2: holds with the cofactor only.", 0, 4;
        "r-order-8": "R of order 8: holds with the cofactor only.", 0, 1;
        "r-mixed-order": "R with a part of order 8, by the signer itself: holds with the cofactor only.",
            1, 1;
        "r-mixed-order-2": "R with a part of order 2, by the signer itself: holds with the cofactor only.",
            1, 4;
    } {
        let signature = with_r(&plain, &body, nonce, torsion);
        rejected(id, comment, &["D8"], [&body[..], &signature].concat());
    }
    table! { rejected:
        "other-label": "Signed as an object of another kind.",
            &["C4"],
            {
                let digest = sha256(&[&plain.transcript().bytes(&body)]);
                [&body[..], &identity("sensor-7").sign(SignatureContext::Credential, &digest)].concat()
            };
        "other-body": "The signature belongs to another payload.",
            &["C1"],
            {
                let other = plain.change(|d| d.message.payload = b"99.9C".to_vec());
                [&body[..], &other.plaintext()[other.plaintext().len() - 64..]].concat()
            };
    }

    // --- every field of the transcript ---
    let mut signed =
        |id: &str, comment: &str, attacks: &[&'static str], change: &dyn Fn(&mut Transcript)| {
            let mut transcript = plain.transcript();
            change(&mut transcript);
            let signature = transcript.sign("sensor-7", &body);
            rejected(id, comment, attacks, [&body[..], &signature].concat());
        };
    table! { signed:
        "of-suite-2": "Signed for suite 2.", &["D15"], &|t| t.suite = 2;
        "of-other-announcement": "Signed under another announcement.",
            &["A7", "A14"], &|t| t.announcement = digest("another");
        "of-other-session": "Signed in another session.", &["A7"], &|t| t.enc = [9; 32];
        "of-other-counter": "Signed for another counter.", &["A7"], &|t| t.counter = 1;
        "of-other-topic": "Signed for another topic.",
            &["B11"], &|t| t.topic_hash = sha256(&[b"plant/b/temp"]);
        "of-other-credential": "Signed under the insider's credential.",
            &["C12"], &|t| t.credential_hash = hash(&insider().object());
        "of-no-credential": "Signed under no credential.", &["C12"], &|t| t.credential_hash = Digest::ZERO;
    }

    moved(scene, file);
}

/// Genuine signed bodies that an insider carries elsewhere.
fn moved(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let epoch = scene.epoch();
    let mut rejected =
        |id: &str, comment: &str, attacks: &[&'static str], carried: &dyn Fn(&mut Draft)| {
            let place = plain.change(carried);
            let envelope = place.encrypt(&plain.plaintext());
            let then = if id == "topic" { "Replay" } else { "Rejected" };
            Case::new(scene, format!("moved-{id}"), comment, "§9")
                .attacks(attacks)
                .raw(&place.topic, &envelope, "Rejected")
                .ok(&plain)
                .raw(&place.topic, &envelope, then)
                .done(file);
        };
    table! { rejected:
        "topic": "The insider encrypts the signed body for another topic.",
            &["B11", "A7"], &|d| d.topic = "plant/b/temp".to_owned();
        "counter": "The insider encrypts the signed body under another counter.", &["A7"], &|d| d.counter = 9;
    }

    // In a session of the insider's own the session number is known under another enc.
    let own = Session::start(epoch, "insider's own");
    let elsewhere = plain.change(|d| d.session = own.clone());
    let older = Draft::new(scene.group.epoch(2), &sensor(), "a");
    let theft = scene
        .sent_by(&insider())
        .change(|d| d.session = plain.session.clone());
    let window = plain.change(|d| (d.name, d.counter) = ("insider-8", 100_000));
    let floor = plain.change(|d| {
        (d.name, d.message.number, d.session) = ("insider-8", NOW + 1_000_000, own.clone())
    });
    stories! { Case::of(scene, "§9") => file:
        "moved-session": "The insider carries the signed body into a session of its own."
            => .attacks(&["A7"]).raw(&plain.topic, &elsewhere.encrypt(&plain.plaintext()), "Rejected")
            .ok(&plain);
        "moved-epoch": "The insider carries the signed body into the epoch before."
            => .attacks(&["A7", "A19"]).raw(&plain.topic, &older.encrypt(&plain.plaintext()), "Rejected")
            .ok(&plain);
        // Threat model A9: state is keyed by sender and enc.
        "session-theft": "The insider sends first, under its own number, with the sender's enc: the sender is not disturbed."
            => .attacks(&["A9"]).ok(&theft).ok(&plain).ok(&plain.change(|d| d.counter = 1));
        "window-not-moved": "A forged message with a high counter does not move the window."
            => .attacks(&["A8"]).ok(&plain).bad(&window, "Rejected").ok(&plain.change(|d| d.counter = 1));
        "floor-not-moved": "A forged message with a high session number raises nothing."
            => .attacks(&["A8", "A11"]).bad(&floor, "Rejected").ok(&plain);
    }
}

/// A signature by the sender whose R is `nonce`·B and a point of small order:
/// [8S]B = [8]R + [8k]A holds.
fn with_r(draft: &Draft, body: &[u8], nonce: u8, torsion: usize) -> [u8; 64] {
    let key = identity(draft.name);
    let expanded = Sha512::digest(key.seed().expose());
    let mut scalar: [u8; 32] = expanded[..32].try_into().unwrap();
    scalar[0] &= 0xf8;
    scalar[31] = scalar[31] & 0x7f | 0x40;
    let secret = Scalar::from_bytes_mod_order(scalar);
    let public = *key.verifying_key().as_bytes();
    assert_eq!(
        EdwardsPoint::mul_base(&secret).compress().to_bytes(),
        public
    );

    let nonce = Scalar::from(nonce);
    let r = EdwardsPoint::mul_base(&nonce) + EIGHT_TORSION[torsion];
    let r = r.compress().to_bytes();
    let digest = sha256(&[&draft.transcript().bytes(body)]);
    let message = SignatureContext::Message.signed_bytes(&digest);
    let k = Sha512::new().chain_update(r).chain_update(public);
    let k: [u8; 64] = k.chain_update(message).finalize().into();
    let s = nonce + Scalar::from_bytes_mod_order_wide(&k) * secret;
    [r, s.to_bytes()].concat().try_into().unwrap()
}

/// S + L, L being the order of Ed25519's group, as little-endian 32 bytes.
fn add_group_order(s: &mut [u8]) {
    let order =
        hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let mut carry = 0;
    for (byte, l) in s.iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(l) + carry;
        *byte = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
}
