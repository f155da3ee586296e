//! What is sealed opens again, whatever the options.

use crate::world::*;
use sealmq_core::seal::{Outgoing, TAILROOM, Value};
use sealmq_core::wire::{Padding, PropertiesBuilder, Property};

#[test]
fn every_combination_of_options() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let renewed = Member {
        serial: 2,
        ..Member::new(7, &group)
    };
    let mut buffer = [0; 64];
    let mut builder = PropertiesBuilder::new(&mut buffer);
    builder.push(Property::ContentType("text/plain")).unwrap();
    builder.push(Property::User("unit", "C")).unwrap();
    let properties = builder.finish().unwrap();
    let paddings = [Padding::None, Padding::Padme, Padding::Bucket(64)];

    let mut number = 0;
    for bits in 0..64 {
        for padding in paddings {
            let has = |bit: u32| bits & (1 << bit) != 0;
            let (retain, will) = (has(4), has(5));
            let sealer = if has(3) { &renewed } else { &alice };
            number += 1;
            let mut reader = Reader::new(&group, &[&alice]);
            reader.verifiable.push(&renewed);
            let credential = sealer.credential();
            let is_state = retain || will;
            let message = Outgoing {
                sent_at: (has(0) || will).then_some(NOW),
                sequence: has(1).then_some(5),
                properties: has(2).then_some(properties),
                credential: (has(3) || is_state).then_some(&credential[..]),
                padding,
                ..Outgoing::new(topic(TOPIC))
            };
            let (payload, now) = (b"21.5C", Some(NOW));
            let (publisher, mut out) = (sealer.publisher(), vec![0xaa; 4096]);
            let len = match (retain, will) {
                (false, false) => {
                    let mut session = group.session(number);
                    session.seal_into(&publisher, &message, now, payload, &mut out)
                }
                (true, false) => {
                    let mut session = group.keep_session(number);
                    let value = Value {
                        connection: number * 7,
                        credential: &credential,
                    };
                    session.seal_into(&publisher, &message, &value, now, payload, &mut out)
                }
                (_, true) => {
                    let session = group.keep_session(number);
                    session.seal_will_into(&publisher, &message, retain, now, payload, &mut out)
                }
            };
            let len = len.unwrap();
            let mut receiver = receiver();
            let opened = reader
                .open(&mut receiver, &live(TOPIC), &out[..len])
                .unwrap();
            assert_eq!(opened.payload, payload);
            assert_eq!(opened.sender, alice.number);
            assert_eq!(opened.session_number, number);
            assert_eq!(opened.counter, 0);
            assert_eq!(opened.sent_at, message.sent_at);
            assert_eq!(opened.sequence, message.sequence);
            assert_eq!(opened.retain, retain);
            assert_eq!(opened.will, will);
            assert_eq!(
                opened.properties.as_deref(),
                message.properties.map(|p| p.as_bytes())
            );
            // One that is known is not handed out again.
            let new = has(3).then_some(&credential[..]);
            assert_eq!(opened.credential.as_deref(), new);
            assert_eq!(opened.serial, if has(3) { 2 } else { 1 });
            if padding == Padding::Bucket(64) {
                // header, body, signature, tag
                assert_eq!((len - 46 - 80) % 64, 0);
            }
        }
    }
}

#[test]
fn in_place_gives_the_same_bytes_and_leaves_the_payload_where_it_stands() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let publisher = alice.publisher();
    for padding in [Padding::None, Padding::Padme, Padding::Bucket(100)] {
        for len in [0, 1, 15, 16, 17, 300, 5000] {
            let payload: Vec<_> = (0..len).map(|i| i as u8).collect();
            let message = Outgoing {
                sent_at: Some(NOW),
                padding,
                ..Outgoing::new(topic(TOPIC))
            };
            let (mut one, mut two) = (group.session(9), group.session(9));
            let copied = alice.seal(&mut one, &message, &payload);

            let room = two.room(&publisher, &message, len).unwrap();
            assert!(room.tailroom >= TAILROOM);
            let slack = 3;
            let start = room.headroom + slack;
            let mut buf = vec![0x55; start + len + room.tailroom + slack];
            buf[start..start + len].copy_from_slice(&payload);
            let range = two
                .seal_in_place(
                    &publisher,
                    &message,
                    Some(NOW),
                    &mut buf,
                    start..start + len,
                )
                .unwrap();
            assert_eq!(range, slack..buf.len() - slack);
            assert_eq!(&buf[range], &copied[..]);
            assert_eq!(
                (&buf[..slack], &buf[buf.len() - slack..]),
                (&[0x55; 3][..], &[0x55; 3][..])
            );

            let reader = Reader::new(&group, &[&alice]);
            let mut envelope = copied;
            let opened = reader
                .open_in(&mut receiver(), &live(TOPIC), &mut envelope)
                .unwrap();
            assert_eq!(opened.payload, payload);
            assert_eq!(&envelope[opened.range.clone()], &payload[..]);
            assert_eq!(opened.range.start, room.headroom);
        }
    }
}

#[test]
fn overhead_is_as_the_spec_says() {
    let group = Group::new(1, 1);
    let mut alice = Member::new(7, &group);
    let plain = Outgoing::new(topic(TOPIC));
    // The example of spec/envelope.md §2.
    let message = Outgoing {
        sent_at: Some(NOW),
        ..plain
    };
    let envelope = alice.seal(&mut group.session(NOW / 1000), &message, b"21.5C");
    assert_eq!(envelope.len(), 145);
    // The least: one-byte numbers and nothing else.
    assert_eq!(alice.seal(&mut group.session(1), &plain, b"").len(), 130);
    // The most without properties, credential and padding, but for the counter's 2 more bytes.
    alice.number.0 = (1 << 28) - 1;
    let message = Outgoing {
        sent_at: Some((1 << 42) - 1),
        sequence: Some((1 << 21) - 1),
        ..plain
    };
    let envelope = alice.seal(&mut group.session((1 << 35) - 1), &message, b"");
    assert_eq!(envelope.len(), 148 - 2);
    // A value has five more for its connection, and the credential with its length.
    let top = (1 << 35) - 1;
    let envelope = alice.keep(&mut group.keep_session(top), &message, top, b"");
    assert_eq!(envelope.len() - alice.credential().len() - 2, 153 - 2);
}
