use super::*;
use alloc::string::ToString;
use alloc::vec;

const KEY: [u8; 32] = [7; 32];

fn steps() -> Vec<What<'static>> {
    vec![
        What::Delegation {
            serial: 1,
            hash: Digest([1; 32]),
        },
        What::Enrolled {
            member: MemberNumber(1),
            key: KEY,
            name: "boiler-7",
        },
        What::Signed {
            topic: "_sealmq/x/m/1/credential",
            hash: Digest([2; 32]),
        },
        What::Generation {
            group: GroupId([3; 16]),
            number: 2,
            epoch: 300,
        },
        What::Removed {
            member: MemberNumber(1),
        },
        What::Resumed {
            serial: 2,
            log_size: 5,
            log_head: Digest([4; 32]),
        },
    ]
}

fn log(steps: &[What<'_>]) -> (AuditLog, Vec<Vec<u8>>) {
    let mut log = AuditLog::EMPTY;
    // Times that go back are no fault.
    let times = (0..=1000).rev();
    let entries = times.zip(steps).map(|(at, what)| {
        let key = format!("audit/{:020}", log.size);
        let appended = log.append(at, *what).unwrap();
        assert_eq!(appended.key, key);
        appended.bytes
    });
    let entries = entries.collect();
    (log, entries)
}

fn slices(entries: &[Vec<u8>]) -> impl Iterator<Item = &[u8]> {
    entries.iter().map(Vec::as_slice)
}

#[test]
fn the_encoding_is_that_of_the_spec() {
    let (log, entries) = log(&steps()[..2]);
    assert_eq!(
        entries[0],
        [&[0; 32][..], &[0xe8, 0x07, 3, 1], &[1; 32]].concat()
    );
    let head = sha256(&[b"sealmq/1 audit", &entries[0]]);
    assert_eq!(
        entries[1],
        [&head.0[..], &[0xe7, 0x07, 1, 1], &KEY, b"\x08boiler-7"].concat()
    );
    assert_eq!(log.size, 2);
    assert_eq!(log.head, AuditLog::head_after(&entries[1]));
    assert_eq!(log.to_string().parse(), Ok(log));
    for bad in ["", "2", "2:00", "x:00"] {
        assert!(bad.parse::<AuditLog>().is_err());
    }
}

#[test]
fn a_log_verifies_and_every_change_is_found() {
    let (own, entries) = log(&steps());
    assert_eq!(AuditLog::verify(slices(&entries)), Ok(own));
    assert_eq!(AuditLog::verify([]), Ok(AuditLog::EMPTY));
    for i in 0..entries.len() {
        for byte in 0..entries[i].len() {
            let mut altered = entries.clone();
            altered[i][byte] ^= 1;
            // In the last entry only the head tells, unless it no longer decodes.
            match AuditLog::verify(slices(&altered)) {
                Ok(log) => assert!(i == entries.len() - 1 && log.head != own.head),
                Err(e) => assert!(e.index == i as u64 || e.index == i as u64 + 1, "{e}"),
            }
        }
        let mut without = entries.clone();
        without.remove(i);
        let found = AuditLog::verify(slices(&without));
        if i < entries.len() - 1 {
            let why = AuditFault::Chain;
            let index = i as u64;
            assert_eq!(found, Err(AuditError { index, why }));
        } else {
            assert_ne!(found, Ok(own));
        }
        let mut twice = entries.clone();
        twice.insert(i, entries[i].clone());
        assert!(AuditLog::verify(slices(&twice)).is_err());
    }
}

#[test]
fn entries_that_are_not_canonical_are_refused() {
    let (_, entries) = log(&steps());
    let mut overlong = entries[0].clone();
    // 1000 = e8 07, here as three bytes.
    overlong.splice(32..34, [0xe8, 0x87, 0x00]);
    let mut trailing = entries[0].clone();
    trailing.push(0);
    let mut unknown = entries[0].clone();
    unknown[34] = 6;
    for bad in [&overlong[..], &trailing, &unknown, &[]] {
        assert_eq!(Entry::decode(bad), Err(AuditFault::Encoding));
    }
    let mut log = AuditLog::EMPTY;
    let long = "x".repeat(MAX_AUDIT_ENTRY_LEN);
    for topic in ["", "a\u{1b}[2J", &long] {
        let hash = Digest::ZERO;
        assert!(log.append(1, What::Signed { topic, hash }).is_err());
    }
    assert_eq!(log, AuditLog::EMPTY);
}

#[test]
fn a_continuation_is_told_from_older_and_other_logs() {
    let (full, entries) = log(&steps());
    let (own, _) = log(&steps()[..3]);
    let continued = own.continued_by(slices(&entries)).unwrap();
    assert_eq!(continued.log, full);
    assert_eq!(continued.new.len(), 3);
    let member = MemberNumber(1);
    assert_eq!(continued.new[1].what, What::Removed { member });
    assert_eq!(full.continued_by(slices(&entries)).unwrap().new, []);
    assert_eq!(
        AuditLog::EMPTY
            .continued_by(slices(&entries))
            .unwrap()
            .new
            .len(),
        6
    );

    let older = full.continued_by(slices(&entries[..4]));
    let why = AuditFault::Shorter;
    assert_eq!(older, Err(AuditError { index: 4, why }));
    // The same chain rules, another past.
    let mut steps = steps();
    steps[1] = What::Removed { member };
    let (_, others) = log(&steps);
    let why = AuditFault::Other;
    let error = AuditError { index: 2, why };
    assert_eq!(own.continued_by(slices(&others)), Err(error));
    assert!(error.to_string().starts_with("entry 2 differs"));
}
