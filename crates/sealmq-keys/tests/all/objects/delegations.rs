//! Delegations (spec/keys.md §3).

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
