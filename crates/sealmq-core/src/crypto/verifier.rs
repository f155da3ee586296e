use core::fmt;

use super::{Digest, SIGNATURE_LEN, SignatureContext, SignatureError, VerifyingKey};
#[cfg(feature = "tables")]
use super::{
    tables::Tables,
    together::{Signed, Together},
};

/// Verifies signatures for a reader, which meets the same senders again and again. Results are those
/// of [`VerifyingKey::verify`]. With the feature `tables`, and if it may, it keeps a table of 20 KiB
/// for each of the senders of which most comes: less than half of the time.
#[derive(Default)]
pub struct Verifier {
    #[cfg(feature = "tables")]
    pub(super) tables: Tables,
    #[cfg(feature = "tables")]
    pub(super) together: Together,
}

impl Verifier {
    /// Without tables.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            #[cfg(feature = "tables")]
            tables: Tables::new(),
            #[cfg(feature = "tables")]
            together: Together::new(),
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
        let result = self.verify_or_collect(
            Signed {
                key: *key.as_bytes(),
                message: context.signed_bytes(digest),
                signature: *signature,
            },
            key,
        );
        #[cfg(not(feature = "tables"))]
        let result = key.verify(context, digest, signature);
        result
    }
}

/// Several signatures together: [`Verifier::verify`] is called with each of them twice, first between
/// `begin_together` and `end_together`, where it refuses all of them.
#[cfg(feature = "tables")]
impl Verifier {
    pub(crate) fn begin_together(&mut self) {
        self.together.begin();
    }

    pub(crate) fn end_together(&mut self) {
        self.together.end();
    }

    /// Whether there is no room for another one.
    pub(crate) const fn is_full(&self) -> bool {
        self.together.is_full()
    }

    fn verify_or_collect(
        &mut self,
        signed: Signed,
        key: &VerifyingKey,
    ) -> Result<(), SignatureError> {
        let (message, signature) = (&signed.message, &signed.signature);
        if self.together.collects() {
            if let Ok(expected) = self.tables.expected(key, message, signature) {
                self.together.collect(signed, expected);
            }
            return Err(SignatureError);
        }
        let decided = self.together.take(&signed);
        self.tables.verify(key, message, signature, decided)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({} tables)", self.table_count())
    }
}
