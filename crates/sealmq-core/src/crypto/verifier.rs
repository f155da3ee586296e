use core::fmt;

#[cfg(feature = "tables")]
use super::tables::Tables;
use super::{Digest, SIGNATURE_LEN, SignatureContext, SignatureError, VerifyingKey};

/// Verifies signatures for a reader, which meets the same senders again and again. Results are those
/// of [`VerifyingKey::verify`]. With the feature `tables`, and if it may, it keeps a table of 20 KiB
/// for each of the senders of which most comes: less than half of the time.
#[derive(Default)]
pub struct Verifier {
    #[cfg(feature = "tables")]
    pub(super) tables: Tables,
}

impl Verifier {
    /// Without tables.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            #[cfg(feature = "tables")]
            tables: Tables::new(),
        }
    }

    /// Keeps at most so many tables; the one that was not used for longest goes. Without the feature
    /// `tables` there are none.
    #[cfg_attr(
        not(feature = "tables"),
        allow(
            clippy::unused_self,
            clippy::needless_pass_by_ref_mut,
            reason = "no tables"
        )
    )]
    pub fn keep_tables(&mut self, most: usize) {
        #[cfg(feature = "tables")]
        self.tables.keep(most);
        #[cfg(not(feature = "tables"))]
        let _ = most;
    }

    /// How many tables there are.
    #[must_use]
    pub fn table_count(&self) -> usize {
        #[cfg(feature = "tables")]
        let count = self.tables.count();
        #[cfg(not(feature = "tables"))]
        let count = 0;
        count
    }

    /// Verifies strictly, one signature at a time.
    ///
    /// # Errors
    /// The signature does not fit.
    #[cfg_attr(
        not(feature = "tables"),
        allow(
            clippy::unused_self,
            clippy::needless_pass_by_ref_mut,
            reason = "no tables"
        )
    )]
    pub fn verify(
        &mut self,
        key: &VerifyingKey,
        context: SignatureContext,
        digest: &Digest,
        signature: &[u8; SIGNATURE_LEN],
    ) -> Result<(), SignatureError> {
        #[cfg(feature = "tables")]
        let result = self
            .tables
            .verify(key, &context.signed_bytes(digest), signature);
        #[cfg(not(feature = "tables"))]
        let result = key.verify(context, digest, signature);
        result
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({} tables)", self.table_count())
    }
}
