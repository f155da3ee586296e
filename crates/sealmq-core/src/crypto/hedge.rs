use core::fmt;

use super::{Secret, expand, extract};
use zeroize::Zeroize;

/// 32 bytes fresh from the platform's random number generator, for one use.
///
/// This crate has no RNG of its own: the caller draws, and an RNG that fails is the caller's
/// error to return. All-zero bytes are refused, because that is how failing RNGs look.
#[derive(Debug)]
pub struct Entropy(Secret);

/// The random number generator gave 32 zero bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntropyError;

impl fmt::Display for EntropyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the random number generator returned only zeros: check the platform's RNG, nothing was sealed")
    }
}

impl core::error::Error for EntropyError {}

impl Entropy {
    /// Takes over 32 bytes from the RNG and wipes the source.
    ///
    /// # Errors
    /// All bytes are zero.
    pub fn take(bytes: &mut [u8; 32]) -> Result<Self, EntropyError> {
        if *bytes == [0; 32] {
            return Err(EntropyError);
        }
        let secret = Secret::take(bytes);
        bytes.zeroize();
        Ok(Self(secret))
    }
}

/// What a hedged seed is for (spec/envelope.md §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// The ephemeral key of a sender session.
    Session = 1,
    /// The one-time key of a key package.
    KeyPackage = 2,
    /// A nonce that proves freshness.
    Nonce = 3,
    /// The encryption of a join request.
    Join = 4,
    /// Whatever an authority draws (spec/keys.md §6).
    Authority = 5,
}

/// The device's own secret, mixed into everything random and ratcheted after each use.
#[derive(Debug, PartialEq, Eq)]
pub struct DeviceSecret(Secret);

/// In which change of an authority something is drawn (spec/keys.md §6).
#[derive(Debug, Clone, Copy)]
pub struct ChangeContext {
    /// Serial of the delegation that the change acts under; 0 before the first.
    pub serial: u32,
    /// When, Unix seconds.
    pub at: u64,
    /// Head of the audit log before it.
    pub log_head: [u8; 32],
}

/// A seed, and the device secret that has to be durable before the seed is used.
#[derive(Debug)]
#[must_use = "persist `next` before `seed` is used"]
pub struct Hedged {
    /// 32 bytes for DeriveKeyPair.
    pub seed: Secret,
    /// The device secret from now on.
    pub next: DeviceSecret,
}

impl DeviceSecret {
    /// Wraps stored or freshly drawn bytes.
    #[must_use]
    pub const fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The bytes, for encrypted storage.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// Mixes RNG output, this secret and a number that is never used twice (spec/envelope.md §6).
    pub fn hedge(&self, entropy: &Entropy, purpose: Purpose, number: u64) -> Hedged {
        Self::expand_from(&extract(&self.0, &[entropy.0.expose()]), purpose, number)
    }

    /// The same for what an authority draws: a store that was put back has an old secret again,
    /// so what differs between two of its lives goes in as well. `number` counts the draws of one
    /// change.
    pub fn hedge_change(&self, entropy: &Entropy, change: &ChangeContext, number: u64) -> Hedged {
        let ikm = [
            &entropy.0.expose()[..],
            &change.serial.to_be_bytes(),
            &change.at.to_be_bytes(),
            &change.log_head,
        ];
        Self::expand_from(&extract(&self.0, &ikm), Purpose::Authority, number)
    }

    fn expand_from(prk: &Secret, purpose: Purpose, number: u64) -> Hedged {
        let context = (&[purpose as u8][..], &number.to_be_bytes()[..]);
        Hedged {
            seed: expand(prk, &[b"sealmq/1 hedge seed", context.0, context.1]),
            next: Self(expand(prk, &[b"sealmq/1 hedge next", context.0, context.1])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_refused() {
        assert!(Entropy::take(&mut [0; 32]).is_err());
    }

    #[test]
    fn a_stuck_rng_repeats_no_seed() {
        let mut secret = DeviceSecret::new(Secret::new([7; 32]));
        let mut seen = [[0; 32]; 64];
        for i in 0..seen.len() {
            let entropy = Entropy::take(&mut [9; 32]).unwrap();
            // The number repeats as well: the ratcheted secret alone must be enough.
            let hedged = secret.hedge(&entropy, Purpose::Session, 1);
            assert!(!seen.contains(hedged.seed.expose()));
            seen[i] = *hedged.seed.expose();
            secret = hedged.next;
        }
    }

    #[test]
    fn two_lives_of_an_authority_separate() {
        let secret = DeviceSecret::new(Secret::new([7; 32]));
        let entropy = Entropy::take(&mut [9; 32]).unwrap();
        let life = ChangeContext {
            serial: 1,
            at: 2,
            log_head: [3; 32],
        };
        let first = secret.hedge_change(&entropy, &life, 0);
        let others = [
            ChangeContext { serial: 2, ..life },
            ChangeContext { at: 3, ..life },
            ChangeContext {
                log_head: [4; 32],
                ..life
            },
        ];
        for other in others {
            let second = secret.hedge_change(&entropy, &other, 0);
            assert!(first.seed != second.seed && first.next != second.next);
        }
        assert!(first.seed != secret.hedge_change(&entropy, &life, 1).seed);
        assert!(first.seed != secret.hedge(&entropy, Purpose::Authority, 0).seed);
    }

    #[test]
    fn purposes_and_numbers_separate() {
        let secret = DeviceSecret::new(Secret::new([7; 32]));
        let entropy = Entropy::take(&mut [9; 32]).unwrap();
        let a = secret.hedge(&entropy, Purpose::Session, 1);
        let b = secret.hedge(&entropy, Purpose::KeyPackage, 1);
        let c = secret.hedge(&entropy, Purpose::Session, 2);
        assert!(a.seed != b.seed && a.seed != c.seed && b.seed != c.seed);
        assert!(a.next != b.next && a.next.0 != a.seed);
    }
}
