//! Who signs: keys, delegations and packages, all made from numbers.

use sealmq_core::DomainId;
use sealmq_core::crypto::{IdentityKey, KemId, RecipientKeyPair, Secret};
use sealmq_core::object::{List, Role};
use sealmq_core::wire::Suite;
use sealmq_keys::*;

use super::{NOW, VALIDITY};

pub fn secret(parts: &[u64]) -> Secret {
    let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_be_bytes()).collect();
    Secret::new(sealmq_core::crypto::sha256(&[&bytes]).0)
}

pub fn root() -> IdentityKey {
    IdentityKey::from_seed(&secret(&[1]))
}

pub fn domain() -> DomainId {
    DomainId::of_root(&root().verifying_key())
}

/// Signs a delegation of two keys: index 0 has every role, index 1 only `issue`.
pub fn delegation(serial: u32) -> Vec<u8> {
    let keys = [
        DelegatedKey {
            key: *signer(serial).verifying_key().as_bytes(),
            roles: Roles::ALL,
        },
        DelegatedKey {
            key: *issuer().verifying_key().as_bytes(),
            roles: Roles::NONE.with(Role::Issue),
        },
    ];
    let mut buffer = [0; 512];
    let body = Delegation {
        domain: domain(),
        root_key: *root().verifying_key().as_bytes(),
        serial,
        issued_at: NOW,
        not_after: NOW + VALIDITY,
        keys: List::encode(&keys, &mut buffer).unwrap(),
        kem_keys: List::EMPTY,
    };
    let mut out = [0; MAX_DELEGATION_LEN];
    body.sign(Suite::One, &root(), &mut out).unwrap().0.to_vec()
}

/// The authority key of a delegation.
pub fn signer(serial: u32) -> IdentityKey {
    IdentityKey::from_seed(&secret(&[2, serial.into()]))
}

pub fn issuer() -> IdentityKey {
    IdentityKey::from_seed(&secret(&[3]))
}

pub fn authorities(serial: u32) -> VerifiedDelegation {
    VerifiedDelegation::verify(&delegation(serial), &root().verifying_key()).unwrap()
}

pub fn init_key(number: u32) -> RecipientKeyPair {
    RecipientKeyPair::derive(KemId::X25519, &secret(&[4, number.into()]))
}

pub fn identity() -> IdentityKey {
    IdentityKey::from_seed(&secret(&[5]))
}

pub fn package_bytes(number: u32) -> Vec<u8> {
    let init = init_key(number);
    let body = KeyPackage {
        domain: domain(),
        identity: *identity().verifying_key().as_bytes(),
        number,
        kem: KEM_X25519,
        init_key: init.public().as_bytes(),
        issued_at: NOW,
        not_after: NOW + VALIDITY,
    };
    let mut out = [0; MAX_KEY_PACKAGE_LEN];
    body.sign(&identity(), &mut out).unwrap().0.to_vec()
}

pub fn package(number: u32) -> VerifiedKeyPackage {
    let identity = identity().verifying_key();
    VerifiedKeyPackage::verify(&package_bytes(number), Suite::One, &domain(), &identity).unwrap()
}
