use std::vec::Vec;

use curve25519_dalek::traits::Identity as _;
use curve25519_dalek::{EdwardsPoint, Scalar};
use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha512};

use super::Refused;
use crate::crypto::small_order;

/// How many share an inversion: a sixteenth of it is of no account.
const SHARED: usize = 16;

/// A signature of which nothing is left to do but to encode the point that R has to be, and to
/// compare. To encode many at once costs little more than to encode one: they share an inversion.
/// Each is compared by itself, so the results are those of one at a time.
pub(in crate::crypto) struct Expected {
    point: EdwardsPoint,
    r: [u8; 32],
}

impl Expected {
    /// `point` computes S × B − k × A from k and the bytes of S, or nothing if S is not below L.
    pub(super) fn new(
        key: &[u8; 32],
        message: &[u8],
        signature: &[u8; 64],
        point: impl FnOnce(&Scalar, &[u8; 32]) -> Option<EdwardsPoint>,
    ) -> Result<Self, Refused> {
        if small_order::is_r_of(signature) {
            return Err(Refused);
        }
        let (r, s) = signature.split_first_chunk::<32>().ok_or(Refused)?;
        let s = s.try_into().map_err(|_| Refused)?;
        let hash = Sha512::new()
            .chain_update(r)
            .chain_update(key)
            .chain_update(message);
        let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        Ok(Self {
            point: point(&k, s).ok_or(Refused)?,
            r: *r,
        })
    }

    pub(super) fn fits(&self) -> bool {
        *self.point.compress().as_bytes() == self.r
    }

    /// Of each, whether it fits.
    pub(in crate::crypto) fn fit_each(all: &[Self]) -> Vec<bool> {
        let mut fits = Vec::with_capacity(all.len());
        for some in all.chunks(SHARED) {
            let mut points = [EdwardsPoint::identity(); SHARED];
            for (point, expected) in points.iter_mut().zip(some) {
                *point = expected.point;
            }
            let encoded = EdwardsPoint::compress_batch(&points);
            let pairs = some.iter().zip(&encoded);
            fits.extend(pairs.map(|(expected, point)| *point.as_bytes() == expected.r));
        }
        fits
    }
}

/// S × B − k × A of a key without a table.
#[allow(clippy::arithmetic_side_effects, reason = "of a point")]
pub(super) fn point(key: &VerifyingKey, k: &Scalar, s: &[u8; 32]) -> Option<EdwardsPoint> {
    let s: Option<Scalar> = Scalar::from_canonical_bytes(*s).into();
    let negated = -key.to_edwards();
    s.map(|s| EdwardsPoint::vartime_double_scalar_mul_basepoint(k, &negated, &s))
}
