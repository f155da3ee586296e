//! Combs: multiples of a point, of which the point times a scalar is put together with few additions
//! (Lim and Lee, "More Flexible Exponentiation with Precomputation", 1994). In variable time: for
//! what is public.

use std::boxed::Box;
use std::vec::Vec;

use curve25519_dalek::EdwardsPoint;

/// An odd number below 2^252 is the sum of so many digits × 2^position, each of them 1 or −1.
const DIGITS: usize = 252;

/// Two combs, each for one half of the digits. The teeth of a comb stand COLUMNS digits apart, and one
/// point is added for all the digits that they meet in a column. What was added for the columns above
/// was doubled once for each, so that the same points do for every column. Stored are those for a last
/// digit of 1; the others are the opposite of one of these.
pub(super) struct Combs<const COLUMNS: usize, const TEETH: usize>([Box<[EdwardsPoint]>; 2]);

/// The digits of a scalar: for each tooth of both combs a word, in which the bits of the columns
/// where the digit is 1 are set.
pub(super) struct Digits<const TEETH: usize>([[u32; TEETH]; 2]);

enum Term<'a> {
    Plus(&'a EdwardsPoint),
    Minus(&'a EdwardsPoint),
}

#[allow(clippy::arithmetic_side_effects, reason = "of points, and constants")]
impl<const COLUMNS: usize, const TEETH: usize> Combs<COLUMNS, TEETH> {
    /// The digits are all there, and those of a tooth are read at once.
    const FIT: () = assert!(2 * COLUMNS * TEETH == DIGITS && COLUMNS <= 25);

    pub(super) fn new(mut point: EdwardsPoint) -> Self {
        let () = Self::FIT;
        Self([(); 2].map(|()| {
            let teeth = [(); TEETH].map(|()| {
                let tooth = point;
                (0..COLUMNS).for_each(|_| point = double(&point));
                tooth
            });
            sums(&teeth)
        }))
    }

    /// Of a scalar that [`has_digits`]; if it is even, of the number above it.
    pub(super) fn digits(scalar: &[u8; 32]) -> Digits<TEETH> {
        let mut bytes = [0; 36];
        if let Some(first) = bytes.first_chunk_mut() {
            *first = *scalar;
        }
        // The highest digit is 1, and each other one is 1 if the bit above its place is set.
        if let Some(byte) = bytes.get_mut(DIGITS / 8) {
            *byte |= 1 << (DIGITS % 8);
        }
        let mut position = 1;
        Digits([(); 2].map(|()| {
            [(); TEETH].map(|()| {
                let four = bytes.get(position / 8..).and_then(<[u8]>::first_chunk);
                let word = four.map_or(0, |four| u32::from_le_bytes(*four) >> (position % 8));
                position += COLUMNS;
                word
            })
        }))
    }

    /// What the digits in a column stand for.
    pub(super) fn at(&self, column: usize, digits: &Digits<TEETH>) -> EdwardsPoint {
        let points = self.terms(column, digits).map(|term| match term {
            Term::Plus(point) => *point,
            Term::Minus(point) => -point,
        });
        points.reduce(|sum, point| sum + point).unwrap_or_default()
    }

    /// Adds what the digits in a column stand for.
    pub(super) fn add(&self, sum: &mut EdwardsPoint, column: usize, digits: &Digits<TEETH>) {
        self.terms(column, digits).for_each(|term| match term {
            Term::Plus(point) => *sum += point,
            Term::Minus(point) => *sum -= point,
        });
    }

    fn terms<'a>(
        &'a self,
        column: usize,
        digits: &'a Digits<TEETH>,
    ) -> impl Iterator<Item = Term<'a>> {
        let combs = self.0.iter().zip(&digits.0);
        combs.filter_map(move |(sums, teeth)| {
            let digits = teeth.iter().enumerate().fold(0, |digits, (tooth, word)| {
                digits | (((word >> column) & 1) << tooth)
            });
            let last = 1 << (TEETH - 1);
            let is_plus = digits & last != 0;
            let others = if is_plus { digits } else { !digits } & (last - 1);
            // Always there.
            let point = sums.get(usize::try_from(others).ok()?)?;
            Some(match is_plus {
                true => Term::Plus(point),
                false => Term::Minus(point),
            })
        })
    }
}

/// The last tooth plus or minus each of the others: plus those whose bits the place has.
#[allow(clippy::arithmetic_side_effects, reason = "of points")]
fn sums(teeth: &[EdwardsPoint]) -> Box<[EdwardsPoint]> {
    let Some((last, others)) = teeth.split_last() else {
        return Box::default();
    };
    let mut sums = Vec::with_capacity(1 << others.len());
    sums.push(others.iter().fold(*last, |sum, tooth| sum - tooth));
    for tooth in others {
        let twice = double(tooth);
        for place in 0..sums.len() {
            sums.extend(sums.get(place).map(|sum| sum + twice));
        }
    }
    sums.into_boxed_slice()
}

/// Whether the scalar is below 2^252. L is so little above it that those of no honest signature are
/// not.
pub(super) fn has_digits(scalar: &[u8; 32]) -> bool {
    scalar.last().is_some_and(|byte| byte >> (DIGITS % 8) == 0)
}

pub(super) fn is_even(scalar: &[u8; 32]) -> bool {
    scalar.first().is_some_and(|byte| byte & 1 == 0)
}

#[allow(clippy::arithmetic_side_effects, reason = "of points")]
pub(super) fn double(point: &EdwardsPoint) -> EdwardsPoint {
    point + point
}
