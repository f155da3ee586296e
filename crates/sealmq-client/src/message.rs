use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
#[cfg(feature = "std")]
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Buf as _, Bytes};
use sealmq_core::replay::Gap;
use sealmq_core::{GroupId, MemberNumber};
use sealmq_keys::member::{Name, Properties, Received};

/// An authentic message: everything here was signed by its sender, except `retained`.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The topic for which the sender sealed it, and on which it came.
    pub topic: String,
    /// Who sent it: the member's number, never reused.
    pub sender: MemberNumber,
    /// The sender's name, as the authority enrolled it.
    pub sender_name: Name,
    /// Name of the group that covers the topic.
    pub group: Name,
    /// Id of that group.
    pub group_id: GroupId,
    /// The epoch whose keys sealed it.
    pub epoch: u64,
    /// Number of the sender's session; rises with each one.
    pub session: u64,
    /// Number of the message within the session.
    pub counter: u64,
    /// The sender's clock when it was sealed, Unix milliseconds.
    pub sent_at: Option<u64>,
    /// Whether messages of this sender on this topic are missing before it; `None` if the sender
    /// does not number them, or several readers share the subscription. Information only: QoS 0
    /// loses messages by design.
    pub gap: Option<Gap>,
    /// Delivered as the topic's retained value: a state, not an event.
    pub retained: bool,
    /// The sender's Last Will.
    pub will: bool,
    /// The properties that travelled inside. Those outside are not authenticated, and ignored.
    pub properties: Properties,
    /// The payload.
    pub payload: Bytes,
}

impl Message {
    /// [`Message::sent_at`] as a time.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn sent_at_time(&self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_millis(self.sent_at?))
    }
}

impl From<Received> for Message {
    fn from(received: Received) -> Self {
        Self {
            topic: received.topic,
            sender: received.sender,
            sender_name: received.sender_name,
            group: received.group_name,
            group_id: received.group,
            epoch: received.epoch,
            session: received.session,
            counter: received.counter,
            sent_at: received.sent_at,
            gap: received.gap,
            retained: received.retained,
            will: received.will,
            properties: received.properties,
            payload: payload(received.buffer, received.range),
        }
    }
}

/// Payloads up to here are moved, which is cheaper than to share their memory.
const MOVED: usize = 64 * 1024;

/// Of an opened envelope. The range is the member machine's own, within the buffer; an empty
/// payload otherwise.
fn payload(mut buffer: Vec<u8>, range: Range<usize>) -> Bytes {
    if range.end > buffer.len() || range.is_empty() {
        return Bytes::new();
    }
    if range.len() > MOVED {
        return Bytes::from(buffer).slice(range);
    }
    // At the end of its buffer it has no capacity behind it, for which `Bytes` would allocate.
    let before = buffer.len().saturating_sub(range.len());
    buffer.copy_within(range, before);
    let mut payload = Bytes::from(buffer);
    payload.advance(before);
    payload
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No payload: log files are not the place for what was worth encrypting.
        f.debug_struct("Message")
            .field("topic", &self.topic)
            .field("sender", &self.sender)
            .field("sender_name", &self.sender_name)
            .field("group", &self.group)
            .field("epoch", &self.epoch)
            .field("session", &self.session)
            .field("counter", &self.counter)
            .field("gap", &self.gap)
            .field("retained", &self.retained)
            .field("payload_len", &self.payload.len())
            .finish_non_exhaustive()
    }
}
