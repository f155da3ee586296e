use core::convert::Infallible;

use hpke::rand_core::{TryCryptoRng, TryRng};

/// Hands out bytes that were derived before, each once, in order. HPKE's Encap is the only
/// consumer; one that draws another number of bytes than expected is caught by
/// [`SeedRng::is_spent`], and nothing that was computed from it may be used.
pub(in crate::crypto) struct SeedRng<'a> {
    left: &'a [u8],
    overdrawn: bool,
}

impl<'a> SeedRng<'a> {
    pub(in crate::crypto) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            left: bytes,
            overdrawn: false,
        }
    }

    /// Whether exactly the given bytes were drawn.
    pub(in crate::crypto) const fn is_spent(&self) -> bool {
        self.left.is_empty() && !self.overdrawn
    }
}

impl TryRng for SeedRng<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.overdrawn = true;
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.overdrawn = true;
        Ok(0)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        match self.left.split_at_checked(out.len()) {
            Some((bytes, left)) => {
                out.copy_from_slice(bytes);
                self.left = left;
            }
            None => self.overdrawn = true,
        }
        Ok(())
    }
}

impl TryCryptoRng for SeedRng<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_out_once() {
        let mut rng = SeedRng::new(&[1, 2, 3]);
        let (mut two, mut one) = ([0; 2], [0; 1]);
        rng.try_fill_bytes(&mut two).unwrap();
        assert!(!rng.is_spent());
        rng.try_fill_bytes(&mut one).unwrap();
        assert_eq!((two, one), ([1, 2], [3]));
        assert!(rng.is_spent());
        rng.try_fill_bytes(&mut one).unwrap();
        assert!(!rng.is_spent());
    }
}
