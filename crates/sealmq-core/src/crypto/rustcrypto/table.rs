use std::boxed::Box;
use std::sync::OnceLock;
use std::vec::Vec;

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::traits::Identity as _;
use curve25519_dalek::{EdwardsPoint, Scalar};

use super::Refused;
use super::expected::Expected;

/// Parts of a scalar, each with multiples of its own, so that 16 doublings are left of 256.
const PARTS: usize = 16;
const BITS: usize = 256 / PARTS;

/// Width of the digits of k: 8 odd multiples per part, 20 KiB per key.
const KEY_WIDTH: usize = 5;
/// Width of the digits of S: 32 odd multiples per part, 80 KiB for all keys together.
const BASE_WIDTH: usize = 7;

/// A public key with multiples of it, for signatures that are verified in less than half of the time.
/// One at a time, with the results of `verify`: the point that R has to be is computed, and its bytes
/// are compared.
pub(in crate::crypto) struct Table {
    key: [u8; 32],
    negated: Multiples<KEY_WIDTH>,
}

impl Table {
    #[allow(clippy::arithmetic_side_effects, reason = "of points")]
    pub(super) fn new(key: &ed25519_dalek::VerifyingKey) -> Self {
        Self {
            key: key.to_bytes(),
            negated: Multiples::new(-key.to_edwards()),
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
        Expected::new(&self.key, message, signature, |k, s| self.expected_r(k, s))
    }

    /// S × B − k × A.
    fn expected_r(&self, k: &Scalar, s: &Scalar) -> EdwardsPoint {
        static BASE: OnceLock<Multiples<BASE_WIDTH>> = OnceLock::new();
        let base = BASE.get_or_init(|| Multiples::new(ED25519_BASEPOINT_POINT));
        let (k, s) = (digits::<KEY_WIDTH>(k), digits::<BASE_WIDTH>(s));
        let mut sum = EdwardsPoint::identity();
        for bit in (0..BITS).rev() {
            sum = double(&sum);
            let parts = k.chunks_exact(BITS).zip(s.chunks_exact(BITS)).enumerate();
            for (part, (k, s)) in parts {
                self.negated.add(&mut sum, part, k.get(bit));
                base.add(&mut sum, part, s.get(bit));
            }
        }
        sum
    }
}

/// Odd multiples of a point and of the point times 2^16, 2^32, …
struct Multiples<const WIDTH: usize>(Box<[EdwardsPoint]>);

impl<const WIDTH: usize> Multiples<WIDTH> {
    const PER_PART: usize = 1 << (WIDTH - 2);

    #[allow(clippy::arithmetic_side_effects, reason = "of points, and constants")]
    fn new(mut point: EdwardsPoint) -> Self {
        let mut all = Vec::with_capacity(PARTS * Self::PER_PART);
        for _ in 0..PARTS {
            let (mut odd, twice) = (point, double(&point));
            for _ in 0..Self::PER_PART {
                all.push(odd);
                odd += twice;
            }
            for _ in 0..BITS {
                point = double(&point);
            }
        }
        Self(all.into_boxed_slice())
    }

    /// Adds the part's point times a digit.
    #[allow(clippy::arithmetic_side_effects, reason = "of points")]
    fn add(&self, sum: &mut EdwardsPoint, part: usize, digit: Option<&i8>) {
        let Some(digit) = digit.filter(|digit| **digit != 0) else {
            return;
        };
        let odd = usize::from(digit.unsigned_abs() / 2);
        let place = part.wrapping_mul(Self::PER_PART).wrapping_add(odd);
        // Always there: digits are odd and below 2^(WIDTH − 1).
        if let Some(point) = self.0.get(place) {
            match *digit > 0 {
                true => *sum += point,
                false => *sum -= point,
            }
        }
    }
}

#[allow(clippy::arithmetic_side_effects, reason = "of points")]
fn double(point: &EdwardsPoint) -> EdwardsPoint {
    point + point
}

/// The scalar, below 2^253, as a sum of digits × 2^position, the digits 0 or odd and between
/// ±2^(WIDTH − 1); of WIDTH digits one after the other at most one is not 0.
#[allow(
    clippy::arithmetic_side_effects,
    reason = "positions below 264, digits below 2^WIDTH"
)]
fn digits<const WIDTH: usize>(scalar: &Scalar) -> [i8; 256] {
    let mut bytes = [0; 36];
    if let Some(first) = bytes.first_chunk_mut() {
        *first = scalar.to_bytes();
    }
    let bits_from = |position: usize| {
        let four = bytes.get(position / 8..).and_then(<[u8]>::first_chunk);
        four.map_or(0, |four| u32::from_le_bytes(*four) >> (position % 8))
    };
    let mut digits = [0; 256];
    let (mut position, mut carry) = (0, 0);
    while let Some(digit) = digits.get_mut(position) {
        let window = (bits_from(position) & ((1 << WIDTH) - 1)) + carry;
        if window.is_multiple_of(2) {
            position += 1;
            continue;
        }
        carry = u32::from(window >= 1 << (WIDTH - 1));
        let value = i64::from(window) - (i64::from(carry) << WIDTH);
        *digit = i8::try_from(value).unwrap_or_default();
        position += WIDTH;
    }
    digits
}
