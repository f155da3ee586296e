use core::ops::Range;

use crate::ids::MemberNumber;
use crate::wire::{SessionFields, SessionTag};

/// The record of a session that was verified (spec/envelope.md §12): messages of the session open
/// in the short form from now on.
#[derive(Debug)]
pub struct Recorded<'b> {
    pub(crate) tag: SessionTag,
    pub(crate) fields: SessionFields,
    pub(crate) body: &'b [u8],
    pub(crate) credential: Option<Range<usize>>,
}

impl<'b> Recorded<'b> {
    /// Whose session it is.
    #[must_use]
    pub const fn sender(&self) -> MemberNumber {
        self.fields.sender
    }

    /// What names it in the short form.
    #[must_use]
    pub const fn tag(&self) -> SessionTag {
        self.tag
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.fields.number
    }

    /// The sender's credential object, if it is newer than the one known. It was admitted by the
    /// directory: store it.
    #[must_use]
    pub fn credential(&self) -> Option<&'b [u8]> {
        self.body.get(self.credential.clone()?)
    }
}
