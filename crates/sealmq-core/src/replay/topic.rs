use super::debt::Debt;
use super::place::Place;
use super::probe::{mix, sender_hash};
use super::sequence::Sequence;
use crate::crypto::Digest;
use crate::ids::{GroupId, MemberNumber};

/// What is remembered of one sender on one topic: the order of its state, and the sequence by
/// which gaps are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicRecord {
    pub(crate) group: GroupId,
    pub(crate) member: MemberNumber,
    /// Half of the topic's hash: a sender that makes two of its topics collide disturbs itself.
    pub(crate) topic: [u8; 16],
    /// The place of the newest state that was accepted.
    pub(crate) mark: Option<Place>,
    /// The last sequence. Not durable: it is for reports only.
    pub(crate) sequence: Option<Sequence>,
}

/// Names a sender on a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TopicKey {
    pub(crate) group: GroupId,
    pub(crate) member: MemberNumber,
    pub(crate) topic: [u8; 16],
}

impl TopicKey {
    pub(crate) fn new(group: GroupId, member: MemberNumber, topic_hash: &Digest) -> Self {
        let (topic, _) = topic_hash.0.split_first_chunk().unwrap_or((&[0; 16], &[]));
        Self {
            group,
            member,
            topic: *topic,
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        let (half, _) = self.topic.split_first_chunk().unwrap_or((&[0; 8], &[]));
        mix(u64::from_le_bytes(*half) ^ sender_hash(&self.group, self.member))
    }
}

impl TopicRecord {
    pub(crate) const fn new(key: TopicKey) -> Self {
        Self {
            group: key.group,
            member: key.member,
            topic: key.topic,
            mark: None,
            sequence: None,
        }
    }

    pub(crate) const fn key(&self) -> TopicKey {
        TopicKey {
            group: self.group,
            member: self.member,
            topic: self.topic,
        }
    }
}

/// A place for one sender and topic in a [`super::Table`].
#[derive(Debug, Clone)]
pub struct TopicSlot {
    pub(crate) record: Option<TopicRecord>,
    pub(crate) debt: Debt<TopicKey>,
}

impl TopicSlot {
    /// A free place.
    pub const EMPTY: Self = Self {
        record: None,
        debt: Debt::NONE,
    };
}

impl Default for TopicSlot {
    fn default() -> Self {
        Self::EMPTY
    }
}
