use core::cmp::Ordering;

use super::debt::Debt;
use super::floors::Order;
use super::probe::mix;
use super::sender::sender_hash;
use crate::credential::CredentialOrder;
use crate::crypto::{Digest, ENC_LEN};
use crate::ids::{GroupId, MemberNumber};

/// What is remembered of one sender on one topic: the order of retained values, and the sequence
/// by which gaps are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicRecord {
    pub(crate) group: GroupId,
    pub(crate) member: MemberNumber,
    /// Half of the topic's hash: a sender that makes two of its topics collide disturbs itself.
    pub(crate) topic: [u8; 16],
    pub(crate) serial: CredentialOrder,
    /// The highest (session number, counter) among messages with the RETAIN flag; (0, 0) if none.
    pub(crate) retained: Order,
    /// The enc of that message if it was delivered as retained and its counter does not stand in
    /// its session's window: live it would be accepted again (ATTACKS B2).
    pub(crate) shown: Option<[u8; ENC_LEN]>,
    /// The last (session number, sequence). Not durable: it is for reports only.
    pub(crate) sequence: Option<Order>,
}

/// A value with the RETAIN flag, as the topic's record keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) order: Order,
    /// See [`TopicRecord::shown`].
    pub(crate) shown: Option<[u8; ENC_LEN]>,
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
    pub(crate) const fn retained_mark(&self) -> Mark {
        Mark {
            order: self.retained,
            shown: self.shown,
        }
    }

    /// Keeps the higher one of two marks; the one that is kept no longer, if it has to be refused
    /// in another way.
    pub(crate) fn raise(&mut self, mark: &Mark) -> Option<Mark> {
        let old = self.retained_mark();
        let (kept, out) = match old.order.cmp(&mark.order) {
            Ordering::Less => (*mark, old),
            Ordering::Greater => (old, *mark),
            Ordering::Equal => {
                self.shown = old.shown.or(mark.shown);
                return None;
            }
        };
        (self.retained, self.shown) = (kept.order, kept.shown);
        out.shown.map(|_| out)
    }

    pub(crate) const fn new(key: TopicKey, serial: CredentialOrder) -> Self {
        Self {
            group: key.group,
            member: key.member,
            topic: key.topic,
            serial,
            retained: (0, 0),
            shown: None,
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
