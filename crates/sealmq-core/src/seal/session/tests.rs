use super::*;
use crate::crypto::{IdentityKey, KemKeyPair, SessionPsk, VerifyingKey};
use crate::ids::MemberNumber;
use crate::topic::Topic;

pub(in crate::seal) struct Me(VerifyingKey);

impl Membership for Me {
    fn group(&self) -> GroupId {
        GroupId([1; 16])
    }
    fn member(&self) -> MemberNumber {
        MemberNumber(7)
    }
    fn key(&self) -> &VerifyingKey {
        &self.0
    }
    fn credential_hash(&self) -> Digest {
        Digest([3; 32])
    }
    fn credential_serial(&self) -> u32 {
        1
    }
    fn may_publish(&self) -> bool {
        true
    }
    fn may_subscribe(&self) -> bool {
        false
    }
    fn covers(&self, topic: Topic<'_>) -> bool {
        topic.as_str() == "t"
    }
}

pub(in crate::seal) fn with_start(
    limits: SessionLimits,
    run: impl FnOnce(&SessionStart<'_>, &Publisher<'_, Me>),
) {
    let key = IdentityKey::from_seed(&Secret::new([4; 32]));
    let publisher = Publisher::new(&key, Me(key.verifying_key())).unwrap();
    let start = SessionStart {
        group: GroupId([1; 16]),
        announcement: &Digest([5; 32]),
        suite: Suite::One,
        group_key: &KemKeyPair::derive(&Secret::new([6; 32])).public(),
        psk: &SessionPsk::derive(&Secret::new([7; 32])),
        not_after: 10_000,
        limits,
        number: 1,
        seed: &Secret::new([8; 32]),
        now: Some(1_000_000),
    };
    run(&start, &publisher);
}

fn with_session(limits: SessionLimits, run: impl FnOnce(SenderSession, &Publisher<'_, Me>)) {
    with_start(limits, |start, publisher| {
        run(SenderSession::start(start).unwrap(), publisher);
    });
}

pub(in crate::seal) fn on(name: &str) -> Outgoing<'_> {
    Outgoing::new(Topic::new(name).unwrap())
}

fn seal(
    session: &mut SenderSession,
    publisher: &Publisher<'_, Me>,
    now: u64,
) -> Result<usize, SealError> {
    session.seal_into(publisher, &on("t"), Some(now), b"payload", &mut [0; 300])
}

#[test]
fn the_counter_stops_at_its_last_value() {
    let limits = SessionLimits {
        messages: u32::MAX,
        ..SessionLimits::default()
    };
    with_session(limits, |mut session, publisher| {
        session.counter = MAX_COUNTER - 1;
        for expected in [MAX_COUNTER - 1, MAX_COUNTER] {
            let mut out = [0; 300];
            let len = session
                .seal_into(publisher, &on("t"), None, b"", &mut out)
                .unwrap();
            assert_eq!(Header::parse(&out[..len]).unwrap().counter, expected);
        }
        for _ in 0..3 {
            let ended = Err(SealError::SessionEnded(EndReason::Counter));
            assert_eq!(seal(&mut session, publisher, 1_000_000), ended);
            assert_eq!(session.counter, MAX_COUNTER + 1);
        }
    });
}

#[test]
fn soft_limits() {
    let ended = |reason| Err(SealError::SessionEnded(reason));
    let limits = SessionLimits {
        messages: 3,
        bytes: 1 << 20,
        seconds: 60,
    };
    with_session(limits, |mut session, publisher| {
        for _ in 0..3 {
            assert!(seal(&mut session, publisher, 1_000_000).is_ok());
        }
        assert_eq!(
            seal(&mut session, publisher, 1_000_000),
            ended(EndReason::Messages)
        );
    });
    with_session(limits, |mut session, publisher| {
        assert!(seal(&mut session, publisher, 1_059_999).is_ok());
        assert_eq!(
            seal(&mut session, publisher, 1_060_000),
            ended(EndReason::Time)
        );
        assert!(
            seal(&mut session, publisher, 0).is_ok(),
            "a clock that was set back"
        );
    });
    with_session(
        SessionLimits {
            bytes: 100,
            ..limits
        },
        |mut session, publisher| {
            // 4 + 7 + 64 bytes each: the second one crosses the limit.
            assert!(seal(&mut session, publisher, 1_000_000).is_ok());
            assert!(seal(&mut session, publisher, 1_000_000).is_ok());
            assert_eq!(
                seal(&mut session, publisher, 1_000_000),
                ended(EndReason::Bytes)
            );
        },
    );
}

#[test]
fn nothing_is_sealed_after_the_keys_have_expired() {
    with_session(SessionLimits::default(), |mut session, publisher| {
        assert!(seal(&mut session, publisher, 10_000_999).is_ok());
        assert_eq!(
            seal(&mut session, publisher, 10_001_000),
            Err(SealError::KeysExpired)
        );
    });
}

#[test]
fn refusals_use_no_counter_and_leave_the_payload() {
    with_session(SessionLimits::default(), |mut session, publisher| {
        let message = on("t");
        let room = session.room(publisher, &message, 7).unwrap();
        let no_room = Err(SealError::Room {
            headroom: room.headroom,
            tailroom: room.tailroom,
        });
        let mut buf = [9; 300];
        let mut attempt = |message: &Outgoing<'_>, range: Range<usize>| {
            let before = buf;
            let result = session.seal_in_place(publisher, message, None, &mut buf, range);
            assert_eq!(result.is_err(), buf == before);
            assert_eq!(session.sealed(), u32::from(result.is_ok()));
            result
        };
        let (head, end) = (room.headroom, 300 - room.tailroom);
        assert_eq!(attempt(&message, head - 1..head + 6), no_room);
        assert_eq!(attempt(&message, end - 6..end + 1), no_room);
        assert_eq!(attempt(&message, 290..297), no_room);
        assert!(attempt(&message, 290..usize::MAX).is_err());
        let reversed = Range {
            start: 200,
            end: 100,
        };
        assert!(attempt(&message, reversed).is_err());
        assert_eq!(
            attempt(&on("u"), head..head + 7),
            Err(SealError::NotAllowed)
        );
        let late = Outgoing {
            sent_at: Some(1 << 42),
            ..message
        };
        assert!(matches!(attempt(&late, 100..107), Err(SealError::Field(_))));
        let long = Outgoing {
            credential: Some(&[0; 5000]),
            ..message
        };
        assert!(matches!(attempt(&long, 100..107), Err(SealError::Field(_))));
        assert_eq!(
            attempt(&message, head..head + 7),
            Ok(0..head + 7 + room.tailroom)
        );
    });
}

#[test]
fn the_longest_message_is_known() {
    with_session(SessionLimits::default(), |session, publisher| {
        let most = usize::try_from(MAX_PLAINTEXT_LEN).unwrap() - 64 - 4;
        assert!(session.room(publisher, &on("t"), most).is_ok());
        assert_eq!(
            session.room(publisher, &on("t"), most + 1),
            Err(SealError::TooLong)
        );
        assert_eq!(
            session.room(publisher, &on("t"), usize::MAX),
            Err(SealError::TooLong)
        );
    });
}

#[test]
fn a_copy_is_wiped_when_it_is_not_sealed() {
    with_session(SessionLimits::default(), |mut session, publisher| {
        let mut out = [0; 300];
        let result = session.seal_into(publisher, &on("u"), None, b"secret", &mut out);
        assert_eq!(result, Err(SealError::NotAllowed));
        assert_eq!(out, [0; 300]);
    });
}

#[test]
fn a_publisher_of_another_group_is_refused() {
    with_session(SessionLimits::default(), |mut session, publisher| {
        session.group = GroupId([2; 16]);
        assert_eq!(
            seal(&mut session, publisher, 1_000_000),
            Err(SealError::WrongGroup)
        );
    });
}

#[test]
fn bad_starts() {
    let (announcement, seed) = (Digest([5; 32]), Secret::new([8; 32]));
    let psk = SessionPsk::derive(&Secret::new([7; 32]));
    let group_key = KemKeyPair::derive(&Secret::new([6; 32])).public();
    let good = SessionStart {
        group: GroupId([1; 16]),
        announcement: &announcement,
        suite: Suite::One,
        group_key: &group_key,
        psk: &psk,
        not_after: 10,
        limits: SessionLimits::default(),
        number: MAX_SESSION_NUMBER,
        seed: &seed,
        now: Some(10_999),
    };
    let start = |start: SessionStart<'_>| SenderSession::start(&start).map(drop);
    assert_eq!(start(good), Ok(()));
    for number in [0, MAX_SESSION_NUMBER + 1] {
        assert_eq!(
            start(SessionStart { number, ..good }),
            Err(SealError::SessionNumber)
        );
    }
    let late = SessionStart {
        now: Some(11_000),
        ..good
    };
    assert_eq!(start(late), Err(SealError::KeysExpired));
    let weak = SessionStart {
        group_key: &KemPublicKey([0; 32]),
        ..good
    };
    assert_eq!(start(weak), Err(SealError::GroupKey));
}

#[test]
fn publishers_need_the_grant_and_the_key() {
    let (key, other) = ([4, 5])
        .map(|b| IdentityKey::from_seed(&Secret::new([b; 32])))
        .into();
    let result = Publisher::new(&other, Me(key.verifying_key())).map(drop);
    assert_eq!(result, Err(crate::seal::PublisherError::OtherKey));
    let result = crate::seal::Subscriber::new(Me(key.verifying_key())).map(drop);
    assert_eq!(result, Err(crate::seal::PublisherError::PublishOnly));
}
