//! What is drawn from the caller's generator.

use rand_core::TryCryptoRng;
use sealmq_core::crypto::{Entropy, Secret};

use super::MemberError;

/// 32 fresh secret bytes.
pub(super) fn draw(rng: &mut impl TryCryptoRng) -> Result<Secret, MemberError> {
    let mut failed = false;
    let secret = Secret::init_with(|out| failed = rng.try_fill_bytes(out).is_err());
    if failed || *secret.expose() == [0; 32] {
        return Err(MemberError::Random);
    }
    Ok(secret)
}

/// 32 fresh bytes for one hedged seed.
pub(super) fn entropy(rng: &mut impl TryCryptoRng) -> Result<Entropy, MemberError> {
    let mut bytes = [0; 32];
    rng.try_fill_bytes(&mut bytes)
        .map_err(|_| MemberError::Random)?;
    Entropy::take(&mut bytes).map_err(|_| MemberError::Random)
}
