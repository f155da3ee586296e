//! What a session knows of its short form (spec/envelope.md §12).

use crate::crypto::Digest;
use crate::wire::SessionTag;

/// One in so many messages is of the full form, for readers that cannot get the record.
pub const FULL_EVERY: u32 = 1024;

/// Of a session whose record was sealed.
#[derive(Debug)]
pub(super) struct Short {
    tag: SessionTag,
    /// Under which it was sealed: the short form does not say it.
    credential: Digest,
    is_published: bool,
    /// Messages since the last one of the full form.
    since_full: u32,
}

impl Short {
    pub(super) const fn new(tag: SessionTag, credential: Digest) -> Self {
        Self {
            tag,
            credential,
            is_published: false,
            since_full: 0,
        }
    }

    /// Whether the record was sealed under this credential.
    pub(super) fn is_under(&self, credential: &Digest) -> bool {
        self.credential == *credential
    }

    /// The broker has the record.
    pub(super) const fn published(&mut self) {
        self.is_published = true;
    }

    pub(super) fn is_ready(&self, credential: &Digest) -> bool {
        self.is_published && self.is_under(credential)
    }

    /// What names the session, if a message under this credential may be of the short form.
    pub(super) fn usable(&self, credential: &Digest) -> Option<SessionTag> {
        let is_due = self.since_full >= FULL_EVERY.saturating_sub(1);
        (self.is_ready(credential) && !is_due).then_some(self.tag)
    }

    pub(super) const fn sealed(&mut self, short: bool) {
        self.since_full = match short {
            true => self.since_full.saturating_add(1),
            false => 0,
        };
    }
}
