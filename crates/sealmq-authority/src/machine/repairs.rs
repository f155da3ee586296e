//! What is published again because the broker had something else: within seconds, but whoever goes
//! on and on does not keep the authority busy.

use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::crypto::sha256;

use super::draft::{Set, Slot, Table};
use super::plan::AuthorityEvent;
use sealmq_keys::ReservedTopic;

/// Repairs of a topic before it is contested.
const AT_ONCE: u32 = 8;
/// Seconds between these, and at the most between later ones.
const SHORTEST: u64 = 1;
const LONGEST: u64 = 60;
/// Seconds without a repair after which a topic is as any other.
const FORGOTTEN: u64 = 600;
/// The same for one that is not contested.
const FORGOTTEN_SOON: u64 = 60;
/// Repairs of all topics together in a minute: of those of members, and of the many of groups.
const MOST: u32 = 4096;
/// Topics that are owed one; of more, everything at the broker has to be read again.
const MOST_OWED: usize = 1024;

/// Who needs what stands on a topic. Whoever clears those of many members must not hold up what all
/// of them need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// Everybody, and there are few such topics.
    All,
    /// A group's members; there may be many of them.
    Group,
    /// One member, or a device.
    Member,
}

impl Need {
    pub(super) const fn of(topic: &ReservedTopic) -> Self {
        match topic {
            ReservedTopic::Delegation
            | ReservedTopic::RefusedList(_)
            | ReservedTopic::Heartbeat(_) => Self::All,
            ReservedTopic::Announcement(..)
            | ReservedTopic::Chunk(..)
            | ReservedTopic::RefusedChunk(..)
            | ReservedTopic::KeptKeys(_) => Self::Group,
            _ => Self::Member,
        }
    }
}

/// Names a topic: whoever clears many must not make us keep their names.
type TopicHash = [u8; 16];

#[derive(Default)]
pub(super) struct Repairs {
    topics: Table<TopicHash, Repaired>,
    /// Topics that were seen wrong again too soon.
    owed: Set<(Need, String)>,
    /// More than that.
    lost_count: bool,
    minute: Slot<Minute>,
}

#[derive(Clone, Copy)]
struct Repaired {
    at: u64,
    count: u32,
}

#[derive(Clone, Copy, Default, PartialEq)]
struct Minute {
    number: u64,
    groups: u32,
    members: u32,
}

impl Minute {
    /// Of a minute that is over, nothing counts.
    const fn count(&self, need: Need) -> u32 {
        match need {
            Need::All => 0,
            Need::Group => self.groups,
            Need::Member => self.members,
        }
    }

    const fn add(&mut self, need: Need) {
        match need {
            Need::All => {}
            Need::Group => self.groups = self.groups.saturating_add(1),
            Need::Member => self.members = self.members.saturating_add(1),
        }
    }
}

impl Repaired {
    /// Seconds until the next repair: twice as many with each one.
    fn pause(&self) -> u64 {
        let doubled = self.count.saturating_sub(AT_ONCE).min(6);
        (SHORTEST << doubled).min(LONGEST)
    }

    fn is_remembered(&self, now: u64) -> bool {
        let long = if self.count < AT_ONCE {
            FORGOTTEN_SOON
        } else {
            FORGOTTEN
        };
        self.at.abs_diff(now) < long
    }

    fn may_again(&self, now: u64) -> bool {
        self.at.abs_diff(now) >= self.pause()
    }
}

impl Repairs {
    /// The topic holds what it should.
    pub(super) fn stands(&mut self, need: Need, topic: &str) {
        self.owed.remove(&(need, topic.into()));
    }

    /// Whether nothing was done about the topic for a while.
    pub(super) fn is_new(&self, topic: &str, now: u64) -> bool {
        let known = self.topics.get(&hash(topic));
        known.is_none_or(|known| known.at.abs_diff(now) >= LONGEST)
    }

    /// Whether to publish the topic again now. If not, it is owed.
    pub(super) fn take(
        &mut self,
        need: Need,
        topic: &str,
        now: u64,
        events: &mut Vec<AuthorityEvent>,
    ) -> bool {
        let number = now / 60;
        if self.minute.number != number {
            self.minute.set(Minute {
                number,
                ..Minute::default()
            });
            self.topics
                .delete_unless(|_, known| known.is_remembered(now));
        }
        let known = self.topics.get(&hash(topic)).copied();
        let this = (need, String::from(topic));
        if self.minute.count(need) >= MOST || known.is_some_and(|known| !known.may_again(now)) {
            if need == Need::All || self.owed.len() < MOST_OWED {
                self.owed.insert(this);
            } else {
                self.lost_count |= !self.owed.contains(&this);
            }
            return false;
        }
        self.owed.remove(&this);
        let count = known.map_or(0, |known| known.count).saturating_add(1);
        self.topics.insert(hash(topic), Repaired { at: now, count });
        let mut minute = *self.minute;
        minute.add(need);
        self.minute.set(minute);
        let is_last = minute.count(need) == MOST;
        if count == AT_ONCE || is_last {
            events.push(AuthorityEvent::Contested {
                topic: (!is_last).then(|| topic.into()),
            });
        }
        true
    }

    /// Topics to look at again.
    pub(super) fn owed(&self) -> Vec<(Need, String)> {
        self.owed.iter().cloned().collect()
    }

    /// When one of them may be published again.
    pub(super) fn owed_at(&self) -> Option<u64> {
        let next_minute = self.minute.number.saturating_add(1).saturating_mul(60);
        let due = self.owed.iter().map(|(need, topic)| {
            let known = self.topics.get(&hash(topic));
            let at = known.map_or(0, |known| known.at.saturating_add(known.pause()));
            match self.minute.count(*need) >= MOST {
                true => at.max(next_minute),
                false => at,
            }
        });
        due.min()
    }

    /// Whether more topics are owed one than are known.
    pub(super) const fn lost_count(&self) -> bool {
        self.lost_count
    }

    /// Everything at the broker is read again.
    pub(super) const fn forget_lost(&mut self) {
        self.lost_count = false;
    }

    pub(super) fn keep(&mut self) {
        self.topics.keep();
        self.owed.keep();
        self.minute.keep();
    }

    pub(super) fn undo(&mut self) {
        self.topics.undo();
        self.owed.undo();
        self.minute.undo();
    }
}

fn hash(topic: &str) -> TopicHash {
    let hash = sha256(&[topic.as_bytes()]).0;
    hash.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec;

    #[test]
    fn a_topic_is_repaired_at_once_and_more_slowly_if_it_does_not_end() {
        let mut repairs = Repairs::default();
        let mut events = Vec::new();
        let times = (1000..2000).filter(|now| repairs.take(Need::Member, "t", *now, &mut events));
        let times: Vec<u64> = times.collect();
        let expected = [
            1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1010, 1014, 1022,
        ];
        assert_eq!(times[..12], expected);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= 60));
        let told = AuthorityEvent::Contested {
            topic: Some("t".into()),
        };
        assert_eq!(events, vec![told], "said once");
        assert!(repairs.owed_at().is_some());
        repairs.stands(Need::Member, "t");
        assert_eq!(repairs.owed_at(), None);
        // Others do not wait for it, and nor does it after a while.
        assert!(repairs.take(Need::Member, "u", 2000, &mut events));
        assert!(
            repairs.take(Need::Member, "t", 2700, &mut events)
                && repairs.take(Need::Member, "t", 2701, &mut events)
        );
    }

    #[test]
    fn all_together_have_a_budget() {
        let mut repairs = Repairs::default();
        let mut events = Vec::new();
        let made = (0..10_000)
            .filter(|n| repairs.take(Need::Member, &format!("t/{n}"), 60_000, &mut events));
        assert_eq!(made.count(), 4096);
        assert_eq!(events, vec![AuthorityEvent::Contested { topic: None }]);
        assert_eq!(repairs.owed().len(), MOST_OWED);
        assert!(repairs.lost_count());
        assert_eq!(repairs.owed_at(), Some(60_060));
        // What all need does not wait for them.
        for (need, topic) in [(Need::All, "r"), (Need::Group, "a")] {
            for now in 60_001..60_008 {
                assert!(repairs.take(need, topic, now, &mut events), "{topic}");
            }
        }
        assert!(!repairs.take(Need::All, "r", 60_007, &mut events));
        assert_eq!(repairs.owed_at(), Some(60_008));
    }
}
