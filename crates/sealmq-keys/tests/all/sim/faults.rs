//! Objects with one fault each, signed correctly.

use sealmq_core::crypto::{Digest, IdentityKey};
use sealmq_core::object::{
    Extensions, FORM_SUITE_1, FORM_SUITE_2, Kind, List, Object, ObjectError, encode, sign_encoded,
    sign_object,
};
use serde::{Deserialize, Serialize};

/// Signs anything, without a look at its fields.
pub fn raw<T: Serialize>(kind: Kind, body: &T, key: &IdentityKey) -> Vec<u8> {
    let mut out = vec![0; 70_000];
    sign_object(kind, body, key, &mut out).unwrap().0.to_vec()
}

/// The same for a kind that has something behind its extensions.
pub fn raw_around<T: Serialize, U: Serialize>(
    kind: Kind,
    before: &T,
    after: &U,
    key: &IdentityKey,
) -> Vec<u8> {
    let mut out = vec![0; 70_000];
    out[..2].copy_from_slice(&[FORM_SUITE_1, kind as u8]);
    let extensions: Extensions<'_> = List::EMPTY;
    let body_len = encode(&(before, extensions, after), &mut out[2..])
        .unwrap()
        .len();
    sign_encoded(kind, body_len, key, &mut out)
        .unwrap()
        .0
        .to_vec()
}

/// The fields of an object.
pub fn fields_of<'a, T: Serialize + Deserialize<'a>>(object: &'a [u8], kind: Kind) -> T {
    let object = Object::parse_any(object, kind).unwrap();
    object.decode().unwrap().0
}

/// Form, kind, every bit, every length: only the object itself verifies.
pub fn only_itself(good: &[u8], verify: impl Fn(&[u8]) -> Result<(), ObjectError>) {
    assert_eq!(verify(good), Ok(()));
    for bit in 0..good.len() * 8 {
        let mut bad = good.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&bad).is_err(), "bit {bit}");
    }
    for len in 0..good.len() {
        assert!(verify(&good[..len]).is_err(), "{len} bytes");
    }
    assert!(verify(&[good, &[0]].concat()).is_err());
    // A delegation names the suite itself: there the signature tells.
    let mut other_suite = good.to_vec();
    other_suite[0] = FORM_SUITE_2;
    let error = verify(&other_suite).unwrap_err();
    assert!(matches!(error, ObjectError::Form | ObjectError::Signature));
    for form in [0x00, 0x10, 0x13, 0x21, 0x91] {
        let mut bad = good.to_vec();
        bad[0] = form;
        assert_eq!(verify(&bad), Err(ObjectError::Form));
    }
    for kind in (0..=255).filter(|kind| *kind != good[1]) {
        let mut bad = good.to_vec();
        bad[1] = kind;
        assert_eq!(verify(&bad), Err(ObjectError::Kind));
    }
}

/// A correctly signed object whose first varint is spelled with one byte more than needed.
pub fn overlong(good: &[u8], varint_at: usize, kind: Kind, key: &IdentityKey) -> Vec<u8> {
    let mut body = good[2..good.len() - 64].to_vec();
    let at = varint_at;
    assert!(body[at] < 0x80, "a varint of one byte");
    body[at] |= 0x80;
    body.insert(at + 1, 0);
    let mut out = vec![0; body.len() + 66];
    out[..2].copy_from_slice(&[FORM_SUITE_1, kind as u8]);
    out[2..2 + body.len()].copy_from_slice(&body);
    sign_encoded(kind, body.len(), key, &mut out).unwrap();
    out
}

pub type ChainCheck<'a> = &'a dyn Fn(u64, Digest, u64, Digest) -> Result<(), ObjectError>;

/// The rules that announcements and welcomes share.
pub fn chain_rules(check: ChainCheck<'_>) {
    let (zero, a, b) = (Digest::ZERO, Digest([1; 32]), Digest([2; 32]));
    let field = |name| Err(ObjectError::Field(name));
    assert_eq!(check(1, zero, 0, zero), Ok(()));
    assert_eq!(check(9, a, 0, zero), Ok(()));
    assert_eq!(check(9, a, 8, a), Ok(()));
    assert_eq!(check(9, a, 7, b), Ok(()));
    assert_eq!(check(0, zero, 0, zero), field("epoch"));
    assert_eq!(check(1, a, 0, zero), field("previous"));
    assert_eq!(check(2, zero, 0, zero), field("previous"));
    assert_eq!(check(9, a, 9, b), field("healing_epoch"));
    assert_eq!(check(9, a, u64::MAX, b), field("healing_epoch"));
    assert_eq!(check(9, a, 0, b), field("healing"));
    assert_eq!(check(9, a, 7, zero), field("healing"));
    assert_eq!(check(9, a, 8, b), field("healing"));
}
