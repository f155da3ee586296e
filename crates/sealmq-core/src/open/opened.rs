use core::ops::Range;

use super::Sighting;
use crate::crypto::Digest;
use crate::ids::{GroupId, MemberNumber};
use crate::replay::Gap;
use crate::wire::{BodyFields, PropertyList, SessionTag, flags};

/// A message whose sender, topic, place in its session and content are proven. There is no other
/// way to a payload.
///
/// Reading one before verification does not compile:
///
/// ```compile_fail,E0599
/// use sealmq_core::open::Decrypted;
/// fn peek<'a>(message: &'a Decrypted<'_>) -> &'a [u8] {
///     message.payload()
/// }
/// ```
///
/// while after it, it does:
///
/// ```
/// use sealmq_core::open::Opened;
/// fn read<'a>(message: &'a Opened<'_>) -> &'a [u8] {
///     message.payload()
/// }
/// ```
#[derive(Debug)]
#[must_use = "the message counts as seen from now on"]
pub struct Opened<'b> {
    /// The caller's buffer, as it is now.
    pub(crate) buf: &'b [u8],
    /// Where the body starts in it.
    pub(crate) base: usize,
    pub(crate) fields: BodyFields,
    pub(crate) facts: Facts,
    pub(crate) sighting: Sighting,
    pub(crate) gap: Option<Gap>,
    pub(crate) new_session: Option<SessionTag>,
}

/// What stands outside the body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) group: GroupId,
    pub(crate) epoch: u64,
    pub(crate) announcement: Digest,
    pub(crate) counter: u32,
    pub(crate) serial: u32,
    pub(crate) credential_used: bool,
    pub(crate) retained: bool,
}

impl<'b> Opened<'b> {
    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &'b [u8] {
        self.buf.get(self.payload_range()).unwrap_or_default()
    }

    /// Where the payload stands in the buffer that was given to open, for callers that hand the
    /// buffer on without a copy.
    #[must_use]
    pub fn payload_range(&self) -> Range<usize> {
        self.absolute(&self.fields.payload)
    }

    /// The tag of its session, if messages of that in the short form could not be opened before and
    /// can be now: what waits for it may be tried.
    #[must_use]
    pub const fn new_session(&self) -> Option<SessionTag> {
        self.new_session
    }

    /// The protected properties. Only these count; what MQTT carried outside is not proven.
    #[must_use]
    pub fn properties(&self) -> Option<PropertyList<'b>> {
        let range = self.absolute(self.fields.properties.as_ref()?);
        self.buf.get(range).map(PropertyList::from_checked)
    }

    /// The sender's credential object, if it came inside and was newer than the one known. It
    /// was admitted by the directory: store it.
    #[must_use]
    pub fn credential(&self) -> Option<&'b [u8]> {
        let range = self
            .fields
            .credential
            .as_ref()
            .filter(|_| self.facts.credential_used)?;
        self.buf.get(self.absolute(range))
    }

    /// The sender's number.
    #[must_use]
    pub const fn sender(&self) -> MemberNumber {
        self.fields.sender
    }

    /// Serial of the credential under which it was verified.
    #[must_use]
    pub const fn credential_serial(&self) -> u32 {
        self.facts.serial
    }

    /// The group.
    #[must_use]
    pub const fn group(&self) -> GroupId {
        self.facts.group
    }

    /// The epoch; of state the kept epoch.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.facts.epoch
    }

    /// Hash of the epoch's announcement; of state K'.
    #[must_use]
    pub const fn announcement(&self) -> &Digest {
        &self.facts.announcement
    }

    /// The sender's session.
    #[must_use]
    pub const fn session_number(&self) -> u64 {
        self.fields.session_number
    }

    /// Number of the message in its session.
    #[must_use]
    pub const fn counter(&self) -> u32 {
        self.facts.counter
    }

    /// What names it among all messages of its sender.
    #[must_use]
    pub const fn sighting(&self) -> &Sighting {
        &self.sighting
    }

    /// The sender's clock, Unix milliseconds.
    #[must_use]
    pub const fn sent_at(&self) -> Option<u64> {
        self.fields.sent_at
    }

    /// Number among the sender's messages on this topic.
    #[must_use]
    pub const fn sequence(&self) -> Option<u32> {
        self.fields.sequence
    }

    /// What is missing before it, if the sender numbers its messages and gaps are reported.
    #[must_use]
    pub const fn gap(&self) -> Option<Gap> {
        self.gap
    }

    /// Whether the broker delivered it as a retained value: it may be old, and may have been
    /// delivered before.
    #[must_use]
    pub const fn is_retained_delivery(&self) -> bool {
        self.facts.retained
    }

    /// Whether the sender published it with retain set.
    #[must_use]
    pub const fn retain(&self) -> bool {
        self.fields.has(flags::RETAIN)
    }

    /// Whether it is the sender's Last Will.
    #[must_use]
    pub const fn is_will(&self) -> bool {
        self.fields.has(flags::WILL)
    }

    fn absolute(&self, range: &Range<usize>) -> Range<usize> {
        range.start.saturating_add(self.base)..range.end.saturating_add(self.base)
    }
}
