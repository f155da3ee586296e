use core::fmt;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// 32 secret bytes: wiped on drop, never printed, compared in constant time.
///
/// The bytes come out only through [`Secret::expose`], so that every use can be found by name.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// Takes over `bytes` and wipes the source.
    pub fn take(bytes: &mut [u8; 32]) -> Self {
        let secret = Self(*bytes);
        bytes.zeroize();
        secret
    }

    /// Copies secret bytes, for example from an opened store.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Makes a secret in place, without a copy on the stack of the caller.
    pub fn init_with(fill: impl FnOnce(&mut [u8; 32])) -> Self {
        let mut secret = Self([0; 32]);
        fill(&mut secret.0);
        secret
    }

    /// The secret bytes, for derivations and encrypted storage only.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A second copy, where two owners have to hold the same secret.
    #[must_use]
    pub const fn duplicate(&self) -> Self {
        Self(self.0)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
