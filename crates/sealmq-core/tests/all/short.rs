//! The short form (spec/envelope.md §12).

use sealmq_core::crypto::{SignatureContext, sha256};
use sealmq_core::open::{DecapsulationLimit, KeySlot, Receiver, Rejection};
use sealmq_core::replay::{SenderSlot, TopicSlot};
use sealmq_core::seal::{EndReason, FULL_EVERY, Membership, Outgoing, SealError, SenderSession};
use sealmq_core::wire::{Head, MAX_COUNTER, SessionTag, ShortHeader, Suite, Writer};

use crate::world::insider::{put_together, session_keys, sign, take_apart};
use crate::world::*;

/// A session whose record the broker has, and the record.
fn recorded(group: &Group, sender: &Member, number: u64) -> (SenderSession, Vec<u8>) {
    let seed = [&sender.number.0.to_be_bytes()[..], &number.to_be_bytes()].concat();
    let mut session = group.session_seeded(number, Default::default(), &seed);
    let record = sender.record(&mut session, group);
    assert!(!is_short(&sender.seal(&mut session, &short(), b"not yet")));
    session.record_published();
    assert!(session.has_record(&sender.publisher()));
    (session, record)
}

fn is_short(envelope: &[u8]) -> bool {
    matches!(Head::parse(envelope), Ok(Head::Short(_)))
}

fn tag_of(envelope: &[u8]) -> SessionTag {
    match Head::parse(envelope) {
        Ok(Head::Short(header)) => header.tag,
        other => panic!("{other:?}"),
    }
}

/// Any body under a session's keys, as the group's keys allow.
fn put_together_short(
    group: &Group,
    session: &SenderSession,
    header: &ShortHeader,
    body: &[u8],
    signature: &[u8],
) -> Vec<u8> {
    let secrets = session_keys(&group.events, session.enc());
    let mut head = [0; 12];
    let mut writer = Writer::new(&mut head);
    header.emit(&mut writer).unwrap();
    let head = writer.finish();
    let aad = [head, &topic(TOPIC).hash().0].concat();
    let mut text = [body, signature].concat();
    let nonce = secrets.nonce(header.counter.into());
    let tag = secrets.key.seal_in_place(&nonce, &aad, &mut text).unwrap();
    [head, &text, &tag].concat()
}

#[test]
fn at_most_a_hundred_bytes_around_a_payload() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let (mut session, record) = recorded(&group, &alice, 9);
    let reader = Reader::new(&group, &[&alice]);
    let mut receiver = receiver();
    assert_eq!(
        reader.record(&mut receiver, &alice, &record),
        Ok(alice.number)
    );
    let everything = Outgoing {
        sent_at: Some((1 << 31) + 8_999),
        sequence: Some((1 << 21) - 1),
        ..short()
    };
    for (message, most) in [(short(), 91), (everything, 98)] {
        for len in [0, 1, 64, 5000] {
            let payload = vec![5; len];
            let envelope = alice.seal(&mut session, &message, &payload);
            assert!(is_short(&envelope) && envelope.len() <= len + most);
            let request = sealmq_core::open::Request {
                now: None,
                ..live(TOPIC)
            };
            let opened = reader.open(&mut receiver, &request, &envelope).unwrap();
            assert_eq!((opened.sender, opened.session_number), (alice.number, 9));
            assert_eq!(
                (opened.payload, opened.sequence),
                (payload, message.sequence)
            );
            assert_eq!(opened.sent_at, message.sent_at);
            let message = Outgoing {
                short: false,
                ..message
            };
            let full = alice.seal(&mut session, &message, &[5; 64]);
            assert!(reader.open(&mut receiver, &request, &full).is_ok());
        }
    }
    // With the highest counter two bytes more: 100.
    let header = ShortHeader {
        suite: Suite::One,
        tag: SessionTag([0; 8]),
        counter: MAX_COUNTER,
    };
    assert_eq!(header.encoded_len() + 1 + 4 + 3 + 64 + 16, 100);
}

/// Four bytes say times within 24 days of the session's number; others take the full form.
#[test]
fn times_far_from_the_session_are_of_the_full_form() {
    const HALF: u64 = 1 << 31;
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let number = NOW / 1000;
    let (mut session, record) = recorded(&group, &alice, number);
    let reader = Reader::new(&group, &[&alice]);
    let mut receiver = receiver();
    reader.record(&mut receiver, &alice, &record).unwrap();
    let start = number * 1000;
    for (sent_at, is_sayable) in [
        (start - HALF - 1, false),
        (start - HALF, true),
        (start, true),
        (start + HALF - 1, true),
        (start + HALF, false),
    ] {
        let message = Outgoing {
            sent_at: Some(sent_at),
            ..short()
        };
        let envelope = alice.seal(&mut session, &message, b"");
        assert_eq!(is_short(&envelope), is_sayable, "{sent_at}");
        let request = sealmq_core::open::Request {
            now: None,
            ..live(TOPIC)
        };
        let opened = reader.open(&mut receiver, &request, &envelope).unwrap();
        assert_eq!(opened.sent_at, Some(sent_at));
    }
}

#[test]
fn who_lacks_the_record_waits_and_it_costs_nothing() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let (mut session, record) = recorded(&group, &alice, 9);
    let reader = Reader::new(&group, &[&alice]);
    let limit = DecapsulationLimit {
        burst: 1,
        per_second: 0,
        without_clock: 8,
    };
    let mut receiver: HostReceiver = Receiver::new(
        vec![SenderSlot::EMPTY; 8],
        vec![TopicSlot::EMPTY; 8],
        (0..8).map(|_| KeySlot::EMPTY).collect(),
        no_sessions(8),
        limit,
    );
    let sealed: Vec<_> = (0..3)
        .map(|_| alice.seal(&mut session, &short(), b"waits"))
        .collect();
    for _ in 0..100 {
        for envelope in &sealed {
            let mut buf = envelope.clone();
            let unknown = Rejection::UnknownSession {
                tag: tag_of(envelope),
            };
            assert_eq!(
                reader.open_in(&mut receiver, &live(TOPIC), &mut buf),
                Err(unknown)
            );
            assert!(unknown.may_wait() && buf == *envelope);
        }
    }
    let before = state(&receiver);
    for _ in 0..3 {
        // The one decapsulation is still there.
        assert!(reader.record(&mut receiver, &alice, &record).is_ok());
    }
    assert_eq!(state(&receiver), before, "a record is no message");
    for envelope in &sealed {
        assert!(reader.open(&mut receiver, &live(TOPIC), envelope).is_ok());
        let again = reader.open(&mut receiver, &live(TOPIC), envelope);
        let member = alice.number;
        assert_eq!(again.unwrap_err(), Rejection::Replay { member });
    }
    // A record that was seen before the reader forgot its sessions counts all the same.
    receiver.retain_epochs(|_| false);
    let next = alice.seal(&mut session, &short(), b"next");
    assert!(reader.open(&mut receiver, &live(TOPIC), &next).is_err());
    assert!(reader.record(&mut receiver, &alice, &record).is_ok());
    assert!(reader.open(&mut receiver, &live(TOPIC), &next).is_ok());
    receiver.retain_epochs(|_| false);
    assert_eq!(receiver.known_session_count(), 0);
}

#[test]
fn an_event_of_the_full_form_tells_of_its_session_as_well() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let (mut session, _) = recorded(&group, &alice, 9);
    let reader = Reader::new(&group, &[&alice]);
    let mut receiver = receiver();
    let full = alice.seal(&mut session, &plain(), b"full");
    let after = alice.seal(&mut session, &short(), b"short");
    assert!(reader.open(&mut receiver, &live(TOPIC), &full).is_ok());
    assert!(reader.open(&mut receiver, &live(TOPIC), &after).is_ok());
}

#[test]
fn every_flipped_bit_of_a_short_one_is_rejected() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let (mut session, record) = recorded(&group, &alice, 9);
    let reader = Reader::new(&group, &[&alice]);
    let mut receiver = receiver();
    reader.record(&mut receiver, &alice, &record).unwrap();
    let envelope = alice.seal(
        &mut session,
        &short(),
        b"payload that is long enough to be a full one",
    );
    let before = state(&receiver);
    for bit in 0..envelope.len() * 8 {
        let mut flipped = envelope.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let rejection = reader
            .open(&mut receiver, &live(TOPIC), &flipped)
            .unwrap_err();
        let expected = match bit / 8 {
            0 => matches!(
                flipped[0],
                0x11 | 0x90 | 0x93 | 0x95 | 0x99 | 0x81 | 0xb1 | 0xd1
            ),
            1..9 => {
                rejection
                    == Rejection::UnknownSession {
                        tag: tag_of(&flipped),
                    }
            }
            _ => matches!(rejection, Rejection::Rejected | Rejection::Malformed),
        };
        assert!(expected, "bit {bit}: {rejection}");
        assert!(!matches!(rejection, Rejection::Replay { .. }));
    }
    for name in ["plant/b/temp", "keys/g/1/s/7"] {
        let elsewhere = reader.open(&mut receiver, &live(name), &envelope);
        assert_eq!(elsewhere, Err(Rejection::Rejected));
    }
    let member = alice.number;
    let kept = reader.open(&mut receiver, &retained(TOPIC), &envelope);
    assert_eq!(kept, Err(Rejection::Replay { member }));
    assert_eq!(state(&receiver), before);
    assert!(reader.open(&mut receiver, &live(TOPIC), &envelope).is_ok());
}

#[test]
fn no_form_turns_into_the_other() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let (mut session, record) = recorded(&group, &alice, 9);
    let reader = Reader::new(&group, &[&alice]);
    let mut receiver = receiver();
    reader.record(&mut receiver, &alice, &record).unwrap();
    let one = alice.seal(&mut session, &short(), b"short");
    let full = take_apart(
        &group.events,
        TOPIC,
        &alice.seal(&mut session, &plain(), b"full"),
    );
    // Flags, sender, hint, and a session number of one byte stand before the payload.
    assert_eq!(full.body, [&[0, 7, 1, 9][..], b"full"].concat());
    let tag = tag_of(&one);
    let counter = full.header.counter;
    let header = ShortHeader {
        suite: Suite::One,
        tag,
        counter,
    };
    let shortened = [&full.body[..1], &full.body[4..]].concat();
    for body in [&shortened, &full.body] {
        let forged = put_together_short(&group, &session, &header, body, &full.signature);
        let opened = reader.open(&mut receiver, &live(TOPIC), &forged);
        assert_eq!(opened, Err(Rejection::Rejected));
    }
    // The signature of a short one covers the session's number, and says that it is short.
    let hash = alice.credential_hash();
    let signed = |form: u8, number: u64| {
        let name = topic(TOPIC).hash();
        let transcript = sha256(&[
            &[form],
            &group.events.name.0,
            session.enc(),
            &u64::from(counter).to_be_bytes(),
            &name.0,
            &hash.0,
            &number.to_be_bytes(),
            &(shortened.len() as u64).to_be_bytes(),
            &shortened,
        ]);
        alice.key.sign(SignatureContext::Message, &transcript)
    };
    for (form, number, ok) in [(0x81, 8, false), (1, 9, false), (0x81, 9, true)] {
        let signature = signed(form, number);
        let made = put_together_short(&group, &session, &header, &shortened, &signature);
        assert_eq!(reader.open(&mut receiver, &live(TOPIC), &made).is_ok(), ok);
        let secrets = session_keys(&group.events, session.enc());
        let full = put_together(&secrets, TOPIC, &full.header, &full.body, &signature);
        assert!(reader.open(&mut receiver, &live(TOPIC), &full).is_err());
    }
}

#[test]
fn state_and_credentials_are_never_short() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let (mut session, record) = recorded(&group, &alice, 9);
    let reader = Reader::new(&group, &[&alice]);
    let mut receiver = receiver();
    reader.record(&mut receiver, &alice, &record).unwrap();
    let tag = tag_of(&alice.seal(&mut session, &short(), b""));
    let credential = alice.credential();
    let with = Outgoing {
        credential: Some(&credential),
        ..short()
    };
    assert!(!is_short(&alice.seal(&mut session, &with, b"")));
    for flag in [0x08, 0x20, 0x40, 0x80] {
        let header = ShortHeader {
            suite: Suite::One,
            tag,
            counter: 100,
        };
        let body = [&[flag, 0, 1][..], b"c payload"].concat();
        let made = put_together_short(&group, &session, &header, &body, &[0; 64]);
        let opened = reader.open(&mut receiver, &live(TOPIC), &made);
        assert_eq!(opened, Err(Rejection::Rejected));
    }
}

/// A member with all the group's keys begins a session of its own with Alice's enc, and gets its
/// record to the reader before hers.
#[test]
fn nobody_takes_anothers_session_over() {
    let group = Group::new(1, 1);
    let (alice, mallory) = (Member::new(7, &group), Member::new(8, &group));
    let (mut session, record) = recorded(&group, &alice, 9);
    let parts = take_apart(&group.events, &record_topic(alice.number), &record);
    let reader = Reader::new(&group, &[&alice, &mallory]);
    let mut receiver = receiver();

    let secrets = session_keys(&group.events, session.enc());
    let name = record_topic(mallory.number);
    let body = [0, 8, 1, 99];
    let hash = mallory.credential_hash();
    let signature = sign(
        &mallory.key,
        &group.events,
        &name,
        &parts.header,
        &hash,
        &body,
    );
    let his = put_together(&secrets, &name, &parts.header, &body, &signature);
    assert_eq!(
        reader.record(&mut receiver, &mallory, &his),
        Ok(mallory.number)
    );
    // In her name he can make none, and hers does not count as his.
    let name = record_topic(alice.number);
    let signature = sign(
        &mallory.key,
        &group.events,
        &name,
        &parts.header,
        &hash,
        &[0, 7, 1, 99],
    );
    let forged = put_together(&secrets, &name, &parts.header, &[0, 7, 1, 99], &signature);
    for (sender, record) in [(&alice, &forged), (&alice, &his), (&mallory, &record)] {
        let refused = reader.record(&mut receiver, sender, record);
        assert_eq!(refused, Err(Rejection::Rejected));
    }
    assert_eq!(
        reader.record(&mut receiver, &alice, &record),
        Ok(alice.number)
    );
    let envelope = alice.seal(&mut session, &short(), b"hers");
    let opened = reader.open(&mut receiver, &live(TOPIC), &envelope).unwrap();
    assert_eq!((opened.sender, opened.session_number), (alice.number, 9));
}

#[test]
fn what_is_no_record_and_what_a_record_is_not() {
    let group = Group::new(1, 1);
    let alice = Member::new(7, &group);
    let (mut session, record) = recorded(&group, &alice, 9);
    let mut reader = Reader::new(&group, &[&alice]);
    let mut receiver = receiver();
    let before = state(&receiver);
    let message = alice.seal(&mut session, &short(), b"short");
    let anywhere = Member {
        group_filter: "#",
        publish_filter: "#",
        ..Member::new(7, &group)
    };
    let value = anywhere.value(&group, 10, &record_topic(alice.number));
    let full = alice.seal(&mut session, &plain(), b"full");
    for other in [&message, &value, &full] {
        let refused = reader.record(&mut receiver, &alice, other);
        assert_eq!(refused, Err(Rejection::Rejected));
    }
    for request in [live(TOPIC), retained(TOPIC)] {
        let refused = reader.open(&mut receiver, &request, &record);
        assert_eq!(refused, Err(Rejection::Rejected));
    }
    assert_eq!(
        (state(&receiver), receiver.known_session_count()),
        (before, 0)
    );
    // Without a credential of the sender the one inside counts, if it verifies.
    reader.members.clear();
    let waits = reader.record(&mut receiver, &alice, &record).unwrap_err();
    assert_eq!(waits.awaited_credential(), Some(alice.number));
    reader.verifiable = vec![&alice];
    assert!(reader.record(&mut receiver, &alice, &record).is_ok());
}

#[test]
fn a_session_has_one_credential_and_a_full_one_now_and_then() {
    let group = Group::new(1, 1);
    let mut alice = Member::new(7, &group);
    let (mut session, _) = recorded(&group, &alice, 9);
    let sealed: Vec<_> = (0..3 * FULL_EVERY)
        .map(|_| is_short(&alice.seal(&mut session, &short(), b"")))
        .collect();
    let full = sealed.iter().filter(|short| !**short).count();
    assert_eq!(full, 3);
    alice.serial = 2;
    assert!(!session.has_record(&alice.publisher()));
    assert!(!is_short(&alice.seal(&mut session, &short(), b"")));
    let record = sealmq_core::seal::SessionRecord {
        topic: topic("keys"),
        psk: &group.events.psk,
        credential: &alice.credential(),
        sent_at: None,
    };
    let sealed = session.seal_record_into(&alice.publisher(), &record, Some(NOW), &mut [0; 1000]);
    let ended = SealError::SessionEnded(EndReason::Credential);
    assert_eq!(sealed, Err(ended));
}

#[test]
fn keys_that_made_room_are_derived_again() {
    let group = Group::new(1, 1);
    let (alice, bob) = (Member::new(7, &group), Member::new(8, &group));
    let reader = Reader::new(&group, &[&alice, &bob]);
    let mut receiver = receiver_of(8, 8, 1);
    let mut sessions = [&alice, &bob].map(|sender| {
        let (session, record) = recorded(&group, sender, 9);
        reader.record(&mut receiver, sender, &record).unwrap();
        (sender, session)
    });
    for _ in 0..3 {
        for (sender, session) in &mut sessions {
            let envelope = sender.seal(session, &short(), b"turn");
            assert!(reader.open(&mut receiver, &live(TOPIC), &envelope).is_ok());
        }
    }
    assert_eq!(receiver.session_count(), 1);
}
