//! Envelopes that were altered on their way, by somebody without keys.

use crate::world::*;
use sealmq_core::open::{Missing, Rejection, Staleness};
use sealmq_core::seal::Outgoing;
use sealmq_core::wire::{Padding, SessionTag, Suite};
use sealmq_core::{KeyId, MemberNumber};

fn message() -> Outgoing<'static> {
    Outgoing {
        sent_at: Some(NOW),
        sequence: Some(1),
        ..Outgoing::new(topic(TOPIC))
    }
}

#[test]
fn every_flipped_bit_is_rejected_and_changes_nothing() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let mut session = group.session(9);
    every_flipped_bit(
        &group,
        [b"one", b"two"].map(|payload| alice.seal(&mut session, &message(), payload)),
    );
    let mut session = group.keep_session(9);
    every_flipped_bit(
        &group,
        [b"one", b"two"].map(|payload| alice.keep(&mut session, &message(), 8, payload)),
    );
}

fn every_flipped_bit(group: &Group, [first, second]: [Vec<u8>; 2]) {
    let alice = Member::new(7, group);
    let reader = Reader::new(group, &[&alice]);
    let mut receiver = receiver();
    reader.open(&mut receiver, &live(TOPIC), &first).unwrap();
    let before = state(&receiver);
    for byte in 0..second.len() {
        for bit in 0..8 {
            let mut flipped = second.clone();
            flipped[byte] ^= 1 << bit;
            let mut buf = flipped.clone();
            let rejection = reader
                .open_in(&mut receiver, &live(TOPIC), &mut buf)
                .unwrap_err();
            let expected = match byte {
                0 if flipped[0] == 0x12 => Rejection::Unsupported { form: 0x12 },
                0 if flipped[0] == 0x91 => Rejection::UnknownSession {
                    tag: SessionTag(flipped[1..9].try_into().unwrap()),
                },
                0 => Rejection::NotSealed,
                1..9 => {
                    let key_id = KeyId(flipped[1..9].try_into().unwrap());
                    assert_eq!(buf, flipped, "an envelope that may wait stays as it is");
                    Rejection::UnknownKey { key_id }
                }
                // A counter with its high bit set takes the next byte with it.
                45 if bit == 7 && rejection == Rejection::Malformed => Rejection::Malformed,
                _ => Rejection::Rejected,
            };
            assert_eq!(rejection, expected, "byte {byte} bit {bit}");
        }
    }
    assert_eq!(state(&receiver), before);
    assert!(reader.open(&mut receiver, &live(TOPIC), &second).is_ok());
}

#[test]
fn every_truncation_and_extension_is_rejected() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let padded = Outgoing {
        padding: Padding::Bucket(64),
        ..message()
    };
    for outgoing in [message(), padded] {
        let envelope = alice.seal(&mut group.session(9), &outgoing, b"payload");
        let reader = Reader::new(&group, &[&alice]);
        let mut receiver = receiver();
        for len in 0..envelope.len() {
            let rejection = reader
                .open(&mut receiver, &live(TOPIC), &envelope[..len])
                .unwrap_err();
            let expected = match len {
                0 => Rejection::NotSealed,
                1..130 => Rejection::Malformed,
                _ => Rejection::Rejected,
            };
            assert_eq!(rejection, expected, "length {len}");
        }
        let longer = [&envelope[..], &[0]].concat();
        assert_eq!(
            reader.open(&mut receiver, &live(TOPIC), &longer),
            Err(Rejection::Rejected)
        );
        assert_eq!(state(&receiver).len(), 1);
        assert!(reader.open(&mut receiver, &live(TOPIC), &envelope).is_ok());
    }
}

#[test]
fn a_message_stays_on_its_topic() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let topics = [
        "plant/a/temp",
        "plant/a/tempx",
        "plant/a",
        "plant/A/temp",
        "plant/a/temp/",
    ];
    for from in topics {
        let mut session = group.session(9);
        let envelope = alice.seal(&mut session, &Outgoing::new(topic(from)), b"payload");
        let reader = Reader::new(&group, &[&alice]);
        for to in topics {
            let result = reader.open(&mut receiver(), &live(to), &envelope);
            let expected = if from == to {
                None
            } else {
                Some(Rejection::Rejected)
            };
            assert_eq!(result.err(), expected, "{from} to {to}");
        }
    }
}

#[test]
fn a_message_stays_in_its_epoch_and_group() {
    let (group, next, other) = (Group::new(1, 1), Group::new(1, 2), Group::new(2, 1));
    let alice = Member::new(7, &group);
    let envelope = alice.seal(&mut group.session(9), &message(), b"payload");
    for wrong in [&next, &other] {
        let reader = Reader::new(wrong, &[&alice]);
        let key_id = KeyId::of(&group.events.name);
        let result = reader.open(&mut receiver(), &live(TOPIC), &envelope);
        assert_eq!(result, Err(Rejection::UnknownKey { key_id }));
        // With the other epoch's key id, it does not open there either.
        let mut moved = envelope.clone();
        moved[1..9].copy_from_slice(&KeyId::of(&wrong.events.name).0);
        assert_eq!(
            reader.open(&mut receiver(), &live(TOPIC), &moved),
            Err(Rejection::Rejected)
        );
    }
    // An announcement of the other suite under the same keys.
    let suite_two = Group {
        suite: Suite::Two,
        ..Group::new(1, 1)
    };
    let reader = Reader::new(&suite_two, &[&alice]);
    assert_eq!(
        reader.open(&mut receiver(), &live(TOPIC), &envelope),
        Err(Rejection::Rejected)
    );
    let two = alice.seal(&mut suite_two.session(9), &message(), b"payload");
    assert_eq!(
        reader.open(&mut receiver(), &live(TOPIC), &two),
        Err(Rejection::Unsupported { form: 0x12 })
    );
}

#[test]
fn plaintext_and_empty_payloads_are_not_sealed() {
    let group = Group::new(1, 1);
    let reader = Reader::new(&group, &[]);
    for payload in [&b""[..], b"21.5C", b"{\"t\":21.5}", &[0x21; 200], &[0; 200]] {
        let result = reader.open(&mut receiver(), &live(TOPIC), payload);
        assert_eq!(result, Err(Rejection::NotSealed));
    }
}

#[test]
fn low_order_session_keys_are_rejected() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let mut envelope = alice.seal(&mut group.session(9), &message(), b"payload");
    let reader = Reader::new(&group, &[&alice]);
    for low in [0_u8, 1] {
        envelope[9..41].fill(0);
        envelope[9] = low;
        let enc: [u8; 32] = envelope[9..41].try_into().unwrap();
        envelope[41..45].copy_from_slice(&group.events.psk.mac(&enc));
        assert_eq!(
            reader.open(&mut receiver(), &live(TOPIC), &envelope),
            Err(Rejection::Rejected)
        );
    }
}

#[test]
fn senders_are_judged_by_what_is_known_of_them() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let envelope = alice.seal(&mut group.session(9), &message(), b"payload");
    let member = alice.number;
    let unknown = |missing| Rejection::UnknownSender {
        group: group.id,
        member,
        missing,
    };
    let open = |reader: &Reader<'_>| {
        let mut receiver = receiver();
        let mut buf = envelope.clone();
        let rejection = reader
            .open_in(&mut receiver, &live(TOPIC), &mut buf)
            .unwrap_err();
        assert_eq!(state(&receiver).len(), 1, "nothing is recorded");
        if rejection.may_wait() {
            assert_eq!(buf, envelope, "it can be offered again");
        } else {
            assert!(buf.iter().all(|b| *b == 0), "the plaintext is wiped");
        }
        rejection
    };

    let nobody = Reader::new(&group, &[]);
    assert_eq!(open(&nobody), unknown(Missing::Credential));
    let no_list = Reader {
        list_missing: true,
        ..Reader::new(&group, &[&alice])
    };
    assert_eq!(open(&no_list), unknown(Missing::RefusedList));
    for lowest in [2, u32::MAX] {
        let refused = Reader {
            refused: vec![(member, lowest)],
            ..Reader::new(&group, &[&alice])
        };
        assert_eq!(open(&refused), Rejection::Revoked { member });
    }
    let read_only = Member {
        publish: false,
        ..Member::new(7, &group)
    };
    assert_eq!(
        open(&Reader::new(&group, &[&read_only])),
        Rejection::NotAllowed { member }
    );
    for (issued_at, not_after) in [(NOW / 1000 + 301, u64::MAX), (0, NOW / 1000 - 1)] {
        let old = Member {
            issued_at,
            not_after,
            ..Member::new(7, &group)
        };
        let expected = Rejection::Stale(Staleness::Credential);
        assert_eq!(open(&Reader::new(&group, &[&old])), expected);
    }
    // The right number with another key, or with another credential of the same key.
    let other_key = Member {
        number: MemberNumber(7),
        ..Member::new(8, &group)
    };
    let mut reader = Reader::new(&group, &[&other_key]);
    assert_eq!(open(&reader), Rejection::Rejected);
    let other_request = Member {
        issued_at: 0,
        publish_filter: "#",
        ..Member::new(7, &group)
    };
    reader = Reader::new(&group, &[&other_request]);
    assert_eq!(open(&reader), Rejection::Rejected);
    // A credential newer or older than the one known, as the hint tells.
    for (serial, expected) in [
        (0, unknown(Missing::Credential)),
        (2, Rejection::Revoked { member }),
        (64, Rejection::Revoked { member }),
        (66, unknown(Missing::Credential)),
    ] {
        let other = Member {
            serial,
            ..Member::new(7, &group)
        };
        assert_eq!(
            open(&Reader::new(&group, &[&other])),
            expected,
            "serial {serial}"
        );
    }
    // Its own.
    let request = sealmq_core::open::Request {
        drop_own: Some(member),
        ..live(TOPIC)
    };
    let result = Reader::new(&group, &[&alice]).open(&mut receiver(), &request, &envelope);
    assert_eq!(result, Err(Rejection::Own));
    // And with everything right.
    assert!(
        Reader::new(&group, &[&alice])
            .open(&mut receiver(), &live(TOPIC), &envelope)
            .is_ok()
    );
}

#[test]
fn a_grant_narrows_what_readers_accept() {
    let group = Group::new(1, 1);
    let wide = Member::new(7, &group);
    let narrow = Member {
        publish_filter: "plant/%c/#",
        ..Member::new(7, &group)
    };
    let reader = Reader::new(&group, &[&narrow]);
    let sealed = |member: &Member, name| {
        member.seal(
            &mut group.session(9),
            &Outgoing::new(topic(name)),
            b"payload",
        )
    };
    let own = sealed(&narrow, "plant/member7/temp");
    assert!(
        reader
            .open(&mut receiver(), &live("plant/member7/temp"), &own)
            .is_ok()
    );
    // A device whose software does not check its own grant.
    let foreign = sealed(&wide, "plant/member8/temp");
    let result = reader.open(&mut receiver(), &live("plant/member8/temp"), &foreign);
    assert_eq!(
        result,
        Err(Rejection::NotAllowed {
            member: wide.number
        })
    );
    // The sender's side refuses as well.
    let mut out = [0; 500];
    let outgoing = Outgoing::new(topic("plant/member8/temp"));
    let result =
        group
            .session(9)
            .seal_into(&narrow.publisher(), &outgoing, Some(NOW), b"x", &mut out);
    assert_eq!(result, Err(sealmq_core::seal::SealError::NotAllowed));
}

#[test]
fn times_are_checked_against_the_policy() {
    let mut group = Group::new(1, 1);
    group.policy.freshness = 60;
    let alice = Member {
        issued_at: 0,
        not_after: u64::MAX,
        ..Member::new(7, &group)
    };
    let envelope = alice.seal(&mut group.session(9), &message(), b"payload");
    let reader = Reader::new(&group, &[&alice]);
    let at = |now| {
        reader.open(
            &mut receiver(),
            &sealmq_core::open::Request { now, ..live(TOPIC) },
            &envelope,
        )
    };
    let stale = |why| Err(Rejection::Stale(why));
    assert!(at(Some(NOW + 360_000)).is_ok());
    assert_eq!(at(Some(NOW + 360_001)), stale(Staleness::Old));
    assert_eq!(at(Some(NOW - 300_001)), stale(Staleness::Future));
    let last = group.not_after + 3600 + 300;
    assert_eq!(at(Some((last + 1) * 1000)), stale(Staleness::Keys));
    assert!(at(None).is_ok(), "a reader without a clock cannot judge");
}
