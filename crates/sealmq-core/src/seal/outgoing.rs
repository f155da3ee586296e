use crate::topic::Topic;
use crate::wire::{Padding, PropertyList};

/// One message to seal, without its payload. Whether it is state – published with MQTT's retain
/// flag, or a Last Will – the session says that seals it.
///
/// ```
/// use sealmq_core::{seal::Outgoing, topic::Topic};
/// let message = Outgoing {
///     sent_at: Some(1_762_949_761_000),
///     ..Outgoing::new(Topic::new("plant/a/temp")?)
/// };
/// # assert!(message.sequence.is_none());
/// # Ok::<(), sealmq_core::topic::TopicError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The name as the application publishes it: with a topic alias the name that the alias
    /// stands for, behind a renaming bridge the logical name.
    pub topic: Topic<'a>,
    /// The sender's clock, Unix milliseconds below 2^42. `None` without a clock.
    pub sent_at: Option<u64>,
    /// Number among this sender's messages on this topic, below 2^21 (spec/envelope.md §8).
    pub sequence: Option<u32>,
    /// Protected properties.
    pub properties: Option<PropertyList<'a>>,
    /// The sender's credential object, so that readers need not fetch it; at most 4096 bytes.
    pub credential: Option<&'a [u8]>,
    /// From the announcement's policy.
    pub padding: Padding,
    /// Use the short form where it is open: to events without a credential inside, in a session
    /// whose record was published ([`super::SenderSession::record_published`]). One in
    /// [`super::FULL_EVERY`] is of the full form all the same.
    pub short: bool,
}

impl<'a> Outgoing<'a> {
    /// A message with nothing but a topic.
    #[must_use]
    pub const fn new(topic: Topic<'a>) -> Self {
        Self {
            topic,
            sent_at: None,
            sequence: None,
            properties: None,
            credential: None,
            padding: Padding::None,
            short: false,
        }
    }
}

/// How much a buffer needs around a payload that is sealed in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes before the payload.
    pub headroom: usize,
    /// Bytes after the payload: padding, signature and tag.
    pub tailroom: usize,
}
