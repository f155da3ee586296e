use super::*;
use crate::crypto::ENC_LEN;

/// Whoever changes these bytes gives the record a new kind, or the member's store a new version.
#[test]
fn records_are_encoded_as_ever() {
    let order = CredentialOrder {
        delegation: 1,
        credential: 2,
    };
    let (group, member) = (GroupId([3; 16]), MemberNumber(4));
    let mut sender = SenderRecord::<2>::new(group, member);
    (sender.serial, sender.floor) = (Some(order), 5);
    sender.will = Some((order, 6));
    let place = Place {
        credential: order,
        connection: 7,
        will: true,
        number: 8,
        counter: 9,
    };
    sender.forgotten = Some(place);
    sender.recent[0] = Some(Held::new(Recent {
        number: 9,
        enc: [10; ENC_LEN],
        window: Window::from_parts(11, [1, 0]).unwrap(),
        is_older: false,
    }));
    let topic = TopicRecord {
        group,
        member,
        topic: [5; 16],
        mark: Some(place),
        sequence: None,
    };
    let floors = Floors {
        delegation: 1,
        session: 2,
        will: 3,
        state: Some(place.floor()),
    };
    sender.before = floors;
    let of_sender = ["03".repeat(16), "00000004".into()].concat();
    let (serial, u64_of) = ("0000000100000002", |n: u8| format!("{n:016x}"));
    let first = [
        u64_of(9),
        "0a".repeat(32),
        "0000000b".into(),
        u64_of(1),
        u64_of(0),
    ]
    .concat();
    let floor = ["0100000001", &u64_of(7), "01", &u64_of(8), "00000009"].concat();
    let of_floors = ["00000001", &u64_of(2), &u64_of(3), &floor].concat();
    let empty = "00".repeat((RECENT_SESSIONS - 1) * (8 + 32 + 4 + 16));
    let mut with_older = sender.clone();
    with_older.older = (
        CredentialOrder {
            delegation: 1,
            credential: 1,
        },
        4,
    );
    let mut older = sender.recent[0].clone().unwrap();
    (older.number, older.is_older) = (10, true);
    with_older.recent[1] = Some(older);
    let mut bytes = [0; Record::<2>::MAX_LEN];
    let len = Record::Sender(with_older.clone())
        .encode(&mut bytes)
        .unwrap();
    assert_eq!(
        bytes[..18],
        [
            &[11, 0, 0, 0, 1, 0, 0, 0, 1][..],
            &4_u64.to_be_bytes(),
            &[1]
        ]
        .concat()
    );
    assert_eq!(
        Record::decode(&bytes[..len]),
        Ok(Record::Sender(with_older))
    );
    assert_eq!(Record::<2>::decode(&bytes[..len - 1]), Err(RecordError));
    for own in [0, 2, 3, 5] {
        bytes[17] = own;
        assert_eq!(
            Record::<2>::decode(&bytes[..len]),
            Err(RecordError),
            "{own}"
        );
    }
    let kept = [
        (Record::Floors(floors), ["08", &of_floors].concat()),
        (
            Record::Sender(sender),
            [
                "09",
                &of_sender,
                "01",
                serial,
                &u64_of(5),
                "01",
                serial,
                &u64_of(6),
                "00000002",
                &floor,
                &of_floors,
                &first,
                &empty,
            ]
            .concat(),
        ),
        (
            Record::Topic(topic),
            ["0a", &of_sender, &"05".repeat(16), "00000002", &floor].concat(),
        ),
    ];
    for (record, expected) in kept {
        let mut out = [0; Record::<2>::MAX_LEN];
        let len = record.encode(&mut out).unwrap();
        assert_eq!(hex::encode(&out[..len]), expected);
    }
}
