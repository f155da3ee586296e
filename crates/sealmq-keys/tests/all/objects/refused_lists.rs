//! Refused lists (spec/keys.md §7).

use sealmq_core::crypto::{Digest, sha256};
use sealmq_keys::objects::{Lowest, MAX_REFUSED_RUN, RefusedChunk};

use super::*;

fn refusals(records: &[(u32, u32)]) -> Vec<Refusal> {
    let refusals = records.iter().map(|(member, lowest_serial)| Refusal {
        member: MemberNumber(*member),
        lowest_serial: *lowest_serial,
    });
    refusals.collect()
}

fn encoded(records: &[(u32, u32)]) -> Vec<u8> {
    let refusals = refusals(records);
    refusals.iter().flat_map(Refusal::encode).collect()
}

fn sign(records: &[(u32, u32)]) -> Result<Vec<u8>, ObjectError> {
    let mut out = vec![0; 70_000];
    RefusedList::sign(
        domain(),
        1,
        0,
        Sim::group(),
        &refusals(records),
        &signer(1),
        &mut out,
    )
    .map(|(bytes, _)| bytes.to_vec())
}

fn sign_chunks(chunks: &[(u32, Digest)]) -> Result<Vec<u8>, ObjectError> {
    let mut out = vec![0; 70_000];
    let chunks: Vec<RefusedChunk> = chunks
        .iter()
        .map(|(first, hash)| RefusedChunk {
            first: MemberNumber(*first),
            end: MemberNumber(0),
            hash: *hash,
        })
        .collect();
    RefusedList::sign_chunks(domain(), 1, 0, Sim::group(), &chunks, &signer(1), &mut out)
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
        assert_eq!(list.run().unwrap().iter().count(), count);
        for member in 0..310 {
            let expected = records[..count]
                .iter()
                .find(|(m, _)| *m == member)
                .map_or(0, |(_, s)| *s);
            let found = list.lowest_serial(MemberNumber(member));
            assert_eq!(found, Lowest::Serial(expected));
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
        let accepts = list.run().unwrap().accepts(MemberNumber(member), serial);
        assert_eq!(accepts, accepted, "{member} {serial}");
    }
}

#[test]
fn long_lists_say_where_the_record_is() {
    let parts = [&[(5, REMOVED), (99, 4)][..], &[(120, 2)], &[(400, REMOVED)]];
    let parts = parts.map(encoded);
    let hash = |n: usize| sha256(&[&parts[n]]);
    let bytes = sign_chunks(&[(2, hash(0)), (100, hash(1)), (400, hash(2))]).unwrap();
    only_itself(&bytes, verify);
    let list = RefusedList::verify(&bytes, &authorities(1)).unwrap();
    assert!(list.run().is_none());
    for (member, chunk) in [
        (1, None),
        (2, Some(0)),
        (99, Some(0)),
        (100, Some(1)),
        (399, Some(1)),
        (400, Some(2)),
        ((1 << 28) - 1, Some(2)),
    ] {
        match (list.lowest_serial(MemberNumber(member)), chunk) {
            (Lowest::Serial(0), None) => {}
            (Lowest::InChunk(found), Some(at)) => {
                assert_eq!(found.hash, hash(at), "{member}");
                assert!(found.run(&parts[at]).is_ok());
                let other = found.run(&parts[(at + 1) % 3]).map(|_| ());
                assert_eq!(other, Err(ObjectError::Serial));
            }
            other => panic!("{member}: {other:?}"),
        }
    }
    // Records outside of the chunk's bounds, though they are what the list names.
    let bytes = sign_chunks(&[(6, hash(0)), (100, hash(1))]).unwrap();
    let list = RefusedList::verify(&bytes, &authorities(1)).unwrap();
    let chunks: Vec<RefusedChunk> = list.chunks().collect();
    let field = Err(ObjectError::Field("entries"));
    assert_eq!(chunks[0].run(&parts[0]).map(|_| ()), field);
    let bytes = sign_chunks(&[(5, hash(0)), (99, hash(1))]).unwrap();
    let list = RefusedList::verify(&bytes, &authorities(1)).unwrap();
    let chunk = list.chunks().next().unwrap();
    assert_eq!(chunk.run(&parts[0]).map(|_| ()), field);

    let field = Err(ObjectError::Field("chunks"));
    for bad in [
        &[(1, hash(0))][..],
        &[(0, hash(0)), (1, hash(1))],
        &[(7, hash(0)), (7, hash(1))],
        &[(7, hash(0)), (6, hash(1))],
        &[(7, hash(0)), (1 << 28, hash(1))],
    ] {
        assert_eq!(sign_chunks(bad).map(|_| ()), field, "{bad:?}");
    }
    // Some 1,800 chunks of 1,027 records.
    let many: Vec<(u32, Digest)> = (1..=1900).map(|n| (n * 100_000, hash(0))).collect();
    let error = sign_chunks(&many).map(|_| ());
    assert_eq!(error, Err(ObjectError::TooLarge));
    assert!(sign_chunks(&many[..1810]).is_ok());
}

#[test]
fn structure() {
    only_itself(&sign(&[(1, 2), (7, REMOVED)]).unwrap(), verify);
    let field = Err(ObjectError::Field("entries"));
    let raw_list = |entries: &[u8], chunks: &[u8]| {
        let body = (domain(), 1_u32, 0_u8, Sim::group(), entries, chunks);
        verify(&raw(Kind::RefusedList, &body, &signer(1)))
    };
    for bad in [
        &[][..],
        &[(2, 1), (1, 1)],
        &[(2, 1), (2, 2)],
        &[(0, 1)],
        &[(1 << 28, 1)],
    ] {
        assert_eq!(sign(bad).map(|_| ()), field, "{bad:?}");
        assert_eq!(raw_list(&encoded(bad), &[]), field, "{bad:?}");
    }
    assert_eq!(raw_list(&[0, 0, 0, 1, 0, 0, 0], &[]), field);
    let entry = encoded(&[(1, 1)]);
    let chunks: Vec<u8> = [1, 2]
        .iter()
        .flat_map(|n| [&[*n][..], &[9; 32]].concat())
        .collect();
    assert_eq!(raw_list(&[], &chunks), Ok(()));
    assert_eq!(raw_list(&entry, &chunks), field, "one or the other");
    let with = |domain: DomainId, serial: u32, signer_index: u8| {
        let none: &[u8] = &[];
        let body = (domain, serial, signer_index, Sim::group(), &entry[..], none);
        verify(&raw(Kind::RefusedList, &body, &signer(1)))
    };
    assert_eq!(with(domain(), 1, 0), Ok(()));
    assert_eq!(with(DomainId([1; 16]), 1, 0), Err(ObjectError::Domain));
    assert_eq!(with(domain(), 2, 0), Err(ObjectError::Role));
    assert_eq!(with(domain(), 1, 1), Err(ObjectError::Role));
    let many: Vec<(u32, u32)> = (1..9000).map(|member| (member, 1)).collect();
    assert_eq!(sign(&many[..MAX_REFUSED_RUN + 1]).map(|_| ()), field);
    assert!(sign(&many[..MAX_REFUSED_RUN]).is_ok());
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
