//! The record of a session (spec/envelope.md §12): what its messages of the short form leave out.

use super::session::Class;
use super::short::Short;
use super::{EndReason, Membership, Outgoing, Publisher, SealError, SenderSession};
use crate::crypto::SessionPsk;
use crate::topic::Topic;
use crate::wire::SessionTag;

/// What goes into the record of a session.
#[derive(Debug, Clone, Copy)]
pub struct SessionRecord<'a> {
    /// The sender's record topic of the group (spec/keys.md §9).
    pub topic: Topic<'a>,
    /// The psk with which the session was started.
    pub psk: &'a SessionPsk,
    /// The sender's credential object, at most 4096 bytes.
    pub credential: &'a [u8],
    /// The sender's clock, Unix milliseconds.
    pub sent_at: Option<u64>,
}

impl SenderSession {
    /// Seals the session's record into `out` and returns its length: publish it retained on its
    /// topic, and when the broker has acknowledged it, say [`SenderSession::record_published`].
    /// It has the length of the credential, and at most 170 bytes more. The same bytes may be
    /// published again.
    ///
    /// # Errors
    /// [`SealError::SessionEnded`] with [`EndReason::Credential`] if a record was sealed under
    /// another credential: start a new session. Else as [`SenderSession::seal_in_place`].
    pub fn seal_record_into<M: Membership>(
        &mut self,
        publisher: &Publisher<'_, M>,
        record: &SessionRecord<'_>,
        now: Option<u64>,
        out: &mut [u8],
    ) -> Result<usize, SealError> {
        let membership = publisher.membership();
        let credential = membership.credential_hash();
        let other = |short: &Short| !short.is_under(&credential);
        if self.short.as_ref().is_some_and(other) {
            return Err(SealError::SessionEnded(EndReason::Credential));
        }
        let message = Outgoing {
            sent_at: record.sent_at,
            credential: Some(record.credential),
            ..Outgoing::new(record.topic)
        };
        let tag = record.psk.tag(self.enc(), membership.member());
        let len = self.copy_and_seal(publisher, &message, Class::Record, now, &[], |len| {
            out.get_mut(..len)
        })?;
        self.short
            .get_or_insert(Short::new(SessionTag(tag), credential));
        Ok(len)
    }

    /// The broker has acknowledged the record: whoever lacks the session can get it from there.
    /// Nothing happens if none was sealed.
    pub const fn record_published(&mut self) {
        if let Some(short) = &mut self.short {
            short.published();
        }
    }

    /// Whether messages under the publisher's credential may be of the short form: the session's
    /// record was sealed under it, and published.
    pub fn has_record<M: Membership>(&self, publisher: &Publisher<'_, M>) -> bool {
        let credential = publisher.membership().credential_hash();
        let ready = |short: &Short| short.is_ready(&credential);
        self.short.as_ref().is_some_and(ready)
    }
}
