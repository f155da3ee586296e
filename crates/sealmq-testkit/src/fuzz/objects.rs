//! Delegations, and the objects of single members.

use sealmq_core::crypto::{IdentityKey, Secret, VerifyingKey};
use sealmq_core::object::{Extensions, Kind, List, decode, encode};
use sealmq_core::topic::Filter;
use sealmq_core::wire::Suite;
use sealmq_core::{Credential, DomainId, Grant, MAX_GRANTS, VerifiedCredential, check_name};
use sealmq_keys::{
    DelegatedKemKey, DelegatedKey, Delegation, EnrolmentRequest, KeyPackage, MAX_AUTHORITY_KEYS,
    MAX_KEM_KEYS, VerifiedDelegation, VerifiedEnrolment, VerifiedKeyPackage,
};

use super::signed::{Fields, Signer, frame, framed, refuse_damaged};

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
    let verify = |bytes: &[u8]| VerifiedDelegation::verify(bytes, &root).ok();
    let (domain, root_key) = (signer.domain, *root.as_bytes());
    let own = |(fields, _): &mut Fields<'_, Delegation<'_>>| {
        (fields.domain, fields.root_key) = (domain, root_key);
    };
    let accepts = |bytes: &[u8]| Some(*verify(bytes)?.hash());
    let Some(made) = framed(data, (Kind::Delegation, &signer.root), own, accepts) else {
        return false;
    };
    let Some(verified) = verify(&made.object) else {
        return false;
    };
    let fields = &made.fields.0;
    let keys: Vec<DelegatedKey> = fields.keys.iter().collect();
    let kem_keys: Vec<DelegatedKemKey<'_>> = fields.kem_keys.iter().collect();
    assert!((1..=MAX_AUTHORITY_KEYS).contains(&keys.len()) && kem_keys.len() <= MAX_KEM_KEYS);
    let known = verified.keys().map(|(_, key, _)| *key.as_bytes());
    assert!(known.eq(keys.iter().map(|k| k.key)));
    let (mut key_bytes, mut kem_bytes) = ([0; 512], [0; 512]);
    let keys = List::encode(&keys, &mut key_bytes).unwrap();
    let kem_keys = List::encode(&kem_keys, &mut kem_bytes).unwrap();
    made.signs(&signer.root, |fields, by, out| {
        let mut again = *fields;
        (again.keys, again.kem_keys) = (keys, kem_keys);
        Some(again.sign(verified.suite(), by, out).ok()?.0.len())
    })
}

/// Credentials (kind 2).
pub fn credential(data: &[u8]) -> bool {
    let signer = Signer::get();
    let verify = |bytes: &[u8]| VerifiedCredential::verify(bytes.to_vec(), &signer.delegation).ok();
    let (domain, serial) = (signer.domain, Signer::SERIAL);
    let own = |(fields, _): &mut Fields<'_, Credential<'_>>| {
        (fields.domain, fields.serial, fields.signer) = (domain, serial, 0);
    };
    let accepts = |bytes: &[u8]| Some(*verify(bytes)?.hash());
    let Some(made) = framed(data, (Kind::Credential, &signer.key), own, accepts) else {
        return false;
    };
    let Some(verified) = verify(&made.object) else {
        return false;
    };
    let (fields, extensions) = made.fields;
    assert_eq!(verified.fields(), fields);
    assert!(fields.member.is_valid() && check_name(fields.name).is_ok());
    let key = VerifyingKey::from_bytes(&fields.key);
    assert_eq!(key.as_ref(), Ok(verified.key()));
    let grants: Vec<Grant<'_>> = fields.grants.iter().collect();
    assert!(grants.len() <= MAX_GRANTS);
    assert!(grants.windows(2).all(|pair| pair[0].group < pair[1].group));
    for grant in &grants {
        let filter = grant.publish_filter;
        assert!(filter.is_empty() || (grant.access.may_publish() && Filter::new(filter).is_ok()));
        assert_eq!(fields.grant(&grant.group), Some(*grant));
    }
    let mut list = vec![0; data.len() + 256];
    let grants = List::encode(&grants, &mut list).unwrap();
    let again = Credential { grants, ..fields };
    assert_eq!(encoded(&(again, extensions), data.len()), made.body);
    true
}

/// Key packages (kind 3).
pub fn key_package(data: &[u8]) -> bool {
    let (signer, identity) = (Signer::get(), identity());
    let key = identity.verifying_key();
    let verify =
        |bytes: &[u8]| VerifiedKeyPackage::verify(bytes, Suite::One, &signer.domain, &key).ok();
    let own = |(fields, _): &mut Fields<'_, KeyPackage<'_>>| {
        (fields.domain, fields.identity) = (signer.domain, *key.as_bytes());
    };
    let accepts = |bytes: &[u8]| Some(*verify(bytes)?.hash());
    let Some(made) = framed(data, (Kind::KeyPackage, &identity), own, accepts) else {
        return false;
    };
    let Some(verified) = verify(&made.object) else {
        return false;
    };
    let fields = &made.fields.0;
    assert_eq!(verified.init_key().as_bytes(), fields.init_key);
    assert_eq!(verified.number(), fields.number);
    assert!(fields.number > 0 && fields.not_after > fields.issued_at);
    made.signs(&identity, |fields, by, out| {
        Some(fields.sign(by, out).ok()?.0.len())
    })
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
    let packages = fields.packages.iter().map(|p| genuine(p, fields.domain));
    let packages: Vec<Vec<u8>> = packages.collect();
    let borrowed: Vec<&[u8]> = packages.iter().map(Vec::as_slice).collect();
    let mut list = vec![0; packages.iter().map(|p| p.len() + 10).sum()];
    let packages = List::encode(&borrowed, &mut list).unwrap();
    let mut fields = fields;
    (fields.key, fields.packages) = (key, packages);
    let about = packages.as_encoded().len() + data.len();
    let body = encoded(&(fields, extensions), about);
    let object = frame(Kind::EnrolmentRequest, &body, &identity);
    let verify =
        |bytes: &[u8]| VerifiedEnrolment::verify(bytes, Suite::One, &fields.domain).is_ok();
    let Ok(verified) = VerifiedEnrolment::verify(&object, Suite::One, &fields.domain) else {
        return false;
    };
    assert_eq!(*verified.fields(), fields);
    let packages = verified
        .packages()
        .map(|(bytes, package)| (bytes, package.number()));
    let (bytes, numbers): (Vec<&[u8]>, Vec<u32>) = packages.unzip();
    assert_eq!(bytes, borrowed);
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
    refuse_damaged(&object, verified.hash(), verify);
    true
}

/// A package with the same numbers and times, signed by the fuzzed member.
pub(super) fn genuine(bytes: &[u8], domain: DomainId) -> Vec<u8> {
    let body = bytes
        .get(2..bytes.len().saturating_sub(64))
        .unwrap_or_default();
    let Ok((mut fields, extensions)) = decode::<(KeyPackage<'_>, Extensions<'_>)>(body) else {
        return bytes.to_vec();
    };
    let own = identity();
    (fields.domain, fields.identity) = (domain, *own.verifying_key().as_bytes());
    frame(
        Kind::KeyPackage,
        &encoded(&(fields, extensions), bytes.len()),
        &own,
    )
}
