//! What is drawn from the caller's generator.

use rand_core::TryCryptoRng;
use sealmq_core::crypto::Entropy;

use crate::error::SealRefused;

/// 32 fresh bytes for one hedged seed.
pub(crate) fn entropy(rng: &mut impl TryCryptoRng) -> Result<Entropy, SealRefused> {
    let mut bytes = [0; 32];
    let drawn = rng.try_fill_bytes(&mut bytes);
    drawn.map_err(|_| SealRefused::Random)?;
    Entropy::take(&mut bytes).map_err(|_| SealRefused::Random)
}
