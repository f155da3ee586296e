use super::*;

const PLAIN: BodyPrefix<'_> = BodyPrefix {
    sender: MemberNumber(7),
    hint: 1,
    session_number: 1_762_949_760,
    sent_at: None,
    sequence: None,
    credential: None,
    properties: None,
    retain: false,
    will: false,
    connection: 0,
    payload_len: None,
    short: false,
};

fn emit(prefix: &BodyPrefix<'_>, rest: &[u8]) -> Vec<u8> {
    let mut out = vec![0; prefix.encoded_len().unwrap()];
    let mut writer = Writer::new(&mut out);
    prefix.emit(&mut writer).unwrap();
    assert_eq!(writer.position(), out.len());
    out.extend_from_slice(rest);
    out
}

#[test]
fn all_flag_combinations() {
    let properties = PropertyList::parse(b"\x01\x01\x03\x00\x01x").unwrap();
    for flags in 0..0x80_u8 {
        let has = |flag: u8| flags & flag != 0;
        let prefix = BodyPrefix {
            sent_at: has(flags::SENT_AT).then_some(MAX_SENT_AT),
            sequence: has(flags::SEQUENCE).then_some((1 << 21) - 1),
            credential: has(flags::CREDENTIAL).then_some(b"credential"),
            properties: has(flags::PROPERTIES).then_some(properties),
            retain: has(flags::RETAIN),
            will: has(flags::WILL),
            // Written in values only.
            connection: MAX_SESSION_NUMBER,
            payload_len: has(flags::PADDED).then_some(3),
            ..PLAIN
        };
        let rest = if has(flags::PADDED) {
            &b"abc\0\0"[..]
        } else {
            b"abc"
        };
        let is_state = has(flags::RETAIN) || has(flags::WILL);
        if is_state && !has(flags::CREDENTIAL) {
            assert_eq!(prefix.encoded_len(), Err(BodyError::Flags), "{flags:02x}");
            let mut out = [0; 100];
            prefix.emit(&mut Writer::new(&mut out)).unwrap();
            assert_eq!(
                BodyFields::parse(&out),
                Err(BodyError::Flags),
                "{flags:02x}"
            );
            continue;
        }
        let body = emit(&prefix, rest);
        let fields = BodyFields::parse(&body).unwrap();
        assert_eq!(fields.flags, flags);
        assert_eq!(fields.is_state(), is_state);
        assert_eq!(fields.sender, prefix.sender);
        assert_eq!(fields.hint, prefix.hint);
        assert_eq!(fields.session_number, prefix.session_number);
        assert_eq!(fields.sent_at, prefix.sent_at);
        assert_eq!(fields.sequence, prefix.sequence);
        let is_value = has(flags::RETAIN) && !has(flags::WILL);
        assert_eq!(fields.connection, is_value.then_some(MAX_SESSION_NUMBER));
        assert_eq!(fields.credential.map(|r| &body[r]), prefix.credential);
        assert_eq!(
            fields.properties.map(|r| &body[r]),
            prefix.properties.map(|p| p.as_bytes())
        );
        assert_eq!(&body[fields.payload], b"abc");
    }
}

#[test]
fn the_connection_has_the_range_of_session_numbers() {
    let value = |connection| BodyPrefix {
        retain: true,
        credential: Some(b"c"),
        connection,
        ..PLAIN
    };
    for (connection, len) in [(0, 1), (127, 1), (128, 2), (MAX_SESSION_NUMBER, 5)] {
        let body = emit(&value(connection), b"");
        let fields = BodyFields::parse(&body).unwrap();
        assert_eq!(fields.connection, Some(connection));
        // It stands before the credential.
        assert_eq!(fields.credential, Some(8 + len + 1..8 + len + 2));
    }
    let bad = value(MAX_SESSION_NUMBER + 1);
    assert_eq!(bad.encoded_len(), Err(BodyError::Range));
    let mut out = [0; 50];
    bad.emit(&mut Writer::new(&mut out)).unwrap();
    assert_eq!(BodyFields::parse(&out), Err(BodyError::Range));
    // Overlong, and none where a will's flag says that there is none.
    let overlong = b"\x28\x01\x01\x01\x80\x00\x01c";
    assert_eq!(BodyFields::parse(overlong), Err(BodyError::Truncated));
    let will = BodyFields::parse(b"\x68\x01\x01\x01\x01c").unwrap();
    assert_eq!((will.connection, will.credential), (None, Some(5..6)));
}

#[test]
fn bounds_on_both_sides() {
    let number = (1_u64 << 35) - 1;
    assert!(
        BodyFields::parse(&emit(
            &BodyPrefix {
                session_number: number,
                ..PLAIN
            },
            b""
        ))
        .is_ok()
    );
    for bad in [
        BodyPrefix {
            session_number: number + 1,
            ..PLAIN
        },
        BodyPrefix {
            sender: MemberNumber(1 << 28),
            ..PLAIN
        },
        BodyPrefix { hint: 128, ..PLAIN },
        BodyPrefix {
            sent_at: Some(1 << 42),
            ..PLAIN
        },
        BodyPrefix {
            sequence: Some(1 << 21),
            ..PLAIN
        },
        BodyPrefix {
            credential: Some(&[0; 4097]),
            ..PLAIN
        },
    ] {
        assert_eq!(bad.encoded_len(), Err(BodyError::Range));
        let mut out = [0; 5000];
        let mut writer = Writer::new(&mut out);
        bad.emit(&mut writer).unwrap();
        assert_eq!(BodyFields::parse(&out), Err(BodyError::Range));
    }
    let expiry = PropertyList::parse(b"\x02\0\0\0\x01").unwrap();
    let bad = BodyPrefix {
        properties: Some(expiry),
        ..PLAIN
    };
    assert_eq!(bad.encoded_len(), Err(BodyError::Flags));
    let good = BodyPrefix {
        properties: Some(expiry),
        sent_at: Some(1),
        ..PLAIN
    };
    let fields = BodyFields::parse(&emit(&good, b"")).unwrap();
    assert_eq!(fields.message_expiry, Some(1));
}

#[test]
fn what_no_reader_takes_is_not_written() {
    for sender in [0, MemberNumber::MAX.0 + 1] {
        let sender = MemberNumber(sender);
        assert_eq!(
            BodyPrefix { sender, ..PLAIN }.encoded_len(),
            Err(BodyError::Range)
        );
    }
}

#[test]
fn bad_bodies() {
    for (body, error) in [
        (&b""[..], BodyError::Truncated),
        (b"\x80\x01\x01\x01", BodyError::Flags),
        (b"\x00\x81\x00\x01\x01", BodyError::Truncated),
        (b"\x00\x01\x01", BodyError::Truncated),
        (b"\x00\x00\x01\x01", BodyError::Range),
        (b"\x10\x01\x01\x01\x03ab", BodyError::Truncated),
        (b"\x10\x01\x01\x01\x02ab\0\x01", BodyError::Padding),
        (b"\x08\x01\x01\x01\x03ab", BodyError::Truncated),
        (
            b"\x04\x01\x01\x01\x00",
            BodyError::Properties(PropertiesError::Length),
        ),
        (b"\x04\x01\x01\x01\x05\x02\0\0\0\x01", BodyError::Flags),
        (b"\x20\x01\x01\x01\x00", BodyError::Flags),
        (b"\x40\x01\x01\x01", BodyError::Flags),
        (b"\x28\x01\x01\x01", BodyError::Truncated),
        (b"\x28\x01\x01\x01\x00", BodyError::Truncated),
    ] {
        assert_eq!(BodyFields::parse(body), Err(error), "{body:?}");
    }
    assert!(BodyFields::parse(b"\x10\x01\x01\x01\x02ab\0\0").is_ok());
    assert!(BodyFields::parse(b"\x00\x01\x01\x01").is_ok());
}

#[test]
fn the_hint_orders_serials_around_the_known_one() {
    for known in [1_u32, 63, 64, 127, 128, 200, 1000] {
        assert_eq!(credential_age(hint_of(known), known), CredentialAge::Known);
        for ahead in 1..64 {
            let newer = credential_age(hint_of(known + ahead), known);
            assert_eq!(newer, CredentialAge::Newer);
        }
        for behind in 1..=64.min(known) {
            let older = credential_age(hint_of(known - behind), known);
            assert_eq!(older, CredentialAge::Older);
        }
    }
}
