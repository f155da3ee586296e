use super::*;
use crate::seal::session::tests::{Me, on, with_start};
use crate::seal::{EndReason, SessionLimits};
use crate::wire::{BodyError, Header, MAX_SESSION_NUMBER};

const CREDENTIAL: &[u8] = b"credential";

fn value(connection: u64) -> Value<'static> {
    Value {
        connection,
        credential: CREDENTIAL,
    }
}

fn with_session(limits: SessionLimits, run: impl FnOnce(StateSession, &Publisher<'_, Me>)) {
    with_start(limits, |start, publisher| {
        run(StateSession::start(start).unwrap(), publisher);
    });
}

fn seal_will(
    session: StateSession,
    publisher: &Publisher<'_, Me>,
    message: &Outgoing<'_>,
) -> Result<usize, SealError> {
    session.seal_will_into(publisher, message, true, None, b"gone", &mut [0; 300])
}

#[test]
fn wills_need_a_time_a_credential_and_a_session_of_their_own() {
    let timed = Outgoing {
        sent_at: Some(1),
        ..on("t")
    };
    let good = Outgoing {
        credential: Some(CREDENTIAL),
        ..timed
    };
    let timeless = Outgoing {
        sent_at: None,
        ..good
    };
    let no_credential = SealError::Field(BodyError::Flags);
    for (message, expected) in [
        (good, None),
        (timeless, Some(SealError::WillNeedsTime)),
        (timed, Some(no_credential)),
        (
            Outgoing {
                topic: on("u").topic,
                ..good
            },
            Some(SealError::NotAllowed),
        ),
    ] {
        with_session(SessionLimits::default(), |session, publisher| {
            assert_eq!(seal_will(session, publisher, &message).err(), expected);
        });
    }
    with_session(SessionLimits::default(), |mut session, publisher| {
        let mut out = [0; 300];
        let sealed = session.seal_into(publisher, &on("t"), &value(0), None, b"", &mut out);
        assert!(sealed.is_ok());
        let result = seal_will(session, publisher, &good);
        assert_eq!(result, Err(SealError::WillNeedsOwnSession));
    });
}

#[test]
fn a_value_has_its_credential_and_its_connection() {
    with_session(SessionLimits::default(), |mut session, publisher| {
        // The value's credential, whatever stands in the message.
        let message = Outgoing {
            credential: Some(&[0; 5000]),
            ..on("t")
        };
        for connection in [0, 1, MAX_SESSION_NUMBER] {
            let (payload, mut out) = (b"payload", [0; 300]);
            let room = session.room(publisher, &message, &value(connection), payload.len());
            let len = session
                .seal_into(
                    publisher,
                    &message,
                    &value(connection),
                    None,
                    payload,
                    &mut out,
                )
                .unwrap();
            let room = room.unwrap();
            assert_eq!(len, room.headroom + payload.len() + room.tailroom);
        }
        let sealed = session.sealed();
        let attempts = [
            (
                value(MAX_SESSION_NUMBER + 1),
                SealError::Field(BodyError::Range),
            ),
            (
                Value {
                    credential: &[0; 4097],
                    ..value(0)
                },
                SealError::Field(BodyError::Range),
            ),
        ];
        for (value, error) in attempts {
            let mut out = [0; 6000];
            let result = session.seal_into(publisher, &message, &value, None, b"", &mut out);
            assert_eq!(result, Err(error));
            let room = session.room(publisher, &message, &value, 0).map(drop);
            assert_eq!(room, Err(error));
        }
        assert_eq!(session.sealed(), sealed, "no counter was used up");
    });
}

#[test]
fn in_place_is_the_same() {
    with_session(SessionLimits::default(), |mut one, publisher| {
        with_session(SessionLimits::default(), |mut two, _| {
            let (message, value, mut copied) = (on("t"), value(9), [0; 300]);
            let len = one
                .seal_into(publisher, &message, &value, None, b"payload", &mut copied)
                .unwrap();
            let room = two.room(publisher, &message, &value, 7).unwrap();
            let mut buf = [0; 300];
            let payload = room.headroom + 5..room.headroom + 12;
            buf[payload.clone()].copy_from_slice(b"payload");
            let range = two
                .seal_in_place(publisher, &message, &value, None, &mut buf, payload)
                .unwrap();
            assert_eq!(buf[range], copied[..len]);
        });
    });
}

#[test]
fn it_has_the_limits_of_every_session() {
    let limits = SessionLimits {
        messages: 2,
        ..SessionLimits::default()
    };
    with_session(limits, |mut session, publisher| {
        let mut seal = |now| {
            let mut out = [0; 300];
            let sealed =
                session.seal_into(publisher, &on("t"), &value(0), now, b"payload", &mut out);
            sealed.map(|len| Header::parse(&out[..len]).unwrap().counter)
        };
        assert_eq!(seal(Some(10_001_000)), Err(SealError::KeysExpired));
        assert_eq!([seal(None), seal(None)], [Ok(0), Ok(1)]);
        let ended = SealError::SessionEnded(EndReason::Messages);
        assert_eq!(seal(None), Err(ended));
    });
}
