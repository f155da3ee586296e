//! Suite 2, and join requests in both suites (spec/keys.md §10, §12).
use crate::sim::faults::fields_of;
use sealmq_core::crypto::{
    Digest, IdentityKey, KemError, KemId, RecipientKey, RecipientKeyPair, Secret, open_base,
    seal_base,
};
use sealmq_core::object::{Kind, List, Object, ObjectError, kem_of, sign_object_as, suite_of};
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, GroupId, MemberNumber};
use sealmq_keys::tree::{NodeKey, PathKeys};
use sealmq_keys::{
    DelegatedKemKey, DelegatedKey, Delegation, EnrolmentRequest, JoinRequest, KeyPackage,
    MAX_DELEGATION_LEN, MAX_JOIN_REQUEST_LEN, MAX_KEY_PACKAGE_LEN, MAX_WELCOME_LEN, Roles,
    UNKNOWN_DOMAIN, VerifiedDelegation, VerifiedEnrolment, VerifiedKeyPackage, VerifiedWelcome,
    WelcomeFields,
};

const SUITES: [Suite; 2] = [Suite::One, Suite::Two];
const NOW: u64 = 1_800_000_000;

fn secret(n: u8) -> Secret {
    Secret::new([n; 32])
}

fn key(n: u8) -> IdentityKey {
    IdentityKey::from_seed(&secret(n))
}

fn domain() -> DomainId {
    DomainId::of_root(&key(1).verifying_key())
}

fn pair(suite: Suite, n: u8) -> RecipientKeyPair {
    RecipientKeyPair::derive(kem_of(suite).unwrap(), &secret(n))
}

fn other(suite: Suite) -> Suite {
    match suite {
        Suite::One => Suite::Two,
        _ => Suite::One,
    }
}

/// Signed whatever it holds: `kem` decides over the KEM keys, `form` over the first byte.
fn raw_delegation(form: Suite, kem: Suite, serial: u32, kem_keys: u8) -> Vec<u8> {
    let keys = [DelegatedKey {
        key: *key(2).verifying_key().as_bytes(),
        roles: Roles::ALL,
    }];
    let pairs: Vec<_> = (0..kem_keys).map(|n| pair(kem, 50 + n)).collect();
    let entries: Vec<_> = pairs
        .iter()
        .map(|pair| DelegatedKemKey {
            kem: pair.kem().id(),
            key: pair.public().as_bytes(),
        })
        .collect();
    let (mut a, mut b) = ([0; 512], [0; MAX_DELEGATION_LEN]);
    let body = Delegation {
        domain: domain(),
        root_key: *key(1).verifying_key().as_bytes(),
        serial,
        issued_at: NOW,
        not_after: NOW + 1000,
        keys: List::encode(&keys, &mut a).unwrap(),
        kem_keys: List::encode(&entries, &mut b).unwrap(),
    };
    let mut out = [0; 2 * MAX_DELEGATION_LEN];
    let signed = sign_object_as(form, Kind::Delegation, &body, &key(1), &mut out).unwrap();
    let signed = signed.0.to_vec();
    let checked = body
        .sign(form, &key(1), &mut out)
        .map(|(bytes, _)| bytes.to_vec());
    assert_eq!(checked.is_ok(), form == kem || kem_keys == 0);
    assert!(checked.is_err() || checked.as_ref() == Ok(&signed));
    signed
}

fn verify_delegation(bytes: &[u8]) -> Result<VerifiedDelegation, ObjectError> {
    VerifiedDelegation::verify(bytes, &key(1).verifying_key())
}

fn delegation(suite: Suite, serial: u32, kem_keys: u8) -> VerifiedDelegation {
    verify_delegation(&raw_delegation(suite, suite, serial, kem_keys)).unwrap()
}

fn package_in(domain: DomainId, suite: Suite, number: u32) -> Vec<u8> {
    let init = pair(suite, 100);
    let body = KeyPackage {
        domain,
        identity: *key(3).verifying_key().as_bytes(),
        number,
        kem: init.kem().id(),
        init_key: init.public().as_bytes(),
        issued_at: NOW,
        not_after: NOW + 1000,
    };
    let mut out = [0; MAX_KEY_PACKAGE_LEN];
    body.sign(&key(3), &mut out).unwrap().0.to_vec()
}

fn verify_package(bytes: &[u8], suite: Suite) -> Result<VerifiedKeyPackage, ObjectError> {
    VerifiedKeyPackage::verify(bytes, suite, &domain(), &key(3).verifying_key())
}

/// Signed whatever it holds, if `form` is not the packages'.
fn request(domain: DomainId, form: Suite, packages: &[Vec<u8>]) -> Vec<u8> {
    request_for([0; 8], domain, form, packages)
}

fn request_for(token: [u8; 8], domain: DomainId, form: Suite, packages: &[Vec<u8>]) -> Vec<u8> {
    let borrowed: Vec<&[u8]> = packages.iter().map(Vec::as_slice).collect();
    let mut list = vec![0; 200_000];
    let body = EnrolmentRequest {
        domain,
        token,
        name: "sensor-1",
        key: *key(3).verifying_key().as_bytes(),
        issued_at: NOW,
        packages: List::encode(&borrowed, &mut list).unwrap(),
    };
    let mut out = vec![0; 200_000];
    let signed = sign_object_as(form, Kind::EnrolmentRequest, &body, &key(3), &mut out);
    signed.unwrap().0.to_vec()
}

fn welcome(package: &VerifiedKeyPackage, depth: u8) -> Vec<u8> {
    let leaf = 1 << depth;
    let fields = WelcomeFields {
        domain: domain(),
        serial: 1,
        signer: 0,
        member: MemberNumber(7),
        group: GroupId([9; 16]),
        generation: u32::MAX,
        depth,
        leaf,
        epoch: u64::MAX,
        previous: Digest([1; 32]),
        healing_epoch: u64::MAX - 2,
        healing: Digest([2; 32]),
        package_number: package.number(),
        package: *package.hash(),
    };
    let path = PathKeys::from_fn(depth, leaf, |_| NodeKey::new(secret(8))).unwrap();
    let mut out = [0; MAX_WELCOME_LEN];
    let sealed = fields.seal(&path, package, &secret(6), &key(2), &mut out);
    sealed.unwrap().0.to_vec()
}

#[test]
fn x_wing_seals_and_opens() {
    let recipient = pair(Suite::Two, 1);
    assert_eq!(
        (recipient.kem().id(), recipient.public().as_bytes().len()),
        (0x647a, 1216)
    );
    let mut text = *b"path keys";
    let (enc, tag) = seal_base(recipient.public(), b"info", b"aad", &secret(2), &mut text).unwrap();
    assert_eq!(enc.as_bytes().len(), 1120);
    let open_with = |pair: &RecipientKeyPair, info: &[u8], aad: &[u8], enc: &[u8]| {
        let mut text = text;
        open_base(pair, info, aad, enc, &mut text, &tag).map(|()| text)
    };
    let open =
        |pair: &RecipientKeyPair, info: &[u8], enc: &[u8]| open_with(pair, info, b"aad", enc);
    let other_aad = open_with(&recipient, b"info", b"", enc.as_bytes());
    assert_eq!(other_aad, Err(KemError));
    assert_eq!(open(&recipient, b"info", enc.as_bytes()), Ok(*b"path keys"));
    assert_eq!(open(&recipient, b"other", enc.as_bytes()), Err(KemError));
    assert_eq!(
        open(&pair(Suite::Two, 2), b"info", enc.as_bytes()),
        Err(KemError)
    );
    assert_eq!(
        open(&pair(Suite::One, 1), b"info", enc.as_bytes()),
        Err(KemError)
    );
    for len in [0, 32, 1119] {
        assert_eq!(
            open(&recipient, b"info", &enc.as_bytes()[..len]),
            Err(KemError)
        );
    }
    // Both halves count: the first byte is ML-KEM's, the last one X25519's.
    for at in [0, 500, 1087, 1088, 1119] {
        let mut bad = enc.as_bytes().to_vec();
        bad[at] ^= 1;
        assert_eq!(open(&recipient, b"info", &bad), Err(KemError), "byte {at}");
    }

    // The seed decides, and both halves of the randomness differ.
    let seal = |n| {
        seal_base(recipient.public(), b"info", b"", &secret(n), &mut [0; 9])
            .unwrap()
            .0
    };
    assert_eq!(seal(2).as_bytes(), enc.as_bytes());
    assert_ne!(seal(3).as_bytes()[..1088], enc.as_bytes()[..1088]);
    assert_ne!(seal(3).as_bytes()[1088..], enc.as_bytes()[1088..]);
}

#[test]
fn x_wing_keys_that_are_none() {
    let good = pair(Suite::Two, 1).public().as_bytes().to_vec();
    assert!(RecipientKey::from_bytes(KemId::XWing, &good).is_ok());
    for len in [0, 32, 1215] {
        assert!(RecipientKey::from_bytes(KemId::XWing, &good[..len]).is_err());
    }
    // A coefficient of 4095 is not below q = 3329.
    let mut bad = good.clone();
    (bad[0], bad[1]) = (0xff, 0xff);
    assert_eq!(RecipientKey::from_bytes(KemId::XWing, &bad), Err(KemError));
    assert!(RecipientKey::from_bytes(KemId::X25519, &good).is_err());
    let debug = format!("{:?}", pair(Suite::Two, 1));
    assert!(debug.len() < 100, "{debug}");
}

#[test]
fn delegations_keep_their_suite() {
    for suite in SUITES {
        let bytes = raw_delegation(suite, suite, 1, 4);
        assert_eq!(suite_of(&bytes), Ok(suite));
        let held = verify_delegation(&bytes).unwrap();
        assert_eq!(held.suite(), suite);
        let keys: Vec<_> = held.kem_keys().collect();
        assert_eq!(keys.len(), 4);
        assert_eq!(keys[3], (3, pair(suite, 53).public()));

        assert_eq!(delegation(suite, 2, 0).supersedes(&held), Ok(true));
        // Signed by the root and with a higher serial, and still refused.
        let swapped = delegation(other(suite), 2, 0);
        assert_eq!(swapped.supersedes(&held).unwrap_err(), ObjectError::Form);

        let mixed = raw_delegation(suite, other(suite), 1, 1);
        let error = verify_delegation(&mixed).unwrap_err();
        assert_eq!(error, ObjectError::Field("kem_keys"));
        let mut reformed = bytes;
        reformed[0] = other(suite).form();
        let error = verify_delegation(&reformed).unwrap_err();
        assert_eq!(error, ObjectError::Signature, "the hash covers the form");
    }
}

#[test]
fn packages_and_requests_are_of_one_suite() {
    for suite in SUITES {
        let package = package_in(domain(), suite, 1);
        assert_eq!(verify_package(&package, suite).unwrap().suite(), suite);
        assert_eq!(
            verify_package(&package, other(suite)),
            Err(ObjectError::Form)
        );
        let mut reformed = package.clone();
        reformed[0] = other(suite).form();
        assert_eq!(
            verify_package(&reformed, other(suite)),
            Err(ObjectError::Signature)
        );
        // The member itself signs the wrong form over the right key.
        let body: KeyPackage<'_> = fields_of(&package, Kind::KeyPackage);
        let mut out = [0; MAX_KEY_PACKAGE_LEN];
        let wrong = sign_object_as(other(suite), Kind::KeyPackage, &body, &key(3), &mut out);
        let wrong = wrong.unwrap().0;
        assert_eq!(
            verify_package(wrong, other(suite)),
            Err(ObjectError::Field("kem"))
        );

        let verify = |bytes: &[u8], suite| {
            VerifiedEnrolment::verify(bytes, suite, &domain()).map(|r| r.packages().count())
        };
        let good = request(
            domain(),
            suite,
            &[package.clone(), package_in(domain(), suite, 2)],
        );
        assert_eq!(verify(&good, suite), Ok(2));
        assert_eq!(verify(&good, other(suite)), Err(ObjectError::Form));
        let mixed = [package.clone(), package_in(domain(), other(suite), 2)];
        assert_eq!(
            verify(&request(domain(), suite, &mixed), suite),
            Err(ObjectError::Form)
        );
        let many: Vec<_> = (1..=65).map(|n| package_in(domain(), suite, n)).collect();
        assert_eq!(
            verify(&request(domain(), suite, &many[..64]), suite),
            Ok(64)
        );
        let refused = Err(ObjectError::Field("packages"));
        assert_eq!(verify(&request(domain(), suite, &many), suite), refused);
    }
}

#[test]
fn welcomes_are_of_the_domains_suite() {
    for suite in SUITES {
        let package = verify_package(&package_in(domain(), suite, 1), suite).unwrap();
        let authorities = delegation(suite, 1, 0);
        let bytes = welcome(&package, 24);
        assert!(bytes.len() <= MAX_WELCOME_LEN, "{} bytes", bytes.len());
        let verified = VerifiedWelcome::verify(&bytes, &authorities).unwrap();
        assert_eq!(verified.suite(), suite);
        assert!(verified.open(&pair(suite, 100)).is_ok());
        assert!(verified.open(&pair(suite, 101)).is_err());
        assert!(verified.open(&pair(other(suite), 100)).is_err());

        // A domain of the other suite takes neither this welcome nor one with its form.
        let elsewhere = delegation(other(suite), 1, 0);
        let refused = |bytes: &[u8]| VerifiedWelcome::verify(bytes, &elsewhere).err();
        assert_eq!(refused(&bytes), Some(ObjectError::Form));
        let mut reformed = bytes.clone();
        reformed[0] = other(suite).form();
        assert_eq!(refused(&reformed), Some(ObjectError::Signature));

        // No byte can change, tried at every 61st.
        for at in (0..bytes.len()).step_by(61) {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                assert!(VerifiedWelcome::verify(&bad, &authorities).is_err());
            }
        }
    }
}

#[test]
fn join_requests() {
    for suite in SUITES {
        let delegation = delegation(suite, 3, 2);
        let inner = request(domain(), suite, &[package_in(domain(), suite, 1)]);
        let keys = pair(suite, 50);
        let lookup = |serial, key| (serial == 3 && key == 0).then_some(&keys);
        let open = |bytes: &[u8]| JoinRequest::open(bytes, &domain(), lookup);

        let named = request_for([4; 8], domain(), suite, &[package_in(domain(), suite, 1)]);
        let token = (&[4; 8], &secret(40));
        let bytes = JoinRequest::seal(&delegation, Some(token), &named, &secret(41)).unwrap();
        assert_eq!(bytes[..2], [suite.form(), 10]);
        assert!(
            !bytes.windows(8).any(|w| w == [4; 8]),
            "the token's id is hidden"
        );
        let opened = open(&bytes).unwrap();
        assert_eq!(opened.token(), Some(&[4; 8]));
        assert!(opened.check_mac(&secret(40)) && !opened.check_mac(&secret(42)));
        assert_eq!(opened.request(), named);
        let enrolment = opened.enrolment().unwrap();
        assert_eq!(
            (enrolment.fields().name, enrolment.hash()),
            ("sensor-1", opened.hash())
        );

        let without = JoinRequest::seal(&delegation, None, &inner, &secret(41)).unwrap();
        let opened = open(&without).unwrap();
        assert_eq!(opened.token(), None);
        assert!(!opened.check_mac(&secret(40)) && !opened.check_mac(&Secret::new([0; 32])));

        // Every byte counts (the longest fields are sampled), and so do the domain, the serial and the key.
        let tail = bytes.len() - 200;
        for at in (0..100)
            .chain((100..tail).step_by(17))
            .chain(tail..bytes.len())
        {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << (at % 8);
            assert!(open(&bad).is_err(), "byte {at}");
        }
        for len in [0, 1, 2, 40, bytes.len() - 1] {
            assert!(open(&bytes[..len]).is_err(), "{len} bytes");
        }
        assert!(open(&[&bytes[..], &[0]].concat()).is_err());
        let sealed = Some(ObjectError::Field("sealed"));
        let elsewhere = JoinRequest::open(&bytes, &UNKNOWN_DOMAIN, lookup);
        assert_eq!(elsewhere.err(), sealed);
        let wrong = pair(suite, 51);
        assert_eq!(
            JoinRequest::open(&bytes, &domain(), |_, _| Some(&wrong)).err(),
            sealed
        );
        let none = JoinRequest::open(&bytes, &domain(), |_, _| None);
        assert_eq!(none.err(), Some(ObjectError::Role));
        let swapped = pair(other(suite), 50);
        let swapped = JoinRequest::open(&bytes, &domain(), |_, _| Some(&swapped));
        assert_eq!(swapped.err(), Some(ObjectError::Form));
        let huge = vec![suite.form(); MAX_JOIN_REQUEST_LEN + 1];
        assert_eq!(open(&huge).err(), Some(ObjectError::TooLarge));
    }
}

#[test]
fn join_requests_that_are_not_sealed() {
    let delegation_2 = delegation(Suite::Two, 3, 1);
    let seal = |delegation: &VerifiedDelegation, request: &[u8], id: [u8; 8]| {
        JoinRequest::seal(delegation, Some((&id, &secret(1))), request, &secret(2)).map(|_| ())
    };
    let of = |domain, suite| request_for([1; 8], domain, suite, &[package_in(domain, suite, 1)]);
    let good = of(domain(), Suite::Two);
    assert_eq!(seal(&delegation_2, &good, [1; 8]), Ok(()));
    assert_eq!(
        seal(&delegation_2, &good, [0; 8]),
        Err(ObjectError::Field("token"))
    );
    let unnamed = of(UNKNOWN_DOMAIN, Suite::Two);
    assert_eq!(
        seal(&delegation_2, &unnamed, [1; 8]),
        Err(ObjectError::Domain)
    );
    // A device of suite 1 cannot bring a domain of suite 2 down to its keys.
    let weaker = of(domain(), Suite::One);
    assert_eq!(seal(&delegation_2, &weaker, [1; 8]), Err(ObjectError::Form));
    let deaf = delegation(Suite::Two, 3, 0);
    assert_eq!(
        seal(&deaf, &good, [1; 8]),
        Err(ObjectError::Field("kem_keys"))
    );
    assert_eq!(
        Object::parse(&good, Kind::EnrolmentRequest).err(),
        Some(ObjectError::Form)
    );
}
