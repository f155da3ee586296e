use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use sealmq_core::object::Access;
use sealmq_core::open::{DecapsulationLimit, Rejection};
use sealmq_core::replay::Gap;
use sealmq_core::{GroupId, MemberNumber};
use serde::{Deserialize, Serialize};

use super::Name;
use super::event::MemberEvent;
use crate::outputs::Publication;
use crate::store::Changes;

/// Unix milliseconds; `None` on a device without a clock: session numbers then count up, and
/// nothing that needs a clock is checked.
pub type Now = Option<u64>;

/// How a member behaves. Nothing here is needed for interoperation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberOptions {
    /// Accepted messages between two snapshots of the replay windows. After a crash, fewer than
    /// this many messages can be replayed once; 1 is strict: none can be, every accepted message
    /// costs a commit, and what the application had not taken when it died is lost.
    pub replay_persist_every: u32,
    /// Most messages that wait for a key or a credential; 0 turns waiting off.
    pub pending_messages: usize,
    /// Most bytes (topics and envelopes) that wait.
    pub pending_bytes: usize,
    /// Longest wait in milliseconds.
    pub pending_ms: u64,
    /// Hand out this member's own messages that come back.
    pub accept_own: bool,
    /// Most senders, over all groups, whose replay windows are kept. The memory grows with their
    /// number, about 1 KiB each. Beyond it older senders are pushed out: all senders that
    /// are not remembered are then refused until they begin a session with a higher number, and
    /// those without a clock, which count from 1, for good.
    pub max_senders: usize,
    /// Most pairs of sender and topic that are remembered for retained values and gap reports.
    /// The memory grows with their number, about 200 bytes each. Beyond it the member
    /// with the most topics loses the one with the oldest value.
    pub max_topics: usize,
    /// Sessions whose keys are kept, about 200 bytes each: more cost one X25519 computation
    /// whenever they come back.
    pub max_sessions: usize,
    /// Senders for which tables are kept that make opening faster, 20 KiB each: those of which most
    /// comes. In a build without the feature `tables` there are none.
    pub max_tables: usize,
    /// What is done at most for sessions of which no message was verified yet: the default is that
    /// of hosts. Below what other members of the group can send, one of them can keep new sessions
    /// of honest ones waiting.
    pub decapsulations: DecapsulationLimit,
    /// Number the messages of each topic, so that readers notice drops (1–4 bytes per message).
    pub sequence: bool,
    /// Report drops. Turn it off where several readers share a subscription.
    pub report_gaps: bool,
    /// Unix seconds that have passed for certain: a clock below is none (spec/keys.md §8). Programs
    /// give [`RELEASED_AT`](crate::RELEASED_AT); 0 if nothing is known.
    pub clock_floor: u64,
    /// Extensions of what this member signs, as the encoded elements of the list (spec/keys.md
    /// §1). This version defines none: for trials of later ones.
    pub extensions: Vec<u8>,
}

impl Default for MemberOptions {
    fn default() -> Self {
        Self {
            replay_persist_every: 64,
            pending_messages: 1024,
            pending_bytes: 4 << 20,
            pending_ms: 30_000,
            accept_own: false,
            max_senders: 65_536,
            max_topics: 65_536,
            max_sessions: 65_536,
            max_tables: 32,
            decapsulations: DecapsulationLimit::HOST,
            sequence: true,
            report_gaps: true,
            clock_floor: 0,
            extensions: Vec::new(),
        }
    }
}

/// Protected properties of a message (spec/envelope.md §5).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Properties {
    /// 1 if the payload is UTF-8 text, 0 if it is unspecified bytes.
    pub payload_format: Option<u8>,
    /// Seconds from `sent_at` until the message has no value any more.
    pub expiry: Option<u32>,
    /// The payload's type.
    pub content_type: Option<String>,
    /// Where an answer is expected.
    pub response_topic: Option<String>,
    /// What the answer is to repeat.
    pub correlation_data: Option<Vec<u8>>,
    /// The application's own pairs, in order.
    pub user: Vec<(String, String)>,
}

impl Properties {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A message to be sealed.
#[derive(Debug, Clone)]
pub struct OutgoingMessage<'a> {
    /// The topic, as the application publishes it.
    pub topic: &'a str,
    /// The payload; 0 bytes are sealed too. (Clearing a retained message is not sealing:
    /// spec/envelope.md §7.)
    pub payload: &'a [u8],
    /// Whether it is published with retain set: readers refuse a retained delivery of a message
    /// that was not meant to be retained.
    pub retain: bool,
    /// A Last Will, to be sealed at CONNECT: gets a session of its own (spec/envelope.md §9).
    pub will: bool,
    /// What MQTT 5 carries beside the payload.
    pub properties: Properties,
    /// Put this member's credential inside, so that a receiver need not fetch it.
    pub announce_credential: bool,
    /// Use the short form, if the message may have it and the session's record was published:
    /// [`Member::record_due`](super::Member::record_due).
    pub short: bool,
}

impl<'a> OutgoingMessage<'a> {
    /// A plain message: not retained, no properties.
    #[must_use]
    pub fn new(topic: &'a str, payload: &'a [u8]) -> Self {
        Self {
            topic,
            payload,
            retain: false,
            will: false,
            properties: Properties::default(),
            announce_credential: false,
            short: false,
        }
    }

    /// Sets the retain flag.
    #[must_use]
    pub fn retained(mut self) -> Self {
        self.retain = true;
        self
    }
}

/// A sealed message.
#[must_use = "commit `changes` before `payload` goes out"]
pub struct Sealed {
    /// To be committed before the payload goes out; empty unless a session began.
    pub changes: Changes,
    /// The envelope: the payload to publish.
    pub payload: Vec<u8>,
    /// The group of the topic.
    pub group: GroupId,
    /// The epoch whose keys were used.
    pub epoch: u64,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed")
            .field("changes", &!self.changes.is_empty())
            .field("len", &self.payload.len())
            .field("group", &self.group)
            .field("epoch", &self.epoch)
            .finish()
    }
}

/// What became of a delivery.
#[derive(Debug)]
#[must_use]
#[allow(
    clippy::large_enum_variant,
    reason = "the large one is the rule, and a box would be an allocation for each message"
)]
pub enum Delivery {
    /// It is authentic. Commit the changes among the actions first.
    Message(Received),
    /// It waits for a key or a credential; an action with this ticket ends the wait.
    Waiting(u64),
    /// It was rejected. Acknowledge it all the same.
    Rejected(Rejection),
}

/// An authentic message.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    /// The topic on which it came, which the sender signed.
    pub topic: String,
    /// Who sent it.
    pub sender: MemberNumber,
    /// The sender's name.
    pub sender_name: Name,
    /// The group of the topic.
    pub group: GroupId,
    /// The group's name.
    pub group_name: Name,
    /// The epoch in which it was sealed.
    pub epoch: u64,
    /// Number of the sender's session.
    pub session: u64,
    /// Number of the message in the session.
    pub counter: u64,
    /// The sender's clock, Unix milliseconds.
    pub sent_at: Option<u64>,
    /// What its sequence number says about messages before it; `None` if it has none, or if
    /// reports are off.
    pub gap: Option<Gap>,
    /// Delivered as the topic's retained value.
    pub retained: bool,
    /// Published with the retain flag: with the next one it is the topic's value.
    pub retain: bool,
    /// The sender's Last Will.
    pub will: bool,
    /// The protected properties.
    pub properties: Properties,
    /// Holds the payload at `range`, and other bytes that mean nothing.
    pub buffer: Vec<u8>,
    /// Where the payload stands in `buffer`.
    pub range: Range<usize>,
}

impl Received {
    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.buffer.get(self.range.clone()).unwrap_or_default()
    }

    /// The payload alone, moved to the front of its buffer.
    #[must_use]
    pub fn into_payload(mut self) -> Vec<u8> {
        self.buffer.truncate(self.range.end);
        self.buffer.drain(..self.range.start.min(self.buffer.len()));
        self.buffer
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No payload: log files are not the place for what was worth encrypting.
        f.debug_struct("Received")
            .field("topic", &self.topic)
            .field("sender", &self.sender)
            .field("sender_name", &self.sender_name)
            .field("group", &self.group_name)
            .field("epoch", &self.epoch)
            .field("session", &self.session)
            .field("counter", &self.counter)
            .field("payload_len", &self.range.len())
            .finish_non_exhaustive()
    }
}

/// What the caller has to do, in the order given.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub enum Action {
    /// Commit before anything that follows, and before the message that came with it is handed
    /// to the application.
    Commit(Changes),
    /// Subscribe with QoS 1.
    Subscribe(String),
    /// End a subscription.
    Unsubscribe(String),
    /// Publish on a reserved topic.
    Publish(Publication),
    /// A message that had to wait is open now.
    Message(u64, Box<Received>),
    /// A message that waited, and its topic, was given up.
    Rejected(u64, String, Rejection),
    /// Something that the application or the operator may want to know.
    Event(MemberEvent),
}

/// A group as this member sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStatus {
    /// Its id.
    pub id: GroupId,
    /// Its name; empty until an announcement is known.
    pub name: String,
    /// The topics that it covers.
    pub filters: Vec<String>,
    /// What this member's credential grants; `None` if it grants nothing any more.
    pub access: Option<Access>,
    /// The narrower filter for publishing; empty for the whole group.
    pub publish_filter: String,
    /// The newest epoch whose keys are there.
    pub epoch: Option<u64>,
    /// End of that epoch, Unix seconds.
    pub not_after: Option<u64>,
    /// Epochs before the current one that can still be opened.
    pub window: u8,
    /// End of that epoch's lease, Unix seconds; the end of the epoch in a group without leases.
    pub good_until: Option<u64>,
    /// Its keys do not count until an announcement of the current delegation comes.
    pub awaits_delegation: bool,
    /// A newer epoch has no key for this member, and its refused list names it.
    pub removed: bool,
    /// A newer epoch has no key for this member, which waits for a new welcome.
    pub needs_welcome: bool,
    /// The refused list that the newest announcement names is there.
    pub ready: bool,
}

/// Counters since the program began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Messages sealed.
    pub sealed: u64,
    /// Sessions begun.
    pub sessions: u64,
    /// Messages opened, those that waited included.
    pub opened: u64,
    /// Messages that had to wait.
    pub waited: u64,
    /// Messages waiting now.
    pub waiting: usize,
    /// Bytes waiting now.
    pub waiting_bytes: usize,
    /// Messages rejected, by [`Rejection::name`].
    pub rejected: BTreeMap<&'static str, u64>,
    /// Objects on reserved topics that were installed.
    pub reserved_installed: u64,
    /// Objects on reserved topics that were refused.
    pub reserved_refused: u64,
    /// Cleared reserved topics and copies of what is known: no reason to act.
    pub reserved_ignored: u64,
    /// Signatures of announcements that were checked: one for each, in whatever order they come.
    pub announcements_verified: u64,
    /// Covers from which the secret of an epoch was taken: one for each that is followed.
    pub announcements_unwrapped: u64,
}
