//! Key packages and enrolment requests (spec/keys.md §4).

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
