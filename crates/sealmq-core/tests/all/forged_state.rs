//! Members who hold all keys of the group and make state of events, or state of somebody else.

use crate::world::insider::{put_together, session_keys, sign, take_apart};
use crate::world::*;
use sealmq_core::open::Rejection;
use sealmq_core::seal::{Membership, Value};
use sealmq_core::wire::{Header, MAX_COUNTER};

/// threat model A44: all keys of the group do not make state of an event, or an event of state, even by
/// the hand of the sender.
#[test]
fn state_and_events_open_under_their_own_keys_only() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let reader = Reader::new(&group, &[&alice]);
    let (events, state_keys) = (&group.events, &group.kept);
    let event_session = group.session(9);
    let state_session = group.keep_session(9);
    let header = |keys: &Keys, enc: &[u8; 32], counter| Header {
        suite: group.suite,
        key_id: sealmq_core::KeyId::of(&keys.name),
        enc: *enc,
        mac: keys.psk.mac(enc),
        counter,
    };
    let attempt = |keys: &Keys, header: &Header, body: &[u8], retained_delivery: bool| {
        let hash = alice.credential_hash();
        let signature = sign(&alice.key, keys, TOPIC, header, &hash, body);
        let secrets = session_keys(keys, &header.enc);
        let envelope = put_together(&secrets, TOPIC, header, body, &signature);
        let request = match retained_delivery {
            true => retained(TOPIC),
            false => live(TOPIC),
        };
        let mut receiver = receiver();
        let result = reader.open(&mut receiver, &request, &envelope);
        assert_eq!(state(&receiver).len() > 1, result.is_ok());
        result.map(|message| message.payload)
    };
    let credential = alice.credential();
    let len = [credential.len() as u8 | 0x80, (credential.len() >> 7) as u8];
    let sent_at = b"\x80\x88\xfa\xbf\xa7\x33";
    let event = [&b"\x01\x07\x01\x09"[..], sent_at, b"ok"].concat();
    let with_flags = |flags: u8, connection: &[u8]| {
        let parts = [
            &[flags, 7, 1, 9],
            &sent_at[..],
            connection,
            &len,
            &credential,
            b"ok",
        ];
        parts.concat()
    };
    let event_with_credential = with_flags(0x09, b"");
    let value = with_flags(0x29, b"\x00");
    let passing = with_flags(0x49, b"");
    let will = with_flags(0x69, b"");
    let (event_enc, state_enc) = (event_session.enc(), state_session.enc());
    for body in [&event, &event_with_credential, &value, &passing, &will] {
        let is_state = ![&event, &event_with_credential].contains(&body);
        for retained_delivery in [false, true] {
            for (keys, enc) in [(events, event_enc), (state_keys, state_enc)] {
                let result = attempt(keys, &header(keys, enc, 0), body, retained_delivery);
                let fits = is_state == std::ptr::eq(keys, state_keys);
                let replay = Rejection::Replay {
                    member: alice.number,
                };
                let expected = match (fits, retained_delivery) {
                    (false, _) => Err(Rejection::Rejected),
                    (true, true) if body[0] & 0x20 == 0 => Err(replay),
                    _ => Ok(b"ok".to_vec()),
                };
                assert_eq!(result, expected, "{:02x} {retained_delivery}", body[0]);
            }
        }
    }
    // A session of one kind under the other's name.
    for (keys, enc) in [(state_keys, event_enc), (events, state_enc)] {
        let header = header(keys, enc, 0);
        let envelope = put_together(
            &session_keys(
                if std::ptr::eq(keys, events) {
                    state_keys
                } else {
                    events
                },
                enc,
            ),
            TOPIC,
            &header,
            &event,
            &[0; 64],
        );
        let result = reader.open(&mut receiver(), &live(TOPIC), &envelope);
        assert_eq!(result, Err(Rejection::Rejected));
    }
    // A will that is not the first message of its session; a value may be.
    let second = header(state_keys, state_enc, 1);
    for retained_delivery in [false, true] {
        for body in [&passing, &will] {
            let result = attempt(state_keys, &second, body, retained_delivery);
            assert_eq!(result, Err(Rejection::Rejected));
        }
        assert!(attempt(state_keys, &second, &value, retained_delivery).is_ok());
    }
    // State without its credential, and a value without its connection.
    let bare = [&b"\x21\x07\x01\x09"[..], sent_at, b"\x00ok"].concat();
    for body in [bare, with_flags(0x29, b"")] {
        let result = attempt(state_keys, &header(state_keys, state_enc, 0), &body, false);
        assert!(result.is_err());
    }
}

/// Every reader can encrypt under kept keys; a value or a will is its signer's all the same.
#[test]
fn forged_state_moves_no_mark() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let mallory = Member {
        serial: 3,
        ..Member::new(8, &group)
    };
    let mut session = group.keep_session(9);
    let [first, second] = [(); 2].map(|()| alice.keep(&mut session, &plain(), 0, b"genuine"));
    let reader = Reader::new(&group, &[&alice, &mallory]);
    let mut receiver = receiver();
    reader.open(&mut receiver, &live(TOPIC), &first).unwrap();
    let before = state(&receiver);
    let parts = take_apart(&group.kept, TOPIC, &second);
    let secrets = session_keys(&group.kept, session.enc());
    for counter in [1, 2, MAX_COUNTER] {
        let header = Header {
            counter,
            ..parts.header
        };
        for byte in [1, 3, 4, 5, 40, parts.body.len() - 1] {
            let mut body = parts.body.clone();
            body[byte] ^= 1;
            for hash in [alice.credential_hash(), mallory.credential_hash()] {
                let signature = sign(&mallory.key, &group.kept, TOPIC, &header, &hash, &body);
                let forged = put_together(&secrets, TOPIC, &header, &body, &signature);
                for request in [live(TOPIC), retained(TOPIC)] {
                    let mut buf = forged.clone();
                    let rejection = reader.open_in(&mut receiver, &request, &mut buf);
                    let rejection = rejection.unwrap_err();
                    assert!(rejection.may_wait() || buf.iter().all(|b| *b == 0));
                }
            }
        }
    }
    assert_eq!(state(&receiver), before);
    // His own value with her credential inside, and hers with his.
    for (signer, inside) in [(&mallory, &alice), (&alice, &mallory)] {
        let (mut out, credential) = (vec![0; 1000], inside.credential());
        let value = Value {
            connection: 0,
            credential: &credential,
        };
        let mut own = group.keep_session_seeded(50, &[signer.number.0 as u8]);
        let len = own
            .seal_into(&signer.publisher(), &plain(), &value, None, b"x", &mut out)
            .unwrap();
        let reader = Reader {
            verifiable: vec![&alice, &mallory],
            older: vec![&alice, &mallory],
            ..Reader::new(&group, &[&alice, &mallory])
        };
        let result = reader.open(&mut receiver, &live(TOPIC), &out[..len]);
        assert_eq!(result, Err(Rejection::Rejected));
    }
    // What is no credential at all, or another one with the numbers of hers.
    let other = Member {
        publish_filter: "plant/a/#",
        ..Member::new(7, &group)
    };
    let cut = alice.credential().split_off(1);
    let mut long = alice.credential();
    long.insert(100, 0);
    for inside in [b"none".to_vec(), cut, long, other.credential()] {
        let mut out = vec![0; 1000];
        let value = Value {
            connection: 0,
            credential: &inside,
        };
        for signer in [&alice, &other] {
            let mut own = group.keep_session_seeded(50, b"other");
            let len = own
                .seal_into(&signer.publisher(), &plain(), &value, None, b"x", &mut out)
                .unwrap();
            let reader = Reader {
                verifiable: vec![&other],
                older: vec![&other],
                ..Reader::new(&group, &[&alice])
            };
            let result = reader.open(&mut receiver, &live(TOPIC), &out[..len]);
            assert_eq!(result, Err(Rejection::Rejected));
        }
    }
    assert_eq!(state(&receiver), before);
    assert!(reader.open(&mut receiver, &live(TOPIC), &second).is_ok());
}

/// Numbers start at 1. A sender that signs a session number of 0 leaves nothing behind that no
/// store takes back, or that counts twice.
#[test]
fn session_number_zero_leaves_nothing_broken() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let renewed = Member {
        serial: 2,
        ..Member::new(7, &group)
    };
    let credential = renewed.credential();
    let len = [credential.len() as u8 | 0x80, (credential.len() >> 7) as u8];
    let sent_at = b"\x80\x88\xfa\xbf\xa7\x33";
    let with = |flags: u8, rest: &[u8]| [&[flags, 7, 2, 0], rest, &len, &credential, b"x"].concat();
    for (keys, body) in [
        (&group.events, b"\x00\x07\x02\x00x".to_vec()),
        (&group.kept, with(0x28, b"\x00")),
        (&group.kept, with(0x49, sent_at)),
        (&group.kept, with(0x69, sent_at)),
    ] {
        let mut receiver = receiver_of(2, 2, 4);
        let event = alice.seal(&mut group.session(9), &plain(), b"x");
        let reader = Reader::new(&group, &[&alice]);
        reader.open(&mut receiver, &live(TOPIC), &event).unwrap();
        let reader = Reader::new(&group, &[&renewed]);
        let enc = match std::ptr::eq(keys, &group.events) {
            true => *group.session(10).enc(),
            false => *group.keep_session(10).enc(),
        };
        let header = Header {
            suite: group.suite,
            key_id: sealmq_core::KeyId::of(&keys.name),
            enc,
            mac: keys.psk.mac(&enc),
            counter: 0,
        };
        let hash = renewed.credential_hash();
        let signature = sign(&renewed.key, keys, TOPIC, &header, &hash, &body);
        let secrets = session_keys(keys, &enc);
        let zero = put_together(&secrets, TOPIC, &header, &body, &signature);
        let opened = reader.open(&mut receiver, &live(TOPIC), &zero);
        assert_eq!(opened, Err(Rejection::Rejected), "{:02x}", body[0]);
        let mut stored = Stored::new();
        save(&mut receiver, &mut stored);
        let mut after = receiver_of(2, 2, 4);
        load(&mut after, &stored);
        assert!(reader.open(&mut after, &live(TOPIC), &zero).is_err());
    }
}
