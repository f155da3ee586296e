//! What is drawn from the caller's generator.

use rand_core::TryCryptoRng;
use sealmq_core::crypto::{Entropy, Secret};

use crate::error::{SealRefused, StartError};

/// The generator failed, or is stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed;

impl From<Failed> for SealRefused {
    fn from(_: Failed) -> Self {
        Self::Random
    }
}

impl From<Failed> for StartError {
    fn from(_: Failed) -> Self {
        Self::Random
    }
}

/// 32 fresh bytes. They are drawn twice: a generator that gives the same again, or one word over and
/// over, is stuck (spec/envelope.md §6).
pub(crate) fn secret(rng: &mut impl TryCryptoRng) -> Result<Secret, Failed> {
    let (first, second) = (draw(rng)?, draw(rng)?);
    let mut words = first.expose().chunks_exact(4);
    let word = words.next();
    let is_stuck = first == second || words.all(|next| Some(next) == word);
    match is_stuck {
        true => Err(Failed),
        false => Ok(first),
    }
}

/// The same for one hedged seed.
pub(crate) fn entropy(rng: &mut impl TryCryptoRng) -> Result<Entropy, Failed> {
    let mut bytes = *secret(rng)?.expose();
    Entropy::take(&mut bytes).map_err(|_| Failed)
}

fn draw(rng: &mut impl TryCryptoRng) -> Result<Secret, Failed> {
    let mut drawn = Ok(());
    let secret = Secret::init_with(|out| drawn = rng.try_fill_bytes(out).map_err(|_| Failed));
    drawn.map(|()| secret)
}

#[cfg(test)]
mod tests {
    use core::convert::Infallible;

    use rand_core::{TryCryptoRng, TryRng};

    use super::*;

    /// Gives these 32 bytes in turn.
    struct Turns<'a>(core::iter::Cycle<core::slice::Iter<'a, [u8; 32]>>);

    impl TryRng for Turns<'_> {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            panic!("bytes are drawn")
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            panic!("bytes are drawn")
        }

        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
            out.copy_from_slice(self.0.next().unwrap());
            Ok(())
        }
    }

    impl TryCryptoRng for Turns<'_> {}

    #[test]
    fn a_stuck_generator_is_refused() {
        let noise = |seed: u8| core::array::from_fn(|at| (at as u8).wrapping_mul(37) ^ seed);
        let of_words = |word: [u8; 4]| core::array::from_fn(|at| word[at % 4]);
        let drawn = |turns: &[[u8; 32]]| secret(&mut Turns(turns.iter().cycle())).is_ok();
        assert!(drawn(&[noise(1), noise(2)]));
        assert!(!drawn(&[noise(1)]), "the same again");
        for word in [[0; 4], [0xff; 4], [7; 4], [1, 2, 3, 4]] {
            assert!(!drawn(&[of_words(word), noise(1)]), "{word:?}");
        }
        let mut one_differs: [u8; 32] = of_words([1, 2, 3, 4]);
        one_differs[31] ^= 1;
        assert!(drawn(&[one_differs, noise(1)]));
    }
}
