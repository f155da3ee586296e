//! Refused lists (spec/keys.md §5).

use super::*;

fn sign(refusals: &[(u32, u32)]) -> Result<Vec<u8>, ObjectError> {
    let refusals: Vec<Refusal> = refusals
        .iter()
        .map(|(member, lowest_serial)| Refusal {
            member: MemberNumber(*member),
            lowest_serial: *lowest_serial,
        })
        .collect();
    let mut out = vec![0; 70_000];
    RefusedList::sign(
        domain(),
        1,
        0,
        Sim::group(),
        &refusals,
        &signer(1),
        &mut out,
    )
    .map(|(bytes, _)| bytes.to_vec())
}

fn verify(bytes: &[u8]) -> Result<(), ObjectError> {
    RefusedList::verify(bytes, &authorities(1)).map(|_| ())
}

#[test]
fn lookup() {
    let records: Vec<(u32, u32)> = (1..=100).map(|i| (i * 3, i)).collect();
    for count in [1, 2, 3, 8, 99, 100] {
        let bytes = sign(&records[..count]).unwrap();
        let list = RefusedList::verify(&bytes, &authorities(1)).unwrap();
        assert_eq!(list.iter().count(), count);
        for member in 0..310 {
            let expected = records[..count]
                .iter()
                .find(|(m, _)| *m == member)
                .map(|(_, s)| *s);
            assert_eq!(list.lowest_serial(MemberNumber(member)), expected);
        }
    }
    let bytes = sign(&[(5, 3), (9, REMOVED)]).unwrap();
    let list = RefusedList::verify(&bytes, &authorities(1)).unwrap();
    for (member, serial, accepted) in [
        (5, 2, false),
        (5, 3, true),
        (9, 0, false),
        (9, REMOVED, false),
        (7, 0, true),
    ] {
        assert_eq!(
            list.accepts(MemberNumber(member), serial),
            accepted,
            "{member} {serial}"
        );
    }
}

#[test]
fn structure() {
    only_itself(&sign(&[(1, 2), (7, REMOVED)]).unwrap(), verify);
    let field = Err(ObjectError::Field("entries"));
    for bad in [
        &[][..],
        &[(2, 1), (1, 1)],
        &[(2, 1), (2, 2)],
        &[(0, 1)],
        &[(1 << 28, 1)],
    ] {
        assert_eq!(sign(bad).map(|_| ()), field, "{bad:?}");
        let entries: Vec<u8> = bad
            .iter()
            .flat_map(|(m, s)| [m.to_be_bytes(), s.to_be_bytes()].concat())
            .collect();
        let body = (domain(), 1_u32, 0_u8, Sim::group(), entries.as_slice());
        assert_eq!(
            verify(&raw(Kind::RefusedList, &body, &signer(1))),
            field,
            "{bad:?}"
        );
    }
    let body = (
        domain(),
        1_u32,
        0_u8,
        Sim::group(),
        &[0, 0, 0, 1, 0, 0, 0][..],
    );
    assert_eq!(verify(&raw(Kind::RefusedList, &body, &signer(1))), field);
    let entry = [0, 0, 0, 1, 0, 0, 0, 1];
    let with = |domain: DomainId, serial: u32, signer_index: u8| {
        let body = (domain, serial, signer_index, Sim::group(), &entry[..]);
        verify(&raw(Kind::RefusedList, &body, &signer(1)))
    };
    assert_eq!(with(domain(), 1, 0), Ok(()));
    assert_eq!(with(DomainId([1; 16]), 1, 0), Err(ObjectError::Domain));
    assert_eq!(with(domain(), 2, 0), Err(ObjectError::Role));
    assert_eq!(with(domain(), 1, 1), Err(ObjectError::Role));
    let many: Vec<(u32, u32)> = (1..9000).map(|member| (member, 1)).collect();
    assert_eq!(sign(&many).map(|_| ()), Err(ObjectError::TooLarge));
    assert!(sign(&many[..8000]).is_ok());
}

#[test]
fn the_named_list_and_no_other() {
    let bytes = sign(&[(1, 2)]).unwrap();
    let hash = *RefusedList::verify(&bytes, &authorities(1)).unwrap().hash();
    let group = Sim::group();
    let named = |bytes: &[u8], domain: DomainId, group, hash| {
        RefusedList::named(bytes, &domain, &group, &hash).map(|_| ())
    };
    assert_eq!(named(&bytes, domain(), group, hash), Ok(()));
    let other = sign(&[(1, 1)]).unwrap();
    assert_eq!(
        named(&other, domain(), group, hash),
        Err(ObjectError::Serial)
    );
    assert_eq!(
        named(&bytes, DomainId([1; 16]), group, hash),
        Err(ObjectError::Domain)
    );
    let wrong = Err(ObjectError::Field("group"));
    assert_eq!(named(&bytes, domain(), GroupId([1; 16]), hash), wrong);
    for bit in 0..(bytes.len() - 64) * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(named(&bad, domain(), group, hash).is_err());
    }
}
