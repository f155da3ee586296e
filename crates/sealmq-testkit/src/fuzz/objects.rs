//! Delegations, and the objects of single members.

use sealmq_core::crypto::{IdentityKey, Secret, VerifyingKey};
use sealmq_core::object::{Extensions, Kind, List, Signer as Extended, decode, encode};
use sealmq_core::topic::Filter;
use sealmq_core::wire::Suite;
use sealmq_core::{Credential, DomainId, Grant, MAX_GRANTS, VerifiedCredential, check_name};
use sealmq_keys::{
    DelegatedKemKey, DelegatedKey, Delegation, EnrolmentRequest, KeyPackage, MAX_AUTHORITY_KEYS,
    MAX_KEM_KEYS, VerifiedDelegation, VerifiedEnrolment, VerifiedKeyPackage,
};

use super::signed::{Signer, frame, refuse_damaged};

/// The identity key of the member whose objects are fuzzed.
pub(super) fn identity() -> IdentityKey {
    IdentityKey::from_seed(&Secret::new([0xb1; 32]))
}

pub(super) fn encoded<T: serde::Serialize>(value: &T, about: usize) -> Vec<u8> {
    let mut out = vec![0; about + 256];
    let len = encode(value, &mut out).unwrap().len();
    out.truncate(len);
    out
}

/// Delegations (kind 1).
pub fn delegation(data: &[u8]) -> bool {
    let signer = Signer::get();
    let root = signer.root.verifying_key();
    assert!(VerifiedDelegation::verify(data, &root).is_err(), "not ours");
    let Ok((fields, extensions)) = decode::<(Delegation<'_>, Extensions<'_>)>(data) else {
        return false;
    };
    let fields = Delegation {
        domain: signer.domain,
        root_key: *root.as_bytes(),
        ..fields
    };
    let object = frame(
        Kind::Delegation,
        &encoded(&(fields, extensions), data.len()),
        &signer.root,
    );
    let Ok(verified) = VerifiedDelegation::verify(&object, &root) else {
        return false;
    };
    let keys: Vec<DelegatedKey> = fields.keys.iter().collect();
    let kem_keys: Vec<DelegatedKemKey<'_>> = fields.kem_keys.iter().collect();
    assert!((1..=MAX_AUTHORITY_KEYS).contains(&keys.len()) && kem_keys.len() <= MAX_KEM_KEYS);
    assert!(
        verified
            .keys()
            .map(|(_, key, _)| *key.as_bytes())
            .eq(keys.iter().map(|k| k.key))
    );
    let (mut key_bytes, mut kem_bytes) = ([0; 512], [0; 512]);
    let again = Delegation {
        keys: List::encode(&keys, &mut key_bytes).unwrap(),
        kem_keys: List::encode(&kem_keys, &mut kem_bytes).unwrap(),
        ..fields
    };
    let mut out = [0; 4096];
    assert_eq!(
        again
            .sign(
                verified.suite(),
                Extended::extended(&signer.root, extensions).unwrap(),
                &mut out
            )
            .unwrap()
            .0,
        object
    );
    refuse_damaged(&object, verified.hash(), |bytes| {
        VerifiedDelegation::verify(bytes, &root).is_ok()
    });
    true
}

/// Credentials (kind 2).
pub fn credential(data: &[u8]) -> bool {
    let signer = Signer::get();
    assert!(
        VerifiedCredential::verify(data, &signer.delegation).is_err(),
        "not ours"
    );
    let Ok((fields, extensions)) = decode::<(Credential<'_>, Extensions<'_>)>(data) else {
        return false;
    };
    let fields = Credential {
        domain: signer.domain,
        serial: Signer::SERIAL,
        signer: 0,
        ..fields
    };
    let body = encoded(&(fields, extensions), data.len());
    let object = frame(Kind::Credential, &body, &signer.key);
    let Ok(verified) = VerifiedCredential::verify(object.as_slice(), &signer.delegation) else {
        return false;
    };
    assert_eq!(verified.fields(), fields);
    assert!(fields.member.is_valid() && check_name(fields.name).is_ok());
    assert_eq!(
        VerifyingKey::from_bytes(&fields.key).unwrap(),
        *verified.key()
    );
    let grants: Vec<Grant<'_>> = fields.grants.iter().collect();
    assert!(grants.len() <= MAX_GRANTS);
    assert!(grants.windows(2).all(|pair| pair[0].group < pair[1].group));
    for grant in &grants {
        let filter = grant.publish_filter;
        assert!(filter.is_empty() || (grant.access.may_publish() && Filter::new(filter).is_ok()));
        assert_eq!(fields.grant(&grant.group), Some(*grant));
    }
    let mut list = vec![0; data.len() + 256];
    let again = Credential {
        grants: List::encode(&grants, &mut list).unwrap(),
        ..fields
    };
    assert_eq!(encoded(&(again, extensions), data.len()), body);
    refuse_damaged(&object, verified.hash(), |bytes| {
        VerifiedCredential::verify(bytes, &signer.delegation).is_ok()
    });
    true
}

/// Key packages (kind 3).
pub fn key_package(data: &[u8]) -> bool {
    let (signer, identity) = (Signer::get(), identity());
    let key = identity.verifying_key();
    assert!(
        VerifiedKeyPackage::verify(data, Suite::One, &signer.domain, &key).is_err(),
        "not ours"
    );
    let Ok((fields, extensions)) = decode::<(KeyPackage<'_>, Extensions<'_>)>(data) else {
        return false;
    };
    let fields = KeyPackage {
        domain: signer.domain,
        identity: *key.as_bytes(),
        ..fields
    };
    let object = frame(
        Kind::KeyPackage,
        &encoded(&(fields, extensions), data.len()),
        &identity,
    );
    let Ok(verified) = VerifiedKeyPackage::verify(&object, Suite::One, &signer.domain, &key) else {
        return false;
    };
    assert_eq!(verified.init_key().as_bytes(), fields.init_key);
    assert_eq!(verified.number(), fields.number);
    assert!(fields.number > 0 && fields.not_after > fields.issued_at);
    let again = Extended::extended(&identity, extensions).unwrap();
    let mut out = vec![0; object.len()];
    assert_eq!(fields.sign(again, &mut out).unwrap().0, object);
    refuse_damaged(&object, verified.hash(), |bytes| {
        VerifiedKeyPackage::verify(bytes, Suite::One, &signer.domain, &key).is_ok()
    });
    true
}

/// Enrolment requests (kind 9). The packages inside are made genuine as well where they decode.
pub fn enrolment_request(data: &[u8]) -> bool {
    let (signer, identity) = (Signer::get(), identity());
    let key = *identity.verifying_key().as_bytes();
    // A request is signed by the key inside it, so fuzz bytes may be a genuine one.
    if let Ok(verified) = VerifiedEnrolment::verify(data, Suite::One, &signer.domain) {
        assert!(check_name(verified.fields().name).is_ok());
    }
    let Ok((fields, extensions)) = decode::<(EnrolmentRequest<'_>, Extensions<'_>)>(data) else {
        return false;
    };
    let packages: Vec<Vec<u8>> = fields
        .packages
        .iter()
        .map(|p| genuine(p, fields.domain))
        .collect();
    let borrowed: Vec<&[u8]> = packages.iter().map(Vec::as_slice).collect();
    let mut list = vec![0; packages.iter().map(|p| p.len() + 10).sum()];
    let packages = List::encode(&borrowed, &mut list).unwrap();
    let fields = EnrolmentRequest {
        key,
        packages,
        ..fields
    };
    let about = packages.as_encoded().len() + data.len();
    let object = frame(
        Kind::EnrolmentRequest,
        &encoded(&(fields, extensions), about),
        &identity,
    );
    let Ok(verified) = VerifiedEnrolment::verify(&object, Suite::One, &fields.domain) else {
        return false;
    };
    assert_eq!(*verified.fields(), fields);
    let numbers: Vec<u32> = verified
        .packages()
        .map(|(_, package)| package.number())
        .collect();
    assert!(
        verified
            .packages()
            .map(|(bytes, _)| bytes)
            .eq(borrowed.iter().copied())
    );
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
    refuse_damaged(&object, verified.hash(), |bytes| {
        VerifiedEnrolment::verify(bytes, Suite::One, &fields.domain).is_ok()
    });
    true
}

/// A package with the same numbers and times, signed by the fuzzed member.
pub(super) fn genuine(bytes: &[u8], domain: DomainId) -> Vec<u8> {
    let body = bytes
        .get(2..bytes.len().saturating_sub(64))
        .unwrap_or_default();
    let Ok((fields, extensions)) = decode::<(KeyPackage<'_>, Extensions<'_>)>(body) else {
        return bytes.to_vec();
    };
    let identity = identity();
    let fields = KeyPackage {
        domain,
        identity: *identity.verifying_key().as_bytes(),
        ..fields
    };
    frame(
        Kind::KeyPackage,
        &encoded(&(fields, extensions), bytes.len()),
        &identity,
    )
}
