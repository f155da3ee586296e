//! Every field rule of heartbeats, nonce answers, confirmations, package sets and join refusals
//! (spec/keys.md §4, §8, §12), one fault at a time.

use crate::sim::faults::{only_itself, overlong, raw};
use crate::sim::{NOW, VALIDITY, authorities, domain, identity, issuer, secret, signer};
use sealmq_core::crypto::{Digest, IdentityKey, KemId, RecipientKeyPair};
use sealmq_core::object::{Kind, List, ObjectError, encode};
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, GroupId, MemberNumber};
use sealmq_keys::*;

const GROUP: GroupId = GroupId([7; 16]);
const HASH: Digest = Digest([9; 32]);

fn field(name: &'static str) -> Result<(), ObjectError> {
    Err(ObjectError::Field(name))
}

mod heartbeats {
    use super::*;

    fn good() -> HeartbeatFields {
        HeartbeatFields {
            domain: domain(),
            serial: 1,
            signer: 0,
            group: GROUP,
            epoch: 3,
            announcement: HASH,
            issued_at: NOW,
            lease: 600,
            log_size: 12,
            log_head: Digest([4; 32]),
        }
    }

    fn verify(bytes: &[u8]) -> Result<(), ObjectError> {
        VerifiedHeartbeat::verify(bytes, &authorities(1)).map(|_| ())
    }

    /// What signing and verifying say, which is the same for fields.
    fn check(change: impl Fn(&mut HeartbeatFields)) -> Result<(), ObjectError> {
        let mut fields = good();
        change(&mut fields);
        let result = verify(&raw(Kind::Heartbeat, &fields, &signer(1)));
        let mut out = [0; MAX_HEARTBEAT_LEN];
        let signed = fields.sign(&signer(1), &mut out).map(|_| ());
        if let Err(ObjectError::Field(_)) | Ok(()) = result {
            assert_eq!(signed, result);
        }
        result
    }

    #[test]
    fn one_fault() {
        let mut out = [0; MAX_HEARTBEAT_LEN];
        let (bytes, hash) = good().sign(&signer(1), &mut out).unwrap();
        only_itself(bytes, verify);
        let verified = VerifiedHeartbeat::verify(bytes, &authorities(1)).unwrap();
        assert_eq!((verified.fields(), *verified.hash()), (&good(), hash));

        assert_eq!(check(|_| ()), Ok(()));
        assert_eq!(check(|h| h.epoch = 0), field("epoch"));
        assert_eq!(check(|h| h.lease = 0), field("lease"));
        assert_eq!(check(|h| h.lease = MAX_LEASE), Ok(()));
        assert_eq!(check(|h| h.lease = MAX_LEASE + 1), field("lease"));
        assert_eq!(check(|h| h.log_size = 0), field("log_head"));
        assert_eq!(check(|h| h.log_head = Digest::ZERO), field("log_head"));
        let empty = |h: &mut HeartbeatFields| (h.log_size, h.log_head) = (0, Digest::ZERO);
        assert_eq!(check(empty), Ok(()));
        assert_eq!(
            check(|h| h.domain = DomainId([1; 16])),
            Err(ObjectError::Domain)
        );
        for (serial, index) in [(0, 0), (2, 0), (1, 1), (1, 2), (1, 255)] {
            let result = check(|h| (h.serial, h.signer) = (serial, index));
            assert_eq!(result, Err(ObjectError::Role), "{serial} {index}");
        }
        let forged = raw(Kind::Heartbeat, &good(), &issuer());
        assert_eq!(verify(&forged), Err(ObjectError::Signature));
        let overlong = overlong(bytes, 16, Kind::Heartbeat, &signer(1));
        assert_eq!(verify(&overlong), Err(ObjectError::Encoding));
        assert_eq!(verify(&[0x11; 1025]), Err(ObjectError::TooLarge));
    }
}

mod nonce_answers {
    use super::*;

    fn good() -> NonceAnswerFields {
        NonceAnswerFields {
            domain: domain(),
            serial: 1,
            signer: 0,
            group: GROUP,
            member: MemberNumber(8),
            nonce: [5; LEASE_NONCE_LEN],
            epoch: 3,
            announcement: HASH,
            lease: 600,
        }
    }

    fn verify(bytes: &[u8]) -> Result<(), ObjectError> {
        VerifiedNonceAnswer::verify(bytes, &authorities(1)).map(|_| ())
    }

    fn check(change: impl Fn(&mut NonceAnswerFields)) -> Result<(), ObjectError> {
        let mut fields = good();
        change(&mut fields);
        let result = verify(&raw(Kind::NonceAnswer, &fields, &signer(1)));
        let mut out = [0; MAX_NONCE_ANSWER_LEN];
        let signed = fields.sign(&signer(1), &mut out).map(|_| ());
        if let Err(ObjectError::Field(_)) | Ok(()) = result {
            assert_eq!(signed, result);
        }
        result
    }

    #[test]
    fn one_fault() {
        let mut out = [0; MAX_NONCE_ANSWER_LEN];
        let (bytes, _) = good().sign(&signer(1), &mut out).unwrap();
        only_itself(bytes, verify);
        let verified = VerifiedNonceAnswer::verify(bytes, &authorities(1)).unwrap();
        assert_eq!(verified.fields(), &good());

        assert_eq!(check(|_| ()), Ok(()));
        assert_eq!(check(|a| a.member = MemberNumber(0)), field("member"));
        assert_eq!(check(|a| a.member = MemberNumber(1 << 28)), field("member"));
        assert_eq!(check(|a| a.epoch = 0), field("epoch"));
        assert_eq!(check(|a| a.lease = 0), field("lease"));
        assert_eq!(check(|a| a.lease = MAX_LEASE + 1), field("lease"));
        assert_eq!(
            check(|a| a.domain = DomainId([1; 16])),
            Err(ObjectError::Domain)
        );
        for (serial, index) in [(0, 0), (2, 0), (1, 1), (1, 2)] {
            let result = check(|a| (a.serial, a.signer) = (serial, index));
            assert_eq!(result, Err(ObjectError::Role), "{serial} {index}");
        }
        assert_eq!(verify(&[0x11; 1025]), Err(ObjectError::TooLarge));
        // A heartbeat is no answer to anybody's nonce.
        let heartbeat = raw(Kind::Heartbeat, &good(), &signer(1));
        assert_eq!(verify(&heartbeat), Err(ObjectError::Kind));
    }
}

mod join_refusals {
    use super::*;

    fn verify(bytes: &[u8]) -> Result<(), ObjectError> {
        VerifiedJoinRefusal::verify(bytes, &authorities(1)).map(|_| ())
    }

    #[test]
    fn every_reason_and_no_other() {
        for reason in JoinRefusalReason::ALL {
            let fields = JoinRefusalFields {
                domain: domain(),
                serial: 1,
                signer: 1,
                request: HASH,
                reason,
            };
            let mut out = [0; MAX_JOIN_REFUSAL_LEN];
            let (bytes, _) = fields.sign(&issuer(), &mut out).unwrap();
            let verified = VerifiedJoinRefusal::verify(bytes, &authorities(1)).unwrap();
            assert_eq!(verified.fields(), &fields);
            assert_eq!(reason.is_final(), reason != JoinRefusalReason::Waiting);
        }
        for reason in 0..=255_u8 {
            let body = (domain(), 1_u32, 1_u8, HASH, reason);
            let result = verify(&raw(Kind::JoinRefusal, &body, &issuer()));
            let expected = if (1..=6).contains(&reason) {
                Ok(())
            } else {
                field("reason")
            };
            assert_eq!(result, expected, "{reason}");
        }
    }

    #[test]
    fn one_fault() {
        let body = (domain(), 1_u32, 0_u8, HASH, 2_u8);
        let bytes = raw(Kind::JoinRefusal, &body, &signer(1));
        only_itself(&bytes, verify);
        let other = (DomainId([1; 16]), 1_u32, 0_u8, HASH, 2_u8);
        let other = raw(Kind::JoinRefusal, &other, &signer(1));
        assert_eq!(verify(&other), Err(ObjectError::Domain));
        let unknown = raw(
            Kind::JoinRefusal,
            &(domain(), 1_u32, 2_u8, HASH, 2_u8),
            &signer(1),
        );
        assert_eq!(verify(&unknown), Err(ObjectError::Role));
        let forged = raw(Kind::JoinRefusal, &body, &issuer());
        assert_eq!(verify(&forged), Err(ObjectError::Signature));
        assert_eq!(verify(&[0x11; 1025]), Err(ObjectError::TooLarge));
    }
}

mod confirmations {
    use super::*;
    use crate::sim::{Sim, init_key, package};
    use sealmq_keys::tree::NodeKey;

    const MEMBER: MemberNumber = MemberNumber(8);

    fn verify(bytes: &[u8]) -> Result<(), ObjectError> {
        let key = identity().verifying_key();
        VerifiedConfirmation::verify(bytes, &domain(), MEMBER, &key).map(|_| ())
    }

    fn entry(group: u8) -> ConfirmationEntry {
        ConfirmationEntry {
            group: GroupId([group; 16]),
            generation: 1,
            epoch: 4,
            package_number: 2,
            proof: [6; 32],
        }
    }

    fn check(
        entries: &[ConfirmationEntry],
        change: impl Fn(&mut Confirmation<'_>),
    ) -> Result<(), ObjectError> {
        let mut list = [0; 8192];
        let mut fields = Confirmation {
            domain: domain(),
            member: MEMBER,
            entries: List::encode(entries, &mut list).unwrap(),
        };
        change(&mut fields);
        let result = verify(&raw(Kind::Confirmation, &fields, &identity()));
        if fields.domain == domain() && fields.member == MEMBER {
            let mut out = [0; MAX_CONFIRMATION_LEN];
            assert_eq!(fields.sign(&identity(), &mut out).map(|_| ()), result);
        }
        result
    }

    #[test]
    fn one_fault() {
        let many: Vec<_> = (0..65).map(entry).collect();
        assert_eq!(check(&many[..1], |_| ()), Ok(()));
        assert_eq!(check(&many[..64], |_| ()), Ok(()));
        assert_eq!(check(&many, |_| ()), field("entries"));
        assert_eq!(check(&[], |_| ()), field("entries"));
        assert_eq!(check(&[entry(2), entry(1)], |_| ()), field("entries"));
        assert_eq!(check(&[entry(2), entry(2)], |_| ()), field("entries"));
        let with = |change: &dyn Fn(&mut ConfirmationEntry)| {
            let mut entry = entry(1);
            change(&mut entry);
            check(&[entry], |_| ())
        };
        assert_eq!(with(&|e| e.epoch = 0), field("entries"));
        assert_eq!(with(&|e| e.package_number = 0), field("entries"));
        assert_eq!(
            check(&many[..1], |c| c.domain = DomainId([1; 16])),
            Err(ObjectError::Domain)
        );
        // Another member's, rightly signed or not.
        assert_eq!(
            check(&many[..1], |c| c.member = MemberNumber(9)),
            field("member")
        );
        let mut list = [0; 512];
        let fields = Confirmation {
            domain: domain(),
            member: MEMBER,
            entries: List::encode(&many[..2], &mut list).unwrap(),
        };
        let bytes = raw(Kind::Confirmation, &fields, &identity());
        only_itself(&bytes, verify);
        let forged = raw(Kind::Confirmation, &fields, &signer(1));
        assert_eq!(verify(&forged), Err(ObjectError::Signature));
        assert_eq!(verify(&[0x11; 8193]), Err(ObjectError::TooLarge));
        let largest = ConfirmationEntry {
            generation: u32::MAX,
            epoch: u64::MAX,
            package_number: u32::MAX,
            ..entry(0)
        };
        let largest: Vec<_> = (0..64)
            .map(|group| ConfirmationEntry {
                group: GroupId([group; 16]),
                ..largest
            })
            .collect();
        assert_eq!(check(&largest, |_| ()), Ok(()));
    }

    #[test]
    fn only_the_holder_of_the_leaf_key_confirms() {
        let sim = Sim::new(4);
        let leaf = 16;
        let fields = sim.welcome_fields(leaf, &package(3));
        let path = sim.path(leaf, fields.epoch);
        let mut out = [0; MAX_WELCOME_LEN];
        let (welcome, hash) = fields
            .seal(&path, &package(3), &secret(&[88]), &signer(1), &mut out)
            .unwrap();
        let verified = VerifiedWelcome::verify(welcome, &authorities(1)).unwrap();
        let opened = verified.open(&init_key(3)).unwrap();
        let entry = ConfirmationEntry::of_welcome(&opened);
        assert_eq!(
            (entry.group, entry.generation, entry.epoch),
            (fields.group, fields.generation, fields.epoch)
        );
        assert_eq!(entry.package_number, 3);
        // The authority computes the leaf's key from the tree's secret.
        let key = sim.node_key(leaf, fields.epoch);
        assert!(entry.proves(&key, &hash));
        assert!(!entry.proves(&sim.node_key(leaf + 1, fields.epoch), &hash));
        assert!(!entry.proves(&NodeKey::new(secret(&[77])), &hash));
        assert!(!entry.proves(&key, &Digest([1; 32])));
    }
}

mod package_sets {
    use super::*;
    use crate::sim::package_bytes;

    fn verify(bytes: &[u8]) -> Result<(), ObjectError> {
        PackageSet::verify(bytes, Suite::One, &domain(), &identity().verifying_key()).map(|_| ())
    }

    fn body(packages: &[&[u8]]) -> Vec<u8> {
        let mut list = vec![0; 40_000];
        let list = List::<&[u8]>::encode(packages, &mut list).unwrap();
        let mut out = vec![0; 40_000];
        encode(&list, &mut out).unwrap().to_vec()
    }

    /// What writing and reading say of the same packages.
    fn check(packages: &[&[u8]]) -> Result<(), ObjectError> {
        let result = verify(&body(packages));
        let mut list = vec![0; 40_000];
        let list = List::encode(packages, &mut list).unwrap();
        let (key, mut out) = (identity().verifying_key(), vec![0; 40_000]);
        let written = PackageSet::encode(&list, &domain(), &key, &mut out);
        assert_eq!(written.map(|_| ()), result);
        result
    }

    #[test]
    fn rules_for_the_set() {
        let packages: Vec<Vec<u8>> = (1..=70).map(package_bytes).collect();
        let all: Vec<&[u8]> = packages.iter().map(Vec::as_slice).collect();
        assert_eq!(check(&all[..1]), Ok(()));
        assert_eq!(check(&all[3..67]), Ok(()));
        assert_eq!(check(&all[..65]), field("packages"));
        assert_eq!(check(&[]), field("packages"));
        assert_eq!(check(&[all[1], all[0]]), field("packages"));
        assert_eq!(check(&[all[1], all[1]]), field("packages"));
        let bytes = body(&[all[1], all[6]]);
        let key = identity().verifying_key();
        let set = PackageSet::verify(&bytes, Suite::One, &domain(), &key).unwrap();
        assert!(set.packages().map(|(b, _)| b).eq([all[1], all[6]]));
        assert!(set.packages().map(|(_, p)| p.number()).eq([2, 7]));
        assert!(
            set.packages()
                .map(|(_, p)| p)
                .eq([2, 7].map(crate::sim::package))
        );
    }

    fn suite_2_package(number: u32) -> Vec<u8> {
        let init = RecipientKeyPair::derive(KemId::XWing, &secret(&[4, number.into()]));
        let fields = KeyPackage {
            domain: domain(),
            identity: *identity().verifying_key().as_bytes(),
            number,
            kem: KEM_XWING,
            init_key: init.public().as_bytes(),
            issued_at: NOW,
            not_after: NOW + VALIDITY,
        };
        let mut out = [0; MAX_KEY_PACKAGE_LEN];
        fields.sign(&identity(), &mut out).unwrap().0.to_vec()
    }

    #[test]
    fn one_suite() {
        let key = identity().verifying_key();
        let verify = |suite, packages: &[&[u8]]| {
            PackageSet::verify(&body(packages), suite, &domain(), &key).map(|_| ())
        };
        let (one, two) = (package_bytes(1), suite_2_package(2));
        assert_eq!(verify(Suite::Two, &[&two]), Ok(()));
        assert_eq!(verify(Suite::One, &[&two]), Err(ObjectError::Form));
        assert_eq!(verify(Suite::Two, &[&one]), Err(ObjectError::Form));
        assert_eq!(check(&[&one, &two]), Err(ObjectError::Form));
        // Eleven fit, thirteen do not.
        let many: Vec<Vec<u8>> = (1..=13).map(suite_2_package).collect();
        let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
        assert_eq!(verify(Suite::Two, &many[..11]), Ok(()));
        assert_eq!(verify(Suite::Two, &many), Err(ObjectError::TooLarge));
    }

    #[test]
    fn one_bad_package_spoils_the_set() {
        let (one, two) = (package_bytes(1), package_bytes(2));
        let good = body(&[&one, &two]);
        assert_eq!(verify(&good), Ok(()));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&bad).is_err(), "bit {bit}");
        }
        for len in 0..good.len() {
            assert!(verify(&good[..len]).is_err(), "{len} bytes");
        }
        assert_eq!(
            verify(&[0; MAX_PACKAGE_SET_LEN + 1]),
            Err(ObjectError::TooLarge)
        );
        let key = identity().verifying_key();
        let elsewhere = PackageSet::verify(&good, Suite::One, &DomainId([1; 16]), &key).map(|_| ());
        assert_eq!(elsewhere, Err(ObjectError::Domain));
        let eve = IdentityKey::from_seed(&secret(&[99])).verifying_key();
        let hers = PackageSet::verify(&good, Suite::One, &domain(), &eve).map(|_| ());
        assert_eq!(hers, field("identity"));
        assert!(crate::sim::package(1).is_valid_at(NOW + VALIDITY, 0));
    }
}

/// Nothing that a stranger sends gets anywhere, and nothing panics.
#[test]
fn random_bytes() {
    let authorities = authorities(1);
    let key = identity().verifying_key();
    for round in 0..3000_u64 {
        let noise = [
            secret(&[round, 1]),
            secret(&[round, 2]),
            secret(&[round, 3]),
        ];
        let mut bytes: Vec<u8> = noise.iter().flat_map(|s| *s.expose()).collect();
        bytes.truncate(usize::try_from(round % 97).unwrap());
        for kind in [7, 8, 11, 12] {
            if let [form, at, ..] = bytes.as_mut_slice() {
                (*form, *at) = (0x11, kind);
            }
            assert!(VerifiedHeartbeat::verify(&bytes, &authorities).is_err());
            assert!(VerifiedNonceAnswer::verify(&bytes, &authorities).is_err());
            assert!(VerifiedJoinRefusal::verify(&bytes, &authorities).is_err());
            let member = MemberNumber(8);
            assert!(VerifiedConfirmation::verify(&bytes, &domain(), member, &key).is_err());
            assert!(PackageSet::verify(&bytes, Suite::One, &domain(), &key).is_err());
        }
    }
}
