//! Every field rule of delegations, key packages, requests and refused lists (spec/keys.md §3–7), one
//! fault at a time.

use crate::sim::faults::{fields_of, only_itself, overlong, raw};
use crate::sim::{NOW, PREFIX, Sim, VALIDITY, authorities, domain, secret, signer};
use sealmq_core::crypto::IdentityKey;
use sealmq_core::object::{Authorities, Kind, List, ObjectError, Role, sign_encoded};
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, GroupId, MemberNumber};
use sealmq_keys::*;

mod delegations {
    use super::*;

    fn root() -> IdentityKey {
        crate::sim::root()
    }

    fn verify(bytes: &[u8]) -> Result<(), ObjectError> {
        VerifiedDelegation::verify(bytes, &root().verifying_key()).map(|_| ())
    }

    /// A delegation with these keys, and one more change; both signed raw and through `sign`.
    fn check(
        keys: &[DelegatedKey],
        kem_keys: &[DelegatedKemKey<'_>],
        change: impl FnOnce(&mut Delegation<'_>),
    ) -> Result<(), ObjectError> {
        let (mut a, mut b) = ([0; 1024], [0; 1024]);
        let mut body = Delegation {
            domain: domain(),
            root_key: *root().verifying_key().as_bytes(),
            serial: 1,
            issued_at: NOW,
            not_after: NOW + VALIDITY,
            keys: List::encode(keys, &mut a).unwrap(),
            kem_keys: List::encode(kem_keys, &mut b).unwrap(),
        };
        change(&mut body);
        let result = verify(&raw(Kind::Delegation, &body, &root()));
        let signed = body
            .sign(Suite::One, &root(), &mut [0; MAX_DELEGATION_LEN])
            .map(|_| ());
        assert_eq!(signed, result, "signing has the same rules");
        result
    }

    fn key(number: u64) -> DelegatedKey {
        let key = IdentityKey::from_seed(&secret(&[number]));
        DelegatedKey {
            key: *key.verifying_key().as_bytes(),
            roles: Roles::ALL,
        }
    }

    #[test]
    fn only_the_root_signs() {
        let good = crate::sim::delegation(1);
        only_itself(&good, verify);
        let other = IdentityKey::from_seed(&secret(&[99]));
        let error = VerifiedDelegation::verify(&good, &other.verifying_key()).unwrap_err();
        assert_eq!(error, ObjectError::Domain);
        let body = fields_of::<Delegation<'_>>(&good, Kind::Delegation);
        assert_eq!(
            verify(&raw(Kind::Delegation, &body, &other)),
            Err(ObjectError::Signature)
        );
        assert_eq!(
            body.sign(Suite::One, &other, &mut [0; 4096]),
            Err(ObjectError::Domain)
        );
        let overlong = overlong(&good, 48, Kind::Delegation, &root());
        assert_eq!(verify(&overlong), Err(ObjectError::Encoding));
    }

    #[test]
    fn fields() {
        let keys = [key(1), key(2)];
        assert_eq!(check(&keys, &[], |_| ()), Ok(()));
        assert_eq!(
            check(&keys, &[], |d| d.domain = DomainId([1; 16])),
            Err(ObjectError::Domain)
        );
        let field = |name| Err(ObjectError::Field(name));
        assert_eq!(check(&keys, &[], |d| d.root_key[0] ^= 1), field("root_key"));
        assert_eq!(
            check(&keys, &[], |d| d.not_after = d.issued_at),
            field("not_after")
        );

        let nine: Vec<_> = (1..10).map(key).collect();
        assert_eq!(check(&nine[..8], &[], |_| ()), Ok(()));
        assert_eq!(check(&nine, &[], |_| ()), field("keys"));
        assert_eq!(check(&[], &[], |_| ()), field("keys"));
        assert_eq!(check(&[key(1), key(2), key(1)], &[], |_| ()), field("keys"));
        let weak = DelegatedKey {
            key: [0; 32],
            roles: Roles::ALL,
        };
        assert_eq!(check(&[weak], &[], |_| ()), field("keys"));

        let kem = DelegatedKemKey {
            kem: KEM_X25519,
            key: &[1; 32],
        };
        assert_eq!(check(&keys, &[kem; 4], |_| ()), Ok(()));
        assert_eq!(check(&keys, &[kem; 5], |_| ()), field("kem_keys"));
        let short = DelegatedKemKey {
            kem: KEM_X25519,
            key: &[1; 31],
        };
        let other = DelegatedKemKey {
            kem: 0x647a,
            key: &[1; 32],
        };
        assert_eq!(check(&keys, &[short], |_| ()), field("kem_keys"));
        assert_eq!(check(&keys, &[other], |_| ()), field("kem_keys"));
    }

    #[test]
    fn unknown_roles_are_refused() {
        let good = crate::sim::delegation(1);
        // domain 16, root key 32, serial 1, two varints of 5 bytes, length 1, key 32, roles.
        let at = 2 + 16 + 32 + 1 + 5 + 5 + 1 + 32;
        assert_eq!(good[at], 7);
        for roles in 0..=255_u8 {
            let mut bytes = good.clone();
            bytes[at] = roles;
            let body_len = bytes.len() - 66;
            sign_encoded(Kind::Delegation, body_len, &root(), &mut bytes).unwrap();
            let expected = if roles < 8 {
                Ok(())
            } else {
                Err(ObjectError::Field("keys"))
            };
            assert_eq!(verify(&bytes), expected);
        }
    }

    #[test]
    fn roles_and_serials_decide_who_signs() {
        let authorities = authorities(5);
        assert_eq!(authorities.domain(), domain());
        for role in [Role::Issue, Role::Groups, Role::Heartbeat] {
            let key = signer(5).verifying_key();
            assert_eq!(authorities.authority_key(5, 0, role), Some(&key));
            assert_eq!(
                authorities.authority_key(5, 1, role).is_some(),
                role == Role::Issue
            );
            for (serial, index) in [(4, 0), (6, 0), (5, 2), (5, 8), (5, 255)] {
                assert_eq!(authorities.authority_key(serial, index, role), None);
            }
        }
        assert_eq!(
            authorities
                .keys()
                .map(|(index, ..)| index)
                .collect::<Vec<_>>(),
            [0, 1]
        );
    }

    #[test]
    fn the_highest_serial_stays() {
        let (one, two) = (authorities(1), authorities(2));
        assert_eq!(two.supersedes(&one), Ok(true));
        assert_eq!(one.supersedes(&two), Err(ObjectError::Serial));
        assert_eq!(two.supersedes(&authorities(2)), Ok(false));
        // Another object of the same serial.
        let good = crate::sim::delegation(2);
        let mut body = fields_of::<Delegation<'_>>(&good, Kind::Delegation);
        body.not_after += 1;
        let other = raw(Kind::Delegation, &body, &root());
        let other = VerifiedDelegation::verify(&other, &root().verifying_key()).unwrap();
        assert_eq!(other.supersedes(&two), Err(ObjectError::Serial));
        assert_eq!(other.supersedes(&one), Ok(true));
    }

    #[test]
    fn validity() {
        let delegation = authorities(1);
        assert!(delegation.is_valid_at(NOW, 0));
        assert!(!delegation.is_valid_at(NOW - 1, 0));
        assert!(delegation.is_valid_at(NOW - 10, 10));
        assert!(delegation.is_valid_at(NOW + VALIDITY, 0));
        assert!(!delegation.is_valid_at(NOW + VALIDITY + 1, 10));
    }
}

mod packages_and_requests {
    use super::*;

    fn identity() -> IdentityKey {
        crate::sim::identity()
    }

    fn verify(bytes: &[u8]) -> Result<(), ObjectError> {
        VerifiedKeyPackage::verify(bytes, Suite::One, &domain(), &identity().verifying_key())
            .map(|_| ())
    }

    #[test]
    fn packages() {
        only_itself(&crate::sim::package_bytes(3), verify);
        let package = crate::sim::package(3);
        assert_eq!((package.number(), package.issued_at()), (3, NOW));
        assert_eq!(package.init_key(), crate::sim::init_key(3).public());
        assert!(package.is_valid_at(NOW, 0) && !package.is_valid_at(NOW + VALIDITY + 1, 0));

        let good = crate::sim::package_bytes(3);
        let body = fields_of::<KeyPackage<'_>>(&good, Kind::KeyPackage);
        let check = |change: &dyn Fn(&mut KeyPackage<'_>)| {
            let mut body = body;
            change(&mut body);
            let result = verify(&raw(Kind::KeyPackage, &body, &identity()));
            if body.domain == domain() {
                let signed = body
                    .sign(&identity(), &mut [0; MAX_KEY_PACKAGE_LEN])
                    .map(|_| ());
                assert_eq!(signed, result, "signing has the same rules");
            }
            result
        };
        assert_eq!(check(&|_| ()), Ok(()));
        assert_eq!(
            check(&|p| p.domain = UNKNOWN_DOMAIN),
            Err(ObjectError::Domain)
        );
        let field = |name| Err(ObjectError::Field(name));
        assert_eq!(check(&|p| p.identity[0] ^= 1), field("identity"));
        assert_eq!(check(&|p| p.number = 0), field("number"));
        assert_eq!(check(&|p| p.kem = 0x0010), field("kem"));
        let other_kem = KeyPackage {
            kem: sealmq_keys::KEM_XWING,
            ..body
        };
        assert_eq!(
            verify(&raw(Kind::KeyPackage, &other_kem, &identity())),
            field("kem")
        );
        assert_eq!(check(&|p| p.init_key = &[1; 31]), field("init_key"));
        assert_eq!(check(&|p| p.init_key = &[1; 33]), field("init_key"));
        assert_eq!(check(&|p| p.not_after = p.issued_at), field("not_after"));
        let other = IdentityKey::from_seed(&secret(&[99]));
        assert_eq!(
            verify(&raw(Kind::KeyPackage, &body, &other)),
            Err(ObjectError::Signature)
        );
        assert!(good.len() <= MAX_KEY_PACKAGE_LEN);
    }

    fn request(domain: DomainId, name: &str, packages: &[&[u8]]) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let body = EnrolmentRequest {
            domain,
            token: [0; 8],
            name,
            key: *identity().verifying_key().as_bytes(),
            issued_at: NOW,
            packages: List::encode(packages, &mut buffer).unwrap(),
        };
        let bytes = raw(Kind::EnrolmentRequest, &body, &identity());
        let signed = body
            .sign(Suite::One, &identity(), &mut [0; 2048])
            .map(|(bytes, _)| bytes.to_vec());
        assert_eq!(
            signed.is_ok(),
            VerifiedEnrolment::verify(&bytes, Suite::One, &domain).is_ok()
        );
        bytes
    }

    fn enrol(bytes: &[u8]) -> Result<(), ObjectError> {
        VerifiedEnrolment::verify(bytes, Suite::One, &domain()).map(|_| ())
    }

    #[test]
    fn requests() {
        let packages = [1, 2, 5].map(crate::sim::package_bytes);
        let packages = packages.each_ref().map(Vec::as_slice);
        let good = request(domain(), "pump-7", &packages);
        only_itself(&good, enrol);
        let verified = VerifiedEnrolment::verify(&good, Suite::One, &domain()).unwrap();
        assert_eq!(verified.fields().name, "pump-7");
        let numbers: Vec<u32> = verified
            .packages()
            .map(|(_, package)| package.number())
            .collect();
        assert_eq!(numbers, [1, 2, 5]);
        assert!(verified.packages().map(|(bytes, _)| bytes).eq(packages));

        let field = |name| Err(ObjectError::Field(name));
        assert_eq!(enrol(&request(domain(), "a/b", &packages)), field("name"));
        assert_eq!(enrol(&request(domain(), "pump", &[])), Ok(()));
        assert_eq!(
            enrol(&request(domain(), "pump", &[packages[1], packages[0]])),
            field("packages")
        );
        assert_eq!(
            enrol(&request(domain(), "pump", &[packages[1]; 2])),
            field("packages")
        );
        assert_eq!(
            enrol(&request(DomainId([1; 16]), "pump", &[])),
            Err(ObjectError::Domain)
        );
        // A device that does not know the domain: its packages do not either.
        assert_eq!(enrol(&request(UNKNOWN_DOMAIN, "pump", &[])), Ok(()));
        assert_eq!(
            enrol(&request(UNKNOWN_DOMAIN, "pump", &packages)),
            Err(ObjectError::Domain)
        );
    }

    #[test]
    fn proof_of_possession() {
        let alice = identity();
        let eve = IdentityKey::from_seed(&secret(&[99]));
        let body = |key: &IdentityKey, packages| EnrolmentRequest {
            domain: domain(),
            token: [0; 8],
            name: "eve",
            key: *key.verifying_key().as_bytes(),
            issued_at: NOW,
            packages,
        };
        // Eve asks for Alice's key (C3), or brings Alice's package under her own.
        let stolen = raw(Kind::EnrolmentRequest, &body(&alice, List::EMPTY), &eve);
        assert_eq!(enrol(&stolen), Err(ObjectError::Signature));
        let package = crate::sim::package_bytes(1);
        let mut buffer = [0; 512];
        let packages = List::encode(&[package.as_slice()], &mut buffer).unwrap();
        let borrowed = raw(Kind::EnrolmentRequest, &body(&eve, packages), &eve);
        assert_eq!(enrol(&borrowed), Err(ObjectError::Field("identity")));
        let mut weak = body(&eve, List::EMPTY);
        weak.key = [0; 32];
        let weak = raw(Kind::EnrolmentRequest, &weak, &eve);
        assert_eq!(enrol(&weak), Err(ObjectError::Field("key")));
    }
}

mod refused_lists {
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
}

/// Every object offered to every verifier (C4): only its own takes it.
#[test]
fn no_kind_passes_for_another() {
    let mut sim = Sim::new(4);
    sim.rotate();
    let package = crate::sim::package(1);
    let fields = sim.welcome_fields(17, &package);
    let mut out = [0; MAX_WELCOME_LEN];
    let path = sim.path(17, fields.epoch);
    let welcome = fields
        .seal(&path, &package, &secret(&[1]), &signer(1), &mut out)
        .unwrap()
        .0;
    let refusal = Refusal {
        member: MemberNumber(1),
        lowest_serial: 1,
    };
    let mut out = [0; 256];
    let list = RefusedList::sign(
        domain(),
        1,
        0,
        Sim::group(),
        &[refusal],
        &signer(1),
        &mut out,
    )
    .unwrap()
    .0;
    let request = EnrolmentRequest {
        domain: domain(),
        token: [0; 8],
        name: "pump",
        key: *crate::sim::identity().verifying_key().as_bytes(),
        issued_at: NOW,
        packages: List::EMPTY,
    };
    let mut out = [0; 256];
    let request = request
        .sign(Suite::One, &crate::sim::identity(), &mut out)
        .unwrap()
        .0;
    let delegation = crate::sim::delegation(1);
    let package = crate::sim::package_bytes(1);
    let objects = [
        &delegation,
        package.as_slice(),
        welcome,
        sim.bytes(1),
        list,
        request,
    ];

    let authorities = authorities(1);
    let identity = crate::sim::identity().verifying_key();
    type Verifier<'a> = Box<dyn Fn(&[u8]) -> Option<ObjectError> + 'a>;
    let verifiers: [Verifier<'_>; 6] = [
        Box::new(|b| VerifiedDelegation::verify(b, &crate::sim::root().verifying_key()).err()),
        Box::new(|b| VerifiedKeyPackage::verify(b, Suite::One, &domain(), &identity).err()),
        Box::new(|b| VerifiedWelcome::verify(b, &authorities).err()),
        Box::new(|b| Announcement::verify(b, &authorities, PREFIX).err()),
        Box::new(|b| RefusedList::verify(b, &authorities).err()),
        Box::new(|b| VerifiedEnrolment::verify(b, Suite::One, &domain()).err()),
    ];
    for (i, object) in objects.iter().enumerate() {
        for (j, verify) in verifiers.iter().enumerate() {
            let expected = (i != j).then_some(ObjectError::Kind);
            assert_eq!(verify(object), expected, "object {i}, verifier {j}");
        }
    }
}
