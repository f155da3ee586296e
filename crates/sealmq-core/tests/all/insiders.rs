//! Members of the group who hold all its keys and try to pass as somebody else.

use crate::world::insider::{put_together, session_keys, sign, take_apart};
use crate::world::*;
use sealmq_core::open::Rejection;
use sealmq_core::seal::{Membership, Outgoing};
use sealmq_core::wire::{Header, MAX_COUNTER};

fn plain() -> Outgoing<'static> {
    Outgoing::new(topic(TOPIC))
}

/// Threat model A8: AEAD success proves nothing. A reader forges under Alice's session, at her next
/// counters and at the last one; hers must still be accepted afterwards.
#[test]
fn forged_counters_burn_nothing() {
    let group = Group::new(1, 1);
    let (alice, mallory) = (Member::new(7, &group), Member::new(8, &group));
    let mut session = group.session(9);
    let first = alice.seal(&mut session, &plain(), b"genuine 0");
    let reader = Reader::new(&group, &[&alice, &mallory]);
    let mut receiver = receiver();
    reader.open(&mut receiver, &live(TOPIC), &first).unwrap();
    let before = state(&receiver);

    let parts = take_apart(&group.events, TOPIC, &first);
    let secrets = session_keys(&group.events, session.enc());
    for counter in [1, 2, 1000, MAX_COUNTER] {
        let header = Header {
            counter,
            ..parts.header
        };
        let hash = alice.credential_hash();
        let signatures = [
            parts.signature.clone(),
            vec![0; 64],
            sign(
                &mallory.key,
                &group.events,
                TOPIC,
                &header,
                &hash,
                &parts.body,
            ),
        ];
        for signature in signatures {
            let forged = put_together(&secrets, TOPIC, &header, &parts.body, &signature);
            let mut buf = forged.clone();
            let result = reader.open_in(&mut receiver, &live(TOPIC), &mut buf);
            assert_eq!(result, Err(Rejection::Rejected));
            assert!(buf.iter().all(|b| *b == 0), "what was decrypted is wiped");
        }
    }
    assert_eq!(state(&receiver), before);
    for counter in 1..3 {
        let envelope = alice.seal(&mut session, &plain(), b"genuine");
        let opened = reader.open(&mut receiver, &live(TOPIC), &envelope).unwrap();
        assert_eq!(opened.counter, counter);
    }
}

/// Threat model A9: Mallory signs messages of his own under Alice's enc. They are his to send, and her
/// state is untouched.
#[test]
fn using_somebody_elses_enc_locks_nobody_out() {
    let group = Group::new(1, 1);
    let (alice, mallory) = (Member::new(7, &group), Member::new(8, &group));
    let mut session = group.session(9);
    let genuine = alice.seal(&mut session, &plain(), b"genuine");
    let parts = take_apart(&group.events, TOPIC, &genuine);
    let secrets = session_keys(&group.events, session.enc());
    let reader = Reader::new(&group, &[&alice, &mallory]);
    let mut receiver = receiver();

    // flags ‖ sender 8 ‖ hint ‖ a far higher session number ‖ payload
    let body = [&[0, 8, 1, 0xff, 0xff, 0xff, 0xff, 0x0f][..], b"stolen"].concat();
    for counter in [0, 1, 2] {
        let header = Header {
            counter,
            ..parts.header
        };
        let hash = mallory.credential_hash();
        let signature = sign(&mallory.key, &group.events, TOPIC, &header, &hash, &body);
        let stolen = put_together(&secrets, TOPIC, &header, &body, &signature);
        let opened = reader.open(&mut receiver, &live(TOPIC), &stolen).unwrap();
        assert_eq!(opened.sender, mallory.number, "it is his, and shown as his");
    }
    assert!(reader.open(&mut receiver, &live(TOPIC), &genuine).is_ok());
    for _ in 1..4 {
        let envelope = alice.seal(&mut session, &plain(), b"genuine");
        assert!(reader.open(&mut receiver, &live(TOPIC), &envelope).is_ok());
    }
}

/// Threat model A7: Alice's signed body, carried into a session of Mallory's own, to another counter,
/// topic or epoch.
#[test]
fn a_signed_message_cannot_be_wrapped_again() {
    let (group, next) = (Group::new(1, 1), Group::new(1, 2));
    let (alice, mallory) = (Member::new(7, &group), Member::new(8, &group));
    let genuine = alice.seal(&mut group.session(9), &plain(), b"genuine");
    let parts = take_apart(&group.events, TOPIC, &genuine);
    let reader = Reader {
        epochs: vec![&group, &next],
        ..Reader::new(&group, &[&alice, &mallory])
    };

    let own_session = group.session_seeded(9, Default::default(), b"mallory");
    let own_next = next.session(9);
    let wrap = |group: &Group, header: Header, name: &str| {
        let secrets = session_keys(&group.events, &header.enc);
        put_together(&secrets, name, &header, &parts.body, &parts.signature)
    };
    let next_id = sealmq_core::KeyId::of(&next.events.name);
    let attempts = [
        (
            TOPIC,
            wrap(
                &group,
                Header {
                    enc: *own_session.enc(),
                    mac: group.events.psk.mac(own_session.enc()),
                    ..parts.header
                },
                TOPIC,
            ),
        ),
        (
            TOPIC,
            wrap(
                &group,
                Header {
                    counter: 1,
                    ..parts.header
                },
                TOPIC,
            ),
        ),
        ("plant/b", wrap(&group, parts.header, "plant/b")),
        (
            TOPIC,
            wrap(
                &next,
                Header {
                    key_id: next_id,
                    enc: *own_next.enc(),
                    mac: next.events.psk.mac(own_next.enc()),
                    ..parts.header
                },
                TOPIC,
            ),
        ),
    ];
    let mut receiver = receiver();
    for (name, envelope) in attempts {
        let result = reader.open(&mut receiver, &live(name), &envelope);
        assert_eq!(result, Err(Rejection::Rejected));
    }
    assert!(reader.open(&mut receiver, &live(TOPIC), &genuine).is_ok());
}

/// The signature covers every byte of the body: flags, numbers, times, sequence, payload, padding.
#[test]
fn every_bit_of_the_body_is_signed() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let message = Outgoing {
        sent_at: Some(NOW),
        sequence: Some(3),
        padding: sealmq_core::wire::Padding::Bucket(64),
        ..plain()
    };
    let genuine = alice.seal(&mut group.session(9), &message, b"genuine");
    let parts = take_apart(&group.events, TOPIC, &genuine);
    let secrets = session_keys(&group.events, &parts.header.enc);
    let reader = Reader::new(&group, &[&alice]);
    let mut receiver = receiver();
    for byte in 0..parts.body.len() {
        for bit in 0..8 {
            let mut body = parts.body.clone();
            body[byte] ^= 1 << bit;
            let forged = put_together(&secrets, TOPIC, &parts.header, &body, &parts.signature);
            let mut buf = forged.clone();
            let rejection = reader
                .open_in(&mut receiver, &live(TOPIC), &mut buf)
                .unwrap_err();
            // Reasons may differ (another sender, another time); acceptance may not.
            assert!(
                rejection.may_wait() || buf.iter().all(|b| *b == 0),
                "{byte} {bit}"
            );
        }
    }
    assert_eq!(state(&receiver).len(), 1);
    let same = put_together(
        &secrets,
        TOPIC,
        &parts.header,
        &parts.body,
        &parts.signature,
    );
    assert_eq!(same, genuine);
    assert!(reader.open(&mut receiver, &live(TOPIC), &same).is_ok());
}

/// A body that only Alice could sign and no encoder of ours would write is refused all the same.
#[test]
fn signed_but_malformed_bodies_are_rejected() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let session = group.session(9);
    let header = Header {
        suite: group.suite,
        key_id: sealmq_core::KeyId::of(&group.events.name),
        enc: *session.enc(),
        mac: group.events.psk.mac(session.enc()),
        counter: 0,
    };
    let secrets = session_keys(&group.events, session.enc());
    let reader = Reader::new(&group, &[&alice]);
    let attempt = |body: &[u8], header: &Header| {
        let hash = alice.credential_hash();
        let signature = sign(&alice.key, &group.events, TOPIC, header, &hash, body);
        let envelope = put_together(&secrets, TOPIC, header, body, &signature);
        reader.open(&mut receiver(), &live(TOPIC), &envelope)
    };
    assert!(
        attempt(b"\x00\x07\x01\x09ok", &header).is_ok(),
        "the twin that is well-formed"
    );
    for body in [
        &b"\x80\x07\x01\x09ok"[..],
        b"\x00\x87\x00\x01\x09ok",
        b"\x00\x07\x01\x89\x00ok",
        b"\x10\x07\x01\x09\x02ok\x01",
        b"\x10\x07\x01\x09\x03ok",
        b"\x04\x07\x01\x09\x00ok",
        b"\x04\x07\x01\x09\x05\x02\0\0\0\x01ok",
        b"\x02\x07\x01\x09\x80\x80\x80\x01ok",
        b"\x00\x00\x01\x09ok",
        b"\x00\x07\x81\x09ok",
    ] {
        assert_eq!(attempt(body, &header), Err(Rejection::Rejected), "{body:?}");
    }
}

/// Threat model F2: whoever publishes on many topics pushes out its own marks, not those of others.
#[test]
fn many_topics_cost_their_own_sender_its_marks() {
    let group = Group::new(1, 1);
    let (alice, mallory) = (Member::new(7, &group), Member::new(8, &group));
    let reader = Reader::new(&group, &[&alice, &mallory]);
    fn on(name: &str) -> Outgoing<'_> {
        Outgoing {
            sequence: Some(1),
            ..Outgoing::new(topic(name))
        }
    }
    for places in [4, 16, 200] {
        let mut receiver = crate::world::receiver_of(4, places, 4);
        let names = ["plant/a", "plant/b"];
        // Hers are the oldest values of all.
        let values = names.map(|name| {
            let number = if name == "plant/a" { 9 } else { 10 };
            alice.keep(&mut group.keep_session(number), &on(name), 0, b"hers")
        });
        for (name, value) in names.iter().zip(&values) {
            reader.open(&mut receiver, &live(name), value).unwrap();
        }
        let mut session = group.keep_session(1 << 34);
        for i in 0..500 {
            let name = format!("plant/mallory/{i}");
            let envelope = mallory.keep(&mut session, &on(&name), 1 << 34, b"his");
            reader.open(&mut receiver, &live(&name), &envelope).unwrap();
        }
        assert_eq!(receiver.topic_count(), places);
        for (name, value) in names.iter().zip(&values) {
            let opened = reader.open(&mut receiver, &retained(name), value);
            assert!(opened.is_ok(), "{places} places, {name}: {opened:?}");
        }
        // What he pushed out stands for his topics alone: hers without a mark are as they were.
        let new = alice.keep(&mut group.keep_session(11), &on("plant/new"), 0, b"hers");
        let opened = reader.open(&mut receiver, &retained("plant/new"), &new);
        assert!(opened.is_ok(), "{places} places: {opened:?}");
    }
}
