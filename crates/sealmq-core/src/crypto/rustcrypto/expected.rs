use std::vec::Vec;

use curve25519_dalek::traits::Identity as _;
use curve25519_dalek::{EdwardsPoint, Scalar};
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
    /// Refuses what needs no point. `point` computes S × B − k × A from k and S.
    pub(super) fn new(
        key: &[u8; 32],
        message: &[u8],
        signature: &[u8; 64],
        point: impl FnOnce(&Scalar, &Scalar) -> EdwardsPoint,
    ) -> Result<Self, Refused> {
        if small_order::is_r_of(signature) {
            return Err(Refused);
        }
        let (r, s) = signature.split_first_chunk::<32>().ok_or(Refused)?;
        let s = s.try_into().map_err(|_| Refused)?;
        let s = Option::from(Scalar::from_canonical_bytes(s)).ok_or(Refused)?;
        let hash = Sha512::new()
            .chain_update(r)
            .chain_update(key)
            .chain_update(message);
        let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        Ok(Self {
            point: point(&k, &s),
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
