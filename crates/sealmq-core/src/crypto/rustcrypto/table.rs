use std::sync::OnceLock;

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::{EdwardsPoint, Scalar};
use ed25519_dalek::VerifyingKey;

use super::Refused;
use super::comb::{Combs, double, has_digits, is_even};
use super::expected::{Expected, point};

/// For k: 128 points, 20 KiB per key.
const KEY_COLUMNS: usize = 18;
type OfKey = Combs<KEY_COLUMNS, 7>;

/// For S: 512 points, 80 KiB for all keys together.
const BASE_COLUMNS: usize = 14;
type OfBase = Combs<BASE_COLUMNS, 9>;

/// A public key with multiples of it, for signatures that are verified in less than half of the time.
/// One at a time, with the results of `verify`: the point that R has to be is computed, and its bytes
/// are compared.
pub(in crate::crypto) struct Table {
    key: VerifyingKey,
    negated: OfKey,
}

impl Table {
    #[allow(clippy::arithmetic_side_effects, reason = "of a point")]
    pub(super) fn new(key: &VerifyingKey) -> Self {
        Self {
            key: *key,
            negated: Combs::new(-key.to_edwards()),
        }
    }

    pub(in crate::crypto) fn verify(
        &self,
        message: &[u8],
        signature: &[u8; 64],
    ) -> Result<(), Refused> {
        let expected = self.expected(message, signature)?;
        expected.fits().then_some(()).ok_or(Refused)
    }

    /// All of verification but for the comparison of R.
    pub(in crate::crypto) fn expected(
        &self,
        message: &[u8],
        signature: &[u8; 64],
    ) -> Result<Expected, Refused> {
        let key = self.key.as_bytes();
        Expected::new(key, message, signature, |k, s| self.point(k, s))
    }

    /// S × B − k × A.
    #[allow(clippy::arithmetic_side_effects, reason = "of points")]
    fn point(&self, k: &Scalar, s: &[u8; 32]) -> Option<EdwardsPoint> {
        static BASE: OnceLock<OfBase> = OnceLock::new();
        let k_bytes = k.as_bytes();
        if !has_digits(k_bytes) || !has_digits(s) {
            return point(&self.key, k, s);
        }
        let base = BASE.get_or_init(|| Combs::new(ED25519_BASEPOINT_POINT));
        let (of_k, of_s) = (OfKey::digits(k_bytes), OfBase::digits(s));
        let mut sum = self.negated.at(KEY_COLUMNS - 1, &of_k);
        for column in (0..KEY_COLUMNS - 1).rev() {
            sum = double(&sum);
            self.negated.add(&mut sum, column, &of_k);
            if column < BASE_COLUMNS {
                base.add(&mut sum, column, &of_s);
            }
        }
        // Digits are those of odd numbers.
        if is_even(k_bytes) {
            sum += self.key.to_edwards();
        }
        if is_even(s) {
            sum -= ED25519_BASEPOINT_POINT;
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;

    use super::*;

    #[test]
    fn the_point_is_that_of_dalek_for_every_kind_of_scalar() {
        let power = |exponent: u32| (0..exponent).fold(Scalar::ONE, |power, _| power + power);
        let edge = power(252);
        let scalars: Vec<Scalar> = (0..4_u64)
            .map(Scalar::from)
            .flat_map(|small| [small, -small, edge - small, edge + small])
            .chain((0..252).step_by(21).map(power))
            .chain((1..10_u64).map(|n| Scalar::from(n).invert()))
            .collect();
        // With a part of small order, as a key of somebody who means no good.
        for torsion in [EIGHT_TORSION[0], EIGHT_TORSION[1]] {
            let point = EdwardsPoint::mul_base(&Scalar::from(77_u64)) + torsion;
            let key = VerifyingKey::from_bytes(&point.compress().to_bytes()).unwrap();
            let table = Table::new(&key);
            for k in &scalars {
                for s in &scalars {
                    let of_dalek = EdwardsPoint::vartime_double_scalar_mul_basepoint(k, &-point, s);
                    assert_eq!(table.point(k, s.as_bytes()), Some(of_dalek), "{k:?} {s:?}");
                }
            }
        }
    }

    #[test]
    fn s_is_below_l() {
        let key = ed25519_dalek::SigningKey::from_bytes(&[1; 32]).verifying_key();
        let mut l = (-Scalar::ONE).to_bytes();
        assert!(Table::new(&key).point(&Scalar::ONE, &l).is_some());
        l[0] += 1;
        for s in [l, [0xff; 32]] {
            assert_eq!(Table::new(&key).point(&Scalar::ONE, &s), None);
        }
    }
}
