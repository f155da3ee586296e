//! Ed25519 with every kind of key and R: each of the eight points of small order, in each of its
//! fourteen encodings; points with each of the eight components of small order; each pair of them with
//! components that cancel and with some that do not; k of the bytes as they stand and of canonical
//! ones. C2SP's CCTV vectors are made of the same.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::traits::IsIdentity as _;
use curve25519_dalek::{EdwardsPoint, Scalar};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha512};

use super::{Backend, for_every_back_end};

for_every_back_end!(strict);

/// A point, its scalar of order L and its component of small order, and one of its encodings.
#[derive(Clone, Copy)]
pub(super) struct Encoded {
    scalar: Scalar,
    torsion: EdwardsPoint,
    canonical: [u8; 32],
    pub(super) bytes: [u8; 32],
}

impl Encoded {
    pub(super) fn new(scalar: Scalar, torsion: EdwardsPoint) -> Self {
        let point = EdwardsPoint::mul_base(&scalar) + torsion;
        let bytes = point.compress().to_bytes();
        Self {
            scalar,
            torsion,
            canonical: bytes,
            bytes,
        }
    }

    fn is_strict(&self) -> bool {
        self.scalar != Scalar::ZERO && self.bytes == self.canonical
    }
}

/// The encodings of points of small order that decompress: y, y + p where that fits, and the sign of
/// x = 0 wrong.
fn small() -> Vec<Encoded> {
    let mut all = Vec::new();
    for torsion in EIGHT_TORSION {
        let point = Encoded::new(Scalar::ZERO, torsion);
        let mut encodings = vec![point.bytes];
        let y = point.bytes[0];
        // p = 2^255 − 19 ends with ed: 0 and 1 are below 19.
        if point.bytes[1..31].iter().all(|byte| *byte == 0) && y < 19 {
            let mut shifted = [0xff; 32];
            (shifted[0], shifted[31]) = (0xed + y, point.bytes[31] | 0x7f);
            encodings.push(shifted);
        }
        let minus_zero: Vec<_> = encodings
            .iter()
            .map(|bytes| {
                let mut other = *bytes;
                other[31] ^= 0x80;
                other
            })
            .filter(|other| {
                let decoded = curve25519_dalek::edwards::CompressedEdwardsY(*other).decompress();
                decoded == Some(torsion)
            })
            .collect();
        encodings.extend(minus_zero);
        all.extend(
            encodings
                .into_iter()
                .map(|bytes| Encoded { bytes, ..point }),
        );
    }
    assert_eq!(all.len(), 14);
    all
}

/// k, of an R and a key.
fn hashed(r: &[u8; 32], a: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new()
        .chain_update(r)
        .chain_update(a)
        .chain_update(message);
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

/// A signature whose equation holds up to components of small order, and whether these cancel.
pub(super) fn signed(
    a: &Encoded,
    r: &Encoded,
    message: &[u8],
    reencoded: bool,
) -> ([u8; 64], bool) {
    let k = match reencoded {
        true => hashed(&r.canonical, &a.canonical, message),
        false => hashed(&r.bytes, &a.bytes, message),
    };
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r.bytes);
    signature[32..].copy_from_slice((r.scalar + k * a.scalar).as_bytes());
    let real = hashed(&r.bytes, &a.bytes, message);
    let same = k == real || a.scalar == Scalar::ZERO;
    let small_k = usize::from(real.as_bytes()[0] % 8);
    let component: EdwardsPoint = std::iter::repeat_n(a.torsion, small_k).sum();
    let holds = same && (r.torsion + component).is_identity();
    (signature, holds)
}

fn strict<B: Backend>() {
    let mut points = small();
    let scalar = |byte| Scalar::from_bytes_mod_order([byte; 32]);
    let mixed = |byte| move |torsion| Encoded::new(scalar(byte), torsion);
    let mut keys = points.clone();
    keys.extend(EIGHT_TORSION.map(mixed(0x2b)));
    points.extend(EIGHT_TORSION.map(mixed(0x1d)));
    let (mut run, mut accepted) = (0, 0);
    for (a, r) in keys.iter().flat_map(|a| points.iter().map(move |r| (a, r))) {
        for reencoded in [false, true] {
            for (message, signature, holds) in both(a, r, reencoded) {
                let expected = holds && a.is_strict() && r.is_strict();
                assert_eq!(by_dalek(&a.bytes, &message, &signature), expected);
                assert_eq!(B::verify(&a.bytes, &message, &signature), expected);
                run += 1;
                accepted += usize::from(expected);
            }
        }
    }
    // Of 8 × 8 pairs with canonical bytes, those whose components can cancel.
    assert_eq!(accepted, 2 * 43);
    assert!(run > 914, "{run}");
}

/// A signature that holds and one that does not, as far as there are both.
fn both(
    a: &Encoded,
    r: &Encoded,
    reencoded: bool,
) -> impl Iterator<Item = ([u8; 1], [u8; 64], bool)> {
    let made = move |n: u8| {
        let (signature, holds) = signed(a, r, &[n], reencoded);
        ([n], signature, holds)
    };
    let first = move |wanted: bool| (0..=u8::MAX).map(made).find(|made| made.2 == wanted);
    [first(true), first(false)].into_iter().flatten()
}

/// What the rule says: ed25519-dalek's `verify_strict`, of canonical keys.
pub(super) fn by_dalek(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(key) else {
        return false;
    };
    let canonical = key.to_edwards().compress().to_bytes() == key.to_bytes();
    canonical
        && key
            .verify_strict(message, &Signature::from_bytes(signature))
            .is_ok()
}
