//! Every field rule of announcements (spec/keys.md §5), one fault at a time.

use crate::sim::faults::{chain_rules, only_itself, overlong, raw_around};
use crate::sim::{PREFIX, Sim, authorities, secret, signer};
use sealmq_core::DomainId;
use sealmq_core::crypto::{Digest, KemPublicKey};
use sealmq_core::object::{Kind, List, ObjectError, encode};
use sealmq_keys::*;

fn verify(bytes: &[u8]) -> Result<(), ObjectError> {
    Announcement::verify(bytes, &authorities(1), PREFIX).map(|_| ())
}

fn good() -> Vec<u8> {
    let mut sim = Sim::new(4);
    sim.rotate();
    sim.bytes(1).to_vec()
}

/// A head with a change and raw covers, signed without a look at them.
fn resigned<'a>(change: impl FnOnce(&mut Head<'a>), covers: &[u8]) -> Vec<u8> {
    let good: &'static [u8] = good().leak();
    let mut head: Head<'a> = *Announcement::verify(good, &authorities(1), PREFIX)
        .unwrap()
        .head();
    change(&mut head);
    raw_around(Kind::Announcement, &head, &covers, &signer(1))
}

fn inline(entries: &[u8]) -> Vec<u8> {
    let mut len = [0; 5];
    let len = encode(&u32::try_from(entries.len()).unwrap(), &mut len).unwrap();
    [&[0], &*len, entries].concat()
}

fn entries(nodes: &[u32]) -> Vec<u8> {
    nodes
        .iter()
        .flat_map(|node| [&node.to_be_bytes()[..], &[0; 48]].concat())
        .collect()
}

fn check<'a>(change: impl FnOnce(&mut Head<'a>)) -> Result<(), ObjectError> {
    verify(&resigned(change, &inline(&entries(&[2, 3]))))
}

#[test]
fn only_the_authority_signs() {
    let good = good();
    only_itself(&good, verify);
    let overlong = overlong(&good, 16, Kind::Announcement, &signer(1));
    assert_eq!(verify(&overlong), Err(ObjectError::Encoding));
    assert_eq!(check(|_| ()), Ok(()));
    assert_eq!(
        check(|h| h.domain = DomainId([1; 16])),
        Err(ObjectError::Domain)
    );
    assert_eq!(check(|h| h.serial = 2), Err(ObjectError::Role));
    assert_eq!(check(|h| h.signer = 1), Err(ObjectError::Role));
    assert_eq!(check(|h| h.signer = 2), Err(ObjectError::Role));
    // The issuer's own signature, without the role.
    let announcement = Announcement::verify(&good, &authorities(1), PREFIX).map(|a| *a.head());
    let mut head = announcement.unwrap();
    head.signer = 1;
    let bytes = raw_around(
        Kind::Announcement,
        &head,
        &inline(&entries(&[2])).as_slice(),
        &crate::sim::issuer(),
    );
    assert_eq!(verify(&bytes), Err(ObjectError::Role));
}

#[test]
fn head_fields() {
    let field = |name| Err(ObjectError::Field(name));
    chain_rules(&|epoch, previous, healing_epoch, healing| {
        check(|h| {
            (h.epoch, h.previous) = (epoch, previous);
            (h.healing_epoch, h.healing) = (healing_epoch, healing);
        })
    });
    assert_eq!(check(|h| h.not_after = h.issued_at), field("not_after"));
    assert_eq!(check(|h| h.not_after = h.issued_at + 1), Ok(()));
    assert_eq!(check(|h| h.name = "a b"), field("name"));
    assert_eq!(check(|h| h.policy.window = 17), field("policy.window"));
    assert_eq!(check(|h| h.policy.lease = 9), field("policy.lease"));
    assert_eq!(check(|h| h.policy.lease = 10), Ok(()));
    // Kept keys begin with a healing epoch and with no other.
    let key = [9; 32];
    let kept = |epoch, kind, key: &[u8]| {
        check(|h| {
            (h.epoch, h.previous) = (epoch, Digest([1; 32]));
            if epoch == 1 {
                h.previous = Digest::ZERO;
            }
            (h.epoch_kind, h.kept_key) = (kind, key);
        })
    };
    for epoch in [1, 2] {
        assert_eq!(kept(epoch, EpochKind::HEALING, &key), Ok(()));
        for bad in [&[][..], &[9; 31], &[9; 33], &[0; 32]] {
            let refused = kept(epoch, EpochKind::HEALING, bad);
            assert_eq!(refused, field("kept_key"), "{bad:?}");
        }
        assert_eq!(kept(epoch, EpochKind::ORDINARY, &[]), Ok(()));
        assert_eq!(kept(epoch, EpochKind::ORDINARY, &key), field("kept_key"));
    }
    let unknown = sealmq_core::object::decode::<EpochKind>(&[2]).unwrap();
    assert_eq!(check(|h| h.epoch_kind = unknown), field("epoch_kind"));
    let mut buffer = [0; 64];
    let reserved = List::encode(&["plant/#", "_sealmq/+/x"], &mut buffer).unwrap();
    assert_eq!(
        verify(&resigned(|h| h.filters = reserved, &inline(&entries(&[2])))),
        field("filters")
    );
}

#[test]
fn generations() {
    let generation = |number, depth, first_epoch| Generation {
        number,
        depth,
        first_epoch,
        deadline: 0,
    };
    let check = |generations: &[Generation], covers: usize| {
        let mut buffer = [0; 128];
        let list = List::encode(generations, &mut buffer).unwrap();
        let cover = inline(&entries(&[2, 3]));
        verify(&resigned(|h| h.generations = list, &cover.repeat(covers)))
    };
    let (one, two) = (generation(1, 4, 1), generation(2, 24, 1));
    let field = |name| Err(ObjectError::Field(name));
    assert_eq!(check(&[one], 1), Ok(()));
    assert_eq!(check(&[one, two], 2), Ok(()));
    assert_eq!(check(&[], 0), field("generations"));
    assert_eq!(check(&[two, one], 2), field("generations"));
    assert_eq!(check(&[one, one], 2), field("generations"));
    assert_eq!(
        check(&[one, two, generation(3, 4, 1)], 3),
        field("generations")
    );
    assert_eq!(check(&[generation(1, 1, 1)], 1), field("generations"));
    assert_eq!(check(&[generation(1, 25, 1)], 1), field("generations"));
    assert_eq!(check(&[generation(1, 4, 0)], 1), field("generations"));
    assert_eq!(check(&[generation(1, 4, 2)], 1), field("generations")); // the epoch is 1
    // Only the older of two ends.
    let ends = |g: Generation| Generation { deadline: 9, ..g };
    assert_eq!(check(&[ends(one), two], 2), Ok(()));
    assert_eq!(check(&[one, ends(two)], 2), field("generations"));
    assert_eq!(check(&[ends(one)], 1), field("generations"));
    assert_eq!(check(&[one], 0), field("covers"));
    assert_eq!(check(&[one], 2), field("covers"));
    assert_eq!(check(&[one, two], 1), field("covers"));
}

#[test]
fn covers() {
    let check = |covers: &[u8]| verify(&resigned(|_| (), covers));
    let field = Err(ObjectError::Field("covers"));
    assert_eq!(check(&inline(&entries(&[4, 11, 3]))), Ok(()));
    for nodes in [&[][..], &[1], &[32], &[3, 2], &[2, 4], &[2, 2]] {
        assert_eq!(check(&inline(&entries(nodes))), field, "{nodes:?}");
    }
    assert_eq!(check(&inline(&entries(&[2])[1..])), field);
    // Other variants do not exist.
    assert_eq!(check(&[2, 0]), Err(ObjectError::Encoding));
    assert_eq!(check(&[0, 52]), Err(ObjectError::Encoding));
}

#[test]
fn chunk_references() {
    let list = |leaves: &[u32]| -> Vec<u8> {
        let chunk = |leaf: &u32| {
            let mut out = [0; 40];
            encode(&(*leaf, [7_u8; 32]), &mut out).unwrap().to_vec()
        };
        let body: Vec<u8> = leaves.iter().flat_map(chunk).collect();
        let mut out = vec![0; body.len() + 8];
        encode(&(1_u8, body.as_slice()), &mut out).unwrap().to_vec()
    };
    let check = |leaves: &[u32]| verify(&resigned(|_| (), &list(leaves)));
    assert_eq!(check(&[16, 17]), Ok(()));
    assert_eq!(check(&[18, 31]), Ok(()));
    let bad: [&[u32]; 7] = [
        &[],
        &[16],
        &[17, 16],
        &[16, 16],
        &[8, 16],  // no leaf
        &[16, 32], // below the leaves
        &[15, 16],
    ];
    for leaves in bad {
        assert_eq!(
            check(leaves),
            Err(ObjectError::Field("covers")),
            "{leaves:?}"
        );
    }
    // A reference that ends early.
    let mut cut = list(&[16, 17]);
    cut.pop();
    cut[1] -= 1;
    assert_eq!(verify(&resigned(|_| (), &cut)), Err(ObjectError::Encoding));

    // Numbers run over both covers; each leaf has one chunk, or none.
    let generations = [(1, 4), (2, 5)].map(|(number, depth)| Generation {
        number,
        depth,
        first_epoch: 1,
        deadline: 0,
    });
    let mut buffer = [0; 64];
    let generations = List::encode(&generations, &mut buffer).unwrap();
    let covers = [list(&[18, 20, 28]), list(&[32, 63])].concat();
    let bytes = resigned(|h| h.generations = generations, &covers);
    let authorities = authorities(1);
    let announcement = Announcement::verify(&bytes, &authorities, PREFIX).unwrap();
    let number = |generation, leaf| announcement.chunk_for(generation, leaf).map(|c| c.number);
    let expected = [
        (16, None),
        (17, None),
        (18, Some(0)),
        (19, Some(0)),
        (20, Some(1)),
        (27, Some(1)),
        (28, Some(2)),
        (31, Some(2)),
        (32, None),
    ];
    for (leaf, chunk) in expected {
        assert_eq!(number(1, leaf), chunk, "leaf {leaf}");
    }
    assert_eq!((number(2, 62), number(2, 63)), (Some(3), Some(4)));
    assert_eq!(number(3, 18), None);
    let chunk = announcement.chunk_for(2, 40).unwrap();
    assert_eq!((chunk.first_leaf, chunk.end_leaf), (32, 63));
    assert_eq!(chunk.hash.0, [7; 32]);
}

#[test]
fn what_is_too_large() {
    let leaves: Vec<u32> = (1 << 16..).take(MAX_INLINE_ENTRIES + 1).collect();
    let with = |count: usize| {
        let generation = Generation {
            number: 1,
            depth: 16,
            first_epoch: 1,
            deadline: 0,
        };
        let mut buffer = [0; 32];
        let list = List::encode(&[generation], &mut buffer).unwrap();
        verify(&resigned(
            |h| h.generations = list,
            &inline(&entries(&leaves[..count])),
        ))
    };
    assert_eq!(with(MAX_INLINE_ENTRIES), Ok(()));
    assert_eq!(
        with(MAX_INLINE_ENTRIES + 1),
        Err(ObjectError::Field("covers"))
    );
    let huge = vec![0; MAX_ANNOUNCEMENT_LEN + 1];
    assert_eq!(verify(&huge), Err(ObjectError::TooLarge));
}

#[test]
fn signing_checks_its_input() {
    let sim = Sim::new(4);
    let secret = ReaderSecret::new(secret(&[1]));
    let good = good();
    let authorities = authorities(1);
    let head = *Announcement::verify(&good, &authorities, PREFIX)
        .unwrap()
        .head();
    let sign = |head: &Head<'_>, prefix, covers: &[&[CoverKey]]| {
        let mut out = vec![0; MAX_ANNOUNCEMENT_LEN];
        head.sign(prefix, &secret, covers, &signer(1), &mut out)
            .map(|(bytes, _)| bytes.to_vec())
    };
    let keys = |nodes: &[u32]| -> Vec<CoverKey> {
        nodes
            .iter()
            .map(|node| CoverKey {
                node: *node,
                key: sim.node_key(*node, 1),
            })
            .collect()
    };
    let cover = keys(&[2, 3]);
    let bytes = sign(&head, PREFIX, &[&cover]).unwrap();
    let announcement = Announcement::verify(&bytes, &authorities, PREFIX).unwrap();
    assert_eq!(
        announcement.head().group_key,
        secret.group_key_pair().public()
    );
    assert_eq!(announcement.head().psk_check, secret.psk().check());
    assert_eq!(announcement.key_id().0, announcement.hash().0[..8]);
    let (generation, signed) = announcement.cover(1).unwrap();
    let entries = signed.inline().unwrap();
    assert_eq!((generation.depth, entries.iter().count()), (4, 2));
    assert!(announcement.cover(2).is_none());

    let field = |name| Err(ObjectError::Field(name));
    for nodes in [&[][..], &[1], &[32], &[3, 2]] {
        assert_eq!(
            sign(&head, PREFIX, &[&keys(nodes)]),
            field("covers"),
            "{nodes:?}"
        );
    }
    assert_eq!(sign(&head, PREFIX, &[]), field("covers"));
    assert_eq!(sign(&head, PREFIX, &[&cover, &cover]), field("covers"));
    assert_eq!(sign(&head, "plant/x", &[&cover]), field("filters"));
    let bad = Head {
        not_after: head.issued_at,
        ..head
    };
    assert_eq!(sign(&bad, PREFIX, &[&cover]), field("not_after"));
    // Whatever stood in the computed fields is replaced.
    let other = Head {
        group_key: KemPublicKey([9; 32]),
        psk_check: [9; 32],
        ..head
    };
    assert_eq!(sign(&other, PREFIX, &[&cover]).unwrap(), bytes);
    let mut short = [0; 300];
    let result = head.sign(PREFIX, &secret, &[&cover], &signer(1), &mut short);
    assert_eq!(result, Err(ObjectError::TooLarge));
}

/// Two announcements never share a wrap key, even with the same node keys (A13).
#[test]
fn a_redone_epoch_shares_no_key_stream() {
    let sim = Sim::new(4);
    let (a, b) = (
        ReaderSecret::new(secret(&[1])),
        ReaderSecret::new(secret(&[2])),
    );
    let wrapped = |secret: &ReaderSecret, salt: u8| -> Vec<u8> {
        let bytes = sim.build(false, secret, |head| head.salt = [salt; 32]);
        let authorities = authorities(1);
        let announcement = Announcement::verify(&bytes, &authorities, PREFIX).unwrap();
        announcement
            .cover(1)
            .unwrap()
            .1
            .inline()
            .unwrap()
            .iter()
            .next()
            .unwrap()
            .wrapped[..32]
            .to_vec()
    };
    let xor = |x: &[u8], y: &[u8]| x.iter().zip(y).map(|(x, y)| x ^ y).collect::<Vec<u8>>();
    let secrets = xor(a.secret().expose(), b.secret().expose());
    // A zero nonce under one key would give the XOR of the secrets away.
    assert_ne!(xor(&wrapped(&a, 1), &wrapped(&b, 1)), secrets);
    assert_ne!(xor(&wrapped(&a, 1), &wrapped(&b, 2)), secrets);
    assert_ne!(wrapped(&a, 1), wrapped(&a, 2));
}
