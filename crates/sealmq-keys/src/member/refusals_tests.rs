use alloc::vec;

use super::*;
use sealmq_core::crypto::IdentityKey;

const DOMAIN: DomainId = DomainId([1; 16]);
const GROUP: GroupId = GroupId([2; 16]);

/// A list of these chunks, with its bytes by first member.
fn list(parts: &[(u32, &[u32])]) -> (Named, Vec<u8>, Vec<Vec<u8>>) {
    let bytes: Vec<Vec<u8>> = parts
        .iter()
        .map(|(_, members)| {
            let records = members.iter().map(|member| Refusal {
                member: MemberNumber(*member),
                lowest_serial: crate::refused::REMOVED,
            });
            records.flat_map(|one| one.encode()).collect()
        })
        .collect();
    let chunks: Vec<RefusedChunk> = parts
        .iter()
        .zip(&bytes)
        .map(|((first, _), bytes)| RefusedChunk {
            first: MemberNumber(*first),
            end: MemberNumber(0),
            hash: sha256(&[bytes]),
        })
        .collect();
    let key = IdentityKey::from_seed(&sealmq_core::crypto::Secret::new([7; 32]));
    let mut out = vec![0; 70_000];
    let (object, hash) =
        RefusedList::sign_chunks(DOMAIN, 1, 0, GROUP, &chunks, &key, &mut out).unwrap();
    ((DOMAIN, GROUP, hash), object.to_vec(), bytes)
}

fn fetch(refusals: &mut Refusals) -> Vec<u32> {
    let firsts = refusals.fetch_due(Some(1_000));
    firsts.into_iter().map(|first| first.0).collect()
}

fn offer(refusals: &mut Refusals, first: u32, bytes: &[u8]) -> Option<Result<(), ObjectError>> {
    refusals.offer(&GROUP, MemberNumber(first), bytes, &mut Changes::new())
}

#[test]
fn only_the_chunk_of_a_sender_is_fetched_and_nothing_is_decided_without_it() {
    let (named, object, bytes) = list(&[(1, &[5, 9]), (100, &[150]), (300, &[300, 301])]);
    let mut refusals = Refusals::default();
    let mut changes = Changes::new();
    refusals.settle(Some(named), &mut changes);
    let serial = |refusals: &Refusals, member| refusals.lowest_serial(MemberNumber(member));
    assert_eq!(serial(&refusals, 150), None, "no list yet");
    assert!(refusals.take_missing(Some(named), &object, &mut changes));
    assert_eq!(serial(&refusals, 150), None, "no chunk yet");
    assert_eq!(fetch(&mut refusals), []);
    refusals.want(MemberNumber(150));
    refusals.want(MemberNumber(299));
    assert_eq!(fetch(&mut refusals), [100]);
    assert_eq!(fetch(&mut refusals), [], "asked for once");
    assert_eq!(offer(&mut refusals, 1, &bytes[0]), None, "nobody asked");
    let wrong = Some(Err(ObjectError::Serial));
    assert_eq!(offer(&mut refusals, 100, &bytes[0]), wrong);
    assert_eq!(serial(&refusals, 150), None);
    assert_eq!(offer(&mut refusals, 100, &bytes[1]), Some(Ok(())));
    assert_eq!(serial(&refusals, 150), Some(u32::MAX));
    assert_eq!(serial(&refusals, 151), Some(0));
    assert_eq!(serial(&refusals, 9), None);
    assert_eq!(refusals.take_ended(), [MemberNumber(100)]);

    // Another list: what stayed the same is still there, what took the place of a chunk that was
    // here is fetched.
    let (next, object, bytes) = list(&[(1, &[5]), (100, &[150]), (200, &[201]), (300, &[300])]);
    refusals.keep_list(next.2, &object);
    refusals.settle(Some(next), &mut changes);
    assert_eq!(serial(&refusals, 150), Some(u32::MAX));
    assert_eq!(fetch(&mut refusals), []);
    let (last, object, _) = list(&[(1, &[5]), (100, &[150, 151]), (300, &[300])]);
    refusals.keep_list(last.2, &object);
    refusals.settle(Some(last), &mut changes);
    assert_eq!(serial(&refusals, 150), None);
    assert_eq!(fetch(&mut refusals), [100]);
    assert_eq!(
        offer(&mut refusals, 100, &bytes[1]),
        Some(Err(ObjectError::Serial))
    );
}

#[test]
fn what_is_stored_is_there_again() {
    let (named, object, bytes) = list(&[(1, &[5, 9]), (100, &[150])]);
    let mut refusals = Refusals::default();
    refusals.settle(Some(named), &mut Changes::new());
    refusals.take_missing(Some(named), &object, &mut Changes::new());
    refusals.load_chunk(&bytes[0]);
    refusals.load_chunk(b"of another list");
    assert_eq!(refusals.lowest_serial(MemberNumber(9)), Some(u32::MAX));
    assert_eq!(refusals.lowest_serial(MemberNumber(150)), None);
}

#[test]
fn lists_and_fetches_are_bounded() {
    let mut refusals = Refusals::default();
    for i in 0..=MAX_LISTS {
        refusals.keep_list(Digest([i as u8; 32]), &[i as u8]);
        refusals.keep_list(Digest([i as u8; 32]), &[i as u8]);
    }
    let kept: Vec<u8> = refusals.waiting.iter().map(|(_, bytes)| bytes[0]).collect();
    assert_eq!(kept, [1, 2, 3, 4]);

    let members: Vec<[u32; 1]> = (1..=600).map(|member| [member]).collect();
    let parts: Vec<(u32, &[u32])> = members.iter().map(|m| (m[0], &m[..])).collect();
    let (named, object, bytes) = list(&parts);
    let mut refusals = Refusals::default();
    refusals.settle(Some(named), &mut Changes::new());
    refusals.take_missing(Some(named), &object, &mut Changes::new());
    for member in 1..=600 {
        refusals.want(MemberNumber(member));
    }
    let mut fetched = 0;
    loop {
        let firsts = fetch(&mut refusals);
        assert!(refusals.fetched().count() <= MAX_FETCHED);
        if firsts.is_empty() {
            break;
        }
        for first in firsts {
            fetched += 1;
            let bytes = &bytes[first as usize - 1];
            assert_eq!(offer(&mut refusals, first, bytes), Some(Ok(())));
        }
    }
    assert_eq!(fetched, 600);
    assert_eq!(refusals.chunks.len(), MAX_KEPT);
}
