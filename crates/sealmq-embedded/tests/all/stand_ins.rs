//! Random numbers.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use sealmq_core::crypto::sha256;

/// SHA-256 in counter mode; or the same at every call.
pub struct TestRng(pub u64, pub bool);

impl TryRng for TestRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.try_next_u64()? as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(32) {
            self.0 += u64::from(!self.1);
            chunk.copy_from_slice(&sha256(&[&self.0.to_be_bytes()]).0[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for TestRng {}
